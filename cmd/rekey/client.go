package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/outbound"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

type clientCommands struct {
	Create clientCreate `cmd:"" help:"Register an app that customers may connect by OAuth 2.1 or OpenID Connect."`
	List   clientList   `cmd:"" help:"List the apps."`
	Update clientUpdate `cmd:"" help:"Change what is given of an app, or give it another secret; what it holds goes on."`
	Delete clientDelete `cmd:"" help:"Delete an app and every token that it holds."`
}

type clientCreate struct {
	place
	Website      string   `required:"" help:"Code of the website whose customers may connect the app."`
	Name         string   `required:"" help:"Name of the app; customers read it when they are asked."`
	RedirectURI  []string `required:"" sep:"none" help:"Where answers may go, byte by byte; may be given several times."`
	LogoutURI    []string `sep:"none" help:"Where a customer may go after signing out; may be given several times."`
	Backchannel  string   `name:"backchannel-logout-uri" help:"Where the store tells the app itself that a customer was signed out everywhere."`
	Confidential bool     `help:"Give the app a secret. Apps on a customer's own device have none."`
	JSON         bool     `help:"Write JSON."`
}

// Run registers the app and shows its secret, once.
func (c *clientCreate) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		website, err := websiteNamed(ctx, h, c.Website)
		if err != nil {
			return err
		}
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		made, word, err := h.Tokens.CreateClient(ctx, managePrograms, token.NewClient{WebsiteID: website.ID, Name: c.Name,
			RedirectURIs: c.RedirectURI, LogoutURIs: c.LogoutURI, Confidential: c.Confidential,
			BackchannelURI: c.Backchannel, Told: h.Shop.Outbound(stores, shop.WebhookPrivateAddresses)}, audit.Origin{})
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(struct {
				ClientID     string `json:"client_id"`
				ClientSecret string `json:"client_secret,omitempty"`
			}{made.ClientID, word.Reveal()})
		}
		fmt.Fprintf(sh.out, "App %s was registered.\nclient_id: %s\n", made.Name, made.ClientID)
		if !word.IsEmpty() {
			fmt.Fprintf(sh.out, "client_secret: %s\nThe secret is shown this once and is not stored.\n", word.Reveal())
		}
		return nil
	})
}

type clientUpdate struct {
	place
	ClientID    string   `arg:"" help:"The app's client_id, as rekey oauth-client list shows it."`
	Name        string   `help:"Name of the app."`
	RedirectURI []string `sep:"none" help:"All its redirect URIs; may be given several times."`
	LogoutURI   []string `sep:"none" help:"All its sign-out URIs; may be given several times."`
	Backchannel *string  `name:"backchannel-logout-uri" help:"Where the app itself is told of sign-outs; empty for nowhere."`
	NewSecret   bool     `help:"Make another secret; the one before proves nothing any more."`
	JSON        bool     `help:"Write JSON."`
}

// Run changes the app.
func (c *clientUpdate) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		var all []token.Client
		if err := h.DB.Read(ctx, func(tx *db.Tx) (err error) {
			all, err = token.Apps(ctx, tx, managePrograms)
			return err
		}); err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(one token.Client) bool { return one.ClientID == c.ClientID })
		if at < 0 {
			return fmt.Errorf("there is no app %q; rekey oauth-client list shows them", c.ClientID)
		}
		after, word, err := h.Tokens.ChangeClient(ctx, managePrograms, c.ClientID, c.over(all[at], h.Shop.Outbound(stores, shop.WebhookPrivateAddresses)), c.NewSecret, audit.Origin{})
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(struct {
				ClientID     string `json:"client_id"`
				ClientSecret string `json:"client_secret,omitempty"`
			}{after.ClientID, word.Reveal()})
		}
		fmt.Fprintf(sh.out, "App %s was changed.\n", after.Name)
		if !word.IsEmpty() {
			fmt.Fprintf(sh.out, "client_secret: %s\nThe secret is shown this once and is not stored.\n", word.Reveal())
		}
		return nil
	})
}

// over is the app as it is, with what was given over it.
func (c *clientUpdate) over(present token.Client, told outbound.Rules) token.NewClient {
	n := token.NewClient{Name: present.Name, RedirectURIs: present.RedirectURIs, LogoutURIs: present.LogoutURIs,
		BackchannelURI: present.BackchannelURI, Told: told}
	if c.Name != "" {
		n.Name = c.Name
	}
	if c.RedirectURI != nil {
		n.RedirectURIs = c.RedirectURI
	}
	if c.LogoutURI != nil {
		n.LogoutURIs = c.LogoutURI
	}
	if c.Backchannel != nil {
		n.BackchannelURI = *c.Backchannel
	}
	return n
}

type clientList struct {
	place
	listing
}

type clientRow struct {
	ClientID     string   `json:"client_id"`
	Website      string   `json:"website"`
	Name         string   `json:"name"`
	Confidential bool     `json:"confidential"`
	RedirectURIs []string `json:"redirect_uris"`
	LogoutURIs   []string `json:"logout_uris"`
	Backchannel  string   `json:"backchannel_logout_uri"`
	Customers    int64    `json:"customers"`
}

// Run lists the apps.
func (c *clientList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		rows := []clientRow{}
		err = h.DB.Read(ctx, func(tx *db.Tx) error {
			all, err := token.Clients(ctx, tx, admin.CommandLine(admin.ManagePrograms))
			for _, one := range all {
				r := clientRow{ClientID: one.ClientID, Name: one.Name, Confidential: one.Confidential, RedirectURIs: one.RedirectURIs,
					LogoutURIs: one.LogoutURIs, Backchannel: one.BackchannelURI, Customers: one.Customers}
				if w, ok := stores.Website(one.WebsiteID); ok {
					r.Website = w.Code
				}
				rows = append(rows, r)
			}
			return err
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "CLIENT ID", "WEBSITE", "NAME", "KIND", "REDIRECT URIS")
		for _, r := range rows {
			kind := "public"
			if r.Confidential {
				kind = "confidential"
			}
			t.row(r.ClientID, r.Website, r.Name, kind, strings.Join(r.RedirectURIs, " "))
		}
		return t.end()
	})
}

type clientDelete struct {
	place
	ClientID string `arg:"" help:"The app's client_id, as rekey oauth-client list shows it."`
}

// Run deletes the app.
func (c *clientDelete) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		if err := h.Tokens.DeleteClient(ctx, managePrograms, c.ClientID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "App %s was deleted, and every token that it held.\n", c.ClientID)
		return nil
	})
}
