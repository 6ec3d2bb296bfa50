package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
)

func at(id int64, act string) string {
	path := fmt.Sprintf("/admin/customers/%d", id)
	if act != "" {
		path += "/" + act
	}
	return path
}

func TestForceSignInNeedsAPost(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		h.token(c, "Till")
		desk := h.at("ines", admin.Owner, 0)
		got := desk.get(at(c.ID, "force-sign-in"))
		got.shows(t, "1 token will be revoked, held by Till.", "lose access until the customer signs in again", "OK")
		for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete} {
			if status := desk.do(httptest.NewRequest(method, at(c.ID, "reset-password"), nil)).status; status == http.StatusOK || status == http.StatusSeeOther {
				t.Errorf("%s of Reset Password gives %d", method, status)
			}
		}
		for _, act := range []string{"reset-password", "unlock"} {
			got := desk.get(at(c.ID, act))
			if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
				t.Errorf("GET of %s gives %d, Allow %q", act, got.status, got.header.Get("Allow"))
			}
		}
		if tokens, _ := h.living(c); tokens != 1 || len(h.letters()) != 0 || len(h.recorded(audit.TokensRevoked)) != 0 {
			t.Errorf("looking has changed something: %d tokens, %d letters", tokens, len(h.letters()))
		}
	})
}

func TestReceiptCountsTokens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		desk := h.at("ines", admin.Owner, 0)
		h.token(c, "Till")
		h.token(c, "Till")
		h.token(c, "Mobile app")
		h.session(c)
		desk.get(at(c.ID, "")).shows(t, "3 tokens will be revoked, held by Mobile app and Till (2).", "Also end 1 storefront session", "Cancel")
		got := desk.act(at(c.ID, "force-sign-in"))
		got.shows(t, "3 tokens revoked.", "Force Sign-In by ines: 3 tokens revoked")
		got.hides(t, "session ended")
		if tokens, sessions := h.living(c); tokens != 0 || sessions != 1 {
			t.Errorf("%d tokens and %d sessions live, want 0 and 1: browsers were not asked for", tokens, sessions)
		}
		h.token(c, "Till")
		desk.act(at(c.ID, "force-sign-in"), "sessions", "on").shows(t, "1 token revoked. 1 storefront session ended.")
		if tokens, sessions := h.living(c); tokens != 0 || sessions != 0 {
			t.Errorf("%d tokens and %d sessions live, want none", tokens, sessions)
		}
	})
}

func TestNoTokensSaysSoAndDoesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		h.session(c)
		desk := h.at("ines", admin.Owner, 0)
		desk.get(at(c.ID, "force-sign-in")).shows(t, "This customer has no tokens: ordinary accounts have none.")
		desk.act(at(c.ID, "force-sign-in")).shows(t, "This customer has no tokens, so nothing was done.")
		if _, sessions := h.living(c); sessions != 1 || len(h.recorded(audit.TokensRevoked)) != 0 {
			t.Errorf("something was done: %d sessions, %d lines of the audit", sessions, len(h.recorded(audit.TokensRevoked)))
		}
		desk.act(at(c.ID, "force-sign-in"), "sessions", "on").shows(t, "This customer had no tokens to revoke. 1 storefront session ended.")
	})
}

func TestResetPasswordShowsWhenTheNextIsAllowed(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		desk := h.at("ines", admin.Owner, 0)
		desk.get(at(c.ID, "")).hides(t, "The next password reset is allowed")
		clock.Advance(20 * time.Second)
		desk.act(at(c.ID, "reset-password")).shows(t,
			"The customer will receive an email with a link to reset password.",
			"The next password reset is allowed at 10:11 (Paris), in 10 minutes.", // 10:10:20, rounded up: nobody comes too early
			"Password reset sent by ines", "Letter queued")
		got := desk.act(at(c.ID, "reset-password"))
		got.shows(t, "No letter was sent: this customer has had enough password resets for now. The next one is allowed at 10:11 (Paris).", "Reset Password")
		if n := len(h.letters()); n != 1 {
			t.Errorf("%d letters are queued, want 1", n)
		}
		clock.Advance(10 * time.Minute)
		desk.act(at(c.ID, "reset-password")).shows(t, "The customer will receive an email")
	})
}

func TestUnlockIsOfferedWhileLocked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		desk := h.at("ines", admin.Owner, 0)
		desk.get(at(c.ID, "")).hides(t, "Unlock")
		v, _ := h.snapshot().View(c.ViewID)
		for range 10 {
			if _, err := h.signin.SignIn(context.Background(), v, c.Email, secret.NewText("wrong"), audit.Origin{}); err == nil {
				t.Fatal("a wrong password was right")
			}
		}
		desk.get(at(c.ID, "")).shows(t, "Unlock", "Locked until", "Wrong password, 9 times", "signing in is paused")
		got := desk.act(at(c.ID, "unlock"))
		got.shows(t, "Customer has been unlocked successfully.", "Unlocked by ines")
		got.hides(t, "Locked until")
		h.session(c)
	})
}

func TestRightsHideButtonsAndRefusePosts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		h.token(c, "Till")
		viewer := h.at("vera", "viewer", 0)
		got := viewer.get(at(c.ID, ""))
		got.shows(t, "Camille Durand", "Back")
		got.hides(t, "Reset Password", "Force Sign-In", "<dialog", "Administrators")
		viewer.get("/admin/configuration").hides(t, "Save Configuration")
		viewer.get("/admin/stores").hides(t, "New Website")
		for _, act := range []string{at(c.ID, "reset-password"), at(c.ID, "force-sign-in"), at(c.ID, "unlock"), "/admin/configuration",
			"/admin/stores/websites", "/admin/stores/views/1", "/admin/administrators"} {
			if got := viewer.post(act, "sessions", "on"); got.status != http.StatusForbidden {
				t.Errorf("POST %s by a viewer gives %d, want 403", act, got.status)
			}
		}
		if got := viewer.get("/admin/administrators"); got.status != http.StatusForbidden {
			t.Errorf("the administrators are shown to a viewer: %d", got.status)
		}
		if tokens, _ := h.living(c); tokens != 1 || len(h.letters()) != 0 {
			t.Error("a refused act was done")
		}
	})
}

func TestAdminOfOneWebsiteCannotNameCustomersOfAnother(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		ours := h.customer(1, "camille@example.com", "Camille", "Durand")
		theirs := h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
		h.token(theirs, "Till")
		desk := h.at("lea", admin.Owner, 1)
		grid := desk.get("/admin/customers")
		grid.shows(t, ours.Email, "1 customer")
		grid.hides(t, theirs.Email, "Nordlicht")
		desk.get("/admin/customers?q=jonas").hides(t, theirs.Email)
		desk.get("/admin/customers?website=nord").hides(t, theirs.Email)

		key := func(p page) string { return strings.ReplaceAll(p.body, at(theirs.ID, ""), at(999, "")) }
		known, unknown := desk.get(at(theirs.ID, "")), desk.get(at(999, ""))
		if known.status != http.StatusNotFound || key(known) != key(unknown) {
			t.Errorf("a customer of another website (%d) looks unlike one that does not exist (%d)", known.status, unknown.status)
		}
		for _, act := range []string{"reset-password", "force-sign-in", "unlock"} {
			if got := desk.post(at(theirs.ID, act), "sessions", "on"); got.status != http.StatusNotFound {
				t.Errorf("POST %s gives %d, want 404", act, got.status)
			}
		}
		if tokens, _ := h.living(theirs); tokens != 1 || len(h.letters()) != 0 {
			t.Error("something was done to a customer of another website")
		}
		nordView := h.snapshot().ViewsOf(h.nord)[0].ID
		for _, path := range []string{"/admin/configuration?scope=websites%2Fnord", "/admin/configuration?scope=default", "/admin/configuration?scope=stores%2Fnord_de",
			fmt.Sprintf("/admin/stores/views/%d", nordView), fmt.Sprintf("/admin/stores/websites/%d", h.nord), "/admin/stores/views/new?website=nord",
			"/admin/stores/websites/new", "/admin/integrations"} {
			if got := desk.get(path); got.status != http.StatusNotFound {
				t.Errorf("GET %s gives %d, want 404", path, got.status)
			}
		}
		desk.get("/admin/stores").hides(t, "Nordlicht")
		desk.get("/admin/configuration").hides(t, "Nordlicht")
	})
}

func TestNoPageShowsALinkOrPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		h.token(c, "Till")
		h.session(c)
		desk := h.at("ines", admin.Owner, 0)
		desk.act(at(c.ID, "reset-password"))
		letter := h.letters()[0]
		content, err := h.recovery.Composers()[recovery.StoreLetter](context.Background(), letter) // makes the link
		if err != nil {
			t.Fatal(err)
		}
		link := content.Button.URL.Reveal()
		_, linkSecret, _ := strings.Cut(link, "token=")
		for _, path := range []string{at(c.ID, ""), at(c.ID, "") + "?story=all", at(c.ID, "force-sign-in"), "/admin/customers", "/admin/letters",
			"/admin/letters/" + letter.ID.String(), "/admin/audit", "/admin/integrations"} {
			got := desk.get(path)
			if got.status != http.StatusOK {
				t.Errorf("GET %s gives %d", path, got.status)
			}
			got.hides(t, linkSecret, "createpassword", h.password, c.PasswordHash(), `type="password"`, content.Subject)
		}
	})
}
