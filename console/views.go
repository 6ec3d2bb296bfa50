package console

import (
	"context"
	"strconv"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// viewFields are the fields of a store view's form.
func viewFields(f shop.ViewFields) []field {
	position := strconv.Itoa(f.Position)
	return []field{
		{Name: "name", Label: "Name", Type: "text", Value: f.Name, Hint: "For administrators. Shoppers read the logo text."},
		{Name: "logo_text", Label: "Logo text", Type: "text", Value: f.LogoText, Optional: true, Hint: "What stands where a logo would, and what letters call the store."},
		{Name: "locale", Label: "Locale", Type: "text", Value: f.Locale, Mono: true, Hint: "Such as fr_FR. There are pages and letters in: " + locales() + "."},
		{Name: "time_zone", Label: "Time zone", Type: "text", Value: f.TimeZone, Mono: true, Optional: true, Hint: "Such as Europe/Paris; empty for UTC."},
		{Name: "base_url", Label: "Base URL", Type: "text", Value: f.BaseURL, Mono: true, Optional: true,
			Hint: "Such as https://shop.example/fr. Links in letters are made from it and from nothing else; without it there are no pages and no letters."},
		{Name: "accent", Label: "Accent colour", Type: "accent", Value: f.Accent, Mono: true, Optional: true,
			Hint: "Of buttons and links, as #rrggbb. It must be seen on light and on dark pages, at 3\u00a0:\u00a01."},
		{Name: "sender_name", Label: "Sender's name", Type: "text", Value: f.SenderName, Optional: true, Hint: "From whom letters come."},
		{Name: "sender_email", Label: "Sender's address", Type: "email", Value: f.SenderEmail, Mono: true, Optional: true, Hint: "Without it letters wait."},
		{Name: "support_email", Label: "Support address", Type: "email", Value: f.SupportEmail, Mono: true, Optional: true},
		{Name: "support_phone", Label: "Support phone", Type: "text", Value: f.SupportPhone, Optional: true},
		{Name: "position", Label: "Position", Type: "text", Value: position, Hint: "The first store view of a website is its default."},
	}
}

// typedView reads the form. Errors: fault Invalid on "position"; everything else is for shop to judge.
func typedView(v web.Values) (shop.ViewFields, error) {
	f := shop.ViewFields{Name: v.Get("name"), Locale: v.Get("locale"), TimeZone: v.Get("time_zone"), BaseURL: v.Get("base_url"),
		Accent: v.Get("accent"), LogoText: v.Get("logo_text"), SenderName: v.Get("sender_name"), SenderEmail: v.Get("sender_email"),
		SupportEmail: v.Get("support_email"), SupportPhone: v.Get("support_phone")}
	n, err := strconv.Atoi(firstOf(v.Get("position"), "0"))
	if err != nil || n < 0 || n > 1000 {
		return f, refusal("position", "The position is a whole number from 0 to 1000.")
	}
	f.Position = n
	return f, nil
}

func (c *call) newViewForm(w *shop.Website) formPage {
	fields := []field{
		{Name: "code", Label: "Code", Type: "text", Mono: true, Hint: "Small letters, digits and _, such as lune_fr. It stands in commands and in addresses of the web API, and cannot be changed."},
	}
	blank := shop.ViewFields{Accent: shop.DefaultAccent, Position: len(c.snap.ViewsOf(w.ID))}
	p := formPage{page: c.page("New Store View", c.storeTrail()...), Intro: "Of the website " + w.Name + ": a language of it, with a face and an address of its own."}
	p.Form = form{Action: storesPath + "/views", Submit: "Create Store View", Back: storesPath,
		Hidden: []hidden{{"website", w.Code}}, Fields: append(fields, viewFields(blank)...)}
	return p
}

func (c *call) newView() error {
	w, ok := c.websiteByCode(c.r.URL.Query().Get("website"))
	if !ok {
		return fault.New(fault.NotFound, "not_found", "There is no such website.")
	}
	return c.show(c.newViewForm(w))
}

func (c *call) createView() error {
	names := []string{"website", "code"}
	for _, f := range viewFields(shop.ViewFields{}) {
		names = append(names, f.Name)
	}
	v, err := web.Form(c.r, names...)
	if err != nil {
		return err
	}
	w, ok := c.websiteByCode(v.Get("website"))
	if !ok {
		return fault.New(fault.NotFound, "not_found", "There is no such website.")
	}
	p := c.newViewForm(w)
	p.Form.fill(v.Get)
	typed, err := typedView(v)
	if err != nil {
		return c.again(p, err)
	}
	err = c.write(func(ctx context.Context, tx *db.Tx) error {
		if _, err := c.Shop.CreateView(ctx, tx, w.ID, v.Get("code"), typed); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.ViewCreated, Actor: c.permit.Actor(), Subject: v.Get("code"),
			WebsiteID: w.ID, Origin: c.origin(), Detail: differences(shop.ViewFields{}, typed)})
	})
	if err != nil {
		return c.again(p, err)
	}
	return c.done(storesPath, web.Notice{Key: "view.created"})
}

// view finds the store view of the address. Errors: the answer for what does not exist.
func (c *call) view() (*shop.View, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if v, ok := c.snap.View(id); err == nil && ok && c.permit.Covers(v.WebsiteID) {
		return v, nil
	}
	return nil, fault.New(fault.NotFound, "not_found", "There is no such store view.")
}

func (c *call) editViewForm(v *shop.View) formPage {
	p := formPage{page: c.page(v.Name, c.storeTrail()...), Form: form{Action: viewURL(v.ID), Submit: "Save Store View", Back: storesPath}}
	p.Form.Fields = append([]field{
		{Name: "website", Label: "Website", Value: v.Website.Name, Fixed: true},
		{Name: "code", Label: "Code", Value: v.Code, Fixed: true, Mono: true},
	}, viewFields(v.Fields())...)
	if v.LentBaseURL {
		p.Intro = "For development this store view is lent the base URL " + v.BaseURL + " until it has one of its own."
	}
	return p
}

func (c *call) editView() error {
	v, err := c.view()
	if err != nil {
		return err
	}
	return c.show(c.editViewForm(v))
}

func (c *call) saveView() error {
	view, err := c.view()
	if err != nil {
		return err
	}
	p := c.editViewForm(view)
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	typed, err := typedView(v)
	if err != nil {
		return c.again(p, err)
	}
	changed := differences(view.Fields(), typed)
	if len(changed) == 0 {
		return c.done(storesPath, web.Notice{Key: "saved.nothing"})
	}
	err = c.write(func(ctx context.Context, tx *db.Tx) error {
		if err := c.Shop.UpdateView(ctx, tx, view.ID, typed); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.ViewChanged, Actor: c.permit.Actor(), Subject: view.Code,
			WebsiteID: view.WebsiteID, Origin: c.origin(), Detail: changed})
	})
	if err != nil {
		return c.again(p, err)
	}
	return c.done(storesPath, web.Notice{Key: "view.saved"})
}

// differences tells what changed, field by field: "old → new".
func differences(before, after shop.ViewFields) map[string]string {
	old := byName(before)
	changed := map[string]string{}
	for name, value := range byName(after) {
		if old[name] != value {
			changed[name] = firstOf(old[name], "nothing") + " → " + firstOf(value, "nothing")
		}
	}
	return changed
}

func byName(f shop.ViewFields) map[string]string {
	values := map[string]string{}
	for _, one := range viewFields(f) {
		values[one.Name] = one.Value
	}
	return values
}
