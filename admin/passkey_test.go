package admin_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

const consoleAt = "https://admin.lune.test"

func party(t *testing.T, address string) passkey.Party {
	t.Helper()
	p, ok := passkey.At(address, "Rekey")
	if !ok {
		t.Fatalf("no passkeys at %s", address)
	}
	return p
}

// desk is an administrator at the console of one node.
type desk struct {
	*fixture.House
	t *testing.T
}

func (d desk) password() admin.Opened {
	d.t.Helper()
	opened, err := d.Admins.SignIn(ctx, "boss", secret.NewText(bossWord), fixture.Origin)
	if err != nil {
		d.t.Fatal(err)
	}
	return opened
}

func (d desk) who(opened admin.Opened) admin.Admin {
	d.t.Helper()
	who, err := d.Admins.Check(ctx, opened.Secret)
	if err != nil {
		d.t.Fatal(err)
	}
	return who
}

// add gives whoever is signed in a passkey.
func (d desk) add(who admin.Admin, device *fixture.Device) (codes []secret.Text, opened admin.Opened) {
	d.t.Helper()
	if err := d.Admins.EnrolPasskey(ctx, who, secret.NewText(bossWord), fixture.Origin); err != nil {
		d.t.Fatal(err)
	}
	options, err := d.Admins.PendingPasskey(ctx, who, party(d.t, consoleAt))
	if err != nil {
		d.t.Fatal(err)
	}
	codes, opened, err = d.Admins.ConfirmPasskey(ctx, who, party(d.t, consoleAt), device.Make(options), "Key ring", fixture.Origin)
	if err != nil {
		d.t.Fatal(err)
	}
	return codes, opened
}

func (d desk) second(half admin.Opened, at string, device *fixture.Device) (admin.Opened, error) {
	d.t.Helper()
	options, ok, err := d.Admins.AskSecondFactor(ctx, half.Secret, party(d.t, consoleAt))
	if err != nil || !ok {
		d.t.Fatalf("no passkey is asked for: %v", err)
	}
	device.Passkey.Counter++
	return d.Admins.SecondFactorByPasskey(ctx, half.Secret, party(d.t, at), device.Use(options), fixture.Origin)
}

func newDesk(t *testing.T, d *db.DB) desk {
	t.Helper()
	h := fixture.Furnish(t, d)
	_, err := h.Admins.Create(ctx, admin.CommandLine(admin.ManageAdmins), admin.New{Username: "boss", Email: "boss@lune.test", Password: secret.NewText(bossWord)}, fixture.Origin)
	if err != nil {
		t.Fatal(err)
	}
	return desk{h, t}
}

func keyRing(t *testing.T) *fixture.Device { return fixture.NewDevice(t, "admin.lune.test", consoleAt) }

// Promise: with a passkey the password alone opens nothing, and the passkey counts where the store demands a second factor.
func TestAPasskeyIsASecondFactor(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		d := newDesk(t, a)
		other := desk{fixture.Open(t, b), t}
		d.Set(shop.AdminSecondFactor, shop.SecondFactorRequired)
		first := d.password()
		who := d.who(first)
		if !who.MustEnrol {
			t.Fatal("nothing is demanded")
		}
		if err := d.Admins.EnrolPasskey(ctx, who, secret.NewText("wrong"), fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("begun with a wrong password: %v", err)
		}
		if _, err := d.Admins.PendingPasskey(ctx, who, party(t, consoleAt)); !fault.Is(err, fault.NotFound) {
			t.Errorf("a passkey waits without the password: %v", err)
		}
		device := keyRing(t)
		codes, opened := d.add(who, device)
		if len(codes) != admin.RecoveryCodes {
			t.Errorf("%d recovery codes", len(codes))
		}
		if _, err := other.Admins.Check(ctx, first.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the session before lives: %v", err)
		}
		if who = other.who(opened); who.MustEnrol || !who.SecondFactor || who.HasCode() || who.Passkeys != 1 {
			t.Errorf("%+v", who)
		}
		half := d.password()
		if !half.Half {
			t.Fatal("the password alone signs in")
		}
		if _, err := d.Admins.Check(ctx, half.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("half a session opens something: %v", err)
		}
		full, err := other.second(half, consoleAt, device)
		if err != nil {
			t.Fatal(err)
		}
		d.who(full)
		if _, err := d.Admins.SecondFactor(ctx, d.password().Secret, codes[0].Reveal(), fixture.Origin); err != nil {
			t.Errorf("a recovery code, without the passkey at hand: %v", err)
		}
		late := d.password()
		clock.Advance(admin.HalfSession)
		if _, ok, err := d.Admins.AskSecondFactor(ctx, late.Secret, party(t, consoleAt)); ok || err != nil {
			t.Errorf("late: %v %v", ok, err)
		}
	})
}

// Promise: an administrator's passkey is good at its own console, from a page of it, and once for each sign-in.
func TestAdministratorsPasskeysThatAreNotGoodAreRefused(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, base *db.DB, clock *dbtest.Clock) {
		d := newDesk(t, base)
		device := keyRing(t)
		d.add(d.who(d.password()), device)
		for _, row := range []struct {
			why string
			try func(half admin.Opened) error
		}{
			{"at another host", func(half admin.Opened) error { _, err := d.second(half, "https://evil.test", device); return err }},
			{"from another page", func(half admin.Opened) error {
				evil := *device
				evil.Site.Origin = "https://evil.test"
				_, err := d.second(half, consoleAt, &evil)
				return err
			}},
			{"another device", func(half admin.Opened) error { _, err := d.second(half, consoleAt, keyRing(t)); return err }},
			{"nobody verified", func(half admin.Opened) error {
				careless := *device
				careless.Phone.Options.UserNotVerified = true
				_, err := d.second(half, consoleAt, &careless)
				return err
			}},
			{"the answer to another sign-in", func(half admin.Opened) error {
				options, _, err := d.Admins.AskSecondFactor(ctx, d.password().Secret, party(t, consoleAt))
				if err != nil {
					t.Fatal(err)
				}
				_, err = d.Admins.SecondFactorByPasskey(ctx, half.Secret, party(t, consoleAt), device.Use(options), fixture.Origin)
				return err
			}},
			{"a count that does not go up", func(half admin.Opened) error {
				device.Passkey.Counter = 7
				if _, err := d.second(d.password(), consoleAt, device); err != nil {
					t.Errorf("upwards: %v", err)
				}
				device.Passkey.Counter = 7
				_, err := d.second(half, consoleAt, device)
				return err
			}},
			{"nothing", func(half admin.Opened) error {
				_, err := d.Admins.SecondFactorByPasskey(ctx, half.Secret, party(t, consoleAt), "", fixture.Origin)
				return err
			}},
		} {
			if err := row.try(d.password()); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%s: %v", row.why, err)
			}
			clock.Advance(13 * time.Hour) // whatever pause there was
			d.Write(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, "DELETE FROM lockouts"); return err })
		}
		half := d.password() // of many at once, one
		options, _, err := d.Admins.AskSecondFactor(ctx, half.Secret, party(t, consoleAt))
		if err != nil {
			t.Fatal(err)
		}
		device.Passkey.Counter = 50
		answer := device.Use(options)
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := d.Admins.SecondFactorByPasskey(ctx, half.Secret, party(t, consoleAt), answer, fixture.Origin); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 5 were taken", won.Load())
		}
	})
}

// Promise: the last second factor stays where the store demands one; a colleague takes all of them away.
func TestRemovingAnAdministratorsPasskey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, base *db.DB, _ *dbtest.Clock) {
		d := newDesk(t, base)
		one, two := keyRing(t), keyRing(t)
		_, opened := d.add(d.who(d.password()), one)
		codes, opened := d.add(d.who(opened), two)
		if len(codes) != 0 {
			t.Error("the recovery codes that are written down are void")
		}
		who := d.who(opened)
		var all []admin.Passkey
		list := func() {
			d.Read(func(ctx context.Context, tx *db.Tx) (err error) {
				all, err = admin.Passkeys(ctx, tx, who.ID)
				return err
			})
		}
		list()
		pw := secret.NewText(bossWord)
		d.Set(shop.AdminSecondFactor, shop.SecondFactorRequired)
		if err := d.Admins.RemovePasskey(ctx, who, all[0].ID, secret.NewText("wrong"), fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("with a wrong password: %v", err)
		}
		if err := d.Admins.RemovePasskey(ctx, who, all[0].ID, pw, fixture.Origin); err != nil {
			t.Errorf("one of two: %v", err)
		}
		if _, err := d.second(d.password(), consoleAt, one); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the removed one: %v", err)
		}
		if err := d.Admins.RemovePasskey(ctx, who, all[1].ID, pw, fixture.Origin); !fault.Is(err, fault.Conflict) {
			t.Errorf("the last one, which the store demands: %v", err)
		}
		if list(); len(all) != 1 {
			t.Fatalf("%d are left", len(all))
		}
		if err := d.Admins.ResetFactors(ctx, admin.CommandLine(admin.ManageAdmins), "boss", fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if list(); len(all) != 0 || d.password().Half {
			t.Errorf("%d are left after a colleague took all away", len(all))
		}
	})
}
