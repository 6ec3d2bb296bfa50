package journeys_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// cut is what ends everything that was given out before: it has happened as soon as it has answered.
type cut func(s *stage) error

const (
	website       = "the website's"
	owner         = "the customer's"
	administrator = "the administrator's"
)

// given is what ends whatever a customer was given.
var given = []string{website, owner}

var cuts = map[string]cut{
	website: func(s *stage) error {
		return s.in(func(ctx context.Context, tx *db.Tx) error {
			return customer.Cut{Sessions: true, Tokens: true, Links: true}.Make(ctx, tx, s.view.WebsiteID)
		})()
	},
	owner: func(s *stage) error {
		return s.in(func(ctx context.Context, tx *db.Tx) error {
			if err := customer.EndLinks(ctx, tx, s.c.ID); err != nil {
				return err
			}
			if _, err := signin.EndAll(ctx, tx, s.c.ID); err != nil {
				return err
			}
			_, err := token.RevokeAll(ctx, tx, s.c.ID)
			return err
		})()
	},
	administrator: func(s *stage) error {
		return s.Admins.ResetFactors(ctx, s.may(admin.ManageAdmins), "ada", home)
	},
}

// spending is how a journey uses up what was given out once: the beginning of the statement that decides, and what ends it.
type spending struct {
	statement string
	by        []string // cuts
	locked    bool     // the customer's row is held meanwhile: the customer's cut waits for the statement
}

// What is given out once.
var (
	resetLink    = spending{statement: "UPDATE links SET spent_at", by: given}
	resetCode    = spending{statement: "SELECT id, customer_id, expires_at FROM links", by: given}
	signInCode   = spending{statement: "UPDATE codes SET spent_at", by: given}
	objection    = spending{statement: "SELECT id, letter", by: given, locked: true}
	newAddress   = spending{statement: "DELETE FROM email_changes WHERE id", by: given}
	registration = spending{statement: "UPDATE registrations SET used_at", by: []string{website}}
	adminLink    = spending{statement: "UPDATE admin_links SET spent_at", by: []string{administrator}}
	session      = spending{statement: "SELECT 1 FROM sessions", by: given}
	grant        = spending{statement: "UPDATE tokens SET revoked_at", by: given}
)

// Between the moment when a link, code or token is looked at and the one when it is spent, a cut may come: the link is dead then, not
// good for one more time. The cut is made before the transaction that spends begins and, where others write meanwhile, right
// before the statement that decides.
func TestWhatIsCutOffBetweenCheckAndSpendingIsDead(t *testing.T) {
	eachJourney(t, func(t *testing.T, j journey, d *db.DB, w *dbtest.Watch, do act) {
		if j.spends.statement == "" {
			t.Skip("spends nothing that was given out")
		}
		w.Break(0)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		begin, decides := whereIsSpent(t, w.Order(), j.spends.statement)
		for _, by := range j.spends.by {
			moments := map[string]int{"before its transaction": begin}
			if w.Engine() == dbtest.Postgres && !(j.spends.locked && by == owner) {
				moments["before its statement"] = decides
			}
			for name, nth := range moments {
				t.Run(strings.ReplaceAll(by+" cut "+name, " ", "_"), func(t *testing.T) {
					dbtest.OneWatched(t, w.Engine(), func(t *testing.T, d *db.DB, clock *dbtest.Clock, w *dbtest.Watch) {
						s := set(t, d, clock)
						do := j.ready(s)
						w.At(nth, func() error { return cuts[by](s) })
						err := do()
						if at := w.Reached(); nth == decides && !strings.HasPrefix(at, j.spends.statement) || nth == begin && at != "BEGIN" {
							t.Fatalf("the cut was made at %q", at)
						}
						if _, refused := fault.As(err); !refused {
							t.Errorf("it goes on working: %v", err)
						}
					})
				})
			}
		}
	})
}

// whereIsSpent finds the last statement that begins so, and the BEGIN of its transaction.
func whereIsSpent(t *testing.T, order []string, statement string) (begin, decides int) {
	t.Helper()
	last := 0
	for i, query := range order {
		if query == "BEGIN" {
			last = i + 1
		}
		if strings.HasPrefix(query, statement) {
			begin, decides = last, i+1
		}
	}
	if begin == 0 {
		t.Fatalf("no statement begins with %q", statement)
	}
	return begin, decides
}
