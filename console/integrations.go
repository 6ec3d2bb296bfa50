package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// program is an integration as pages show it.
type program struct {
	token.Integration
	URL    string
	Grants []string // what it may do, in words
}

func programOf(i token.Integration) program {
	p := program{Integration: i, URL: holdersPath + "/" + itoa(i.ID)}
	for _, r := range token.Resources() {
		if slices.Contains(i.Rights, r.Right) {
			p.Grants = append(p.Grants, r.Label)
		}
	}
	return p
}

// Verb is what activating is called.
func (p program) Verb() string {
	if p.Active {
		return "Reauthorize"
	}
	return "Activate"
}

// integrations lists the programs that act for the store. They reach over all websites, and so does their list.
func (c *call) integrations() error {
	if !c.everywhere() {
		return web.NoSuchPage()
	}
	p := struct {
		page
		Rows []program
		New  string
	}{page: c.page("Integrations", crumb{Text: "System"}), New: holdersPath + "/new"}
	var all []token.Integration
	err := c.read(func(tx *db.Tx) (err error) {
		all, err = token.Integrations(c.r.Context(), tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, one := range all {
		p.Rows = append(p.Rows, programOf(one))
	}
	return c.render(http.StatusOK, "integrations", p)
}

// choice is one resource of the tree.
type choice struct {
	Name, Label string
	Checked     bool
}

type integrationForm struct {
	page
	Form      form
	Resources []choice
	Refused   string // why the resources were refused
}

// integrationForm asks for what an integration is made of; present is the one that is changed, nil for a new one.
func (c *call) integrationForm(present *program) integrationForm {
	p := integrationForm{page: c.page("New Integration", crumb{Text: "System"}, crumb{"Integrations", holdersPath})}
	p.Form = form{Action: holdersPath, Submit: "Create Integration", Back: holdersPath, Key: p.Key, Who: c.who.Username, Fields: []field{
		{Name: "name", Label: "Name", Type: "text", Autocomplete: "off"},
		{Name: "email", Label: "Email", Type: "email", Autocomplete: "off", Mono: true, Optional: true},
		{Name: "callback_url", Label: "Callback URL", Type: "url", Autocomplete: "off", Mono: true, Optional: true,
			Hint: "When the integration is activated, its consumer key and secret are sent here, and it fetches its access token itself. Without one, you are shown its secrets once."},
		{Name: "identity_url", Label: "Identity Link URL", Type: "url", Autocomplete: "off", Mono: true, Optional: true,
			Hint: "The other side's own page for signing in, to go on with after the activation."},
		{Name: "current_password", Label: "Your Password", Type: "password", Autocomplete: "current-password",
			Hint: "The password that you signed in with."},
	}}
	for _, r := range token.Resources() {
		p.Resources = append(p.Resources, choice{Name: "grant." + string(r.Right), Label: r.Label,
			Checked: present != nil && slices.Contains(present.Rights, r.Right)})
	}
	if present != nil {
		p.page = c.page("Edit Integration", crumb{Text: "System"}, crumb{"Integrations", holdersPath}, crumb{present.Name, present.URL})
		p.Form.Action, p.Form.Submit, p.Form.Back = present.URL+"/edit", "Save Integration", present.URL
		for i, value := range []string{present.Name, present.Email, present.CallbackURL, present.IdentityURL} {
			p.Form.Fields[i].Value = value
		}
	}
	return p
}

func (c *call) newIntegration() error {
	if !c.everywhere() {
		return web.NoSuchPage()
	}
	return c.render(http.StatusOK, "integration_new", c.integrationForm(nil))
}

func (c *call) editIntegration() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "integration_new", c.integrationForm(&p))
}

// changeIntegration changes an integration for an administrator who gives their password once more.
func (c *call) changeIntegration() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	return c.takeIntegration(c.integrationForm(&p), func(n token.NewIntegration) (token.Integration, string, error) {
		after, err := c.Tokens.ChangeIntegration(c.r.Context(), c.permit, p.ID, n, c.origin())
		return after, "integration.changed", err
	})
}

// createIntegration makes an integration for an administrator who gives their password once more.
func (c *call) createIntegration() error {
	return c.takeIntegration(c.integrationForm(nil), func(n token.NewIntegration) (token.Integration, string, error) {
		made, err := c.Tokens.AddIntegration(c.r.Context(), c.permit, n, c.origin())
		return made, "integration.created", err
	})
}

// takeIntegration reads the form and keeps what it says.
func (c *call) takeIntegration(p integrationForm, keep func(token.NewIntegration) (kept token.Integration, notice string, err error)) error {
	names := p.Form.names()
	for _, r := range p.Resources {
		names = append(names, r.Name)
	}
	v, err := web.Form(c.r, names...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	n := token.NewIntegration{Name: v.Get("name"), Email: v.Get("email"), CallbackURL: v.Get("callback_url"), IdentityURL: v.Get("identity_url")}
	for i, r := range token.Resources() {
		if p.Resources[i].Checked = v.Get(p.Resources[i].Name) == "on"; p.Resources[i].Checked {
			n.Rights = append(n.Rights, r.Right)
		}
	}
	if err := c.Admins.Prove(c.r.Context(), c.who, v.Secret("current_password"), c.origin()); err != nil {
		return c.integrationRefused(p, err)
	}
	kept, notice, err := keep(n)
	if err != nil {
		return c.integrationRefused(p, err)
	}
	return c.done(programOf(kept).URL, web.Notice{Key: notice})
}

func (c *call) integrationRefused(p integrationForm, err error) error {
	faults, ok := mendable(err)
	if !ok {
		return err
	}
	p.Summary = p.Form.refuse(faults)
	for i, f := range faults {
		if f.Field == "resources" {
			p.Summary.Items[i].Field, p.Refused = "resources", f.Text
		}
	}
	return c.render(http.StatusUnprocessableEntity, "integration_new", p)
}

// chosen is the integration of the address.
func (c *call) chosen() (program, error) {
	gone := fault.New(fault.NotFound, "not_found", "There is no such integration.")
	id, err := c.number()
	if err != nil || !c.everywhere() {
		return program{}, gone
	}
	var one token.Integration
	err = c.read(func(tx *db.Tx) error {
		one, err = token.FindIntegration(c.r.Context(), tx, id)
		return err
	})
	return programOf(one), err
}

type integrationPage struct {
	page
	Program program
	Secrets *token.Credentials
	Next    string // the other side's own page, to go on with
}

func (c *call) integrationPage(p program, title string) integrationPage {
	trail := []crumb{{Text: "System"}, {"Integrations", holdersPath}}
	if title != p.Name {
		trail = append(trail, crumb{p.Name, p.URL})
	}
	return integrationPage{page: c.page(title, trail...), Program: p}
}

// integration shows one integration; its secrets are not there to be shown.
func (c *call) integration() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	show := c.integrationPage(p, p.Name)
	if p.IdentityURL != "" && p.ConsumerKey != "" && !p.Active {
		show.Next = identityLink(c.r, p.Integration)
	}
	return c.render(http.StatusOK, "integration", show)
}

// identityLink leads to the other side's own page, with what Commerce gives it.
func identityLink(r *http.Request, i token.Integration) string {
	u, err := url.Parse(i.IdentityURL)
	if err != nil {
		return ""
	}
	scheme := "http"
	if web.HTTPS(r) {
		scheme = "https"
	}
	q := u.Query()
	q.Set("oauth_consumer_key", i.ConsumerKey)
	q.Set("success_call_back", scheme+"://"+r.Host+holdersPath+"/"+itoa(i.ID))
	u.RawQuery = q.Encode()
	return u.String()
}

// activatePage is the question before the activation: what the integration will reach.
func (c *call) activatePage() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "integration_activate", c.integrationPage(p, p.Verb()))
}

// activate gives the integration its secrets. Where they are made at once the answer shows them, this once.
func (c *call) activate() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	a, err := c.Tokens.Activate(c.r.Context(), c.permit, p.ID, c.origin())
	if faults, ok := mendable(err); ok {
		show := c.integrationPage(p, p.Verb())
		show.Summary = &summary{Items: []problem{{Text: faults[0].Text}}}
		return c.render(http.StatusUnprocessableEntity, "integration_activate", show)
	}
	if err != nil {
		return err
	}
	if a.Handed() {
		return c.done(p.URL, web.Notice{Key: "integration.called"})
	}
	show := c.integrationPage(p, "Integration Tokens")
	show.Secrets = &a.Credentials
	return c.render(http.StatusOK, "integration_secrets", show)
}

func (c *call) deletePage() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "integration_delete", c.integrationPage(p, "Delete Integration"))
}

func (c *call) deleteIntegration() error {
	p, err := c.chosen()
	if err != nil {
		return err
	}
	if _, err := c.Tokens.DeleteIntegration(c.r.Context(), c.permit, p.ID, c.origin()); err != nil {
		return err
	}
	return c.done(holdersPath, web.Notice{Key: "integration.deleted"})
}
