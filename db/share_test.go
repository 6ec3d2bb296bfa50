package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fair"
)

// Every statement of one website hangs: it waits for itself, and nobody else does.
func TestAWebsiteThatHangsLeavesOthersTheirConnections(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		const hanging, other = 1, 2
		ctx := context.Background()
		// One connection is the staff's, one the house's, six are for visitors: four at most for each website.
		d, err := db.Open(ctx, dbtest.URL(t, engine), db.Options{NoMigrate: true, MaxConns: 8})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		look := func(party int64, patience time.Duration) error {
			ctx, cancel := context.WithTimeout(fair.For(ctx, party), patience)
			defer cancel()
			return d.Read(ctx, func(tx *db.Tx) error {
				_, err := tx.Now(ctx)
				return err
			})
		}
		release, over := make(chan struct{}), make(chan error)
		for range 4 {
			held := make(chan struct{})
			go func() {
				over <- d.Read(fair.For(ctx, hanging), func(*db.Tx) error {
					close(held)
					<-release
					return nil
				})
			}()
			<-held
		}
		if err := look(hanging, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the website that hangs got one more: %v", err)
		}
		for party, who := range map[int64]string{other: "another website", fair.Strangers: "strangers", fair.Staff: "the staff", fair.House: "the house"} {
			if err := look(party, db.AcquireTimeout); err != nil {
				t.Errorf("%s: %v", who, err)
			}
		}
		close(release)
		for range 4 {
			if err := <-over; err != nil {
				t.Error(err)
			}
		}
		if err := look(hanging, db.AcquireTimeout); err != nil {
			t.Errorf("the website, once it hangs no more: %v", err)
		}
	})
}
