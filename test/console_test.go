package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestAdminResetPassword is the administrator's journey for a customer who needs a link.
func TestAdminResetPassword(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.customer("other@example.com", "Noor", "Haddad", oldPassword)
		s.administrator()
		b := newTab(t, look{})
		s.console(b)
		b.press("All Customers")
		b.see(shopper, "other@example.com")
		s.customerPage(b, shopper)
		b.press("Reset Password")
		b.see("The letter is queued", "Back", "Force Sign-In") // the same page, with a notice

		letter := s.post.wait(shopper, 1)
		if want := "Reset your Maison Lune password"; letter.subject != want {
			t.Errorf("the subject is %q, want %q", letter.subject, want)
		}
		if !strings.Contains(letter.text, "customer service") {
			t.Errorf("the letter does not say that the store sent it:\n%s", letter.text)
		}
		secret := letter.secret()
		if html := script[string](b, "document.documentElement.outerHTML"); strings.Contains(html, secret) {
			t.Error("the console holds the secret of the link")
		}
		if strings.Contains(s.node.said(), secret) {
			t.Error("the log holds the secret of the link")
		}

		b.press("Reset Password") // a second time, too soon
		b.see("No letter was sent", "The next one is allowed")
		if n := len(s.post.letters(shopper)); n != 1 {
			t.Errorf("%d letters came, want 1", n)
		}

		customer := newTab(t, look{})
		customer.visit(letter.link())
		customer.fill("New Password", newPassword)
		customer.fill("Confirm New Password", newPassword)
		customer.press("Reset Password")
		customer.see("You updated your password.")
		s.signIn(customer, shopper, newPassword)

		s.customerPage(b, shopper)
		b.see("Link opened", "Password changed") // the timeline tells the story
	})
}

// TestForceSignIn is the administrator's journey that takes the programs' access away.
func TestForceSignIn(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.administrator()
		browser := newTab(t, look{})
		s.signIn(browser, shopper, oldPassword)
		first, _ := s.token(shopper, oldPassword)
		second, _ := s.token(shopper, oldPassword)

		b := newTab(t, look{})
		s.console(b)
		s.customerPage(b, shopper)
		b.click("Force Sign-In")
		b.see("OK", "Cancel")
		b.click("Cancel")
		if got := s.me(first); got != http.StatusOK {
			t.Errorf("after Cancel the token gives %d, want 200", got)
		}

		b.click("Force Sign-In")
		b.press("OK")
		b.see("2 tokens")
		for i, token := range []string{first, second} {
			if got := s.me(token); got != http.StatusUnauthorized {
				t.Errorf("token %d gives %d after Force Sign-In, want 401", i+1, got)
			}
		}
		browser.visit(s.url + "/customer/account")
		browser.see("My Account") // browsers were not asked for

		third, _ := s.token(shopper, oldPassword) // whoever knows the password may sign in again
		if got := s.me(third); got != http.StatusOK {
			t.Fatalf("a new token gives %d, want 200", got)
		}
		s.customerPage(b, shopper)
		b.click("Force Sign-In")
		b.tick("Also end")
		b.press("OK")
		b.see("1 token")
		browser.visit(s.url + "/customer/account")
		if at := browser.address().Path; at != "/customer/account/login" {
			t.Errorf("the browser is still signed in, at %s", at)
		}

		s.customerPage(b, shopper)
		b.click("Force Sign-In")
		b.see("no tokens")
	})
}

// TestOnlyAdministratorsSeeTheConsole asks for every page of it without signing in.
func TestOnlyAdministratorsSeeTheConsole(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		for _, path := range []string{"/admin", "/admin/customers", "/admin/customers/1", "/admin/configuration",
			"/admin/letters", "/admin/audit", "/admin/administrators"} {
			got := s.get(path)
			if got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), "/admin/login") {
				t.Errorf("GET %s gives %d to %q, want 303 to /admin/login", path, got.status, got.header.Get("Location"))
			}
		}
		for _, act := range []string{"reset-password", "force-sign-in", "unlock"} {
			got := s.ask(http.MethodPost, fmt.Sprintf("/admin/customers/1/%s", act), "", "application/x-www-form-urlencoded", "")
			if got.status == http.StatusOK || strings.Contains(got.body, shopper) {
				t.Errorf("POST %s without signing in gives %d", act, got.status)
			}
		}
		if n := s.post.total(); n != 0 {
			t.Errorf("%d letters came", n)
		}
	})
}
