package recovery_test

import (
	"context"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// The database's clock is set an hour back, as a wrong time server does: what was over stays over (F26), because that is kept as
// a state and not only as a time, and what was good stays good.
func TestNothingComesToLifeWhenTheClockStepsBack(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MinTimeBetweenResets, "0")
		c, v := h.Customer("lune_en", "camille@lune.test"), h.View("lune_en")
		ask(t, h, h.Customer("lune_en", "noor@lune.test").Email) // a link of hers that nothing but time ends
		forgotten := links(h.Letters())[0]
		clock.Advance(24*time.Hour + time.Minute)
		sweep(t, h)

		ask(t, h, c.Email)
		used := links(h.Letters())[0]
		if err := complete(h, "lune_en", used, "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		left, err := signIn(h, c.Email, "second-secret-8")
		if err != nil {
			t.Fatal(err)
		}
		stays, err := signIn(h, c.Email, "second-secret-8")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.SignIn.SignOut(ctx, v, left.Secret, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		c = h.Find(c.ID)
		var revoked secret.Text
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			if revoked, err = token.Issue(ctx, tx, v, c, "App", 0, fixture.Origin); err == nil {
				_, err = token.RevokeAll(ctx, tx, c.ID)
			}
			return err
		})
		c = h.Find(c.ID)
		var one secret.Text // revoked alone, so that no generation kills it as well
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			one, err = token.Issue(ctx, tx, v, c, "Another app", 0, fixture.Origin)
			return err
		})
		list, err := h.Tokens.ListFor(ctx, admin.CommandLine(admin.ViewCustomers), c.ID)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d tokens, %v", len(list), err)
		}
		if err := h.Tokens.RevokeOne(ctx, admin.CommandLine(admin.ForceSignIn), c.ID, list[0].ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		ask(t, h, c.Email)
		waiting := links(h.Letters())[0]

		for _, step := range []time.Duration{-time.Hour, 2 * time.Hour, -time.Hour} {
			clock.Advance(step)
			for what, link := range map[string]error{
				"a link that had expired": complete(h, "lune_en", forgotten, "third-secret-9"),
				"a used link":             complete(h, "lune_en", used, "third-secret-9"),
			} {
				if !fault.Is(link, fault.Expired) {
					t.Errorf("%v: %s: %v", step, what, link)
				}
			}
			if _, err := h.SignIn.Check(ctx, v, left.Secret); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%v: a session that was ended: %v", step, err)
			}
			if _, err := h.Tokens.Check(ctx, revoked); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%v: a token that was revoked: %v", step, err)
			}
			if _, err := h.Tokens.Check(ctx, one); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%v: a token that was revoked alone: %v", step, err)
			}
			if _, err := h.SignIn.Check(ctx, v, stays.Secret); err != nil {
				t.Errorf("%v: a session that is good: %v", step, err)
			}
			if _, err := h.Recovery.Check(ctx, v, waiting, fixture.Origin); err != nil {
				t.Errorf("%v: a link that waits: %v", step, err)
			}
		}
	})
}

// sweep is what housekeeping does to links.
func sweep(t *testing.T, h *fixture.House) {
	t.Helper()
	h.Write(func(ctx context.Context, tx *db.Tx) error {
		_, err := recovery.EndExpired(ctx, tx, 100)
		return err
	})
}
