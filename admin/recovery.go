package admin

import (
	"context"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// MaxLive is how many links of one administrator work at a time: letters overtake each other.
	MaxLive = 5
	// wrongLinks is how many links that are none one client may try in an hour. A good one is never counted.
	wrongLinks = 60
	// longestName cuts what is typed as a name or an address before it is kept.
	longestName = 254

	linkPurpose = "admin-recovery-link"
)

// letterRule counts the letters with a link of one administrator, and of one name that is typed.
func letterRule(snap *shop.Snapshot) limit.Rule {
	return limit.Rule{Name: "admin reset letters", Max: snap.Int(shop.AdminMaxResetRequests), Window: time.Hour,
		MinInterval: snap.Duration(shop.AdminMinTimeBetween)}
}

// typed is a name as it is looked up.
func typed(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return strings.ToValidUTF8(name[:min(len(name), longestName)], "")
}

// RequestReset is "Forgot your password?" of the console, by user name or e-mail address. It looks nobody up: if the name is an
// administrator's, a letter with a link follows. Every name gets the same nil, also when its own limit is reached.
// Errors: fault Invalid on "username"; fault Limited by client address, which says nothing about anybody.
func (s *Service) RequestReset(ctx context.Context, name string, o audit.Origin) error {
	if name = typed(name); name == "" {
		return fault.Refuse("username", "required", "Please enter your user name or e-mail address.", nil)
	}
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	v, ok := snap.Staff(0)
	if !ok {
		return fault.New(fault.Conflict, "store_view.none", "There is no store view yet that could send a letter.")
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := limit.DemandClient(ctx, tx, limit.Rule{Name: "admin reset by client", Max: snap.Int(shop.MaxRequestsPerClient), Window: time.Hour}, o.IP,
			"We received too many requests for password resets. Please wait and try again later."); err != nil {
			return err
		}
		e := audit.Entry{Action: audit.AdminResetAsked, Actor: audit.Actor{Kind: audit.Store}, Subject: name, Origin: o}
		verdict, err := limit.Take(ctx, tx, letterRule(snap), "name "+name)
		if err != nil {
			return err
		}
		if !verdict.Allowed {
			e.Outcome = "limited"
			return audit.Record(ctx, tx, e)
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: ResetLetter, Priority: mail.Awaited, ViewID: v.ID, Data: map[string]string{"name": name},
			ExpiresAt: now.Add(snap.Duration(shop.AdminLinkPeriod))})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, e)
	})
}

// named finds whom a letter is for: the administrator of that name, or the only active one with that address.
func named(ctx context.Context, tx *db.Tx, name string) (Admin, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM admins WHERE username_canon = $1 OR LOWER(email) = $1 ORDER BY id", name)
	all, err := db.Collect(rows, err, scan)
	if err != nil {
		return Admin{}, err
	}
	var found []Admin
	for _, a := range all {
		switch {
		case !a.Active:
		case strings.ToLower(a.Username) == name:
			return a, nil
		default:
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		return Admin{}, mail.NotNeeded("no administrator has this name, or several share this address")
	}
	return found[0], nil
}

// putLink makes the link of a letter, once; fresh tells whether this is that once. A letter that is tried again may find its link
// used, or what it was issued under ended. email is the address that the link proves, "" for a new password.
func (s *Service) putLink(ctx context.Context, tx *db.Tx, purpose string, letter mail.Letter, who Admin, email string) (link secret.Text, fresh bool, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return link, false, err
	}
	made, err := tx.Exec(ctx, `INSERT INTO admin_links (id, secret_hash, admin_id, generation, created_at, expires_at, email)
		VALUES ($1,$2,$3,$4,$5,$6,$7) ON CONFLICT (id) DO NOTHING`, letter.ID, secret.Digest(s.Key.Derive(purpose, letter.ID[:])), who.ID, who.generation,
		db.Micro(now), db.Micro(letter.ExpiresAt), email)
	if err != nil {
		return link, false, err
	}
	var digest []byte
	if err := tx.Row(ctx, "SELECT secret_hash FROM admin_links WHERE id = $1", letter.ID).Scan(&digest); err != nil {
		return link, false, err
	}
	link = s.Key.Again(purpose, letter.ID[:], digest)
	_, err = s.findLink(ctx, tx, purpose, link)
	if fault.Is(err, fault.Expired) {
		return link, false, mail.NotNeeded("its link was used already, or the sign-in has been changed since")
	}
	return link, made == 1, err
}

// few counts the letters with a link to a new password, and ends the oldest links beyond MaxLive.
func few(ctx context.Context, tx *db.Tx, snap *shop.Snapshot, who Admin) error {
	verdict, err := limit.Take(ctx, tx, letterRule(snap), "admin "+string(idBytes(who.ID)))
	if err != nil {
		return err
	}
	if !verdict.Allowed {
		return mail.NotNeeded("this administrator was sent enough links; the earlier ones still work")
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE admin_links SET spent_at = $2 WHERE spent_at IS NULL AND id IN
		(SELECT id FROM admin_links WHERE admin_id = $1 AND email = '' AND spent_at IS NULL AND expires_at > $2 ORDER BY id DESC LIMIT 1000 OFFSET $3)`,
		who.ID, db.Micro(now), MaxLive)
	return err
}

// PendingReset is a link that works.
type PendingReset struct {
	Rules  password.Rules
	linkID db.ID
	who    Admin
}

// Username is whose password the link is for.
func (p PendingReset) Username() string { return p.who.Username }

func linkExpired() error {
	return fault.New(fault.Expired, "link.expired", "Your password reset link has expired.")
}

// found is a link that works.
type found struct {
	id    db.ID
	who   Admin
	email string // that it proves
}

// findLink reads a link that works. One that was made with a key which is accepted no more is none.
func (s *Service) findLink(ctx context.Context, tx *db.Tx, purpose string, link secret.Text) (f found, err error) {
	if !secret.WellFormed(link) {
		return f, linkExpired()
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return f, err
	}
	var adminID int64
	err = tx.Row(ctx, "SELECT id, admin_id, email FROM admin_links WHERE secret_hash = $2 AND "+linkLives, db.Micro(now), secret.Digest(link)).
		Scan(&f.id, &adminID, &f.email)
	if db.IsNoRows(err) || err == nil && !s.Key.Made(purpose, f.id[:], link) {
		return f, linkExpired()
	}
	if err != nil {
		return f, err
	}
	f.who, err = Find(ctx, tx, adminID)
	return f, err
}

// linkLives is the condition for a link to work: to be shown and to be spent; $1 is now.
const linkLives = "spent_at IS NULL AND expires_at > $1 AND " + Stands

// spendLink uses a link up. One statement: of one link sent many times, and of several links at once, one wins.
func spendLink(ctx context.Context, tx *db.Tx, id db.ID) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "UPDATE admin_links SET spent_at = $1 WHERE id = $2 AND "+linkLives, db.Micro(now), id)
	if err == nil && n == 0 {
		err = linkExpired()
	}
	return err
}

// checkLink finds a link that somebody shows. Errors: fault Expired, one answer for unknown, used and expired ones; fault Limited for
// a client that tries many links that are none.
func (s *Service) checkLink(ctx context.Context, purpose string, link secret.Text, o audit.Origin) (f found, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		f, err = s.findLink(ctx, tx, purpose, link)
		return err
	})
	if !fault.Is(err, fault.Expired) {
		return f, err
	}
	if err := s.DB.Write(ctx, func(tx *db.Tx) error {
		return limit.DemandClient(ctx, tx, limit.Rule{Name: "wrong admin links", Max: wrongLinks, Window: time.Hour}, o.IP,
			"Too many links were tried from your network. Please wait and try again later.")
	}); err != nil {
		return f, err
	}
	return f, err
}

// CheckReset tells whether a link works, without spending it. Errors: those of checkLink.
func (s *Service) CheckReset(ctx context.Context, link secret.Text, o audit.Origin) (PendingReset, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return PendingReset{}, err
	}
	f, err := s.checkLink(ctx, linkPurpose, link, o)
	return PendingReset{Rules: snap.AdminPasswordRules(), linkID: f.id, who: f.who}, err
}

// CompleteReset stores a new password for the owner of a link. Password, spent link, ended sessions and tokens, notice and audit
// line commit together; a refused password leaves the link as it was. The second factor stays: signing in asks for it. Errors:
// fault Invalid on "password" or "password_confirmation"; fault Expired; fault Limited; secret.ErrBusy.
func (s *Service) CompleteReset(ctx context.Context, link, password, confirm secret.Text, o audit.Origin) error {
	p, err := s.CheckReset(ctx, link, o)
	if err != nil {
		return err
	}
	if _, err := p.Rules.CheckPair(password, confirm, p.who.person()); err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := spendLink(ctx, tx, p.linkID); err != nil {
			return err
		}
		who, err := scan(tx.Row(ctx, `UPDATE admins SET password_hash = $3, session_generation = session_generation + 1
			WHERE id = $1 AND session_generation = $2 AND active RETURNING `+columns, p.who.ID, p.who.generation, hash))
		if fault.Is(err, fault.NotFound) {
			return linkExpired()
		}
		if err != nil {
			return err
		}
		if err := forgive(ctx, tx, who.Username); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, who, "password", o); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.AdminReset, Actor: actorOf(who), Subject: who.Username, Origin: o})
	})
}

// EndExpired makes links that have expired count as spent, at most most of them: they stay dead when the clock of the database
// steps back.
func EndExpired(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `UPDATE admin_links SET spent_at = expires_at WHERE id IN
		(SELECT id FROM admin_links WHERE expires_at <= $1 AND spent_at IS NULL LIMIT $2`+tx.SkipLocked()+`)`, db.Micro(now), most)
}

// SweepLinks deletes links that stopped working longer than age ago, at most most of them.
func SweepLinks(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM admin_links WHERE id IN (SELECT id FROM admin_links WHERE expires_at < $1 LIMIT $2`+tx.SkipLocked()+`)`,
		db.Micro(now.Add(-age)), most)
}
