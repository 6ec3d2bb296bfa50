package mail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// claimed are the recipients of what would be sent next, one after the other.
func claimed(t *testing.T, d *db.DB, w *Worker, n int) (order []string) {
	t.Helper()
	for range n {
		taken, err := w.take(t.Context(), 1, 0)
		if err != nil || len(taken) != 1 {
			t.Fatalf("%d claims, %v", len(taken), err)
		}
		order = append(order, get(t, d, taken[0].letter).Data["to"])
	}
	return order
}

func TestWhatAPersonWaitsForGoesFirst(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		for i := range 50 {
			enqueue(t, d, Note{WebsiteID: 1, Priority: Bulk, Data: to(fmt.Sprintf("bulk%d@example.com", i)).Data})
		}
		clock.Advance(time.Hour)
		enqueue(t, d, Note{WebsiteID: 1, Data: to("notice@example.com").Data})
		enqueue(t, d, Note{WebsiteID: 1, Priority: Awaited, Data: to("first@example.com").Data})
		enqueue(t, d, Note{WebsiteID: 1, Priority: Awaited, Data: to("second@example.com").Data})
		got := claimed(t, d, post(d, startServer(t).transport(t)), 4)
		if want := "first@example.com second@example.com notice@example.com bulk0@example.com"; strings.Join(got, " ") != want {
			t.Errorf("the order is %v", got)
		}
	})
}

// The backlog of one website is no reason for another's customers to wait.
func TestWebsitesTakeTurns(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		for i := range 20 {
			enqueue(t, d, Note{WebsiteID: 1, Priority: Awaited, Data: to(fmt.Sprintf("a%d", i)).Data})
		}
		clock.Advance(time.Minute)
		for i := range 3 {
			enqueue(t, d, Note{WebsiteID: 2, Priority: Awaited, Data: to(fmt.Sprintf("b%d", i)).Data})
			enqueue(t, d, Note{WebsiteID: 9, Priority: Awaited, Data: to(fmt.Sprintf("c%d", i)).Data})
		}
		w := post(d, startServer(t).transport(t))
		if got := strings.Join(claimed(t, d, w, 8), " "); got != "a0 b0 c0 a1 b1 c1 a2 b2" {
			t.Errorf("the order is %s", got)
		}
		taken, err := w.take(t.Context(), 4, 0)
		if err != nil || len(taken) != 4 || get(t, d, taken[0].letter).Data["to"] != "c2" {
			t.Errorf("four at once begin with another: %v", err)
		}
	})
}

// With several workers one is left over for what a person waits for, however slow the mail server is with the others.
func TestOneHandIsKeptForWhatAPersonWaitsFor(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		for i := range 10 {
			enqueue(t, d, Note{Priority: Bulk, Data: to(fmt.Sprintf("bulk%d", i)).Data})
		}
		s := startServer(t)
		stuck, release := make(chan struct{}, 10), make(chan struct{})
		s.onData = func(to string, _ []byte) error {
			if to != "zoe@example.com" {
				stuck <- struct{}{}
				<-release
			}
			return nil
		}
		w := post(d, s.transport(t))
		w.Workers = handsToKeepOne
		exec(t, d, `UPDATE letters SET data = '{"to":"max@example.com"}'`)
		outcomes := observed(w)
		run(t, w)
		defer close(release)
		for range handsToKeepOne - 1 {
			within(t, stuck, "the slow conversations")
		}
		enqueue(t, d, Note{Priority: Awaited, Data: to("zoe@example.com").Data})
		w.Wake()
		if state := within(t, outcomes, "the email that a person waits for"); state != HandedOver {
			t.Errorf("it is %s", state)
		}
	})
}

// However long the queue is, finding whose turn it is, claiming, settling and ending what expires look into indexes only.
func TestClaimingReadsNoMoreOfALongQueue(t *testing.T) {
	dbtest.EachWatched(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock, watch *dbtest.Watch) {
		s := startServer(t)
		s.onRcpt = func(string) error { return enhanced(554, 7, 1, "Relay access denied") }
		w := post(d, s.transport(t))
		for range 3 {
			enqueue(t, d, to("zoe@example.com"))
		}
		drain(t, w, 1)
		clock.Advance(firstAsked)
		drain(t, w, 1) // it asks
		s.onRcpt = nil
		clock.Advance(time.Minute)
		drain(t, w, 3)
		enqueue(t, d, to("zoe@example.com"))
		clock.Advance(2 * DefaultLife)
		for what, f := range map[string]func(tx *db.Tx) error{
			"stuck":  func(tx *db.Tx) error { _, err := Stuck(t.Context(), tx, time.Minute); return err },
			"expire": func(tx *db.Tx) error { _, err := EndExpired(t.Context(), tx, 100); return err },
		} {
			if err := d.Write(t.Context(), f); err != nil {
				t.Fatal(what, err)
			}
		}
		for query, scans := range watch.Reads(t, d) {
			for _, scan := range scans {
				// What the mail server refused is little: one email at a time asks it.
				if strings.Contains(scan, "letters") && !strings.Contains(scan, "letters_refused") {
					t.Errorf("%s\nreads every email: %s", query, scan)
				}
			}
		}
	})
}
