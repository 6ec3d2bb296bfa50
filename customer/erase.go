package customer

import (
	"context"
	"fmt"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

// DeleteOwn deletes the account of the customer who asks, and tells them by email, the last that goes to the address. may is asked in
// the same transaction; nil where the door has asked already. The record keeps nothing of where it was asked from.
func (s *Service) DeleteOwn(ctx context.Context, v *shop.View, c Customer, o audit.Origin, may func(*db.Tx) error) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if may != nil {
			if err := may(tx); err != nil {
				return err
			}
		}
		c, err := Find(ctx, tx, c.ID) // as it is now: its address may have moved
		if err != nil {
			return err
		}
		if err := s.erase(ctx, tx, c, audit.Actor{Kind: audit.Shopper, ID: c.ID}, audit.Origin{}); err != nil {
			return err
		}
		return mailFarewell(ctx, tx, v, c, o)
	})
}

// Delete deletes an account by the store's hand. Errors: fault NotFound, Forbidden.
func (s *Service) Delete(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) error {
	if err := permit.Need(admin.DeleteCustomers); err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		c, err := Reach(ctx, tx, permit.Covers, id)
		if err != nil {
			return err
		}
		return s.erase(ctx, tx, c, permit.Actor(), o)
	})
}

// erase is what deleting means, by whichever door (GDPR Article 17): it takes away everything personal, here and in the records
// below, and leaves the number, so that what refers to it goes on to say "a customer who is gone". Sessions, tokens and links end
// in the same transaction; the address is free for a new account.
func (s *Service) erase(ctx context.Context, tx *db.Tx, c Customer, by audit.Actor, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	gone := fmt.Sprintf("deleted-%d", c.ID)
	if _, err := tx.Exec(ctx, `UPDATE customers SET email = $2, email_canon = $2, firstname = '', lastname = '', search = '', password_hash = NULL,
		active = FALSE, deleted_at = $3, updated_at = $3, prefix = '', middlename = '', suffix = '', gender = 0, date_of_birth = '',
		taxvat = '', subscribed = FALSE, custom_attributes = '', default_billing = NULL, default_shipping = NULL, last_sign_in_from = NULL,
		session_generation = session_generation + 1, token_generation = token_generation + 1, link_generation = link_generation + 1
		WHERE id = $1`, c.ID, gone, db.Micro(now)); err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM customer_addresses WHERE customer_id = $1", "DELETE FROM email_changes WHERE customer_id = $1"} {
		if _, err := tx.Exec(ctx, q, c.ID); err != nil {
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
	if err := mail.Erase(ctx, tx, c.ID, key); err != nil {
		return err
	}
	if err := audit.Erase(ctx, tx, c.ID, key); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerDeleted, Actor: by, CustomerID: c.ID, WebsiteID: c.WebsiteID, Origin: o})
}

// mailFarewell queues the email that confirms it. Only its note still holds the address, and no longer than it takes to hand it over.
func mailFarewell(ctx context.Context, tx *db.Tx, v *shop.View, c Customer, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	data := map[string]string{"address": c.Email, "at": now.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: DeletedLetter, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID, Data: data})
	return err
}

// composeDeleted writes it from its note alone: of the account nothing is left to look up.
func (s *Service) composeDeleted(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := ViewOf(ctx, s.Shop, letter)
	if err != nil {
		return mail.Content{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	l := v.Lang()
	c := Compose(v, DeletedLetter, Stranger(letter.Data["address"])) // the name is forgotten at once
	c.Facts = append([]mail.Fact{{Label: l.T("letter.fact.when"), Value: l.Date(at, v.Location())}}, mail.Whence(l, letter.Data)...)
	c.NotYou = l.T("letter.account_deleted.not_you", "Email", v.Contact())
	c.Forget = true
	return c, nil
}
