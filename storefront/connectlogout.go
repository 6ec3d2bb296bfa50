package storefront

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

const logoutPath = "/oauth2/logout"

// farewell is where an app wants its customer after signing out (OpenID Connect RP-Initiated Logout).
type farewell struct{ client, to, state string }

// trusted checks that the app has registered the address. Errors: a refusal that leads nowhere.
func (c *call) trusted(f farewell) error {
	if f.to == "" {
		return nil
	}
	ok, err := c.Connect.LogoutURI(c.r.Context(), c.view, f.client, f.to)
	if err == nil && !ok {
		err = &web.Refusal{Status: http.StatusBadRequest, Key: "oauth2.redirect_unknown",
			Text: "The app wants its answer at an address that it has not registered, so nothing was connected."}
	}
	return err
}

// address is where the browser goes.
func (f farewell) address() string {
	if f.state == "" {
		return f.to
	}
	join := "?"
	if strings.Contains(f.to, "?") {
		join = "&"
	}
	return f.to + join + url.Values{"state": {f.state}}.Encode()
}

// endSessionPage asks before it signs out: any page can link here.
func (c *call) endSessionPage() error {
	q := c.r.URL.Query()
	f := farewell{client: q.Get("client_id"), to: q.Get("post_logout_redirect_uri"), state: q.Get("state")}
	if hint := q.Get("id_token_hint"); hint != "" {
		client, err := c.Connect.Hinted(c.view, hint)
		if err == nil && f.client != "" && f.client != client {
			client = ""
		}
		if err != nil && !fault.Is(err, fault.Invalid) {
			return err
		}
		f.client = client
	}
	if err := c.trusted(f); err != nil {
		return err
	}
	if _, err := c.who(); fault.Is(err, fault.Unauthenticated) && f.to != "" {
		web.SeeOther(c.w, f.address())
		return nil
	}
	if f.to != "" {
		c.leadOutTo(f.to)
	}
	p := c.page("storefront.signout.title", signOutPath)
	p.Intro = []string{c.L.T("storefront.signout.intro", "Store", c.view.StoreName())}
	p.Form = c.form(p, logoutPath, "storefront.signout.submit")
	p.Form.Hidden = []hidden{{"client_id", f.client}, {"post_logout_redirect_uri", f.to}, {"state", f.state}}
	p.Links = []link{{URL: c.view.Path(account), Text: c.L.T("storefront.signout.stay")}}
	return c.show(p)
}

// endSession signs this browser out and goes on to the app. What the app holds is its own to revoke.
func (c *call) endSession() error {
	form, err := web.Form(c.r, "client_id", "post_logout_redirect_uri", "state")
	if err != nil {
		return err
	}
	f := farewell{client: form.Get("client_id"), to: form.Get("post_logout_redirect_uri"), state: form.Get("state")}
	if err := c.trusted(f); err != nil {
		return err
	}
	if f.to == "" {
		return c.signOut()
	}
	if err := c.leave(); err != nil {
		return err
	}
	c.jar.Drop(c.w, sessionCookie)
	c.w.Header().Set("Clear-Site-Data", `"cache"`) // what the back button would show
	web.SeeOther(c.w, f.address())
	return nil
}
