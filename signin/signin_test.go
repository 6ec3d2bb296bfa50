package signin_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

var ctx = context.Background()

func attempt(h *fixture.House, view, email, password string) (signin.Opened, error) {
	return h.SignIn.SignIn(ctx, h.View(view), email, secret.NewText(password), fixture.Origin)
}

// Promise: one answer, at the price of one hash, whatever the reason.
func TestWrongUnknownLockedAndDisabledAnswerAlike(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Customer("lune_en", "known@lune.test")
		h.Customer("nord_en", "other-store@lune.test")
		locked := h.Customer("lune_en", "locked@lune.test")
		disabled := h.Customer("lune_en", "disabled@lune.test")
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE customers SET active = FALSE WHERE id = $1", disabled.ID)
			return err
		})
		for range 10 {
			_, _ = attempt(h, "lune_en", locked.Email, "wrong")
		}
		_, want := attempt(h, "lune_en", "known@lune.test", "wrong")
		for _, row := range []struct{ email, password, why string }{
			{"unknown@lune.test", fixture.Password, "no such customer"},
			{"locked@lune.test", fixture.Password, "locked, with the right password"},
			{"disabled@lune.test", fixture.Password, "disabled, with the right password"},
			{"other-store@lune.test", fixture.Password, "customer of the other website"},
		} {
			before := h.Hasher.Runs()
			_, err := attempt(h, "lune_en", row.email, row.password)
			if err == nil || err.Error() != want.Error() || fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("%s: %v", row.why, err)
			}
			if n := h.Hasher.Runs() - before; n != 1 {
				t.Errorf("%s: %d hashes", row.why, n)
			}
		}
	})
}

// Promise: unknown addresses lock exactly as known ones do.
func TestUnknownAddressesLockAsKnownOnesDo(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Customer("lune_en", "known@lune.test")
		for _, email := range []string{"known@lune.test", "unknown@lune.test"} {
			for range 12 {
				_, _ = attempt(h, "lune_en", email, "wrong")
			}
		}
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			entries, _, err := audit.List(ctx, tx, audit.Query{Action: audit.SignInLocked, Limit: 10})
			if len(entries) != 2 {
				t.Errorf("%d lock-outs, want one for each address", len(entries))
			}
			return err
		})
	})
}

// Promise: attempts are counted before the password is hashed.
func TestParallelGuessesAreBounded(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, a)
		other := fixture.Open(t, b)
		h.Set(shop.MaxSignInFailuresClient, "0")
		c := h.Customer("lune_en", "known@lune.test")
		var right atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() {
				for {
					_, err := attempt(node, "lune_en", c.Email, "guess")
					if !errors.Is(err, secret.ErrBusy) {
						return
					}
				}
			})
		}
		wg.Wait()
		if _, err := attempt(h, "lune_en", c.Email, fixture.Password); err == nil {
			right.Add(1)
		}
		if right.Load() != 0 || !h.Find(c.ID).Locked(c.CreatedAt) {
			t.Error("sixty wrong passwords did not lock the account")
		}
	})
}

func TestALockEndsByTimeByTheRightPasswordAfterItAndByUnlock(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "known@lune.test")
		lock := func() {
			for range 10 {
				_, _ = attempt(h, "lune_en", c.Email, "wrong")
			}
		}
		lock()
		clock.Advance(11 * time.Minute)
		if _, err := attempt(h, "lune_en", c.Email, fixture.Password); err != nil {
			t.Errorf("after the pause: %v", err)
		}
		lock()
		if err := h.SignIn.Unlock(ctx, admin.CommandLine(admin.UnlockCustomer), c.ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		if _, err := attempt(h, "lune_en", c.Email, fixture.Password); err != nil {
			t.Errorf("after being unlocked: %v", err)
		}
		if err := h.SignIn.Unlock(ctx, admin.CommandLine(admin.ResetPassword), c.ID, audit.Origin{}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("with a permit for something else: %v", err)
		}
	})
}

func TestOneClientCannotTryEverybody(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MaxSignInFailuresClient, "3")
		c := h.Customer("lune_en", "known@lune.test")
		for range 5 { // the right password is not what is limited
			if _, err := attempt(h, "lune_en", c.Email, fixture.Password); err != nil {
				t.Fatal(err)
			}
		}
		for i, email := range []string{"a@x.test", "b@x.test", "c@x.test", "d@x.test"} {
			if _, err := attempt(h, "lune_en", email, "wrong"); fault.Is(err, fault.Limited) != (i == 3) {
				t.Errorf("try %d: %v", i+1, err)
			}
		}
	})
}

func TestSessionsEndOnEveryNodeBeforeTheAnswer(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, a)
		other := fixture.Open(t, b)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "known@lune.test")
		var cookies []secret.Text
		for range 3 {
			o, err := attempt(h, "lune_en", c.Email, fixture.Password)
			if err != nil {
				t.Fatal(err)
			}
			cookies = append(cookies, o.Secret)
		}
		alive := func(cookie secret.Text) bool {
			_, err := other.SignIn.Check(ctx, v, cookie)
			if err != nil && !fault.Is(err, fault.Unauthenticated) {
				t.Error(err)
			}
			return err == nil
		}
		if err := h.SignIn.SignOut(ctx, v, cookies[0], fixture.Origin); err != nil || alive(cookies[0]) || !alive(cookies[1]) {
			t.Errorf("signing out: %v", err)
		}
		who, err := h.SignIn.Check(ctx, v, cookies[1])
		if err != nil {
			t.Fatal(err)
		}
		if n, err := h.SignIn.EndOthers(ctx, who, fixture.Origin); err != nil || n != 1 || !alive(cookies[1]) || alive(cookies[2]) {
			t.Errorf("sign out everywhere else: %d ended, %v", n, err)
		}
		if _, err := h.SignIn.Check(ctx, h.View("nord_en"), cookies[1]); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the cookie of one website on another: %v", err)
		}
		clock.Advance(8 * 24 * time.Hour)
		if alive(cookies[1]) {
			t.Error("a session unused for longer than its idle time is alive")
		}
	})
}

// A session that is being made while all sessions end must be dead on arrival.
func TestASessionBegunUnderAnOlderGenerationIsDead(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "known@lune.test")
		proof, err := h.SignIn.Prove(ctx, v, c.Email, secret.NewText(fixture.Password), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		var opened signin.Opened
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			_, err = signin.EndAll(ctx, tx, c.ID) // meanwhile, elsewhere
			return err
		})
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			opened, err = signin.Open(ctx, tx, v, proof.Customer, fixture.Origin)
			return err
		})
		if _, err := h.SignIn.Check(ctx, v, opened.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("it is alive: %v", err)
		}
	})
}

// Sign-ins per second beside the bare hash they contain: go test -bench SignIn ./signin
func BenchmarkSignIn(b *testing.B) {
	h := fixture.Furnish(b, dbtest.Open(b, dbtest.SQLite))
	h.Hasher = secret.NewHasher(secret.DefaultParams, 0)
	h.SignIn.Hasher = h.Hasher
	h.Set(shop.MaxSignInFailuresClient, "0")
	c := h.Customer("lune_en", "known@lune.test")
	v := h.View("lune_en")
	b.Run("argon2id", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, _, err := h.Hasher.Verify(ctx, c.PasswordHash(), secret.NewText(fixture.Password)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
	})
	b.Run("sign-in", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := h.SignIn.SignIn(ctx, v, c.Email, secret.NewText(fixture.Password), fixture.Origin); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
	})
}
