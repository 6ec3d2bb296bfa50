package test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// aCode is how letters write a code.
var aCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b`)

// code is what the letter says to type; both twins must say it, and nothing else like it. The subject is for everybody to see.
func (l letter) code() string {
	l.t.Helper()
	inText, inHTML := aCode.FindAllString(l.text, -1), aCode.FindAllString(l.html, -1)
	if len(inText) != 1 || len(inHTML) != 1 || inText[0] != inHTML[0] {
		l.t.Fatalf("the letter %q has the codes %v and %v:\n%s", l.subject, inText, inHTML, l.raw)
	}
	if strings.Contains(l.subject, inText[0]) {
		l.t.Errorf("the subject holds the code: %s", l.subject)
	}
	return inText[0]
}

// TestTheCodeIsTypedWhereItWasAskedFor is the journey of a shopper who reads mail on another device, past a scanner that follows
// links: the letter's code is typed in the first browser, with scripts switched off, and in no other.
func TestTheCodeIsTypedWhereItWasAskedFor(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		b := newTab(t, look{noScript: true})
		askForLink(s, b, shopper)
		letter := s.post.wait(shopper, 1)
		scanLink(t, s, letter)

		thief := newTab(t, look{}) // who has seen the letter, and has asked for one as well
		askForLink(s, thief, "somebody.else@example.com")
		thief.press("Reading the email on another device? Type its code here.")
		wrongCode(thief, letter.code(), "Choose a New Password")
		if at := thief.address().Path; strings.HasSuffix(at, "createpassword") {
			t.Errorf("another browser came to %s", at)
		}

		b.press("Reading the email on another device? Type its code here.")
		b.see("Enter the Code", "It works only in this browser")
		wrongCode(b, "0000-0000", "Choose a New Password")
		b.fill("Code", " "+strings.ToLower(letter.code())+" ")
		b.press("Choose a New Password")
		b.see("Set a New Password")
		if at := b.address(); at.RawQuery != "" || at.Path != "/customer/account/createpassword" {
			t.Errorf("the form is at %s", at)
		}
		refused(b, "short", "short", http.StatusUnprocessableEntity, "6 characters")
		b.fill("New Password", newPassword)
		b.fill("Confirm New Password", newPassword)
		b.press("Reset Password")
		b.see("You updated your password.")
		s.signIn(b, shopper, newPassword)

		logged := s.node.said() + s.node.printed()
		for _, code := range []string{letter.code(), strings.ReplaceAll(letter.code(), "-", "")} {
			if strings.Contains(strings.ToUpper(logged), code) {
				t.Error("the log holds the code")
			}
		}
		fresh := newTab(t, look{})
		fresh.visit(letter.link())
		fresh.see("This Link No Longer Works")
	})
}

// wrongCode types a code that must not work here.
func wrongCode(b *tab, code, button string) {
	b.t.Helper()
	b.fill("Code", code)
	if got := b.press(button); got != http.StatusUnprocessableEntity {
		b.t.Errorf("the code was answered with %d, want 422", got)
	}
	b.see("There is a problem", "This code does not work.", "Enter the Code")
}

// TestSigningInByLetter is the journey without a password, where the store offers it.
func TestSigningInByLetter(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		if got := s.get("/customer/account/loginbyletter").status; got != http.StatusNotFound {
			t.Errorf("where it is not offered, the page gives %d", got)
		}
		s.rekey("", "config", "set", "customer/signin_by_letter/enabled", "1")
		b, thief := newTab(t, look{noScript: true}), newTab(t, look{})
		for tab, email := range map[*tab]string{b: shopper, thief: "somebody.else@example.com"} {
			tab.visit(s.url + "/customer/account/edit") // where the shopper was going
			tab.press("Sign in with a code by email")
			tab.fill("Email Address", email)
			tab.press("Send Me a Code")
			tab.see(neutral, email, "Enter the Code")
		}
		letter := s.post.wait(shopper, 1)
		if want := "Your code to sign in to Maison Lune"; letter.subject != want {
			t.Errorf("the subject is %q, want %q", letter.subject, want)
		}
		if recoveryLink.MatchString(letter.text) {
			t.Error("the letter has a link to a new password as well")
		}
		wrongCode(thief, letter.code(), "Sign In")
		b.fill("Code", letter.code())
		b.press("Sign In")
		b.see("Edit Account Information")
		thief.visit(s.url + "/customer/account")
		if at := thief.address().Path; at != "/customer/account/login" {
			t.Errorf("another browser is at %s", at)
		}
		if n := len(s.post.letters("somebody.else@example.com")); n > 0 {
			t.Errorf("nobody got %d letters", n)
		}

		s.administrator()
		boss := newTab(t, look{})
		s.console(boss)
		s.customerPage(boss, shopper)
		boss.see("Asked for a code to sign in", "Signed in with the code of the letter")
	})
}
