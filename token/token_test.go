package token_test

import (
	"context"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

var ctx = context.Background()

func issue(h *fixture.House, c customer.Customer) (made secret.Text) {
	h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
		made, err = token.Issue(ctx, tx, h.View("lune_en"), c, "Lune App", 0, fixture.Origin)
		return err
	})
	return made
}

// Promise: after Force Sign-In has answered, no node accepts an older token; other customers keep theirs.
func TestForceSignInRevokesEveryTokenOnEveryNode(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		c, neighbour := h.Customer("lune_en", "a@lune.test"), h.Customer("lune_en", "b@lune.test")
		mine, theirs := []secret.Text{issue(h, c), issue(h, c)}, issue(h, neighbour)
		session, err := h.SignIn.SignIn(ctx, h.View("lune_en"), c.Email, secret.NewText(fixture.Password), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		r, err := h.Tokens.Force(ctx, admin.CommandLine(admin.ForceSignIn), c.ID, false, audit.Origin{})
		if err != nil || r != (token.Receipt{Tokens: 2}) {
			t.Fatalf("receipt %+v, %v", r, err)
		}
		for _, tok := range mine {
			if _, err := other.Tokens.Check(ctx, tok); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("a revoked token: %v", err)
			}
		}
		if _, err := other.Tokens.Check(ctx, theirs); err != nil {
			t.Errorf("the neighbour's token: %v", err)
		}
		if _, err := other.SignIn.Check(ctx, h.View("lune_en"), session.Secret); err != nil {
			t.Errorf("the storefront session, which was not to end: %v", err)
		}
		if r, err = h.Tokens.Force(ctx, admin.CommandLine(admin.ForceSignIn), c.ID, true, audit.Origin{}); err != nil || r != (token.Receipt{Sessions: 1}) {
			t.Errorf("with the sessions: %+v, %v", r, err)
		}
		if _, err := h.Tokens.Check(ctx, issue(h, c)); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a token that was being issued meanwhile: %v", err)
		}
		if _, err := h.Tokens.Check(ctx, issue(h, h.Find(c.ID))); err != nil {
			t.Errorf("a token after signing in again: %v", err)
		}
	})
}

func TestForceSignInNeedsItsPermit(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "a@lune.test")
		if _, err := h.Tokens.Force(ctx, admin.CommandLine(admin.ResetPassword), c.ID, false, audit.Origin{}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("with a permit for something else: %v", err)
		}
		scoped, err := admin.Allow(admin.Admin{ID: 1, Active: true, Role: "support", WebsiteID: h.View("nord_en").WebsiteID}, admin.ForceSignIn)
		if err != nil {
			t.Fatal(err)
		}
		_, foreign := h.Tokens.Force(ctx, scoped, c.ID, false, audit.Origin{})
		_, unknown := h.Tokens.Force(ctx, scoped, 999999, false, audit.Origin{})
		if !fault.Is(foreign, fault.NotFound) || foreign.Error() != unknown.Error() {
			t.Errorf("a customer of another website: %v; nobody: %v", foreign, unknown)
		}
	})
}

func TestTokensExpireAndAreCountedAndListed(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c, none := h.Customer("lune_en", "a@lune.test"), h.Customer("lune_en", "b@lune.test")
		made := issue(h, c)
		if _, err := h.Tokens.Check(ctx, made); err != nil {
			t.Fatal(err)
		}
		look := func(want int64) {
			t.Helper()
			h.Read(func(ctx context.Context, tx *db.Tx) error {
				counts, err := token.CountMany(ctx, tx, []int64{c.ID, none.ID}, time.Time{})
				if err != nil {
					return err
				}
				list, err := token.ListOf(ctx, tx, c.ID)
				if err != nil {
					return err
				}
				now, _ := tx.Now(ctx)
				have, err := customer.Search(ctx, tx, customer.Query{Where: []customer.Predicate{token.Holders(true, now)}})
				if counts[c.ID] != want || counts[none.ID] != 0 || int64(len(list)) != want || int64(len(have.Customers)) != want {
					t.Errorf("counts %v, %d listed, %d found; want %d", counts, len(list), len(have.Customers), want)
				}
				return err
			})
		}
		look(1)
		clock.Advance(time.Hour)
		if _, err := h.Tokens.Check(ctx, made); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("an hour later: %v", err)
		}
		look(0)
	})
}

func TestNoTableHoldsAUsableToken(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "a@lune.test")
		issue(h, c)
		var stored []byte
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			return tx.Row(ctx, "SELECT secret_hash FROM tokens").Scan(&stored)
		})
		if _, err := h.Tokens.Check(ctx, secret.NewText(string(stored))); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("what the table holds was accepted: %v", err)
		}
	})
}
