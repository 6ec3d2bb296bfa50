package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// TestAnImportLeavesShoppersTheirTurn measures what signing in takes while the command line imports into the database of a running
// server, as a ratio to what it takes in quiet. make import gives it its rows.
func TestAnImportLeavesShoppersTheirTurn(t *testing.T) {
	rows, err := strconv.Atoi(os.Getenv("REKEY_IMPORT_ROWS"))
	if err != nil {
		t.Skip("REKEY_IMPORT_ROWS says no number of rows")
	}
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		s := newStore(t, engine)
		const shoppers = 5
		for i := range shoppers {
			s.customer(numbered(i), "Shopper", fmt.Sprint(i), oldPassword)
		}
		turn := 0
		signIn := func() time.Duration {
			began := time.Now()
			if _, status := s.token(numbered(turn%shoppers), oldPassword); status != http.StatusOK {
				t.Errorf("signing in ended with %d", status)
			}
			turn++
			return time.Since(began)
		}
		idle := make([]time.Duration, 300)
		for i := range idle {
			idle[i] = signIn()
		}
		began := time.Now()
		running := launch(t, append([]string{"customer", "import", peopleFile(t, rows)}, s.args...)...)
		var busy []time.Duration
		for running.runs() {
			busy = append(busy, signIn())
		}
		took := time.Since(began)
		if exit := running.ended(); exit != 0 {
			t.Fatalf("exit %d: %s", exit, running.said())
		}
		at := func(all []time.Duration, percent int) time.Duration {
			slices.Sort(all)
			return all[min(len(all)-1, len(all)*percent/100)].Round(100 * time.Microsecond)
		}
		t.Logf("%d rows in %v (%.0f a second); signing in took p50 %v p99 %v before, p50 %v p99 %v at most %v (%d of them) meanwhile: p50 × %.2f",
			rows, took.Round(time.Second), float64(rows)/took.Seconds(), at(idle, 50), at(idle, 99), at(busy, 50), at(busy, 99), at(busy, 100), len(busy),
			float64(at(busy, 50))/float64(at(idle, 50)))
	})
}

// peopleFile is a file of so many customers with hashes, as the export of a store.
func peopleFile(t *testing.T, rows int) string {
	t.Helper()
	var file strings.Builder
	file.WriteString("email,website,firstname,lastname,password_hash,created_at\n")
	for i := range rows {
		fmt.Fprintf(&file, "import%d@shop.example,base,Import,Number %d,\"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g\",2024-05-06 07:08:09\n", i, i)
	}
	path := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
