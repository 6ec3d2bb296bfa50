package test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// atLocalhost moves the store to a host that browsers make passkeys for.
func (s *store) atLocalhost() {
	s.t.Helper()
	s.url = strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	s.rekey("", "store-view", "set", "default", "--base-url", s.url, "--dev")
}

// phone gives the tab a device that makes passkeys and knows its owner. The browser asks it as it would ask a real one.
func (b *tab) phone() webauthn.AuthenticatorID {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{})
	b.do(err)
	made, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
			Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
			AutomaticPresenceSimulation: true}})
	b.do(err)
	return made.AuthenticatorID
}

// owner tells the device whether it recognises its owner from now on.
func (b *tab) owner(id webauthn.AuthenticatorID, there bool) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: id, IsUserVerified: there})
	b.do(err)
}

// TestPasskeyInARealBrowser is the whole way of a shopper: add a passkey on the account page, sign out, sign in with it, choose a new
// password without the old one, and remove it.
func TestPasskeyInARealBrowser(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.atLocalhost()
		b := newTab(t, look{})
		id := b.phone()
		s.signIn(b, shopper, oldPassword)
		b.see("You have no passkeys yet.")
		b.press("Add a Passkey")
		b.fill("Name of the Passkey", "Camille's phone")
		b.press("Create Passkey")
		b.see("Your passkey was added.", "Camille's phone", "not used yet")
		if letter := s.post.wait(shopper, 1); letter.subject != "A passkey was added to your Maison Lune account" || !strings.Contains(letter.text, "Camille's phone") {
			t.Errorf("the notice: %s\n%s", letter.subject, letter.text)
		}
		b.owner(id, false) // somebody else holds the phone
		b.press("Sign Out")
		b.click("Sign In with a Passkey")
		b.see("No passkey was used.")
		b.visit(s.page("forgotpassword"))
		b.owner(id, true)
		b.see("Do you have a passkey?")
		b.press("Sign In with a Passkey")
		b.see("Change Password")
		b.seeNot("Current Password")
		b.fill("New Password", newPassword)
		b.fill("Confirm New Password", newPassword)
		b.press("Change Password")
		b.see("You updated your password.", "last used")
		b.press("Sign Out")
		// The list of the address field offers the passkey; where there is one only, this browser's pretended person takes it at once.
		b.see("My Account")

		// A browser without a script has the password, and is told so where it has not.
		other := newTab(t, look{noScript: true})
		s.signIn(other, shopper, newPassword)
		other.visit(s.page("addpasskey"))
		other.see("This browser has no passkeys, or scripts are switched off.")
		other.seeNot("Create Passkey")
		other.visit(s.page("passkeys"))
		other.press("Remove")
		other.see("Remove the Passkey?")
		other.press("Remove Passkey")
		other.see("The passkey was removed.")
		s.post.wait(shopper, 3)

		// The store removes that of a lost phone, at the shell.
		b.visit(s.page("addpasskey"))
		b.fill("Name of the Passkey", "Lost phone")
		b.press("Create Passkey")
		b.see("Your passkey was added.", "Lost phone")
		s.post.wait(shopper, 4)
		if out, want := s.rekey("", "customer", "remove-passkey", shopper, "Lost phone"), "The passkey \"Lost phone\" was removed. "+shopper+" is told by letter.\n"; out != want {
			t.Errorf("the shell says %q, want %q", out, want)
		}
		if told := s.post.wait(shopper, 5); !strings.HasPrefix(told.subject, "We removed a passkey") || !strings.Contains(told.text, "Lost phone") {
			t.Errorf("the notice: %s\n%s", told.subject, told.text)
		}
		b.visit(s.page("passkeys"))
		b.see("You have no passkeys yet.")
	})
}

// TestAdministratorsPasskeyInARealBrowser adds a passkey in the console, and signs in with it after the password.
func TestAdministratorsPasskeyInARealBrowser(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.administrator()
		s.atLocalhost()
		s.rekey("", "config", "set", "admin/security/second_factor", "required")
		b := newTab(t, look{})
		b.phone()
		b.visit(s.url + "/admin/login")
		b.send("username", boss, "password", bossWord)
		b.see("This store demands a second factor")
		b.send("passkey_password", bossWord)
		b.see("Add a Passkey")
		b.fill("Name", "Key ring")
		b.press("Create Passkey")
		b.see("Recovery codes")
		b.press("Done")
		b.see("Key ring", "localhost", "not used yet", "You have 10 of 10 recovery codes left.")
		b.press("Sign Out")
		b.send("username", boss, "password", bossWord)
		b.see("Second Factor")
		b.press("Use a Passkey")
		b.see("All Customers")
		b.visit(s.url + "/admin/account")
		b.see("used just now")
		b.press("Remove")
		b.see("Remove the Passkey?")
		b.fill("Your Password", bossWord)
		b.press("Remove Passkey")
		b.see("The store demands a second factor of every administrator.")
	})
}

// passkeyConsoleScenes are the administrators' pages that have to do with passkeys.
var passkeyConsoleScenes = []scene{
	{"my-account", func(st *stage, b *tab) { st.open(b, "/admin/account") }},
	{"my-passkey-new", func(st *stage, b *tab) {
		st.open(b, "/admin/account")
		b.expect(200, b.send("passkey_password", st.adminPW))
	}},
	{"my-passkeys", func(st *stage, b *tab) { st.withMyPasskey(b); b.visit(st.console + "/admin/account") }},
	{"customer-passkeys", func(st *stage, b *tab) { st.withPasskey(newTab(b.t, look{})); st.openCustomer(b) }},
	{"customer-passkey-remove", func(st *stage, b *tab) {
		st.withPasskey(newTab(b.t, look{}))
		st.openCustomer(b)
		b.expect(200, b.visit(script[string](b, `document.querySelector('a[href*="/passkeys/"]').href`)))
	}},
	{"second-factor", func(st *stage, b *tab) {
		st.withMyPasskey(b)
		script[bool](b, `document.querySelector('form[action="/admin/logout"]').submit(), true`) // on a phone it is behind the menu
		b.do(eventually(patience, func() error { return b.has("[name=username]") }))
		b.send("username", st.admin, "password", st.adminPW)
		b.see("Use a Passkey")
	}},
}

// withMyPasskey signs in to the console with a passkey that is added if need be. Its tab has the device; others have not.
func (st *stage) withMyPasskey(b *tab) {
	b.t.Helper()
	b.phone()
	st.open(b, "/admin/account")
	b.expect(200, b.send("passkey_password", st.adminPW))
	script[bool](b, `document.querySelector('form.passkey button').click(), true`)
	b.see("Recovery codes")
	b.t.Cleanup(func() { st.rekey(b.t, "admin", "reset-factors", st.admin) }) // the next tab has another device, or none
}

// passkeyScenes are the pages that have to do with passkeys, at a host that browsers make them for.
var passkeyScenes = []scene{
	{"passkey-sign-in", func(st *stage, b *tab) { b.visit(st.front + accounts + "login") }},
	{"passkey-sign-in-refused", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "login")
		b.phone()
		script[bool](b, `document.querySelector('form.passkey button').click(), true`)
		_ = eventually(patience, func() error { return b.has(".said:not(:empty)") })
	}},
	{"passkey-forgot", func(st *stage, b *tab) { b.visit(st.front + accounts + "forgotpassword") }},
	{"add-passkey", func(st *stage, b *tab) { st.signIn(b); b.visit(st.front + accounts + "addpasskey") }},
	{"passkeys", func(st *stage, b *tab) { st.withPasskey(b); b.visit(st.front + accounts + "passkeys") }},
	{"passkeys-account", func(st *stage, b *tab) { st.withPasskey(b); b.visit(st.front + "/customer/account") }},
	{"rename-passkey", func(st *stage, b *tab) { st.withPasskey(b); st.follow(b, "editpasskey") }},
	{"remove-passkey", func(st *stage, b *tab) { st.withPasskey(b); st.follow(b, "removepasskey") }},
	{"edit-or-passkey", func(st *stage, b *tab) { st.withPasskey(b); b.visit(st.front + accounts + "edit") }},
	{"confirm-identity", func(st *stage, b *tab) { st.withPasskey(b); b.visit(st.front + accounts + "confirmidentity?next=edit") }},
	{"confirm-identity-sign-out", func(st *stage, b *tab) {
		st.withPasskey(b)
		b.visit(st.front + accounts + "confirmidentity?next=end.others")
	}},
	{"passkeys-held", func(st *stage, b *tab) { st.withPasskey(b); st.held(b) }},
	{"new-password-keeps-passkeys", func(st *stage, b *tab) {
		st.withPasskey(b)
		b.visit(strings.Replace(st.link(b.t), "/customer", strings.TrimPrefix(st.front, st.console)+"/customer", 1))
	}},
}

// withPasskey signs in and sees to it that the customer has a passkey.
func (st *stage) withPasskey(b *tab) {
	b.t.Helper()
	st.signIn(b)
	b.phone()
	b.visit(st.front + accounts + "passkeys")
	if b.has("ul[data-passkeys]") == nil {
		return
	}
	b.visit(st.front + accounts + "addpasskey")
	st.letter(b.t, st.email, func() { // the notice, which must not be taken for the letter that comes next
		script[bool](b, `document.querySelector('form.passkey button').click(), true`)
		b.do(eventually(patience, func() error { return b.has("ul[data-passkeys]") }))
	})
}

// follow goes where a link of the list of passkeys leads.
func (st *stage) follow(b *tab, to string) {
	b.t.Helper()
	b.visit(st.front + accounts + "passkeys")
	b.expect(200, b.visit(script[string](b, `document.querySelector('a[href*="`+to+`"]').href`)))
}

// has tells what keeps the page from having a thing.
func (b *tab) has(selector string) error {
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`!!document.querySelector('`+selector+`')`))
	if err == nil && !found {
		err = errors.New("the page has no " + selector)
	}
	return err
}
