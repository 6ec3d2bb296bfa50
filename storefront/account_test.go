package storefront_test

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

const (
	accountPage  = "/customer/account"
	editPost     = "/customer/account/editpost"
	sessionsPost = "/customer/account/sessionspost"
	sessionName  = "__Host-rekey-session-base"
)

func TestSigningInMakesANewSession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.cookies[sessionName] = strings.Repeat("a", 43) // planted
		b.signIn("camille@example.com", "first-password")
		first := b.cookies[sessionName]
		if first == strings.Repeat("a", 43) {
			t.Fatal("a planted session was adopted")
		}
		b.signIn("camille@example.com", "first-password")
		old := s.browser(lune)
		old.cookies[sessionName] = first
		if old.signedIn() {
			t.Error("the session that signing in again replaced lives on")
		}
		if a := b.get(loginPage); a.Code != 303 || a.Location != accountPage {
			t.Errorf("the sign-in page answers a signed-in customer %d %s", a.Code, a.Location)
		}
	})
}

func TestSignOutEndsTheSessionOnTheServer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		kept := b.cookies[sessionName]
		b.get("/customer/account/logout").says(t, "You will be signed out of Maison Lune in this browser.")
		if !b.signedIn() {
			t.Fatal("GET signed out")
		}
		if a := b.post("/customer/account/logout"); a.Code != 303 || a.Location != loginPage {
			t.Errorf("signing out answers %d %s", a.Code, a.Location)
		}
		b.get(loginPage).says(t, "You are signed out.")
		b.cookies[sessionName] = kept
		if b.signedIn() {
			t.Error("the cookie still signs in")
		}
	})
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		here, phone, tablet := s.browser(luneFr), s.browser(luneFr), s.browser(luneFr)
		here.base = lune
		phone.header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36")
		for _, b := range []*browser{here, phone, tablet} {
			b.signIn("camille@example.com", "first-password")
		}
		here.get("/fr"+accountPage).says(t, "Chrome sur Android", "Ce navigateur", "Me déconnecter partout ailleurs")
		page := here.get(accountPage)
		page.says(t, "Camille Laurent", "camille@example.com", "Chrome on Android", "This browser", "192.0.2.x")
		ids := regexp.MustCompile(`name="end" value="([a-z0-9]{26})"`).FindAllStringSubmatch(page.Body, -1)
		if len(ids) != 2 {
			t.Fatalf("%d sessions can be ended", len(ids))
		}
		if a := here.post(sessionsPost, "end", ids[0][1]); a.Code != 303 || a.Location != accountPage {
			t.Errorf("ending one answers %d %s", a.Code, a.Location)
		}
		here.get(accountPage).says(t, "That browser has been signed out.")
		if phone.signedIn() == tablet.signedIn() {
			t.Error("exactly one of the two should be signed in")
		}
		stranger := s.browser(lune)
		s.customer("other@example.com", "first-password")
		stranger.signIn("other@example.com", "first-password")
		stranger.post(sessionsPost, "end", ids[1][1])
		if !phone.signedIn() && !tablet.signedIn() {
			t.Error("a stranger ended the session")
		}
		here.post(sessionsPost, "end", "others")
		if phone.signedIn() || tablet.signedIn() || !here.signedIn() {
			t.Error("all others should be signed out, and this one not")
		}
		here.get(accountPage).says(t, "You are not signed in anywhere else.")
		if a := here.post(sessionsPost, "end", "rubbish"); a.Code != http.StatusNotFound {
			t.Errorf("rubbish answers %d", a.Code)
		}
	})
}

// Whoever finds a browser signed in cannot lock the owner out of the others (R057).
func TestEndingOtherSessionsAsksWhoSitsThere(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		here, phone, tablet := s.browser(lune), s.browser(lune), s.browser(lune)
		for _, b := range []*browser{here, phone, tablet} {
			b.signIn("camille@example.com", "first-password")
		}
		id := regexp.MustCompile(`name="end" value="([a-z0-9]{26})"`).FindStringSubmatch(here.get(accountPage).Body)[1]
		for _, r := range [][3]string{{id, "Then the other browser is signed out.", "That browser has been signed out."},
			{"others", "Then all other browsers are signed out.", "You are signed out everywhere else."}} {
			end, asks, notice := r[0], r[1], r[2]
			clock.Advance(proofLife)
			both := phone.signedIn() && tablet.signedIn()
			a := here.post(sessionsPost, "end", end)
			if a.Code != 303 || a.Location != proofPage+"?next=end."+end {
				t.Fatalf("ending %s without a proof answers %d %s", end, a.Code, a.Location)
			}
			here.get(a.Location).says(t, "Confirm It Is You", asks)
			if a := here.post(proofPage+"post", "current_password", "guess", "next", "end."+end); a.Code != 422 {
				t.Errorf("a wrong password answers %d", a.Code)
			}
			if both && !(phone.signedIn() && tablet.signedIn()) {
				t.Errorf("ending %s needed no proof", end)
			}
			if a := here.post(proofPage+"post", "current_password", "first-password", "next", "end."+end); a.Code != 303 || a.Location != accountPage {
				t.Errorf("ending %s with the password answers %d %s", end, a.Code, a.Location)
			}
			here.get(accountPage).says(t, notice)
			if phone.signedIn() && tablet.signedIn() {
				t.Errorf("%s did not end", end)
			}
		}
		if phone.signedIn() || tablet.signedIn() || !here.signedIn() {
			t.Error("all others should be signed out, and this one not")
		}
		clock.Advance(proofLife)
		if a := here.post("/customer/account/logout"); a.Code != 303 || here.signedIn() {
			t.Error("signing out oneself should ask for nothing")
		}
	})
}

func TestChangingThePasswordNeedsTheCurrentOne(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		here, elsewhere := s.browser(lune), s.browser(lune)
		here.signIn("camille@example.com", "first-password")
		elsewhere.signIn("camille@example.com", "first-password")
		here.get("/customer/account/edit").says(t, "Change Password", "Current Password", `autocomplete="current-password"`, `autocomplete="new-password"`,
			`value="camille@example.com" autocomplete="username"`)
		wrong := here.post(editPost, "current_password", "guess", "password", "second-password", "password_confirmation", "second-password")
		if wrong.Code != 422 {
			t.Errorf("a wrong current password answers %d", wrong.Code)
		}
		wrong.says(t, `href="#current_password"`, "The password doesn't match this account")
		if !elsewhere.signedIn() {
			t.Error("a refused change ended sessions")
		}
		if a := here.post(editPost, "current_password", "first-password", "password", "second-password", "password_confirmation", "second-password"); a.Code != 303 || a.Location != accountPage {
			t.Fatalf("the change answers %d: %s", a.Code, a.words())
		}
		here.get(accountPage).says(t, "You updated your password.")
		if elsewhere.signedIn() {
			t.Error("the other browser is still signed in")
		}
	})
}

func TestTheNameIsSaved(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		b.post(editPost, "firstname", "", "lastname", "Durand").says(t, "Please enter your first name.", `value="Durand"`)
		// as Adobe Commerce's themes send it: the passwords empty
		if a := b.post(editPost, "firstname", "Camille", "lastname", "Durand", "current_password", "", "password", "", "password_confirmation", ""); a.Code != 303 {
			t.Errorf("saving answers %d", a.Code)
		}
		b.get(accountPage).says(t, "Camille Durand", "You saved the account information.")
	})
}

func TestWhoIsNotSignedInIsAskedTo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		if a := b.get(accountPage); a.Code != 303 || a.Location != loginPage {
			t.Errorf("%d %s", a.Code, a.Location)
		}
		if a := b.post(editPost, "firstname", "x"); a.Code != 303 || a.Location != loginPage {
			t.Errorf("%d %s", a.Code, a.Location)
		}
		edit := b.get("/customer/account/edit")
		b.get(edit.Location).says(t, "Please sign in to go on.", `name="next" value="edit"`)
		if a := b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "first-password", "next", "edit"); a.Location != "/customer/account/edit" {
			t.Errorf("after signing in: %s", a.Location)
		}
		other := s.browser(lune)
		if a := other.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "first-password", "next", "//evil.example"); a.Location != accountPage {
			t.Errorf("an address of the visitor's choice: %s", a.Location)
		}
	})
}

func TestASessionBelongsToItsWebsite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		elsewhere := s.browser(nord)
		elsewhere.cookies["__Host-rekey-session-nord"] = b.cookies[sessionName]
		if elsewhere.signedIn() {
			t.Error("a session of one website signs in to another")
		}
	})
}

func register(b *browser, email string) answer {
	return b.post("/customer/account/createpost", "firstname", "Léa", "lastname", "Martin", "email", email,
		"password", "some-password", "password_confirmation", "some-password")
}

func TestARegistrationIsFinishedByLetter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		b := s.browser(lune)
		if a := register(b, "lea@example.com"); a.Code != 303 || a.Location != loginPage {
			t.Fatalf("%d %s: %s", a.Code, a.Location, a.words())
		}
		b.get(loginPage).says(t, "We have sent an email to lea@example.com.")
		link := s.link("registration")
		for range 3 { // scanners
			s.browser(lune).get(link)
		}
		if a := b.get(link); a.Code != 303 || a.Location != "/customer/account/confirm" {
			t.Fatalf("the link answers %d %s", a.Code, a.Location)
		}
		page := b.get("/customer/account/confirm")
		page.says(t, "Hello Léa", "lea@example.com", "Finish Registration")
		if strings.Contains(page.Body, `type="password"`) {
			t.Error("the browser that registered is asked for the password")
		}
		if a := b.post("/customer/account/confirmpost"); a.Code != 303 || a.Location != accountPage {
			t.Fatalf("finishing answers %d: %s", a.Code, a.words())
		}
		b.get(accountPage).says(t, "Thank you for registering with Maison Lune.", "Léa Martin")
		b.get(link)
		if a := b.get("/customer/account/confirm"); a.Code != http.StatusGone {
			t.Errorf("the link works twice: %d", a.Code)
		}
	})
}

// Promise: a form that is sent twice, one after the other or at the same time, takes nothing away from the browser that sent it.
func TestARegistrationSentTwiceIsTheFirstOnes(t *testing.T) {
	for _, together := range []bool{false, true} {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			s := open(t, d)
			b := s.browser(lune)
			b.get("/customer/account/create")
			register(b, "lea@example.com")
			if together { // the second was sent before the first was answered
				n := len(b.cookies)
				maps.DeleteFunc(b.cookies, func(name, _ string) bool { return strings.Contains(name, "registration") })
				if len(b.cookies) != n-1 {
					t.Fatalf("the browser is known by none of %v", b.cookies)
				}
			}
			if a := register(b, "lea@example.com"); a.Code != 303 {
				t.Fatalf("%d: %s", a.Code, a.words())
			}
			b.get(s.link("registration"))
			if page := b.get("/customer/account/confirm"); page.Code != 200 || strings.Contains(page.Body, `type="password"`) {
				t.Errorf("together %v: the browser that registered is asked for the password (%d)", together, page.Code)
			}
			if a := b.post("/customer/account/confirmpost"); a.Code != 303 || a.Location != accountPage {
				t.Errorf("together %v: finishing answers %d: %s", together, a.Code, a.words())
			}
		})
	}
}

// TestOnlyWhoRegisteredFinishes: somebody registers with another's address, and its owner follows the letter.
func TestOnlyWhoRegisteredFinishes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		register(s.browser(lune), "lea@example.com")
		owner := s.browser(lune)
		owner.get(s.link("registration"))
		owner.get("/customer/account/confirm").says(t, `type="password"`, "enter the password that you chose", "create the account again")
		wrong := owner.post("/customer/account/confirmpost", "password", "guess")
		if wrong.Code != 422 {
			t.Errorf("a wrong password answers %d", wrong.Code)
		}
		wrong.says(t, `href="#password"`, "This is not the password that you chose when you registered.")
		if a := owner.post("/customer/account/confirmpost"); a.Code != 422 {
			t.Errorf("no password answers %d", a.Code)
		}
		if a := owner.post("/customer/account/confirmpost", "password", "some-password"); a.Code != 303 || a.Location != accountPage {
			t.Errorf("the right password answers %d", a.Code)
		}
	})
}

func TestTheStoreMaySignNewCustomersInAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.set(shop.RegistrationAnswer, shop.RegistrationImmediate)
		b := s.browser(lune)
		if a := register(b, "lea@example.com"); a.Code != 303 || a.Location != accountPage {
			t.Fatalf("%d %s: %s", a.Code, a.Location, a.words())
		}
		if !b.signedIn() {
			t.Error("the new customer is not signed in")
		}
		known := register(s.browser(lune), "lea@example.com")
		if known.Code != 422 {
			t.Errorf("a known address answers %d", known.Code)
		}
		known.says(t, "There is already an account with this email address.")
	})
}
