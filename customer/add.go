package customer

import (
	"context"
	"errors"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

// Add makes an account by the operator's own hand, who may sign in at once. Proven says that the operator knows whose the address is.
// Without a password the owner sets one by "Forgot Your Password?". No letter is sent. Errors: fault Invalid (several, joined);
// Conflict when the website has the address already; secret.ErrBusy.
func (s *Service) Add(ctx context.Context, v *shop.View, r Registration, by audit.Actor) (Customer, error) {
	address, err := ParseAddress(r.Email)
	if err := errors.Join(r.checkSaid(), err); err != nil {
		return Customer{}, err
	}
	n := New{WebsiteID: v.Website.ID, ViewID: v.ID, Address: address, Firstname: r.Firstname, Lastname: r.Lastname}
	if !r.Password.IsEmpty() {
		if _, err := v.PasswordRules().Check(r.Password, r.person()); err != nil {
			return Customer{}, err
		}
		if n.Hash, err = s.Hasher.Hash(ctx, r.Password); err != nil {
			return Customer{}, err
		}
	}
	var made Customer
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		n := n
		if n.ConfirmedAt, err = tx.Now(ctx); err != nil {
			return err
		}
		if r.Proven {
			n.ProvenAt = n.ConfirmedAt
		}
		if made, err = Create(ctx, tx, n); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerCreated, Actor: by, CustomerID: made.ID,
			Subject: address.Masked(), WebsiteID: made.WebsiteID})
	})
	return made, err
}
