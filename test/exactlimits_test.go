package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// swarm is how many requests meet a limit at once.
const swarm = 40

// TestLimitsAreExactOverNodesAndKill9 meets each limit with forty requests at once, over two nodes that are killed meanwhile
// and come back. Exactly as many as the setting says are let through, and nobody else's limit is touched.
func TestLimitsAreExactOverNodesAndKill9(t *testing.T) {
	eachArena(t, func(t *testing.T, a *arena) {
		random := dice(t)
		for round := range rounds(t, 1, 10) {
			meet := func(what string, f func(email string)) {
				a.row(fmt.Sprintf("%s/%d", what, round), func() { f(fmt.Sprintf("%s%03d@example.com", what[:4], round)) })
			}
			moment := time.Duration(random.Int64N(int64(30 * time.Millisecond)))
			meet("letters of one address", func(email string) { a.fiveLetters(email, moment) })
			meet("guesses of one password", func(email string) { a.tenGuesses(email, moment) })
			meet("requests of one network", func(string) { a.fortyRequests(fmt.Sprintf("192.0.2.%d", round+1)) })
		}
	})
}

func (a *arena) fiveLetters(email string, moment time.Duration) {
	a.t.Helper()
	a.set(map[string]string{"customer/password/min_time_between_password_reset_requests": "0", "customer/password/max_number_password_reset_requests": "5"})
	neighbour := "next." + email
	for _, someone := range []string{email, neighbour} {
		a.customer(someone, "Camille", "Durand", oldPassword)
	}
	a.rekey(oldPassword, "customer", "create", "--website", "nord", "--email", email, "--firstname", "Camille", "--lastname", "Durand", "--password-stdin")
	ask := func(host, email string) *http.Request {
		return newGuest(host).request("POST", "/customer/account/forgotpasswordpost", url.Values{"email": {email}})
	}
	all := func(n int) (requests []*http.Request) {
		for range n {
			requests = append(requests, ask(luneHost, email))
		}
		return requests
	}
	a.killedMeanwhile(moment, all(swarm))
	for i, got := range a.volley(all(swarm)) {
		if got.status != http.StatusSeeOther && got.status != http.StatusServiceUnavailable {
			a.t.Errorf("request %d is answered %d, which the others are not", i, got.status)
		}
	}
	a.kill9()
	a.volley(all(8))
	for _, other := range []*http.Request{ask(luneHost, neighbour), ask(nordHost, email)} {
		if got := a.asked(other); got.status != http.StatusSeeOther {
			a.t.Errorf("somebody else's request gives %d", got.status)
		}
	}
	a.timePasses()
	a.queueIsEmpty(draining)
	distinct := map[string]map[string]bool{}
	for _, someone := range []string{email, neighbour} {
		for _, l := range a.post.letters(someone) {
			if distinct[l.to+l.from] == nil {
				distinct[l.to+l.from] = map[string]bool{}
			}
			distinct[l.to+l.from][l.header.Get("Message-Id")] = true
		}
	}
	for who, want := range map[string]int{email + "hello@lune.example": 5, neighbour + "hello@lune.example": 1, email + "hello@nord.example": 1} {
		if n := len(distinct[who]); n != want {
			a.t.Errorf("%d different letters to %s, want %d", n, who, want)
		}
	}
}

func (a *arena) tenGuesses(email string, moment time.Duration) {
	a.t.Helper()
	a.unlimited("customer/signin/max_failures_per_client")
	neighbour := "next." + email
	for _, someone := range []string{email, neighbour} {
		a.customer(someone, "Camille", "Durand", oldPassword)
	}
	a.rekey(oldPassword, "customer", "create", "--website", "nord", "--email", email, "--firstname", "Camille", "--lastname", "Durand", "--password-stdin")
	a.tables(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM lockouts`); return err })
	guess := func(n int, password string) (requests []*http.Request) {
		for range n {
			requests = append(requests, newGuest(luneHost).request("POST", "/rest/V1/integration/customer/token",
				map[string]string{"username": email, "password": password}))
		}
		return requests
	}
	answered := a.killedMeanwhile(moment, guess(6, "wrong-guess")) // fewer than would lock
	if n := a.count(`SELECT COALESCE(SUM(failures), 0) FROM lockouts`); n < int64(answered) || n > 6 {
		a.t.Errorf("%d of 6 guesses were answered, and %d are counted after the kill", answered, n)
	}
	for i, got := range a.volley(guess(swarm, "wrong-guess")) {
		if got.status != http.StatusUnauthorized && got.status != http.StatusServiceUnavailable {
			a.t.Errorf("guess %d gives %d", i, got.status)
		}
	}
	if n := a.count(`SELECT SUM(failures) FROM lockouts`); n != 10 {
		a.t.Errorf("%d guesses were looked at, want 10", n)
	}
	for _, when := range []string{"in the pause", "after a kill, in the pause"} {
		for i, got := range a.volley(guess(8, oldPassword)) {
			if got.status != http.StatusUnauthorized {
				a.t.Errorf("%s the right password %d gives %d", when, i, got.status)
			}
		}
		a.kill9()
	}
	for who, got := range map[string]answer{"a neighbour": a.tries(luneHost, neighbour, oldPassword), "the same address of another website": a.tries(nordHost, email, oldPassword)} {
		if got.status != http.StatusOK {
			a.t.Errorf("%s is answered %d for somebody else's guesses", who, got.status)
		}
	}
}

// fortyRequests holds that one network is heard as often as the setting says and told so then, and that its neighbours are not.
func (a *arena) fortyRequests(network string) {
	a.t.Helper()
	a.set(map[string]string{"customer/password/max_requests_per_client": "40"})
	from := func(network string, n int) (requests []*http.Request) {
		for i := range n {
			g := newGuest(luneHost)
			g.network = network
			requests = append(requests, g.request("POST", "/customer/account/forgotpasswordpost",
				url.Values{"email": {fmt.Sprintf("nobody%d@%s.example", i, strings.ReplaceAll(network, ".", "-"))}}))
		}
		return requests
	}
	counts := tally(a.volley(from(network, swarm+20)))
	if heard := counts["303 /customer/account/login"]; heard+counts["503"] < 40 || heard > 40 || heard+counts["429"]+counts["503"] != swarm+20 {
		a.t.Errorf("60 requests are answered %v, want 40 heard", counts)
	}
	a.kill9()
	counts = tally(a.volley(from(network, 5)))
	if counts["303 /customer/account/login"] > 0 && counts["503"] == 0 {
		a.t.Errorf("after a kill the network is answered %v", counts)
	}
	if got := tally(a.volley(from("198.51.100.9", 1))); got["303 /customer/account/login"] != 1 {
		a.t.Errorf("another network is answered %v", got)
	}
	a.unlimited("customer/password/max_requests_per_client")
}

// kill9 kills every node and starts it again.
func (a *arena) kill9() {
	a.t.Helper()
	for k := range a.nodes {
		a.nodes[k].kill()
		a.revive(k)
	}
}

// killedMeanwhile sends requests and kills every node at a moment after that. It tells how many were answered, and starts
// the nodes again.
func (a *arena) killedMeanwhile(moment time.Duration, requests []*http.Request) (answered int) {
	a.t.Helper()
	answers := make(chan bool, len(requests))
	for i, r := range requests {
		go func() {
			got, err := a.send(a.nodes[i%len(a.nodes)], r)
			answers <- err == nil && got.status < 500
		}()
	}
	<-time.After(moment)
	for _, node := range a.nodes {
		node.kill()
	}
	for range requests {
		if <-answers {
			answered++
		}
	}
	for k := range a.nodes {
		a.revive(k)
	}
	return answered
}
