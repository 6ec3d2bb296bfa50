package test

import (
	"net/http"
	"strings"
	"testing"
)

// TestBreachDayOverAStore is the day on which every customer of a website must be signed out, from the console, with a script and
// without one; the command line sees the same.
func TestBreachDayOverAStore(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.customer("other@example.com", "Noor", "Haddad", oldPassword)
		s.administrator()
		elsewhere := newTab(t, look{})
		s.signIn(elsewhere, shopper, oldPassword)
		app, _ := s.token(shopper, oldPassword)

		b := newTab(t, look{})
		s.console(b)
		b.press("Breach Day")
		b.see("No incidents, fortunately")
		b.press("New Incident")
		b.fill("Name", "24 November")
		b.choose("Website", "Main Website")
		b.press("Count Customers")
		b.see("2 customers are meant", "Nothing has been done")
		b.tick("End their sessions")
		b.tick("Revoke their tokens")
		b.tick("Require a new password")
		b.tick("Send them a letter")
		b.fill("Letters an hour", "100000")
		b.press("Save Measures")
		b.click("Start")
		b.see("2 customers of Main Website", "OK", "Cancel")
		if got := s.me(app); got != http.StatusOK {
			t.Errorf("the token gives %d before the start", got)
		}
		b.press("OK")
		if got := s.me(app); got != http.StatusUnauthorized {
			t.Errorf("the token gives %d after the start", got)
		}
		elsewhere.visit(s.url + "/customer/account")
		if at := elsewhere.address().Path; at != "/customer/account/login" {
			t.Errorf("the browser is still signed in, at %s", at)
		}
		b.see("Finished", "2 treated of 2 chosen", "1 session, 1 token and 2 passwords", "CSV") // without a reload by hand

		letter := s.post.wait(shopper, 1)
		s.post.wait("other@example.com", 1)
		elsewhere.fill("Email Address", shopper)
		elsewhere.fill("Password", oldPassword)
		elsewhere.press("Sign In")
		elsewhere.see("The email address or the password is incorrect.")
		elsewhere.visit(letter.link())
		elsewhere.fill("New Password", newPassword)
		elsewhere.fill("Confirm New Password", newPassword)
		elsewhere.press("Reset Password")
		elsewhere.see("You updated your password.")
		s.signIn(elsewhere, shopper, newPassword)

		if list := s.rekey("", "incident", "list"); !strings.Contains(list, "24 November") || !strings.Contains(list, "finished") {
			t.Errorf("the command line lists:\n%s", list)
		}
		if report := s.rekey("", "incident", "report", "1"); strings.Count(report, "\n") != 3 {
			t.Errorf("the command line reports:\n%s", report)
		}

		bare := newTab(t, look{noScript: true})
		s.console(bare)
		bare.visit(s.url + "/admin/incidents/new")
		bare.fill("Name", "A list")
		bare.fill("List of addresses", shopper+"\nnobody@example.com")
		bare.press("Count Customers")
		bare.see("1 customer is meant")
		bare.tick("End their sessions")
		bare.press("Save Measures")
		bare.press("Start")
		bare.see("1 customer of all websites: their sessions end")
		bare.press("OK")
		bare.see("The incident has started")
	})
}

// incidents makes a draft with measures, one that waits between its letters, one that has ended, and one that is paused.
func (st *stage) incidents(b *tab) {
	b.t.Helper()
	if st.rekey(b.t, "incident", "list", "--json") != "[]\n" {
		return
	}
	for _, args := range [][]string{
		{"--name", "Leaked list, 24 November", "--end-sessions", "--new-password", "--letter", "--per-hour", "600", "--seen-from", "2026-01-01", "--network", "203.0.113.0/24"},
		{"--name", "Stolen laptop of the agency", "--end-sessions", "--letter", "--per-hour", "1", "--created-from", "2001-01-01"},
		{"--name", "Passwords found in a public archive of another shop’s customers, which ours may share", "--revoke-tokens", "--created-from", "2001-01-01"},
		{"--name", "Drill", "--letter", "--per-hour", "1", "--why", "This is a drill. You need to do nothing.", "--created-from", "2001-01-01"},
	} {
		st.rekey(b.t, append([]string{"incident", "describe"}, args...)...)
	}
	for _, id := range []string{"2", "3", "4"} {
		st.rekey(b.t, "incident", "start", id)
	}
	st.rekey(b.t, "incident", "pause", "4")
}

var incidentScenes = []scene{
	{"incidents-none", func(st *stage, b *tab) { st.open(b, "/admin/incidents") }},
	{"incidents", func(st *stage, b *tab) { st.incidents(b); st.open(b, "/admin/incidents") }},
	{"new-incident", func(st *stage, b *tab) { st.open(b, "/admin/incidents/new") }},
	{"new-incident-refused", func(st *stage, b *tab) {
		st.open(b, "/admin/incidents/new")
		b.fill("Network of the last sign-in", "203.0.113")
		b.fill("List of addresses", "camille@@example")
		b.expect(http.StatusUnprocessableEntity, b.press("Count Customers"))
	}},
	{"incident-draft", func(st *stage, b *tab) { st.incidents(b); st.open(b, "/admin/incidents/1") }},
	{"incident-start", func(st *stage, b *tab) {
		st.incidents(b)
		st.open(b, "/admin/incidents/1")
		b.click("Start")
		b.see("Cancel")
	}},
	{"incident-refused", func(st *stage, b *tab) {
		st.incidents(b)
		st.open(b, "/admin/incidents/1")
		script[any](b, `document.querySelectorAll('input[type=checkbox]').forEach(e => e.checked = false)`)
		b.fill("Letters an hour", "0")
		b.expect(http.StatusUnprocessableEntity, b.press("Save Measures"))
	}},
	{"incident-start-page", func(st *stage, b *tab) { st.incidents(b); st.open(b, "/admin/incidents/1/start") }},
	{"incident-stop-page", func(st *stage, b *tab) { st.incidents(b); st.open(b, "/admin/incidents/2/stop") }},
	{"incident-finished", func(st *stage, b *tab) {
		st.incidents(b)
		st.open(b, "/admin/incidents/3")
		b.see("Finished")
	}},
	{"incident-paused", func(st *stage, b *tab) {
		st.incidents(b)
		st.open(b, "/admin/incidents/4")
		b.see("Paused", "Resume")
	}},
	{"incident-running", func(st *stage, b *tab) {
		st.incidents(b)
		st.open(b, "/admin/incidents/2")
		b.see("Queueing letters")
	}},
}
