package storefront_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

const (
	dataPage   = "/customer/account/data"
	deletePage = "/customer/account/delete"
)

// proves shows once more who sits there, a while after signing in, and returns where that leads.
func (b *browser) proves(clock *dbtest.Clock, password, next string) string {
	b.s.t.Helper()
	clock.Advance(time.Second)
	return b.post(proofPage+"post", "current_password", password, "next", next).Location
}

// actions are what the audit has, newest first.
func (s *street) actions() (all []string) {
	s.t.Helper()
	err := s.db.Read(s.t.Context(), func(tx *db.Tx) error {
		entries, _, err := audit.List(s.t.Context(), tx, audit.Query{Limit: 50})
		for _, e := range entries {
			all = append(all, e.Action)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// Promise: what cannot be taken back, and what gives everything away, asks who sits there, once more after signing in.
func TestSigningInIsNotEnoughForDataAndDeletion(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		for _, r := range []struct{ page, next string }{{dataPage, "data"}, {deletePage, "delete"}} {
			b := s.browser(lune)
			b.signIn("camille@example.com", "first-password")
			clock.Advance(time.Second)
			toProof := proofPage + "?next=" + r.next
			if a := b.get(r.page); a.Code != 303 || a.Location != toProof {
				t.Errorf("%s right after signing in answers %d %s", r.page, a.Code, a.Location)
			}
			if a := b.post(r.page+"post", "sure", "on"); a.Code != 303 || a.Location != toProof {
				t.Errorf("%s posted at once answers %d %s", r.page, a.Code, a.Location)
			}
			b.get(toProof).says(t, "Confirm It Is You", `autocomplete="current-password"`, `value="camille@example.com" autocomplete="username"`)
			if a := b.post(proofPage+"post", "current_password", "guess", "next", r.next); a.Code != 422 {
				t.Errorf("a wrong password answers %d", a.Code)
			}
			if to := b.proves(clock, "first-password", r.next); to != r.page {
				t.Errorf("the right password leads to %q", to)
			}
			if a := b.get(r.page); a.Code != 200 {
				t.Errorf("%s after the proof answers %d", r.page, a.Code)
			}
			clock.Advance(proofLife)
			if a := b.post(r.page+"post", "sure", "on"); a.Code != 303 || a.Location != toProof {
				t.Errorf("%s long after the proof answers %d %s", r.page, a.Code, a.Location)
			}
		}
		if got := strings.Join(s.actions(), " "); strings.Contains(got, audit.CustomerDeleted) || strings.Contains(got, audit.DataDownloaded) {
			t.Errorf("something was done: %s", got)
		}
	})
}

func TestDeletingTheAccountSaysWhatGoesAndEndsEverything(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b, elsewhere := s.browser(lune), s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		elsewhere.signIn("camille@example.com", "first-password")
		b.get(accountPage).says(t, "Delete My Account", "Download My Data")
		b.proves(clock, "first-password", "delete")
		b.get(deletePage).says(t, "This cannot be undone.", "What is deleted", "What is kept", "Your customer number", "Keep my account")
		unsure := b.post(deletePage + "post")
		if unsure.Code != 422 || !elsewhere.signedIn() {
			t.Errorf("an empty form answers %d", unsure.Code)
		}
		unsure.says(t, `href="#sure"`, "Tick the box to confirm")
		a := b.post(deletePage+"post", "sure", "on")
		if a.Code != 303 || a.Location != loginPage || a.Header.Get("Clear-Site-Data") != `"cache"` {
			t.Fatalf("deleting answers %d %s: %s", a.Code, a.Location, a.words())
		}
		b.get(loginPage).says(t, "Your account was deleted. We have sent you an email that confirms it.")
		if b.signedIn() || elsewhere.signedIn() {
			t.Error("a session lives on")
		}
		if a := b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "first-password"); a.Code != 422 {
			t.Errorf("signing in answers %d", a.Code)
		}
		if got := s.actions(); !strings.Contains(strings.Join(got, " "), audit.CustomerDeleted) {
			t.Errorf("the audit has %v", got)
		}
		if got := s.written("account_deleted"); len(got) != 1 || got[0].To.Email != "camille@example.com" {
			t.Errorf("emails: %+v", got)
		}
		again := s.customer("camille@example.com", "second-password") // the address is free
		b.signIn(again.Email, "second-password")
	})
}

func TestTheDataIsAFile(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		s.customer("other@example.com", "first-password")
		b := s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		b.proves(clock, "first-password", "data")
		b.get(dataPage).says(t, "everything that Maison Lune keeps about you", "Download My Data")
		a := b.post(dataPage + "post")
		if a.Code != http.StatusOK || a.Header.Get("Content-Disposition") != `attachment; filename="account-data.json"` ||
			a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%d %v", a.Code, a.Header)
		}
		var all map[string]any
		if err := json.Unmarshal([]byte(a.Body), &all); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"email", "profile", "addresses", "sessions", "passkeys", "tokens", "letters", "audit"} {
			if _, ok := all[part]; !ok {
				t.Errorf("no %s in %s", part, a.Body)
			}
		}
		if strings.Contains(a.Body, "other@") || strings.Contains(a.Body, "$argon2") || !strings.Contains(a.Body, audit.DataDownloaded) {
			t.Errorf("too much or too little:\n%s", a.Body)
		}
	})
}

var changeOf = regexp.MustCompile(`name="change" value="([a-z0-9]{26})"`)

// Promise: whoever asked for another address sees that it waits, and takes it back; its link is worth nothing then.
func TestAChangeOfAddressThatWaitsIsShownAndCancelled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		s.customer("other@example.com", "first-password")
		b, other := s.browser(lune), s.browser(lune)
		b.signIn("camille@example.com", "first-password")
		other.signIn("other@example.com", "first-password")
		if strings.Contains(b.get(accountPage).Body, "Cancel the change") {
			t.Error("nothing waits yet")
		}
		if a := b.post("/customer/account/editemailpost", "email", "new@example.com", "current_password", "first-password"); a.Code != 303 {
			t.Fatalf("asking answers %d: %s", a.Code, a.words())
		}
		link := s.link("email_change")
		page := b.get(accountPage)
		page.says(t, "new@example.com is to become your address", "Cancel the change")
		id := changeOf.FindStringSubmatch(page.Body)[1]
		if a := other.post("/customer/account/cancelemailpost", "change", id); a.Code != 303 {
			t.Errorf("a stranger's try answers %d", a.Code)
		}
		b.get(accountPage).says(t, "Cancel the change")
		for range 2 { // the second time there is nothing left to cancel
			if a := b.post("/customer/account/cancelemailpost", "change", id); a.Code != 303 || a.Location != accountPage {
				t.Errorf("cancelling answers %d %s", a.Code, a.Location)
			}
		}
		after := b.get(accountPage)
		after.says(t, "The change was cancelled.", "camille@example.com")
		if strings.Contains(after.Body, "new@example.com") {
			t.Error("it still waits")
		}
		b.get(link)
		if a := b.get("/customer/account/confirmemail"); a.Code != http.StatusGone {
			t.Errorf("the link answers %d", a.Code)
		}
		if a := b.post("/customer/account/cancelemailpost", "change", "rubbish"); a.Code != http.StatusNotFound {
			t.Errorf("rubbish answers %d", a.Code)
		}
	})
}
