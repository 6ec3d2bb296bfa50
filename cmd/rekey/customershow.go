package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

type customerShow struct {
	place
	who
	listing
}

// customerRow is one customer as programs read it.
type customerRow struct {
	ID                int64        `json:"id"`
	Email             string       `json:"email"`
	Firstname         string       `json:"firstname"`
	Lastname          string       `json:"lastname"`
	Website           string       `json:"website"`
	StoreView         string       `json:"store_view"`
	Active            bool         `json:"active"`
	Confirmed         bool         `json:"confirmed"`       // may sign in
	ProvenAt          *time.Time   `json:"email_proven_at"` // when it was shown that the address is the customer's; null: it was not
	HasPassword       bool         `json:"has_password"`
	Locked            bool         `json:"locked"`
	LockedUntil       *time.Time   `json:"locked_until"`
	ResetsHeldUntil   *time.Time   `json:"resets_held_until"`  // after "It wasn't me": requests at the storefront send no letter
	ChangesHeldUntil  *time.Time   `json:"address_held_until"` // likewise: the account keeps its address, and takes no new passkeys
	CreatedAt         *time.Time   `json:"created_at"`
	LastSignInAt      *time.Time   `json:"last_sign_in_at"`
	PasswordChangedAt *time.Time   `json:"password_changed_at"`
	NextResetAt       *time.Time   `json:"next_reset_at"`           // null: a reset may be sent now
	ResetRefused      string       `json:"reset_refused,omitempty"` // why none can be sent at all
	Sessions          []sessionRow `json:"sessions"`
	Tokens            []tokenRow   `json:"tokens"`
	Passkeys          []passkeyRow `json:"passkeys"`
	Timeline          []stepRow    `json:"timeline"`
}

type sessionRow struct {
	ID         string     `json:"id"`
	CreatedAt  *time.Time `json:"created_at"`
	LastSeenAt *time.Time `json:"last_seen_at"`
	Place      string     `json:"place"`
	Browser    string     `json:"browser"`
}

type tokenRow struct {
	ID         string     `json:"id"`
	Holder     string     `json:"holder"`
	CreatedAt  *time.Time `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

type passkeyRow struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Host       string     `json:"host"` // that it is good for
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

type stepRow struct {
	At      *time.Time `json:"at"`
	Kind    string     `json:"kind"`
	Letter  string     `json:"letter,omitempty"`
	Words   string     `json:"words,omitempty"`
	Place   string     `json:"place,omitempty"`
	Browser string     `json:"browser,omitempty"`
	By      string     `json:"by,omitempty"`
}

// Run shows the customer.
func (c *customerShow) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		row, err := describe(ctx, h, stores, one)
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(row)
		}
		return row.print(sh)
	})
}

func describe(ctx context.Context, h *app.House, stores *shop.Snapshot, c customer.Customer) (customerRow, error) {
	next, err := h.Recovery.NextAllowed(ctx, c)
	refusal, refused := fault.As(err)
	if err != nil && !refused {
		return customerRow{}, err
	}
	row := customerRow{ID: c.ID, Email: c.Email, Firstname: c.Firstname, Lastname: c.Lastname, Website: websiteCode(stores, c.WebsiteID),
		Active: c.Active, Confirmed: c.Confirmed(), ProvenAt: moment(c.ProvenAt), HasPassword: c.HasPassword(), CreatedAt: moment(c.CreatedAt),
		LastSignInAt: moment(c.LastSignInAt), PasswordChangedAt: moment(c.PasswordChangedAt), NextResetAt: moment(next),
		Sessions: []sessionRow{}, Tokens: []tokenRow{}, Passkeys: []passkeyRow{}, Timeline: []stepRow{}}
	if refused {
		row.ResetRefused = refusal.Text
	}
	if v, ok := stores.View(c.ViewID); ok {
		row.StoreView = v.Code
	}
	return row, h.DB.Read(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if row.Locked = c.Locked(now); row.Locked {
			row.LockedUntil = moment(c.LockedUntil)
		}
		if c.Held(now) {
			row.ResetsHeldUntil = moment(c.ResetsHeldUntil)
		}
		if c.ChangesHeld(now) {
			row.ChangesHeldUntil = moment(c.ChangesHeldUntil)
		}
		sessions, err := signin.List(ctx, tx, c.ID, db.ID{})
		if err != nil {
			return err
		}
		for _, s := range sessions {
			row.Sessions = append(row.Sessions, sessionRow{s.ID.String(), moment(s.CreatedAt), moment(s.LastSeenAt), s.Place, s.Browser})
		}
		tokens, err := token.ListOf(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			row.Tokens = append(row.Tokens, tokenRow{t.ID.String(), t.Holder, moment(t.CreatedAt), moment(t.ExpiresAt), moment(t.LastUsedAt)})
		}
		passkeys, err := signin.Passkeys(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		for _, p := range passkeys {
			row.Passkeys = append(row.Passkeys, passkeyRow{p.ID.String(), p.Name, p.Host, moment(p.CreatedAt), moment(p.LastUsedAt)})
		}
		steps, err := recovery.Timeline(ctx, tx, c, false)
		for _, s := range steps {
			row.Timeline = append(row.Timeline, stepRow{moment(s.At), s.Kind, s.Letter, s.Words, s.Place, s.Browser, s.Actor.Name})
		}
		return err
	})
}

func (r customerRow) print(sh shell) error {
	t := newTable(sh.out)
	t.row("Number", strconv.FormatInt(r.ID, 10))
	t.row("Name", r.Firstname+" "+r.Lastname)
	t.row("Email", r.Email)
	t.row("Website", r.Website+" / "+r.StoreView)
	t.row("Customer since", at(r.CreatedAt))
	t.row("Last sign-in", at(r.LastSignInAt))
	t.row("Confirmed", yesNo(r.Confirmed))
	t.row("Address proven", yesNo(r.ProvenAt != nil)+" "+at(r.ProvenAt))
	t.row("Active", yesNo(r.Active))
	t.row("Password", passwordWords(r))
	t.row("Locked", yesNo(r.Locked)+" "+at(r.LockedUntil))
	if r.ResetsHeldUntil != nil {
		t.row("Resets on hold", "until "+at(r.ResetsHeldUntil)+"; rekey customer unlock ends it")
	}
	if r.ChangesHeldUntil != nil {
		t.row("Address kept", "until "+at(r.ChangesHeldUntil)+", and no new passkeys; rekey customer unlock ends it")
	}
	t.row("Next reset", nextWords(r))
	if err := t.end(); err != nil {
		return err
	}
	if len(r.Sessions) > 0 {
		fmt.Fprintln(sh.out, "\nSessions")
		t := newTable(sh.out)
		for _, s := range r.Sessions {
			t.row("  "+at(s.LastSeenAt), s.Browser, s.Place)
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Tokens) > 0 {
		fmt.Fprintln(sh.out, "\nTokens")
		t := newTable(sh.out)
		for _, k := range r.Tokens {
			t.row("  "+at(k.CreatedAt), k.Holder, "until "+at(k.ExpiresAt))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Passkeys) > 0 {
		fmt.Fprintln(sh.out, "\nPasskeys")
		t := newTable(sh.out)
		for _, p := range r.Passkeys {
			t.row("  "+at(p.CreatedAt), p.Name, p.Host, "used "+at(p.LastUsedAt))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Timeline) == 0 {
		return nil
	}
	fmt.Fprintln(sh.out, "\nTimeline")
	t = newTable(sh.out)
	for _, s := range r.Timeline {
		t.row("  "+at(s.At), s.Kind, strings.TrimSpace(s.Letter+" "+s.Words), strings.TrimSpace(s.Browser+" "+s.Place))
	}
	return t.end()
}

func at(t *time.Time) string {
	if t == nil {
		return ""
	}
	return clock(*t)
}

func passwordWords(r customerRow) string {
	if !r.HasPassword {
		return "none yet"
	}
	return "set " + at(r.PasswordChangedAt)
}

func nextWords(r customerRow) string {
	switch {
	case r.ResetRefused != "":
		return r.ResetRefused
	case r.NextResetAt == nil:
		return "now"
	}
	return at(r.NextResetAt)
}

func isMissing(err error) bool { return fault.Is(err, fault.NotFound) }
