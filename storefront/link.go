package storefront

import (
	"net/http"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

// Cookies that hold what a browser has opened and not answered yet: mailed links on their way to their forms, and what apps ask for.
// Only web.Opened reads them, so that every form behind one says which of them it was shown for.
const (
	linkCookie         = "link"         // the recovery link
	confirmationCookie = "confirmation" // the link that finishes a registration
	emailCookie        = "email"        // the link that confirms a new address
	objectionCookie    = "objection"    // the link "It wasn't me"
	requestCookie      = "request"      // an authorization that an app began in this browser
)

// landings are the pages that mailed links lead to.
var landings = map[string]string{newPasswordPath: linkCookie, confirmPath: confirmationCookie, emailPath: emailCookie, objectionPath: objectionCookie}

// linkLife is how long an opened link waits in the browser for the form to be sent. The letter still has it after that.
const linkLife = time.Hour

// isLanding tells whether the request opens a mailed link. Such a request is answered in whatever letter case it comes:
// redirecting it first would repeat the secret in a Location.
func (c *call) isLanding() bool {
	_, leads := landings[c.path]
	return leads && c.r.URL.Query().Has("token")
}

// land moves a mailed link's secret from the address bar into a cookie and goes on to the clean address, which explains what cannot
// be a link.
func (c *call) land() error {
	link, _ := web.Landed(c.r)
	c.opened(landings[c.path]).Add(c.w, link, linkLife)
	web.SeeOther(c.w, c.view.Path(c.path))
	return nil
}

func (c *call) opened(cookie string) web.Opened { return c.jar.Opened(c.r, cookie) }

// behind reads a form behind a link, and finds the link that it was shown for.
func (c *call) behind(cookie string, fields ...string) (form web.Values, link secret.Text, err error) {
	if form, err = web.Form(c.r, append(fields, web.ShownForField)...); err != nil {
		return form, link, err
	}
	link, err = c.opened(cookie).Of(form)
	return form, link, err
}

// mine is what the forms of a signed-in customer carry: it tells customers of one browser apart and hides nothing.
func (c *call) mine() string {
	if c.signed.Customer.ID == 0 {
		return ""
	}
	return web.ShownFor(secret.NewText(strconv.FormatInt(c.signed.Customer.ID, 10)), "customer")
}

// stillMine refuses a form that was shown to another customer of this browser: what was typed there is not this one's wish. A form
// that does not say, as themes and programs send it, is the session's.
func (c *call) stillMine() error {
	if c.r.Method != http.MethodPost {
		return nil
	}
	said, err := web.Peek(c.r, web.ShownForField)
	if err == nil && said != "" && !web.Matches(said, c.mine()) {
		err = &web.Refusal{Status: http.StatusConflict, Key: "signin.other_page",
			Text: "Another account was signed in to in this browser after this page was opened. Nothing was changed. Open the page again."}
	}
	return err
}
