package mail

import (
	"fmt"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// under starts to hand a letter over to a server that does not answer before release is closed; done has the number of
// letters tried, once they are.
func under(t *testing.T, w *Worker, s *server) (release chan struct{}, done chan int) {
	t.Helper()
	release, done = make(chan struct{}), make(chan int, 1)
	stuck := make(chan struct{}, 10)
	s.onRcpt = func(string) error { stuck <- struct{}{}; <-release; return nil }
	go func() {
		n, err := w.Drain(t.Context())
		if err != nil {
			t.Error(err)
		}
		done <- n
	}()
	within(t, stuck, "the letter under way")
	return release, done
}

// until tries again and again until f is content.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for " + what)
		}
	}
}

// The lease is short, so that a crash costs little; who lives keeps it for as long as the mail server takes.
func TestALivingWorkerKeepsItsLetter(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		id := enqueue(t, a, to("zoe@example.com"))
		first, second := post(a, s.transport(t)), post(b, s.transport(t))
		first.times = leaseTimes{life: defaultLease.life, beat: time.Millisecond}
		release, done := under(t, first, s)
		for range 10 {
			clock.Advance(defaultLease.life - time.Second)
			want := clock.Now().Add(defaultLease.life)
			until(t, "a sign of life", func() bool { return get(t, b, id).NextAt.Equal(want) })
			drain(t, second, 0)
		}
		close(release)
		if n := within(t, done, "the first worker"); n != 1 {
			t.Errorf("it tried %d letters", n)
		}
		if l := get(t, a, id); l.State != HandedOver || l.Attempts != 1 || len(s.letters()) != 1 {
			t.Errorf("%s after %d tries, %d copies", l.State, l.Attempts, len(s.letters()))
		}
	})
}

// A worker that was frozen and wakes up finds its letter in other hands. It must stop speaking about it.
func TestAWorkerThatLostItsLeaseFallsSilent(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		id := enqueue(t, a, to("zoe@example.com"))
		first, second := post(a, s.transport(t)), post(b, s.transport(t))
		first.times = leaseTimes{life: defaultLease.life, beat: time.Millisecond}
		release, done := under(t, first, s)
		exec(t, b, `UPDATE letters SET lease = $2, next_at = $3 WHERE id = $1`, id, db.NewID(), db.Micro(clock.Now().Add(time.Minute)))
		within(t, done, "the first worker to fall silent") // while the server still keeps it waiting
		close(release)
		clock.Advance(time.Minute) // the thief dies as well
		drain(t, second, 1)
		if l := get(t, b, id); l.State != HandedOver || len(s.letters()) != 1 {
			t.Errorf("%s, %d copies", l.State, len(s.letters()))
		}
	})
}

// A node that is cut off from the database cannot know whether others have taken its letter over, so it stops before they may.
func TestAWorkerWithoutItsDatabaseFallsSilent(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		d, err := db.Open(t.Context(), dbtest.URL(t, engine), db.Options{NoMigrate: true})
		if err != nil {
			t.Fatal(err)
		}
		s := startServer(t)
		enqueue(t, d, to("zoe@example.com"))
		w := post(d, s.transport(t))
		w.times = leaseTimes{life: 500 * time.Millisecond, beat: 10 * time.Millisecond}
		taken, err := w.take(t.Context(), 1, 0)
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		lost := make(chan struct{})
		stop := w.hold(taken[0], func() { close(lost) })
		defer stop()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		within(t, lost, "the worker to give the letter up")
	})
}

// The only server on a file need not wait for leases of a process that must have died.
func TestOneServerAloneTakesOverAtOnce(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		s := startServer(t)
		w := post(d, s.transport(t))
		for i := range 3 {
			enqueue(t, d, to(fmt.Sprintf("c%d@example.com", i)))
		}
		drain(t, w, 3)
		held := enqueue(t, d, to("zoe@example.com"))
		if taken, err := w.take(t.Context(), 1, 0); err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		drain(t, w, 0)
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return EndLeases(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		drain(t, w, 1)
		if l := get(t, d, held); l.State != HandedOver || len(s.letters()) != 4 {
			t.Errorf("%s, %d letters in all", l.State, len(s.letters()))
		}
	})
}
