package test

import (
	"net/http"
	"testing"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// Promise: two links that are opened side by side in one browser each set the password of the account that their page names.
func TestTwoTabsSetThePasswordsTheyShow(t *testing.T) {
	s := newStore(t, dbtest.SQLite)
	emails := []string{shopper, "zoe.lindqvist@example.com"}
	words := []string{"the-first-of-two-words", "the-second-of-two-words"}
	first := newTab(t, look{})
	tabs := []*tab{first, first.beside()}
	for i, email := range emails {
		s.customer(email, "Camille", "Durand", oldPassword)
		if got := s.forgot(email).status; got != http.StatusSeeOther {
			t.Fatalf("asking for a link was answered with %d", got)
		}
		tabs[i].visit(s.post.wait(email, 1).link())
		tabs[i].see("Set a New Password")
	}
	first.see("c…") // and the other tab has been opened since
	tabs[1].see("z…t@example.com")
	for i, b := range tabs {
		b.fill("New Password", words[i])
		b.fill("Confirm New Password", words[i])
		b.press("Reset Password")
		b.see("You updated your password.")
	}
	for i, email := range emails {
		if _, status := s.token(email, words[i]); status != http.StatusOK {
			t.Errorf("the password that was typed for %s is answered with %d", email, status)
		}
		if _, status := s.token(email, words[1-i]); status == http.StatusOK {
			t.Errorf("%s has the other account's password", email)
		}
	}
}
