package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

func refusals(t *testing.T, d *db.DB) (all []Refusal) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		all, err = Refusals(t.Context(), tx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func figures(t *testing.T, d *db.DB) (f Figures) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		f, err = Measure(t.Context(), tx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return f
}

func enhanced(code int, sub, detail int, words string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, sub, detail}, Message: words}
}

// Whatever an operator has set up wrongly: the emails wait, the reason is told, one at a time asks again, and once it is mended all
// of them go at once, whatever their own pauses were.
func TestAnOperatorsMistakeEndsNoEmail(t *testing.T) {
	for _, c := range []struct {
		why    string
		reason Reason
		about  int64
		spoil  func(s *server, on bool)
	}{
		{"the name in EHLO", Hello, 1, func(s *server, on bool) {
			s.onRcpt = when(on, enhanced(504, 5, 2, "<4f1d2c3b>: Helo command rejected: need fully-qualified hostname"))
		}},
		{"relaying", Relay, 1, func(s *server, on bool) { s.onRcpt = when(on, enhanced(554, 7, 1, "Relay access denied")) }},
		{"the sender's owner", Sender, 1, func(s *server, on bool) {
			s.onRcpt = when(on, enhanced(553, 7, 1, "Sender address rejected: not owned by user app"))
		}},
		{"the sender, at MAIL", Sender, 1, func(s *server, on bool) { s.onMail = when(on, reply(550, "sender verify failed")) }},
		{"a block list", Policy, 1, func(s *server, on bool) {
			s.onRcpt = when(on, enhanced(554, 7, 1, "Client host [192.0.2.1] blocked using bl.test"))
		}},
		{"the content, at the end", Policy, 1, func(s *server, on bool) {
			s.onData = func(string, []byte) error { return when(on, enhanced(550, 7, 1, "spam"))("") }
		}},
		{"sign-in demanded", SignIn, Everybody, func(s *server, on bool) { s.onRcpt = when(on, enhanced(530, 7, 0, "Authentication required")) }},
		{"closing down", Busy, Everybody, func(s *server, on bool) { s.onMail = when(on, enhanced(421, 3, 2, "closing down")) }},
	} {
		t.Run(c.why, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				s := startServer(t)
				c.spoil(s, true)
				w := post(d, s.transport(t))
				begun := clock.Now()
				var ids []db.ID
				for i := range 5 {
					ids = append(ids, enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i))))
				}
				drain(t, w, 1) // one finds out, the others need not
				for range 40 {
					clock.Advance(longestSign)
					drain(t, w, 1)
				}
				all := refusals(t, d)
				if len(all) != 1 || all[0].Reason != c.reason || all[0].WebsiteID != c.about || all[0].Tries != 41 || !all[0].Since.Equal(begun) || all[0].Words == "" {
					t.Errorf("the refusals are %+v", all)
				}
				if f := figures(t, d); f.Due != 5 || f.OldestDue != clock.Now().Sub(begun) {
					t.Errorf("after %s the figures are %+v", clock.Now().Sub(begun), f)
				}
				for _, id := range ids {
					l := get(t, d, id)
					if l.State != Queued && l.State != Deferred || len(l.Events) > 2 {
						t.Errorf("an email is %s: %s; a history must not grow with each question", l.State, history(l))
					}
				}
				c.spoil(s, false)
				clock.Advance(longestSign)
				drain(t, w, 5)
				for _, id := range ids {
					if l := get(t, d, id); l.State != HandedOver || l.Cause != "" {
						t.Errorf("once it was mended an email is %s (%s): %s", l.State, l.Cause, l.LastWords)
					}
				}
				if all := refusals(t, d); len(all) != 0 {
					t.Errorf("once it was mended there is still %+v", all)
				}
			})
		})
	}
}

func when(on bool, err error) func(string) error {
	return func(string) error {
		if on {
			return err
		}
		return nil
	}
}

func TestADeadMailServerIsAskedByOneWithGrowingPauses(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close() // nobody is there
		log := &lines{}
		w := post(d, parse(t, "smtp://"+listener.Addr().String()+"?starttls=never"))
		w.Log = slog.New(log)
		for i := range 30 {
			enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i)))
		}
		drain(t, w, 1)
		last := time.Duration(0)
		for range 12 {
			r := refusals(t, d)[0]
			pause := r.NextAt.Sub(clock.Now())
			if pause < last || pause > longestAsked || r.Reason != Unreachable || r.WebsiteID != Everybody {
				t.Errorf("after a pause of %s comes one of %s: %+v", last, pause, r)
			}
			last = pause
			clock.Advance(pause - time.Millisecond)
			drain(t, w, 0)
			clock.Advance(time.Millisecond)
			drain(t, w, 1)
		}
		if last != longestAsked || log.warnings != 1 {
			t.Errorf("the last pause is %s, and there are %d warnings", last, log.warnings)
		}
		// Somebody who has mended it need not wait.
		if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := RetryWaiting(t.Context(), tx, Everybody); return err }); err != nil {
			t.Fatal(err)
		}
		drain(t, w, 1)
		// An email that came meanwhile waits with the others, and is the first to ask: nobody has tried it.
		late := enqueue(t, d, Note{Priority: Awaited, Data: to("zoe@example.com").Data})
		clock.Advance(longestAsked)
		drain(t, w, 1)
		if l := get(t, d, late); l.Attempts != 1 {
			t.Errorf("the new email was tried %d times", l.Attempts)
		}
	})
}

// lines counts warnings.
type lines struct{ warnings int }

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		l.warnings++
	}
	return nil
}

// Without an email to ask with, the connection itself is tried.
func TestARefusalEndsWithoutAnEmail(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t, withTLS, withPassword("correct horse"))
		wrong, right := parse(t, "smtp://shop:wrong@"+s.addr), parse(t, "smtp://shop:correct%20horse@"+s.addr)
		wrong.RootCAs, right.RootCAs = s.roots, s.roots
		w := post(d, wrong)
		var trouble *Trouble
		if err := w.Try(t.Context(), "shop.example"); !errors.As(err, &trouble) || trouble.Reason != SignIn {
			t.Errorf("at the start: %v", err)
		}
		if all := refusals(t, d); len(all) != 1 || all[0].Reason != SignIn || strings.Contains(all[0].Server, "shop") {
			t.Errorf("the refusals are %+v", all)
		}
		clock.Advance(time.Second)
		drain(t, w, 1)
		w.Transport = right
		clock.Advance(longestSign)
		drain(t, w, 1)
		if all := refusals(t, d); len(all) != 0 {
			t.Errorf("with the right password: %+v", all)
		}
	})
}

// One recipient whose emails are never taken, for a reason that looks like ours, delays the others by a moment only, and is not tried
// again whenever they succeed.
func TestOneRecipientThatIsNeverTakenHoldsNobodyUp(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(to string) error {
			if strings.HasPrefix(to, "never") {
				return enhanced(550, 7, 1, "Recipient address rejected: blocked by policy")
			}
			return nil
		}
		w := post(d, s.transport(t))
		never := enqueue(t, d, to("never@example.com"))
		drain(t, w, 1)
		for i := range 20 {
			id := enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i)))
			clock.Advance(firstAsked)
			if _, err := w.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if l := get(t, d, id); l.State != HandedOver {
				t.Errorf("another recipient's email is %s after %s: %s", l.State, firstAsked, l.LastWords)
			}
		}
		if l := get(t, d, never); l.State != Deferred || l.Attempts > 4 {
			t.Errorf("it is %s after %d tries in 20 seconds", l.State, l.Attempts)
		}
	})
}

// What one website's sender may not, another's may.
func TestARefusalOfOneWebsiteLeavesTheOthers(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(to string) error {
			if strings.HasPrefix(to, "a") {
				return enhanced(553, 7, 1, "Sender address rejected: not owned by user app")
			}
			return nil
		}
		w := post(d, s.transport(t))
		for i := range 10 {
			enqueue(t, d, Note{WebsiteID: 1, Data: to(fmt.Sprintf("a%d@example.com", i)).Data})
			enqueue(t, d, Note{WebsiteID: 2, Data: to(fmt.Sprintf("b%d@example.com", i)).Data})
		}
		drain(t, w, 11)
		if len(s.letters()) != 10 {
			t.Errorf("%d emails of the other website went", len(s.letters()))
		}
		if all := refusals(t, d); len(all) != 1 || all[0].WebsiteID != 1 {
			t.Errorf("the refusals are %+v", all)
		}
	})
}

func TestAKeptConnectionThatClosesCostsNoTry(t *testing.T) {
	for _, where := range []string{"MAIL", "RCPT", "the end"} {
		t.Run(where, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
				s := startServer(t)
				n := 0
				third := func(string) error {
					if n++; n == 3 {
						return enhanced(421, 4, 2, "timeout, closing")
					}
					return nil
				}
				switch where {
				case "MAIL":
					s.onMail = third
				case "RCPT":
					s.onRcpt = third
				default:
					s.onData = func(string, []byte) error { return third("") }
				}
				w := post(d, s.transport(t))
				var ids []db.ID
				for i := range 5 {
					ids = append(ids, enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i))))
				}
				drain(t, w, 5)
				for _, id := range ids {
					if l := get(t, d, id); l.State != HandedOver || l.Attempts != 1 || history(l) != "queued handed_over" {
						t.Errorf("an email is %s: %s", l.State, history(l))
					}
				}
				if connections, _ := s.count(); connections != 2 || len(s.letters()) != 5 {
					t.Errorf("%d connections, %d emails", connections, len(s.letters()))
				}
			})
		})
	}
}

// A mail server that takes fewer connections than there are workers is not one that refuses.
func TestOneConnectionTooManyStopsNobody(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		s := startServer(t)
		w := post(d, s.transport(t))
		first := &line{worker: w}
		if err := first.call(t.Context(), "shop.example"); err != nil {
			t.Fatal(err)
		}
		defer first.hangUp()
		crowded := startServer(t)
		crowded.full = true
		w.Transport = crowded.transport(t)
		id := enqueue(t, d, to("zoe@example.com"))
		drain(t, w, 1)
		if l := get(t, d, id); l.State != Deferred || len(refusals(t, d)) != 0 {
			t.Errorf("%s, with the refusals %+v", l.State, refusals(t, d))
		}
	})
}
