package journeys_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pquerna/otp/totp"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// act does a journey. It may be tried again while nothing has come of it.
type act func() error

// journey is one use case: what must be there before it begins, and the act itself.
type journey struct {
	name   string
	ready  func(s *stage) act
	keeps  []string // tables in which a journey that fails may have left something, on purpose
	spends spending // what was given out once, in an email or to a program
	check  bool     // it decides whether something shown is good: it must cost the same in every store
}

func totpCode(e admin.Enrolment, s *stage) (string, error) {
	return totp.GenerateCode(e.Secret.Reveal(), s.clock.Now())
}

// eachJourney walks through every journey on a store of its own.
func eachJourney(t *testing.T, f func(t *testing.T, j journey, d *db.DB, w *dbtest.Watch, do act)) {
	for _, j := range slices.Concat(shoppers, staff, programs) {
		t.Run(strings.ReplaceAll(j.name, " ", "_"), func(t *testing.T) {
			dbtest.EachWatched(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock, w *dbtest.Watch) {
				do := j.ready(set(t, d, clock))
				f(t, j, d, w, do)
			})
		})
	}
}

// mayScan are the tables that a check may read from end to end, and why that costs the same in every store.
var mayScan = map[string]string{
	"websites": "a handful", "store_views": "a handful", "settings": "a handful", "shop_version": "one row", "cutoffs": "at most one row a website",
	"webhooks": "the few that a store may have",
}

// What decides whether a token, session, link, code, passkey or signature is good reads rows by their keys: no table and no view
// from end to end, however many customers there are.
func TestChecksCostTheSameInEveryStore(t *testing.T) {
	eachJourney(t, func(t *testing.T, j journey, d *db.DB, w *dbtest.Watch, do act) {
		if !j.check {
			t.Skip("decides nothing")
		}
		w.Break(0)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		for query, steps := range w.Reads(t, d) {
			for _, step := range steps {
				if verb, rest, _ := strings.Cut(step, " "); verb != "SCAN" || mayScan[strings.Fields(rest)[0]] == "" {
					t.Errorf("%s in %s", step, query)
				}
			}
		}
	})
}
