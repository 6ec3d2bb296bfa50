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
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// Reset is the form of a new password behind a link.
type Reset struct {
	Link, Password, Confirm secret.Text
	Email                   string // the web API names the account too: it must be the link's. "" on the page
	KeepPasskeys            bool   // the owner has seen the list and knows them all; otherwise they go
}

// Complete stores a new password for the owner of a link. Password, spent link, ended sessions, revoked tokens, removed passkeys,
// notice and audit line commit together. A refused password leaves the link as it was. Errors: fault Invalid on "password" or
// "password_confirmation"; fault Expired; fault Limited; secret.ErrBusy.
func (s *Service) Complete(ctx context.Context, v *shop.View, r Reset, o audit.Origin) (password.Advice, error) {
	p, err := s.Check(ctx, v, r.Link, o)
	if err != nil {
		return password.Advice{}, err
	}
	if r.Email != "" {
		if a, err := customer.ParseAddress(r.Email); err != nil || a.Canonical() != p.customer.Address().Canonical() {
			return password.Advice{}, expired()
		}
	}
	advice, err := p.Rules.CheckPair(r.Password, r.Confirm, person(p.customer))
	if err != nil {
		return password.Advice{}, err
	}
	if err := s.refuseVoid(ctx, p.customer, r.Password); err != nil {
		return password.Advice{}, err
	}
	hash, err := s.Hasher.Hash(ctx, r.Password)
	if err != nil {
		return password.Advice{}, err
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
		ended := ended{sessions: sessions, tokens: tokens}
		if !r.KeepPasskeys || !p.customer.Proven() { // whoever made the account may have added them
			if ended.passkeys, err = signin.DropPasskeys(ctx, tx, p.customer.ID); err != nil {
				return err
			}
		}
		return s.tell(ctx, tx, v, p.customer, audit.ResetCompleted, byLink, ended, o)
	})
	return advice, err
}

// Change is the form of a new password on the account page.
type Change struct{ Current, Password, Confirm secret.Text }

// Change replaces the password of whoever is signed in and knows it, or has shown a passkey a moment ago and gives no current one.
// The browser that asks stays signed in; every other session ends and every token is revoked. A wrong current password counts as a
// failed sign-in. Errors: fault Invalid on "current_password", "password" or "password_confirmation"; fault Limited;
// secret.ErrBusy.
func (s *Service) Change(ctx context.Context, v *shop.View, who signin.Signed, c Change, o audit.Origin) (password.Advice, error) {
	prove, how := s.byCurrent(v, who.Customer, c.Current, o), byAccount
	if c.Current.IsEmpty() && who.ByPasskey {
		prove, how = s.byPasskey(who), byAccountPasskey
	}
	return s.change(ctx, v, who.Customer, c, prove, how, o, func(tx *db.Tx) (sessions, tokens int64, err error) {
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
	_, err = s.change(ctx, v, owner, c, s.byCurrent(v, owner, c.Current, o), byApp, o, func(tx *db.Tx) (sessions, tokens int64, err error) {
		if sessions, err = signin.EndAll(ctx, tx, owner.ID); err != nil {
			return 0, 0, err
		}
		tokens, err = token.KeepOnly(ctx, tx, b)
		return sessions, tokens, err
	})
	return err
}

// prover shows that the owner of an account asks, and gives what is to be accepted in the transaction of what it is for, with the
// account as it was read.
type prover func(ctx context.Context) (accept func(*db.Tx) error, owner customer.Customer, err error)

// byCurrent shows it by the present password.
func (s *Service) byCurrent(v *shop.View, owner customer.Customer, current secret.Text, o audit.Origin) prover {
	return func(ctx context.Context) (func(*db.Tx) error, customer.Customer, error) {
		proof, err := s.SignIn.Prove(ctx, v, owner.Email, current, o)
		if fault.Is(err, fault.Unauthenticated) {
			err = wrongCurrent()
		}
		return func(tx *db.Tx) error { return proof.Accept(ctx, tx) }, proof.Customer, err
	}
}

// byPasskey shows it by the passkey that was shown in the session a moment ago. A pause after wrong passwords ends with it.
func (s *Service) byPasskey(who signin.Signed) prover {
	return func(ctx context.Context) (func(*db.Tx) error, customer.Customer, error) {
		return func(tx *db.Tx) error {
			err := signin.SpendPasskeyProof(ctx, tx, who)
			if fault.Is(err, fault.Forbidden) {
				return wrongCurrent()
			}
			if err != nil {
				return err
			}
			return signin.Forgive(ctx, tx, who.Customer)
		}, who.Customer, nil
	}
}

func (s *Service) change(ctx context.Context, v *shop.View, owner customer.Customer, c Change, prove prover, how string, o audit.Origin,
	end func(*db.Tx) (sessions, tokens int64, err error)) (password.Advice, error) {
	if c.Current.IsEmpty() && how != byAccountPasskey {
		return password.Advice{}, wrongCurrent()
	}
	advice, err := v.PasswordRules().CheckPair(c.Password, c.Confirm, person(owner))
	if err != nil {
		return password.Advice{}, err
	}
	accept, owner, err := prove(ctx)
	if err != nil {
		return password.Advice{}, err
	}
	hash, err := s.Hasher.Hash(ctx, c.Password)
	if err != nil {
		return password.Advice{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := accept(tx); err != nil {
			return err
		}
		if err := customer.SetPassword(ctx, tx, owner, hash, false); err != nil {
			return err
		}
		sessions, tokens, err := end(tx)
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, v, owner, audit.PasswordChanged, how, ended{sessions: sessions, tokens: tokens}, o)
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

	byAccountPasskey = "by_passkey"
)

// ended is what a change of the password, or of who has the account, has ended.
type ended struct{ sessions, tokens, passkeys int64 }

func (e ended) detail() map[string]string {
	detail := map[string]string{"sessions": itoa(e.sessions), "tokens": itoa(e.tokens)}
	if e.passkeys > 0 {
		detail["passkeys"] = itoa(e.passkeys)
	}
	return detail
}

// tell records a change of the password and queues the notice to its owner.
func (s *Service) tell(ctx context.Context, tx *db.Tx, v *shop.View, c customer.Customer, action, how string, ended ended, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	stay, err := signin.Passkeys(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	data := map[string]string{"how": how, "at": now.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}
	if ended.passkeys > 0 {
		data["passkeys_removed"] = itoa(ended.passkeys)
	}
	if len(stay) > 0 {
		data["passkeys"] = names(stay)
	}
	if _, err := mail.Enqueue(ctx, tx, mail.Note{Kind: ChangedLetter, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID, Data: data}); err != nil {
		return err
	}
	detail := ended.detail()
	detail["how"] = strings.TrimPrefix(how, "by_")
	return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: c.Actor(),
		CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: detail})
}

// names lists passkeys as the owner knows them.
func names(passkeys []signin.Passkey) string {
	var all []string
	for _, p := range passkeys {
		all = append(all, p.Name)
	}
	return strings.Join(all, ", ")
}

func person(c customer.Customer) password.Person {
	return password.Person{Email: c.Email, Names: []string{c.Firstname, c.Lastname}}
}
