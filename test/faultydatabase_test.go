package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// quick are the flags of a node whose hashing is not what a test is about.
var quick = []string{"--hash-memory", "1", "--hash-time", "1", "--hash-slots", "16", "--log-level", "error", "--trusted-proxies", "127.0.0.1"}

// onPostgres gives the address of a fresh PostgreSQL database, or skips.
func onPostgres(t *testing.T) string {
	t.Helper()
	whole(t)
	if !slices.Contains(dbtest.Engines(), dbtest.Postgres) {
		t.Skip("this run is without PostgreSQL")
	}
	return dbtest.URL(t, dbtest.Postgres)
}

// through starts a node of the same store that reaches its database over a wire.
func (s *store) through(w *wire, flags ...string) *store {
	s.t.Helper()
	other := *s
	other.args = slices.Clone(s.args)
	other.args[slices.Index(other.args, "--database")+1] = w.url
	other.flags = append(slices.Clone(s.flags), flags...)
	other.node, other.url = other.serve("127.0.0.1:0")
	return &other
}

// noLimits takes away the limits that a test is not about.
func (s *store) noLimits() {
	s.t.Helper()
	for _, path := range []string{"customer/password/max_requests_per_client", "customer/signin/max_failures_per_client"} {
		s.rekey("", "config", "set", path, "0")
	}
}

// refuses fails unless an answer is a 503 that says when to come back.
func (r reply) refuses() error {
	if r.status != http.StatusServiceUnavailable || r.retry == "" {
		return fmt.Errorf("%v, Retry-After %q: %.200s", r, r.retry, r.body)
	}
	return nil
}

// TestPasswordIsNewExactlyIfTheLinkIsUsed cuts the line to PostgreSQL at the COMMIT of a recovery, where nobody can know
// how it ended. Whichever way it went, it went whole, and trying again tells the shopper.
func TestPasswordIsNewExactlyIfTheLinkIsUsed(t *testing.T) {
	database := onPostgres(t)
	w := newWire(t, database)
	s := newStoreOn(t, database, quick...)
	s.noLimits()
	far := s.through(w)
	each := rounds(t, 2, 4)
	for i, row := range []struct {
		why  string
		what fate
		used any // whether the link is; nil: nobody knows
	}{
		{"the line breaks before COMMIT", neverSent, false},
		{"it breaks as COMMIT is sent", cutAtOnce, nil},
		{"it breaks before the answer", unanswered, true},
	} {
		t.Run(row.why, func(t *testing.T) {
			var outcomes [2]int
			for n := range each {
				email := numbered(i*each + n)
				s.t, s.post.t = t, t
				s.customer(email, "Camille", "Durand", oldPassword)
				if got := newCaller(s.url).forgot(email); !got.worked() {
					t.Fatalf("asking for a link: %v", got)
				}
				link := s.post.wait(email, 1).link()
				cut := make(chan struct{}, 1)
				w.atCommit(func(statements []byte) fate {
					if !bytes.Contains(statements, []byte("UPDATE links SET spent_at")) {
						return passes
					}
					select {
					case cut <- struct{}{}:
						return row.what
					default:
						return passes // the second try
					}
				})
				c := newCaller(far.url)
				if err := c.recover(link, newPassword).refuses(); err != nil {
					t.Errorf("the answer was %v", err)
				}
				if len(cut) == 0 {
					t.Fatal("no COMMIT was cut")
				}
				s.settles()
				used := newCaller(s.url).open(link).status == http.StatusGone
				_, withNew := newCaller(s.url).token(email, newPassword)
				_, withOld := newCaller(s.url).token(email, oldPassword)
				if used != (withNew.status == http.StatusOK) || used == (withOld.status == http.StatusOK) {
					t.Errorf("the link is used: %v; the new password gives %v, the old one %v", used, withNew, withOld)
				}
				if row.used != nil && used != row.used {
					t.Errorf("the link is used: %v", used)
				}
				again := c.form("/customer/account/resetpasswordpost", "password", newPassword, "password_confirmation", newPassword)
				if used && (again.status != http.StatusGone || !strings.Contains(again.body, "sign in with it")) || !used && !again.worked() {
					t.Errorf("the link was used: %v; trying again gives %v", used, again)
				}
				if used {
					outcomes[1]++
				} else {
					outcomes[0]++
				}
			}
			t.Logf("undone %d times, done %d times", outcomes[0], outcomes[1])
		})
	}
	s.t, s.post.t = t, t
}

// settles waits until PostgreSQL is in the midst of no transaction: it may still be about to read the COMMIT of a line that is cut.
func (s *store) settles() {
	s.t.Helper()
	err := eventually(patience, func() (err error) {
		var n int
		s.tables(func(ctx context.Context, tx *db.Tx) error {
			return tx.Row(ctx, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`).Scan(&n)
		})
		if n > 0 {
			err = fmt.Errorf("%d transactions are under way", n)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestSlowDatabaseEndsRequestsInTime lets PostgreSQL fall silent: those who hold a connection are answered when their
// transaction's time is over, those who wait for one after two seconds, and nothing piles up.
func TestSlowDatabaseEndsRequestsInTime(t *testing.T) {
	database := onPostgres(t)
	w := newWire(t, database)
	s := newStoreOn(t, database, quick...)
	s.noLimits()
	s.customer(shopper, "Camille", "Durand", oldPassword)
	metrics := "127.0.0.1:" + freePort(t)
	far := s.through(w, "--metrics-listen", metrics)
	far.node.ready(far.url)
	before := goroutines(t, metrics)

	w.hold()
	const crowd = 150
	answers := make(chan reply, crowd)
	var out sync.WaitGroup
	for i := range crowd {
		out.Go(func() { answers <- newCaller(far.url).forgot(numbered(i)) })
	}
	for range 10 {
		if got := newCaller(far.url).get("/healthz"); got.status != http.StatusOK || got.took > time.Second {
			t.Errorf("meanwhile /healthz gives %v", got)
		}
	}
	if err := eventually(10*time.Second, func() error { return newCaller(far.url).get("/readyz").has(http.StatusServiceUnavailable) }); err != nil {
		t.Errorf("meanwhile /readyz gives %v", err)
	}
	out.Wait()
	close(answers)
	var waited, held int
	var slowest time.Duration
	for got := range answers {
		slowest = max(slowest, got.took)
		if err := got.refuses(); err != nil {
			t.Error(err)
		}
		if got.took < 4*time.Second {
			waited++
		} else {
			held++
		}
	}
	t.Logf("%d were refused for want of a connection, %d when their time was over, the last after %v", waited, held, slowest.Round(100*time.Millisecond))
	if slowest > 15*time.Second || held > 40 {
		t.Errorf("%d were held, the last for %v", held, slowest)
	}
	if after := goroutines(t, metrics); after > before+60 {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
	w.pass()
	begun := time.Now()
	if err := eventually(10*time.Second, func() error { return newCaller(far.url).forgot(shopper).acknowledges() }); err != nil {
		t.Error(err)
	}
	t.Logf("%v after it spoke again, the shopper was served", time.Since(begun).Round(10*time.Millisecond))
	s.post.wait(shopper, 1)
	if err := eventually(10*time.Second, func() error { return newCaller(far.url).get("/readyz").has(http.StatusOK) }); err != nil {
		t.Errorf("afterwards /readyz gives %v", err)
	}
}

// has fails unless an answer has this status.
func (r reply) has(status int) error {
	if r.status != status {
		return errors.New(r.String())
	}
	return nil
}

// acknowledges is worked as an error.
func (r reply) acknowledges() error {
	if !r.worked() {
		return errors.New(r.String())
	}
	return nil
}

var aGauge = regexp.MustCompile(`(?m)^(go_goroutines|process_resident_memory_bytes|process_open_fds) (\S+)$`)

// gauges reads what a node says of itself.
func gauges(t *testing.T, metrics string) map[string]float64 {
	t.Helper()
	got := newCaller("http://" + metrics).get("/metrics")
	found := map[string]float64{}
	for _, m := range aGauge.FindAllStringSubmatch(got.body, -1) {
		found[m[1]], _ = strconv.ParseFloat(m[2], 64) // Prometheus wrote it
	}
	if len(found) != 3 {
		t.Fatalf("/metrics gives %v", got)
	}
	return found
}

func goroutines(t *testing.T, metrics string) int {
	t.Helper()
	return int(gauges(t, metrics)["go_goroutines"])
}

// TestDatabaseRestartsUnderLoad restarts PostgreSQL while shoppers are served, and makes it read-only for a while.
func TestDatabaseRestartsUnderLoad(t *testing.T) {
	onPostgres(t)
	c := newCluster(t, newPlace(t), "pg")
	s := newStoreOn(t, c.database("rekey"), quick...)
	s.noLimits()
	restarts := rounds(t, 3, 10)
	r := &run{store: s, nodes: []string{s.url, s.url}, ledger: &ledger{failed: map[string]int{}}}
	r.furnish(60*restarts, 200*restarts)
	r.begin()
	for range restarts {
		r.reaches(r.ledger.least() + 5)
		c.restart()
		begun := time.Now()
		r.until(10*time.Second, func() error { return newCaller(s.url).forgot("nobody@example.com").acknowledges() })
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%v passed until a shopper was served again", took)
		}
	}
	r.reaches(r.ledger.least() + 5)
	r.end()
	r.nothingCameBack()
	for _, email := range r.ledger.asked {
		s.post.wait(email, 1)
	}
	t.Logf("%d restarts; failed meanwhile: %v, the slowest after %v", restarts, r.ledger.failed, r.ledger.slowest.Round(time.Millisecond))

	reader := newCaller(s.url)
	if got := reader.signIn(numbered(0), oldPassword); !got.worked() {
		t.Fatalf("signing in: %v", got)
	}
	c.set("default_transaction_read_only = on")
	readsOnly(t, s, reader)
	c.set("default_transaction_read_only = off")
	servesAgain(t, s, "nobody@example.com")
}

// readsOnly waits until nothing can be written, and looks that reading goes on.
func readsOnly(t *testing.T, s *store, reader *caller) {
	t.Helper()
	if err := eventually(10*time.Second, func() error { return newCaller(s.url).forgot("nobody@example.com").refuses() }); err != nil {
		t.Error(err)
	}
	for range 5 {
		if got := newCaller(s.url).forgot("nobody@example.com"); got.refuses() != nil || got.took > 3*time.Second {
			t.Errorf("a write gives %v", got)
		}
		for _, path := range []string{"/customer/account", "/customer/account/edit", "/customer/account/forgotpassword", "/healthz"} {
			if got := reader.get(path); got.status != http.StatusOK || got.took > 3*time.Second {
				t.Errorf("%s gives %v: %.300s", path, got, got.body)
			}
		}
	}
}

// servesAgain waits until a shopper can ask for a link.
func servesAgain(t *testing.T, s *store, email string) {
	t.Helper()
	begun := time.Now()
	if err := eventually(10*time.Second, func() error { return newCaller(s.url).forgot(email).acknowledges() }); err != nil {
		t.Error(err)
	}
	t.Logf("served again after %v", time.Since(begun).Round(10*time.Millisecond))
}

// TestFullDiskStopsWritingAndNothingElse fills the disk of either engine under load. What cannot be kept is refused, what
// was acknowledged stays, reading goes on, and all is well as soon as there is room.
func TestFullDiskStopsWritingAndNothingElse(t *testing.T) {
	beside(t)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			disk, size := t.TempDir(), "24m"
			var s *store
			var c *cluster
			if engine == dbtest.Postgres {
				place := newPlace(t)
				disk, size = filepath.Join(place.Dir, "small"), "112m"
				mountSmall(t, disk, size, place)
				c = newCluster(t, place, "small")
				s = newStoreOn(t, c.database("rekey"), quick...)
			} else {
				mountSmall(t, disk, size, nil)
				s = newStoreOn(t, "sqlite:"+filepath.Join(disk, "rekey.db"), quick...)
			}
			s.noLimits()
			s.customer(shopper, "Camille", "Durand", oldPassword)
			reader := newCaller(s.url)
			if got := reader.signIn(shopper, oldPassword); !got.worked() {
				t.Fatalf("signing in: %v", got)
			}
			free := fill(t, disk)
			kept := 0
			refused := 0
			for i := 0; refused < 20 && i < 20000; i++ {
				email := fmt.Sprintf("%s-%d@example.com", strings.Repeat("long", 12), i)
				switch got := newCaller(s.url).forgot(email); {
				case got.worked():
					kept++
				case got.refuses() != nil:
					t.Fatalf("request %d: %v", i, got)
				default:
					refused++
				}
			}
			if refused < 20 {
				t.Fatalf("only %d of %d were refused; the disk is not full", refused, refused+kept)
			}
			t.Logf("%d were written until the disk was full", kept)
			if c == nil || c.runs() {
				readsOnly(t, s, reader)
			}
			free()
			if c != nil && !c.runs() {
				t.Log("PostgreSQL had ended, and is started again as its service manager would")
				c.start()
			}
			servesAgain(t, s, shopper)
			s.post.wait(shopper, 1)
			s.tables(func(ctx context.Context, tx *db.Tx) error {
				var notes int
				err := tx.Row(ctx, `SELECT count(*) FROM letters WHERE kind = 'forgot'`).Scan(&notes)
				if notes < kept {
					t.Errorf("%d requests were acknowledged, %d are kept", kept, notes)
				}
				return err
			})
		})
	}
}

// mountSmall mounts a small disk for a test, or skips where that is not allowed.
func mountSmall(t *testing.T, folder, size string, place *throwaway.Place) {
	t.Helper()
	var owner *syscall.Credential
	if place != nil {
		owner = place.Account
	}
	unmount, err := smallDisk(folder, size, owner)
	if err != nil {
		t.Skipf("no small disk can be mounted here, which takes root: %v", err)
	}
	t.Cleanup(unmount)
}
