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
	"github.com/rekeyhq/rekey/webhook"
)

type webhookCommands struct {
	Create webhookCreate `cmd:"" help:"Tell a program what happens; its secret is shown this once."`
	List   webhookList   `cmd:"" help:"List the webhooks."`
	Delete webhookDelete `cmd:"" help:"Delete a webhook and the list of its deliveries."`
}

type webhookCreate struct {
	place
	listing
	URL     string   `name:"url" required:"" placeholder:"URL" help:"Where the events are posted to: https://…"`
	Website string   `placeholder:"CODE" help:"The only website whose events are told; the default is all."`
	Events  []string `placeholder:"TYPE,…" help:"Events, such as customer.created,tokens.revoked; the default is all."`
}

// Run makes the webhook.
func (c *webhookCreate) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		n := webhook.New{URL: c.URL, Types: c.Events}
		if len(n.Types) == 0 {
			for _, t := range webhook.Types() {
				n.Types = append(n.Types, t.Name)
			}
		}
		if c.Website != "" {
			website, err := websiteNamed(ctx, h, c.Website)
			if err != nil {
				return err
			}
			n.WebsiteID = website.ID
		}
		made, key, err := h.Webhooks.Create(ctx, admin.CommandLine(webhook.Right), n, audit.Origin{})
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(struct {
				ID     string `json:"id"`
				Secret string `json:"secret"`
			}{made.ID.String(), key.Reveal()})
		}
		fmt.Fprintf(sh.out, "Webhook %s to %s was created.\nSigning secret (shown this once): %s\n", made.ID, made.Host(), key.Reveal())
		return nil
	})
}

type webhookList struct {
	place
	listing
}

type webhookRow struct {
	ID        string     `json:"id"`
	URL       string     `json:"url"`
	Website   string     `json:"website"` // "" for all
	Events    []string   `json:"events"`
	Active    bool       `json:"active"`
	CreatedAt *time.Time `json:"created_at"`
}

// Run lists the webhooks.
func (c *webhookList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		rows := []webhookRow{}
		if err := h.DB.Read(ctx, func(tx *db.Tx) error {
			all, err := webhook.List(ctx, tx, admin.CommandLine(webhook.Right))
			for _, w := range all {
				rows = append(rows, webhookRow{w.ID.String(), w.URL, websiteCode(stores, w.WebsiteID), w.Types, w.Active, moment(w.CreatedAt)})
			}
			return err
		}); err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "ID", "URL", "WEBSITE", "ACTIVE", "EVENTS")
		for _, r := range rows {
			t.row(r.ID, r.URL, r.Website, yesNo(r.Active), strings.Join(r.Events, ","))
		}
		return t.end()
	})
}

type webhookDelete struct {
	place
	ID string `arg:"" help:"Number of the webhook, as webhook list shows it."`
}

// Run deletes the webhook.
func (c *webhookDelete) Run(ctx context.Context, sh shell) error {
	id, err := db.ParseID(c.ID)
	if err != nil {
		return &usageError{"the number of a webhook has 26 characters; rekey webhook list shows it"}
	}
	return c.read(ctx, func(h *app.House) error {
		if err := h.Webhooks.Delete(ctx, admin.CommandLine(webhook.Right), id, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Webhook %s was deleted.\n", id)
		return nil
	})
}
