package limit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/limit"
)

func take(t *testing.T, d *db.DB, r limit.Rule, subject string) limit.Verdict {
	t.Helper()
	var v limit.Verdict
	ctx := context.Background()
	err := d.Write(ctx, func(tx *db.Tx) (err error) {
		v, err = limit.Take(ctx, tx, r, subject)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return v
}

func try(t *testing.T, d *db.DB, l limit.Lock, subject string) limit.Attempt {
	t.Helper()
	var a limit.Attempt
	ctx := context.Background()
	err := d.Write(ctx, func(tx *db.Tx) (err error) {
		a, err = limit.Try(ctx, tx, l, subject)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return a
}

// Promise: exact over concurrency and nodes. A check followed by a set lets several through; this must let five.
func TestLimitsAreExactUnderConcurrency(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		rule := limit.Rule{Name: "r", Max: 5, Window: time.Hour}
		var allowed atomic.Int64
		var wg sync.WaitGroup
		for i := range 40 {
			node := []*db.DB{a, b}[i%2]
			wg.Go(func() {
				if take(t, node, rule, "somebody").Allowed {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		if allowed.Load() != 5 {
			t.Errorf("%d of 40 were allowed, want 5", allowed.Load())
		}
		if !take(t, a, rule, "somebody else").Allowed {
			t.Error("one subject used up another's")
		}
	})
}

// Promise: a window slides. A bucket that is refilled on the hour lets ten through around it.
func TestWindowSlides(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		rule := limit.Rule{Name: "r", Max: 2, Window: time.Hour}
		start := clock.Now()
		for _, step := range []struct {
			after   time.Duration
			allowed bool
			next    time.Duration
			why     string
		}{
			{0, true, 0, "the first"},
			{40 * time.Minute, true, 0, "the second"},
			{59 * time.Minute, false, time.Hour, "two within the hour before"},
			{60 * time.Minute, true, 0, "the first is an hour old"},
			{61 * time.Minute, false, 100 * time.Minute, "the second is not"},
		} {
			clock.Set(start.Add(step.after))
			v := take(t, d, rule, "s")
			if v.Allowed != step.allowed {
				t.Errorf("after %s (%s): allowed %v", step.after, step.why, v.Allowed)
			}
			if !step.allowed && !v.NextAt.Equal(start.Add(step.next)) {
				t.Errorf("after %s: next at %s, want %s", step.after, v.NextAt.Sub(start), step.next)
			}
		}
	})
}

func TestIntervalBetweenTwo(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		rule := limit.Rule{Name: "r", Max: 5, Window: time.Hour, MinInterval: 10 * time.Minute}
		if !take(t, d, rule, "s").Allowed {
			t.Fatal("the first was refused")
		}
		clock.Advance(9 * time.Minute)
		if v := take(t, d, rule, "s"); v.Allowed || !v.NextAt.Equal(clock.Now().Add(time.Minute)) {
			t.Errorf("after nine minutes: %+v", v)
		}
		clock.Advance(time.Minute)
		if !take(t, d, rule, "s").Allowed {
			t.Error("after ten minutes it was refused: a refusal must not be counted")
		}
	})
}

// A clock that ran far ahead and was set right must not keep anybody waiting for as long as it was wrong (F25).
func TestNobodyWaitsForAClockThatWasAhead(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		right := clock.Now()
		rule, lock := limit.Rule{Name: "r", Max: 1, Window: time.Hour}, limit.Lock{Name: "l", Failures: 1, Pause: 10 * time.Minute}
		for _, ahead := range []time.Duration{5 * time.Minute, 30 * time.Minute, 12 * time.Hour, 365 * 24 * time.Hour} {
			subject := ahead.String()
			clock.Set(right.Add(ahead))
			take(t, d, rule, subject)
			try(t, d, lock, subject)
			clock.Set(right)
			if v := take(t, d, rule, subject); !v.Allowed && v.NextAt.After(right.Add(2*rule.Window)) {
				t.Errorf("%v ahead: the next is allowed in %v", ahead, v.NextAt.Sub(right))
			}
			if a := try(t, d, lock, subject); a.Locked && a.Until.After(right.Add(2*lock.Pause)) {
				t.Errorf("%v ahead: locked for %v", ahead, a.Until.Sub(right))
			}
		}
	})
}

func TestZeroSwitchesALimitOff(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		for range 30 {
			if !take(t, d, limit.Rule{Name: "r", Window: time.Hour}, "s").Allowed || try(t, d, limit.Lock{Name: "l"}, "s").Locked {
				t.Fatal("a limit of zero refused")
			}
		}
	})
}

// Promise: attempts are counted before the password is looked at.
func TestParallelGuessesNeverExceedTheLock(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		lock := limit.Lock{Name: "l", Failures: 10, Pause: 10 * time.Minute}
		var open atomic.Int64
		var wg sync.WaitGroup
		for i := range 100 {
			node := []*db.DB{a, b}[i%2]
			wg.Go(func() {
				if !try(t, node, lock, "somebody").Locked {
					open.Add(1)
				}
			})
		}
		wg.Wait()
		if open.Load() != 10 {
			t.Errorf("%d of 100 guesses were let through, want 10", open.Load())
		}
	})
}

func TestPausesDoubleAndTheHundredthFailureNeedsHelp(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		lock := limit.Lock{Name: "l", Failures: 10, Pause: 10 * time.Minute}
		want := 10 * time.Minute
		for round := 1; round <= 10; round++ {
			var last limit.Attempt
			for i := range 10 {
				if last = try(t, d, lock, "s"); last.Locked {
					t.Fatalf("round %d: locked at try %d", round, i+1)
				}
			}
			if !last.JustLocked || !try(t, d, lock, "s").Locked {
				t.Fatalf("round %d: ten failures did not lock", round)
			}
			if round == 10 {
				clock.Advance(1000 * 24 * time.Hour)
				if !try(t, d, lock, "s").Locked {
					t.Error("a hundred failures in a row were forgotten by waiting")
				}
				break
			}
			if got := last.Until.Sub(clock.Now()); got != min(want, limit.LongestPause) {
				t.Errorf("round %d: pause of %s, want %s", round, got, want)
			}
			clock.Set(last.Until)
			want *= 2
		}
		ctx := context.Background()
		if err := d.Write(ctx, func(tx *db.Tx) error { return limit.Forgive(ctx, tx, "l", "s") }); err != nil {
			t.Fatal(err)
		}
		if try(t, d, lock, "s").Locked {
			t.Error("still locked after being forgiven")
		}
	})
}

// Promise: counts survive a restart.
func TestCountsSurviveARestart(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		url := dbtest.URL(t, engine)
		rule := limit.Rule{Name: "r", Max: 1, Window: time.Hour}
		for i := range 2 {
			d, err := db.Open(context.Background(), url, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := take(t, d, rule, "s").Allowed; got != (i == 0) {
				t.Errorf("start %d: allowed %v", i+1, got)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
