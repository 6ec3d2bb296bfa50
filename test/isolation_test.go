package test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/test/fixture"
)

// treasure is a living secret of the first website, and the slots in which it is good there.
type treasure struct {
	kind, value string
	at          []string
}

// garbage has the form of the secret.
func (s treasure) garbage() string {
	if aCode.MatchString(s.value) {
		return "GGGG-GGGG"
	}
	return strings.Repeat("g", len(s.value))
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
				garbage := map[string]sight{}
				for _, secret := range i.treasures {
					if host == luneHost && slices.Contains(secret.at, place.name) {
						continue
					}
					cells++
					form := secret.garbage()
					if _, asked := garbage[form]; !asked {
						garbage[form] = i.ask(place, host, form)
					}
					if diff := cmp.Diff(garbage[form], i.ask(place, host, secret.value)); diff != "" {
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

	codes          map[string]string // that were mailed, by what for
	connecting     map[string]string // the cookies of the browser in which the app's request was begun
	asking         map[string]string // the cookies of the browser that asked for them, and was asked for a passkey
	phone, another *fixture.Device   // with the shopper's passkey at the first website, and with none yet
	questions      []question
}

const (
	forgetful, moving, arriving = "forgetful@example.com", "moving@example.com", "arriving@example.com"
	typing, objecting           = "typing@example.com", "objecting@example.com"
)

// known are the customers of both websites.
var known = []string{shopper, forgetful, moving, typing, objecting}

func (a *arena) isolate() *isolation {
	a.t.Helper()
	i := &isolation{arena: a}
	a.administrator()
	for _, email := range known {
		a.customer(email, "Camille", "Durand", oldPassword)
		a.rekey(newPassword, "customer", "create", "--website", "nord", "--email", email, "--firstname", "Camille", "--lastname", "Durand", "--password-stdin")
	}
	a.rekey("", "store-view", "create", "--website", "nord", "--code", "nord_here", "--name", "Nordlicht", "--locale", "en_US",
		"--base-url", "http://"+luneHost+"/nord", "--dev", "--sender-name", "Nordlicht", "--sender-email", "hello@nord.example")
	i.app, i.word = a.app("--confidential")
	i.other, i.its = a.app("--confidential", "--website", "nord")
	a.set(map[string]string{"oauth/consumer/enable_integration_as_bearer": "1", "customer/signin_by_letter/enabled": "1"})
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
	i.asksForCodes()
	i.passkeys(browser)
	i.connecting = browser.cookies
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
		{"a link to object", i.objection(), []string{"objection opened", "objection followed", "objection"}},
		{"the code of a link", i.codes["reset"], []string{"code of a link"}},
		{"the browser that asked for a link", i.asking["rekey-ask-reset-base"], []string{"browser that asked for a link"}},
		{"a code to sign in", i.codes["signin"], []string{"code to sign in"}},
		{"the browser that asked for a code", i.asking["rekey-ask-signin-base"], []string{"browser that asked for a code"}},
		{"a passkey", passkeyID(i.phone), []string{"passkey"}},
		{"a question to sign in", i.questions[0].ticket, []string{"question to sign in"}},
		{"a question of who it is", i.questions[1].ticket, []string{"question of who it is"}},
		{"a question for a new passkey", i.questions[2].ticket, []string{"question for a new passkey"}},
		{"an app's word", i.word, nil},
		{"an integration's word", program["consumer_secret"], nil},
	}
	for _, secret := range i.treasures {
		if len(secret.value) < 20 && !aCode.MatchString(secret.value) {
			a.t.Fatalf("%s is %q", secret.kind, secret.value)
		}
	}
	i.slots = i.places()
	return i
}

// asksForCodes lets one browser ask for a link and for a code to sign in, and reads the codes of the letters.
func (i *isolation) asksForCodes() {
	i.t.Helper()
	g := newGuest(luneHost)
	i.codes = map[string]string{}
	for n, r := range []struct{ what, path string }{{"reset", "forgotpasswordpost"}, {"signin", "loginbyletterpost"}} {
		i.does(g, "POST", "/customer/account/"+r.path, url.Values{"email": {typing}})
		i.codes[r.what] = i.post.wait(typing, n+1).code()
	}
	i.asking = g.cookies
}

// objection is the secret of “It wasn't me” in a letter.
func (i *isolation) objection() string {
	i.t.Helper()
	i.link(objecting, 1)
	_, secret, _ := strings.Cut(i.post.wait(objecting, 1).notMe(), "token=")
	return secret
}

// passkeys gives the shopper of a browser a passkey, and leaves three questions open: to sign in, who it is, for a new passkey.
func (i *isolation) passkeys(browser *guest) {
	i.t.Helper()
	i.phone, i.another = fixture.NewDevice(i.t, luneHost, "http://"+luneHost), fixture.NewDevice(i.t, luneHost, "http://"+luneHost)
	first := i.question(browser, accounts+"addpasskey", addPasskey)
	got := i.does(browser, "POST", first.to, url.Values{"ticket": {first.ticket}, "name": {"Phone"}, "passkey": {i.phone.Make(first.options)}})
	if got.status != http.StatusSeeOther {
		i.t.Fatalf("adding a passkey gives %d", got.status)
	}
	asked := newGuest(luneHost)
	asked.cookies = i.asking
	i.questions = []question{i.question(asked, accounts+"login", accounts+"loginpasskeypost"), i.question(browser, accounts+"confirmidentity?next=edit", accounts+"confirmidentitypost"),
		i.question(browser, accounts+"addpasskey", addPasskey)}
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
		{"objection followed", "a link to object", "It Wasn"},
		{"link followed", "a link", "Set a New Password"},
		{"new password by REST", "a link", "true"},
	} {
		if got := ask(r.place, value[r.kind]); got.status != http.StatusOK || !strings.Contains(got.body, r.holds) {
			t.Errorf("%s does not work where it belongs, as %s: %d %.300s", r.kind, r.place, got.status, got.body)
		}
	}
	for _, r := range []struct{ place, kind, to string }{
		{"new address", "a key of a new address", "/login"},
		{"objection", "a link to object", "/notme"},
		{"code of a link", "the code of a link", "/createpassword"},
		{"browser that asked for a link", "the browser that asked for a link", "/createpassword"},
		{"code to sign in", "a code to sign in", ""},
		{"passkey", "a passkey", ""},
		{"question to sign in", "a question to sign in", ""},
		{"question of who it is", "a question of who it is", "/passkeys"},
		{"question for a new passkey", "a question for a new passkey", "/passkeys"},
	} {
		if got := ask(r.place, value[r.kind]); got.header.Get("Location") != "/customer/account"+r.to {
			t.Errorf("%s does not work where it belongs, as %s: %d %s", r.kind, r.place, got.status, got.header.Get("Location"))
		}
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
		if err == nil && n != len(known) {
			t.Errorf("the other website has %d customers now", n)
		}
		return err
	})
	for _, email := range known {
		if got := i.tries(nordHost, email, newPassword); got.status != http.StatusOK {
			t.Errorf("%s cannot sign in to the other website any more", email)
		}
	}
}
