package signin_test

import (
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: a mistyped password is not told to wait; who really has to wait is told so, whether or not the address is a customer's.
func TestOnlyWhoMustWaitIsToldTo(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.LockoutFailures, "3")
		h.Customer("lune_en", "camille@lune.test")
		for _, email := range []string{"camille@lune.test", "nobody@lune.test"} {
			try := func(what, password, want string) {
				t.Helper()
				_, err := h.SignIn.SignIn(t.Context(), h.View("lune_en"), email, secret.NewText(password), fixture.Origin)
				if f, ok := fault.As(err); !ok || f.Key != want {
					t.Errorf("%s, %s: %v, want %s", email, what, err, want)
				}
			}
			try("the first", "wrong-1", "signin.incorrect")
			try("the second", "wrong-2", "signin.incorrect")
			try("the one that pauses", "wrong-3", "signin.locked")
			try("the right one meanwhile", fixture.Password, "signin.locked")
			clock.Advance(h.View("lune_en").Duration(shop.LockoutThreshold))
			try("after the pause", "wrong-4", "signin.incorrect")
		}
	})
}
