package console

import (
	"context"
	"net/http"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

const (
	newAddressPath = admin.NewAddressPath
	addressCookie  = "address"
)

func adminURL(id int64) string { return adminsPath + "/" + itoa(id) }

// adminPage is one administrator: what they are, and what can be done about them.
type adminPage struct {
	page
	Form    form // name, role, website
	Address form
	Admin   adminRow
	URL     string
	Waiting string // the address that is to be confirmed
	Self    bool
}

// colleague is the administrator of the address. Errors: the answer for what does not exist.
func (c *call) colleague() (who admin.Admin, err error) {
	id, err := c.number()
	if err != nil {
		return who, err
	}
	err = c.read(func(tx *db.Tx) error {
		who, err = admin.Reach(c.r.Context(), tx, c.permit.Covers, id)
		return err
	})
	return who, err
}

func (c *call) adminPage() (adminPage, error) {
	who, err := c.colleague()
	if err != nil {
		return adminPage{}, err
	}
	p := adminPage{page: c.page(who.Username, crumb{Text: "System"}, crumb{"Administrators", adminsPath}), Admin: c.adminRow(who), URL: adminURL(who.ID),
		Self: who.ID == c.who.ID}
	p.Form = form{Action: p.URL, Submit: "Save Administrator", Back: adminsPath, Key: p.Key, Fields: []field{
		{Name: "name", Label: "Name", Type: "text", Value: who.Name, Autocomplete: "off", Optional: true}, c.roleField(who.Role), c.websiteField(who.WebsiteID)}}
	p.Address = form{Action: p.URL + "/address", Submit: "Send Link", Key: p.Key, Fields: []field{
		{Name: "email", Label: "New Address", Type: "email", Autocomplete: "off", Mono: true, Hint: "It is used once the link in the email to it was followed."}}}
	err = c.read(func(tx *db.Tx) error {
		p.Waiting, err = admin.WaitingAddress(c.r.Context(), tx, who.ID)
		return err
	})
	return p, err
}

func (c *call) administrator() error {
	p, err := c.adminPage()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "administrator", p)
}

// adminAgain shows the page with what was refused in one of its forms; what no field can mend is said above.
func (c *call) adminAgain(p adminPage, of *form, err error) error {
	faults, ok := mendable(err)
	if !ok {
		return err
	}
	p.Summary = of.refuse(faults)
	return c.render(http.StatusUnprocessableEntity, "administrator", p)
}

func (c *call) saveAdministrator() error {
	p, err := c.adminPage()
	if err != nil {
		return err
	}
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	website, err := c.websiteChosen(v.Get("website"))
	if err != nil {
		return c.adminAgain(p, &p.Form, err)
	}
	name, role := v.Get("name"), v.Get("role")
	changed, err := c.Admins.Update(c.r.Context(), c.permit, p.Admin.ID, admin.Changes{Name: &name, Role: &role, WebsiteID: &website}, c.origin())
	if err != nil {
		return c.adminAgain(p, &p.Form, err)
	}
	n := web.Notice{Key: "admin.saved"}
	if !changed {
		n.Key = "saved.nothing"
	}
	return c.done(p.URL, n)
}

func (c *call) askAddress() error {
	p, err := c.adminPage()
	if err != nil {
		return err
	}
	v, err := web.Form(c.r, "email")
	if err != nil {
		return err
	}
	p.Address.fill(v.Get)
	if err := c.Admins.AskAddress(c.r.Context(), c.permit, p.Admin.ID, v.Get("email"), c.origin()); err != nil {
		return c.adminAgain(p, &p.Address, err)
	}
	return c.done(p.URL, web.Notice{Key: "admin.asked"})
}

func (c *call) disableAdministrator() error { return c.manage("admin.disabled", c.Admins.Disable) }

func (c *call) enableAdministrator() error { return c.manage("admin.enabled", c.Admins.Enable) }

func (c *call) endAdministrator() error { return c.manage("admin.ended", c.Admins.EndSessions) }

func (c *call) deleteAdministrator() error { return c.manage("admin.deleted", c.Admins.Delete) }

// manage does something to the administrator of the address.
func (c *call) manage(key string, act func(context.Context, admin.Permit, int64, audit.Origin) error) error {
	who, err := c.colleague()
	if err != nil {
		return err
	}
	to := adminURL(who.ID)
	err = act(c.r.Context(), c.permit, who.ID, c.origin())
	if f, ok := fault.As(err); ok && f.Kind == fault.Conflict {
		return c.done(to, web.Notice{Key: f.Key, Bad: true})
	}
	if err != nil {
		return err
	}
	if key == "admin.deleted" {
		to = adminsPath
	}
	return c.done(to, web.Notice{Key: key})
}

func (c *call) deleteAdministratorPage() error {
	p, err := c.adminPage()
	if err != nil {
		return err
	}
	p.Title = "Delete Administrator"
	return c.render(http.StatusOK, "administrator_delete", p)
}

// newAddressPage moves an email's secret from the address bar into a cookie, and shows at the clean address what it would prove.
// Opening it spends nothing.
func (c *call) newAddressPage() error {
	opened, landing := c.landing(addressCookie, newAddressPath)
	if landing {
		return nil
	}
	pending, err := c.Admins.CheckAddress(c.r.Context(), opened.Latest(), c.origin())
	if err != nil {
		return c.addressExpired(err)
	}
	p := signInData{page: c.page("Confirm Your Address"), Intro: "Use " + pending.Email + " for " + pending.Username +
		"? Every browser and program that is signed in as " + pending.Username + " is signed out."}
	p.Form = form{Action: newAddressPath, Submit: "Confirm Address", Key: p.Key, Hidden: []hidden{{web.ShownForField, opened.ShownFor(opened.Latest())}}}
	return c.render(http.StatusOK, "login", p)
}

// newAddress spends the link.
func (c *call) newAddress() error {
	v, err := web.Form(c.r, web.ShownForField)
	if err != nil {
		return err
	}
	opened := c.jar.Opened(c.r, addressCookie)
	link, err := opened.Of(v)
	if err != nil {
		return err
	}
	if err := c.Admins.CompleteAddress(c.r.Context(), link, c.origin()); err != nil {
		return c.addressExpired(err)
	}
	opened.Close(c.w, link, linkLife)
	return c.done(loginPath, web.Notice{Key: "admin.address"})
}

// addressExpired is the one page for links that are old, used or unknown.
func (c *call) addressExpired(err error) error {
	if !fault.Is(err, fault.Expired) {
		return err
	}
	return &web.Refusal{Status: http.StatusGone, Key: "link.expired",
		Text: "This link no longer works: it was used already, is too old, or is not complete. Nothing was changed. Ask who manages the administrators to send another one."}
}
