package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// programStorefrontScenes are the shoppers' pages that another program leads to.
var programStorefrontScenes = []scene{
	{"connect", func(st *stage, b *tab) { st.askToConnect(b) }},
	{"connect-sign-in", func(st *stage, b *tab) { b.expect(http.StatusOK, b.visit(st.appAsks(b.t))) }},
	{"connect-refused", func(st *stage, b *tab) {
		b.expect(http.StatusBadRequest, b.visit(st.front+"/oauth2/authorize?client_id=nobody&redirect_uri=https://app.example/"))
	}},
	{"account-connected", func(st *stage, b *tab) {
		st.askToConnect(b)
		b.allow()
		b.expect(http.StatusOK, b.visit(st.front+"/customer/account"))
	}},
	{"new-address", func(st *stage, b *tab) { b.expect(http.StatusOK, b.visit(st.addressLink(b.t))) }},
	{"new-address-expired", func(st *stage, b *tab) {
		b.expect(http.StatusGone, b.visit(st.front+accounts+"confirmemail?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
	}},
}

// programConsoleScenes are the administrators' pages about programs, and the description that programs are written by.
var programConsoleScenes = []scene{
	{"integrations", func(st *stage, b *tab) { st.open(b, "/admin/integrations") }},
	{"new-integration", func(st *stage, b *tab) { st.open(b, "/admin/integrations/new") }},
	{"new-integration-refused", func(st *stage, b *tab) {
		st.open(b, "/admin/integrations/new")
		b.expect(http.StatusUnprocessableEntity, b.send("name", "Atelier POS", "callback_url", "atelier.example", "current_password", st.adminPW))
	}},
	{"integration-new", func(st *stage, b *tab) { st.newIntegration(b) }},
	{"activate", func(st *stage, b *tab) { st.newIntegration(b); b.expect(http.StatusOK, b.press("Activate")) }},
	{"integration-secrets", func(st *stage, b *tab) { st.activate(b) }},
	{"integration", func(st *stage, b *tab) { st.activate(b); b.expect(http.StatusOK, b.press("Done")) }},
	{"reauthorize", func(st *stage, b *tab) {
		st.activate(b)
		b.press("Done")
		b.expect(http.StatusOK, b.press("Reauthorize"))
	}},
	{"delete-integration", func(st *stage, b *tab) { st.newIntegration(b); b.expect(http.StatusOK, b.press("Delete")) }},
	{"apps", func(st *stage, b *tab) { st.appAsks(b.t); st.open(b, "/admin/clients") }},
	{"new-app", func(st *stage, b *tab) { st.open(b, "/admin/clients/new") }},
	{"new-app-refused", func(st *stage, b *tab) {
		st.open(b, "/admin/clients/new")
		b.expect(http.StatusUnprocessableEntity, b.send("name", "", "redirect_uris", "app.example"))
	}},
	{"app-made", func(st *stage, b *tab) {
		st.open(b, "/admin/clients/new")
		b.choose("Kind", "Confidential, on a server")
		b.expect(http.StatusOK, b.send("name", "Lune Gazette", "redirect_uris", "https://gazette.maison-lune.example/signed-in"))
		b.see("Client secret")
	}},
	{"delete-app", func(st *stage, b *tab) {
		st.appAsks(b.t)
		st.open(b, "/admin/clients")
		b.expect(http.StatusOK, b.press("Delete Lune Journal"))
	}},
	{"webhooks", func(st *stage, b *tab) { st.newWebhook(b); st.open(b, "/admin/webhooks") }},
	{"new-webhook", func(st *stage, b *tab) { st.open(b, "/admin/webhooks/new") }},
	{"new-webhook-refused", func(st *stage, b *tab) {
		st.open(b, "/admin/webhooks/new")
		script[any](b, `document.querySelectorAll('input[type=checkbox]').forEach(e => e.checked = false)`)
		b.expect(http.StatusUnprocessableEntity, b.send("url", "erp.example"))
	}},
	{"webhook-made", func(st *stage, b *tab) { st.newWebhook(b) }},
	{"webhook-quiet", func(st *stage, b *tab) { st.newWebhook(b); b.expect(http.StatusOK, b.press("Done")) }},
	{"webhook", func(st *stage, b *tab) { st.deliveries(b) }},
	{"delete-webhook", func(st *stage, b *tab) {
		st.newWebhook(b)
		b.press("Done")
		b.expect(http.StatusOK, b.press("Delete"))
	}},
	{"web-api", func(st *stage, b *tab) { b.expect(http.StatusOK, b.visit(st.console+"/rest/docs")) }},
}

// allStorefrontScenes and allConsoleScenes are every page.
func allStorefrontScenes() []scene {
	return slices.Concat(storefrontScenes, accountScenes, programStorefrontScenes, objectionScenes, protectionScenes)
}
func allConsoleScenes() []scene {
	return slices.Concat(consoleScenes, programConsoleScenes, incidentScenes, []scene{underAttackScene})
}

// listener is a program elsewhere that has nothing to say.
func listener(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("Received.")) }))
	t.Cleanup(s.Close)
	return s.URL
}

// appAsks is where an app that is registered for this scene sends a customer's browser.
func (st *stage) appAsks(t *testing.T) string {
	t.Helper()
	back := listener(t) + "/back"
	var made struct {
		ID string `json:"client_id"`
	}
	out := st.rekey(t, "oauth-client", "create", "--website", "base", "--name", "Lune Journal", "--redirect-uri", back, "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.rekey(t, "oauth-client", "delete", made.ID) })
	return st.front + "/oauth2/authorize?" + url.Values{"client_id": {made.ID}, "redirect_uri": {back}, "response_type": {"code"},
		"scope": {"openid profile email offline_access"}, "code_challenge_method": {"S256"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "prompt": {"consent"}}.Encode() // of RFC 7636, appendix B
}

// askToConnect leaves the tab where a customer decides about an app.
func (st *stage) askToConnect(b *tab) {
	b.t.Helper()
	b.visit(st.appAsks(b.t))
	b.expect(http.StatusOK, b.send("login[username]", st.email, "login[password]", st.word))
	b.see("Lune Journal", st.email)
}

// allow says yes, whatever the page's language, and waits for the app's own page.
func (b *tab) allow() {
	b.t.Helper()
	b.press(script[string](b, `document.querySelector('button[value=allow]').innerText`))
	b.see("Received.")
}

// addressLink is the link of the letter that asks whether the customer's new address is theirs.
func (st *stage) addressLink(t *testing.T) string {
	t.Helper()
	say := func(path, bearer string, body any) (answer string) {
		text, _ := json.Marshal(body)
		r, err := http.NewRequest(http.MethodPost, st.console+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(a.Body); err != nil || a.StatusCode != http.StatusOK || strings.Contains(b.String(), `"errors"`) {
			t.Fatalf("%s answers %d: %s", path, a.StatusCode, &b)
		}
		return b.String()
	}
	bearer := strings.Trim(strings.TrimSpace(say("/rest/V1/integration/customer/token", "", map[string]string{"username": st.email, "password": st.word})), `"`)
	const other = "camille.lindqvist@maison-lune.example"
	text := st.letter(t, other, func() {
		say("/graphql", bearer, map[string]string{"query": fmt.Sprintf(`mutation { updateCustomerEmail(email: %q, password: %q) { customer { email } } }`, other, st.word)})
	})
	token := regexp.MustCompile(`confirmemail\?token=[A-Za-z0-9_-]+`).FindString(text)
	if token == "" {
		t.Fatalf("the letter has no link:\n%s", text)
	}
	return st.front + accounts + token
}

// newIntegration makes one and leaves the tab on its page.
func (st *stage) newIntegration(b *tab) {
	b.t.Helper()
	st.open(b, "/admin/integrations/new")
	b.tick("View and search customers")
	b.tick("Force sign-in (revoke tokens)")
	name := fmt.Sprintf("Atelier Till %s", strings.ReplaceAll(b.t.Name()[strings.LastIndexByte(b.t.Name(), '/')+1:], "-", " "))
	b.expect(http.StatusOK, b.send("name", name, "email", "till@atelier.example", "current_password", st.adminPW))
	b.see("Activate")
}

// activate makes an integration and leaves the tab where its secrets are shown.
func (st *stage) activate(b *tab) {
	b.t.Helper()
	st.newIntegration(b)
	b.press("Activate")
	b.expect(http.StatusOK, b.press("Allow"))
	b.see("Consumer secret")
}

// newWebhook makes one and leaves the tab where its secret is shown.
func (st *stage) newWebhook(b *tab) (receiver string) {
	b.t.Helper()
	st.rekey(b.t, "config", "set", "webhooks/delivery/allow_private_addresses", "1") // our receivers are on this machine
	st.open(b, "/admin/webhooks/new")
	receiver = listener(b.t) + "/rekey/events"
	b.expect(http.StatusCreated, b.send("url", receiver))
	return receiver
}

// deliveries makes a webhook, lets things happen that it is told of, and leaves the tab on its page.
func (st *stage) deliveries(b *tab) {
	b.t.Helper()
	st.newWebhook(b)
	b.press("Done")
	page := b.address().String()
	st.link(b.t)
	b.do(eventually(delivery, func() error { b.visit(page); return b.shows("Handed over") }))
}
