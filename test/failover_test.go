package test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

// ledger is what the store acknowledged: none of it may ever be taken back.
type ledger struct {
	mu      sync.Mutex
	spent   []string // links that set a password
	ended   []*caller
	revoked []string // tokens
	asked   []string // addresses that asked for a link
	times   []time.Time
	failed  map[string]int // answers that acknowledged nothing
	slowest time.Duration  // of them
}

func (l *ledger) note(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// least is the smallest number of entries of one kind.
func (l *ledger) least() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(len(l.spent), len(l.ended), len(l.revoked), len(l.asked))
}

// pause is the longest time between two acknowledged requests for a link.
func (l *ledger) pause() (longest time.Duration) {
	for i := 1; i < len(l.times); i++ {
		longest = max(longest, l.times[i].Sub(l.times[i-1]))
	}
	return longest
}

// TestFailoverForgetsNothingAcknowledged kills the primary of a PostgreSQL pair while shoppers use two nodes. The nodes go on
// by themselves on the promoted standby. No link that set a password, no session that was ended and no token that was
// revoked ever works again, and whoever was told that a letter is coming gets it. The old primary comes back as the standby.
func TestFailoverForgetsNothingAcknowledged(t *testing.T) {
	whole(t)
	begun := time.Now()
	p := newPair(t)
	t.Logf("the pair stands after %v", time.Since(begun).Round(time.Second))
	s := newStoreOn(t, p.database("rekey"), "--hash-memory", "1", "--hash-time", "1", "--hash-slots", "8", "--log-level", "error", "--trusted-proxies", "127.0.0.1")
	second, address := s.serve("127.0.0.1:0")
	nodes := []string{s.url, address}
	for _, path := range []string{"customer/password/max_requests_per_client", "customer/signin/max_failures_per_client"} {
		s.rekey("", "config", "set", path, "0")
	}
	r := &run{store: s, nodes: nodes, ledger: &ledger{failed: map[string]int{}}}
	failovers := rounds(t, 1, 200)
	r.furnish(120*failovers, 600*failovers)
	for range failovers {
		r.begin()
		r.reaches(15)
		old := p.killPrimary()
		r.reaches(r.ledger.least() + 10)
		r.end()
		t.Logf("the primary was killed; shoppers could not ask for a link for %v; acknowledged: %d links used, %d sessions ended, %d tokens revoked, %d letters; failed meanwhile: %v, the slowest after %v",
			r.ledger.pause().Round(100*time.Millisecond), len(r.ledger.spent), len(r.ledger.ended), len(r.ledger.revoked), len(r.ledger.asked), r.ledger.failed, r.ledger.slowest.Round(100*time.Millisecond))
		r.nothingCameBack()
		p.start(old)
		if leader := p.isWhole(); leader == old {
			t.Error("the old primary leads again")
		}
		r.nothingCameBack()
	}
	for _, email := range r.ledger.asked {
		s.post.wait(email, 1)
	}
	if !s.node.runs() || !second.runs() {
		t.Error("a node ended")
	}
}

// run is shoppers at work.
type run struct {
	*store
	nodes  []string
	ledger *ledger

	links   []string // not used yet
	askers  []string // have not asked yet
	workers sync.WaitGroup
	stop    chan struct{}
}

// furnish makes customers, with the same password, and links for some of them.
func (r *run) furnish(links, askers int) {
	r.t.Helper()
	salt := []byte("every test's salt")
	hash := fmt.Sprintf("$argon2id$v=19$m=1024,t=1,p=1$%s$%s", base64.RawStdEncoding.EncodeToString(salt),
		base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(oldPassword), salt, 1, 1024, 1, 32)))
	var rows strings.Builder
	rows.WriteString("email,firstname,lastname,website,password_hash\n")
	for i := range links + askers + 20 {
		fmt.Fprintf(&rows, "%s,Camille,Durand,base,\"%s\"\n", numbered(i), hash)
	}
	list := filepath.Join(r.t.TempDir(), "customers.csv")
	if err := os.WriteFile(list, []byte(rows.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.rekey("", "customer", "import", list)
	for i := range askers {
		r.askers = append(r.askers, numbered(20+links+i))
	}
	for i := range links {
		if got := newCaller(r.nodes[i%2]).forgot(numbered(20 + i)); !got.worked() {
			r.t.Fatalf("asking for a link: %v", got)
		}
	}
	for i := range links {
		r.links = append(r.links, r.post.wait(numbered(20+i), 1).link())
	}
}

// begin sets shoppers to work, each at both nodes in turn.
func (r *run) begin() {
	r.stop = make(chan struct{})
	for _, work := range []func(node string, turn int){r.useLink, r.signInAndOut, r.revokeToken, r.ask} {
		r.workers.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond)
			defer pace.Stop()
			for turn := 0; ; turn++ {
				select {
				case <-r.stop:
					return
				case <-pace.C:
					work(r.nodes[turn%2], turn)
				}
			}
		})
	}
}

func (r *run) end() {
	close(r.stop)
	r.workers.Wait()
}

// reaches waits until so much of each kind was acknowledged.
func (r *run) reaches(n int) {
	r.t.Helper()
	r.until(time.Minute, func() error {
		if got := r.ledger.least(); got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}

func (r *run) until(within time.Duration, f func() error) {
	r.t.Helper()
	if err := eventually(within, f); err != nil {
		r.end()
		r.t.Fatalf("%v; failed: %v", err, r.ledger.failed)
	}
}

// acknowledged keeps an answer, or counts why it is none.
func (r *run) acknowledged(got reply, ok bool, keep func()) {
	r.ledger.note(func() {
		if ok {
			keep()
			return
		}
		r.ledger.failed[fmt.Sprint(got.status)]++
		r.ledger.slowest = max(r.ledger.slowest, got.took)
		if got.status >= 400 && got.status != http.StatusServiceUnavailable && got.status != http.StatusGone {
			r.t.Errorf("an answer was %v: %.300s", got, got.body)
		}
	})
}

// useLink sets a password. What was not acknowledged is tried again; a link that is used by then was used by that.
func (r *run) useLink(node string, _ int) {
	if len(r.links) == 0 {
		return
	}
	got := newCaller(node).recover(r.links[0], newPassword)
	r.acknowledged(got, got.worked(), func() { r.ledger.spent = append(r.ledger.spent, r.links[0]) })
	if got.worked() || got.status == http.StatusGone {
		r.links = r.links[1:]
	}
}

func (r *run) signInAndOut(node string, turn int) {
	c := newCaller(node)
	if got := c.signIn(numbered(turn%10), oldPassword); !got.worked() {
		r.acknowledged(got, false, nil)
		return
	}
	kept := newCaller(node) // the cookies of a thief, which signing out does not take away
	for _, n := range r.nodes {
		kept.http.Jar.SetCookies(mustURL(n), c.http.Jar.Cookies(mustURL(node)))
	}
	got := c.form("/customer/account/logout")
	r.acknowledged(got, got.worked(), func() { r.ledger.ended = append(r.ledger.ended, kept) })
}

func (r *run) revokeToken(node string, turn int) {
	c := newCaller(node)
	token, got := c.token(numbered(10+turn%10), oldPassword)
	if got.status != http.StatusOK {
		r.acknowledged(got, false, nil)
		return
	}
	got = c.revoke(token)
	r.acknowledged(got, got.status == http.StatusOK, func() { r.ledger.revoked = append(r.ledger.revoked, token) })
}

func (r *run) ask(node string, _ int) {
	if len(r.askers) == 0 {
		return
	}
	email := r.askers[0]
	r.askers = r.askers[1:]
	got := newCaller(node).forgot(email)
	r.acknowledged(got, got.worked(), func() {
		r.ledger.asked, r.ledger.times = append(r.ledger.asked, email), append(r.ledger.times, time.Now())
	})
}

// nothingCameBack tries everything once more that was used up.
func (r *run) nothingCameBack() {
	r.t.Helper()
	for _, node := range r.nodes {
		for _, link := range r.ledger.spent {
			if got := newCaller(node).recover(link, "a-thief-was-here-9"); got.status != http.StatusGone {
				r.t.Errorf("a link that was used: %v", got)
			}
		}
		for _, thief := range r.ledger.ended {
			if got := thief.on(node).account(); !got.signedOut() {
				r.t.Errorf("a session that was ended: %v", got)
			}
		}
		for _, token := range slices.Compact(r.ledger.revoked) {
			if got := newCaller(node).me(token); got.status != http.StatusUnauthorized {
				r.t.Errorf("a token that was revoked: %v", got)
			}
		}
	}
}
