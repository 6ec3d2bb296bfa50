package mail

import (
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
)

func TestARefusedEmailGoesAgainWhileItsLinkLives(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(string) error { return reply(550, "no such mailbox") }
		w := post(d, s.transport(t))
		n := to("zoe@example.com")
		n.ExpiresAt = clock.Now().Add(24 * time.Hour)
		one, two, gone := enqueue(t, d, n), enqueue(t, d, n), enqueue(t, d, to("max@example.com"))
		drain(t, w, 3)
		retry := func(id db.ID) error {
			return d.Write(t.Context(), func(tx *db.Tx) error { return Retry(t.Context(), tx, id, "ada") })
		}
		all := func() (sent int64) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
				sent, err = RetryEnded(t.Context(), tx, Everybody, 100, "ada")
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return sent
		}
		exec(t, d, `UPDATE letters SET data = '' WHERE id = $1`, gone) // as of an erased customer
		if err := retry(gone); !fault.Is(err, fault.Conflict) {
			t.Errorf("without what it was about: %v", err)
		}
		s.onRcpt = nil
		if err := retry(one); err != nil {
			t.Fatal(err)
		}
		drain(t, w, 1)
		l := get(t, d, one)
		if l.State != HandedOver || history(l) != "queued refused queued handed_over" || l.Events[2].Words != "Sent again by ada." || l.Again() {
			t.Errorf("%s: %s", l.State, history(l))
		}
		if err := retry(one); !fault.Is(err, fault.Conflict) {
			t.Errorf("one that arrived goes again: %v", err)
		}
		if sent := all(); sent != 1 {
			t.Errorf("all are %d", sent)
		}
		drain(t, w, 1)
		if l := get(t, d, two); l.State != HandedOver {
			t.Errorf("%s", l.State)
		}
		if err := retry(db.NewID()); !fault.Is(err, fault.NotFound) {
			t.Errorf("one that there is not: %v", err)
		}
	})
}

func TestWhatIsOverIsNotSentAgain(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(string) error { return reply(550, "no such mailbox") }
		w := post(d, s.transport(t))
		n := to("zoe@example.com")
		n.ExpiresAt = clock.Now().Add(24 * time.Hour)
		id := enqueue(t, d, n)
		drain(t, w, 1)
		if l := get(t, d, id); !l.Again() || l.Data["to"] == "" {
			t.Error("what was refused cannot go again")
		}
		late := enqueue(t, d, n)
		clock.Set(n.ExpiresAt)
		err := d.Write(t.Context(), func(tx *db.Tx) error { return Retry(t.Context(), tx, id, "ada") })
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("after its link: %v", err)
		}
		// Nobody has tried the other one; its end is recorded all the same, and what both were about is forgotten.
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			n, err := EndExpired(t.Context(), tx, 100)
			if n != 2 {
				t.Errorf("%d have ended", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if l := get(t, d, late); l.State != Expired || history(l) != "queued expired" || l.hasData {
			t.Errorf("%s: %s", l.State, history(l))
		}
		if l := get(t, d, id); l.State != Refused || l.hasData || l.Again() {
			t.Errorf("%s, with %v", l.State, l.Data)
		}
	})
}

func TestTryNowEndsEveryPause(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		s := startServer(t)
		s.onRcpt = func(string) error { return reply(451, "later") }
		w := post(d, s.transport(t))
		enqueue(t, d, Note{WebsiteID: 1, Data: to("zoe@example.com").Data})
		other := enqueue(t, d, Note{WebsiteID: 2, Data: to("max@example.com").Data})
		drain(t, w, 2)
		drain(t, w, 0)
		now := func(website int64) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := RetryWaiting(t.Context(), tx, website); return err }); err != nil {
				t.Fatal(err)
			}
		}
		now(2)
		drain(t, w, 1)
		if l := get(t, d, other); l.Attempts != 2 {
			t.Errorf("the email of website 2 was tried %d times", l.Attempts)
		}
		now(Everybody)
		drain(t, w, 2)
	})
}

// A backlog that is being worked off is not stuck, whatever its age; one that nobody touches is.
func TestOnlyAQueueThatNobodyMovesIsStuck(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		stuck := func() (is bool) {
			t.Helper()
			if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
				is, err = Stuck(t.Context(), tx, time.Minute)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return is
		}
		for range 3 {
			enqueue(t, d, Note{Priority: Bulk, Data: to("zoe@example.com").Data})
		}
		if stuck() {
			t.Error("it is stuck at once")
		}
		clock.Advance(time.Hour)
		if !stuck() {
			t.Error("nobody moves it, and it is not stuck")
		}
		w := post(d, s.transport(t))
		w.Transport = s.transport(t)
		taken, err := w.take(t.Context(), 1, 0)
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		w.attempt(t.Context(), &line{worker: w}, taken[0])
		if stuck() {
			t.Error("it is being worked off, and counts as stuck")
		}
	})
}
