package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

const (
	newWebsitePath = storesPath + "/websites/new"
	newViewPath    = storesPath + "/views/new"
)

type siteCard struct {
	*shop.Website
	URL, NewView string
	Views        []viewRow
}

type viewRow struct {
	*shop.View
	URL, Language string
}

// stores lists the websites with their store views.
func (c *call) stores() error {
	p := struct {
		page
		Sites []siteCard
		New   string
		May   bool
	}{page: c.page("Websites and Store Views", crumb{Text: "Stores"}), May: c.may(admin.EditStores)}
	if p.May && c.everywhere() {
		p.New = newWebsitePath
	}
	for _, w := range c.websites() {
		card := siteCard{Website: w, URL: websiteURL(w.ID), NewView: newViewPath + "?" + url.Values{"website": {w.Code}}.Encode()}
		for _, v := range c.snap.ViewsOf(w.ID) {
			card.Views = append(card.Views, viewRow{View: v, URL: viewURL(v.ID), Language: v.Lang().Name()})
		}
		p.Sites = append(p.Sites, card)
	}
	return c.render(http.StatusOK, "stores", p)
}

func websiteURL(id int64) string { return storesPath + "/websites/" + itoa(id) }

func viewURL(id int64) string { return storesPath + "/views/" + itoa(id) }

func (c *call) storeTrail() []crumb {
	return []crumb{{Text: "Stores"}, {"Websites and Store Views", storesPath}}
}

func (c *call) websiteForm(title, action, submit string, fields ...field) formPage {
	return formPage{page: c.page(title, c.storeTrail()...), Form: form{Action: action, Submit: submit, Back: storesPath, Fields: fields}}
}

func (c *call) newWebsiteForm() formPage {
	p := c.websiteForm("New Website", storesPath+"/websites", "Create Website",
		field{Name: "code", Label: "Code", Type: "text", Mono: true, Hint: "Small letters, digits and _, such as maison_lune. It stands in commands and cannot be changed."},
		field{Name: "name", Label: "Name", Type: "text"})
	p.Intro = "A website is the scope of a customer account: one address, one account. It speaks through its store views."
	return p
}

// newWebsite and createWebsite are for administrators of all websites: a new one is none of anybody else's.
func (c *call) newWebsite() error {
	if !c.everywhere() {
		return web.NoSuchPage()
	}
	return c.show(c.newWebsiteForm())
}

func (c *call) createWebsite() error {
	if !c.everywhere() {
		return web.NoSuchPage()
	}
	p := c.newWebsiteForm()
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	err = c.write(func(ctx context.Context, tx *db.Tx) error {
		id, err := shop.CreateWebsite(ctx, tx, v.Get("code"), v.Get("name"))
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.WebsiteCreated, Actor: c.permit.Actor(), Subject: v.Get("code"),
			WebsiteID: id, Origin: c.origin(), Detail: map[string]string{"name": v.Get("name")}})
	})
	if err != nil {
		return c.again(p, err)
	}
	return c.done(storesPath, web.Notice{Key: "website.created"})
}

// site finds the website of the address. Errors: the answer for what does not exist.
func (c *call) site() (*shop.Website, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if w, ok := c.snap.Website(id); err == nil && ok && c.permit.Covers(id) {
		return w, nil
	}
	return nil, fault.New(fault.NotFound, "not_found", "There is no such website.")
}

func (c *call) editWebsiteForm(w *shop.Website) formPage {
	return c.websiteForm(w.Name, websiteURL(w.ID), "Save Website",
		field{Name: "code", Label: "Code", Value: w.Code, Fixed: true, Mono: true},
		field{Name: "name", Label: "Name", Type: "text", Value: w.Name})
}

func (c *call) editWebsite() error {
	w, err := c.site()
	if err != nil {
		return err
	}
	return c.show(c.editWebsiteForm(w))
}

func (c *call) saveWebsite() error {
	w, err := c.site()
	if err != nil {
		return err
	}
	p := c.editWebsiteForm(w)
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	if v.Get("name") == w.Name {
		return c.done(storesPath, web.Notice{Key: "saved.nothing"})
	}
	err = c.write(func(ctx context.Context, tx *db.Tx) error {
		if err := shop.RenameWebsite(ctx, tx, w.ID, v.Get("name")); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.WebsiteChanged, Actor: c.permit.Actor(), Subject: w.Code, WebsiteID: w.ID,
			Origin: c.origin(), Detail: map[string]string{"old": w.Name, "new": strings.TrimSpace(v.Get("name"))}})
	})
	if err != nil {
		return c.again(p, err)
	}
	return c.done(storesPath, web.Notice{Key: "website.saved"})
}

// write runs f in one transaction.
func (c *call) write(f func(ctx context.Context, tx *db.Tx) error) error {
	return c.DB.Write(c.r.Context(), func(tx *db.Tx) error { return f(c.r.Context(), tx) })
}

// refusal is one reason beside one field.
func refusal(field, text string) error { return fault.Refuse(field, "malformed", text, nil) }

// locales are the ones that are offered; any other of a known language can be written too.
func locales() string { return strings.Join(lang.Supported(), ", ") }
