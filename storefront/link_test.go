package storefront_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/storefront"
	"github.com/rekeyhq/rekey/web"
)

// behindLink is the form that a mailed link leads to, for two accounts.
type behindLink struct {
	post   string
	fields []string
	links  func(s *street) [2]string
	names  [2]string // what each page calls its account
	acted  func(s *street, which int) bool
}

var (
	pair      = [2]string{"camille@example.com", "zoe@example.com"}
	shownFor  = regexp.MustCompile(`name="shown_for" value="([^"]*)"`)
	behindAll = map[string]behindLink{
		newPage: {
			post: newPost, fields: []string{"password", "second-password", "password_confirmation", "second-password"},
			links: func(s *street) (links [2]string) {
				for i, email := range pair {
					s.customer(email, "first-password")
					s.browser(lune).post(forgotPost, "email", email)
					links[i] = s.link("forgot")
				}
				return links
			},
			names: [2]string{"c…e@example.com", "z…e@example.com"},
			acted: func(s *street, which int) bool { return s.opens(pair[which], "second-password") },
		},
		"/customer/account/confirm": {
			post: "/customer/account/confirmpost", fields: []string{"password", "some-password"},
			links: func(s *street) (links [2]string) {
				for i, email := range pair {
					register(s.browser(lune), email)
					links[i] = s.link("registration")
				}
				return links
			},
			names: pair, // the reader is asked whether it is theirs: each letter of it counts
			acted: func(s *street, which int) bool { return s.opens(pair[which], "some-password") },
		},
		newEmailPage: {
			post: newEmailPost,
			links: func(s *street) (links [2]string) {
				for i, email := range pair {
					b, c := s.browser(lune), s.customer(email, "first-password")
					b.signIn(c.Email, "first-password")
					b.post("/customer/account/editemailpost", "email", "new-"+email, "current_password", "first-password")
					links[i] = s.link(recovery.EmailChangeLetter)
				}
				return links
			},
			names: [2]string{"new-" + pair[0], "new-" + pair[1]},
			acted: func(s *street, which int) bool { return s.opens("new-"+pair[which], "first-password") },
		},
		notMePage: {
			post: notMePost,
			links: func(s *street) (links [2]string) {
				for i, email := range pair {
					s.customer(email, "first-password")
					s.browser(lune).post(forgotPost, "email", email)
					links[i] = s.notMe("forgot")
				}
				return links
			},
			names: [2]string{"c…e@example.com", "z…e@example.com"},
			acted: func(s *street, which int) bool { return s.objected(pair[which]) },
		},
	}
)

// opens tells whether a password signs in.
func (s *street) opens(email, password string) bool {
	return s.browser(lune).post("/customer/account/loginpost", "login[username]", email, "login[password]", password).Code == http.StatusSeeOther
}

// objected tells whether "It wasn't me" was said about an account.
func (s *street) objected(email string) bool {
	s.t.Helper()
	var n int
	err := s.db.Read(s.t.Context(), func(tx *db.Tx) error {
		return tx.Row(s.t.Context(), "SELECT COUNT(*) FROM objections o JOIN customers c ON c.id = o.customer_id WHERE c.email = $1 AND o.objected_at IS NOT NULL", email).Scan(&n)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n > 0
}

// opensLink opens a mailed link, and gives the page behind it with what its form carries.
func (b *browser) opensLink(link string) (page answer, shown string) {
	b.s.t.Helper()
	page = b.get(b.get(link).Location)
	m := shownFor.FindStringSubmatch(page.Body)
	if m == nil {
		b.s.t.Fatalf("the form does not say which link it is for: %d %s", page.Code, page.words())
	}
	return page, m[1]
}

// Promise: a form behind a link acts for the account that it shows, whatever the browser has opened since.
func TestAFormBehindALinkActsForItsOwnAccount(t *testing.T) {
	for landing := range storefront.Landings() {
		if _, ok := behindAll[landing]; !ok {
			t.Errorf("no test opens two links to %s in one browser", landing)
		}
	}
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		for landing, form := range behindAll {
			t.Run(landing, func(t *testing.T) {
				s := open(t, dbtest.Open(t, engine))
				links, b := form.links(s), s.browser(lune)
				var shown [2]string
				for i := range links {
					var page answer
					page, shown[i] = b.opensLink(links[i])
					page.says(t, form.names[i])
					if _, token, _ := strings.Cut(links[i], "token="); strings.Contains(page.Body, token) {
						t.Error("the page holds the link's secret")
					}
				}
				for what, said := range map[string][]string{"nothing": nil, "something else": {"shown_for", "AAAAAAAAAAAAAAAAAAAAAA"}} {
					if a := b.post(form.post, append(said, form.fields...)...); a.Code != http.StatusConflict || !strings.Contains(a.words(), "Open the link in the email once more.") {
						t.Errorf("a form that says %s answers %d: %s", what, a.Code, a.words())
					}
				}
				if form.acted(s, 0) || form.acted(s, 1) {
					t.Fatal("a form acted that says for no link")
				}
				if a := b.post(form.post, append([]string{"shown_for", shown[0]}, form.fields...)...); a.Code != http.StatusSeeOther {
					t.Fatalf("the older tab is answered %d: %s", a.Code, a.words())
				}
				if !form.acted(s, 0) || form.acted(s, 1) {
					t.Fatal("the older tab acted for the account of the other")
				}
				if a := b.post(form.post, append([]string{"shown_for", shown[0]}, form.fields...)...); a.Code == http.StatusOK || form.acted(s, 1) {
					t.Errorf("the older tab once more is answered %d", a.Code)
				}
				if a := b.post(form.post, append([]string{"shown_for", shown[1]}, form.fields...)...); a.Code != http.StatusSeeOther || !form.acted(s, 1) {
					t.Fatalf("the newer tab is answered %d: %s", a.Code, a.words())
				}
			})
		}
	})
}

// Promise: tabs do not take each other's links away, up to a number, and what is no link takes none away.
func TestABrowserKeepsSomeLinksSideBySide(t *testing.T) {
	s := open(t, dbtest.Open(t, dbtest.SQLite))
	b := s.browser(lune)
	var shown []string
	for i := range web.MaxOpened + 1 {
		email := string(rune('a'+i)) + "nna@example.com"
		s.customer(email, "first-password")
		s.browser(lune).post(forgotPost, "email", email)
		_, one := b.opensLink(s.link("forgot"))
		shown = append(shown, one)
	}
	for _, bad := range []string{"", "nonsense", strings.Repeat("A", 43)} {
		other := s.browser(lune)
		other.cookies = map[string]string{}
		for name, value := range b.cookies {
			other.cookies[name] = value
		}
		other.get(newPage + "?token=" + bad)
		if a := other.get(newPage); a.Code != http.StatusGone {
			t.Errorf("after the link %q the page answers %d", bad, a.Code)
		}
		if a := other.post(newPost, "shown_for", shown[3], "password", "abc", "password_confirmation", "abc"); a.Code != http.StatusUnprocessableEntity {
			t.Errorf("after the link %q the other tab is answered %d", bad, a.Code)
		}
	}
	if a := b.post(newPost, "shown_for", shown[0], "password", "second-password", "password_confirmation", "second-password"); a.Code != http.StatusConflict {
		t.Errorf("the oldest of too many is answered %d", a.Code)
	}
	for i, one := range shown[1:] {
		if a := b.post(newPost, "shown_for", one, "password", "second-password", "password_confirmation", "second-password"); a.Code != http.StatusSeeOther {
			t.Errorf("link %d is answered %d: %s", i+1, a.Code, a.words())
		}
	}
	if _, kept := b.cookies["__Host-rekey-link-base"]; kept {
		t.Error("the browser keeps links that are all used")
	}
}

// Promise: what a customer did not see is not done in their name: the forms of one account are not sent for another that signed in since.
func TestAFormOfOneCustomerIsNotSentForAnother(t *testing.T) {
	s := open(t, dbtest.Open(t, dbtest.SQLite))
	for _, email := range pair {
		s.customer(email, "first-password")
	}
	b := s.browser(lune)
	b.signIn(pair[0], "first-password")
	older := shownFor.FindStringSubmatch(b.get("/customer/account/edit").Body)
	if older == nil {
		t.Fatal("the form does not say whose it is")
	}
	b.signIn(pair[1], "first-password")
	if a := b.post(editPost, "shown_for", older[1], "firstname", "Camille", "lastname", "Durand"); a.Code != http.StatusConflict || !strings.Contains(a.words(), "Open the page again.") {
		t.Errorf("the older tab is answered %d: %s", a.Code, a.words())
	}
	if strings.Contains(b.get(accountPage).words(), "Durand") {
		t.Error("the name was given to the other account")
	}
	b.signIn(pair[0], "first-password") // the same customer, in another session
	if a := b.post(editPost, "shown_for", older[1], "firstname", "Camille", "lastname", "Durand"); a.Code != http.StatusSeeOther {
		t.Errorf("the customer's own tab is answered %d: %s", a.Code, a.words())
	}
}
