package recovery

import (
	"context"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// Reset is the form of a new password behind a link.
type Reset struct {
	Link, Password, Confirm secret.Text
	Email                   string // the web API names the account too: it must be the link's. "" on the page
}

// Complete stores a new password for the owner of a link. Password, spent link, ended sessions, revoked tokens, notice
// and audit line commit together. A refused password leaves the link as it was. Errors: fault Invalid on "password" or
// "password_confirmation"; fault Expired; fault Limited; secret.ErrBusy.
func (s *Service) Complete(ctx context.Context, v *shop.View, r Reset, o audit.Origin) (customer.Advice, error) {
	p, err := s.Check(ctx, v, r.Link, o)
	if err != nil {
		return customer.Advice{}, err
	}
	if r.Email != "" {
		if a, err := customer.ParseAddress(r.Email); err != nil || a.Canonical() != p.customer.Address().Canonical() {
			return customer.Advice{}, expired()
		}
	}
	advice, err := p.Rules.CheckPair(r.Password, r.Confirm, person(p.customer))
	if err != nil {
		return customer.Advice{}, err
	}
	if err := s.refuseVoid(ctx, p.customer, r.Password); err != nil {
		return customer.Advice{}, err
	}
	hash, err := s.Hasher.Hash(ctx, r.Password)
	if err != nil {
		return customer.Advice{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := spend(ctx, tx, p); err != nil {
			return err
		}
		err := customer.SetPassword(ctx, tx, p.customer, hash, true)
		if fault.Is(err, fault.Conflict) {
			return expired() // another link, or the account page, was faster
		}
		if err != nil {
			return err
		}
		if err := signin.Forgive(ctx, tx, p.customer); err != nil {
			return err
		}
		sessions, err := signin.EndAll(ctx, tx, p.customer.ID)
		if err != nil {
			return err
		}
		tokens, err := token.RevokeAll(ctx, tx, p.customer.ID)
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, v, p.customer, audit.ResetCompleted, byLink, sessions, tokens, o)
	})
	return advice, err
}

// Change is the form of a new password on the account page.
type Change struct{ Current, Password, Confirm secret.Text }

// Change replaces the password of whoever is signed in and knows it. The browser that asks stays signed in; every other
// session ends and every token is revoked. A wrong current password counts as a failed sign-in. Errors: fault Invalid on
// "current_password", "password" or "password_confirmation"; fault Limited; secret.ErrBusy.
func (s *Service) Change(ctx context.Context, v *shop.View, who signin.Signed, c Change, o audit.Origin) (customer.Advice, error) {
	return s.change(ctx, v, who.Customer, c, byAccount, o, func(tx *db.Tx) (sessions, tokens int64, err error) {
		if sessions, err = signin.KeepOnly(ctx, tx, who); err != nil {
			return 0, 0, err
		}
		tokens, err = token.RevokeAll(ctx, tx, who.Customer.ID)
		return sessions, tokens, err
	})
}

// ChangeByToken is Change for a program of the web API: the token that asks lives on, everything else ends.
func (s *Service) ChangeByToken(ctx context.Context, v *shop.View, b token.Bearer, c Change, o audit.Origin) error {
	var owner customer.Customer
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		owner, err = customer.Find(ctx, tx, b.CustomerID)
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.change(ctx, v, owner, c, byApp, o, func(tx *db.Tx) (sessions, tokens int64, err error) {
		if sessions, err = signin.EndAll(ctx, tx, owner.ID); err != nil {
			return 0, 0, err
		}
		tokens, err = token.KeepOnly(ctx, tx, b)
		return sessions, tokens, err
	})
	return err
}

func (s *Service) change(ctx context.Context, v *shop.View, owner customer.Customer, c Change, how string, o audit.Origin,
	end func(*db.Tx) (sessions, tokens int64, err error)) (customer.Advice, error) {
	if c.Current.IsEmpty() {
		return customer.Advice{}, wrongCurrent()
	}
	advice, err := customer.RulesFor(v).CheckPair(c.Password, c.Confirm, person(owner))
	if err != nil {
		return customer.Advice{}, err
	}
	proof, err := s.SignIn.Prove(ctx, v, owner.Email, c.Current, o)
	if fault.Is(err, fault.Unauthenticated) {
		return customer.Advice{}, wrongCurrent()
	}
	if err != nil {
		return customer.Advice{}, err
	}
	hash, err := s.Hasher.Hash(ctx, c.Password)
	if err != nil {
		return customer.Advice{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := proof.Accept(ctx, tx); err != nil {
			return err
		}
		if err := customer.SetPassword(ctx, tx, proof.Customer, hash, false); err != nil {
			return err
		}
		sessions, tokens, err := end(tx)
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, v, proof.Customer, audit.PasswordChanged, how, sessions, tokens, o)
	})
	return advice, err
}

func wrongCurrent() error {
	return fault.Refuse("current_password", "password.current_wrong",
		"The password doesn't match this account. Verify the password and try again.", nil)
}

// How a password was changed: the notice says it in the reader's language.
const (
	byLink    = "by_link"
	byAccount = "by_account"
	byApp     = "by_app"
)

// tell records a change of the password and queues the notice to its owner.
func (s *Service) tell(ctx context.Context, tx *db.Tx, v *shop.View, c customer.Customer, action, how string, sessions, tokens int64, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: ChangedLetter, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID,
		Data: map[string]string{"how": how, "at": now.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}})
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: audit.Actor{Kind: audit.Shopper, ID: c.ID, Name: c.Name()},
		CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o,
		Detail: map[string]string{"how": strings.TrimPrefix(how, "by_"), "sessions": itoa(sessions), "tokens": itoa(tokens)}})
}

func person(c customer.Customer) customer.Person {
	return customer.Person{Email: c.Email, Firstname: c.Firstname, Lastname: c.Lastname}
}
