package storefront_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/recovery"
)

const (
	newEmailPage = "/customer/account/confirmemail"
	newEmailPost = "/customer/account/confirmemailpost"
)

// The change is begun on the account page with the password; the letter's link is answered by one click, not by opening it.
func TestANewAddressIsConfirmedByOneClick(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		c := s.customer("camille@example.com", "first-password")
		b, scanner := s.browser(lune), s.browser(lune)
		b.signIn(c.Email, "first-password")
		if a := b.post("/customer/account/editemailpost", "email", "zoe@example.com", "current_password", "wrong"); a.Code != http.StatusUnprocessableEntity {
			t.Fatalf("a wrong password answers %d", a.Code)
		}
		if a := b.post("/customer/account/editemailpost", "email", "zoe@example.com", "current_password", "first-password"); a.Code != 303 {
			t.Fatalf("asking for the change answers %d\n%s", a.Code, a.words())
		}
		link := s.link(recovery.EmailChangeLetter)
		for range 3 {
			scanner.get(link)
			scanner.get(newEmailPage)
		}
		landed := b.get(link)
		if _, token, _ := strings.Cut(link, "token="); landed.Code != 303 || landed.Location != newEmailPage || strings.Contains(b.get(newEmailPage).Body, token) {
			t.Fatalf("the link answers %d %s", landed.Code, landed.Location)
		}
		b.get(newEmailPage).says(t, "Confirm Your New Address", "zoe@example.com")
		if !b.signedIn() {
			t.Error("opening the link did something")
		}
		if a := b.post(newEmailPost); a.Code != 303 || a.Location != loginPage {
			t.Fatalf("the click answers %d %s\n%s", a.Code, a.Location, a.words())
		}
		b.get(loginPage).says(t, "Your account has its new address.")
		if b.signedIn() {
			t.Error("the session outlived its address")
		}
		if a := scanner.post(newEmailPost); a.Code != http.StatusGone {
			t.Errorf("the link once more answers %d", a.Code)
		}
		scanner.get(newEmailPage).says(t, "This link has expired or has been used already.")
		b.signIn("zoe@example.com", "first-password")
	})
}
