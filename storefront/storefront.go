// Package storefront is the shoppers' door: signing in, creating an account, recovering a password, the account page.
//
// Promises:
//   - A page never looks a customer up by an address that a visitor typed: what it answers, sets and takes does not depend
//     on who is a customer. recovery, customer and signin hold the same promise behind it.
//   - GET and HEAD of a mailed link spend nothing and change nothing of the account. They move its secret out of the address
//     bar into a short-lived cookie and go on to a clean address; the secret stands in no Location, title, page or log.
//   - A refused form comes back with what was typed (passwords excepted), the reason beside the field and in a summary
//     that takes the focus, and status 422.
//   - Every address in a page is one of the store view's own; every page can be used without a script.
//   - The store view decides language and looks; Accept-Language only adds one line that offers another view.
package storefront

import (
	"embed"
	"log/slog"
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

//go:embed all:pages assets
var files embed.FS

// Paths of the storefront: Adobe Commerce's, in one lower-case form.
const (
	account           = "/customer/account"
	signInPath        = account + "/login"
	signInPost        = account + "/loginpost"
	signOutPath       = account + "/logout"
	createPath        = account + "/create"
	createPost        = account + "/createpost"
	confirmPath       = account + "/confirm"
	confirmPost       = account + "/confirmpost"
	emailPath         = account + "/confirmemail"
	emailPost         = account + "/confirmemailpost"
	forgotPath        = account + "/forgotpassword"
	forgotPost        = account + "/forgotpasswordpost"
	resetCodePath     = account + "/resetcode"
	resetCodePost     = account + "/resetcodepost"
	byLetterPath      = account + "/loginbyletter"
	byLetterPost      = account + "/loginbyletterpost"
	signInCodePath    = account + "/logincode"
	signInCodePost    = account + "/logincodepost"
	newPasswordPath   = account + "/createpassword"
	newPasswordPost   = account + "/resetpasswordpost"
	objectionPath     = account + "/notme"
	objectionPost     = account + "/notmepost"
	editPath          = account + "/edit"
	editPost          = account + "/editpost"
	editEmailPath     = account + "/editemail"
	editEmailPost     = account + "/editemailpost"
	cancelEmailPost   = account + "/cancelemailpost"
	dataPath          = account + "/data"
	dataPost          = account + "/datapost"
	deletePath        = account + "/delete"
	deletePost        = account + "/deletepost"
	sessionsPost      = account + "/sessionspost"
	assetPrefix       = account + "/assets/" // below the path that a store's proxy hands over anyway
	changePasswordURL = "/.well-known/change-password"

	signInPasskeyPost = account + "/loginpasskeypost"
	passkeysPath      = account + "/passkeys"
	addPasskeyPath    = account + "/addpasskey"
	addPasskeyPost    = account + "/addpasskeypost"
	editPasskeyPath   = account + "/editpasskey"
	editPasskeyPost   = account + "/editpasskeypost"
	dropPasskeyPath   = account + "/removepasskey"
	dropPasskeyPost   = account + "/removepasskeypost"
	proofPath         = account + "/confirmidentity"
	proofPost         = account + "/confirmidentitypost"
	passkeyURLs       = "/.well-known/passkey-endpoints"
)

// Storefront serves the pages of all store views; the address of a request says which one.
type Storefront struct {
	Shop      *shop.Shop
	Customers *customer.Service
	SignIn    *signin.Service
	Recovery  *recovery.Service
	Puzzles   *puzzle.Service
	Connect   *token.OAuth2
	Log       *slog.Logger

	pages  *web.Pages
	assets *web.Assets
	routes map[string]map[string]route
}

// Prepare parses the pages. It fails on a broken template, so that the program does not start with one.
func (s *Storefront) Prepare() error {
	var err error
	if s.pages, s.assets, err = web.Furnish(files, assetPrefix); err != nil {
		return err
	}
	s.assets.Add(passkey.ScriptName, passkey.Script)
	s.routes = map[string]map[string]route{}
	for _, r := range routes {
		if s.routes[r.path] == nil {
			s.routes[r.path] = map[string]route{}
		}
		s.routes[r.path][r.method] = r
	}
	return nil
}

// route is one address and what answers it.
type route struct {
	method, path string
	handle       func(*call) error
	signedIn     bool // for customers who are signed in; others are sent to the sign-in page
}

var routes = []route{
	{"GET", "/", (*call).front, false},
	{"GET", changePasswordURL, (*call).changePassword, false},

	{"GET", signInPath, (*call).signInPage, false},
	{"POST", signInPost, (*call).signIn, false},
	{"GET", byLetterPath, (*call).byLetterPage, false},
	{"POST", byLetterPost, (*call).byLetter, false},
	{"GET", signInCodePath, (*call).signInCodePage, false},
	{"POST", signInCodePost, (*call).signInCode, false},
	{"GET", signOutPath, (*call).signOutPage, false},
	{"POST", signOutPath, (*call).signOut, false},

	{"GET", createPath, (*call).createPage, false},
	{"POST", createPost, (*call).create, false},
	{"GET", confirmPath, (*call).confirmPage, false},
	{"POST", confirmPost, (*call).confirm, false},

	{"GET", emailPath, (*call).emailPage, false},
	{"POST", emailPost, (*call).confirmEmail, false},

	{"GET", forgotPath, (*call).forgotPage, false},
	{"POST", forgotPost, (*call).forgot, false},
	{"GET", resetCodePath, (*call).resetCodePage, false},
	{"POST", resetCodePost, (*call).resetCode, false},
	{"GET", newPasswordPath, (*call).newPasswordPage, false},
	{"POST", newPasswordPost, (*call).newPassword, false},

	{"GET", objectionPath, (*call).objectionPage, false},
	{"POST", objectionPost, (*call).object, false},

	{"GET", account, (*call).accountPage, true},
	{"GET", editPath, (*call).editPage, true},
	{"POST", editPost, (*call).edit, true},
	{"GET", editEmailPath, (*call).editEmailPage, true},
	{"POST", editEmailPost, (*call).editEmail, true},
	{"POST", cancelEmailPost, (*call).cancelEmail, true},
	{"GET", dataPath, (*call).dataPage, true},
	{"POST", dataPost, (*call).data, true},
	{"GET", deletePath, (*call).deletePage, true},
	{"POST", deletePost, (*call).deleteAccount, true},
	{"POST", sessionsPost, (*call).endSessions, true},

	{"GET", passkeyURLs, (*call).passkeyEndpoints, false},
	{"POST", signInPasskeyPost, (*call).signInByPasskey, false},
	{"GET", passkeysPath, (*call).passkeysPage, true},
	{"GET", addPasskeyPath, (*call).addPasskeyPage, true},
	{"POST", addPasskeyPost, (*call).addPasskey, true},
	{"GET", editPasskeyPath, (*call).editPasskeyPage, true},
	{"POST", editPasskeyPost, (*call).editPasskey, true},
	{"GET", dropPasskeyPath, (*call).dropPasskeyPage, true},
	{"POST", dropPasskeyPost, (*call).dropPasskey, true},
	{"GET", proofPath, (*call).proofPage, true},
	{"POST", proofPost, (*call).prove, true},

	{"GET", authorizePath, (*call).authorize, false},
	{"GET", connectPath, (*call).connectPage, false},
	{"POST", connectPath, (*call).decide, false},
	{"POST", disconnectPost, (*call).disconnect, true},
	{"GET", logoutPath, (*call).endSessionPage, false},
	{"POST", logoutPath, (*call).endSession, false},
}

// aliases are further addresses that Adobe Commerce's themes link to.
var aliases = map[string]string{
	account + "/index":                signInPath, // goes on to the account page when signed in
	account + "/logoutsuccess":        signInPath,
	account + "/edit/changepass/1":    editPath,
	account + "/resetpassword":        newPasswordPath,
	"/customer":                       account,
	account + "/forgotpassword/index": forgotPath,
}

// ServeHTTP answers for all store views. A host that is none of theirs gets a plain 404.
func (s *Storefront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Storefront: s, w: w, r: r}
	door := web.Door{Log: s.Log, Fail: func(_ http.ResponseWriter, _ *http.Request, f web.Failure) { c.fail(f) }}
	door.Handle(func(http.ResponseWriter, *http.Request) error { return c.serve() }).ServeHTTP(w, r)
}

// Fail writes a failure in the look of the store view that the request belongs to; it is the web.Renderer for refusals of
// the stack around this door.
func (s *Storefront) Fail(w http.ResponseWriter, r *http.Request, f web.Failure) {
	c := &call{Storefront: s, w: w, r: r}
	_ = c.resolve() // without a view the page is plain
	c.fail(f)
}

// resolve finds the store view.
func (c *call) resolve() error {
	var err error
	if c.stores, err = c.Shop.Load(c.r.Context()); err != nil {
		return err
	}
	view, rest, ok := c.stores.ViewFor(c.r.Host, c.r.URL.Path)
	if !ok {
		return errUnknownHost
	}
	c.enter(view)
	rest, c.referer = cutReferer(rest)
	c.path = canonical(rest)
	c.typed = rest
	return nil
}

var errUnknownHost = &web.Refusal{Status: http.StatusNotFound, Key: "unknown_host",
	Text: "There is no store at this address. Verify the address and try again."}

// canonical is the one form of a path: lower-case, without a slash at the end, aliases resolved.
func canonical(path string) string {
	path = strings.ToLower(path)
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if to, ok := aliases[path]; ok {
		return to
	}
	return path
}

func (c *call) serve() error {
	if err := c.resolve(); err != nil {
		if to, ok := c.atRoot(); ok && err == errUnknownHost {
			c.found(to)
			return nil
		}
		return err
	}
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if name, ok := strings.CutPrefix(c.path, assetPrefix); ok && method == http.MethodGet {
		web.SetRoute(c.r, "GET "+assetPrefix)
		return c.asset(name)
	}
	known, ok := c.routes[c.path]
	if !ok {
		return web.NoSuchPage()
	}
	route, ok := known[method]
	if !ok {
		return web.WrongMethod(methods(known))
	}
	web.SetRoute(c.r, route.method+" "+route.path)
	if c.typed != c.path && method == http.MethodGet && !c.isLanding() {
		c.w.Header().Set("Location", c.view.Path(c.path)) // without the query: it may hold what must not be repeated
		c.w.WriteHeader(http.StatusPermanentRedirect)
		return nil
	}
	if route.signedIn {
		return c.asCustomer(route.handle)
	}
	return route.handle(c)
}

func methods(known map[string]route) string {
	switch _, get := known["GET"]; {
	case get && len(known) > 1:
		return "GET, HEAD, POST"
	case get:
		return "GET, HEAD"
	}
	return "POST"
}

// atRoot answers for the root of a host whose store views all have a path of their own: nobody has chosen a view yet, so
// here Accept-Language does.
func (c *call) atRoot() (to string, ok bool) {
	to, known := map[string]string{"/": signInPath, changePasswordURL: editPath, passkeyURLs: passkeyURLs}[c.r.URL.Path]
	if c.stores == nil || !known {
		return "", false
	}
	var views []*shop.View
	var locales []string
	for _, v := range c.stores.Views() {
		if at, _, ok := c.stores.ViewFor(c.r.Host, v.Path("/")); ok && at == v {
			views, locales = append(views, v), append(locales, v.Locale)
		}
	}
	if len(views) == 0 {
		return "", false
	}
	view := views[0]
	if i, ok := lang.Match(c.r.Header.Get("Accept-Language"), locales); ok {
		view = views[i]
	}
	return view.Path(to), true
}

// front is the root of a store view.
func (c *call) front() error {
	c.found(c.view.Path(signInPath))
	return nil
}

// changePassword is where password managers look (W3C, "A Well-Known URL for Changing Passwords").
func (c *call) changePassword() error {
	c.found(c.view.Path(editPath))
	return nil
}

// asCustomer runs a handler for the customer who is signed in, and sends others to the sign-in page.
func (c *call) asCustomer(handle func(*call) error) error {
	signed, err := c.who()
	if fault.Is(err, fault.Unauthenticated) {
		to := c.view.Path(signInPath)
		for next, path := range afterSignIn {
			if c.path == path {
				to += "?next=" + next
			}
		}
		for _, stale := range []string{sessionCookie, returnCookie} { // it is this page that is wanted now
			if !c.jar.Get(c.r, stale).IsEmpty() {
				c.jar.Drop(c.w, stale)
			}
		}
		c.jar.Tell(c.w, web.Notice{Key: "error.signin.required"})
		web.SeeOther(c.w, to)
		return nil
	}
	if err != nil {
		return err
	}
	c.signed = signed
	if err := c.stillMine(); err != nil {
		return err
	}
	return handle(c)
}
