// Package signin tries passwords and passkeys, locks out, and keeps the sessions of browsers. It owns the tables sessions, passkeys
// and passkey_challenges.
//
// Promises:
//   - Every attempt is counted before the password is hashed, exactly, over concurrency and nodes; of a hundred parallel
//     guesses no more than the setting allows are looked at.
//   - One answer, at the price of one hash, for a wrong password, an unknown address, a locked, a disabled and a
//     password-less account. Unknown addresses lock exactly as known ones do.
//   - A session carries the generation that it was made under; raising the customer's generation ends it everywhere, and
//     a session that is being made while the password changes is dead on arrival.
//   - A passkey signs in at the website and host that it was made for, without an address being typed. A challenge is answered
//     once, by the browser that was asked, for the act that it was asked for; a removed passkey, a disabled account and a
//     wrong answer are refused alike.
//   - Whoever adds or removes a passkey has shown a moment ago who they are, and the owner is told by letter.
package signin

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const lockName = "customer"

// Service holds what signing in needs.
type Service struct {
	DB     *db.DB
	Shop   *shop.Shop
	Hasher *secret.Hasher
	Key    secret.Key // seals what a browser is asked
}

// Proof says that a customer's password was right a moment ago. Accept it in the transaction of what it is for.
type Proof struct {
	Customer customer.Customer
	origin   audit.Origin
	client   limit.Rule
	rehashed string
}

func incorrect() error {
	return fault.New(fault.Unauthenticated, "signin.incorrect",
		"The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later.")
}

func clientRule(v *shop.View) limit.Rule {
	return limit.Rule{Name: "sign-in", Max: v.Int(shop.MaxSignInFailuresClient), Window: time.Hour}
}

// refused is what everybody reads whose password is wrong. Only where the address is paused by now it tells to wait: unknown ones are
// paused alike, so that this says nothing of whose it is.
func refused(attempt limit.Attempt) error {
	if attempt.Locked || attempt.JustLocked {
		return fault.New(fault.Unauthenticated, "signin.locked",
			"The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later.")
	}
	return incorrect()
}

// Prove checks a password. Errors: fault Unauthenticated, one for all reasons; fault Limited by client address;
// secret.ErrBusy. After the right password only: fault Forbidden for an account whose address is not confirmed.
func (s *Service) Prove(ctx context.Context, v *shop.View, email string, password secret.Text, o audit.Origin) (Proof, error) {
	address, err := customer.ParseAddress(email)
	if err != nil {
		return Proof{}, incorrect()
	}
	client := clientRule(v)
	var attempt limit.Attempt
	var c customer.Customer
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := limit.DemandClient(ctx, tx, client, o.IP,
			"Too many sign-ins were tried from your network. Please wait and try again later."); err != nil {
			return err
		}
		if attempt, err = limit.Try(ctx, tx, lockOf(v), subject(v.Website.ID, address)); err != nil {
			return err
		}
		if attempt.JustLocked {
			if err := customer.MarkLocked(ctx, tx, v.Website.ID, address, attempt.Until); err != nil {
				return err
			}
		}
		c, err = customer.FindByAddress(ctx, tx, v.Website.ID, address)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return Proof{}, err
	}
	stored := c.PasswordHash()
	if attempt.Locked || !c.Active {
		stored = "" // the same work, and never right
	}
	right, outdated, err := s.Hasher.Verify(ctx, stored, password)
	if err != nil {
		return Proof{}, err
	}
	if !right {
		if err := s.failed(ctx, v, address, attempt, o); err != nil {
			return Proof{}, err
		}
		return Proof{}, refused(attempt)
	}
	if !c.Confirmed() {
		return Proof{}, fault.New(fault.Forbidden, "signin.unconfirmed", "This account isn't confirmed. Verify and try again.")
	}
	p := Proof{Customer: c, origin: o, client: client}
	if outdated {
		p.rehashed, err = s.Hasher.Hash(ctx, password)
	}
	return p, err
}

// failed remembers a wrong password; the count is there already. It knows the address only, not whether it is anyone's.
func (s *Service) failed(ctx context.Context, v *shop.View, a customer.Address, attempt limit.Attempt, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		e := audit.Entry{Action: audit.SignInFailed, Actor: audit.Actor{Kind: audit.Shopper}, AddressKey: a.Key(v.Website.ID),
			Subject: a.Masked(), WebsiteID: v.Website.ID, Origin: o, Outcome: "refused"}
		if attempt.JustLocked {
			e.Action = audit.SignInLocked
		}
		return audit.Record(ctx, tx, e)
	})
}

// Accept forgets the failures that came before the right password, lets letters with a link to a new one be written again, and
// renews a hash that is cheaper than today's.
func (p Proof) Accept(ctx context.Context, tx *db.Tx) error {
	if err := limit.RefundClient(ctx, tx, p.client, p.origin.IP); err != nil {
		return err
	}
	if err := limit.Forgive(ctx, tx, lockName, subject(p.Customer.WebsiteID, p.Customer.Address())); err != nil {
		return err
	}
	if err := LiftHold(ctx, tx, p.Customer, p.origin); err != nil {
		return err
	}
	if p.rehashed != "" {
		return customer.Rehash(ctx, tx, p.Customer, p.rehashed)
	}
	return nil
}

// LiftHold ends the hold of resets for a customer who has just shown what no letter gives, the password or a passkey: "It wasn't me"
// keeps nobody from their own account. What holds the address and new passkeys stays.
func LiftHold(ctx context.Context, tx *db.Tx, c customer.Customer, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil || !c.Held(now) {
		return err
	}
	if err := customer.LiftResets(ctx, tx, c.ID); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.HoldLifted, Actor: c.Actor(), CustomerID: c.ID,
		Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o})
}

// Forgive ends a lock-out: the customer has proved the address by a recovery link.
func Forgive(ctx context.Context, tx *db.Tx, c customer.Customer) error {
	if err := limit.Forgive(ctx, tx, lockName, subject(c.WebsiteID, c.Address())); err != nil {
		return err
	}
	return customer.MarkLocked(ctx, tx, c.WebsiteID, c.Address(), time.Time{})
}

// Unlock ends, by an administrator's hand, whatever keeps a customer out: a lock-out, and the holds after "It wasn't me". Errors: fault Forbidden, NotFound.
func (s *Service) Unlock(ctx context.Context, permit admin.Permit, customerID int64, o audit.Origin) error {
	if err := permit.Need(admin.UnlockCustomer); err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		c, err := customer.Reach(ctx, tx, permit.Covers, customerID)
		if err != nil {
			return err
		}
		if err := Forgive(ctx, tx, c); err != nil {
			return err
		}
		if err := customer.LiftHolds(ctx, tx, c.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.Unlocked, Actor: permit.Actor(), CustomerID: c.ID,
			Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o})
	})
}

func lockOf(v *shop.View) limit.Lock {
	return limit.Lock{Name: lockName, Failures: v.Int(shop.LockoutFailures), Pause: v.Duration(shop.LockoutThreshold)}
}

func subject(websiteID int64, a customer.Address) string { return hex.EncodeToString(a.Key(websiteID)) }
