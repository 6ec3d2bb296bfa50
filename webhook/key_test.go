package webhook

import (
	"context"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: a receiver verifies with the secret that it was given, whichever key the store has by now.
func TestReceiversOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, _ := store(t, d)
		before, told, changed, done := fixture.Changing(t, d)
		r := listen(t)
		_, word := create(t, node(before), New{URL: r.URL})
		h.Write(func(ctx context.Context, tx *db.Tx) error { // as it was made before secrets were sealed
			_, err := tx.Exec(ctx, "UPDATE webhooks SET sealed_secret = NULL")
			return err
		})
		tell := func(name string, at *fixture.House) {
			t.Helper()
			happen(h, created(h))
			deliver(t, node(at))
			all := r.all()
			if len(all) == 0 {
				t.Fatalf("a node %s tells nothing", name)
			}
			verify(t, word, all[len(all)-1])
		}
		reseal := func(key secret.Key, want int) {
			t.Helper()
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				n, err := Reseal(ctx, tx, key)
				if n != want {
					t.Errorf("%d secrets were sealed anew, want %d", n, want)
				}
				return err
			})
		}
		tell("before", before)
		tell("told", told)
		reseal(before.Key.Accepting(done.Key), 1)
		tell("before, sealed", before)
		reseal(changed.Key, 1)
		reseal(changed.Key, 0)
		tell("told, after the change", told)
		tell("changed", changed)
		tell("done", done)

		other := listen(t) // made where the change has not come to yet
		_, word = create(t, node(told), New{URL: other.URL})
		reseal(changed.Key, 1)
		happen(h, created(h))
		deliver(t, node(done))
		if all := other.all(); len(all) != 1 {
			t.Errorf("the second webhook was told %d times", len(all))
		} else {
			verify(t, word, all[0])
		}
	})
}
