package main

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

type websiteCommands struct {
	Create websiteCreate `cmd:"" help:"Make a website."`
	List   websiteList   `cmd:"" help:"List the websites."`
}

type websiteCreate struct {
	place
	Code string `required:"" help:"Short name in commands and addresses: a to z, 0 to 9 and _."`
	Name string `required:"" help:"Name of the store."`
}

// Run makes the website.
func (c *websiteCreate) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		err := h.DB.Write(ctx, func(tx *db.Tx) error {
			id, err := shop.CreateWebsite(ctx, tx, c.Code, c.Name)
			if err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Entry{Action: audit.WebsiteCreated, Actor: operator(admin.EditStores), Subject: c.Code, WebsiteID: id})
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Website %s was created. Give it a store view: rekey store-view create --website %s …\n", c.Code, c.Code)
		return nil
	})
}

type websiteList struct {
	place
	listing
}

type websiteRow struct {
	ID         int64    `json:"id"`
	Code       string   `json:"code"`
	Name       string   `json:"name"`
	StoreViews []string `json:"store_views"`
}

// Run lists the websites.
func (c *websiteList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		rows := []websiteRow{}
		for _, w := range stores.Websites() {
			row := websiteRow{w.ID, w.Code, w.Name, []string{}}
			for _, v := range stores.ViewsOf(w.ID) {
				row.StoreViews = append(row.StoreViews, v.Code)
			}
			rows = append(rows, row)
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "CODE", "NAME", "STORE VIEWS")
		for _, r := range rows {
			t.row(r.Code, r.Name, list(r.StoreViews))
		}
		return t.end()
	})
}

// operator is whom the audit names for what is done at the command line.
func operator(r admin.Right) audit.Actor { return admin.CommandLine(r).Actor() }

// websiteNamed finds a website by its code; the refusal lists those that there are.
func websiteNamed(ctx context.Context, h *app.House, code string) (*shop.Website, error) {
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		return nil, err
	}
	scope, err := stores.ScopeOf(shop.Websites, code)
	if err != nil {
		return nil, err
	}
	website, _ := stores.Website(scope.ID) // ScopeOf has found it
	return website, nil
}
