package console

import (
	"context"
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

const clientsPath = Root + "/clients"

// clientRoutes are the addresses of the apps that customers connect by OAuth 2.1 and OpenID Connect.
func clientRoutes() []route {
	one := clientsPath + "/{client}/delete"
	return []route{
		{method: "GET", path: clientsPath, right: admin.ManagePrograms, handle: (*call).clients},
		{method: "GET", path: clientsPath + "/new", right: admin.ManagePrograms, handle: (*call).newClient},
		{method: "POST", path: clientsPath, right: admin.ManagePrograms, handle: (*call).createClient},
		{method: "GET", path: one, right: admin.ManagePrograms, handle: (*call).deleteClientPage},
		{method: "POST", path: one, right: admin.ManagePrograms, handle: (*call).deleteClient},
	}
}

type clientRow struct {
	token.Client
	Website, Delete string
}

// apps are those that the reader may manage.
func (c *call) apps() (rows []clientRow, err error) {
	err = c.read(func(tx *db.Tx) error {
		all, err := token.Clients(c.r.Context(), tx, c.permit)
		for _, one := range all {
			rows = append(rows, clientRow{Client: one, Website: c.websiteName(one.WebsiteID), Delete: clientsPath + "/" + one.ClientID + "/delete"})
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
		return c.again(p, refusal("website", "There is no such website. Choose one of the list."))
	}
	var made token.Client
	var word secret.Text
	err = c.write(func(ctx context.Context, tx *db.Tx) error {
		made, word, err = token.CreateClient(ctx, tx, c.permit, token.NewClient{WebsiteID: w.ID, Name: strings.TrimSpace(v.Get("name")),
			Confidential: v.Get("kind") == "confidential", RedirectURIs: strings.Fields(v.Get("redirect_uris")),
			LogoutURIs: strings.Fields(v.Get("logout_uris")), BackchannelURI: strings.TrimSpace(v.Get("backchannel_logout_uri")),
			AllowHTTP: c.Shop.AllowHTTP}, c.origin())
		return err
	})
	if err != nil {
		return c.again(p, err)
	}
	return c.render(http.StatusOK, "client_made", struct {
		page
		Client token.Client
		Secret secret.Text
		Back   string
	}{c.page(made.Name, crumb{Text: "System"}, crumb{"Apps", clientsPath}), made, word, clientsPath})
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
	err := c.write(func(ctx context.Context, tx *db.Tx) error {
		return token.DeleteClient(ctx, tx, c.permit, c.r.PathValue("client"), c.origin())
	})
	if err != nil {
		return err
	}
	return c.done(clientsPath, web.Notice{Key: "client.deleted"})
}
