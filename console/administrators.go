package console

import (
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/web"
)

type adminRow struct {
	admin.Admin
	RoleLabel, Website, URL string
}

// administrators lists those whom the reader may manage.
func (c *call) administrators() error {
	var all []admin.Admin
	err := c.read(func(tx *db.Tx) (err error) {
		all, err = admin.List(c.r.Context(), tx)
		return err
	})
	if err != nil {
		return err
	}
	p := struct {
		page
		Rows []adminRow
		New  string
	}{page: c.page("Administrators", crumb{Text: "System"}), New: adminsPath + "/new"}
	for _, one := range all {
		if c.permit.Covers(one.WebsiteID) { // whoever administers one website does not manage those of all
			p.Rows = append(p.Rows, c.adminRow(one))
		}
	}
	return c.render(http.StatusOK, "administrators", p)
}

func (c *call) adminRow(one admin.Admin) adminRow {
	r := adminRow{Admin: one, RoleLabel: one.Role, Website: "All websites", URL: adminURL(one.ID)}
	if one.WebsiteID != 0 {
		r.Website = c.websiteName(one.WebsiteID)
	}
	for _, role := range admin.Roles() {
		if role.Name == one.Role {
			r.RoleLabel = role.Label
		}
	}
	return r
}

func (c *call) roleField(chosen string) field {
	f := field{Name: "role", Label: "Role", Hint: "Owners may do everything. Customer support can send resets, force sign-ins and unlock. Viewers change nothing."}
	for _, r := range admin.Roles() {
		f.Options = append(f.Options, option{Value: r.Name, Text: r.Label, Selected: r.Name == chosen})
	}
	return f
}

// websiteField offers the websites that the reader may give.
func (c *call) websiteField(chosen int64) field {
	f := field{Name: "website", Label: "Website", Hint: "An administrator of one website sees nothing of the others."}
	if c.everywhere() {
		f.Options = append(f.Options, option{Text: "All websites"})
	}
	code := ""
	if w, ok := c.snap.Website(chosen); ok {
		code = w.Code
	}
	f.Options = append(f.Options, websiteOptions(c.websites(), code)...)
	return f
}

// websiteChosen reads that field: 0 for all. Errors: fault Invalid on "website".
func (c *call) websiteChosen(code string) (id int64, err error) {
	if code != "" {
		w, ok := c.websiteByCode(code)
		if !ok {
			return 0, refusal("website", noSuchWebsite)
		}
		id = w.ID
	}
	if !c.permit.Covers(id) {
		return 0, refusal("website", "You administer one website, so the administrator can only be of that one.")
	}
	return id, nil
}

func (c *call) adminForm() formPage {
	p := formPage{page: c.page("New Administrator", crumb{Text: "System"}, crumb{"Administrators", adminsPath})}
	fewest := admin.Roles()[len(admin.Roles())-1].Name // until somebody gives more
	p.Form = form{Action: adminsPath, Submit: "Create Administrator", Back: adminsPath, Fields: []field{
		{Name: "username", Label: "Username", Type: "text", Autocomplete: "off", Mono: true},
		{Name: "name", Label: "Name", Type: "text", Autocomplete: "off", Optional: true},
		{Name: "email", Label: "Email", Type: "email", Autocomplete: "off", Mono: true},
		c.roleField(fewest),
		c.websiteField(0),
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "new-password",
			Hint: c.sentences(c.snap.AdminPasswordRules()) + " It is for the new administrator; hand it over in person."},
	}}
	return p
}

// sentences says rules beforehand.
func (c *call) sentences(r password.Rules) string { return strings.Join(r.Sentences(c.lang), " ") }

func (c *call) newAdministrator() error { return c.show(c.adminForm()) }

// createAdministrator makes an administrator, who reaches no further than the one who makes them.
func (c *call) createAdministrator() error {
	p := c.adminForm()
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	n := admin.New{Username: v.Get("username"), Email: v.Get("email"), Name: v.Get("name"), Role: v.Get("role"), Password: v.Secret("password")}
	if n.WebsiteID, err = c.websiteChosen(v.Get("website")); err != nil {
		return c.again(p, err)
	}
	if n.Role == "" {
		return c.again(p, refusal("role", "Please choose a role."))
	}
	if _, err := c.Admins.Create(c.r.Context(), c.permit, n, c.origin()); err != nil {
		return c.again(p, err)
	}
	return c.done(adminsPath, web.Notice{Key: "admin.created"})
}
