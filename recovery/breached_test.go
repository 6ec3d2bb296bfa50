package recovery_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret/breached"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// A password that is refused because it stood in a breach leaves the link as it was.
func TestABreachedPasswordSpendsNoLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		h.Shop.Breached = breached.At(filepath.Join(t.TempDir(), "list"), nil)
		t.Cleanup(h.Shop.Breached.Close)
		if _, err := breached.Import(ctx, strings.NewReader("zqwvkx-83-lampe\n"), h.Shop.Breached.Path(), breached.Order{}, func(int64, float64) {}); err != nil {
			t.Fatal(err)
		}
		h.Set(shop.PasswordPreset, "cnil")
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		link := links(h.Letters())[0]
		for range 3 {
			if err := complete(h, "lune_en", link, "zqwvkx-83-lampe"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "data leak") {
				t.Errorf("on the list: %v", err)
			}
		}
		if err := complete(h, "lune_en", link, "zqwvkx-84-lampe"); err != nil {
			t.Errorf("and then another one: %v", err)
		}
	})
}
