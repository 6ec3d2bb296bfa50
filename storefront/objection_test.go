package storefront_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
)

const (
	notMePage = "/customer/account/notme"
	notMePost = "/customer/account/notmepost"
)

// notMe writes all letters of a kind that wait and returns the link "It wasn't me" of the newest.
func (s *street) notMe(kind string) string {
	s.t.Helper()
	var queued []mail.Letter
	err := s.db.Read(s.t.Context(), func(tx *db.Tx) (err error) {
		queued, _, err = mail.List(s.t.Context(), tx, mail.Query{Kind: kind, Limit: 100})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, letter := range queued {
		content, err := s.letters[kind](s.t.Context(), letter)
		if err == nil && kind == recovery.ChangedLetter && content.Button != nil {
			return content.Button.URL.Reveal()
		}
		if err == nil && content.Object != nil {
			return content.Object.URL.Reveal()
		}
	}
	s.t.Fatalf("no letter of kind %q carries “It wasn't me”", kind)
	return ""
}

// Promise: opening spends nothing, one press does it, and the page says what was done.
func TestItWasntMe(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		owner := s.browser(lune)
		owner.signIn("camille@example.com", "first-password")
		s.browser(lune).post(forgotPost, "email", "camille@example.com") // by somebody else
		reset, link := s.link("forgot"), s.notMe("forgot")

		for range 5 { // scanners: every one a new browser, which opens and follows
			scanner := s.browser(lune)
			for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodOptions} {
				scanner.send(method, link, "")
				scanner.send(method, notMePage, "")
			}
		}
		if !owner.signedIn() {
			t.Fatal("opening the link ended a session")
		}
		if landed := owner.get(link); landed.Code != 303 || landed.Location != notMePage {
			t.Fatalf("the link answers %d %s", landed.Code, landed.Location)
		}
		page := owner.get(notMePage)
		page.says(t, "It Wasn't You?", "If somebody else asked for it, tell us here.", "For 1 hour nobody can have another link", "Your password stays as it is.", "It Wasn't Me")
		if _, token, _ := strings.Cut(link, "token="); strings.Contains(page.Body, token) || strings.Contains(page.Body, "camille@") || strings.Contains(page.Body, "checkbox") {
			t.Error("the page holds the secret, or the address, or wants more than one press:", page.words())
		}
		if a := owner.post(notMePost); a.Code != 303 || a.Location != notMePage {
			t.Fatalf("the button answers %d %s: %s", a.Code, a.Location, a.words())
		}
		for range 2 {
			owner.get(notMePage).says(t, "Thank You, It Is Stopped", "no longer work", "have been signed out", "Your password is as it was", "ends the wait for new links", "Sign In")
		}
		if owner.signedIn() {
			t.Error("a session lives")
		}
		b := s.browser(lune)
		b.get(reset)
		if a := b.get(newPage); a.Code != http.StatusGone {
			t.Errorf("the recovery link answers %d", a.Code)
		}
		owner.signIn("camille@example.com", "first-password")

		// A second press of the day wants a box, so that a program which presses buttons does nothing.
		owner.post("/customer/account/editpost", "current_password", "first-password", "password", "second-password", "password_confirmation", "second-password")
		b = s.browser(lune)
		b.get(s.notMe("password_changed"))
		b.get(notMePage).says(t, "has been changed", "The new password isn't mine: stop it now", "I am a person, and it wasn't me")
		refused := b.post(notMePost, "stop", "on")
		refused.says(t, "There is a problem", "Tick the box to show that you are a person.", `href="#sure"`, `aria-describedby="sure-hint sure-error"`)
		if refused.Code != http.StatusUnprocessableEntity || !owner.signedIn() {
			t.Errorf("without the box it answers %d, and the owner is signed in: %v", refused.Code, owner.signedIn())
		}
		if a := b.post(notMePost, "sure", "on", "stop", "on"); a.Code != 303 {
			t.Fatalf("with the box it answers %d: %s", a.Code, a.words())
		}
		b.get(notMePage).says(t, "The new password no longer works.", "Open the email that we have just sent you")
		if a := b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "second-password"); a.Code != http.StatusUnprocessableEntity {
			t.Errorf("the stopped password answers %d", a.Code)
		}
		b.get(s.link("secure_account"))
		if a := b.post(newPost, "password", "third-password", "password_confirmation", "third-password"); a.Code != 303 {
			t.Errorf("the way to another password answers %d: %s", a.Code, a.words())
		}
	})
}

// Promise: whatever is wrong with a link, the answer is the same; and what is over says so without a button.
func TestObjectionsThatAreNoneAnswerAlike(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		s.browser(lune).post(forgotPost, "email", "camille@example.com")
		link, reset := s.notMe("forgot"), s.link("forgot")
		_, secret, _ := strings.Cut(reset, "token=")
		for why, address := range map[string]string{
			"another website's": strings.Replace(link, lune, nord, 1), "unknown": lune + notMePage + "?token=" + strings.Repeat("a", 43),
			"cut short": link[:len(link)-5], "a recovery link's": lune + notMePage + "?token=" + secret, "empty": lune + notMePage + "?token=",
		} {
			b := s.browser(address[:strings.Index(address, "/customer")])
			b.get(address)
			page := b.get(notMePage)
			page.says(t, "This Link No Longer Works", "Such a link works for seven days", "Forgot Your Password?")
			if a := b.post(notMePost, "sure", "on"); page.Code != http.StatusGone || a.Code != http.StatusGone || a.words() != page.words() {
				t.Errorf("%s: %d and %d, %s", why, page.Code, a.Code, a.words())
			}
		}
		foreign := s.browser(lune)
		foreign.get(link)
		foreign.header.Set("Sec-Fetch-Site", "cross-site")
		if a := foreign.post(notMePost); a.Code != http.StatusForbidden {
			t.Errorf("another site's form answers %d", a.Code)
		}
		b := s.browser(luneFr) // the page in the other language of the website
		b.get(strings.Replace(link, lune, luneFr, 1))
		b.get("/fr"+notMePage).says(t, "Ce n’était pas vous", "Votre mot de passe reste inchangé.")

		owner := s.browser(lune)
		owner.signIn("camille@example.com", "first-password")
		owner.post("/customer/account/editpost", "current_password", "first-password", "password", "second-password", "password_confirmation", "second-password")
		b = s.browser(lune)
		b.get(link)
		over := b.get(notMePage)
		over.says(t, "Nothing Is Left to Stop", "Nothing has been changed now.")
		if strings.Contains(over.Body, "<button") {
			t.Error("there is a button that does nothing")
		}
		b.post(notMePost, "sure", "on")
		if !owner.signedIn() {
			t.Error("a letter whose time is over signed the owner out")
		}
	})
}
