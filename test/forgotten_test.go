package test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// neutral is what everyone reads after asking for a link.
const neutral = "If there is an account associated with"

// TestForgottenPassword is the shopper's journey: a forgotten password, a letter, a new password.
func TestForgottenPassword(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		elsewhere := newTab(t, look{})
		s.signIn(elsewhere, shopper, oldPassword)
		app, _ := s.token(shopper, oldPassword)
		if got := s.me(app); got != http.StatusOK {
			t.Fatalf("the app's token gives %d before the journey", got)
		}

		b := newTab(t, look{})
		askForLink(s, b, shopper)
		letter := s.post.wait(shopper, 1)
		if want := "Reset your Maison Lune password"; letter.subject != want {
			t.Errorf("the subject is %q, want %q", letter.subject, want)
		}
		scanLink(t, s, letter)

		b.visit(letter.link())
		b.see("Set a New Password")
		if at := b.address(); at.RawQuery != "" || at.Path != "/customer/account/createpassword" {
			t.Errorf("the form is at %s, where the secret may be seen", at)
		}
		if strings.Contains(script[string](b, "document.documentElement.outerHTML"), letter.secret()) {
			t.Error("the page holds the secret of the link")
		}
		refused(b, "short", "short", http.StatusUnprocessableEntity, "6 characters")
		refused(b, newPassword, newPassword+"x", http.StatusUnprocessableEntity, "")
		b.fill("New Password", newPassword)
		b.fill("Confirm New Password", newPassword)
		b.press("Reset Password")
		b.see("You updated your password.", "Sign In")
		if at := b.address().Path; at != "/customer/account/login" {
			t.Errorf("the shopper ended at %s", at)
		}

		everythingOldIsOver(t, s, elsewhere, app)
		s.signIn(b, shopper, newPassword)
		changed := s.post.wait(shopper, 2)
		if want := "Your Maison Lune password has been changed"; changed.subject != want {
			t.Errorf("the second subject is %q, want %q", changed.subject, want)
		}
		if recoveryLink.MatchString(changed.text + changed.html) {
			t.Error("the letter about the change holds a way in")
		}

		fresh := newTab(t, look{})
		fresh.visit(letter.link())
		fresh.see("This Link No Longer Works", "Reset My Password")
	})
}

// askForLink walks from the sign-in page to the answer that everyone gets.
func askForLink(s *store, b *tab, email string) {
	b.t.Helper()
	b.visit(s.page("login"))
	b.press("Forgot Your Password?")
	b.fill("Email Address", email)
	b.press("Reset My Password")
	b.see(neutral, email)
	if at := b.address().Path; at != "/customer/account/login" {
		b.t.Errorf("after asking, the shopper is at %s", at)
	}
}

// refused sends a new password that must be refused with this reason.
func refused(b *tab, password, again string, want int, reason string) {
	b.t.Helper()
	b.fill("New Password", password)
	b.fill("Confirm New Password", again)
	if got := b.press("Reset Password"); got != want {
		b.t.Errorf("the password %q was answered with %d, want %d", password, got, want)
	}
	b.see("There is a problem", reason, "Set a New Password")
}

// scanLink does what mail scanners do: they open links, follow them and submit the form that they find.
func scanLink(t *testing.T, s *store, l letter) {
	t.Helper()
	path := strings.TrimPrefix(l.link(), s.url)
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		if got := s.ask(method, path, "", "", "").status; got != http.StatusSeeOther {
			t.Errorf("%s of the link gives %d, want 303", method, got)
		}
	}
	scanner := newTab(t, look{})
	scanner.visit(l.link())
	scanner.press("Reset Password") // with empty fields
	scanner.see("Set a New Password")
}

// everythingOldIsOver checks that a finished recovery ended what was signed in before.
func everythingOldIsOver(t *testing.T, s *store, elsewhere *tab, app string) {
	t.Helper()
	if got := s.me(app); got != http.StatusUnauthorized {
		t.Errorf("the app's old token gives %d, want 401", got)
	}
	elsewhere.visit(s.url + "/customer/account")
	if at := elsewhere.address().Path; at != "/customer/account/login" {
		t.Errorf("another browser is still signed in, at %s", at)
	}
	if _, got := s.token(shopper, oldPassword); got != http.StatusUnauthorized {
		t.Errorf("the old password gives %d over the web API, want 401", got)
	}
	elsewhere.fill("Email Address", shopper)
	elsewhere.fill("Password", oldPassword)
	if got := elsewhere.press("Sign In"); got != http.StatusUnprocessableEntity {
		t.Errorf("the old password is answered with %d, want 422", got)
	}
}

// TestUnknownAddressLooksTheSame compares everything that a request without an account behind it gives away.
func TestUnknownAddressLooksTheSame(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		const nobody = "unknown@example.com" // as long as the known one, so that even the lengths must agree
		known, unknown := s.forgot(shopper), s.forgot(nobody)
		strip := func(h http.Header) http.Header {
			h = h.Clone()
			h.Del("Date")
			h.Del("X-Request-Id")
			for i, c := range h["Set-Cookie"] { // the value is random, its length is not
				name, rest, _ := strings.Cut(c, "=")
				value, attributes, _ := strings.Cut(rest, ";")
				h["Set-Cookie"][i] = name + "=" + strings.Repeat("x", len(value)) + ";" + attributes
			}
			return h
		}
		if known.status != unknown.status || known.body != unknown.body {
			t.Errorf("a known address gives %d %q, an unknown one %d %q", known.status, known.body, unknown.status, unknown.body)
		}
		if diff := cmp.Diff(strip(known.header), strip(unknown.header)); diff != "" {
			t.Errorf("the headers differ (-known +unknown):\n%s", diff)
		}
		b := newTab(t, look{})
		askForLink(s, b, nobody)
		s.post.wait(shopper, 1)
		if letters := s.post.letters(nobody); len(letters) > 0 {
			t.Errorf("the unknown address got a letter: %s", letters[0].raw)
		}
	})
}

// forgot asks for a link as a form without a browser does.
func (s *store) forgot(email string) answer {
	s.t.Helper()
	return s.ask(http.MethodPost, "/customer/account/forgotpasswordpost", "", "application/x-www-form-urlencoded",
		url.Values{"email": {email}}.Encode())
}
