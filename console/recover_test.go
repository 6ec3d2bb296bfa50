package console_test

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// link is the address in the letter that was queued last.
func (h *house) link() string { return h.linkOf(admin.ResetLetter) }

func (h *house) linkOf(kind string) string {
	h.t.Helper()
	c, err := h.admins.Composers()[kind](context.Background(), h.letters()[0])
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(c.Button.URL.Reveal())
	if err != nil {
		h.t.Fatal(err)
	}
	return u.RequestURI()
}

func TestAnAdministratorForgetsTheirPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		signedIn := h.at("ines", admin.Owner, 0)
		b := &desk{h, map[string]string{}}
		b.get("/admin/login").shows(t, "Forgot Your Password?")
		b.get("/admin/login/forgot").shows(t, "Username or Email", "Reset My Password", "Back to Sign In")
		b.post("/admin/login/forgot", "username", " ").shows(t, "Please enter your user name")
		b.act("/admin/login/forgot", "username", "ines").shows(t, "If there is an administrator with this name")

		address := h.link()
		landed := b.get(address)
		if landed.status != http.StatusSeeOther || landed.location != "/admin/login/new-password" {
			t.Fatalf("the link answers %d to %s", landed.status, landed.location)
		}
		page := b.get(landed.location)
		page.shows(t, "For ines.", "New Password", "At least 12 characters")
		_, secret, _ := strings.Cut(address, "token=")
		page.hides(t, secret)
		b.post("/admin/login/new-password", "password", "short", "password_confirmation", "short").shows(t, "at least 12 characters")
		b.post("/admin/login/new-password", "password", "password1234", "password_confirmation", "password1234").shows(t, "one of the first that others would try")
		b.post("/admin/login/new-password", "password", "quite-another-9", "password_confirmation", "quite-another-8").shows(t, "didn't match")
		b.act("/admin/login/new-password", "password", "quite-another-9", "password_confirmation", "quite-another-9").shows(t, "You updated your password")
		if got := signedIn.get("/admin/customers"); got.status != http.StatusSeeOther {
			t.Errorf("a browser stays signed in: %d", got.status)
		}
		b.act("/admin/login", "username", "ines", "password", "quite-another-9").shows(t, "All Customers")
		if n := len(h.recorded(audit.AdminReset)); n != 1 {
			t.Errorf("%d audit lines", n)
		}

		again := &desk{h, map[string]string{}}
		again.get(address)
		late := again.get("/admin/login/new-password")
		if late.shows(t, "This link no longer works", "Username or Email"); late.status != http.StatusGone {
			t.Errorf("a used link: %d", late.status)
		}
		if got := again.get("/admin/login/new-password?token=nonsense"); got.status != http.StatusSeeOther {
			t.Errorf("no link at all: %d", got.status)
		}
	})
}

// TestUnknownAdministratorLooksTheSame compares what is answered to a known and an unknown name, byte for byte.
func TestUnknownAdministratorLooksTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.at("ines", admin.Owner, 0)
		answer := func(name string) (all []string) {
			b := &desk{h, map[string]string{}}
			for range 7 { // past the limit of one name
				got := b.post("/admin/login/forgot", "username", name)
				all = append(all, http.StatusText(got.status), got.location, got.body, strings.Join(got.header.Values("Set-Cookie"), "\n"))
			}
			return append(all, b.get("/admin/login").text())
		}
		known, unknown := answer("ines"), answer("paul")
		for i := range known {
			if known[i] != unknown[i] {
				t.Errorf("a known name is answered %q, an unknown one %q", known[i], unknown[i])
			}
		}
	})
}

var shownFor = regexp.MustCompile(`name="shown_for" value="([^"]*)"`)

// Promise: the form of a new password is for the administrator whom it names, whatever links the browser has opened since.
func TestAnAdministratorsLinkActsForItsOwnAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		b := &desk{h, map[string]string{}}
		var shown []string
		for _, name := range []string{"ines", "paul"} {
			h.at(name, admin.Owner, 0)
			b.act("/admin/login/forgot", "username", name)
			page := b.get(b.get(h.link()).location)
			page.shows(t, "For "+name+".")
			shown = append(shown, shownFor.FindStringSubmatch(page.body)[1])
		}
		for _, said := range [][]string{nil, {"shown_for", "AAAAAAAAAAAAAAAAAAAAAA"}} {
			got := b.post("/admin/login/new-password", append(said, "password", "quite-another-9", "password_confirmation", "quite-another-9")...)
			if got.shows(t, "Open the link in the email once more."); got.status != http.StatusConflict {
				t.Errorf("a form for no link: %d", got.status)
			}
		}
		for i, name := range []string{"ines", "paul"} {
			word := "quite-another-" + name
			b.act("/admin/login/new-password", "shown_for", shown[i], "password", word, "password_confirmation", word).shows(t, "You updated your password")
			(&desk{h, map[string]string{}}).act("/admin/login", "username", name, "password", word).shows(t, "All Customers")
		}
	})
}
