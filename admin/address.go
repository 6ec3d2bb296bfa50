package admin

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// addressPurpose is what the secret of a link is derived for that proves an address.
const addressPurpose = "admin-address-link"

// AskAddress sends a link to the new address of an administrator, which is theirs once that link was used: whoever reads the mail of
// an address may set the password of its administrator, so no mistyped one is taken. Errors: fault Invalid on "email"; Limited; those
// of alter.
func (s *Service) AskAddress(ctx context.Context, permit Permit, id int64, email string, o audit.Origin) error {
	return s.alter(ctx, permit, id, o, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		if err := checkEmail(email); err != nil {
			return audit.Entry{}, err
		}
		if email == who.Email {
			return audit.Entry{}, fault.Refuse("email", "email.same", "This is the administrator's address already.", nil)
		}
		snap, err := s.Shop.LoadIn(ctx, tx)
		if err != nil {
			return audit.Entry{}, err
		}
		v, ok := snap.Staff(who.WebsiteID)
		if !ok {
			return audit.Entry{}, fault.New(fault.Conflict, "store_view.none", "There is no store view yet that could send an email.")
		}
		if err := limit.Demand(ctx, tx, limit.Rule{Name: "admin address emails", Max: snap.Int(shop.AdminMaxResetRequests), Window: time.Hour},
			string(idBytes(id)), "Enough emails with a link to confirm an address were sent for this administrator."); err != nil {
			return audit.Entry{}, err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return audit.Entry{}, err
		}
		_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: AddressLetter, Priority: mail.Awaited, ViewID: v.ID,
			Data: map[string]string{"admin": strconv.FormatInt(id, 10), "email": email}, ExpiresAt: now.Add(snap.Duration(shop.AdminLinkPeriod))})
		return audit.Entry{Action: audit.AdminAddressAsked}, err
	})
}

// PendingAddress is an address that waits for its link to be used.
type PendingAddress struct {
	Username, Email string
	linkID          db.ID
	who             Admin
}

// WaitingAddress is the address that an administrator was last sent a link to, "" where none waits.
func WaitingAddress(ctx context.Context, tx *db.Tx, id int64) (email string, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return "", err
	}
	err = tx.Row(ctx, "SELECT email FROM admin_links WHERE admin_id = $2 AND email <> '' AND "+linkLives+" ORDER BY id DESC LIMIT 1", db.Micro(now), id).Scan(&email)
	if db.IsNoRows(err) {
		return "", nil
	}
	return email, err
}

// CheckAddress tells which address a link would prove, without spending it. Errors: those of CheckReset.
func (s *Service) CheckAddress(ctx context.Context, link secret.Text, o audit.Origin) (p PendingAddress, err error) {
	found, err := s.checkLink(ctx, addressPurpose, link, o)
	return PendingAddress{Username: found.who.Username, Email: found.email, linkID: found.id, who: found.who}, err
}

// CompleteAddress makes an address the administrator's whose link is shown. Sessions, tokens and links end with it, since links went
// to the address of before, which is told. Errors: those of CheckReset.
func (s *Service) CompleteAddress(ctx context.Context, link secret.Text, o audit.Origin) error {
	p, err := s.CheckAddress(ctx, link, o)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := spendLink(ctx, tx, p.linkID); err != nil {
			return err
		}
		who, err := scan(tx.Row(ctx, `UPDATE admins SET email = $3, session_generation = session_generation + 1
			WHERE id = $1 AND session_generation = $2 AND active RETURNING `+columns, p.who.ID, p.who.generation, p.Email))
		if fault.Is(err, fault.NotFound) {
			return linkExpired()
		}
		if err != nil {
			return err
		}
		if err := s.tell(ctx, tx, p.who, addressChanged, o); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.AdminChanged, Actor: actorOf(who), Subject: who.Username, WebsiteID: who.WebsiteID, Origin: o,
			Detail: audit.Changed(map[string][2]string{"email": {p.who.Email, who.Email}})})
	})
}

// composeAddress writes the email with the link. Nobody has proven that its reader is an administrator, so it names none.
func (s *Service) composeAddress(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	snap, base, err := s.console(ctx)
	if err != nil {
		return mail.Content{}, err
	}
	id, err := strconv.ParseInt(letter.Data["admin"], 10, 64)
	if err != nil {
		return mail.Content{}, err
	}
	var who Admin
	var link secret.Text
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		who, err = Find(ctx, tx, id)
		if fault.Is(err, fault.NotFound) || err == nil && !who.Active {
			return mail.NotNeeded("the administrator is gone or disabled")
		}
		if err != nil {
			return err
		}
		var fresh bool
		if link, fresh, err = s.putLink(ctx, tx, addressPurpose, letter, who, letter.Data["email"]); err != nil || !fresh {
			return err
		}
		now, err := tx.Now(ctx)
		if err == nil { // the last address that was asked for is the one that is meant
			_, err = tx.Exec(ctx, "UPDATE admin_links SET spent_at = $3 WHERE admin_id = $1 AND email <> '' AND spent_at IS NULL AND id <> $2", id, letter.ID, db.Micro(now))
		}
		return err
	})
	if err != nil {
		return mail.Content{}, err
	}
	c, l, zone, err := compose(snap, AddressLetter, who)
	if err != nil {
		return c, err
	}
	key := "letter." + AddressLetter
	c.To, c.Greeting = mail.Address{Email: letter.Data["email"]}, l.T("letter.greeting_plain")
	c.Paragraphs = []string{l.T(key+".body1", "Store", c.Head.StoreName)}
	c.Button = &mail.Button{Label: l.T(key + ".button"), URL: secret.NewText(base + NewAddressPath + "?" + url.Values{"token": {link.Reveal()}}.Encode())}
	c.After = []string{l.T("letter.valid_until", "Date", l.Date(letter.ExpiresAt, zone))}
	c.NotYou = l.T(key + ".ignore")
	return c, nil
}
