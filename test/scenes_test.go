package test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// stage is an installation with everything on it that pages can show.
type stage struct {
	front   string // base URL of the store view whose pages are shown
	console string // address in front of /admin
	email   string // a customer of that store view, with this password
	word    string
	admin   string // an administrator, with this password
	adminPW string
	link    func(t *testing.T) string // a fresh recovery link of the customer
	known   string                    // what to search for in the grid to find a customer with tokens and a history
	rekey   func(t *testing.T, args ...string) string
	letter  func(t *testing.T, to string, act func()) string // the text of the letter to an address that act causes
	later   func()                                           // another day has come: so many scenes are more sign-ins, and more objections, than one day may see
}

// scene is one page in one state.
type scene struct {
	name string
	show func(st *stage, b *tab)
}

const accounts = "/customer/account/"

// storefrontScenes are the shoppers' pages, empty, refused and full.
var storefrontScenes = []scene{
	{"sign-in", func(st *stage, b *tab) { b.visit(st.front + accounts + "login") }},
	{"sign-in-refused", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "login")
		b.expect(http.StatusUnprocessableEntity, b.send("login[username]", st.email, "login[password]", "wrong-word"))
	}},
	{"create", func(st *stage, b *tab) { b.visit(st.front + accounts + "create") }},
	{"create-refused", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "create")
		b.expect(http.StatusUnprocessableEntity, b.send("firstname", "", "lastname", "", "email", "camille@", "password", "abc"))
	}},
	{"create-answered", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "create")
		b.send("firstname", "Zoé", "lastname", "Lindqvist-Montgomery", "email", "zoe.lindqvist@example.com",
			"password", newPassword, "password_confirmation", newPassword)
	}},
	{"forgot", func(st *stage, b *tab) { b.visit(st.front + accounts + "forgotpassword") }},
	{"forgot-refused", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "forgotpassword")
		b.expect(http.StatusUnprocessableEntity, b.send("email", "camille@@example"))
	}},
	{"forgot-answered", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "forgotpassword")
		b.expect(http.StatusOK, b.send("email", "somebody.else@example.com"))
	}},
	{"reset-code", func(st *stage, b *tab) { b.visit(st.front + accounts + "resetcode") }},
	{"reset-code-refused", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "resetcode")
		b.expect(http.StatusUnprocessableEntity, b.send("code", "K7QM-3XTV"))
	}},
	{"by-letter", func(st *stage, b *tab) { b.visit(st.front + accounts + "loginbyletter") }},
	{"by-letter-answered", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "loginbyletter")
		b.expect(http.StatusOK, b.send("email", "somebody.else@example.com"))
	}},
	{"by-letter-refused", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "logincode")
		b.expect(http.StatusUnprocessableEntity, b.send("code", "K7QM-3XTV"))
	}},
	{"new-password", func(st *stage, b *tab) { b.visit(st.link(b.t)) }},
	{"new-password-refused", func(st *stage, b *tab) {
		b.visit(st.link(b.t))
		b.expect(http.StatusUnprocessableEntity, b.send("password", "abc", "password_confirmation", "abcd"))
	}},
	{"link-expired", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "createpassword?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	}},
	{"account", func(st *stage, b *tab) { st.signIn(b) }},
	{"edit", func(st *stage, b *tab) { st.signIn(b); b.visit(st.front + accounts + "edit") }},
	{"edit-refused", func(st *stage, b *tab) {
		st.signIn(b)
		b.visit(st.front + accounts + "edit")
		b.expect(http.StatusUnprocessableEntity, b.send("current_password", "wrong", "password", "abc", "password_confirmation", "abd"))
	}},
	{"not-found", func(st *stage, b *tab) { b.visit(st.front + accounts + "nowhere") }},
}

// consoleScenes are the administrators' pages.
var consoleScenes = []scene{
	{"console-sign-in", func(st *stage, b *tab) { b.visit(st.console + "/admin/login") }},
	{"console-sign-in-refused", func(st *stage, b *tab) {
		b.visit(st.console + "/admin/login")
		b.expect(http.StatusUnprocessableEntity, b.send("username", "nobody", "password", "wrong"))
	}},
	{"console-forgot", func(st *stage, b *tab) { b.visit(st.console + "/admin/login/forgot") }},
	{"console-link-expired", func(st *stage, b *tab) { b.visit(st.console + "/admin/login/new-password") }},
	{"console-new-password", func(st *stage, b *tab) { st.openAdminLink(b) }},
	{"customers", func(st *stage, b *tab) { st.open(b, "/admin/customers") }},
	{"customers-none", func(st *stage, b *tab) { st.open(b, "/admin/customers?q=nobody-has-this-name") }},
	{"customer", func(st *stage, b *tab) { st.openCustomer(b) }},
	{"force-sign-in", func(st *stage, b *tab) { st.openCustomer(b); b.click("Force Sign-In"); b.see("Cancel") }},
	{"configuration", func(st *stage, b *tab) { st.open(b, "/admin/configuration") }},
	{"letters", func(st *stage, b *tab) { st.open(b, "/admin/letters") }},
	{"audit", func(st *stage, b *tab) { st.open(b, "/admin/audit") }},
	{"stores", func(st *stage, b *tab) { st.open(b, "/admin/stores") }},
	{"new-store-view", func(st *stage, b *tab) {
		st.open(b, "/admin/stores")
		b.expect(http.StatusOK, b.visit(script[string](b, `document.querySelector('a[href*="/views/new"]').href`)))
	}},
	{"administrators", func(st *stage, b *tab) { st.open(b, "/admin/administrators") }},
	{"new-administrator", func(st *stage, b *tab) { st.open(b, "/admin/administrators/new") }},
	{"administrator", func(st *stage, b *tab) { st.openColleague(b, "") }},
	{"administrator-refused", func(st *stage, b *tab) {
		st.openColleague(b, "")
		b.expect(http.StatusUnprocessableEntity, b.send("email", "nobody"))
	}},
	{"delete-administrator", func(st *stage, b *tab) { st.openColleague(b, "/delete") }},
	{"console-address-expired", func(st *stage, b *tab) { b.visit(st.console + "/admin/login/new-address") }},
	{"console-not-found", func(st *stage, b *tab) { st.signInToConsole(b); b.visit(st.console + "/admin/nowhere") }},
}

// openColleague opens the page of the administrator who was made last, or one below it.
func (st *stage) openColleague(b *tab, below string) {
	b.t.Helper()
	st.open(b, "/admin/administrators")
	b.expect(http.StatusOK, b.visit(script[string](b, `[...document.querySelectorAll('td a[href*="/administrators/"]')].at(-1).href`)+below))
}

// expect ends the scene when it took a wrong turn.
func (b *tab) expect(want, got int) {
	b.t.Helper()
	if got != want {
		b.fatalf("the answer is %d, want %d", got, want)
	}
}

func (st *stage) signIn(b *tab) {
	b.t.Helper()
	b.visit(st.front + accounts + "login")
	b.expect(http.StatusOK, b.send("login[username]", st.email, "login[password]", st.word))
	if at := b.address().Path; at != "" && at[len(at)-len("/customer/account"):] != "/customer/account" {
		b.fatalf("signing in ended at %s", at)
	}
}

func (st *stage) signInToConsole(b *tab) {
	b.t.Helper()
	if st.later != nil {
		st.later()
	}
	b.visit(st.console + "/admin/login")
	if b.address().Path != "/admin/login" {
		return // signed in already
	}
	b.expect(http.StatusOK, b.send("username", st.admin, "password", st.adminPW))
}

// open shows a page of the console.
func (st *stage) open(b *tab, path string) {
	b.t.Helper()
	st.signInToConsole(b)
	b.expect(http.StatusOK, b.visit(st.console+path))
}

// openCustomer shows the page of the customer with a history.
func (st *stage) openCustomer(b *tab) {
	b.t.Helper()
	st.open(b, "/admin/customers?q="+st.known)
	b.press("Edit")
	b.see("Reset Password")
}

// newStage is a store of our own with one customer who has a session, a token, and a letter under way.
func newStage(t *testing.T, engine string, flags ...string) *stage {
	t.Helper()
	s := newStore(t, engine, flags...)
	s.atLocalhost()
	s.rekey("", "store-view", "create", "--website", "base", "--code", "fr", "--name", "Français", "--locale", "fr_FR", "--base-url", s.url+"/fr", "--dev",
		"--logo-text", "Maison Lune", "--sender-name", "Maison Lune", "--sender-email", "bonjour@lune.example")
	s.rekey("", "config", "set", "customer/password/min_time_between_password_reset_requests", "0")
	s.rekey("", "config", "set", "customer/password/max_number_password_reset_requests", "0")
	s.rekey("", "config", "set", "customer/password/max_requests_per_client", "0")
	s.rekey("", "config", "set", "customer/signin_by_letter/enabled", "1")
	s.customer(shopper, "Camille", "Durand", oldPassword)
	s.administrator()
	if _, status := s.token(shopper, oldPassword); status != http.StatusOK {
		t.Fatalf("a token was answered with %d", status)
	}
	return &stage{front: s.url, console: s.url, email: shopper, word: oldPassword, known: shopper,
		admin: boss, adminPW: bossWord,
		later: func() {
			s.tables(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "DELETE FROM limits")
				if err == nil {
					_, err = tx.Exec(ctx, "UPDATE objections SET objected_at = objected_at - $1", (24 * time.Hour).Microseconds())
				}
				return err
			})
		},
		rekey: func(_ *testing.T, args ...string) string { return s.rekey("", args...) },
		letter: func(_ *testing.T, to string, act func()) string {
			before := len(s.post.letters(to))
			act()
			return s.post.wait(to, before+1).text
		},
		link: func(t *testing.T) string {
			before := len(s.post.letters(shopper))
			if got := s.forgot(shopper).status; got != http.StatusSeeOther {
				t.Fatalf("asking for a link was answered with %d", got)
			}
			return s.post.wait(shopper, before+1).link()
		}}
}
