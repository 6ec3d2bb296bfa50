package token_test

import (
	"context"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
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
