package customer

import (
	"context"
	"errors"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// checkSaid judges name and profile of a registration; a new address book has no numbers yet.
func (r Registration) checkSaid() error {
	c := Customer{Firstname: r.Firstname, Lastname: r.Lastname, Profile: Profile{GroupID: GeneralGroup}}
	r.Said.apply(&c)
	var numbered error
	if r.Said.Addresses != nil {
		for _, a := range *r.Said.Addresses {
			if a.ID != 0 {
				numbered = noAddress(a.ID)
			}
		}
	}
	return errors.Join(c.check(Customer{}), r.Said.checkBook(), numbered)
}

// Validate tells everything that would be refused about a customer, without storing anything. Errors: fault Invalid,
// several joined.
func Validate(r Registration) error {
	_, err := ParseAddress(r.Email)
	return errors.Join(r.checkSaid(), err)
}

// OpenAs makes an account by the store's hand, which may be used at once. Unless the store says that it knows whose the address is, that
// is still to be shown. Without a password the welcome letter asks the owner to choose one. Errors: fault Forbidden, Invalid (several, joined), Conflict when the website has the
// address already; secret.ErrBusy.
func (s *Service) OpenAs(ctx context.Context, permit admin.Permit, v *shop.View, r Registration, o audit.Origin) (Customer, error) {
	if err := permit.Need(admin.EditCustomers); err != nil {
		return Customer{}, err
	}
	if !permit.Covers(v.Website.ID) {
		return Customer{}, nobody()
	}
	address, err := ParseAddress(r.Email)
	var passwordErr error
	if !r.Password.IsEmpty() {
		_, passwordErr = v.PasswordRules().Check(r.Password, r.person())
	}
	if err := errors.Join(r.checkSaid(), err, passwordErr); err != nil {
		return Customer{}, err
	}
	n := New{WebsiteID: v.Website.ID, ViewID: v.ID, Address: address, Firstname: r.Firstname, Lastname: r.Lastname}
	if !r.Password.IsEmpty() {
		if n.Hash, err = s.Hasher.Hash(ctx, r.Password); err != nil {
			return Customer{}, err
		}
	}
	var made Customer
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) (err error) {
		n := n
		if n.ConfirmedAt, err = tx.Now(ctx); err != nil {
			return err
		}
		if r.Proven {
			n.ProvenAt = n.ConfirmedAt
		}
		made, err = s.create(ctx, tx, v, n, r.Said, permit.Actor(), o)
		return err
	})
	return made, err
}

// Activate finishes a registration by the store's hand, for a program that shows the store's pages. Whoever holds the
// letter's link need not be who chose the password when the registration was begun, and here nobody proves it: the
// account begins without a password, and its owner chooses one by letter. Errors: fault Forbidden, NotFound, Expired,
// Conflict.
func (s *Service) Activate(ctx context.Context, permit admin.Permit, email string, link secret.Text, o audit.Origin) (Customer, error) {
	if err := permit.Need(admin.EditCustomers); err != nil {
		return Customer{}, err
	}
	address, err := ParseAddress(email)
	if err != nil {
		return Customer{}, err
	}
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return Customer{}, err
	}
	gone := fault.New(fault.Expired, "confirmation.mismatch", "The confirmation token is invalid. Verify the token and try again.")
	if !secret.WellFormed(link) {
		return Customer{}, gone
	}
	var r registration
	err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = s.linked(ctx, tx, link)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return Customer{}, gone
	}
	if err != nil {
		return Customer{}, err
	}
	v, ok := snap.View(r.viewID)
	if !ok || r.address.canonical != address.canonical || !permit.Covers(r.websiteID) {
		return Customer{}, gone
	}
	r.hash = ""
	var made Customer
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) (err error) {
		made, err = s.finish(ctx, tx, v, r, permit.Actor(), o)
		return err
	})
	return made, err
}

// ResendConfirmation sends the letter of an unfinished registration again, with the same link; to an account whose address
// is not proven goes the letter by which its owner chooses a password. Errors: fault Forbidden; NotFound when nobody waits
// under the address; Conflict when the account is confirmed; Limited.
func (s *Service) ResendConfirmation(ctx context.Context, permit admin.Permit, v *shop.View, email string, o audit.Origin) error {
	if err := permit.Need(admin.EditCustomers); err != nil {
		return err
	}
	if !permit.Covers(v.Website.ID) {
		return nobody()
	}
	a, err := ParseAddress(email)
	if err != nil {
		return err
	}
	var refused error
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		refused = nil
		c, err := FindByAddress(ctx, tx, v.Website.ID, a)
		switch {
		case err == nil && c.Confirmed():
			return fault.New(fault.Conflict, "confirmation.not_needed", "Confirmation isn't needed.")
		case err != nil && !fault.Is(err, fault.NotFound):
			return err
		}
		letter := mail.Note{Kind: WelcomeLetter, WebsiteID: v.Website.ID, ViewID: c.ViewID, CustomerID: c.ID}
		if err != nil {
			if letter, err = waitingLetter(ctx, tx, v, a); err != nil {
				return err
			}
		}
		verdict, err := limit.Take(ctx, tx, letterRule, string(a.Key(v.Website.ID)))
		if err != nil {
			return err
		}
		if !verdict.Allowed {
			refused = fault.Until("limit.registration", "This customer has had enough letters for now.", verdict.NextAt)
			return nil
		}
		if _, err := mail.Enqueue(ctx, tx, letter); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.Registered, Actor: permit.Actor(), CustomerID: c.ID,
			AddressKey: a.Key(v.Website.ID), Subject: a.Masked(), WebsiteID: v.Website.ID, Origin: o})
	})
	if err == nil {
		err = refused
	}
	return err
}

// waitingLetter is the letter of the newest registration that waits under an address. Errors: fault NotFound.
func waitingLetter(ctx context.Context, tx *db.Tx, v *shop.View, a Address) (mail.Note, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return mail.Note{}, err
	}
	var id db.ID
	var viewID int64
	var expires time.Time
	err = tx.Row(ctx, `SELECT id, store_view_id, expires_at FROM registrations WHERE website_id = $2 AND email_canon = $3
		AND `+registrationWaits+" ORDER BY id DESC LIMIT 1", db.Micro(now), v.Website.ID, a.canonical).
		Scan(&id, &viewID, db.IntoTime(&expires))
	if db.IsNoRows(err) {
		return mail.Note{}, nobody()
	}
	return mail.Note{Kind: RegistrationLetter, Priority: mail.Awaited, WebsiteID: v.Website.ID, ViewID: viewID, AddressKey: a.Key(v.Website.ID),
		Data: map[string]string{"registration": id.String()}, ExpiresAt: expires}, err
}
