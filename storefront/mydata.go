package storefront

import (
	"net/http"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// cancelEmail ends a change of address that waits.
func (c *call) cancelEmail() error {
	form, err := web.Form(c.r, "change")
	if err != nil {
		return err
	}
	id, err := db.ParseID(form.Get("change"))
	if err != nil {
		return web.NoSuchPage()
	}
	if err := c.Recovery.CancelEmail(c.r.Context(), c.signed.Customer, id, c.origin()); err != nil {
		return err
	}
	return c.done(web.Notice{Key: "storefront.notice.email_cancelled"}, account)
}

// dataFile is what a browser calls the file.
const dataFile = "account-data.json"

func (c *call) dataPage() error {
	if !c.signed.Again {
		return c.first("data")
	}
	p := c.page("storefront.data.title", dataPath)
	p.Intro = []string{c.L.T("storefront.data.intro", "Store", c.view.StoreName()), c.L.T("storefront.data.format")}
	p.Form = c.form(p, dataPost, "storefront.data.submit")
	p.Links = []link{{URL: c.view.Path(account), Text: c.L.T("storefront.edit.back")}}
	return c.show(p)
}

// data sends everything that is kept of the customer, as one file. It is no page: nothing in it is shown by the browser.
func (c *call) data() error {
	all, err := c.Recovery.Download(c.r.Context(), c.signed, c.origin())
	if fault.Is(err, fault.Forbidden) {
		return c.first("data")
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+dataFile+`"`)
	c.w.WriteHeader(http.StatusOK)
	_ = all.Write(c.w) // the client has gone
	return nil
}

// deletePage says what is deleted and what stays, before it is.
type deletePage struct {
	page
	Lists []struct {
		Title string
		Items []string
	}
}

func (c *call) deletePage() error {
	if !c.signed.Again {
		return c.first("delete")
	}
	return c.render(http.StatusOK, "delete", c.deleteForm())
}

func (c *call) deleteForm() deletePage {
	p := deletePage{page: c.page("storefront.delete.title", deletePath)}
	say := func(key string) string { return c.L.T("storefront.delete." + key) }
	p.Intro = []string{say("intro")}
	for _, l := range [][]string{{"gone", "gone_who", "gone_book", "gone_apps", "gone_story"}, {"kept", "kept_number", "kept_orders"}} {
		list := struct {
			Title string
			Items []string
		}{Title: say(l[0])}
		for _, key := range l[1:] {
			list.Items = append(list.Items, say(key))
		}
		p.Lists = append(p.Lists, list)
	}
	p.Form = c.form(p.page, deletePost, "storefront.delete.submit")
	p.Form.Danger = true
	p.Form.Ticks = []tick{{ID: "sure", Label: say("sure"), Hint: &described{ID: "sure-hint", Text: say("sure_hint")}}}
	p.Links = []link{{URL: c.view.Path(account), Text: say("stay")}}
	return p
}

// deleteAccount deletes the account. It cannot be taken back: whoever sits there has shown who they are after signing in, and
// ticked a box, which programs that send empty forms do not.
func (c *call) deleteAccount() error {
	form, err := web.Form(c.r, "sure")
	if err != nil {
		return err
	}
	if !c.signed.Again {
		return c.first("delete")
	}
	if !form.Has("sure") {
		p := c.deleteForm()
		p.Summary = c.refuse([]*fault.Error{fault.Refuse("sure", "delete.unsure", "Tick the box to confirm.", nil)}, &p.Form)
		return c.render(http.StatusUnprocessableEntity, "delete", p)
	}
	err = c.Customers.DeleteOwn(c.r.Context(), c.view, c.signed.Customer, c.origin(), func(tx *db.Tx) error {
		return signin.MustBeProvenAgain(c.r.Context(), tx, c.signed)
	})
	if fault.Is(err, fault.Forbidden) {
		return c.first("delete")
	}
	if err != nil {
		return err
	}
	c.jar.Drop(c.w, sessionCookie)
	c.w.Header().Set("Clear-Site-Data", `"cache"`) // what the back button would show
	return c.done(web.Notice{Key: "storefront.notice.account_deleted"}, signInPath)
}
