package storefront_test

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/token"
)

const appBack = "https://app.example/back"

// app registers an app of Maison Lune.
func (s *street) app() token.Client {
	s.t.Helper()
	made, _, err := (&token.Service{DB: s.db, Shop: s.shop}).CreateClient(s.t.Context(), admin.CommandLine(admin.ManagePrograms), token.NewClient{WebsiteID: 1, Name: "Lune <App>",
		RedirectURIs: []string{appBack}, LogoutURIs: []string{"https://app.example/bye"}}, audit.Origin{})
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

func authorizeURL(clientID, redirect string, pairs ...string) string {
	q := url.Values{"client_id": {clientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "state": {"s1"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(secret.Digest(secret.NewText(strings.Repeat("v", 43))))},
		"code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/oauth2/authorize?" + q.Encode()
}

var hiddenField = regexp.MustCompile(`name="(request|next)" value="([^"]*)"`)

func (a answer) hidden(t *testing.T) string {
	t.Helper()
	m := hiddenField.FindStringSubmatch(a.Body)
	if m == nil {
		t.Fatalf("no hidden field:\n%d %s", a.Code, a.words())
	}
	return html.UnescapeString(m[2])
}

// The journey of a customer whom an app sends: sign in, look, allow, go back, disconnect.
func TestACustomerConnectsAndDisconnectsAnApp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		app := s.app()
		s.customer("camille@example.com", "first-secret-7")
		b := s.browser(lune)
		a := b.get(authorizeURL(app.ClientID, appBack))
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Location, "/customer/account/connect?request=") {
			t.Fatalf("authorize: %d %s", a.Code, a.Location)
		}
		if a = b.get(a.Location); a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Location, "/customer/account/login?next=connect.") {
			t.Fatalf("not signed in: %d %s", a.Code, a.Location)
		}
		next := b.get(a.Location).hidden(t)
		a = b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "wrong-secret", "next", next)
		if a.Code != http.StatusUnprocessableEntity || a.hidden(t) != next {
			t.Errorf("a wrong password forgets where to go on: %d", a.Code)
		}
		a = b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "first-secret-7", "next", next)
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Location, "/customer/account/connect?request=") {
			t.Fatalf("signed in: %d %s", a.Code, a.Location)
		}
		a = b.get(a.Location)
		a.says(t, "Connect Lune <App>", "your email address", "camille@example.com", "app.example", "Allow", "Do not allow")
		if a.Code != 200 || strings.Contains(a.Body, "<App>") || strings.Contains(a.Body, "your name") {
			t.Errorf("the page of consent: %d\n%s", a.Code, a.Body)
		}
		if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example") {
			t.Errorf("the form cannot end at the app: %s", policy)
		}
		request := a.hidden(t)
		if a = b.post("/customer/account/connect", "request", request); !strings.HasPrefix(a.Location, "/customer/account/connect?") {
			t.Errorf("an empty form decided: %s", a.Location)
		}
		a = b.post("/customer/account/connect", "request", request, "decision", "allow")
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Location, appBack+"?code=") || !strings.Contains(a.Location, "iss="+url.QueryEscape(lune)) {
			t.Fatalf("allowed: %d %s", a.Code, a.Location)
		}
		if a = b.post("/customer/account/connect", "request", request, "decision", "allow"); a.Code != http.StatusGone {
			t.Errorf("allowed twice: %d %s", a.Code, a.Location)
		}
		a = b.get("/customer/account")
		a.says(t, "Connected Apps", "Lune <App>", "Disconnect")
		id := regexp.MustCompile(`name="app" value="(\d+)"`).FindStringSubmatch(a.Body)
		if id == nil {
			t.Fatal("no button disconnects the app")
		}
		if a = b.post("/customer/account/disconnectpost", "app", id[1]); a.Code != http.StatusSeeOther {
			t.Errorf("disconnecting: %d", a.Code)
		}
		a = b.get("/customer/account")
		a.says(t, "The app was disconnected.")
		if strings.Contains(a.Body, "Connected Apps") {
			t.Error("the app is still connected")
		}
	})
}

// Promise: a request that cannot be trusted leads nowhere.
func TestNoRequestRedirectsToAStranger(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		app := s.app()
		s.customer("camille@example.com", "first-secret-7")
		b := s.browser(lune)
		for _, address := range []string{
			authorizeURL(app.ClientID, appBack+"/more"), authorizeURL(app.ClientID, "https://app.example:444/back"), authorizeURL(app.ClientID, "https://app.example/BACK"),
			authorizeURL(app.ClientID, appBack+"?x=1"), authorizeURL(app.ClientID, appBack+"#x"), authorizeURL("app_nobody", appBack),
			authorizeURL(app.ClientID, appBack) + "&redirect_uri=https://evil.example", authorizeURL(app.ClientID, appBack) + "&client_id=other",
			"/oauth2/authorize", "/oauth2/authorize?%zz",
			"/oauth2/logout?post_logout_redirect_uri=https://evil.example", "/oauth2/logout?post_logout_redirect_uri=https://app.example/bye",
			"/oauth2/logout?id_token_hint=x.y.z&post_logout_redirect_uri=https://app.example/bye",
		} {
			if a := b.get(address); a.Code != http.StatusBadRequest || a.Location != "" {
				t.Errorf("%s: %d %s", address, a.Code, a.Location)
			}
		}
		for _, next := range []string{"connect.https://evil.example", "connect.//evil.example", "https://evil.example", "connect."} {
			a := b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "first-secret-7", "next", next)
			if a.Location != "/customer/account" {
				t.Errorf("next %q leads to %s", next, a.Location)
			}
		}
		if a := b.get("/customer/account/connect?request=" + secret.Random().Reveal()); a.Code != http.StatusGone {
			t.Errorf("an unknown request: %d", a.Code)
		}
		a := b.get(authorizeURL(app.ClientID, appBack, "prompt", "none"))
		if !strings.HasPrefix(a.Location, appBack+"?") || !strings.Contains(a.Location, "error=consent_required") {
			t.Errorf("prompt=none of a customer who is signed in: %s", a.Location)
		}
		foreign := s.browser(nord)
		if a := foreign.get(authorizeURL(app.ClientID, appBack)); a.Code != http.StatusBadRequest {
			t.Errorf("at another store: %d %s", a.Code, a.Location)
		}
	})
}

func TestAnAppCanSignItsCustomerOut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		app := s.app()
		s.customer("camille@example.com", "first-secret-7")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-secret-7")
		address := "/oauth2/logout?" + url.Values{"client_id": {app.ClientID}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"s2"}}.Encode()
		if a := b.get(address); a.Code != 200 || !b.signedIn() {
			t.Fatalf("looking signs out: %d", a.Code)
		}
		if a := b.post("/oauth2/logout", "client_id", app.ClientID, "post_logout_redirect_uri", "https://evil.example"); a.Code != http.StatusBadRequest || !b.signedIn() {
			t.Errorf("to a stranger: %d %s", a.Code, a.Location)
		}
		a := b.post("/oauth2/logout", "client_id", app.ClientID, "post_logout_redirect_uri", "https://app.example/bye", "state", "s2")
		if a.Code != http.StatusSeeOther || a.Location != "https://app.example/bye?state=s2" || b.signedIn() {
			t.Errorf("signed out: %d %s", a.Code, a.Location)
		}
		if a = b.get(address); a.Location != "https://app.example/bye?state=s2" {
			t.Errorf("nobody is signed in: %d %s", a.Code, a.Location)
		}
	})
}

// Promise: consent is given in the browser in which the app began, by the customer whom the page names, to the app that it names.
func TestConsentBelongsToItsBrowserAndItsCustomer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		app := s.app()
		for _, email := range pair {
			s.customer(email, "first-secret-7")
		}
		stranger, b := s.browser(lune), s.browser(lune)
		lure := stranger.get(authorizeURL(app.ClientID, appBack, "state", "strangers")).Location
		b.signIn(pair[0], "first-secret-7")
		for _, a := range []answer{b.get(lure), b.post("/customer/account/connect", "request", lure[strings.Index(lure, "=")+1:], "decision", "allow")} {
			if a.Code != http.StatusConflict || a.Location != "" || !strings.Contains(a.words(), "start again in this browser") {
				t.Errorf("what began in another browser is answered %d %s", a.Code, a.words())
			}
		}

		first, second := b.get(authorizeURL(app.ClientID, appBack, "state", "one")).Location, b.get(authorizeURL(app.ClientID, appBack, "state", "two")).Location
		older, newer := b.get(first), b.get(second)
		forms := map[string]answer{"one": older, "two": newer}
		b.signIn(pair[1], "first-secret-7")
		for state, page := range forms {
			a := b.post("/customer/account/connect", "request", page.hidden(t), "shown_for", shownFor.FindStringSubmatch(page.Body)[1], "decision", "allow")
			if a.Code != http.StatusConflict || a.Location != "" {
				t.Fatalf("allowed by another customer than the page %s named: %d %s", state, a.Code, a.Location)
			}
			a.says(t, "Look whose account it is now.", pair[1])
			forms[state] = a
		}
		for state, page := range forms {
			mixed := map[string]string{"one": "two", "two": "one"}[state]
			if a := b.post("/customer/account/connect", "request", page.hidden(t), "shown_for", shownFor.FindStringSubmatch(forms[mixed].Body)[1], "decision", "allow"); a.Location != "" {
				t.Errorf("allowed with the other page's word: %s", a.Location)
			}
		}
		for state, page := range forms {
			a := b.post("/customer/account/connect", "request", page.hidden(t), "shown_for", shownFor.FindStringSubmatch(page.Body)[1], "decision", "allow")
			if a.Code != http.StatusSeeOther || !strings.Contains(a.Location, "state="+state) {
				t.Errorf("tab %s is answered %d %s", state, a.Code, a.Location)
			}
		}
	})
}
