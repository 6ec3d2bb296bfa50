package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
)

func TestRetryKeepsMessageIDAndBytes(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		var tries [][]byte
		s.onData = func(_ string, body []byte) error {
			tries = append(tries, body)
			if len(tries) == 1 {
				return reply(451, "greylisted, come back")
			}
			return nil
		}
		id := enqueue(t, d, to("zoe@example.com"))
		w := post(d, s.transport(t))
		drain(t, w, 1)
		if l := get(t, d, id); l.State != Deferred || l.LastWords != "451 4.0.0 greylisted, come back" {
			t.Errorf("after the first try: %s, %q", l.State, l.LastWords)
		}
		clock.Advance(10 * time.Minute)
		drain(t, w, 1)
		l := get(t, d, id)
		if l.State != HandedOver || history(l) != "queued deferred handed_over" || l.Events[1].Server != s.addr {
			t.Errorf("state %s, history %q, server %q", l.State, history(l), l.Events[1].Server)
		}
		if len(tries) != 2 || !bytes.Equal(tries[0], tries[1]) {
			t.Fatalf("%d tries, and not the same bytes", len(tries))
		}
		m, err := netmail.ReadMessage(bytes.NewReader(tries[0]))
		if err != nil || m.Header.Get("Message-ID") != "<"+id.String()+"@shop.example>" {
			t.Errorf("Message-ID %q, error %v", m.Header.Get("Message-ID"), err)
		}
	})
}

// The server took the letter, and the connection broke before it could say so: nobody knows, so it goes again, recognisable.
func TestLostAnswerSendsTheSameLetterAgain(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		cut := true
		s.onCut = func(string) bool { defer func() { cut = false }(); return cut }
		id := enqueue(t, d, to("zoe@example.com"))
		w := post(d, s.transport(t))
		drain(t, w, 1)
		clock.Advance(time.Minute)
		drain(t, w, 1)
		drain(t, w, 0)
		got := s.letters()
		if l := get(t, d, id); l.State != HandedOver || len(got) != 2 || !bytes.Equal(got[0].body, got[1].body) {
			t.Errorf("state %s with %d copies", l.State, len(got))
		}
	})
}

func TestPermanentRefusalIsRecordedAtOnce(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(to string) error {
			if strings.HasPrefix(to, "gone") {
				return reply(550, "no such \x07mailbox")
			}
			return nil
		}
		s.onData = func(to string, _ []byte) error {
			if strings.HasPrefix(to, "odd") {
				return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "lone CR"}
			}
			return nil
		}
		w := post(d, s.transport(t))
		gone, odd := enqueue(t, d, to("gone@example.com")), enqueue(t, d, to("odd@example.com"))
		var others []db.ID
		for i := range 8 {
			others = append(others, enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i))))
		}
		drain(t, w, 10)
		clock.Advance(24 * time.Hour)
		drain(t, w, 0)
		l := get(t, d, gone)
		if l.State != Refused || l.Attempts != 1 || history(l) != "queued refused" || l.LastWords != "550 5.0.0 no such mailbox" {
			t.Errorf("refused at RCPT: %s after %d tries, %q, %q", l.State, l.Attempts, history(l), l.LastWords)
		}
		if l := get(t, d, odd); l.State != Refused || l.LastWords != "554 5.6.0 lone CR" {
			t.Errorf("refused at the end of DATA: %s, %q", l.State, l.LastWords)
		}
		for _, id := range others {
			if l := get(t, d, id); l.State != HandedOver {
				t.Errorf("another letter is %s: %s", l.State, l.LastWords)
			}
		}
		if connections, _ := s.count(); connections != 1 {
			t.Errorf("%d connections; a refusal must not cost the next letter a new one", connections)
		}
	})
}

func TestTemporaryFailureIsRetriedUntilExpiry(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(string) error { return reply(450, "try later") }
		w := post(d, s.transport(t))
		start := clock.Now()
		n := to("zoe@example.com")
		n.ExpiresAt = start.Add(24 * time.Hour)
		id := enqueue(t, d, n)
		for try := 1; ; try++ {
			drain(t, w, 1)
			l := get(t, d, id)
			if l.State != Deferred {
				break
			}
			if l.Attempts != try || try > 80 {
				t.Fatalf("try %d is counted as %d", try, l.Attempts)
			}
			wait, want := l.NextAt.Sub(clock.Now()), pauses[min(try, len(pauses))-1]
			atEnd := l.NextAt.Equal(n.ExpiresAt)
			if !atEnd && (wait < want*4/5 || wait > want*6/5) {
				t.Errorf("pause %d is %s, want %s and a fifth", try, wait, want)
			}
			clock.Set(l.NextAt.Add(-time.Microsecond))
			drain(t, w, 0)
			clock.Set(l.NextAt)
		}
		l := get(t, d, id)
		if l.State != Expired || !l.SettledAt.Equal(n.ExpiresAt) || l.Attempts < 45 {
			t.Errorf("%s after %s and %d tries", l.State, l.SettledAt.Sub(start), l.Attempts)
		}
		if _, mails := s.count(); mails != l.Attempts-1 {
			t.Errorf("%d tries reached the server, %d are counted; the last must not", mails, l.Attempts)
		}
	})
}

func TestPoisonRowIsSetAside(t *testing.T) {
	for _, c := range []struct {
		why    string
		poison func(t *testing.T, d *db.DB, w *Worker, id db.ID)
		tries  int
	}{
		{"a composer that always fails may yet recover, so it gets some tries", func(_ *testing.T, _ *db.DB, w *Worker, id db.ID) {
			w.Composers["poison"] = func(context.Context, Letter) (Content, error) { return Content{}, errors.New("broken") }
		}, maxUnwritten},
		{"a panic must not end the worker", func(_ *testing.T, _ *db.DB, w *Worker, id db.ID) {
			w.Composers["poison"] = func(context.Context, Letter) (Content, error) { panic("broken") }
		}, maxUnwritten},
		{"a kind that only a newer node knows", func(*testing.T, *db.DB, *Worker, db.ID) {}, maxUnwritten},
		{"data that is no JSON never becomes any", func(t *testing.T, d *db.DB, _ *Worker, id db.ID) {
			exec(t, d, `UPDATE letters SET data = '{"to":' WHERE id = $1`, id)
		}, 1},
		{"a line break in a name would be the same next time", func(_ *testing.T, _ *db.DB, w *Worker, id db.ID) {
			w.Composers["poison"] = func(context.Context, Letter) (Content, error) {
				c := letterTo("zoe@example.com")
				c.To.Name = "Zoé\r\nBcc: everybody@example.com"
				return c, nil
			}
		}, 1},
	} {
		t.Run(c.why, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				s := startServer(t)
				w := post(d, s.transport(t))
				bad := enqueue(t, d, Note{Kind: "poison"})
				c.poison(t, d, w, bad)
				good := enqueue(t, d, to("max@example.com"))
				drain(t, w, 2)
				for range c.tries - 1 {
					clock.Advance(10 * time.Minute)
					drain(t, w, 1)
				}
				if l := get(t, d, bad); l.State != SetAside || l.LastWords == "" || l.SettledAt.IsZero() {
					t.Errorf("after %d tries: %s, %q", c.tries, l.State, history(l))
				}
				if l := get(t, d, good); l.State != HandedOver || l.Attempts != 1 {
					t.Errorf("the letter behind it is %s", l.State)
				}
				if got := s.letters(); len(got) != 1 || bytes.Contains(s.wire.Bytes(), []byte("everybody")) {
					t.Errorf("%d letters reached the server", len(got))
				}
			})
		})
	}
}

// A letter that waited at the mail server may fail once in its composer: that is not four failures.
func TestFailuresAtTheServerAreNotPoison(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onMail = func(string) error { return reply(451, "later") }
		w := post(d, s.transport(t))
		id := enqueue(t, d, to("zoe@example.com"))
		compose := w.Composers["test"]
		for range maxUnwritten {
			drain(t, w, 1)
			clock.Advance(time.Hour)
		}
		w.Composers["test"] = func(context.Context, Letter) (Content, error) { return Content{}, errors.New("once") }
		drain(t, w, 1)
		clock.Advance(time.Hour)
		for _, busy := range []error{fmt.Errorf("read: %w", db.ErrUnavailable), fault.New(fault.Conflict, "", "no base URL yet")} {
			w.Composers["test"] = func(context.Context, Letter) (Content, error) { return Content{}, busy }
			for range maxUnwritten {
				drain(t, w, 1)
				clock.Advance(time.Hour)
			}
		}
		w.Composers["test"], s.onMail = compose, nil
		drain(t, w, 1)
		if l := get(t, d, id); l.State != HandedOver {
			t.Errorf("%s: %s", l.State, history(l))
		}
	})
}

func TestLeaseExpiryIsClaimedAgain(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		w := post(d, s.transport(t))
		id := enqueue(t, d, to("zoe@example.com"))
		dead, err := w.take(t.Context(), 5, 0) // by a worker that dies now
		if err != nil || len(dead) != 1 {
			t.Fatal(dead, err)
		}
		clock.Advance(defaultLease.life - time.Second)
		drain(t, w, 0)
		if l := get(t, d, id); l.State != Sending {
			t.Errorf("while it is held: %s", l.State)
		}
		clock.Advance(time.Second)
		drain(t, w, 1)
		if l := get(t, d, id); l.State != HandedOver || l.Attempts != 2 {
			t.Errorf("%s after %d tries", l.State, l.Attempts)
		}
		done, err := settle(t.Context(), d, dead[0], 1, outcome{state: Deferred}) // it was only slow, and comes too late
		if err != nil || done.kept != "" || get(t, d, id).State != HandedOver {
			t.Errorf("a lost lease still decided: %q, %v", done.kept, err)
		}
		if len(s.letters()) != 1 {
			t.Errorf("%d copies", len(s.letters()))
		}
	})
}

// observed makes w tell about each outcome.
func observed(w *Worker) <-chan State {
	c := make(chan State, 1000)
	w.Observe = func(_ string, s State) { c <- s }
	return c
}

// run starts w, and stops it at the end of the test or when stop is called.
func run(t *testing.T, w *Worker) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := within(t, done, "the worker to stop"); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func TestTwoWorkersSendOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		const letters = 60
		s := startServer(t)
		for i := range letters {
			enqueue(t, a, to(fmt.Sprintf("c%02d@example.com", i)))
		}
		first, second := post(a, s.transport(t)), post(b, s.transport(t))
		all := make(chan State, letters*2)
		first.Observe = func(_ string, s State) { all <- s }
		second.Observe = first.Observe
		run(t, first)
		run(t, second)
		for range letters {
			if state := within(t, all, "a letter"); state != HandedOver {
				t.Errorf("a letter is %s", state)
			}
		}
		seen := map[string]int{}
		for _, r := range s.letters() {
			seen[r.to]++
		}
		for address, n := range seen {
			if n != 1 {
				t.Errorf("%s got %d copies", address, n)
			}
		}
		if connections, _ := s.count(); len(seen) != letters || connections > 2*defaultWorkers {
			t.Errorf("%d addresses over %d connections", len(seen), connections)
		}
	})
}

func TestSlowServerDoesNotStopTheRest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := startServer(t)
		release, stuck := make(chan struct{}), make(chan struct{}, 1)
		s.onRcpt = func(to string) error {
			if strings.HasPrefix(to, "slow") {
				stuck <- struct{}{}
				<-release
			}
			return nil
		}
		w := post(d, s.transport(t))
		w.Workers = 2
		outcomes := observed(w)
		slow := enqueue(t, d, to("slow@example.com"))
		run(t, w)
		within(t, stuck, "the slow conversation")
		for i := range 10 {
			enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i)))
		}
		w.Wake()
		for range 10 {
			if state := within(t, outcomes, "a letter beside the slow one"); state != HandedOver {
				t.Errorf("a letter is %s", state)
			}
		}
		close(release)
		within(t, outcomes, "the slow letter")
		if l := get(t, d, slow); l.State != HandedOver {
			t.Errorf("the slow letter is %s: %s", l.State, l.LastWords)
		}
	})
}

func TestStoppedWorkerFinishesTheLetterUnderWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := startServer(t)
		release, under := make(chan struct{}), make(chan struct{}, 1)
		s.onData = func(string, []byte) error { under <- struct{}{}; <-release; return nil }
		w := post(d, s.transport(t))
		id := enqueue(t, d, to("zoe@example.com"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		within(t, under, "the letter under way")
		cancel()
		close(release)
		if err := within(t, done, "the worker to stop"); err != nil {
			t.Error(err)
		}
		if l := get(t, d, id); l.State != HandedOver {
			t.Errorf("%s: %s", l.State, l.LastWords)
		}
	})
}

// Without Wake, polling finds a letter.
func TestLetterIsFoundWithoutBeingTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := startServer(t)
		w := post(d, s.transport(t))
		outcomes := observed(w)
		run(t, w)
		enqueue(t, d, to("zoe@example.com"))
		if state := within(t, outcomes, "the letter"); state != HandedOver {
			t.Errorf("%s", state)
		}
	})
}

// Promise: of the email that confirms a deleted account nothing stays that tells whose it was, whatever the mail server quotes.
func TestWhatIsToBeForgottenLeavesNoAddress(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		for _, answer := range []struct {
			code int
			end  State
		}{{250, HandedOver}, {550, Refused}, {450, Expired}} {
			t.Run(fmt.Sprint(answer.code), func(t *testing.T) {
				s := startServer(t)
				s.onData = func(to string, _ []byte) error {
					if answer.code == 250 {
						return nil
					}
					return &smtp.SMTPError{Code: answer.code, EnhancedCode: smtp.EnhancedCode{answer.code / 100, 1, 1}, Message: "<" + strings.ToUpper(to) + "> " + to + ": no"}
				}
				w := post(d, s.transport(t))
				compose := w.Composers["test"]
				w.Composers["test"] = func(ctx context.Context, l Letter) (Content, error) {
					c, err := compose(ctx, l)
					c.Forget = true
					return c, err
				}
				id := enqueue(t, d, to("zoe@example.com"))
				drain(t, w, 1)
				clock.Advance(DefaultLife)
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := EndExpired(t.Context(), tx, 10)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				l := get(t, d, id)
				if l.State != answer.end {
					t.Errorf("it ended as %s, want %s: %s", l.State, answer.end, l.LastWords)
				}
				if kept := strings.ToLower(fmt.Sprintf("%+v", l)); strings.Contains(kept, "zoe@") {
					t.Errorf("the address is still there: %s", kept)
				}
			})
		}
	})
}
