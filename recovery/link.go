package recovery

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

const (
	// MaxLive is how many links of one customer work at a time. Asking again keeps the earlier ones, because letters
	// overtake each other; the oldest of more than five makes room.
	MaxLive = 5
	// wrongLinks is how many links that are none one client may try in an hour before it is told to wait. A good link
	// is never counted, so that nobody's wrong ones stop anybody's right one.
	wrongLinks = 60
)

// linkPurpose is what the secret of the link of one letter is derived for: it is the same on every node and at every try.
const linkPurpose = "recovery-link"

// putLink makes the link of a letter, once, and ends the oldest ones beyond MaxLive. It answers whether the link is still
// worth sending: a retried letter may find its link used, or the password changed. The link is the one of the first try, also where
// the store has changed its key since. A link is as old as its letter, so that what
// was asked for before a cut of the website is dead also when it is written after it.
func (s *Service) putLink(ctx context.Context, tx *db.Tx, letter mail.Letter, v *shop.View, c customer.Customer) (link secret.Text, alive bool, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return link, false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO links (id, secret_hash, customer_id, website_id, store_view_id, generation, created_at, expires_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT (id) DO NOTHING`, letter.ID, secret.Digest(s.Key.Derive(linkPurpose, letter.ID[:])), c.ID,
		c.WebsiteID, v.ID, c.LinkGeneration, db.Micro(letter.CreatedAt), db.Micro(letter.ExpiresAt))
	if err != nil {
		return link, false, err
	}
	_, err = tx.Exec(ctx, `UPDATE links SET ended_at = $3 WHERE customer_id = $1 AND spent_at IS NULL AND ended_at IS NULL AND id IN
		(SELECT id FROM links WHERE customer_id = $1 AND generation = $2 AND spent_at IS NULL AND ended_at IS NULL AND expires_at > $3
		ORDER BY id DESC LIMIT 1000 OFFSET $4)`, c.ID, c.LinkGeneration, db.Micro(now), MaxLive)
	if err != nil {
		return link, false, err
	}
	var digest []byte
	err = tx.Row(ctx, "SELECT secret_hash FROM links WHERE id = $2 AND "+live, db.Micro(now), letter.ID).Scan(&digest)
	if db.IsNoRows(err) {
		return link, false, nil
	}
	return s.Key.Again(linkPurpose, letter.ID[:], digest), err == nil, err
}

// live is the condition for a link, or a code, to work: to be shown and to be spent; $1 is now. That it is unspent stands in the
// row itself, which PostgreSQL reads again where two spend at once.
const live = "spent_at IS NULL AND ended_at IS NULL AND expires_at > $1 AND " + customer.LinkStands

func expired() error {
	return fault.New(fault.Expired, "link.expired", "Your password reset link has expired.")
}

// Pending is a link that works: what the page of the new password needs, and nothing more about the account than its holder, who
// may take it over, has to know.
type Pending struct {
	LinkID     db.ID
	CustomerID int64
	ExpiresAt  time.Time
	Rules      password.Rules
	Passkeys   []signin.Passkey // which the owner may keep; none where whoever made the account may be another
	customer   customer.Customer
}

// Account is whose link it is, so that its holder recognises it and nobody else learns it.
func (p Pending) Account() string { return p.customer.Address().Masked() }

// Check tells whether a link works, without spending it. Unknown, used, expired and foreign ones are one answer. Errors:
// fault Expired; fault Limited for a client that tries many links that are none.
func (s *Service) Check(ctx context.Context, v *shop.View, link secret.Text, o audit.Origin) (Pending, error) {
	var p Pending
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		p, err = s.find(ctx, tx, v, link)
		return err
	})
	if fault.Is(err, fault.Expired) {
		if err := s.countWrong(ctx, o); err != nil {
			return Pending{}, err
		}
	}
	return p, err
}

// Opened remembers that a working link was opened, once per link, for the customer's timeline. It changes nothing about
// the link: whoever opened it may have been a mail scanner.
func (s *Service) Opened(ctx context.Context, p Pending, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE links SET opened_at = $2 WHERE id = $1 AND opened_at IS NULL", p.LinkID, db.Micro(now))
		if err != nil || n == 0 {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.LinkOpened, Actor: audit.Actor{Kind: audit.Shopper}, CustomerID: p.CustomerID,
			Subject: p.customer.Address().Masked(), WebsiteID: p.customer.WebsiteID, Origin: o})
	})
}

func (s *Service) countWrong(ctx context.Context, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		return limit.DemandClient(ctx, tx, limit.Rule{Name: "wrong links", Max: wrongLinks, Window: time.Hour}, o.IP,
			"Too many links were tried from your network. Please wait and try again later.")
	})
}

// find reads a link that works. One that was made with a key which is accepted no more is none.
func (s *Service) find(ctx context.Context, tx *db.Tx, v *shop.View, link secret.Text) (Pending, error) {
	if !secret.WellFormed(link) {
		return Pending{}, expired()
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return Pending{}, err
	}
	var p Pending
	err = tx.Row(ctx, "SELECT id, customer_id, expires_at FROM links WHERE secret_hash = $2 AND website_id = $3 AND "+live,
		db.Micro(now), secret.Digest(link), v.Website.ID).Scan(&p.LinkID, &p.CustomerID, db.IntoTime(&p.ExpiresAt))
	if db.IsNoRows(err) {
		return Pending{}, expired()
	}
	if err != nil {
		return Pending{}, err
	}
	if !s.Key.Made(linkPurpose, p.LinkID[:], link) {
		return Pending{}, expired()
	}
	p.Rules = v.PasswordRules()
	if p.customer, err = customer.Find(ctx, tx, p.CustomerID); err == nil && p.customer.Proven() {
		p.Passkeys, err = signin.Passkeys(ctx, tx, p.CustomerID)
	}
	return p, err
}

// spend marks a link as used, if it still works. It is one statement, so that of many at once one wins; links of the same
// customer that are spent at the same time meet in customer.SetPassword, which lets one pass.
func spend(ctx context.Context, tx *db.Tx, p Pending) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "UPDATE links SET spent_at = $1 WHERE id = $2 AND "+live, db.Micro(now), p.LinkID)
	if err == nil && n == 0 {
		return expired()
	}
	return err
}

// sinceExpired is how far back EndExpired looks for links that have expired: longer than housekeeping is ever late.
const sinceExpired = 24 * time.Hour

// EndExpired ends links that have expired, at most most of them: they stay dead when the clock of the database steps back.
func EndExpired(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `UPDATE links SET ended_at = expires_at WHERE id IN (SELECT id FROM links WHERE expires_at <= $1 AND expires_at > $2
		AND spent_at IS NULL AND ended_at IS NULL LIMIT $3`+tx.SkipLocked()+`)`, db.Micro(now), db.Micro(now.Add(-sinceExpired)), most)
}

// Sweep deletes links that stopped working longer than age ago, at most most of them; until then timelines tell of them.
func Sweep(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < $1 LIMIT $2`+tx.SkipLocked()+`)`,
		db.Micro(now.Add(-age)), most)
}
