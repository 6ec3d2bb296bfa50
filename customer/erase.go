package customer

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
)

// DeleteOwn deletes the account of the customer who asks.
func (s *Service) DeleteOwn(ctx context.Context, c Customer) error {
	return s.erase(ctx, c.ID, func(int64) bool { return true }, audit.Actor{Kind: audit.Shopper, ID: c.ID}, audit.Origin{})
}

// Delete deletes an account by the store's hand. Errors: fault NotFound, Forbidden.
func (s *Service) Delete(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) error {
	if err := permit.Need(admin.DeleteCustomers); err != nil {
		return err
	}
	return s.erase(ctx, id, permit.Covers, permit.Actor(), o)
}

// erase is what deleting means, by whichever door (GDPR Article 17): it takes away everything personal, here and in the records
// below, and leaves the number, so that what refers to it goes on to say "a customer who is gone". Sessions, tokens and links end
// in the same transaction; the address is free for a new account.
func (s *Service) erase(ctx context.Context, id int64, covers func(websiteID int64) bool, by audit.Actor, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := Reach(ctx, tx, covers, id)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		gone := fmt.Sprintf("deleted-%d", id)
		if _, err := tx.Exec(ctx, `UPDATE customers SET email = $2, email_canon = $2, firstname = '', lastname = '', search = '', password_hash = NULL,
			active = FALSE, deleted_at = $3, updated_at = $3, prefix = '', middlename = '', suffix = '', gender = 0, date_of_birth = '',
			taxvat = '', subscribed = FALSE, custom_attributes = '', default_billing = NULL, default_shipping = NULL, last_sign_in_from = NULL,
			session_generation = session_generation + 1, token_generation = token_generation + 1, link_generation = link_generation + 1
			WHERE id = $1`, id, gone, db.Micro(now)); err != nil {
			return err
		}
		for _, q := range []string{"DELETE FROM customer_addresses WHERE customer_id = $1", "DELETE FROM email_changes WHERE customer_id = $1"} {
			if _, err := tx.Exec(ctx, q, id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM registrations WHERE website_id = $1 AND email_canon = $2", c.WebsiteID, c.canonical); err != nil {
			return err
		}
		if err := s.tokensEnded(ctx, tx, c); err != nil {
			return err
		}
		if s.Erased != nil {
			if err := s.Erased(ctx, tx, c); err != nil {
				return err
			}
		}
		key := c.Address().Key(c.WebsiteID)
		if err := mail.Erase(ctx, tx, id, key); err != nil {
			return err
		}
		if err := audit.Erase(ctx, tx, id, key); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerDeleted, Actor: by, CustomerID: id, WebsiteID: c.WebsiteID, Origin: o})
	})
}
