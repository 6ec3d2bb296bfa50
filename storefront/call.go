package storefront

import (
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// Cookies of the storefront; web.Jar adds the prefix and the website.
const (
	sessionCookie      = "session"
	registrationCookie = "registration" // tells that this browser is the one that registered
	resetCookie        = "ask-reset"    // tells that this browser is the one that asked for a link
	signInCookie       = "ask-signin"   // tells that this browser is the one that asked for a code to sign in with
)

// call is one request, its answer and the store view that it is for.
type call struct {
	*Storefront
	w http.ResponseWriter
	r *http.Request

	stores *shop.Snapshot
	view   *shop.View
	jar    web.Jar
	path   string // canonical, below the view's prefix
	typed  string // as asked for

	referer string // the page to go back to, as the path said it
	back    string // and as it may be gone to

	signed signin.Signed

	ticket  string // that came with a protected form
	proved  bool   // the form came with a good proof
	mending bool   // nothing but what was typed is wrong with it

	L *lang.Lang
}

// enter makes the call one of a store view. Cookies follow its base URL, not the request: a proxy that forgets to say that
// it speaks https must not make them travel in the clear.
func (c *call) enter(view *shop.View) {
	c.view = view
	c.L = view.Lang()
	c.jar = web.Jar{Secure: strings.HasPrefix(view.BaseURL, "https://"), Scope: view.Website.Code}
}

func (c *call) origin() audit.Origin { return web.ClientOrigin(c.r) }

// who is the customer that this browser is signed in as. Errors: fault Unauthenticated.
func (c *call) who() (signin.Signed, error) {
	return c.SignIn.Check(c.r.Context(), c.view, c.jar.Get(c.r, sessionCookie))
}

// begin signs this browser in with a session that was just opened.
func (c *call) begin(opened signin.Opened) {
	c.jar.Set(c.w, sessionCookie, opened.Secret, opened.Life)
}

// found is a redirect that a GET answers with and that nobody may remember.
func (c *call) found(to string) {
	c.w.Header().Set("Location", to)
	c.w.WriteHeader(http.StatusFound)
}

// done ends a POST: a notice for the next page, and the way there.
func (c *call) done(n web.Notice, path string) error {
	c.jar.Tell(c.w, n)
	web.SeeOther(c.w, c.view.Path(path))
	return nil
}

// reason says a fault in the language of the view; where one word names two fields ("name"), the field's own sentence.
func (c *call) reason(f *fault.Error) string {
	if own := "storefront.required." + f.Field; f.Key == "name.required" && c.L.Has(own) {
		return c.L.T(own)
	}
	key := "error." + f.Key
	if f.Key == "" || !c.L.Has(key) {
		return f.Text
	}
	return c.L.T(key, f.Args)
}

// mendable returns the refusals of a form when all of them are the visitor's to mend in that form; otherwise the error goes
// to the door.
func mendable(err error) ([]*fault.Error, bool) {
	faults := fault.List(err)
	for _, f := range faults {
		switch f.Kind {
		case fault.Invalid, fault.Unauthenticated, fault.Conflict:
		default:
			return nil, false
		}
	}
	return faults, len(faults) > 0
}
