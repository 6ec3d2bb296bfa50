package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// rounds is how often a test goes through its story: few times in make test, and one of every share rounds that
// REKEY_TORTURE names in make torture.
func rounds(t *testing.T, few, share int) int {
	t.Helper()
	asked := os.Getenv("REKEY_TORTURE")
	if asked == "" {
		return few
	}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 {
		t.Fatalf("REKEY_TORTURE must be a number of rounds, not %q", asked)
	}
	return max(few, n/share)
}

// dice are what a test leaves to chance. REKEY_SEED throws the same again: the same stories and the same moments, though
// the machine keeps its own time between them.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("REKEY_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("REKEY_SEED: %v", err)
		}
	}
	t.Logf("REKEY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// The hosts of the two websites under torture: a proxy hands the name on. Browsers make passkeys at such a host, without https.
const (
	luneHost = "lune.localhost"
	nordHost = "nord.localhost"
)

// racing are the flags of a node that is raced: hashing is cheap and its gate wide, so that fifty requests reach the
// database together and not one by one, and clients come from where their proxy says.
var racing = []string{"--hash-memory", "1", "--hash-time", "1", "--hash-slots", "64", "--trusted-proxies", "127.0.0.1", "--log-level", "warn"}

// arena is a store under torture: two nodes on PostgreSQL, one on SQLite, all of them behind the same names.
type arena struct {
	*store
	test  *testing.T // whose nodes they are; the store's own t is that of the row that runs
	nodes []*seat
	again int          // how many nodes have started again
	wire  *http.Client // reaches a node by its seat, whatever host a request means
	eye   *db.DB       // looks into the tables beside the program
}

// seat is the place of a node, which outlives the processes that sit on it.
type seat struct {
	*program
	listen string // host:port
}

func newArena(t *testing.T, engine string) *arena {
	t.Helper()
	return arenaOf(newStore(t, engine, racing...), engine)
}

// eachArena runs f on an arena per engine.
func eachArena(t *testing.T, f func(t *testing.T, a *arena)) {
	t.Helper()
	beside(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) { f(t, newArena(t, engine)) })
}

func arenaOf(s *store, engine string) *arena {
	s.t.Helper()
	a := &arena{store: s, test: s.t, nodes: []*seat{{s.node, strings.TrimPrefix(s.url, "http://")}}}
	if engine == dbtest.Postgres {
		second, address := s.serve("127.0.0.1:" + freePort(s.t))
		a.nodes = append(a.nodes, &seat{second, strings.TrimPrefix(address, "http://")})
	}
	s.rekey("", "store-view", "set", "default", "--base-url", "http://"+luneHost, "--dev")
	s.rekey("", "website", "create", "--code", "nord", "--name", "Nordlicht")
	s.rekey("", "store-view", "create", "--website", "nord", "--code", "nord", "--name", "Nordlicht", "--locale", "en_US",
		"--base-url", "http://"+nordHost, "--dev", "--sender-name", "Nordlicht", "--sender-email", "hello@nord.example")
	a.wire = &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var err error
	if a.eye, err = db.Open(context.Background(), s.database, db.Options{NoMigrate: true, MaxConns: 2}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { a.eye.Close(); a.wire.CloseIdleConnections() })
	return a
}

// unlimited takes away the limits that a test is not about; without paths, those that a single machine would meet.
func (a *arena) unlimited(paths ...string) {
	a.t.Helper()
	if len(paths) == 0 {
		paths = []string{"customer/password/max_requests_per_client", "customer/signin/max_failures_per_client",
			"customer/password/min_time_between_password_reset_requests", "customer/password/max_number_password_reset_requests"}
	}
	settings := map[string]string{}
	for _, path := range paths {
		settings[path] = "0"
	}
	a.set(settings)
}

// set changes settings in one go, as so many commands would.
func (a *arena) set(settings map[string]string) {
	a.t.Helper()
	a.tables(func(ctx context.Context, tx *db.Tx) error {
		for path, value := range settings {
			_, err := tx.Exec(ctx, `INSERT INTO settings (path, scope, scope_id, value, updated_at) VALUES ($1, 'default', 0, $2, 0)
				ON CONFLICT (path, scope, scope_id) DO UPDATE SET value = EXCLUDED.value`, path, value)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE shop_version SET version = version + 1`)
		return err
	})
}

// row runs one row of a table as a test of its own.
func (a *arena) row(name string, f func()) {
	a.test.Run(name, func(t *testing.T) {
		a.t, a.post.t = t, t
		defer func() { a.t, a.post.t = a.test, a.test }()
		f()
	})
}

// revive starts the node of a seat again. It outlives the row. With REKEY_OLDER_PROGRAM (a path; make mixed) it starts in that
// version and in this one by turns, so that both run side by side, and go back, on this version's schema.
func (a *arena) revive(k int) {
	a.t.Helper()
	row := a.t
	a.t = a.test
	defer func() { a.t, a.older = row, "" }()
	a.older = []string{os.Getenv("REKEY_OLDER_PROGRAM"), ""}[(a.again/2+a.again)%2] // each of two seats in both
	a.again++
	a.nodes[k].program, _ = a.serve(a.nodes[k].listen)
}

// guest is a browser or program of the torture: it means one host, keeps cookies, and each of its requests comes from
// another network unless it has one.
type guest struct {
	host    string
	network string // an IP address; "" for another one each time
	bearer  string
	cookies map[string]string
}

func newGuest(host string) *guest { return &guest{host: host, cookies: map[string]string{}} }

var networks atomic.Uint32

// request writes one down. A body that is a url.Values is a form, any other is JSON.
func (g *guest) request(method, path string, body any) *http.Request {
	var text, kind string
	switch b := body.(type) {
	case nil:
	case url.Values:
		text, kind = b.Encode(), "application/x-www-form-urlencoded"
	default:
		raw, _ := json.Marshal(b) // maps of strings always marshal
		text, kind = string(raw), "application/json"
	}
	r, err := http.NewRequest(method, "http://"+g.host+path, strings.NewReader(text))
	if err != nil {
		panic(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	from := g.network
	if from == "" {
		n := networks.Add(1)
		from = fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
	}
	r.Header.Set("X-Forwarded-For", from)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if g.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+g.bearer)
	}
	for name, value := range g.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// keep takes in the cookies of an answer.
func (g *guest) keep(a answer) {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.MaxAge < 0 {
			delete(g.cookies, c.Name)
		} else {
			g.cookies[c.Name] = c.Value
		}
	}
}

// send gives what the node on a seat answers.
func (a *arena) send(on *seat, r *http.Request) (answer, error) {
	r.Host, r.URL.Host = r.URL.Host, on.listen
	response, err := a.wire.Do(r)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(response)
}

func readAnswer(response *http.Response) (answer, error) {
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// does sends a request to a node that must answer, and keeps the cookies.
func (a *arena) does(g *guest, method, path string, body any) answer {
	a.t.Helper()
	got, err := a.send(a.nodes[0], g.request(method, path, body))
	if err != nil {
		a.t.Fatal(err)
	}
	g.keep(got)
	return got
}

// volley holds requests, spread over the nodes, with all but their last byte written; then each gets its last byte, and
// all of them are in the same place at the same time. It gives the answers in the order of the requests.
func (a *arena) volley(requests []*http.Request) []answer {
	a.t.Helper()
	type held struct {
		conn net.Conn
		last byte
	}
	all := make([]held, len(requests))
	var writing sync.WaitGroup
	for i, r := range requests {
		writing.Go(func() {
			var raw bytes.Buffer
			conn, err := net.Dial("tcp", a.nodes[i%len(a.nodes)].listen)
			if err == nil {
				err = r.Write(&raw)
			}
			if err == nil {
				_, err = conn.Write(raw.Bytes()[:raw.Len()-1])
			}
			if err != nil {
				a.t.Error(err)
				return
			}
			all[i] = held{conn, raw.Bytes()[raw.Len()-1]}
		})
	}
	writing.Wait()
	if a.t.Failed() {
		a.t.FailNow()
	}
	for _, h := range all {
		if _, err := h.conn.Write([]byte{h.last}); err != nil {
			a.t.Fatal(err)
		}
	}
	answers := make([]answer, len(requests))
	var reading sync.WaitGroup
	for i, h := range all {
		reading.Go(func() {
			defer h.conn.Close()
			response, err := http.ReadResponse(bufio.NewReader(h.conn), requests[i])
			if err == nil {
				answers[i], err = readAnswer(response)
			}
			if err != nil {
				a.t.Error(err)
			}
		})
	}
	reading.Wait()
	return answers
}

// tally counts the answers by status, and by where they send.
func tally(answers []answer) map[string]int {
	n := map[string]int{}
	for _, a := range answers {
		key := strconv.Itoa(a.status)
		if to := a.header.Get("Location"); to != "" {
			key += " " + to
		}
		n[key]++
	}
	return n
}

// count is the number that a query gives.
func (a *arena) count(query string, args ...any) (n int64) {
	a.t.Helper()
	ctx := context.Background()
	err := a.eye.Read(ctx, func(tx *db.Tx) error { return tx.Row(ctx, query, args...).Scan(&n) })
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// queueIsEmpty waits until every letter has come to its end.
func (a *arena) queueIsEmpty(within time.Duration) {
	a.t.Helper()
	err := eventually(within, func() error {
		if n := a.count(`SELECT COUNT(*) FROM letters WHERE settled_at IS NULL`); n > 0 {
			return fmt.Errorf("%d letters have not come to an end", n)
		}
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
}
