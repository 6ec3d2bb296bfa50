package recovery

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// Account is one customer as programs read it: who it is, how to get in, who is in, and the recent story.
type Account struct {
	ID                int64        `json:"id"`
	Email             string       `json:"email"`
	PendingEmail      string       `json:"pending_email,omitempty"` // that waits for a click in the email sent there
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
	Sessions          []OpenIn     `json:"sessions"`
	Tokens            []HeldBy     `json:"tokens"`
	Passkeys          []PasskeyOf  `json:"passkeys"`
	Timeline          []TimelineOf `json:"timeline"`
}

// OpenIn is one browser that is signed in.
type OpenIn struct {
	ID         string     `json:"id"`
	CreatedAt  *time.Time `json:"created_at"`
	LastSeenAt *time.Time `json:"last_seen_at"`
	Place      string     `json:"place"`
	Browser    string     `json:"browser"`
}

// HeldBy is a token, by who holds it.
type HeldBy struct {
	ID         string     `json:"id"`
	Holder     string     `json:"holder"`
	CreatedAt  *time.Time `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// PasskeyOf is a passkey by its name.
type PasskeyOf struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Host       string     `json:"host"` // that it is good for
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// TimelineOf is one step of the story.
type TimelineOf struct {
	At      *time.Time `json:"at"`
	Kind    string     `json:"kind"`
	Letter  string     `json:"letter,omitempty"`
	Words   string     `json:"words,omitempty"`
	Place   string     `json:"place,omitempty"`
	Browser string     `json:"browser,omitempty"`
	By      string     `json:"by,omitempty"`
}

// Describe reads a customer's account.
func (s *Service) Describe(ctx context.Context, c customer.Customer) (a Account, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		a, err = s.describe(ctx, tx, c)
		return err
	})
	return a, err
}

func (s *Service) describe(ctx context.Context, tx *db.Tx, c customer.Customer) (Account, error) {
	stores, err := s.Shop.LoadIn(ctx, tx)
	if err != nil {
		return Account{}, err
	}
	next, err := nextAllowed(ctx, tx, stores, c)
	refusal, refused := fault.As(err)
	if err != nil && !refused {
		return Account{}, err
	}
	a := Account{ID: c.ID, Email: c.Email, Firstname: c.Firstname, Lastname: c.Lastname,
		Active: c.Active, Confirmed: c.Confirmed(), ProvenAt: moment(c.ProvenAt), HasPassword: c.HasPassword(), CreatedAt: moment(c.CreatedAt),
		LastSignInAt: moment(c.LastSignInAt), PasswordChangedAt: moment(c.PasswordChangedAt), NextResetAt: moment(next),
		Sessions: []OpenIn{}, Tokens: []HeldBy{}, Passkeys: []PasskeyOf{}, Timeline: []TimelineOf{}}
	if refused {
		a.ResetRefused = refusal.Text
	}
	if w, ok := stores.Website(c.WebsiteID); ok {
		a.Website = w.Code
	}
	if v, ok := stores.View(c.ViewID); ok {
		a.StoreView = v.Code
	}
	return a, a.fill(ctx, tx, c)
}

// fill adds what is under way and who is in.
func (a *Account) fill(ctx context.Context, tx *db.Tx, c customer.Customer) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if a.Locked = c.Locked(now); a.Locked {
		a.LockedUntil = moment(c.LockedUntil)
	}
	if c.Held(now) {
		a.ResetsHeldUntil = moment(c.ResetsHeldUntil)
	}
	if c.ChangesHeld(now) {
		a.ChangesHeldUntil = moment(c.ChangesHeldUntil)
	}
	change, err := customer.PendingEmailChange(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	a.PendingEmail = change.To.String()
	sessions, err := signin.List(ctx, tx, c.ID, db.ID{})
	if err != nil {
		return err
	}
	for _, s := range sessions {
		a.Sessions = append(a.Sessions, OpenIn{s.ID.String(), moment(s.CreatedAt), moment(s.LastSeenAt), s.Place, s.Browser})
	}
	tokens, err := token.ListOf(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		a.Tokens = append(a.Tokens, HeldBy{t.ID.String(), t.Holder, moment(t.CreatedAt), moment(t.ExpiresAt), moment(t.LastUsedAt)})
	}
	passkeys, err := signin.Passkeys(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	for _, p := range passkeys {
		a.Passkeys = append(a.Passkeys, PasskeyOf{p.ID.String(), p.Name, p.Host, moment(p.CreatedAt), moment(p.LastUsedAt)})
	}
	steps, err := Timeline(ctx, tx, c, false)
	for _, s := range steps {
		a.Timeline = append(a.Timeline, TimelineOf{moment(s.At), s.Kind, s.Letter, s.Words, s.Place, s.Browser, s.Actor.Name})
	}
	return err
}

// moment is a time as JSON has it: null for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
