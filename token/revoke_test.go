package token_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// Otherwise the refresh token of the same consent would make another at once.
func TestRevokingOneTokenEndsItsWholeGrant(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		c, foreign := h.Customer("lune_en", "camille@lune.test"), h.Customer("nord_en", "otto@nord.test")
		var ids []db.ID
		var secrets []secret.Text
		put := func(of customer.Customer, family db.ID) {
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				id, made, err := token.Put(ctx, tx, token.New{Kind: token.CustomerToken, CustomerID: of.ID, Generation: of.TokenGeneration,
					Family: family, Holder: "app"}, fixture.Origin)
				ids, secrets = append(ids, id), append(secrets, made)
				return err
			})
		}
		grant := db.NewID()
		for _, family := range []db.ID{grant, grant, db.NewID(), {}, {}} {
			put(c, family)
		}
		put(foreign, grant) // nobody's family reaches another customer
		permit := admin.CommandLine(admin.ForceSignIn)
		if err := h.Tokens.RevokeOne(ctx, permit, foreign.ID, ids[0], fixture.Origin); !fault.Is(err, fault.NotFound) {
			t.Errorf("by another customer's number: %v", err)
		}
		if err := h.Tokens.RevokeOne(ctx, admin.CommandLine(admin.ViewCustomers), c.ID, ids[0], fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("with a permit for something else: %v", err)
		}
		for _, id := range []db.ID{ids[0], ids[3]} {
			if err := h.Tokens.RevokeOne(ctx, permit, c.ID, id, fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		for i, alive := range []bool{false, false, true, false, true, true} {
			if _, err := h.Tokens.Check(ctx, secrets[i]); (err == nil) != alive {
				t.Errorf("token %d: %v", i, err)
			}
		}
	})
}

// Whoever's tokens the store revokes reads so once, in the language of the account: which programs, and whom to ask.
func TestRevokedTokensAreToldByLetter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		permit := admin.CommandLine(admin.ForceSignIn)
		force := func(sessions bool) func(customer.Customer, []db.ID) error {
			return func(c customer.Customer, _ []db.ID) error {
				_, err := h.Tokens.Force(ctx, permit, c.ID, sessions, fixture.Origin)
				return err
			}
		}
		one := func(n int) func(customer.Customer, []db.ID) error {
			return func(c customer.Customer, ids []db.ID) error {
				return h.Tokens.RevokeOne(ctx, permit, c.ID, ids[n], fixture.Origin)
			}
		}
		none := func(c customer.Customer, _ []db.ID) error {
			if err := h.Tokens.RevokeOne(ctx, permit, c.ID, db.NewID(), fixture.Origin); !fault.Is(err, fault.NotFound) {
				return fmt.Errorf("revoking what there is not: %w", err)
			}
			return nil
		}
		for i, r := range []struct {
			why, view string
			holders   []string
			signedIn  bool
			act       func(customer.Customer, []db.ID) error
			letters   int    // that came, once Force Sign-In was pressed after it
			names     string // in the first of them
			browsers  bool   // it tells of them
		}{
			{"two programs, one of them twice", "lune_en", []string{"Till", "ERP", "Till"}, true, force(false), 1, "Till, ERP", false},
			{"browsers, too", "lune_en", []string{"Till"}, true, force(true), 1, "Till", true},
			{"browsers were asked for, but there were none", "lune_en", []string{"Till"}, false, force(true), 1, "Till", false},
			{"more than a letter should list", "lune_fr", []string{"G", "F", "E", "D", "C", "B"}, false, force(false), 1, "B, C, D, E, F, et d’autres", false},
			{"a program that gave no name", "lune_en", []string{""}, false, force(false), 1, "a program that gave no name", false},
			{"one of two, and then the other", "lune_en", []string{"Till", "ERP"}, false, one(1), 2, "ERP", false},
			{"one that there is not, and then those that there are", "lune_en", []string{"Till"}, false, none, 1, "Till", false},
			{"no tokens", "lune_en", nil, true, force(false), 0, "", false},
			{"no tokens, and browsers, which tell by themselves", "lune_en", nil, true, force(true), 0, "", false},
		} {
			email := fmt.Sprintf("told%d@lune.test", i)
			c := h.Customer(r.view, email)
			var ids []db.ID
			for _, holder := range r.holders {
				h.Write(func(ctx context.Context, tx *db.Tx) error {
					id, _, err := token.Put(ctx, tx, token.New{Kind: token.CustomerToken, CustomerID: c.ID, Generation: c.TokenGeneration, Holder: holder}, fixture.Origin)
					ids = append(ids, id)
					return err
				})
			}
			if r.signedIn {
				if _, err := h.SignIn.SignIn(ctx, h.View(r.view), email, secret.NewText(fixture.Password), fixture.Origin); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.act(c, ids); err != nil {
				t.Fatalf("%s: %v", r.why, err)
			}
			if err := force(false)(c, nil); err != nil {
				t.Fatal(err)
			}
			var got []mail.Content
			for _, l := range h.Letters() {
				if l.To.Email == email {
					got = append(got, l)
				}
			}
			if len(got) != r.letters {
				t.Errorf("%s: %d letters, want %d", r.why, len(got), r.letters)
			}
			if len(got) == 0 || r.letters == 0 {
				continue
			}
			text := strings.Join(got[0].Paragraphs, " ")
			if got[0].Facts[0].Value != r.names || strings.Contains(text, "in all browsers") != r.browsers ||
				!strings.Contains(got[0].NotYou, "care@lune.test") || got[0].Object != nil {
				t.Errorf("%s: %q, %q, %q", r.why, got[0].Facts, text, got[0].NotYou)
			}
		}
	})
}
