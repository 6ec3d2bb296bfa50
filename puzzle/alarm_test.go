package puzzle_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// watched is a house that knows what is unusual for little.
func watched(t *testing.T, d *db.DB) *fixture.House {
	h := fixture.Furnish(t, d)
	h.Set(shop.ProtectionResets, "4")
	h.Set(shop.ProtectionFailures, "4")
	return h
}

func asks(t *testing.T, h *fixture.House, view string) bool {
	t.Helper()
	return pose(t, h, view, puzzle.Reset, "") != nil
}

// sent is a form without a proof; it tells whether it got in.
func sent(t *testing.T, h *fixture.House, view string) bool {
	t.Helper()
	_, err := h.Puzzles.Admit(ctx, h.View(view), puzzle.Reset, puzzle.Answer{}, from(9))
	if err != nil && !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	return err == nil
}

func happened(t *testing.T, h *fixture.House, action string) (all []audit.Entry) {
	t.Helper()
	h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		all, _, err = audit.List(ctx, tx, audit.Query{Action: action, Limit: 100})
		return err
	})
	return all
}

// Promise: unusually much of any of them, from however many clients, is noticed by all nodes at the next form, for the
// website that it happens at, for known and unknown addresses alike.
func TestUnusuallyMuchIsAnAttack(t *testing.T) {
	floods := map[puzzle.Cause]func(h *fixture.House, n int) error{
		puzzle.Resets: func(h *fixture.House, n int) error {
			return h.Recovery.Request(ctx, h.View("lune_fr"), fmt.Sprintf("nobody%d@lune.test", n), from(n))
		},
		puzzle.Failures: func(h *fixture.House, n int) error {
			_, err := h.SignIn.SignIn(ctx, h.View("lune_en"), "camille@lune.test", secret.NewText("guess"), from(n))
			if fault.Is(err, fault.Unauthenticated) {
				return nil
			}
			return fmt.Errorf("signing in with a guess: %w", err)
		},
		puzzle.Accounts: func(h *fixture.House, n int) error {
			pw := secret.NewText("a-fine-secret-7")
			_, err := h.Customers.Register(ctx, h.View("lune_en"), customer.Registration{Firstname: "A", Lastname: "B",
				Email: fmt.Sprintf("new%d@lune.test", n), Password: pw, Confirm: pw}, from(n))
			return err
		},
	}
	for cause, flood := range floods {
		t.Run(string(cause), func(t *testing.T) {
			dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
				h, other := watched(t, a), fixture.Open(t, b)
				h.Customer("lune_en", "camille@lune.test")
				for n := range 4 {
					if err := flood(h, n); err != nil {
						t.Fatal(err)
					}
				}
				if !sent(t, h, "lune_en") || asks(t, h, "lune_en") {
					t.Fatal("as much as is allowed is an attack")
				}
				if err := flood(other, 5); err != nil {
					t.Fatal(err)
				}
				var forms sync.WaitGroup
				for _, node := range []*fixture.House{h, other, h, other} {
					forms.Go(func() {
						if _, err := node.Puzzles.Admit(ctx, node.View("lune_en"), puzzle.Account, puzzle.Answer{}, from(9)); !fault.Is(err, fault.Invalid) {
							t.Errorf("a form without a proof: %v", err)
						}
					})
				}
				forms.Wait()
				if !asks(t, h, "lune_en") || !asks(t, other, "lune_fr") {
					t.Error("the pages of some node do not ask")
				}
				if asks(t, h, "nord_en") || !sent(t, h, "nord_en") {
					t.Error("another website asks too")
				}
				began := happened(t, h, audit.ProtectionStarted)
				if len(began) != 1 || began[0].Subject != string(cause) || began[0].WebsiteID != h.View("lune_en").WebsiteID {
					t.Errorf("recorded: %+v", began)
				}
				var alarms []puzzle.Alarm
				h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
					alarms, err = puzzle.Alarms(ctx, tx)
					return err
				})
				if len(alarms) != 1 || alarms[0].Cause != cause || !alarms[0].Since.Equal(clock.Now()) {
					t.Errorf("%+v", alarms)
				}
			})
		})
	}
}

// Promise: always on is wrong. It ends by itself, but not while forms without a proof keep coming.
func TestTheAlarmEndsWhenItIsCalmAgain(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := watched(t, d)
		for n := range 5 {
			if err := h.Recovery.Request(ctx, h.View("lune_en"), fmt.Sprintf("nobody%d@lune.test", n), from(n)); err != nil {
				t.Fatal(err)
			}
		}
		began := clock.Now()
		for minute := range 60 {
			if sent(t, h, "lune_en") {
				t.Fatalf("over after %d minutes although the flood goes on", minute)
			}
			clock.Advance(time.Minute)
		}
		calm := clock.Now()
		for asks(t, h, "lune_en") {
			if clock.Advance(time.Minute); clock.Now().Sub(calm) > 25*time.Minute {
				t.Fatal("it does not end")
			}
		}
		if clock.Now().Sub(calm) < 8*time.Minute {
			t.Errorf("over after %v already", clock.Now().Sub(calm))
		}
		if len(happened(t, h, audit.ProtectionEnded)) != 0 || !sent(t, h, "lune_en") || !sent(t, h, "lune_en") {
			t.Error("the first form after it is not let in")
		}
		ended := happened(t, h, audit.ProtectionEnded)
		if len(ended) != 1 || ended[0].Subject != string(puzzle.Resets) || ended[0].Detail["since"] != began.Format(time.RFC3339) {
			t.Errorf("recorded: %+v", ended)
		}
		if len(happened(t, h, audit.ProtectionStarted)) != 1 {
			t.Error("it began more than once")
		}
	})
}

// What a big store has every day is no attack, and a long attack does not become what is usual.
func TestABusyStoreIsNotUnderAttack(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := watched(t, d)
		v := h.View("lune_en")
		now := clock.Now()
		put := func(tx *db.Tx, at time.Time) error {
			_, err := tx.Exec(ctx, `INSERT INTO audit (id, at, action, actor_kind, website_id) VALUES ($1, $2, $3, $4, $5)`,
				db.NewID(), db.Micro(at), audit.ResetRequested, audit.Shopper, v.WebsiteID)
			return err
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error { // two in each ten minutes, for a week, and ten just now
			for at := now.Add(-7 * 24 * time.Hour); at.Before(now.Add(-20 * time.Minute)); at = at.Add(5 * time.Minute) {
				if err := put(tx, at); err != nil {
					return err
				}
			}
			for range 10 {
				if err := put(tx, now.Add(-time.Minute)); err != nil {
					return err
				}
			}
			return nil
		})
		if !sent(t, h, "lune_en") {
			t.Error("five times as much as usual is an attack; more is")
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error { return put(tx, now) })
		if sent(t, h, "lune_en") {
			t.Error("more than five times as much as usual is no attack")
		}
	})
}

func TestTheModeIsTheStores(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := watched(t, d)
		h.Set(shop.ProtectionMode, shop.ProtectionAlways)
		if !asks(t, h, "nord_en") || sent(t, h, "nord_en") {
			t.Error("always: does not ask")
		}
		h.Set(shop.ProtectionMode, shop.ProtectionNever)
		for n := range 6 {
			if err := h.Recovery.Request(ctx, h.View("nord_en"), fmt.Sprintf("nobody%d@nord.test", n), from(n)); err != nil {
				t.Fatal(err)
			}
		}
		if asks(t, h, "nord_en") || !sent(t, h, "nord_en") {
			t.Error("never: asks")
		}
	})
}
