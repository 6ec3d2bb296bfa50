package admin_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

const bossWord = "a-long-word-for-the-boss"

// boss is an administrator with a second factor, and what their app shows.
type boss struct {
	*fixture.House
	t     *testing.T
	clock *dbtest.Clock
	key   secret.Text
	codes []secret.Text
}

func hire(t *testing.T, d *db.DB, clock *dbtest.Clock) *boss {
	t.Helper()
	b := &boss{House: fixture.Furnish(t, d), t: t, clock: clock}
	if _, err := b.Admins.Create(context.Background(), admin.CommandLine(admin.ManageAdmins), admin.New{Username: "ines", Email: "ines@lune.test",
		Password: secret.NewText(bossWord)}, fixture.Origin); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *boss) signIn() admin.Opened {
	b.t.Helper()
	o, err := b.Admins.SignIn(context.Background(), "ines", secret.NewText(bossWord), fixture.Origin)
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

func (b *boss) enrol() admin.Opened {
	b.t.Helper()
	ctx := context.Background()
	who := b.signIn().Admin
	if err := b.Admins.Enrol(ctx, who, secret.NewText(bossWord), fixture.Origin); err != nil {
		b.t.Fatal(err)
	}
	e, err := b.Admins.Pending(ctx, who)
	if err != nil {
		b.t.Fatal(err)
	}
	b.key = e.Secret
	codes, opened, err := b.Admins.Confirm(ctx, who, b.code(), fixture.Origin)
	if err != nil {
		b.t.Fatal(err)
	}
	b.codes = codes
	b.clock.Advance(time.Minute) // the code that confirmed it is used up
	return opened
}

func (b *boss) code() string {
	code, err := totp.GenerateCode(b.key.Reveal(), b.clock.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

func (b *boss) give(cookie secret.Text, code string) error {
	_, err := b.Admins.SecondFactor(context.Background(), cookie, code, fixture.Origin)
	return err
}

func TestThePasswordAloneOpensNothingWithASecondFactor(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		ctx := context.Background()
		b := hire(t, d, clock)
		before := b.signIn()
		b.enrol()
		if _, err := b.Admins.Check(ctx, before.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Error("a session that was begun without the factor lives on")
		}
		half := b.signIn()
		if _, err := b.Admins.Check(ctx, half.Secret); !half.Half || !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("half a session opens the console: %v", err)
		}
		if err := b.give(before.Secret, b.code()); err == nil {
			t.Error("a code is accepted for a session that waits for none")
		}
		full, err := b.Admins.SecondFactor(ctx, half.Secret, b.code(), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Admins.Check(ctx, full.Secret); err != nil || full.Secret.Equal(half.Secret) {
			t.Errorf("the session after the code: %v", err)
		}
		late := b.signIn()
		clock.Advance(admin.HalfSession + time.Second)
		if err := b.give(late.Secret, b.code()); err == nil {
			t.Error("half a session outlives its minutes")
		}
	})
}

func TestACodeOfTheSecondFactorCountsOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, one, two *db.DB, clock *dbtest.Clock) {
		b := hire(t, one, clock)
		b.enrol()
		other := fixture.Open(t, two)
		for _, row := range []struct{ why, code string }{
			{"the code of the moment", b.code()},
			{"a recovery code", b.codes[0].Reveal()},
			{"another one, typed in capitals and without dashes", strings.ToUpper(strings.ReplaceAll(b.codes[1].Reveal(), "-", ""))},
		} {
			var halves []secret.Text
			for range 4 {
				halves = append(halves, b.signIn().Secret)
			}
			var won atomic.Int64
			var all sync.WaitGroup
			for i, half := range halves {
				node := b.Admins
				if i%2 == 1 {
					node = other.Admins
				}
				all.Go(func() {
					if _, err := node.SecondFactor(context.Background(), half, row.code, fixture.Origin); err == nil {
						won.Add(1)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("%s: %d sign-ins of four at once", row.why, won.Load())
			}
			clock.Advance(2 * time.Hour) // the wrong ones paused the tries
		}
	})
}

func TestWrongCodesPauseTheTries(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		b.enrol()
		b.Set(shop.AdminLockoutFailures, "0") // of passwords; six digits are not left to guessing
		half := b.signIn().Secret
		var wrong error
		for range 6 {
			wrong = b.give(half, "000000")
		}
		if err := b.give(half, b.code()); err == nil || err.Error() != wrong.Error() {
			t.Errorf("the right code after six wrong ones: %v; a wrong one: %v", err, wrong)
		}
		clock.Advance(2 * time.Hour)
		if err := b.give(b.signIn().Secret, b.code()); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestAStoreMayDemandASecondFactorOfEverybody(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		ctx := context.Background()
		b := hire(t, d, clock)
		b.Set(shop.AdminSecondFactor, shop.SecondFactorRequired)
		who, err := b.Admins.Check(ctx, b.signIn().Secret)
		if err != nil || !who.MustEnrol {
			t.Errorf("without a factor: %v, %v", who.MustEnrol, err)
		}
		proof, err := b.Admins.ProveByName(ctx, "ines", secret.NewText(bossWord), fixture.Origin)
		if err != nil || proof.Complete() {
			t.Errorf("a token would be issued for the password alone: %v", err)
		}
		opened := b.enrol()
		if who, err := b.Admins.Check(ctx, opened.Secret); err != nil || who.MustEnrol {
			t.Errorf("with the factor: %v", err)
		}
		if err := b.Admins.RemoveFactor(ctx, opened.Admin, secret.NewText(bossWord), fixture.Origin); !fault.Is(err, fault.Conflict) {
			t.Errorf("it can be taken away: %v", err)
		}
		if err := b.Admins.ResetFactors(ctx, admin.CommandLine(admin.ManageAdmins), "INES", fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Admins.Check(ctx, opened.Secret); err == nil {
			t.Error("a session outlives the factor that was reset")
		}
		if half := b.signIn(); half.Half {
			t.Error("the factor that was reset is still asked for")
		}
	})
}

func TestNoTableHoldsASecondFactor(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		b.enrol()
		b.Read(func(ctx context.Context, tx *db.Tx) error {
			var sealed []byte
			if err := tx.Row(ctx, "SELECT totp FROM admins").Scan(&sealed); err != nil {
				return err
			}
			if strings.Contains(string(sealed), b.key.Reveal()) {
				t.Error("the secret rests in the clear")
			}
			if _, err := b.Key.Open("admin-totp", []byte("another row"), sealed); err == nil {
				t.Error("it opens as another row's")
			}
			return nil
		})
	})
}

func TestAnAdministratorsSessionsEndWithTheirPassword(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		ctx := context.Background()
		b := hire(t, d, clock)
		elsewhere := b.signIn()
		here := b.signIn()
		next := secret.NewText("another-long-word")
		for _, row := range []struct {
			why                    string
			current, word, confirm secret.Text
			field                  string
		}{
			{"a wrong current one", secret.NewText("wrong-word"), next, next, "current_password"},
			{"a short one", secret.NewText(bossWord), secret.NewText("short"), secret.NewText("short"), "password"},
			{"two different ones", secret.NewText(bossWord), next, secret.NewText("yet-another-word"), "password_confirmation"},
		} {
			_, err := b.Admins.ChangePassword(ctx, here.Admin, row.current, row.word, row.confirm, fixture.Origin)
			if f, ok := fault.As(err); !ok || f.Field != row.field {
				t.Errorf("%s: %v", row.why, err)
			}
		}
		after, err := b.Admins.ChangePassword(ctx, here.Admin, secret.NewText(bossWord), next, next, fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		for why, cookie := range map[string]secret.Text{"elsewhere": elsewhere.Secret, "this one, by its old name": here.Secret} {
			if _, err := b.Admins.Check(ctx, cookie); err == nil {
				t.Errorf("the session %s lives on", why)
			}
		}
		if _, err := b.Admins.Check(ctx, after.Secret); err != nil {
			t.Errorf("the browser that asked is signed out: %v", err)
		}
	})
}
