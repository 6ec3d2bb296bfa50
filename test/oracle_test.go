package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What TestNobodyCanTellWhoIsACustomer sends. With 120 of each the standard error of AUC is sqrt(241/(12*120*120)) = 0.037, and
// the command allows three of them, 0.112: chance alone strays further once in 370 times, twice in three runs once in 45,000.
const (
	oracleCustomers = 40
	oracleRequests  = 120
	oracleRuns      = 3
)

// TestNobodyCanTellWhoIsACustomer runs the command that operators run, against the real program. Bytes must be equal in every run;
// of the times, one run of three may stray, because other work on the machine strays too.
func TestNobodyCanTellWhoIsACustomer(t *testing.T) {
	whole(t)
	s := newStore(t, "sqlite")
	var rows strings.Builder
	rows.WriteString("email,firstname,lastname,website\n")
	for i := range oracleCustomers {
		fmt.Fprintf(&rows, "%s,Camille,Durand,base\n", numbered(i))
	}
	list := filepath.Join(t.TempDir(), "customers.csv")
	if err := os.WriteFile(list, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.rekey("", "customer", "import", list)
	for _, path := range []string{"customer/password/max_requests_per_client", "customer/signin/max_failures_per_client"} {
		s.rekey("", "config", "set", path, "0") // no limit by client, which would answer instead
	}
	s.rekey("", "config", "set", "customer/signin_by_letter/enabled", "1")
	strayed := map[string]int{}
	for run := range oracleRuns {
		if run == oracleRuns-1 && len(strayed) == 0 {
			break // it could not change the verdict
		}
		out, complaint, _ := command(t, "", "audit", "oracle", "--url", s.url, "--known", list, "--requests", fmt.Sprint(oracleRequests), "--yes", "--json")
		var verdicts []struct {
			Page        string
			AUC         float64
			Silent      bool
			Measured    bool
			Limited     int
			Differences []string
		}
		if err := json.Unmarshal([]byte(out), &verdicts); err != nil || len(verdicts) != 4 {
			t.Fatalf("%v: %s", err, complaint)
		}
		for _, v := range verdicts {
			if len(v.Differences) > 0 || !v.Measured || v.Limited > 0 {
				t.Errorf("%s: measured %v, %d left out, %v", v.Page, v.Measured, v.Limited, v.Differences)
			}
			if !v.Silent {
				strayed[v.Page]++
			}
			t.Logf("%s: AUC %.3f", v.Page, v.AUC)
		}
	}
	for page, n := range strayed {
		if n > 1 {
			t.Errorf("%s: %d of %d runs tell customers by time", page, n, oracleRuns)
		}
	}
}
