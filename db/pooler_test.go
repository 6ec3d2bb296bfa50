package db_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// eachPooler runs f for an empty database behind a real pooler of each mode, which has few connections of its own: most transactions
// get one that somebody else has just used.
func eachPooler(t *testing.T, f func(t *testing.T, pooled string)) {
	postgresURL(t) // or skips
	for _, mode := range dbtest.Poolers {
		t.Run(mode, func(t *testing.T) {
			size := 3
			if mode == "session" {
				size = 40
			}
			f(t, dbtest.Pooled(t, dbtest.EmptyURL(t, dbtest.Postgres), mode, fmt.Sprintf("default_pool_size = %d", size), "max_client_conn = 100"))
		})
	}
}

// Nodes start at once behind a pooler, bring the schema up to date, and write what nobody else overwrites.
func TestAPoolerMayStandBeforePostgreSQL(t *testing.T) {
	eachPooler(t, func(t *testing.T, pooled string) {
		const nodes, each = 3, 40
		ctx := context.Background()
		var starting sync.WaitGroup
		var all [nodes]*db.DB
		for i := range all {
			starting.Go(func() {
				d, err := db.Open(ctx, pooled, db.Options{MaxConns: 8})
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { d.Close() })
				all[i] = d
			})
		}
		starting.Wait()
		if t.Failed() {
			return
		}
		before := version(t, all[0])
		var working sync.WaitGroup
		for _, d := range all {
			for range each {
				working.Go(func() {
					if err := d.Write(ctx, func(tx *db.Tx) error { return raise(ctx, tx, 1) }); err != nil {
						t.Error(err)
					}
					version(t, d)
				})
			}
		}
		working.Wait()
		if got := version(t, all[1]); got != before+nodes*each {
			t.Errorf("%d writes raised %d to %d", nodes*each, before, got)
		}
	})
}

// Wherever a transaction runs, its time is bounded, and what the address says of that is believed.
func TestTimeLimitsHoldInEveryTransaction(t *testing.T) {
	u, _ := postgresURL(t)
	addresses := map[string]string{"direct": u.String()}
	for _, mode := range dbtest.Poolers {
		addresses[mode] = dbtest.Pooled(t, u.String(), mode)
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			said, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			q := said.Query()
			q.Set("lock_timeout", "1234ms")
			said.RawQuery = q.Encode()
			d, err := db.Open(context.Background(), said.String(), db.Options{NoMigrate: true})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			look := func(tx *db.Tx) error {
				var statement, lock, idle string
				err := tx.Row(t.Context(), `SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')`).
					Scan(&statement, &lock, &idle)
				if got := statement + " " + lock + " " + idle; err == nil && got != "10s 1234ms 30s" {
					err = errors.New(got)
				}
				return err
			}
			for range 3 {
				if err := errors.Join(d.Write(t.Context(), look), d.Read(t.Context(), look)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
