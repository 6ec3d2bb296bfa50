package test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
)

// objectionLink is “It wasn't me” in a letter.
var objectionLink = regexp.MustCompile(`https?://[^\s"<>]+/customer/account/notme\?token=[A-Za-z0-9_-]+`)

// notMe is the link “It wasn't me” of the letter; both twins must have it.
func (l letter) notMe() string {
	l.t.Helper()
	link := objectionLink.FindString(l.text)
	if link == "" || !strings.Contains(l.html, link) || !strings.Contains(l.text, "It wasn't me") {
		l.t.Fatalf("the letter %q does not let anybody object:\n%s", l.subject, l.raw)
	}
	return link
}

// TestItWasntMe is the journey of somebody whose account a stranger tries: the link is dead, everybody is out, the next
// request is silently held, and whoever knows the password, or the store, or the time, ends the hold.
func TestItWasntMe(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.rekey("", "config", "set", "customer/password/min_time_between_password_reset_requests", "0")
		s.rekey("", "config", "set", "customer/password/max_number_password_reset_requests", "0")
		s.rekey("", "store-view", "set", "default", "--support-email", "care@lune.example")
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.administrator()
		elsewhere := newTab(t, look{})
		s.signIn(elsewhere, shopper, oldPassword)
		app, _ := s.token(shopper, oldPassword)

		askForLink(s, newTab(t, look{}), shopper) // a stranger
		letter := s.post.wait(shopper, 1)
		scanner := newTab(t, look{}) // opens both links and goes away
		scanner.visit(letter.notMe())
		scanLink(t, s, letter)

		b := newTab(t, look{noScript: true})
		b.visit(letter.notMe())
		b.see("It Wasn't You?", "Your password stays as it is.")
		if at := b.address(); at.RawQuery != "" || at.Path != "/customer/account/notme" {
			t.Errorf("the page is at %s, where the secret may be seen", at)
		}
		if got := s.me(app); got != http.StatusOK {
			t.Fatalf("opening the page ended the app's token: %d", got)
		}
		b.press("It Wasn't Me")
		b.see("Thank You, It Is Stopped", "All browsers and apps have been signed out", "Your password is as it was")

		if got := s.me(app); got != http.StatusUnauthorized {
			t.Errorf("the app's token gives %d, want 401", got)
		}
		elsewhere.visit(s.url + "/customer/account")
		if at := elsewhere.address().Path; at != "/customer/account/login" {
			t.Errorf("another browser is still signed in, at %s", at)
		}
		b.visit(letter.link())
		b.see("This Link No Longer Works")
		if told := s.post.wait("care@lune.example", 1); !strings.Contains(told.subject, "It wasn't me") || !strings.Contains(told.text, shopper) {
			t.Errorf("the store is told: %q\n%s", told.subject, told.text)
		}

		console := newTab(t, look{})
		s.console(console)
		s.customerPage(console, shopper)
		console.see("Resets on hold", "It wasn't me", "1 token revoked and 1 session ended", "Unlock")

		askForLink(s, newTab(t, look{}), shopper) // the stranger again: reads what everybody reads
		console.press("Reset Password")           // the store's own letter is not held, and comes after the stranger's would have
		if byStore := s.post.wait(shopper, 2); !strings.Contains(byStore.text, "customer service") {
			t.Errorf("during the hold a stranger's letter came:\n%s", byStore.text)
		}
		if out := s.rekey("", "customer", "show", shopper); !strings.Contains(out, "Resets on hold") || !strings.Contains(out, "is on hold") && !strings.Contains(out, "are on hold") {
			t.Errorf("customer show says nothing of the hold:\n%s", out)
		}

		s.signIn(elsewhere, shopper, oldPassword) // the password was never touched, and ends the hold
		if out := s.rekey("", "customer", "show", shopper); strings.Contains(out, "Resets on hold") {
			t.Errorf("the owner has signed in and is held still:\n%s", out)
		}
		askForLink(s, newTab(t, look{}), shopper)
		second := s.post.wait(shopper, 3)

		b.visit(second.notMe()) // the second of the day wants a box, which programs do not tick
		if got := b.press("It Wasn't Me"); got != http.StatusUnprocessableEntity {
			t.Errorf("without the box it answers %d", got)
		}
		b.tick("I am a person, and it wasn't me")
		b.press("It Wasn't Me")
		b.see("Thank You, It Is Stopped")
		console.visit(s.url + "/admin/customers?q=" + shopper)
		console.press("Edit")
		console.press("Unlock")
		console.seeNot("Resets on hold")
		askForLink(s, newTab(t, look{}), shopper)
		third := s.post.wait(shopper, 4)

		b.visit(third.notMe())
		b.tick("I am a person, and it wasn't me")
		b.press("It Wasn't Me")
		b.see("Until")
		s.tables(func(ctx context.Context, tx *db.Tx) error { // an hour later
			now, err := tx.Now(ctx)
			if err == nil {
				_, err = tx.Exec(ctx, "UPDATE customers SET resets_held_until = $1 WHERE resets_held_until IS NOT NULL", db.Micro(now))
			}
			return err
		})
		askForLink(s, newTab(t, look{}), shopper)
		b.visit(s.post.wait(shopper, 5).link())
		b.see("Set a New Password")
	})
}

// objectionScenes are “It wasn't me”, before and after. Each of them lets go of what it held, for the scenes that follow.
var objectionScenes = []scene{
	{"objection", func(st *stage, b *tab) { st.objectTo(b, st.forgotLetter(b.t)) }},
	{"objection-refused", func(st *stage, b *tab) {
		st.object(b, st.forgotLetter(b.t))
		st.objectTo(b, st.forgotLetter(b.t))
		b.expect(http.StatusUnprocessableEntity, b.press(b.mainButton()))
	}},
	{"objection-made", func(st *stage, b *tab) { st.object(b, st.forgotLetter(b.t)) }},
	{"objection-new-password", func(st *stage, b *tab) { st.objectTo(b, st.changedLetter(b.t)) }},
	{"objection-new-password-made", func(st *stage, b *tab) { st.object(b, st.changedLetter(b.t)) }},
	{"objection-over", func(st *stage, b *tab) {
		old := st.forgotLetter(b.t)
		st.changedLetter(b.t)
		st.objectTo(b, old)
	}},
	{"objection-unknown", func(st *stage, b *tab) {
		b.visit(st.front + accounts + "notme?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	}},
}

// mainButton is what the button of the page says, whatever the language.
func (b *tab) mainButton() string {
	b.t.Helper()
	return script[string](b, `document.querySelector('main button').innerText`)
}

// tickAll ticks those of the boxes that the page has.
func (b *tab) tickAll(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		script[bool](b, `(() => { const box = document.getElementById("`+id+`"); if (box) { box.checked = true; } return !!box; })()`)
	}
}

func (st *stage) forgotLetter(t *testing.T) string {
	t.Helper()
	return st.letter(t, st.email, func() {
		b := newTab(t, look{})
		b.visit(st.front + accounts + "forgotpassword")
		b.send("email", st.email)
	})
}

// changedLetter is the notice after a recovery that keeps the customer's password.
func (st *stage) changedLetter(t *testing.T) string {
	t.Helper()
	link := recoveryLink.FindString(st.forgotLetter(t))
	return st.letter(t, st.email, func() {
		b := newTab(t, look{})
		b.visit(link)
		b.send("password", st.word, "password_confirmation", st.word)
	})
}

// held says "It wasn't me" to the customer's new password, which stays, and signs in again: until the hold is over, the account
// page says what cannot be changed.
func (st *stage) held(b *tab) {
	b.t.Helper()
	if st.later != nil {
		st.later() // only the first objections of a day hold anything
	}
	st.objectTo(b, st.changedLetter(b.t))
	b.tickAll("sure")
	st.letter(b.t, st.email, func() { b.expect(http.StatusOK, b.press(b.mainButton())) })
	st.signIn(b)
	if b.has("a[href*=addpasskey]") == nil {
		b.fatalf("the account takes passkeys")
	}
	b.t.Cleanup(func() { st.rekey(b.t, "customer", "unlock", st.email) })
}

func (st *stage) objectTo(b *tab, letter string) {
	b.t.Helper()
	b.expect(http.StatusOK, b.visit(objectionLink.FindString(letter)))
}

func (st *stage) object(b *tab, letter string) {
	b.t.Helper()
	st.objectTo(b, letter)
	b.tickAll("sure", "stop")
	press := func() { b.expect(http.StatusOK, b.press(b.mainButton())) }
	if recoveryLink.MatchString(letter) {
		press()
		st.rekey(b.t, "customer", "unlock", st.email)
		return
	}
	next := recoveryLink.FindString(st.letter(b.t, st.email, press))
	st.letter(b.t, st.email, func() { // the stopped password is the customer's again after another
		again := newTab(b.t, look{})
		again.visit(next)
		again.send("password", newPassword, "password_confirmation", newPassword)
	})
	st.changedLetter(b.t)
}
