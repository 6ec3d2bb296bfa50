package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/token"
)

type integrationCommands struct {
	Create   integrationCreate   `cmd:"" help:"Make an integration; it can do nothing until it is activated."`
	List     integrationList     `cmd:"" help:"List the integrations."`
	Activate integrationActivate `cmd:"" help:"Give an integration its secrets, for the first time or anew: what it held before stops working."`
	Update   integrationUpdate   `cmd:"" help:"Change what is given of an integration; its secrets stay."`
	Delete   integrationDelete   `cmd:"" help:"Delete an integration and end its tokens."`
}

var managePrograms = admin.CommandLine(admin.ManagePrograms)

type integrationCreate struct {
	place
	listing
	Name            string   `required:"" help:"Name."`
	Email           string   `help:"E-mail address of whoever looks after it."`
	CallbackURL     string   `name:"callback-url" placeholder:"URL" help:"Where activating sends its consumer key and secret; without one they are shown once."`
	IdentityLinkURL string   `name:"identity-link-url" placeholder:"URL" help:"The other side's own page for signing in."`
	Resource        []string `required:"" placeholder:"RIGHT" help:"What it may reach: customers.view, customers.edit, customers.delete, customers.reset_password, customers.force_sign_in, customers.unlock. Several are separated by commas."`
}

// integrationRow is one integration as programs read it.
type integrationRow struct {
	ID              int64      `json:"id"`
	Name            string     `json:"name"`
	Email           string     `json:"email"`
	Status          string     `json:"status"` // active or inactive
	CallbackURL     string     `json:"callback_url"`
	IdentityLinkURL string     `json:"identity_link_url"`
	ConsumerKey     string     `json:"consumer_key"`
	Resources       []string   `json:"resources"`
	Customers       int64      `json:"customers"`
	CreatedAt       *time.Time `json:"created_at"`
	LastUsedAt      *time.Time `json:"last_used_at"`
}

func integrationRowOf(i token.Integration) integrationRow {
	r := integrationRow{i.ID, i.Name, i.Email, "inactive", i.CallbackURL, i.IdentityURL, i.ConsumerKey, []string{}, i.Customers,
		moment(i.CreatedAt), moment(i.LastUsedAt)}
	if i.Active {
		r.Status = "active"
	}
	for _, right := range i.Rights {
		r.Resources = append(r.Resources, string(right))
	}
	return r
}

// Run makes the integration.
func (c *integrationCreate) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		n := token.NewIntegration{Name: c.Name, Email: c.Email, CallbackURL: c.CallbackURL, IdentityURL: c.IdentityLinkURL}
		for _, r := range c.Resource {
			n.Rights = append(n.Rights, admin.Right(r))
		}
		made, err := h.Tokens.AddIntegration(ctx, managePrograms, n, audit.Origin{})
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(integrationRowOf(made))
		}
		fmt.Fprintf(sh.out, "Integration %s was created. Activate it with: rekey integration activate %q\n", made.Name, made.Name)
		return nil
	})
}

type integrationList struct {
	place
	listing
}

// Run lists the integrations.
func (c *integrationList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		all, err := integrations(ctx, h)
		if err != nil {
			return err
		}
		rows := []integrationRow{}
		for _, i := range all {
			rows = append(rows, integrationRowOf(i))
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "NAME", "STATUS", "RESOURCES", "CUSTOMERS", "LAST USE")
		for i, r := range rows {
			t.row(r.Name, r.Status, strings.Join(r.Resources, ","), fmt.Sprint(r.Customers), clock(all[i].LastUsedAt))
		}
		return t.end()
	})
}

type integrationActivate struct {
	place
	listing
	Name string `arg:"" help:"Name of the integration."`
}

// credentials are an integration's secrets as programs read them.
type credentials struct {
	Status            string `json:"status"`
	ConsumerKey       string `json:"consumer_key"`
	ConsumerSecret    string `json:"consumer_secret,omitempty"`
	AccessToken       string `json:"access_token,omitempty"`
	AccessTokenSecret string `json:"access_token_secret,omitempty"`
}

// Run activates the integration. The secrets are made from the store's key, so that the key must be at hand.
func (c *integrationActivate) Run(ctx context.Context, sh shell) error {
	return c.open(ctx, app.Opening{Serve: true}, func(h *app.House) error {
		i, err := integrationNamed(ctx, h, c.Name)
		if err != nil {
			return err
		}
		a, err := h.Tokens.Activate(ctx, managePrograms, i.ID, audit.Origin{})
		if err != nil {
			return err
		}
		made := a.Credentials
		switch {
		case c.JSON:
			return sh.writeJSON(credentials{integrationRowOf(a.Integration).Status, a.Integration.ConsumerKey, made.ConsumerSecret.Reveal(),
				made.AccessToken.Reveal(), made.AccessSecret.Reveal()})
		case a.Handed():
			fmt.Fprintf(sh.out, "The callback URL of %s was told. It is active as soon as it has fetched its access token, within 5 minutes.\n", i.Name)
			return nil
		}
		fmt.Fprintf(sh.out, "Integration %s is active. Its secrets (shown this once):\n", i.Name)
		t := newTable(sh.out)
		t.row("Consumer key:", made.ConsumerKey)
		t.row("Consumer secret:", made.ConsumerSecret.Reveal())
		t.row("Access token:", made.AccessToken.Reveal())
		t.row("Access token secret:", made.AccessSecret.Reveal())
		return t.end()
	})
}

type integrationUpdate struct {
	place
	Integration     string   `arg:"" name:"name" help:"Name of the integration."`
	Name            string   `name:"rename" help:"Its new name."`
	Email           *string  `help:"E-mail address of whoever looks after it."`
	CallbackURL     *string  `name:"callback-url" placeholder:"URL" help:"Where its next activation sends its consumer key and secret; empty for nowhere."`
	IdentityLinkURL *string  `name:"identity-link-url" placeholder:"URL" help:"The other side's own page for signing in."`
	Resource        []string `placeholder:"RIGHT" help:"All that it may reach, from its next call on."`
}

// Run changes the integration.
func (c *integrationUpdate) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		i, err := integrationNamed(ctx, h, c.Integration)
		if err != nil {
			return err
		}
		n := token.NewIntegration{Name: i.Name, Email: i.Email, CallbackURL: i.CallbackURL, IdentityURL: i.IdentityURL, Rights: i.Rights}
		if c.Name != "" {
			n.Name = c.Name
		}
		for _, one := range []struct {
			given *string
			into  *string
		}{{c.Email, &n.Email}, {c.CallbackURL, &n.CallbackURL}, {c.IdentityLinkURL, &n.IdentityURL}} {
			if one.given != nil {
				*one.into = *one.given
			}
		}
		if c.Resource != nil {
			n.Rights = nil
			for _, r := range c.Resource {
				n.Rights = append(n.Rights, admin.Right(r))
			}
		}
		after, err := h.Tokens.ChangeIntegration(ctx, managePrograms, i.ID, n, audit.Origin{})
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Integration %s was changed.\n", after.Name)
		return nil
	})
}

type integrationDelete struct {
	place
	Name string `arg:"" help:"Name of the integration."`
}

// Run deletes the integration.
func (c *integrationDelete) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		i, err := integrationNamed(ctx, h, c.Name)
		if err != nil {
			return err
		}
		if _, err := h.Tokens.DeleteIntegration(ctx, managePrograms, i.ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Integration %s was deleted; its tokens have ended.\n", i.Name)
		return nil
	})
}

func integrations(ctx context.Context, h *app.House) (all []token.Integration, err error) {
	err = h.DB.Read(ctx, func(tx *db.Tx) error {
		all, err = token.Integrations(ctx, tx)
		return err
	})
	return all, err
}

func integrationNamed(ctx context.Context, h *app.House, name string) (token.Integration, error) {
	all, err := integrations(ctx, h)
	for _, i := range all {
		if i.Name == name {
			return i, nil
		}
	}
	if err == nil {
		err = fault.New(fault.NotFound, "not_found", fmt.Sprintf("There is no integration %q.", name))
	}
	return token.Integration{}, err
}
