package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// customerPage is Edit: what is known of a customer, and what can be done.
type customerPage struct {
	page
	Customer      customer.Customer
	Website, View string
	Locked        bool
	Held, Kept    bool // resets, or the address, after "It wasn't me"
	Sessions      []signin.Session
	Tokens        []token.Token
	Passkeys      []customerPasskey
	Story         []step
	All           string // address of the story with the steps of every day; "" when they are shown
	Back          string
	Reset, Unlock string // where the buttons post to; "" when there is none
	ResetNote     string
	Force         forceForm
}

// customer shows one customer.
func (c *call) customer() error {
	id, err := c.number()
	if err != nil {
		return err
	}
	list := listState(c.r)
	all := c.r.URL.Query().Get("story") == "all"
	var p customerPage
	if err := c.gather(id, all, &p); err != nil {
		return err
	}
	p.page = c.page(firstOf(p.Customer.Name(), p.Customer.Email), crumb{Text: "Customers"}, crumb{"All Customers", customersPath})
	p.Back = customersPath
	if list != "" {
		p.Back += "?" + list
	}
	p.Website = c.websiteName(p.Customer.WebsiteID)
	if v, ok := c.snap.View(p.Customer.ViewID); ok {
		p.View = v.Name
	}
	if !all {
		p.All = customerURL(id, "", list)
		if list == "" {
			p.All += "?story=all"
		} else {
			p.All += "&story=all"
		}
	}
	if c.may(admin.ResetPassword) {
		p.Reset = customerURL(id, "reset-password", list)
		if p.ResetNote, err = c.resetNote(p.Customer); err != nil {
			return err
		}
	}
	if p.Held && p.Reset != "" {
		p.ResetNote = strings.TrimSpace("Requests at the storefront send no letter for now. Reset Password here does. " + p.ResetNote)
	}
	if (p.Locked || p.Held || p.Kept) && c.may(admin.UnlockCustomer) {
		p.Unlock = customerURL(id, "unlock", list)
	}
	if c.may(admin.ForceSignIn) {
		p.Force = newForceForm(p.Customer, p.Tokens, int64(len(p.Sessions)), list, p.Key)
	}
	return c.render(http.StatusOK, "customer", p)
}

// Connections are the tokens as people know them: an app that was connected once is one line.
func (p customerPage) Connections() []token.Connection { return token.Connections(p.Tokens) }

// gather reads everything about a customer in one snapshot, so that its numbers agree.
func (c *call) gather(id int64, everything bool, p *customerPage) error {
	ctx := c.r.Context()
	return c.read(func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if p.Customer, err = customer.Reach(ctx, tx, c.permit.Covers, id); err != nil {
			return err
		}
		p.Locked, p.Held, p.Kept = p.Customer.Locked(now), p.Customer.Held(now), p.Customer.ChangesHeld(now)
		if p.Sessions, err = signin.List(ctx, tx, id, db.ID{}); err != nil {
			return err
		}
		if p.Tokens, err = token.ListOf(ctx, tx, id); err != nil {
			return err
		}
		if p.Passkeys, err = c.passkeysOf(tx, id); err != nil {
			return err
		}
		steps, err := recovery.Timeline(ctx, tx, p.Customer, everything)
		p.Story = story(steps, c.may(admin.ViewLetters))
		return err
	})
}

// resetNote says beforehand when a reset would be refused.
func (c *call) resetNote(who customer.Customer) (string, error) {
	at, err := c.Recovery.NextAllowed(c.r.Context(), who)
	if f, ok := fault.As(err); ok {
		return f.Text, nil
	}
	if err != nil || !at.After(c.now()) {
		return "", err
	}
	return "The next password reset is allowed " + c.minute(at) + ", " + c.lang.Ago(at, c.now()) + ".", nil
}

// resetPassword sends the store's letter to the customer.
func (c *call) resetPassword() error {
	id, err := c.number()
	if err != nil {
		return err
	}
	n := web.Notice{Key: "reset.queued"}
	err = c.Recovery.Send(c.r.Context(), c.permit, id, c.origin())
	if f, ok := fault.As(err); ok {
		switch {
		case f.Kind == fault.Limited:
			n = web.Notice{Key: "reset.limited", Bad: true, Args: map[string]string{"at": f.RetryAt.UTC().Format(time.RFC3339)}}
			if up := f.RetryAt.Truncate(time.Second); up.Before(f.RetryAt) {
				n.Args["at"] = up.Add(time.Second).UTC().Format(time.RFC3339)
			}
		case f.Key == "customer.disabled":
			n = web.Notice{Key: "reset.disabled", Bad: true}
		case f.Key == "store_view.no_base_url":
			n = web.Notice{Key: "reset.no_base_url", Bad: true}
		default:
			return err
		}
	} else if err != nil {
		return err
	}
	return c.done(customerURL(id, "", listState(c.r)), n)
}

// unlock ends a lock-out, and the holds after "It wasn't me".
func (c *call) unlock() error {
	id, err := c.number()
	if err != nil {
		return err
	}
	if err := c.SignIn.Unlock(c.r.Context(), c.permit, id, c.origin()); err != nil {
		return err
	}
	return c.done(customerURL(id, "", listState(c.r)), web.Notice{Key: "unlocked"})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
