package test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// bossEmail is where letters to the administrator go.
const bossEmail = "ines@lune.example"

var adminLink = regexp.MustCompile(`https?://[^\s"<>]+/admin/login/new-password\?token=[A-Za-z0-9_-]+`)

// TestAnAdministratorRecoversTheirPassword is the journey from the sign-in page of the console by letter, and the operator's
// way by command line.
func TestAnAdministratorRecoversTheirPassword(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.administrator()
		elsewhere := newTab(t, look{})
		s.console(elsewhere)

		b := newTab(t, look{})
		b.visit(s.url + "/admin/login")
		b.press("Forgot Your Password?")
		b.fill("Username or Email", "nobody")
		b.press("Reset My Password")
		b.see("If there is an administrator with this name")
		b.press("Forgot Your Password?")
		b.fill("Username or Email", boss)
		b.press("Reset My Password")
		b.see("If there is an administrator with this name")

		letter := s.post.wait(bossEmail, 1)
		if want := "Reset your password for the Maison Lune console"; letter.subject != want {
			t.Errorf("the subject is %q, want %q", letter.subject, want)
		}
		link := adminLink.FindString(letter.text)
		if !strings.HasPrefix(link, s.url) {
			t.Fatalf("the letter leads to %q:\n%s", link, letter.text)
		}
		_, secret, _ := strings.Cut(link, "token=")
		for range 2 { // a scanner opens it as well
			b.visit(link)
		}
		if at := b.address(); at.RawQuery != "" || at.Path != "/admin/login/new-password" {
			t.Errorf("the form is at %s, where the secret may be seen", at)
		}
		b.fill("New Password", newPassword)
		b.fill("Confirm New Password", newPassword)
		b.press("Reset Password")
		b.see("You updated your password", "Sign In")
		if strings.Contains(s.node.said(), secret) {
			t.Error("the log holds the secret of the link")
		}
		elsewhere.visit(s.url + "/admin/customers")
		if at := elsewhere.address().Path; at != "/admin/login" {
			t.Errorf("a browser is still signed in, at %s", at)
		}
		b.fill("Username", boss)
		b.fill("Password", newPassword)
		b.press("Sign In")
		b.see("All Customers")
		if changed := s.post.wait(bossEmail, 2); !strings.Contains(changed.subject, "has changed") {
			t.Errorf("the notice is %q", changed.subject)
		}
		elsewhere.visit(link)
		elsewhere.see("This link no longer works")

		s.rekey(bossWord, "admin", "reset-password", boss, "--password-stdin")
		b.visit(s.url + "/admin/customers")
		if at := b.address().Path; at != "/admin/login" {
			t.Errorf("a session outlives rekey admin reset-password, at %s", at)
		}
		s.console(b)
		s.post.wait(bossEmail, 3)
		s.rekey("", "admin", "reset-factors", boss)
	})
}

// openAdminLink shows the form behind a fresh link of the administrator's.
func (st *stage) openAdminLink(b *tab) {
	b.t.Helper()
	for _, setting := range []string{"min_time_between_password_reset_requests", "max_number_password_reset_requests"} {
		st.rekey(b.t, "config", "set", "admin/security/"+setting, "0")
	}
	var all []struct{ Username, Email string }
	if err := json.Unmarshal([]byte(st.rekey(b.t, "admin", "list", "--json")), &all); err != nil {
		b.t.Fatal(err)
	}
	for _, one := range all {
		if one.Username != st.admin {
			continue
		}
		text := st.letter(b.t, one.Email, func() {
			b.visit(st.console + "/admin/login/forgot")
			b.expect(http.StatusOK, b.send("username", st.admin))
		})
		b.expect(http.StatusOK, b.visit(adminLink.FindString(text)))
	}
}
