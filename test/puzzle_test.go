package test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// The words of a protected form.
const (
	checked     = "This browser has been checked."
	unproven    = "We are receiving unusually many requests."
	onceWorked  = `new Promise(done => { const look = () => document.querySelector('input[name=altcha]')?.value ? done(true) : setTimeout(look, 50); look(); })`
	sendAtOnce  = `document.querySelector('form[action$=post]').submit()` // past the script that would hold the form
	loadedParts = `performance.getEntriesByType('resource').map(r => new URL(r.name).pathname.split('/').pop()).filter(n => /altcha|puzzle/.test(n)).join(' ')`
)

// underAttack floods a store whose protection looks out, from more networks than one, until it takes notice. Addresses are
// believed from the loopback, as from a proxy.
func underAttack(t *testing.T, engine string) *store {
	t.Helper()
	s := newStore(t, engine)
	s.node.stop()
	s.flags = append(s.flags, "--trusted-proxies", "127.0.0.0/8")
	s.node, s.url = s.serve("127.0.0.1:0")
	s.protection("auto")
	s.customer(shopper, "Camille", "Durand", oldPassword)
	s.rekey("", "config", "set", "customer/protection/max_resets", "5")
	calm := newTab(t, look{})
	calm.visit(s.page("forgotpassword"))
	if loaded := script[string](calm, loadedParts); loaded != "" {
		t.Errorf("in calm the page loads %s", loaded)
	}
	statuses := map[int]int{}
	for i := range 8 {
		statuses[s.flood(i)]++
	}
	if statuses[http.StatusSeeOther] != 6 || statuses[http.StatusUnprocessableEntity] != 2 {
		t.Fatalf("a flood of 8 with 5 allowed was answered %v; want the seventh to be asked for a proof", statuses)
	}
	return s
}

// flood is one request of an attacker's n-th machine.
func (s *store) flood(n int) int {
	s.t.Helper()
	body := url.Values{"email": {fmt.Sprintf("victim%d@example.net", n)}}.Encode()
	r, err := http.NewRequest(http.MethodPost, s.url+"/customer/account/forgotpasswordpost", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", n+1))
	answer, err := noRedirects.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

var noRedirects = &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// TestABrowserProvesWorkUnderAttack: what a shopper sees of a flood is a line that says that the browser has been checked.
func TestABrowserProvesWorkUnderAttack(t *testing.T) {
	beside(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		s := underAttack(t, engine)
		b := newTab(t, look{})
		b.visit(s.page("forgotpassword"))
		b.see(checked)
		b.fill("Email Address", shopper)
		answer := script[string](b, `new URLSearchParams(new FormData(document.querySelector('form[action$=post]'))).toString()`)
		b.press("Reset My Password")
		b.see(neutral)
		if l := s.post.wait(shopper, 1); l.link() == "" {
			t.Error("the letter holds no link")
		}

		// The same answer a second time, and by somebody else: what was typed stays, and the reason is plain.
		answer = strings.Replace(answer, url.QueryEscape(shopper), url.QueryEscape("victim@example.net"), 1)
		if again := s.ask(http.MethodPost, "/customer/account/forgotpasswordpost", "", "application/x-www-form-urlencoded", answer); again.status != http.StatusUnprocessableEntity ||
			!strings.Contains(again.body, unproven) || !strings.Contains(again.body, `value="victim@example.net"`) {
			t.Errorf("the answer is taken twice: %d", again.status)
		}

		// Without an answer: refused, held against nobody, and mended by one press.
		b.visit(s.page("forgotpassword"))
		b.fill("Email Address", "somebody@example.com")
		script[any](b, sendAtOnce)
		b.see("There is a problem", unproven, checked)
		if typed := script[string](b, `document.getElementById('email').value`); typed != "somebody@example.com" {
			t.Errorf("what was typed is lost: %q", typed)
		}
		b.press("Reset My Password")
		b.see(neutral)

		// Whoever is faster than the work is held, not refused.
		s.rekey("", "config", "set", "customer/protection/difficulty", "heavy")
		b.visit(s.page("login"))
		if status := b.send("login[username]", shopper, "login[password]", oldPassword); status != http.StatusOK || b.address().Path != "/customer/account" {
			t.Errorf("signing in faster than the work: %d at %s", status, b.address().Path)
		}
		s.rekey("", "config", "set", "customer/protection/difficulty", "normal")

		// A form that was proved and not well filled in is mended without a second proof.
		fresh := newTab(t, look{})
		fresh.visit(s.page("create"))
		fresh.see(checked)
		if status := fresh.send("firstname", "Zoé", "lastname", "Martin", "email", "zoe@example.com", "password", "abc", "password_confirmation", "abc"); status != http.StatusUnprocessableEntity {
			t.Errorf("a short password: %d", status)
		}
		fresh.see("6 characters")
		if loaded := script[string](fresh, loadedParts); loaded != "" {
			t.Errorf("asked for a second proof: %s", loaded)
		}
		if status := fresh.send("password", newPassword, "password_confirmation", newPassword); status != http.StatusOK {
			t.Errorf("mended: %d", status)
		}
		fresh.see("zoe@example.com")
	})
}

// TestWaitingInsteadOfProving: without JavaScript a form can be sent after a while, and nothing has to be solved for it.
func TestWaitingInsteadOfProving(t *testing.T) {
	beside(t)
	s := underAttack(t, dbtest.SQLite)
	s.rekey("", "config", "set", "customer/protection/waiting_time", "4")
	b := newTab(t, look{noScript: true})
	b.visit(s.page("forgotpassword"))
	b.see(unproven, "You can send this form in 4 seconds.")
	b.fill("Email Address", shopper)
	if status := b.press("Reset My Password"); status != http.StatusUnprocessableEntity {
		t.Errorf("at once: %d", status)
	}
	b.see("There is a problem", unproven)
	for status := http.StatusUnprocessableEntity; status == http.StatusUnprocessableEntity; {
		status = b.press("Reset My Password") // an impatient shopper
	}
	b.see(neutral)
	s.post.wait(shopper, 1)
}

// TestAProtectedFormIsAccessible lets axe-core look at it while the browser works, when it is done, and when it was refused.
func TestAProtectedFormIsAccessible(t *testing.T) {
	core := needAxe(t)
	beside(t)
	s := underAttack(t, dbtest.SQLite)
	for _, page := range []string{"forgotpassword", "login", "create"} {
		b := newTab(t, look{})
		b.visit(s.page(page))
		b.inject(core)
		b.accessible(page)
		b.see(checked)
		b.accessible(page + ", done")
		b.wear(look{dark: true, width: narrow, height: 640})
		b.accessible(page + ", dark, on a phone")
		b.fits(page)
		script[any](b, sendAtOnce) // the answer is good; nothing is typed
		b.see("There is a problem")
		b.inject(core)
		b.accessible(page + ", refused")
	}
}

// TestTheConsoleSaysThatAWebsiteIsUnderAttack, and the audit and the metrics too.
func TestTheConsoleSaysThatAWebsiteIsUnderAttack(t *testing.T) {
	beside(t)
	s := underAttack(t, dbtest.SQLite)
	s.administrator()
	b := newTab(t, look{})
	b.visit(s.url + "/admin/login")
	b.send("username", boss, "password", bossWord)
	b.see("Unusually many password resets since", "shoppers are asked for a proof of work")
	b.visit(s.url + "/admin/audit")
	b.see("Attack noticed")
}
