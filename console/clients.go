package console

import (
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

const clientsPath = Root + "/clients"

// clientRoutes are the addresses of the apps that customers connect by OAuth 2.1 and OpenID Connect.
func clientRoutes() []route {
	one := clientsPath + "/{client}"
	return []route{
		{method: "GET", path: clientsPath, right: admin.ManagePrograms, handle: (*call).clients},
		{method: "GET", path: clientsPath + "/new", right: admin.ManagePrograms, handle: (*call).newClient},
		{method: "POST", path: clientsPath, right: admin.ManagePrograms, handle: (*call).createClient},
		{method: "GET", path: one, right: admin.ManagePrograms, handle: (*call).editClient},
		{method: "POST", path: one, right: admin.ManagePrograms, handle: (*call).changeClient},
		{method: "POST", path: one + "/secret", right: admin.ManagePrograms, handle: (*call).renewSecret},
		{method: "GET", path: one + "/delete", right: admin.ManagePrograms, handle: (*call).deleteClientPage},
		{method: "POST", path: one + "/delete", right: admin.ManagePrograms, handle: (*call).deleteClient},
	}
}

type clientRow struct {
	token.Client
	Website, URL, Delete string
}

// apps are those that the reader may manage.
func (c *call) apps() (rows []clientRow, err error) {
	err = c.read(func(tx *db.Tx) error {
		all, err := token.Clients(c.r.Context(), tx, c.permit)
		for _, one := range all {
			at := clientsPath + "/" + one.ClientID
			rows = append(rows, clientRow{Client: one, Website: c.websiteName(one.WebsiteID), URL: at, Delete: at + "/delete"})
		}
		return err
	})
	return rows, err
}

func (c *call) clients() error {
	rows, err := c.apps()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "clients", struct {
		page
		Rows []clientRow
		New  string
	}{c.page("Apps", crumb{Text: "System"}), rows, clientsPath + "/new"})
}

func (c *call) clientForm() formPage {
	p := formPage{page: c.page("New App", crumb{Text: "System"}, crumb{"Apps", clientsPath}),
		Intro: "An app that customers of one website connect by OAuth 2.1 or OpenID Connect: they sign in at the store, and allow it on the store's own page."}
	kinds := []option{{Value: "public", Text: "Public, on a customer's device", Selected: true},
		{Value: "confidential", Text: "Confidential, on a server"}}
	p.Form = form{Action: clientsPath, Submit: "Create App", Back: clientsPath, Fields: []field{
		{Name: "name", Label: "Name", Type: "text", Autocomplete: "off", Hint: "Customers read it when they are asked."},
		{Name: "website", Label: "Website", Options: websiteOptions(c.websites(), "")},
		{Name: "kind", Label: "Kind", Options: kinds, Hint: "A public app has no secret; a confidential one is given one to keep."},
		{Name: "redirect_uris", Label: "Redirect URIs", Type: "text", Autocomplete: "off", Mono: true,
			Hint: "Where answers may go, byte by byte, such as https://app.example/back. Put a space between two."},
		{Name: "logout_uris", Label: "Sign-out URIs", Type: "text", Autocomplete: "off", Mono: true, Optional: true,
			Hint: "Where a customer may go after signing out. Put a space between two."},
		{Name: "backchannel_logout_uri", Label: "Back-Channel Logout URI", Type: "text", Autocomplete: "off", Mono: true, Optional: true,
			Hint: "Where the store tells the app itself that a customer was signed out everywhere, such as https://app.example/logout."},
	}}
	return p
}

func (c *call) newClient() error { return c.show(c.clientForm()) }

// createClient registers an app. The secret of a confidential one is on the page that answers, and nowhere else.
func (c *call) createClient() error {
	p := c.clientForm()
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	w, ok := c.websiteByCode(v.Get("website"))
	if !ok {
		return c.again(p, refusal("website", noSuchWebsite))
	}
	n := c.newApp(v)
	n.WebsiteID, n.Confidential = w.ID, v.Get("kind") == "confidential"
	made, word, err := c.Tokens.CreateClient(c.r.Context(), c.permit, n, c.origin())
	if err != nil {
		return c.again(p, err)
	}
	return c.showSecret(made, word, true)
}

// newApp is what the form says of an app.
func (c *call) newApp(v web.Values) token.NewClient {
	return token.NewClient{Name: strings.TrimSpace(v.Get("name")), RedirectURIs: strings.Fields(v.Get("redirect_uris")),
		LogoutURIs: strings.Fields(v.Get("logout_uris")), BackchannelURI: strings.TrimSpace(v.Get("backchannel_logout_uri")),
		Told: c.Shop.Outbound(c.snap, shop.WebhookPrivateAddresses)}
}

// showSecret shows what the app needs, this once.
func (c *call) showSecret(app token.Client, word secret.Text, created bool) error {
	return c.render(http.StatusOK, "client_made", struct {
		page
		Client  token.Client
		Secret  secret.Text
		Created bool
		Back    string
	}{c.page(app.Name, crumb{Text: "System"}, crumb{"Apps", clientsPath}), app, word, created, clientsPath})
}

// clientPage is the form of an app that there is.
type clientPage struct {
	formPage
	Client clientRow
}

func (c *call) clientPage() (clientPage, error) {
	one, err := c.app()
	if err != nil {
		return clientPage{}, err
	}
	p := clientPage{c.clientForm(), one}
	p.page = c.page(one.Name, crumb{Text: "System"}, crumb{"Apps", clientsPath})
	p.Intro, p.Form.Key = "", p.Key
	p.Form.Action, p.Form.Submit = one.URL, "Save App"
	for i := range p.Form.Fields {
		f := &p.Form.Fields[i]
		switch f.Name {
		case "name":
			f.Value = one.Name
		case "website":
			*f = field{Name: f.Name, Label: f.Label, Type: "text", Value: one.Website, Fixed: true}
		case "kind":
			*f = field{Name: f.Name, Label: f.Label, Type: "text", Value: "Public, on a customer's device", Fixed: true}
			if one.Confidential {
				f.Value = "Confidential, on a server"
			}
		case "redirect_uris":
			f.Value = strings.Join(one.RedirectURIs, " ")
		case "logout_uris":
			f.Value = strings.Join(one.LogoutURIs, " ")
		case "backchannel_logout_uri":
			f.Value = one.BackchannelURI
		}
	}
	return p, nil
}

func (c *call) editClient() error {
	p, err := c.clientPage()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "client", p)
}

// changeClient changes an app: what it holds goes on.
func (c *call) changeClient() error {
	p, err := c.clientPage()
	if err != nil {
		return err
	}
	v, err := web.Form(c.r, p.Form.names()...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	_, _, err = c.Tokens.ChangeClient(c.r.Context(), c.permit, p.Client.ClientID, c.newApp(v), false, c.origin())
	if faults, ok := mendable(err); ok {
		p.Summary = p.Form.refuse(faults)
		return c.render(http.StatusUnprocessableEntity, "client", p)
	}
	if err != nil {
		return err
	}
	return c.done(p.Client.URL, web.Notice{Key: "client.changed"})
}

// renewSecret gives the app another secret. It is on the page that answers, and nowhere else.
func (c *call) renewSecret() error {
	app, word, err := c.Tokens.RenewClientSecret(c.r.Context(), c.permit, c.r.PathValue("client"), c.origin())
	if err != nil {
		return err
	}
	return c.showSecret(app, word, false)
}

// app is the one of the address. Errors: the answer for what does not exist.
func (c *call) app() (clientRow, error) {
	rows, err := c.apps()
	for _, one := range rows {
		if one.ClientID == c.r.PathValue("client") {
			return one, nil
		}
	}
	if err == nil {
		err = fault.New(fault.NotFound, "not_found", "There is no such app.")
	}
	return clientRow{}, err
}

func (c *call) deleteClientPage() error {
	one, err := c.app()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "client_delete", struct {
		page
		Client clientRow
		Back   string
	}{c.page("Delete App", crumb{Text: "System"}, crumb{"Apps", clientsPath}), one, clientsPath})
}

func (c *call) deleteClient() error {
	if err := c.Tokens.DeleteClient(c.r.Context(), c.permit, c.r.PathValue("client"), c.origin()); err != nil {
		return err
	}
	return c.done(clientsPath, web.Notice{Key: "client.deleted"})
}
