package storefront

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// Addresses of OAuth 2.1 and OpenID Connect that a customer's browser goes to. What apps call themselves is package api's.
const (
	authorizePath  = "/oauth2/authorize"
	connectPath    = account + "/connect"
	disconnectPost = account + "/disconnectpost"
)

// nextConnect begins what the sign-in form carries of a request that waits: its id, never an address.
const nextConnect = "connect."

// onward is the page that a visitor was on the way to before signing in: a page of ours, or a request that waits.
func (c *call) onward(next string) (to string, ok bool) {
	if id, waits := strings.CutPrefix(next, nextConnect); waits && secret.WellFormed(secret.NewText(id)) {
		return c.connectURL(id), true
	}
	to, ok = afterSignIn[next]
	return c.view.Path(to), ok
}

func (c *call) connectURL(id string) string {
	return c.view.Path(connectPath) + "?request=" + url.QueryEscape(id)
}

// authorize takes what an app asks for. It changes nothing for the customer, who decides on the next page; an app that cannot
// be trusted gets an error page, and the browser is sent nowhere.
func (c *call) authorize() error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return &web.Refusal{Status: http.StatusBadRequest, Key: "oauth2.client_unknown",
			Text: "The app that sent you here did not say who it is, so nothing was connected."}
	}
	_, err = c.who()
	if err != nil && !fault.Is(err, fault.Unauthenticated) {
		return err
	}
	id, back, err := c.Connect.Ask(c.r.Context(), c.view, query, err == nil, c.origin())
	if fault.Is(err, fault.Invalid) {
		f, _ := fault.As(err)
		return &web.Refusal{Status: http.StatusBadRequest, Key: f.Key, Text: f.Text}
	}
	if err != nil {
		return err
	}
	if back == "" {
		c.opened(requestCookie).Add(c.w, id, token.RequestLife)
		back = c.connectURL(id.Reveal())
	}
	web.SeeOther(c.w, back)
	return nil
}

// connectPage shows a customer what an app asks for.
type connectPage struct {
	page
	App, Back, Action, Request string
	Belongs                    string // the request and the customer that the form was shown for
	Asks                       []string
	As                         string // who is signed in
	Switch                     string
}

// waiting finds the request that the customer decides on, and sends whoever must sign in first to do so. Only the browser in which
// the app began it decides: whoever sends the address to somebody else must not be given what they allow.
func (c *call) waiting(id secret.Text) (a token.Asked, ready bool, err error) {
	if a, err = c.Connect.Pending(c.r.Context(), c.view, id); err != nil {
		return a, false, err
	}
	if !c.opened(requestCookie).Has(id) {
		return a, false, &web.Refusal{Status: http.StatusConflict, Key: "oauth2.request_elsewhere",
			Text: "The app began this in another browser, or has begun anew since. Nothing was connected. Go back to the app and start again in this browser."}
	}
	c.signed, err = c.who()
	if fault.Is(err, fault.Unauthenticated) || err == nil && !a.Fresh(c.signed.Session) {
		web.SeeOther(c.w, c.view.Path(signInPath)+"?next="+nextConnect+url.QueryEscape(id.Reveal()))
		return a, false, nil
	}
	return a, err == nil, err
}

func (c *call) connectPage() error {
	id := secret.NewText(c.r.URL.Query().Get("request"))
	a, ready, err := c.waiting(id)
	if err != nil || !ready {
		return err
	}
	return c.ask(http.StatusOK, id, a, nil)
}

// belongs is what the form carries: the customer whom it names is the one who decides, also when another has signed in since.
func (c *call) belongs(id secret.Text) string { return web.ShownFor(id, requestCookie, c.mine()) }

func (c *call) ask(status int, id secret.Text, a token.Asked, wrong *fault.Error) error {
	c.leadOutTo(a.Redirect())
	p := connectPage{page: c.page("storefront.connect.title", connectPath), App: a.Client.Name, Back: host(a.Redirect()), As: c.signed.Customer.Email,
		Action: c.view.Path(connectPath), Request: id.Reveal(), Belongs: c.belongs(id), Switch: c.view.Path(signInPath) + "?next=" + nextConnect + url.QueryEscape(id.Reveal())}
	p.Title = c.L.T("storefront.connect.title", "App", a.Client.Name)
	p.Languages, p.Also = nil, nil // the request waits in this store view only
	for _, scope := range a.Scopes {
		p.Asks = append(p.Asks, c.L.T("storefront.connect.scope_"+scope))
	}
	if wrong != nil {
		p.Summary = c.refuse([]*fault.Error{wrong})
	}
	return c.render(status, "connect", p)
}

// leadOutTo lets the form of this page end at the app: browsers hold a form's redirects to form-action as well.
func (c *call) leadOutTo(redirect string) {
	u, err := url.Parse(redirect)
	if err != nil {
		return // it was registered, so it can be read
	}
	source := u.Scheme + ":"
	if u.Scheme == "https" || u.Scheme == "http" {
		source += "//" + u.Host
	}
	policy := c.w.Header().Get("Content-Security-Policy")
	c.w.Header().Set("Content-Security-Policy", strings.Replace(policy, "form-action 'self'", "form-action 'self' "+source, 1))
}

// host is where an address leads, in words.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Host
}

// decide takes the customer's yes or no back to the app.
func (c *call) decide() error {
	form, err := web.Form(c.r, "request", "decision", web.ShownForField)
	if err != nil {
		return err
	}
	id := form.Secret("request")
	a, ready, err := c.waiting(id)
	if err != nil || !ready {
		return err
	}
	if said := form.Get(web.ShownForField); said != "" && !web.Matches(said, c.belongs(id)) {
		return c.ask(http.StatusConflict, id, a, fault.New(fault.Conflict, "oauth2.other_customer",
			"Another account was signed in to in this browser after this page was opened, so nothing was connected. Look whose account it is now."))
	}
	var back string
	switch form.Get("decision") {
	case "allow":
		back, err = c.Connect.Allow(c.r.Context(), c.view, c.signed, id, c.origin())
	case "deny":
		back, err = c.Connect.Deny(c.r.Context(), c.view, id)
	default: // an empty form, as mail scanners send, decides nothing
		back = c.connectURL(id.Reveal())
	}
	if err != nil {
		return err
	}
	web.SeeOther(c.w, back)
	return nil
}

// appLine is one connected app of the account page.
type appLine struct {
	ID                    int64
	Name, Since, EndLabel string
}

func (c *call) connectedApps() (lines []appLine, err error) {
	var apps []token.Connected
	err = c.SignIn.DB.Read(c.r.Context(), func(tx *db.Tx) (err error) {
		apps, err = token.ConnectedApps(c.r.Context(), tx, c.signed.Customer.ID)
		return err
	})
	for _, a := range apps {
		lines = append(lines, appLine{ID: a.ID, Name: a.Name, Since: c.L.T("storefront.apps.since", "Date", c.L.Date(a.Since, c.view.Location())),
			EndLabel: c.L.T("storefront.apps.end_this", "App", a.Name)})
	}
	return lines, err
}

// disconnect ends what an app may do for the customer.
func (c *call) disconnect() error {
	form, err := web.Form(c.r, "app")
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(form.Get("app"), 10, 64)
	if err != nil {
		return web.NoSuchPage()
	}
	lines, err := c.connectedApps()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(l appLine) bool { return l.ID == id }) { // disconnected already is what was asked for
		if err := c.Connect.Disconnect(c.r.Context(), c.signed.Customer, id, c.origin()); err != nil {
			return err
		}
	}
	return c.done(web.Notice{Key: "storefront.notice.disconnected"}, account)
}
