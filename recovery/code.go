package recovery

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// purpose is what a code is good for. It is part of what the code is derived from and of each statement that looks for one, so
// that a code of one purpose is a wrong one for the other.
type purpose string

const (
	forReset  purpose = "reset"
	forSignIn purpose = "signin"
)

// asking is who asks for a letter with a code.
type asking struct {
	purpose purpose
	browser secret.Text // the secret of the browser that the code is good in; empty for programs, whose letters have no code
	address customer.Address
}

// MaxTries is how often something may be typed against one code. A code has 40 bits: five tries find one of 2^40.
const MaxTries = 5

// code is what the letter with this id says to type: the same on every node and at every try of the letter.
func (s *Service) code(p purpose, letterID db.ID) secret.Text {
	return s.Key.DeriveCode(p.ofCode(), letterID[:])
}

func (p purpose) ofCode() string { return "code to " + string(p) }

// putCode remembers that the browser with this secret asked for the letter. It runs for everyone alike, before anybody has looked
// the customer up. The newest MaxLive letters of a browser can be answered by code.
func putCode(ctx context.Context, tx *db.Tx, letterID db.ID, v *shop.View, a asking, expires time.Time) error {
	if !secret.WellFormed(a.browser) {
		return nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	browser := secret.Digest(a.browser)
	_, err = tx.Exec(ctx, `INSERT INTO codes (id, purpose, browser_hash, website_id, address_key, created_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
		letterID, string(a.purpose), browser, v.Website.ID, a.address.Key(v.Website.ID), db.Micro(now), db.Micro(expires))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE codes SET ended_at = $4 WHERE browser_hash = $1 AND ended_at IS NULL AND id IN
		(SELECT id FROM codes WHERE browser_hash = $1 AND purpose = $2 AND website_id = $3 ORDER BY id DESC LIMIT 1000 OFFSET $5)`,
		browser, string(a.purpose), v.Website.ID, db.Micro(now), MaxLive)
	return err
}

// putStandIn is putCode for a letter that the limit of its address holds back: there is nothing to type, and what is typed is
// counted all the same. A browser that has a code to try keeps it, however often its shopper asks again.
func putStandIn(ctx context.Context, tx *db.Tx, v *shop.View, a asking, expires time.Time) error {
	if !secret.WellFormed(a.browser) {
		return nil
	}
	open, err := openCodes(ctx, tx, v, a.purpose, a.browser)
	if err != nil || len(open) > 0 {
		return err
	}
	return putCode(ctx, tx, db.NewID(), v, a, expires)
}

// tieCode says whose code it is, once the letter has found its customer, and tells whether the letter has one: a letter that no
// browser asked for has none. Codes of one customer beyond the newest MaxLive end, whichever browsers asked.
func tieCode(ctx context.Context, tx *db.Tx, p purpose, letterID db.ID, c customer.Customer) (has bool, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `UPDATE codes SET customer_id = COALESCE(customer_id, $2), generation = COALESCE(generation, $3) WHERE id = $1 AND purpose = $4`,
		letterID, c.ID, c.LinkGeneration, string(p))
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, `UPDATE codes SET ended_at = $3 WHERE customer_id = $1 AND ended_at IS NULL AND id IN
		(SELECT id FROM codes WHERE customer_id = $1 AND purpose = $2 AND spent_at IS NULL AND expires_at > $3 ORDER BY id DESC LIMIT 1000 OFFSET $4)`,
		c.ID, string(p), db.Micro(now), MaxLive)
	return true, err
}

func wrongCode() error {
	return fault.Refuse("code", "code.wrong", "This code does not work. Check it in the newest email, or ask for a new one.", nil)
}

// waiting is one code that may still be typed in a browser.
type waiting struct {
	letterID   db.ID
	customerID int64 // 0 while nobody is known for it
	addressKey []byte
}

// try looks at what was typed in a browser. Every code that waits for the browser is counted as tried, in the rows themselves and
// before anything is compared; the right one takes that back and goes to use, in the same transaction. use gives fault Expired
// when the code is worth nothing any more, having changed nothing. Wrong, unknown, used, expired, tried too often, asked for
// elsewhere: one answer. Errors: fault Invalid on "code"; fault Limited for a client that tries many.
func (s *Service) try(ctx context.Context, v *shop.View, p purpose, browser, typed secret.Text, o audit.Origin, use func(tx *db.Tx, w waiting) error) error {
	if secret.WellFormed(browser) {
		var right bool
		err := s.DB.Write(ctx, func(tx *db.Tx) (err error) {
			right, err = s.tryOnce(ctx, tx, v, p, browser, secret.TypedCode(typed), o, use)
			return err
		})
		if err != nil || right {
			return err
		}
	}
	if err := s.countWrong(ctx, o); err != nil {
		return err
	}
	return wrongCode()
}

func (s *Service) tryOnce(ctx context.Context, tx *db.Tx, v *shop.View, p purpose, browser, code secret.Text, o audit.Origin, use func(tx *db.Tx, w waiting) error) (right bool, err error) {
	open, err := openCodes(ctx, tx, v, p, browser)
	if err != nil || len(open) == 0 {
		return false, err
	}
	if err := countTry(ctx, tx, open, +1); err != nil {
		return false, err
	}
	for _, w := range open {
		if !s.Key.MadeCode(p.ofCode(), w.letterID[:], code) {
			continue
		}
		if err := use(tx, w); err == nil {
			return true, countTry(ctx, tx, open, -1) // it was no guess
		} else if !fault.Is(err, fault.Expired) {
			return false, err
		}
	}
	// Whose code it was is not looked up: the address that was asked for is the same kind of word for everybody.
	return false, audit.Record(ctx, tx, audit.Entry{Action: audit.CodeRefused, Actor: audit.Actor{Kind: audit.Shopper}, WebsiteID: v.Website.ID,
		AddressKey: open[len(open)-1].addressKey, Origin: o, Outcome: "refused", Detail: map[string]string{"for": string(p)}})
}

// openCodes are the codes that may be typed in a browser, oldest first, locked: tries at the same moment wait for each other.
func openCodes(ctx context.Context, tx *db.Tx, v *shop.View, p purpose, browser secret.Text) ([]waiting, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT id, customer_id, address_key FROM codes WHERE browser_hash = $1 AND purpose = $2 AND website_id = $3
		AND expires_at > $4 AND spent_at IS NULL AND ended_at IS NULL AND tries < $5 ORDER BY id`+tx.ForUpdate(),
		secret.Digest(browser), string(p), v.Website.ID, db.Micro(now), MaxTries)
	return db.Collect(rows, err, func(row db.Scanner) (w waiting, err error) {
		err = row.Scan(&w.letterID, db.IntoInt(&w.customerID), &w.addressKey)
		return w, err
	})
}

func countTry(ctx context.Context, tx *db.Tx, codes []waiting, by int) error {
	for _, w := range codes {
		if _, err := tx.Exec(ctx, "UPDATE codes SET tries = tries + $2 WHERE id = $1", w.letterID, by); err != nil {
			return err
		}
	}
	return nil
}

// OpenByCode is the link of a letter, opened by the code beside it in the browser that asked: what it gives is what the link
// would have brought. Like opening the link it spends nothing, and it works for as long as the link does. Errors: those of try.
func (s *Service) OpenByCode(ctx context.Context, v *shop.View, browser, typed secret.Text, o audit.Origin) (link secret.Text, err error) {
	err = s.try(ctx, v, forReset, browser, typed, o, func(tx *db.Tx, w waiting) error {
		var digest []byte
		if err := tx.Row(ctx, "SELECT secret_hash FROM links WHERE id = $1", w.letterID).Scan(&digest); db.IsNoRows(err) {
			return expired()
		} else if err != nil {
			return err
		}
		link = s.Key.Again(linkPurpose, w.letterID[:], digest)
		p, err := s.find(ctx, tx, v, link)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE links SET opened_at = COALESCE(opened_at, $2) WHERE id = $1", p.LinkID, db.Micro(now)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.CodeTyped, Actor: audit.Actor{Kind: audit.Shopper}, CustomerID: p.CustomerID,
			Subject: p.customer.Address().Masked(), WebsiteID: p.customer.WebsiteID, Origin: o})
	})
	if err != nil {
		return secret.Text{}, err
	}
	return link, nil
}

// Erase deletes what is kept of a customer's codes and objections, and below of tokens and sessions.
func Erase(ctx context.Context, tx *db.Tx, c customer.Customer) error {
	if err := token.Erase(ctx, tx, c.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM objections WHERE customer_id = $1", c.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM codes WHERE customer_id = $1 OR address_key = $2", c.ID, c.Address().Key(c.WebsiteID))
	return err
}

// SweepCodes deletes codes that have expired, at most most of them. What was tried stays in the audit.
func SweepCodes(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE expires_at < $1 LIMIT $2`+tx.SkipLocked()+`)`,
		db.Micro(now), most)
}
