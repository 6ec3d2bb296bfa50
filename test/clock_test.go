package test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fakeTime is libfaketime, where Debian's package of that name puts it. Only programs in C heed it: PostgreSQL's clock moves, and
// those of the nodes stay.
const fakeTime = "/usr/lib/*/faketime/libfaketimeMT.so.1"

// TestTheDatabasesClockMayBeAnHourOff sets the clock of PostgreSQL an hour ahead of two nodes, an hour behind, and right again, under
// them. Links that are good for an hour end by that clock and not by theirs; nobody is signed out, letters go on; and a link that was
// used, a session that was ended and a token that was revoked stay so.
func TestTheDatabasesClockMayBeAnHourOff(t *testing.T) {
	beside(t)
	found, err := filepath.Glob(fakeTime)
	switch {
	case err != nil:
		t.Fatal(err)
	case len(found) == 0 && !complete():
		t.Skip("libfaketime is not here (Debian: apt install libfaketime)")
	case len(found) == 0:
		t.Fatal("libfaketime is not installed")
	}
	place := newPlace(t)
	face := filepath.Join(place.Dir, "clock")
	set := func(ahead time.Duration) {
		t.Helper()
		if err := os.WriteFile(face, fmt.Appendf(nil, "%+d\n", int(ahead.Seconds())), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	c := newClusterIn(t, []string{"LD_PRELOAD=" + found[0], "FAKETIME_TIMESTAMP_FILE=" + face, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"},
		place, "pg")
	s := newStoreOn(t, c.database("rekey"), quick...)
	s.noLimits()
	_, second := s.serve("127.0.0.1:" + freePort(t))
	nodes := []string{s.url, second}
	const patient = "patient@example.com" // asks before each step, and opens the link after it
	const step = time.Hour + time.Minute  // longer than a link is good
	s.rekey("", "config", "set", "customer/password/reset_link_expiration_period", "1")
	s.customer(shopper, "Camille", "Durand", oldPassword)
	s.customer(patient, "Nour", "Haddad", oldPassword)
	s.rekey("", "config", "set", "customer/password/min_time_between_password_reset_requests", "0")

	signed, ended := newCaller(s.url), newCaller(s.url)
	if got := newCaller(s.url).forgot(shopper); got.acknowledges() != nil {
		t.Fatal(got)
	}
	used := s.post.wait(shopper, 1).link()
	if got := newCaller(s.url).recover(used, newPassword); !got.worked() {
		t.Fatalf("a new password: %v", got)
	}
	for _, browser := range []*caller{signed, ended} {
		if got := browser.signIn(shopper, newPassword); !got.worked() {
			t.Fatalf("signing in: %v", got)
		}
	}
	stolen := ended.http.Jar.Cookies(mustURL(s.url))
	if got := ended.form("/customer/account/logout"); !got.worked() {
		t.Fatalf("signing out: %v", got)
	}
	revoked, _ := signed.token(shopper, newPassword)
	signed.revoke(revoked)

	word, letters := oldPassword, 0
	for _, row := range []struct {
		ahead time.Duration
		good  bool // the link from before the step
	}{{step, false}, {-step, true}, {0, false}} {
		ahead := row.ahead
		if got := newCaller(s.url).forgot(patient); got.acknowledges() != nil {
			t.Fatal(got)
		}
		letters++
		link := s.post.wait(patient, letters).link()
		set(ahead)
		c.shows(ahead)
		for _, node := range nodes {
			if got := newCaller(node).recover(used, oldPassword); got.worked() {
				t.Errorf("%v ahead: a used link works", ahead)
			}
			if got := signed.on(node).me(revoked); got.status != http.StatusUnauthorized {
				t.Errorf("%v ahead: a revoked token gives %v", ahead, got)
			}
			thief := newCaller(node)
			thief.http.Jar.SetCookies(mustURL(node), stolen)
			if got := thief.account(); !got.signedOut() {
				t.Errorf("%v ahead: an ended session gives %v", ahead, got)
			}
			if got := signed.on(node).account(); got.status != http.StatusOK {
				t.Errorf("%v ahead: who is signed in gets %v", ahead, got)
			}
			if got := newCaller(node).get("/readyz"); got.status != http.StatusOK {
				t.Errorf("%v ahead: /readyz gives %v", ahead, got)
			}
		}
		if got := newCaller(second).open(link); (got.status == http.StatusOK) != row.good {
			t.Errorf("%v ahead: a link from before the step gives %v", ahead, got)
		}
		if row.good {
			word = newPassword
			if got := newCaller(second).recover(link, word); !got.worked() {
				t.Errorf("%v ahead: the link gives %v", ahead, got)
			}
			letters++
			s.post.wait(patient, letters) // the notice
		}
		browser := newCaller(s.url)
		if got := browser.signIn(patient, word); !got.worked() || browser.account().status != http.StatusOK {
			t.Errorf("%v ahead: signing in gives %v", ahead, got)
		}
	}
}

// shows waits until the server's clock is that far ahead of ours.
func (c *cluster) shows(ahead time.Duration) {
	c.t.Helper()
	d, err := sql.Open("pgx", c.url("postgres"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer d.Close()
	err = eventually(patience, func() error {
		var now time.Time
		if err := d.QueryRow("SELECT clock_timestamp()").Scan(&now); err != nil {
			return err
		}
		if off := time.Until(now) - ahead; off.Abs() > time.Minute {
			return errors.New("the clock of PostgreSQL is off by " + off.String())
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}
