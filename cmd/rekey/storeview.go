package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

type viewCommands struct {
	Create viewCreate `cmd:"" help:"Make a store view."`
	Set    viewSet    `cmd:"" help:"Change a store view; what is not named stays."`
	List   viewList   `cmd:"" help:"List the store views."`
}

// viewFields are the flags about a store view; nil was not given, "" takes the value away.
type viewFields struct {
	Name         *string `help:"Name, for administrators."`
	Locale       *string `help:"Language and country, such as fr_FR."`
	TimeZone     *string `placeholder:"ZONE" help:"Time zone, such as Europe/Paris."`
	BaseURL      *string `name:"base-url" placeholder:"URL" help:"Address of the store, such as https://shop.example/fr; every link is built on it."`
	Accent       *string `placeholder:"#RRGGBB" help:"Colour of buttons and links."`
	LogoText     *string `placeholder:"TEXT" help:"What stands where a logo would, and what shoppers call the store."`
	SenderName   *string `placeholder:"NAME" help:"Sender of letters."`
	SenderEmail  *string `placeholder:"EMAIL" help:"Address of the sender of letters."`
	SupportEmail *string `placeholder:"EMAIL" help:"Address that customers can write to."`
	SupportPhone *string `placeholder:"PHONE" help:"Number that customers can call."`
	Position     *int    `help:"Order within the website; the first view is its default."`
}

// onto puts the given flags onto what is there and names what changes.
func (f viewFields) onto(v shop.ViewFields) (shop.ViewFields, []string) {
	var changed []string
	for _, one := range []struct {
		flag string
		from *string
		to   *string
	}{
		{"name", f.Name, &v.Name}, {"locale", f.Locale, &v.Locale}, {"time zone", f.TimeZone, &v.TimeZone},
		{"base URL", f.BaseURL, &v.BaseURL}, {"accent", f.Accent, &v.Accent}, {"logo text", f.LogoText, &v.LogoText},
		{"sender name", f.SenderName, &v.SenderName}, {"sender address", f.SenderEmail, &v.SenderEmail},
		{"support address", f.SupportEmail, &v.SupportEmail}, {"support phone", f.SupportPhone, &v.SupportPhone},
	} {
		if one.from != nil {
			*one.to = *one.from
			changed = append(changed, one.flag)
		}
	}
	if f.Position != nil {
		v.Position = *f.Position
		changed = append(changed, "position")
	}
	return v, changed
}

type viewCreate struct {
	place
	Website string `required:"" placeholder:"CODE" help:"Website that it belongs to."`
	Code    string `required:"" help:"Short name in commands and addresses: a to z, 0 to 9 and _."`
	viewFields
}

// Run makes the store view.
func (c *viewCreate) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		website, err := websiteNamed(ctx, h, c.Website)
		if err != nil {
			return err
		}
		fields, _ := c.onto(shop.ViewFields{Position: 10})
		err = h.DB.Write(ctx, func(tx *db.Tx) error {
			if _, err := h.Shop.CreateView(ctx, tx, website.ID, c.Code, fields); err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Entry{Action: audit.ViewCreated, Actor: operator(admin.EditStores), Subject: c.Code, WebsiteID: website.ID})
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Store view %s was created.\n", c.Code)
		return nil
	})
}

type viewSet struct {
	place
	Code string `arg:"" help:"Code of the store view."`
	viewFields
}

// Run changes the store view.
func (c *viewSet) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		var changed []string
		err := h.DB.Write(ctx, func(tx *db.Tx) error {
			stores, err := h.Shop.LoadIn(ctx, tx)
			if err != nil {
				return err
			}
			scope, err := stores.ScopeOf(shop.Stores, c.Code)
			if err != nil {
				return err
			}
			view, _ := stores.View(scope.ID) // ScopeOf has found it
			var fields shop.ViewFields
			if fields, changed = c.onto(view.Fields()); len(changed) == 0 {
				return &usageError{"name at least one thing to change, such as --base-url"}
			}
			if err := h.Shop.UpdateView(ctx, tx, view.ID, fields); err != nil {
				return err
			}
			return audit.Record(ctx, tx, audit.Entry{Action: audit.ViewChanged, Actor: operator(admin.EditStores), Subject: c.Code,
				WebsiteID: view.WebsiteID, Detail: map[string]string{"changed": list(changed)}})
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Store view %s was changed: %s.\n", c.Code, list(changed))
		return nil
	})
}

type viewList struct {
	place
	listing
}

type viewRow struct {
	ID           int64  `json:"id"`
	Code         string `json:"code"`
	Website      string `json:"website"`
	Name         string `json:"name"`
	Locale       string `json:"locale"`
	TimeZone     string `json:"time_zone"`
	BaseURL      string `json:"base_url"`
	Accent       string `json:"accent"`
	LogoText     string `json:"logo_text"`
	SenderName   string `json:"sender_name"`
	SenderEmail  string `json:"sender_email"`
	SupportEmail string `json:"support_email"`
	SupportPhone string `json:"support_phone"`
	Position     int    `json:"position"`
}

// Run lists the store views.
func (c *viewList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		rows := []viewRow{}
		for _, v := range stores.Views() {
			rows = append(rows, viewRow{v.ID, v.Code, v.Website.Code, v.Name, v.Locale, v.TimeZone, v.Fields().BaseURL, v.Accent, v.LogoText,
				v.SenderName, v.SenderEmail, v.SupportEmail, v.SupportPhone, v.Position})
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "CODE", "WEBSITE", "NAME", "LOCALE", "BASE URL", "SENDER")
		for _, r := range rows {
			t.row(r.Code, r.Website, r.Name, r.Locale, r.BaseURL, r.SenderEmail)
		}
		return t.end()
	})
}

func list(words []string) string { return strings.Join(words, ", ") }
