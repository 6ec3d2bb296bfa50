// Package console is the administrators' door: customers and what can be done for them, settings, letters, the audit.
//
// Promises:
//   - Each address demands a right, and its handler gets the permit for it from the one place that asks (call.serve). A
//     page leaves out what its reader may not do; the use case refuses it all the same.
//   - An administrator of one website cannot name what belongs to another: the answer is the one for what does not exist.
//   - GET shows, POST acts. A POST answers 303 with a notice, or 422 with the form, what was typed and the reasons;
//     one that makes a secret answers with the page that shows it, this once, because a redirect would have to carry it.
//   - No page holds a link, a password or the content of a letter, so nobody at a desk can take an account over.
//   - The address of the grid holds its whole state. Every page can be used without a script.
//
// It speaks English, to the store's staff. What it says of acts, letters and outcomes stands in the files words_*.go, by
// stable keys, so that a catalogue can take their place.
package console

import (
	"embed"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
	"github.com/rekeyhq/rekey/webhook"
)

//go:embed all:pages assets
var files embed.FS

// Root is where the console lives; it answers for Root and everything below.
const Root = "/admin"

const (
	loginPath     = Root + "/login"
	logoutPath    = Root + "/logout"
	customersPath = Root + "/customers"
	configPath    = Root + "/configuration"
	lettersPath   = Root + "/letters"
	auditPath     = Root + "/audit"
	storesPath    = Root + "/stores"
	adminsPath    = Root + "/administrators"
	holdersPath   = Root + "/integrations"
	webhooksPath  = Root + "/webhooks"
	incidentsPath = Root + "/incidents"
	assetPrefix   = Root + "/assets/"
)

// Console serves the administrators' pages.
type Console struct {
	DB        *db.DB
	Shop      *shop.Shop
	Admins    *admin.Service
	SignIn    *signin.Service
	Tokens    *token.Service
	Recovery  *recovery.Service
	Webhooks  *webhook.Service
	Incidents *incident.Service
	Log       *slog.Logger

	pages  *web.Pages
	assets *web.Assets
	mux    *http.ServeMux
	lang   *lang.Lang
}

// Prepare parses the pages and lays out the addresses. It fails on a broken template, so that the program does not start
// with one.
func (s *Console) Prepare() error {
	var err error
	if s.pages, s.assets, err = web.Furnish(files, assetPrefix); err != nil {
		return err
	}
	s.assets.Add(passkey.ScriptName, passkey.Script)
	s.lang = lang.For(lang.English)
	s.mux = http.NewServeMux()
	for _, r := range table() {
		s.mux.Handle(r.method+" "+r.path, s.answer(r))
	}
	for _, rest := range []string{Root, Root + "/"} {
		s.mux.Handle(rest, s.answer(route{open: true, handle: (*call).elsewhere}))
	}
	return nil
}

// ServeHTTP answers for Root and everything below it.
func (s *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Fail writes a failure in the console's look; it is the web.Renderer for refusals of the stack around this door.
func (s *Console) Fail(w http.ResponseWriter, r *http.Request, f web.Failure) {
	(&call{Console: s, w: w, r: r, jar: jar(r)}).fail(f)
}

// route is one address and what answers it.
type route struct {
	method, path string
	right        admin.Right // what the permit is for; "" for what every administrator may
	handle       func(*call) error
	open         bool // also for who is not signed in
	own          bool // about the administrators themselves: also for who must set up a second factor first
}

// table is every route of the console.
func table() []route { return slices.Concat(routes(), clientRoutes(), incidentRoutes()) }

func routes() []route {
	one, letter, hook := customersPath+"/{id}", lettersPath+"/{id}", webhooksPath+"/{id}"
	site, view := storesPath+"/websites", storesPath+"/views"
	program, colleague := holdersPath+"/{id}", adminsPath+"/{id}"
	return []route{
		{method: "GET", path: assetPrefix + "{name}", handle: (*call).asset, open: true},
		{method: "GET", path: loginPath, handle: (*call).signInPage, open: true},
		{method: "POST", path: loginPath, handle: (*call).signIn, open: true},
		{method: "GET", path: codePath, handle: (*call).codePage, open: true},
		{method: "POST", path: codePath, handle: (*call).giveCode, open: true},
		{method: "POST", path: codeByKey, handle: (*call).givePasskey, open: true},
		{method: "GET", path: forgotPath, handle: (*call).forgotPage, open: true},
		{method: "POST", path: forgotPath, handle: (*call).forgot, open: true},
		{method: "GET", path: newPasswordPath, handle: (*call).newPasswordPage, open: true},
		{method: "POST", path: newPasswordPath, handle: (*call).newPassword, open: true},
		{method: "GET", path: newAddressPath, handle: (*call).newAddressPage, open: true},
		{method: "POST", path: newAddressPath, handle: (*call).newAddress, open: true},
		{method: "POST", path: logoutPath, handle: (*call).signOut, open: true},
		{method: "GET", path: accountPath, handle: (*call).account, own: true},
		{method: "POST", path: accountPath + "/password", handle: (*call).changeOwnPassword, own: true},
		{method: "POST", path: factorPath, handle: (*call).enrol, own: true},
		{method: "GET", path: factorPath, handle: (*call).enrolPage, own: true},
		{method: "GET", path: factorPath + "/picture", handle: (*call).enrolPicture, own: true},
		{method: "POST", path: factorPath + "/confirm", handle: (*call).confirmFactor, own: true},
		{method: "POST", path: factorPath + "/remove", handle: (*call).removeFactor, own: true},
		{method: "POST", path: passkeysPath + "/begin", handle: (*call).beginPasskey, own: true},
		{method: "GET", path: passkeysPath + "/new", handle: (*call).newPasskeyPage, own: true},
		{method: "POST", path: passkeysPath, handle: (*call).addPasskey, own: true},
		{method: "GET", path: passkeysPath + "/{id}/remove", handle: (*call).removePasskeyPage, own: true},
		{method: "POST", path: passkeysPath + "/{id}/remove", handle: (*call).removePasskey, own: true},
		{method: "GET", path: Root, handle: (*call).front},
		{method: "GET", path: Root + "/{$}", handle: (*call).front},

		{method: "GET", path: customersPath, right: admin.ViewCustomers, handle: (*call).customers},
		{method: "GET", path: one, right: admin.ViewCustomers, handle: (*call).customer},
		{method: "POST", path: one + "/reset-password", right: admin.ResetPassword, handle: (*call).resetPassword},
		{method: "GET", path: one + "/force-sign-in", right: admin.ForceSignIn, handle: (*call).forcePage},
		{method: "POST", path: one + "/force-sign-in", right: admin.ForceSignIn, handle: (*call).force},
		{method: "POST", path: one + "/unlock", right: admin.UnlockCustomer, handle: (*call).unlock},
		{method: "GET", path: one + "/passkeys/{passkey}/remove", right: admin.RemovePasskeys, handle: (*call).takePasskeyPage},
		{method: "POST", path: one + "/passkeys/{passkey}/remove", right: admin.RemovePasskeys, handle: (*call).takePasskey},

		{method: "GET", path: configPath, right: admin.ViewSettings, handle: (*call).configuration},
		{method: "POST", path: configPath, right: admin.EditSettings, handle: (*call).configure},

		{method: "GET", path: storesPath, right: admin.ViewSettings, handle: (*call).stores},
		{method: "GET", path: site + "/new", right: admin.EditStores, handle: (*call).newWebsite},
		{method: "POST", path: site, right: admin.EditStores, handle: (*call).createWebsite},
		{method: "GET", path: site + "/{id}", right: admin.EditStores, handle: (*call).editWebsite},
		{method: "POST", path: site + "/{id}", right: admin.EditStores, handle: (*call).saveWebsite},
		{method: "GET", path: view + "/new", right: admin.EditStores, handle: (*call).newView},
		{method: "POST", path: view, right: admin.EditStores, handle: (*call).createView},
		{method: "GET", path: view + "/{id}", right: admin.EditStores, handle: (*call).editView},
		{method: "POST", path: view + "/{id}", right: admin.EditStores, handle: (*call).saveView},

		{method: "GET", path: lettersPath, right: admin.ViewLetters, handle: (*call).letters},
		{method: "GET", path: letter, right: admin.ViewLetters, handle: (*call).letter},
		{method: "POST", path: lettersPath + "/retry", right: admin.ResendEmails, handle: (*call).retryLetters},
		{method: "POST", path: letter + "/retry", right: admin.ResendEmails, handle: (*call).retryLetter},
		{method: "GET", path: auditPath, right: admin.ViewAudit, handle: (*call).audit},

		{method: "GET", path: adminsPath, right: admin.ManageAdmins, handle: (*call).administrators},
		{method: "GET", path: adminsPath + "/new", right: admin.ManageAdmins, handle: (*call).newAdministrator},
		{method: "POST", path: adminsPath, right: admin.ManageAdmins, handle: (*call).createAdministrator},
		{method: "GET", path: colleague, right: admin.ManageAdmins, handle: (*call).administrator},
		{method: "POST", path: colleague, right: admin.ManageAdmins, handle: (*call).saveAdministrator},
		{method: "POST", path: colleague + "/address", right: admin.ManageAdmins, handle: (*call).askAddress},
		{method: "POST", path: colleague + "/disable", right: admin.ManageAdmins, handle: (*call).disableAdministrator},
		{method: "POST", path: colleague + "/enable", right: admin.ManageAdmins, handle: (*call).enableAdministrator},
		{method: "POST", path: colleague + "/end-sessions", right: admin.ManageAdmins, handle: (*call).endAdministrator},
		{method: "GET", path: colleague + "/delete", right: admin.ManageAdmins, handle: (*call).deleteAdministratorPage},
		{method: "POST", path: colleague + "/delete", right: admin.ManageAdmins, handle: (*call).deleteAdministrator},
		{method: "POST", path: colleague + "/reset-factors", right: admin.ManageAdmins, handle: (*call).resetFactors},
		{method: "GET", path: webhooksPath, right: webhook.Right, handle: (*call).webhooks},
		{method: "GET", path: newWebhookPath, right: webhook.Right, handle: (*call).newWebhook},
		{method: "POST", path: webhooksPath, right: webhook.Right, handle: (*call).createWebhook},
		{method: "GET", path: hook, right: webhook.Right, handle: (*call).webhook},
		{method: "POST", path: hook + "/enable", right: webhook.Right, handle: (*call).enableWebhook},
		{method: "POST", path: hook + "/disable", right: webhook.Right, handle: (*call).disableWebhook},
		{method: "GET", path: hook + "/delete", right: webhook.Right, handle: (*call).deleteWebhookPage},
		{method: "POST", path: hook + "/delete", right: webhook.Right, handle: (*call).deleteWebhook},
		{method: "POST", path: hook + "/deliveries/{delivery}/replay", right: webhook.Right, handle: (*call).replayEvent},
		{method: "GET", path: holdersPath, right: admin.ManagePrograms, handle: (*call).integrations},
		{method: "GET", path: holdersPath + "/new", right: admin.ManagePrograms, handle: (*call).newIntegration},
		{method: "POST", path: holdersPath, right: admin.ManagePrograms, handle: (*call).createIntegration},
		{method: "GET", path: program, right: admin.ManagePrograms, handle: (*call).integration},
		{method: "GET", path: program + "/activate", right: admin.ManagePrograms, handle: (*call).activatePage},
		{method: "POST", path: program + "/activate", right: admin.ManagePrograms, handle: (*call).activate},
		{method: "GET", path: program + "/delete", right: admin.ManagePrograms, handle: (*call).deletePage},
		{method: "POST", path: program + "/delete", right: admin.ManagePrograms, handle: (*call).deleteIntegration},
		{method: "GET", path: program + "/edit", right: admin.ManagePrograms, handle: (*call).editIntegration},
		{method: "POST", path: program + "/edit", right: admin.ManagePrograms, handle: (*call).changeIntegration},
	}
}

// answer makes the handler of one address.
func (s *Console) answer(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Console: s, w: w, r: r, jar: jar(r)}
		door := web.Door{Log: s.Log, Fail: func(_ http.ResponseWriter, _ *http.Request, f web.Failure) { c.fail(f) }}
		door.Handle(func(http.ResponseWriter, *http.Request) error { return c.serve(rt) }).ServeHTTP(w, r)
	})
}

// serve finds out who asks and gives the handler the permit that its address demands.
func (c *call) serve(rt route) error {
	if rt.open {
		return rt.handle(c)
	}
	err := c.enter()
	if fault.Is(err, fault.Unauthenticated) {
		return c.toSignIn()
	}
	if err != nil {
		return err
	}
	if c.who.MustEnrol && !rt.own {
		return c.done(accountPath, web.Notice{Key: "factor.required", Bad: true})
	}
	if rt.right != "" {
		if c.permit, err = admin.Allow(c.who, rt.right); err != nil {
			return err
		}
	}
	return rt.handle(c)
}

// elsewhere answers what no route does: an address that exists for other methods, or none at all.
func (c *call) elsewhere() error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := c.r.Clone(c.r.Context())
		other.Method = method
		if _, pattern := c.mux.Handler(other); pattern != Root && pattern != Root+"/" {
			allow = append(allow, method)
		}
	}
	if len(allow) > 0 {
		return web.WrongMethod(strings.Replace(strings.Join(allow, ", "), "GET", "GET, HEAD", 1))
	}
	return c.serve(route{handle: func(*call) error { return web.NoSuchPage() }})
}

// front leads to the first page.
func (c *call) front() error {
	c.w.Header().Set("Location", customersPath)
	c.w.WriteHeader(http.StatusFound)
	return nil
}

func (c *call) asset() error { return c.assets.Serve(c.w, c.r, c.r.URL.Path) }
