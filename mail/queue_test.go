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

// However long the queue is, finding whose turn it is and claiming looks into indexes only.
func TestClaimingReadsNoMoreOfALongQueue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for range 10 {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				for range 300 {
					if _, err := Enqueue(t.Context(), tx, Note{Kind: "test", WebsiteID: 1, ViewID: 1, Priority: Bulk}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		exec(t, d, `ANALYZE letters`)
		now := db.Micro(time.Now())
		for what, query := range map[string]struct {
			text string
			args []any
		}{
			"whose turn it is":  {pilesQuery, []any{Post}},
			"a claim":           {claimQuery(isDue, ""), []any{"sending", db.NewID(), now, now, Post, Bulk, 1}},
			"a claim that asks": {claimQuery(untried, ""), []any{"sending", db.NewID(), now, now, Post, Bulk, 1}},
			"what was refused":  {releaseQuery, []any{now, Post, 1, Everybody}},
			"what expires":      {expiringQuery, []any{now, Post, 100}},
		} {
			plan := explain(t, d, query.text, query.args)
			for line := range strings.Lines(plan) {
				if strings.Contains(line, "SCAN letters") && !strings.Contains(line, "INDEX") || strings.Contains(line, "Seq Scan on letters") {
					t.Errorf("%s reads every email:\n%s", what, plan)
				}
			}
			if !strings.Contains(plan, "letters_") {
				t.Errorf("%s uses no index:\n%s", what, plan)
			}
		}
	})
}

// explain is the plan of a query, in the engine's words.
func explain(t *testing.T, d *db.DB, query string, args []any) (plan string) {
	t.Helper()
	var err error
	for _, word := range []string{"EXPLAIN QUERY PLAN ", "EXPLAIN "} {
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			rows, err := tx.Query(t.Context(), word+query, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(any)
			}
			for plan = ""; rows.Next(); {
				if err := rows.Scan(cells...); err != nil {
					return err
				}
				plan += fmt.Sprint(*cells[len(cells)-1].(*any)) + "\n"
			}
			return rows.Err()
		})
		if err == nil {
			return plan
		}
	}
	t.Fatal(err)
	return ""
}
