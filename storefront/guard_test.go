package storefront_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

// made is what differs in each protected page, for everybody.
var made = regexp.MustCompile(`name="(?:ticket|form_key)" value="[^"]*"|data-(?:challenge|options)="[^"]*"`)

// Promise: known and unknown addresses are asked alike, with and without a ticket; the page differs by what was typed only.
func TestAProtectedFormAsksEverybodyAlike(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		s.set(shop.ProtectionMode, shop.ProtectionAlways)
		s.set(shop.SignInByLetter, "1")
		s.customer("camille@lune.test", "first-secret-7")
		forms := map[string]func(email string) []string{
			"/customer/account/forgotpasswordpost": func(e string) []string { return []string{"email", e} },
			letterPost:                             func(e string) []string { return []string{"email", e} },
			"/customer/account/loginpost": func(e string) []string {
				return []string{"login[username]", e, "login[password]", "first-secret-7"}
			},
			"/customer/account/createpost": func(e string) []string {
				return []string{"firstname", "C", "lastname", "L", "email", e, "password", "first-secret-7", "password_confirmation", "first-secret-7"}
			},
		}
		for path, form := range forms {
			var seen []string
			for _, email := range []string{"camille@lune.test", "nobody0@lune.test"} {
				b := s.browser(lune)
				b.get("/customer/account/login")
				a := b.post(path, form(email)...)
				if a.Code != http.StatusUnprocessableEntity {
					t.Errorf("%s without a proof: %d", path, a.Code)
				}
				a.says(t, "There is a problem", "We are receiving unusually many requests.", "or 30 seconds")
				if !strings.Contains(a.Body, `value="`+email+`"`) || strings.Contains(a.Body, "first-secret-7") {
					t.Errorf("%s: what was typed is lost, or the password is shown", path)
				}
				var headers []string
				for name, values := range a.Header {
					if name != "X-Request-Id" {
						headers = append(headers, name+": "+strings.Join(values, ", "))
					}
				}
				slices.Sort(headers)
				page := strings.ReplaceAll(made.ReplaceAllString(a.Body, "…"), email, "…")
				seen = append(seen, strings.Join(headers, "\n")+page)
			}
			if seen[0] != seen[1] {
				t.Errorf("%s tells who is a customer:\n%s\n%s", path, seen[0], seen[1])
			}
		}
	})
}

// The way around, by the form's own fields; and what a page without protection does not hold.
func TestAProtectedFormCanBeWaitedFor(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		b := s.browser(luneFr)
		if page := b.get("/fr/customer/account/forgotpassword"); strings.Contains(page.Body, `class="puzzle"`) || strings.Contains(page.Body, "altcha") {
			t.Error("in calm the page holds a puzzle")
		}
		s.set(shop.ProtectionMode, shop.ProtectionAlways)
		page := b.get("/fr/customer/account/forgotpassword")
		page.says(t, "Nous recevons un nombre inhabituel de demandes.", "dans 30 secondes")
		ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(page.Body)[1]
		for _, name := range regexp.MustCompile(`"(/fr/customer/account/assets/[^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
			if a := b.get(name[1]); a.Code != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d", name[1], a.Code)
			}
		}
		early := b.post("/fr/customer/account/forgotpasswordpost", "email", "nobody@lune.test", "ticket", ticket)
		if early.Code != http.StatusUnprocessableEntity || !strings.Contains(early.Body, ticket) {
			t.Errorf("too early: %d; the ticket must stay", early.Code)
		}
		clock.Advance(30 * time.Second)
		mistyped := b.post("/fr/customer/account/forgotpasswordpost", "email", "nobody@@lune", "ticket", ticket)
		again := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(mistyped.Body)
		if mistyped.Code != http.StatusUnprocessableEntity || len(again) != 2 || again[1] == ticket || strings.Contains(mistyped.Body, "altcha") {
			t.Fatalf("a mistyped address: %d %v", mistyped.Code, again)
		}
		if a := b.post("/fr/customer/account/forgotpasswordpost", "email", "nobody@lune.test", "ticket", again[1]); a.Code != http.StatusSeeOther {
			t.Errorf("mended: %d %s", a.Code, a.words())
		}
	})
}
