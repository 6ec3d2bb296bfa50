package db_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Of the servers in an address, one is frozen, one is gone, and the third is the primary: it is found in time, and the
// next connection begins with it.
func TestThePrimaryIsFoundAmongSeveralServers(t *testing.T) {
	u, folder := postgresURL(t)
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts for it; nobody ever answers
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	_, frozenPort, _ := net.SplitHostPort(frozen.Addr().String())
	_, gonePort, _ := net.SplitHostPort(gone.Addr().String())
	u.RawQuery = url.Values{"sslmode": {"disable"}, "target_session_attrs": {"read-write"},
		"host": {"127.0.0.1,127.0.0.1," + folder}, "port": {frozenPort + "," + gonePort + ",5432"}}.Encode()

	begun := time.Now()
	d, err := db.Open(context.Background(), u.String(), db.Options{NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if took := time.Since(begun); took > 2*db.AcquireTimeout {
		t.Errorf("it took %v", took)
	}
	if got := version(t, d); got != 1 {
		t.Errorf("version %d", got)
	}
}

func TestStandbysAreNotAskedFor(t *testing.T) {
	u, folder := postgresURL(t)
	u.RawQuery = url.Values{"host": {folder}, "target_session_attrs": {"prefer-standby"}}.Encode()
	_, err := db.Open(context.Background(), u.String(), db.Options{NoMigrate: true})
	if err == nil || !strings.Contains(err.Error(), "works on the primary") {
		t.Errorf("an address that prefers a standby: %v", err)
	}
}

// A connection that died while it waited is replaced, not handed to a shopper as an error.
func TestConnectionsThatDiedInThePoolAreReplaced(t *testing.T) {
	u, _ := postgresURL(t)
	d, err := db.Open(context.Background(), u.String(), db.Options{NoMigrate: true, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx := context.Background()
	for range 3 {
		version(t, d)
		other, err := db.Open(ctx, u.String(), db.Options{NoMigrate: true, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		err = other.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(ctx, func(tx *db.Tx) error { return raise(ctx, tx, 0) }); err != nil {
			t.Errorf("after its connections were ended: %v", err)
		}
	}
}

// postgresURL is the address of a fresh database, and the folder of the server's socket.
func postgresURL(t *testing.T) (*url.URL, string) {
	t.Helper()
	var address string
	for _, engine := range dbtest.Engines() {
		if engine == dbtest.Postgres {
			address = dbtest.URL(t, engine)
		}
	}
	if address == "" {
		t.Skip("needs PostgreSQL")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u, u.Query().Get("host")
}
