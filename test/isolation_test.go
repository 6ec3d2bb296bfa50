package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rekeyhq/rekey/db"
)

// treasure is a living secret of the first website, and the slots in which it is good there.
type treasure struct {
	kind, value string
	at          []string
}

// slot is a place where a secret is shown: to the website of a host, by a request of its own.
type slot struct {
	name string
	show func(host, secret string) *http.Request
}

// TestNoSecretOfOneWebsiteWorksAtAnother shows every secret of one website in every place where the other takes one, and in
// every wrong place of its own. Each answer is the one to garbage of the same form; and afterwards each secret still works
// where it belongs, so that no refusal was luck.
func TestNoSecretOfOneWebsiteWorksAtAnother(t *testing.T) {
	eachArena(t, func(t *testing.T, a *arena) {
		a.unlimited()
		i := a.isolate()
		cells := 0
		for _, place := range i.slots {
			for _, host := range []string{luneHost, nordHost} {
				garbage := i.ask(place, host, strings.Repeat("g", 43))
				for _, secret := range i.treasures {
					if host == luneHost && slices.Contains(secret.at, place.name) {
						continue
					}
					cells++
					if diff := cmp.Diff(garbage, i.ask(place, host, secret.value)); diff != "" {
						t.Errorf("%s of %s, shown at %s as %s, is not answered as garbage (-garbage +secret):\n%s", secret.kind, luneHost, host, place.name, diff)
					}
				}
			}
		}
		t.Logf("%d cells", cells)
		i.clients(t)
		i.everythingStillWorks(t)
	})
}

// isolation is the house of two websites with the same customers' addresses in both, and everything that one can hold.
type isolation struct {
	*arena
	treasures  []treasure
	slots      []slot
	app, word  string // of the first website
	other, its string // the app of the other website, and its word
}

const forgetful, moving, arriving = "forgetful@example.com", "moving@example.com", "arriving@example.com"

func (a *arena) isolate() *isolation {
	a.t.Helper()
	i := &isolation{arena: a}
	a.administrator()
	for _, email := range []string{shopper, forgetful, moving} {
		a.customer(email, "Camille", "Durand", oldPassword)
		a.rekey(newPassword, "customer", "create", "--website", "nord", "--email", email, "--firstname", "Camille", "--lastname", "Durand", "--password-stdin")
	}
	i.app, i.word = a.app("--confidential")
	i.other, i.its = a.app("--confidential", "--website", "nord")
	a.set(map[string]string{"oauth/consumer/enable_integration_as_bearer": "1"})
	a.rekey("", "integration", "create", "--name", "ERP", "--resource", "customers.view")
	var program map[string]string
	if err := json.Unmarshal([]byte(a.rekey("", "integration", "activate", "ERP", "--json")), &program); err != nil {
		a.t.Fatal(err)
	}

	browser := a.signedIn(luneHost, shopper, oldPassword)
	grants := granted(a.asked(redeeming(luneHost, i.app, i.word, a.code(luneHost, i.app, shopper))))
	mover := a.signedIn(luneHost, moving, oldPassword)
	a.does(mover, "POST", "/customer/account/editemailpost", url.Values{"email": {"moved@example.com"}, "current_password": {oldPassword}})
	a.does(newGuest(luneHost), "POST", "/customer/account/createpost", url.Values{"firstname": {"Noor"}, "lastname": {"Haddad"}, "email": {arriving},
		"password": {oldPassword}, "password_confirmation": {oldPassword}})
	console := newGuest(luneHost)
	a.does(console, "POST", "/admin/login", url.Values{"username": {boss}, "password": {bossWord}})
	staff := a.does(newGuest(luneHost), "POST", "/rest/V1/integration/admin/token", map[string]string{"username": boss, "password": bossWord})
	text := func(got answer) string { return strings.Trim(strings.TrimSpace(got.body), `"`) }
	i.treasures = []treasure{
		{"a session", browser.cookies["rekey-session-base"], []string{"session", "session that acts"}},
		{"a link", a.link(forgetful, 1), []string{"link opened", "link followed", "new password", "new password by REST", "link checked by REST"}},
		{"a confirmation key", a.mailed(arriving, 1), []string{"key opened", "key followed", "registration", "registration by REST"}},
		{"a key of a new address", a.mailed("moved@example.com", 1), []string{"address opened", "address followed", "new address"}},
		{"a customer's token", text(a.tries(luneHost, shopper, oldPassword)), []string{"bearer", "bearer that acts", "GraphQL"}},
		{"an app's request", a.asks(browser, i.app), []string{"request", "consent"}},
		{"an app's code", a.code(luneHost, i.app, shopper), []string{"code"}},
		{"an access token", grants.Access, []string{"bearer", "bearer that acts", "GraphQL", "userinfo", "introspection", "revocation"}},
		{"a refresh token", grants.Refresh, []string{"refresh", "introspection", "revocation"}},
		// Staff and programs of the store are no website's: these are good at both, and tested by the routes of console and api.
		{"an administrator's session", console.cookies["rekey-session-admin"], []string{"console"}},
		{"an administrator's token", text(staff), []string{"staff"}},
		{"an integration's token", program["access_token"], []string{"staff"}},
		{"an app's word", i.word, nil},
		{"an integration's word", program["consumer_secret"], nil},
	}
	for _, secret := range i.treasures {
		if len(secret.value) < 20 {
			a.t.Fatalf("%s is %q", secret.kind, secret.value)
		}
	}
	i.slots = i.places()
	return i
}

func (i *isolation) places() []slot {
	cookie := func(name, method, path string, body any) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			g := newGuest(host)
			for _, site := range []string{"base", "nord", "admin"} { // whatever the website calls it
				g.cookies["rekey-"+name+"-"+site] = secret
			}
			return g.request(method, path, body)
		}
	}
	bearer := func(method, path string, body any, header ...string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			g := newGuest(host)
			g.bearer = secret
			r := g.request(method, path, body)
			for n := 0; n+1 < len(header); n += 2 {
				r.Header.Set(header[n], header[n+1])
			}
			return r
		}
	}
	address := func(format string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			return newGuest(host).request("GET", fmt.Sprintf(format, secret), nil)
		}
	}
	rest := func(method, path string, body func(secret string) map[string]string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request { return newGuest(host).request(method, path, body(secret)) }
	}
	oauth := func(path string, fields ...string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			app, word := i.app, i.word
			if host == nordHost {
				app, word = i.other, i.its
			}
			form := url.Values{}
			for n := 0; n+1 < len(fields); n += 2 {
				form.Set(fields[n], strings.ReplaceAll(fields[n+1], "SECRET", secret))
			}
			r := newGuest(host).request("POST", path, form)
			r.SetBasicAuth(app, word)
			return r
		}
	}
	passwords := url.Values{"password": {"stolen-anyway-1"}, "password_confirmation": {"stolen-anyway-1"}}
	me := map[string]string{"query": "{ customer { email } }"}
	shown := map[string]string{luneHost: i.signedIn(luneHost, shopper, oldPassword).cookies["rekey-session-base"],
		nordHost: i.signedIn(nordHost, shopper, newPassword).cookies["rekey-session-nord"]}
	asSignedIn := func(method, path string, body func(secret string) any) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			g := newGuest(host)
			g.cookies["rekey-session-base"], g.cookies["rekey-session-nord"] = shown[host], shown[host]
			if body == nil {
				return g.request(method, path+url.QueryEscape(secret), nil)
			}
			return g.request(method, path, body(secret))
		}
	}
	return []slot{
		{"session", cookie("session", "GET", "/customer/account", nil)},
		{"session that acts", cookie("session", "POST", "/customer/account/sessionspost", url.Values{"end": {"others"}})},
		{"link opened", address("/customer/account/createpassword?token=%s")},
		{"link followed", cookie("link", "GET", "/customer/account/createpassword", nil)},
		{"new password", cookie("link", "POST", "/customer/account/resetpasswordpost", passwords)},
		{"new password by REST", rest("POST", "/rest/V1/customers/resetPassword", func(secret string) map[string]string {
			return map[string]string{"email": "", "resetToken": secret, "newPassword": "stolen-anyway-1"}
		})},
		{"link checked by REST", address("/rest/V1/customers/1/password/resetLinkToken/%s")},
		{"key opened", address("/customer/account/confirm?token=%s")},
		{"key followed", cookie("confirmation", "GET", "/customer/account/confirm", nil)},
		{"registration", cookie("confirmation", "POST", "/customer/account/confirmpost", url.Values{"password": {oldPassword}})},
		{"registration by REST", rest("PUT", "/rest/V1/customers/me/activate", func(secret string) map[string]string {
			return map[string]string{"confirmationKey": secret, "password": oldPassword}
		})},
		{"address opened", address("/customer/account/confirmemail?token=%s")},
		{"address followed", cookie("email", "GET", "/customer/account/confirmemail", nil)},
		{"new address", cookie("email", "POST", "/customer/account/confirmemailpost", url.Values{})},
		{"bearer", bearer("GET", "/rest/V1/customers/me", nil)},
		{"bearer that acts", bearer("PUT", "/rest/V1/customers/me/password", map[string]string{"currentPassword": "no-such-1", "newPassword": "stolen-anyway-1"})},
		{"bearer of another store code", bearer("GET", "/rest/nord/V1/customers/me", nil)},
		{"GraphQL", bearer("POST", "/graphql", me)},
		{"GraphQL of another store", bearer("POST", "/graphql", me, "Store", "nord")},
		{"request", asSignedIn("GET", "/customer/account/connect?request=", nil)},
		{"consent", asSignedIn("POST", "/customer/account/connect", func(secret string) any { return decision(secret) })},
		{"code", oauth("/oauth2/token", "grant_type", "authorization_code", "code", "SECRET", "redirect_uri", appBack, "code_verifier", proofKey)},
		{"refresh", oauth("/oauth2/token", "grant_type", "refresh_token", "refresh_token", "SECRET")},
		{"userinfo", bearer("GET", "/oauth2/userinfo", nil)},
		{"introspection", oauth("/oauth2/introspect", "token", "SECRET")},
		{"revocation", oauth("/oauth2/revoke", "token", "SECRET")},
	}
}

var (
	formKey   = regexp.MustCompile(`name="form_key" value="[^"]*"`)
	requestID = regexp.MustCompile(`\b[a-z2-7]{26}\b`)
)

// sight is all of an answer that could tell one from another.
type sight struct {
	Status int
	Header http.Header
	Body   string
}

// ask shows a secret in a slot and gives what can be seen, without what is random in every answer and without the secret.
func (i *isolation) ask(s slot, host, secret string) sight {
	i.t.Helper()
	got := i.asked(s.show(host, secret))
	plain := func(text string) string {
		text = strings.ReplaceAll(text, url.QueryEscape(secret), "SECRET")
		return requestID.ReplaceAllString(formKey.ReplaceAllString(text, "FORM KEY"), "REQUEST")
	}
	h := http.Header{}
	for name, values := range got.header {
		if name == "Date" || name == "X-Request-Id" || name == "Content-Length" {
			continue
		}
		for _, v := range values {
			if cookie, rest, ok := strings.Cut(v, "="); name == "Set-Cookie" && ok {
				_, attributes, _ := strings.Cut(rest, ";")
				v = cookie + ";" + attributes
			}
			h.Add(name, plain(v))
		}
	}
	return sight{got.status, h, plain(got.body)}
}

// clients holds that an app of one website is nobody at another.
func (i *isolation) clients(t *testing.T) {
	t.Helper()
	ask := func(app string) slot {
		return slot{"an app", func(host, _ string) *http.Request {
			q := url.Values{"client_id": {app}, "redirect_uri": {appBack}, "response_type": {"code"}, "scope": {"openid"}}
			return newGuest(host).request("GET", "/oauth2/authorize?"+q.Encode(), nil)
		}}
	}
	redeem := func(app, word string) slot {
		return slot{"an app's word", func(host, _ string) *http.Request { return refreshing(host, app, word, strings.Repeat("g", 43)) }}
	}
	unknown := strings.Repeat("0", len(i.app))
	for what, pair := range map[string][2]slot{
		"authorizing": {ask(unknown), ask(i.app)},
		"redeeming":   {redeem(unknown, i.word), redeem(i.app, i.word)},
	} {
		if diff := cmp.Diff(i.ask(pair[0], nordHost, "none"), i.ask(pair[1], nordHost, "none")); diff != "" {
			t.Errorf("%s as an app of %s at %s differs (-unknown +known):\n%s", what, luneHost, nordHost, diff)
		}
	}
	for host, word := range map[string]string{luneHost: newPassword, nordHost: oldPassword} {
		if got, wrong := i.tries(host, shopper, word), i.tries(host, shopper, "no-such-1"); got.status != http.StatusUnauthorized || got.body != wrong.body {
			t.Errorf("the password of the other website gives %d at %s", got.status, host)
		}
	}
}

// everythingStillWorks uses each secret where it belongs. What ends others comes last.
func (i *isolation) everythingStillWorks(t *testing.T) {
	t.Helper()
	value := map[string]string{}
	for _, s := range i.treasures {
		value[s.kind] = s.value
	}
	ask := func(place, secret string) answer {
		n := slices.IndexFunc(i.slots, func(s slot) bool { return s.name == place })
		return i.asked(i.slots[n].show(luneHost, secret))
	}
	for _, r := range []struct{ place, kind, holds string }{
		{"session", "a session", shopper},
		{"bearer", "a customer's token", shopper},
		{"GraphQL", "a customer's token", shopper},
		{"request", "an app's request", "Lune App"},
		{"code", "an app's code", "access_token"},
		{"userinfo", "an access token", "sub"},
		{"introspection", "an access token", `"active":true`},
		{"refresh", "a refresh token", "refresh_token"},
		{"key followed", "a confirmation key", arriving},
		{"registration by REST", "a confirmation key", arriving},
		{"address followed", "a key of a new address", "moved@example.com"},
		{"link followed", "a link", "Set a New Password"},
		{"new password by REST", "a link", "true"},
	} {
		if got := ask(r.place, value[r.kind]); got.status != http.StatusOK || !strings.Contains(got.body, r.holds) {
			t.Errorf("%s does not work where it belongs, as %s: %d %.300s", r.kind, r.place, got.status, got.body)
		}
	}
	if got := ask("new address", value["a key of a new address"]); got.header.Get("Location") != "/customer/account/login" {
		t.Errorf("a key of a new address gives %d", got.status)
	}
	for kind, path := range map[string]string{"an administrator's token": "/rest/V1/customers/1", "an integration's token": "/rest/V1/customers/1"} {
		g := newGuest(luneHost)
		g.bearer = value[kind]
		if got := i.does(g, "GET", path, nil); got.status != http.StatusOK {
			t.Errorf("%s gives %d", kind, got.status)
		}
	}
	g := newGuest(luneHost)
	g.cookies["rekey-session-admin"] = value["an administrator's session"]
	if got := i.does(g, "GET", "/admin/customers", nil); got.status != http.StatusOK {
		t.Errorf("the console gives %d", got.status)
	}
	i.tables(func(ctx context.Context, tx *db.Tx) error {
		var n int
		err := tx.Row(ctx, `SELECT COUNT(*) FROM customers c JOIN websites w ON w.id = c.website_id WHERE w.code = 'nord'`).Scan(&n)
		if err == nil && n != 3 {
			t.Errorf("the other website has %d customers now", n)
		}
		return err
	})
	for _, email := range []string{shopper, forgetful, moving} {
		if got := i.tries(nordHost, email, newPassword); got.status != http.StatusOK {
			t.Errorf("%s cannot sign in to the other website any more", email)
		}
	}
}
