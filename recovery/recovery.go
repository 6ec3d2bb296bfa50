// Package recovery is the heart of the house: the ways in which a forgotten or compromised password is replaced. It owns
// the tables links, codes and objections.
//
// Promises:
//   - Request never looks a customer up, so no answer, cookie or time can tell who is one. It counts, queues a note and
//     answers everyone alike; the mail worker finds, or does not find, the customer later.
//   - A live link rests nowhere: the table keeps the letter's id and a hash of the secret, which is derived from the
//     installation's key when the letter is written. Each try of a letter carries the same link.
//   - A link is spent in one statement, in the transaction that stores an accepted password. Opening it, a refused
//     password and a scanner's empty form spend nothing. Of many at once one wins.
//   - Asking again keeps earlier links alive, up to MaxLive; using one ends all, and so does any change of the password.
//   - A completed recovery ends all sessions, revokes all tokens and tells the owner, in the same transaction.
//   - A code beside the link works in the browser that asked, for as long as the link does and for at most MaxTries tries, which
//     are counted in the database before anything is compared, for everybody's address alike. It rests nowhere either: it is
//     derived like the link, and no hash of it is kept. A code to sign in with is made the same way and is good for nothing else.
//   - "It wasn't me" in a letter stops what the letter is about and signs everybody out. It sets no password, keeps nobody from
//     signing in with theirs, holds for a bounded time, and says nothing to whoever asks for a reset meanwhile.
//   - Whoever proves the address of an account that nobody has proven, by a link or a code, takes it over from whoever made it: the
//     maker's password, sessions, tokens, passkeys and changes under way end in the same transaction.
//   - Nobody but the owner of the mailbox gets a link: Send queues a letter and returns nothing that holds one.
package recovery

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
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

// Letters that this package composes.
const (
	ForgotLetter  = "forgot"           // asked for by the shopper
	StoreLetter   = "reset_by_store"   // sent by an administrator
	ChangedLetter = "password_changed" // the notice that follows every change

	RequiredLetter  = "new_password_required" // the store has put the password out of use
	SignedOutLetter = "signed_out_by_store"

	SignInLetter = "signin_code"      // the code of signing in by letter
	SecureLetter = "secure_account"   // a link to a new password, after "It wasn't me"
	ReportLetter = "objection_report" // to the store's support
)

// Service holds what the journeys of recovery need.
type Service struct {
	DB     *db.DB
	Shop   *shop.Shop
	Hasher *secret.Hasher
	Key    secret.Key
	SignIn *signin.Service

	Customers *customer.Service
}

// The counts of one hour. One rule counts the letters of an address, whoever asks for them.
func clientRule(v *shop.View) limit.Rule {
	return limit.Rule{Name: "reset by client", Max: v.Int(shop.MaxRequestsPerClient), Window: time.Hour}
}

func letterRule(v *shop.View) limit.Rule {
	return limit.Rule{Name: "reset letters", Max: v.Int(shop.MaxResetRequests), Window: time.Hour,
		MinInterval: v.Duration(shop.MinTimeBetweenResets)}
}

func addressSubject(v *shop.View, a customer.Address) string {
	return hex.EncodeToString(a.Key(v.Website.ID))
}

// Request is "Forgot Your Password?" for programs: if the address belongs to an account, a letter with a link follows. Every
// well-formed address gets the same nil, also when its own limit is reached: a link asked for earlier still works.
// Errors: fault Invalid on "email"; fault Limited by client address, which says nothing about any customer.
func (s *Service) Request(ctx context.Context, v *shop.View, email string, o audit.Origin) error {
	return s.RequestIn(ctx, v, secret.Text{}, email, o)
}

// RequestIn is Request for the browser that holds a secret of 256 bits: the letter also has a code, to type in that browser.
func (s *Service) RequestIn(ctx context.Context, v *shop.View, browser secret.Text, email string, o audit.Origin) error {
	address, err := customer.ParseAddress(email)
	if err != nil {
		return err
	}
	a := asking{forReset, browser, address}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := limit.DemandClient(ctx, tx, clientRule(v), o.IP,
			"We received too many requests for password resets. Please wait and try again later."); err != nil {
			return err
		}
		return s.askFor(ctx, tx, v, a, letterRule(v), ForgotLetter, audit.ResetRequested, v.Duration(shop.LinkExpirationPeriod), o)
	})
}

// askFor queues the letter that somebody asked for by address, unless the limit of the address holds it back, and remembers the
// browser that its code is good in. Nobody has looked the customer up.
func (s *Service) askFor(ctx context.Context, tx *db.Tx, v *shop.View, a asking, rule limit.Rule, letter, action string, life time.Duration, o audit.Origin) error {
	key := a.address.Key(v.Website.ID)
	e := audit.Entry{Action: action, Actor: audit.Actor{Kind: audit.Shopper}, AddressKey: key, Subject: a.address.Masked(),
		WebsiteID: v.Website.ID, Origin: o}
	allowed, err := takeByProtection(ctx, tx, v, rule, a.address, o)
	if err != nil {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	expires := now.Add(life)
	if !allowed {
		e.Outcome = "limited"
		if err := putStandIn(ctx, tx, v, a, expires); err != nil {
			return err
		}
		return audit.Record(ctx, tx, e)
	}
	id, err := mail.Enqueue(ctx, tx, mail.Note{Kind: letter, Priority: mail.Awaited, WebsiteID: v.Website.ID, ViewID: v.ID, AddressKey: key,
		Data: map[string]string{"address": a.address.String(), "place": o.Place(), "browser": o.Browser()}, ExpiresAt: expires})
	if err != nil {
		return err
	}
	if err := putCode(ctx, tx, id, v, a, expires); err != nil {
		return err
	}
	return audit.Record(ctx, tx, e)
}

// takeByProtection counts by what the store protects: the address, the client, either or nothing
// (customer/password/password_reset_protection_type).
func takeByProtection(ctx context.Context, tx *db.Tx, v *shop.View, rule limit.Rule, a customer.Address, o audit.Origin) (bool, error) {
	protection := v.Text(shop.ResetProtectionType)
	if protection == shop.ProtectionNone {
		return true, nil
	}
	if protection == shop.ProtectionByIP {
		verdict, err := limit.TakeClient(ctx, tx, rule, o.IP)
		return verdict.Allowed, err
	}
	// "By IP and Email" as well: the client's own count was taken before. Commerce applies the address's small numbers to
	// the client too, so that one shopper's request silences everybody behind the same gateway for ten minutes.
	verdict, err := limit.Take(ctx, tx, rule, addressSubject(v, a))
	return verdict.Allowed, err
}

// Send is the administrator's Reset Password: the store's letter goes to the customer, and to nobody else. It shares the
// limit of the customer's own requests. Errors: fault Limited with the moment of the next one; Forbidden; NotFound;
// Conflict for an account that is disabled.
func (s *Service) Send(ctx context.Context, permit admin.Permit, customerID int64, o audit.Origin) error {
	if err := permit.Need(admin.ResetPassword); err != nil {
		return err
	}
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		c, err := customer.Reach(ctx, tx, permit.Covers, customerID)
		if err != nil {
			return err
		}
		if !c.Active {
			return fault.New(fault.Conflict, "customer.disabled", "This account is disabled; no letter can be sent to it.")
		}
		v, err := viewOf(snap, c)
		if err != nil {
			return err
		}
		verdict, err := limit.Take(ctx, tx, letterRule(v), addressSubject(v, c.Address()))
		if err != nil {
			return err
		}
		if !verdict.Allowed {
			return fault.Until("limit.reset", "This customer has had enough password resets for now.", verdict.NextAt)
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: StoreLetter, Priority: mail.Awaited, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID,
			ExpiresAt: now.Add(v.Duration(shop.LinkExpirationPeriod))})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.ResetSentByStore, Actor: permit.Actor(), CustomerID: c.ID,
			Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o})
	})
}

// NextAllowed tells when Send will be allowed for a customer: the zero time for now.
func (s *Service) NextAllowed(ctx context.Context, c customer.Customer) (at time.Time, err error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return time.Time{}, err
	}
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		at, err = nextAllowed(ctx, tx, snap, c)
		return err
	})
	return at, err
}

func nextAllowed(ctx context.Context, tx *db.Tx, snap *shop.Snapshot, c customer.Customer) (time.Time, error) {
	v, err := viewOf(snap, c)
	if err != nil {
		return time.Time{}, err
	}
	verdict, err := limit.Peek(ctx, tx, letterRule(v), addressSubject(v, c.Address()))
	return verdict.NextAt, err
}

// viewOf is the store view that speaks to a customer.
func viewOf(snap *shop.Snapshot, c customer.Customer) (*shop.View, error) {
	if v, ok := c.View(snap); ok {
		return v, nil
	}
	return nil, fault.New(fault.Conflict, "store_view.no_base_url",
		"No store view of this customer's website has a base URL yet; set it under Websites and store views.")
}
