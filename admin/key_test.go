package admin_test

import (
	"context"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: administrators notice nothing of a change of the key: their apps' codes, the links to their mailbox and their passkeys
// are good at every node of the change, and what was sealed is sealed anew.
func TestSecondFactorsOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		_, told, changed, done := fixture.Changing(t, d)
		b.House = told
		b.enrol()
		code := func(name string, h *fixture.House) {
			t.Helper()
			clock.Advance(time.Minute)
			b.House = h
			if _, err := h.Admins.SecondFactor(ctx, b.signIn().Secret, b.code(), fixture.Origin); err != nil {
				t.Errorf("a code on a node %s: %v", name, err)
			}
		}
		reseal := func(want int) {
			t.Helper()
			b.Write(func(ctx context.Context, tx *db.Tx) error {
				n, err := admin.Reseal(ctx, tx, changed.Key)
				if n != want {
					t.Errorf("%d factors were sealed anew, want %d", n, want)
				}
				return err
			})
		}
		code("changed, before it was sealed anew", changed)
		reseal(1)
		reseal(0)
		code("told", told)
		code("changed", changed)
		code("done", done)

		b.House = told
		if err := b.ask("ines"); err != nil {
			t.Fatal(err)
		}
		first, _ := b.letters(admin.ResetLetter)
		b.House = changed
		again, _ := b.letters(admin.ResetLetter)
		if len(first) != 1 || len(again) != 1 || !again[0].Equal(first[0]) {
			t.Error("a letter that is tried again carries another link")
		}
		if _, err := done.Admins.CheckReset(ctx, first[0], fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("a link of the old key once that is given up: %v", err)
		}
		if err := b.complete(first[0], newWord); err != nil {
			t.Errorf("a link of the old key: %v", err)
		}
	})
}

// Promise: a passkey is asked for by one node and answered at another, also the first one of an administrator.
func TestAdministratorsPasskeysOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		newDesk(t, d)
		_, a, b, c := fixture.Changing(t, d)
		told, changed, done := desk{a, t}, desk{b, t}, desk{c, t}
		device := keyRing(t)
		who := told.who(told.password())
		if err := told.Admins.EnrolPasskey(ctx, who, secret.NewText(bossWord), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		options, err := told.Admins.PendingPasskey(ctx, who, party(t, consoleAt))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := changed.Admins.ConfirmPasskey(ctx, who, party(t, consoleAt), device.Make(options), "Key ring", fixture.Origin); err != nil {
			t.Fatal(err)
		}
		for _, nodes := range [][2]desk{{told, changed}, {changed, told}, {done, done}} {
			half := nodes[0].password()
			options, ok, err := nodes[0].Admins.AskSecondFactor(ctx, half.Secret, party(t, consoleAt))
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			device.Passkey.Counter++
			if _, err := nodes[1].Admins.SecondFactorByPasskey(ctx, half.Secret, party(t, consoleAt), device.Use(options), fixture.Origin); err != nil {
				t.Errorf("asked by one node, answered at another: %v", err)
			}
		}
	})
}
