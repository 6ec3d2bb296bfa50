package storefront_test

import (
	"context"
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

// proofLife is signin.ProofLife.
const proofLife = signin.ProofLife

const (
	passkeysPage    = "/customer/account/passkeys"
	addPasskey      = "/customer/account/addpasskey"
	proofPage       = "/customer/account/confirmidentity"
	passkeyEndpoint = "/.well-known/passkey-endpoints"
)

var formOfPasskey = regexp.MustCompile(`(?s)<form class="passkey[^>]*action="([^"]*)"[^>]*data-options="([^"]*)"[^>]*>(.*?)</form>`)

// passkeyForm reads the form that a script would fill in.
func (a answer) passkeyForm(t *testing.T) (action, options string, fields []string) {
	t.Helper()
	m := formOfPasskey.FindStringSubmatch(a.Body)
	if m == nil {
		t.Fatalf("%d: no form for a passkey:\n%s", a.Code, a.words())
	}
	for _, f := range regexp.MustCompile(`name="(form_key|ticket|next|name)"[^>]* value="([^"]*)"`).FindAllStringSubmatch(m[3], -1) {
		fields = append(fields, f[1], html.UnescapeString(f[2]))
	}
	return m[1], html.UnescapeString(m[2]), fields
}

// usePasskey does what the script of a page does.
func (b *browser) usePasskey(page string, d *fixture.Device) answer {
	b.s.t.Helper()
	action, options, fields := b.get(page).passkeyForm(b.s.t)
	d.Passkey.Counter++
	return b.post(action, append(fields, "passkey", d.Use(options))...)
}

func (b *browser) makePasskey(d *fixture.Device) answer {
	b.s.t.Helper()
	action, options, fields := b.get(addPasskey).passkeyForm(b.s.t)
	return b.post(action, append(fields, "passkey", d.Make(options))...)
}

// The whole way of a shopper: add a passkey, sign in with it, choose a new password without the old one, remove it.
func TestAPasskeySignsInAndSetsANewPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		b.get(accountPage).says(t, "You have no passkeys yet.", "Add a Passkey")
		phone := fixture.NewDevice(t, "lune.example", lune)
		if a := b.makePasskey(phone); a.Code != 303 || a.Location != passkeysPage {
			t.Fatalf("adding answers %d %s %s", a.Code, a.Location, a.words())
		}
		b.get(passkeysPage).says(t, "Your passkey was added.", "Unknown browser", "not used yet")
		id := regexp.MustCompile(`editpasskey\?id=([a-z0-9]{26})`).FindStringSubmatch(b.get(passkeysPage).Body)[1]
		if a := b.post("/customer/account/editpasskeypost", "id", id, "name", "Camille’s phone"); a.Code != 303 {
			t.Errorf("renaming answers %d", a.Code)
		}
		b.get(accountPage).says(t, "Camille’s phone")

		// On the French view of the same host, from the page of the forgotten password.
		other := s.browser(luneFr)
		other.base = lune
		if a := other.usePasskey("/fr/customer/account/forgotpassword", phone); a.Code != 303 || a.Location != "/fr/customer/account/edit" {
			t.Fatalf("signing in answers %d %s %s", a.Code, a.Location, a.words())
		}
		edit := other.get("/customer/account/edit")
		if strings.Contains(edit.Body, `name="current_password"`) {
			t.Error("the page asks for the password that was forgotten")
		}
		if a := other.post(editPost, "password", "second-password", "password_confirmation", "second-password"); a.Code != 303 || a.Location != accountPage {
			t.Fatalf("a new password answers %d %s", a.Code, a.words())
		}
		if !other.signedIn() || b.signedIn() {
			t.Error("this browser stays signed in, and no other")
		}
		other.get("/customer/account/edit").says(t, "Current Password", "Use a passkey instead")

		b = s.browser(lune)
		b.signIn("camille@example.com", "second-password")
		if a := b.get("/customer/account/removepasskey?id=" + id); a.Code != 200 {
			t.Fatalf("removing right after signing in answers %d %s", a.Code, a.Location)
		}
		if a := b.post("/customer/account/removepasskeypost", "id", id); a.Code != 303 || a.Location != passkeysPage {
			t.Errorf("removing answers %d %s", a.Code, a.Location)
		}
		if a := s.browser(lune).usePasskey(loginPage, phone); a.Code != 422 {
			t.Errorf("the removed passkey answers %d", a.Code)
		}
		if got := len(s.mailbox("passkey_added")) + len(s.mailbox("passkey_removed")); got != 2 {
			t.Errorf("%d notices", got)
		}
	})
}

// Whoever has been signed in for a while shows first who they are, and goes on to where they were.
func TestComingAndGoingPasskeysAskWhoSitsThere(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		phone := fixture.NewDevice(t, "lune.example", lune)
		b.makePasskey(phone)
		id := regexp.MustCompile(`editpasskey\?id=([a-z0-9]{26})`).FindStringSubmatch(b.get(passkeysPage).Body)[1]
		clock.Advance(proofLife)
		remove := "/customer/account/removepasskey?id=" + id
		toProof := proofPage + "?next=remove." + id
		if a := b.get(remove); a.Code != 303 || a.Location != toProof {
			t.Errorf("removing a while later leads to %d %s", a.Code, a.Location)
		}
		if a := b.post("/customer/account/removepasskeypost", "id", id); a.Location != toProof {
			t.Errorf("so does posting: %d %s", a.Code, a.Location)
		}
		if a := b.get(addPasskey); a.Location != proofPage+"?next=addpasskey" {
			t.Errorf("adding leads to %s", a.Location)
		}
		if a := b.post(proofPage+"post", "current_password", "wrong", "next", "addpasskey"); a.Code != 422 {
			t.Errorf("a wrong password answers %d", a.Code)
		}
		for next, to := range map[string]string{"addpasskey": addPasskey, "edit": "/customer/account/edit", "https://evil.example": passkeysPage,
			"remove.x": passkeysPage, "remove." + id: remove} {
			if a := b.post(proofPage+"post", "current_password", "first-password", "next", next); a.Code != 303 || a.Location != to {
				t.Errorf("%s leads to %d %s", next, a.Code, a.Location)
			}
		}
		clock.Advance(proofLife)
		if a := b.usePasskey(toProof, phone); a.Code != 303 || a.Location != remove {
			t.Errorf("showing the passkey leads to %d %s %s", a.Code, a.Location, a.words())
		}
		stranger := s.browser(lune)
		s.customer("theo@example.com", "first-password")
		stranger.signIn("theo@example.com", "first-password")
		if a := stranger.get(remove); a.Code != 404 {
			t.Errorf("somebody else's passkey answers %d", a.Code)
		}
	})
}

// The sign-in by passkey tells nothing: the pages are alike for everybody, and so are the refusals.
func TestRefusedPasskeysLookAlike(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		phone := fixture.NewDevice(t, "lune.example", lune)
		b.makePasskey(phone)
		changing := regexp.MustCompile(`value="[^"]{20,}"|data-options="[^"]*"`)
		plain := func(a answer) string { return changing.ReplaceAllString(a.Body, "") }
		unknown := s.browser(lune).usePasskey(loginPage, fixture.NewDevice(t, "lune.example", lune))
		unknown.says(t, "This passkey could not be used here.")
		if unknown.Code != 422 {
			t.Errorf("an unknown passkey answers %d", unknown.Code)
		}
		elsewhere := s.browser(nord).usePasskey(loginPage, fixture.NewDevice(t, "nord.example", nord))
		if elsewhere.Code != 422 {
			t.Errorf("another website's answers %d", elsewhere.Code)
		}
		stolen := s.browser(lune) // the page of one browser, answered in another
		action, options, fields := s.browser(lune).get(loginPage).passkeyForm(t)
		stolen.get(loginPage)
		replayed := s.browser(lune)
		action2, options2, fields2 := replayed.get(loginPage).passkeyForm(t)
		fields2 = append(fields2, "passkey", phone.Use(options2))
		if a := replayed.post(action2, fields2...); a.Code != 303 {
			t.Fatalf("a good one answers %d %s", a.Code, a.words())
		}
		delete(replayed.cookies, sessionName)
		answers := map[string]answer{
			"in another browser": stolen.post(action, append(fields, "passkey", phone.Use(options))...),
			"a second time":      replayed.post(action2, fields2...),
		}
		evil := *phone
		evil.Site.Origin = "https://evil.example"
		answers["given to another page"] = s.browser(lune).usePasskey(loginPage, &evil)
		s.write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE customers SET active = FALSE")
			return err
		})
		answers["of a disabled account"] = s.browser(lune).usePasskey(loginPage, phone)
		for why, a := range answers {
			if a.Code != unknown.Code || plain(a) != plain(unknown) {
				t.Errorf("%s: %d %s", why, a.Code, a.words())
			}
		}
	})
}

// Without a script, in a browser without passkeys, and where the store does not want them, passwords go on as before.
func TestPasswordsDoNotNeedPasskeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		on := s.browser(lune).get(loginPage)
		if !strings.Contains(on.Body, `autocomplete="username webauthn"`) || !strings.Contains(on.Body, `class="passkey with-passkeys"`) {
			t.Error("the page offers no passkeys")
		}
		endpoints := s.browser(luneFr).get("/fr" + passkeyEndpoint)
		var urls map[string]string
		if err := json.Unmarshal([]byte(endpoints.Body), &urls); err != nil || endpoints.Code != 200 || endpoints.Header.Get("Content-Type") != "application/json; charset=utf-8" ||
			urls["enroll"] != luneFr+addPasskey || urls["manage"] != luneFr+passkeysPage {
			t.Errorf("passkey endpoints: %d %s", endpoints.Code, endpoints.Body)
		}
		s.set(shop.Passkeys, "0")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		for _, page := range []string{accountPage, "/customer/account/edit", "/customer/account/forgotpassword"} {
			if a := b.get(page); strings.Contains(strings.ToLower(a.Body), "passkey") {
				t.Errorf("%s speaks of passkeys: %s", page, a.words())
			}
		}
		for _, page := range []string{passkeysPage, addPasskey, passkeyEndpoint} {
			if a := b.get(page); a.Code != 404 {
				t.Errorf("%s answers %d", page, a.Code)
			}
		}
	})
}

// After "It wasn't me" the pages say until when no passkey can be added, and what ends the wait; they offer nothing that is refused.
func TestPagesSayThatPasskeysAreHeld(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		b.makePasskey(fixture.NewDevice(t, "lune.example", lune))
		stranger := s.browser(lune)
		stranger.get(s.notMe("passkey_added"))
		stranger.get(notMePage).says(t, "For 1 hour nobody can add a passkey.")
		stranger.post(notMePost, "stop", "on")
		stranger.get(notMePage).says(t, "nobody can add a passkey.", "The new passkey was removed.")
		b.signIn("camille@example.com", "first-password")
		for _, page := range []string{accountPage, passkeysPage} {
			a := b.get(page)
			a.says(t, "no passkey can be added", "by email ends the wait")
			if strings.Contains(a.Body, "Add a Passkey") {
				t.Errorf("%s offers what is refused", page)
			}
		}
		if a := b.get(addPasskey); a.Code != 303 || a.Location != passkeysPage {
			t.Errorf("the page itself answers %d %s", a.Code, a.Location)
		}
		b.get(passkeysPage).says(t, "No passkey was added.", "no passkey can be added")
		s.set(shop.Passkeys, "0")
		if page := b.get(accountPage); strings.Contains(strings.ToLower(page.Body), "passkey") {
			t.Error("a store without passkeys speaks of them")
		}
	})
}
