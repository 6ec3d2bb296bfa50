package puzzle_test

import (
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: a form that was loaded from one node can be sent to any while the store changes its key.
func TestFormsOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		protected(t, d)
		_, told, changed, done := fixture.Changing(t, d)
		for _, r := range []struct {
			name     string
			from, to *fixture.House
			want     bool
		}{
			{"from a node with the old key to one with the new", told, changed, true},
			{"from a node with the new key to one with the old", changed, told, true},
			{"from a node with the old key to one that has given it up", told, done, false},
		} {
			posed := pose(t, r.from, "lune_en", puzzle.SignIn, "")
			clock.Advance(posed.Wait)
			for what, answer := range map[string]puzzle.Answer{"a proof": {Solution: send(solve(t, posed.Challenge))}, "a ticket": {Ticket: posed.Ticket}} {
				_, err := r.to.Puzzles.Admit(ctx, r.to.View("lune_en"), puzzle.SignIn, answer, from(1))
				if (err == nil) != r.want || err != nil && !fault.Is(err, fault.Invalid) {
					t.Errorf("%s %s: %v", what, r.name, err)
				}
			}
			clock.Advance(time.Minute)
		}
	})
}
