package token

import (
	"context"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// SignInAdmin makes a token of the web API for an administrator who has just proved the password. It dies with that
// password and when the administrator is disabled. Errors: fault Invalid where the second factor is missing.
func (s *Service) SignInAdmin(ctx context.Context, proof admin.Proof, holder string, o audit.Origin) (secret.Text, error) {
	if !proof.Complete() {
		return secret.Text{}, fault.New(fault.Invalid, "admin.code_needed", "Please use the 2fa provider-specific endpoints to obtain a token.")
	}
	stores, err := s.Shop.Load(ctx)
	if err != nil {
		return secret.Text{}, err
	}
	var made secret.Text
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := proof.Accept(ctx, tx); err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		// Those that are dead make room, and the oldest of too many.
		_, err = tx.Exec(ctx, `DELETE FROM tokens WHERE admin_id = $1 AND (generation < $2 OR expires_at <= $3 OR id IN
			(SELECT id FROM tokens WHERE admin_id = $1 ORDER BY id DESC LIMIT 1000 OFFSET $4))`,
			proof.Admin.ID, proof.Generation(), db.Micro(now), MaxTokens-1)
		if err != nil {
			return err
		}
		_, made, err = Put(ctx, tx, New{Kind: AdminToken, AdminID: proof.Admin.ID, Holder: holder, Generation: proof.Generation(),
			Life: stores.Duration(shop.AdminTokenLifetime)}, o)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.TokenIssued, Actor: proof.Actor(), Subject: holder, Origin: o})
	})
	return made, err
}

// ListFor is ListOf for somebody who may see some websites only. Errors: fault Forbidden, NotFound.
func (s *Service) ListFor(ctx context.Context, permit admin.Permit, customerID int64) (list []Token, err error) {
	if err := permit.Need(admin.ViewCustomers); err != nil {
		return nil, err
	}
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		c, err := customer.Reach(ctx, tx, permit.Covers, customerID)
		if err != nil {
			return err
		}
		list, err = ListOf(ctx, tx, c.ID)
		return err
	})
	return list, err
}

// RevokeOne ends one token of a customer, and with it every token of the same grant: otherwise the refresh token would
// make another at once. The customer is told by letter. Errors: fault Forbidden; NotFound when the customer has no such living token.
func (s *Service) RevokeOne(ctx context.Context, permit admin.Permit, customerID int64, id db.ID, o audit.Origin) error {
	if err := permit.Need(admin.ForceSignIn); err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		c, err := customer.Reach(ctx, tx, permit.Covers, customerID)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		var family db.ID
		var holder string
		err = tx.Row(ctx, "SELECT family, holder FROM tokens WHERE customer_id = $2 AND id = $3 AND "+live, db.Micro(now), c.ID, id).
			Scan(&family, &holder)
		if db.IsNoRows(err) {
			return fault.New(fault.NotFound, "not_found", "There is no such token.")
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE tokens SET revoked_at = $1 WHERE customer_id = $2 AND (id = $3 OR family = $4) AND revoked_at IS NULL",
			db.Micro(now), c.ID, id, family)
		if err != nil {
			return err
		}
		if err := s.tell(ctx, tx, c, []Token{{Holder: holder}}, false); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.TokensRevoked, Actor: permit.Actor(), CustomerID: c.ID,
			Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"tokens": "1", "holder": holder}})
	})
}
