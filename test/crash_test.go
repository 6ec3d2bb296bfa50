package test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

const (
	patrons = 12
	// killWithin is when a kill falls, counted from an answer in the thick of it: while requests are being read, judged, hashed,
	// committed and answered.
	killWithin = 50 * time.Millisecond
	// recovering bounds how long a node may take to serve again once its database is back.
	recovering = 5 * time.Second
)

// TestNothingIsLostWhenTheServerIsKilled kills the server at moments left to chance while customers sign in and out, forget,
// change and lose their passwords, and holds the invariants each time.
func TestNothingIsLostWhenTheServerIsKilled(t *testing.T) {
	eachArena(t, func(t *testing.T, a *arena) {
		random := dice(t)
		h := a.filled(random)
		for range rounds(t, 8, 1) {
			k := random.IntN(len(a.nodes))
			h.during(func() {
				<-time.After(time.Duration(random.Int64N(int64(killWithin))))
				a.nodes[k].kill()
			})
			a.revive(k)
			h.kills++
			if h.check(); t.Failed() {
				t.Fatalf("after %d kills", h.kills)
			}
		}
		h.ends()
	})
}

// TestNothingIsLostWhenPostgreSQLIsKilled kills every process of the database instead. Both nodes say 503 meanwhile, live on,
// and serve again by themselves.
func TestNothingIsLostWhenPostgreSQLIsKilled(t *testing.T) {
	beside(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		if engine != dbtest.Postgres {
			t.Skip("SQLite is in the server's process; the test above kills it")
		}
		server, err := throwaway.Start(context.Background())
		if err != nil {
			t.Fatal(err) // dbtest has seen that there is one
		}
		t.Cleanup(server.Stop)
		random := dice(t)
		a := arenaOf(newStoreOn(t, server.URL, racing...), engine)
		h := a.filled(random)
		var slowest time.Duration
		for range rounds(t, 3, 2) {
			h.during(func() {
				<-time.After(time.Duration(random.Int64N(int64(killWithin))))
				if err := server.Crash(); err != nil {
					t.Error(err)
				}
			})
			for k := range a.nodes {
				a.saysSo(k)
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			back := time.Now()
			for k := range a.nodes {
				a.servesAgain(k)
			}
			slowest = max(slowest, time.Since(back))
			h.kills++
			if h.check(); t.Failed() {
				t.Fatalf("after %d kills", h.kills)
			}
		}
		t.Logf("the nodes served again within %v of the database's return", slowest.Round(time.Millisecond))
		h.ends()
	})
}

// saysSo holds that a node without its database is alive, refuses at once, and promises nothing.
func (a *arena) saysSo(k int) {
	a.t.Helper()
	g := newGuest(luneHost)
	// It looks at most once a second, so its answer may be from before the kill.
	if err := eventually(recovering, func() error {
		got, err := a.send(a.nodes[k], g.request("GET", "/readyz", nil))
		if err == nil && got.status != http.StatusServiceUnavailable {
			err = fmt.Errorf("/readyz gives %d %s", got.status, got.body)
		}
		return err
	}); err != nil {
		a.t.Errorf("without a database: %v", err)
	}
	for _, r := range []struct {
		request *http.Request
		status  int
	}{
		{g.request("GET", "/healthz", nil), http.StatusOK},
		{g.request("POST", "/customer/account/forgotpasswordpost", url.Values{"email": {shopper}}), http.StatusServiceUnavailable},
		{g.request("GET", "/rest/V1/customers/me", nil), http.StatusServiceUnavailable},
	} {
		began := time.Now()
		got, err := a.send(a.nodes[k], r.request)
		if err != nil || got.status != r.status {
			a.t.Errorf("without a database, %s %s gives %d, want %d: %v %s", r.request.Method, r.request.URL.Path, got.status, r.status, err, got.body)
		}
		if took := time.Since(began); took > recovering {
			a.t.Errorf("without a database, %s took %v", r.request.URL.Path, took)
		}
		if got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") == "" {
			a.t.Errorf("without a database, %s does not say when to come again", r.request.URL.Path)
		}
	}
}

// servesAgain waits until a node whose database is back serves.
func (a *arena) servesAgain(k int) {
	a.t.Helper()
	err := eventually(recovering, func() error {
		got, err := a.send(a.nodes[k], newGuest(luneHost).request("GET", "/readyz", nil))
		if err == nil && got.status != http.StatusOK {
			err = fmt.Errorf("/readyz gives %d: %s", got.status, got.body)
		}
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	if !a.nodes[k].runs() {
		a.t.Fatal("the node has ended")
	}
}

// filled is the house with its patrons in it.
func (a *arena) filled(random *rand.Rand) *crowdedHouse {
	a.t.Helper()
	a.unlimited("customer/password/max_requests_per_client", "customer/signin/max_failures_per_client")
	// These limits count without ever being met.
	a.set(map[string]string{"customer/password/min_time_between_password_reset_requests": "0", "customer/password/max_number_password_reset_requests": "1000",
		"customer/password/lockout_failures": "90"})
	a.administrator()
	got := a.does(newGuest(luneHost), "POST", "/rest/V1/integration/admin/token", map[string]string{"username": boss, "password": bossWord})
	var token string
	if err := json.Unmarshal([]byte(got.body), &token); err != nil {
		a.t.Fatalf("an administrator's token: %d %s", got.status, got.body)
	}
	h := &crowdedHouse{arena: a, checked: time.Now()}
	for i := range patrons {
		p := &patron{a: a, random: rand.New(rand.NewPCG(random.Uint64(), random.Uint64())), boss: token, email: numbered(i), password: oldPassword}
		made := a.does(newGuest(luneHost), "POST", "/rest/V1/customers", map[string]any{"password": p.password,
			"customer": map[string]string{"email": p.email, "firstname": "Shopper", "lastname": fmt.Sprint(i)}})
		if made.status != http.StatusOK {
			a.t.Fatalf("an account: %d %s", made.status, made.body)
		}
		p.id = a.count(`SELECT id FROM customers WHERE email = $1`, p.email)
		h.patrons = append(h.patrons, p)
	}
	return h
}

// ends lets everything come to rest, looks at every letter, and sees each patron recover once more.
func (h *crowdedHouse) ends() {
	h.t.Helper()
	h.queueIsEmpty(2 * time.Minute) // what a dead node had under way waits for its lease, and what failed for its pause
	h.checked = time.Time{}
	h.check()
	copies := map[string][]letter{}
	again := 0
	for _, l := range h.post.all() {
		id := l.header.Get("Message-Id")
		if len(copies[id]) > 0 {
			again++
			if first := copies[id][0]; mailedSecret.FindString(first.text) != mailedSecret.FindString(l.text) || first.to != l.to {
				h.t.Errorf("two letters %s differ", id)
			}
		}
		copies[id] = append(copies[id], l)
	}
	if underWay := 4 * len(h.nodes) * h.kills; again > underWay { // a node has four letters under way at most
		h.t.Errorf("%d letters came again after %d kills", again, h.kills)
	}
	resets, changes, accounts, ended := 0, 0, 0, 0
	for _, p := range h.patrons {
		resets, changes, accounts, ended = resets+p.resets, changes+p.changes, accounts+len(p.opened), ended+len(p.ended)
		n := len(h.post.letters(p.email))
		if p.forget() != answered {
			h.t.Errorf("%s is not answered in the end", p.email)
		}
		h.post.wait(p.email, n+1)
		before := p.resets
		if p.complete(); p.resets != before+1 {
			h.t.Errorf("%s cannot recover in the end", p.email)
		}
	}
	h.queueIsEmpty(draining)
	h.check()
	h.t.Logf("%d kills, %d requests answered: %d resets, %d changes, %d accounts, %d sessions and tokens ended, %d letters, %d of them twice",
		h.kills, h.steps.Load(), resets, changes, accounts, ended, len(copies), again)
	if h.shown.Load() != everything {
		h.t.Error("the test shows nothing")
	}
}

// crowdedHouse is the load: patrons who all act at once until they are stopped.
type crowdedHouse struct {
	*arena
	patrons []*patron
	kills   int
	checked time.Time
	steps   atomic.Int64
	shown   atomic.Uint32 // what has happened at least once, of a patron's shows
}

// actsBefore is how many requests are answered in a round before its fault: the house is full then, each patron somewhere else.
// atMost bounds the wait for everything that the test is about.
const (
	actsBefore = 40
	atMost     = 50 * actsBefore
)

// shows tells what the patron has done so far, a bit for each; everything is all of them.
func (p *patron) shows() (bits uint32) {
	for i, n := range []int{p.resets, p.changes, len(p.opened), len(p.ended)} {
		if n > 0 {
			bits |= 1 << i
		}
	}
	return bits
}

const everything = 1<<4 - 1

// during lets everybody act until f, which begins in the thick of it, has returned and their last request has ended. The first
// round is not in the thick of it before everything has happened once, whatever the dice say.
func (h *crowdedHouse) during(f func()) {
	h.t.Helper()
	var over atomic.Bool
	var acting sync.WaitGroup
	var once sync.Once
	thick := make(chan struct{})
	before := h.steps.Load()
	for _, p := range h.patrons {
		acting.Go(func() {
			for !over.Load() && p.step() {
				done := h.steps.Add(1) - before
				if h.shown.Or(p.shows()); done >= actsBefore && h.shown.Load() == everything || done >= atMost {
					once.Do(func() { close(thick) })
				}
			}
		})
	}
	everybody := make(chan struct{})
	go func() { acting.Wait(); close(everybody) }()
	select {
	case <-thick:
	case <-everybody: // who got no answer waits for the next round
	}
	f()
	over.Store(true)
	<-everybody
}
