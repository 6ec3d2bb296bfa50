package recovery

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/signin"
)

// Data is everything that is kept about one customer and is not a secret: what GDPR Articles 15 and 20 ask for, whichever door it
// leaves by. A password's hash and the hashes of links and tokens are left out.
type Data struct {
	Account
	Timeline  *struct{}        `json:"timeline,omitempty"` // the emails and the audit have it whole
	Profile   customer.Profile `json:"profile"`
	Addresses []AddressData    `json:"addresses"`
	Letters   []LetterData     `json:"letters"`
	Audit     []EntryData      `json:"audit"`
}

// AddressData is one entry of the address book.
type AddressData struct {
	ID              int64 `json:"id"`
	DefaultBilling  bool  `json:"default_billing"`
	DefaultShipping bool  `json:"default_shipping"`
	customer.PostalAddress
}

// LetterData is one email, and what became of it.
type LetterData struct {
	Kind      string      `json:"kind"`
	Recipient string      `json:"recipient"`
	State     mail.State  `json:"state"`
	CreatedAt *time.Time  `json:"created_at"`
	Events    []EventData `json:"events"`
}

// EventData is one step on an email's way.
type EventData struct {
	At     *time.Time `json:"at"`
	State  mail.State `json:"state"`
	Words  string     `json:"words,omitempty"`
	Server string     `json:"server,omitempty"`
}

// EntryData is one act.
type EntryData struct {
	At      *time.Time        `json:"at"`
	Action  string            `json:"action"`
	By      string            `json:"by"` // the kind of actor; which administrator it was is not the customer's data
	Subject string            `json:"subject,omitempty"`
	IP      string            `json:"ip,omitempty"`
	Place   string            `json:"place,omitempty"`
	Browser string            `json:"browser,omitempty"`
	Outcome string            `json:"outcome,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// Download is Data for the customer's own hand: whoever sits there has just shown who they are, and that it was taken is
// recorded. Errors: fault Forbidden.
func (s *Service) Download(ctx context.Context, who signin.Signed, o audit.Origin) (d Data, err error) {
	c := who.Customer
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := signin.MustBeProvenAgain(ctx, tx, who); err != nil {
			return err
		}
		err := audit.Record(ctx, tx, audit.Entry{Action: audit.DataDownloaded, Actor: c.Actor(),
			CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o})
		if err == nil {
			d, err = s.data(ctx, tx, c)
		}
		return err
	})
	return d, err
}

// DataOf is Data for the store.
func (s *Service) DataOf(ctx context.Context, c customer.Customer) (d Data, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		d, err = s.data(ctx, tx, c)
		return err
	})
	return d, err
}

func (s *Service) data(ctx context.Context, tx *db.Tx, c customer.Customer) (Data, error) {
	d := Data{Profile: c.Profile, Addresses: []AddressData{}, Letters: []LetterData{}, Audit: []EntryData{}}
	var err error
	if d.Account, err = s.describe(ctx, tx, c); err != nil {
		return d, err
	}
	key := c.Address().Key(c.WebsiteID)
	book, err := customer.Addresses(ctx, tx, c.ID)
	if err != nil {
		return d, err
	}
	for _, a := range book[c.ID] {
		d.Addresses = append(d.Addresses, AddressData{a.ID, a.DefaultBilling, a.DefaultShipping, a})
	}
	letters, err := mail.OfCustomer(ctx, tx, c.ID, key, math.MaxInt32)
	if err != nil {
		return d, err
	}
	for _, l := range letters {
		one := LetterData{Kind: l.Kind, Recipient: l.Recipient, State: l.State, CreatedAt: moment(l.CreatedAt), Events: []EventData{}}
		for _, e := range l.Events {
			one.Events = append(one.Events, EventData{moment(e.At), e.State, e.Words, e.Server})
		}
		d.Letters = append(d.Letters, one)
	}
	entries, err := audit.OfCustomer(ctx, tx, c.ID, key, time.Time{}, math.MaxInt32)
	for _, e := range entries {
		d.Audit = append(d.Audit, EntryData{moment(e.At), e.Action, e.Actor.Kind, e.Subject, e.Address, e.Place, e.Browser, e.Outcome, e.Detail})
	}
	return d, err
}

// Write writes it for people and programs, the same at the command line and at the storefront.
func (d Data) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(d)
}
