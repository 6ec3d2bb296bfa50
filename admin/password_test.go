package admin_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/secret/breached"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: whichever way an administrator comes to a password, it keeps to the rules; a refused one changes nothing.
func TestEveryWayToAnAdministratorsPasswordAsksTheSameRules(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		b.Set(shop.AdminMaxResetRequests, "0")
		b.Set(shop.AdminMinTimeBetween, "0")
		b.Shop.Breached = breached.At(filepath.Join(t.TempDir(), "list"), nil)
		t.Cleanup(b.Shop.Breached.Close)
		leaked := "zqwvkx-83-lampe"
		if _, err := breached.Import(ctx, strings.NewReader(leaked+"\n"), b.Shop.Breached.Path(), breached.Order{}, func(int64, float64) {}); err != nil {
			t.Fatal(err)
		}
		if err := b.ask("ines"); err != nil {
			t.Fatal(err)
		}
		links, _ := b.letters(admin.ResetLetter)
		session := b.signIn()
		ways := map[string]func(word secret.Text) error{
			"made": func(word secret.Text) error {
				_, err := b.Admins.Create(ctx, manage, admin.New{Username: "paul", Email: "ines@lune.test", Name: "Ines", Password: word}, fixture.Origin)
				return err
			},
			"reset by the operator": func(word secret.Text) error { return b.Admins.SetPassword(ctx, manage, "ines", word) },
			"changed": func(word secret.Text) error {
				_, err := b.Admins.ChangePassword(ctx, session.Admin, secret.NewText(bossWord), word, word, fixture.Origin)
				return err
			},
			"by an email's link": func(word secret.Text) error { return b.complete(links[0], word.Reveal()) },
		}
		for why, row := range map[string]struct{ word, key string }{
			"nothing":           {"", "password.required"},
			"eleven characters": {"zqwvkx-8-pl", "password.too_short"},
			"common":            {"password1234", "password.common"},
			"breached":          {leaked, "password.breached"},
			"the address":       {"INES@lune.test", "password.is_email"},
			"too like the name": {"ines12345678", "password.weak"},
			"257 characters":    {strings.Repeat("k", 257), "password.too_long"},
		} {
			for way, set := range ways {
				if f, ok := fault.As(set(secret.NewText(row.word))); !ok || f.Kind != fault.Invalid || f.Field != "password" || f.Key != row.key {
					t.Errorf("%s, %s: %+v, want %s", way, why, f, row.key)
				}
			}
		}
		b.signIn() // with the password of before: nothing has changed
		if err := ways["by an email's link"](secret.NewText(newWord)); err != nil {
			t.Errorf("the link is spent by a password that was refused: %v", err)
		}
		for setting, accepted := range map[string]bool{"8": true, "20": false} {
			b.Set(shop.AdminMinPasswordLength, setting)
			if err := ways["reset by the operator"](secret.NewText("zqwvkx-83")); (err == nil) != accepted {
				t.Errorf("nine characters where the setting says %s: %v", setting, err)
			}
		}
	})
}
