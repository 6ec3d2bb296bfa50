package db_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// fewConnections gives the address of a fresh database for a role that may have five connections, and how to hold them all but some:
// what it returns lets one go.
func fewConnections(t *testing.T) (address *url.URL, hold func(all int) (letOneGo func())) {
	t.Helper()
	postgresURL(t) // or skips
	server := dbtest.Open(t, dbtest.Postgres)
	role := "rekey_few_" + strings.ToLower(rand.Text())
	do := func(statements ...string) {
		for _, s := range statements {
			if err := server.Write(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(context.Background(), s); return err }); err != nil {
				t.Error(err)
			}
		}
	}
	do("CREATE ROLE "+role+" LOGIN CONNECTION LIMIT 5", "GRANT pg_read_all_data, pg_write_all_data TO "+role)
	t.Cleanup(func() { do("DROP ROLE " + role) })
	u, _ := postgresURL(t)
	u.User = url.User(role)
	return u, func(all int) func() {
		pool, err := sql.Open("pgx", u.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pool.Close() })
		pool.SetMaxIdleConns(0)
		var held []*sql.Conn
		for range all {
			c, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		return func() { held[0].Close() }
	}
}

// One node takes no more connections than there are for it, and leaves some to others where it can.
func TestANodeTakesItsShareOfTheConnections(t *testing.T) {
	u, _ := fewConnections(t)
	for _, row := range []struct {
		asked, takes int // 0: refused
	}{{0, 4}, {5, 5}, {6, 0}} {
		d, err := db.Open(t.Context(), u.String(), db.Options{NoMigrate: true, MaxConns: row.asked})
		if row.takes == 0 {
			if err == nil || !strings.Contains(err.Error(), "--database-connections 6 is more than PostgreSQL has") {
				t.Errorf("%d connections: %v", row.asked, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Stats().MaxOpenConnections; got != row.takes {
			t.Errorf("asked for %d it takes up to %d, not %d", row.asked, got, row.takes)
		}
		d.Close()
	}
}

// Where others have taken the last connection, a caller waits for one, and is refused in time if none comes.
func TestAConnectionIsWaitedForWhereTheServerHasNone(t *testing.T) {
	u, hold := fewConnections(t)
	line, tries := counted(t, u)
	d, err := db.Open(t.Context(), line.String(), db.Options{NoMigrate: true, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	letOneGo := hold(4) // and one is ours
	for len(tries) > 0 {
		<-tries
	}
	read := func(then func()) error {
		return d.Read(t.Context(), func(tx *db.Tx) error { // on the one that it has
			then()
			var one int
			return tx.Row(t.Context(), "SELECT 1").Scan(&one)
		})
	}
	var late error
	err = read(func() { late = read(func() {}) })
	if err != nil || !errors.Is(late, db.ErrUnavailable) || !strings.Contains(db.Why(u.String(), late), "--database-connections") {
		t.Errorf("with none left: %v, %v, %q", err, late, db.Why(u.String(), late))
	}
	for len(tries) > 0 {
		<-tries
	}
	go func() {
		<-tries
		<-tries // it has been refused once, and asks again
		letOneGo()
	}()
	if err := errors.Join(read(func() { late = read(func() {}) }), late); err != nil {
		t.Errorf("with one that is let go: %v", err)
	}
}

// counted is the same server behind a line that counts who calls.
func counted(t *testing.T, u *url.URL) (line *url.URL, tries chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	tries = make(chan struct{}, 10_000)
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			tries <- struct{}{}
			go func() {
				defer near.Close()
				far, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer far.Close()
				go func() {
					io.Copy(far, near)
					far.Close()
				}()
				io.Copy(near, far)
			}()
		}
	}()
	line = &url.URL{Scheme: u.Scheme, User: u.User, Host: l.Addr().String(), Path: u.Path, RawQuery: "sslmode=disable"}
	return line, tries
}
