package db_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Promise: what the command line writes beside a running server leaves the database to it between two transactions, as long as each
// held it; alone it loses no time. The clock is the test's: a transaction takes exactly what its statement sleeps.
func TestWritersBesideAServerLeaveItItsTurn(t *testing.T) {
	const held = 30 * time.Millisecond
	open := func(t *testing.T, url string) *db.DB {
		d, err := db.Open(t.Context(), url, db.Options{NoMigrate: true, Before: func(query string, _ []any) error {
			if query == "COMMIT" {
				<-time.After(held)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, row := range []struct {
		why, serves string
		refused     bool
		rests       int
	}{
		{"another process serves", "server", false, 2},
		{"nobody serves", "", false, 0},
		{"it serves itself", "guest", false, 0},
		{"nothing was written", "server", true, 0},
	} {
		t.Run(row.why, func(t *testing.T) {
			url := dbtest.URL(t, dbtest.SQLite)
			synctest.Test(t, func(t *testing.T) {
				process := map[string]*db.DB{"server": open(t, url), "guest": open(t, url)}
				for _, d := range process {
					defer d.Close()
				}
				if d := process[row.serves]; d != nil {
					release, _, err := d.ClaimServing()
					if err != nil {
						t.Fatal(err)
					}
					defer release()
				}
				began, wrote := time.Now(), 0
				for range 3 {
					err := process["guest"].Write(t.Context(), func(tx *db.Tx) error {
						if row.refused {
							return context.Canceled
						}
						wrote++
						_, err := tx.Exec(t.Context(), "UPDATE audit_horizon SET keep_from = 1")
						return err
					})
					if (err != nil) != row.refused {
						t.Fatal(err)
					}
				}
				if took, want := time.Since(began), time.Duration(wrote+row.rests)*held; took != want {
					t.Errorf("three writes took %v, not %v", took, want)
				}
			})
		})
	}
}
