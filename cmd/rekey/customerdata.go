package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
)

type customerData struct {
	place
	who
}

// customerAll is everything that is kept about one customer and is not a secret: what GDPR Articles 15 and 20 ask for. A
// password's hash and the hashes of links and tokens are left out.
type customerAll struct {
	customerRow
	Timeline  *struct{}                `json:"timeline,omitempty"` // the letters and the audit have it whole
	Profile   customer.Profile         `json:"profile"`
	Addresses []customer.PostalAddress `json:"addresses"`
	Letters   []letterAll              `json:"letters"`
	Audit     []entryAll               `json:"audit"`
}

type letterAll struct {
	Kind      string     `json:"kind"`
	Recipient string     `json:"recipient"`
	State     mail.State `json:"state"`
	CreatedAt *time.Time `json:"created_at"`
	Events    []letterAt `json:"events"`
}

type letterAt struct {
	At     *time.Time `json:"at"`
	State  mail.State `json:"state"`
	Words  string     `json:"words,omitempty"`
	Server string     `json:"server,omitempty"`
}

type entryAll struct {
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

// Run writes it.
func (c *customerData) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		all, err := everything(ctx, h, one)
		if err != nil {
			return err
		}
		return sh.writeJSON(all)
	})
}

func everything(ctx context.Context, h *app.House, c customer.Customer) (customerAll, error) {
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		return customerAll{}, err
	}
	all := customerAll{Profile: c.Profile, Addresses: []customer.PostalAddress{}, Letters: []letterAll{}, Audit: []entryAll{}}
	if all.customerRow, err = describe(ctx, h, stores, c); err != nil {
		return all, err
	}
	return all, h.DB.Read(ctx, func(tx *db.Tx) error {
		key := c.Address().Key(c.WebsiteID)
		book, err := customer.Addresses(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		all.Addresses = append(all.Addresses, book[c.ID]...)
		letters, err := mail.OfCustomer(ctx, tx, c.ID, key, math.MaxInt32)
		if err != nil {
			return err
		}
		for _, l := range letters {
			one := letterAll{Kind: l.Kind, Recipient: l.Recipient, State: l.State, CreatedAt: moment(l.CreatedAt), Events: []letterAt{}}
			for _, e := range l.Events {
				one.Events = append(one.Events, letterAt{moment(e.At), e.State, e.Words, e.Server})
			}
			all.Letters = append(all.Letters, one)
		}
		entries, err := audit.OfCustomer(ctx, tx, c.ID, key, time.Time{}, math.MaxInt32)
		for _, e := range entries {
			all.Audit = append(all.Audit, entryAll{moment(e.At), e.Action, e.Actor.Kind, e.Subject, e.Address, e.Place, e.Browser, e.Outcome, e.Detail})
		}
		return err
	})
}

type customerErase struct {
	place
	who
}

// Run erases the customer.
func (c *customerErase) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		if err := h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), one.ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Customer %d was erased; the number stays, for what refers to it.\n", one.ID)
		return nil
	})
}
