package console_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

var (
	shownKey  = regexp.MustCompile(`<dd class="mono">([A-Z2-7]{32})</dd>`)
	shownCode = regexp.MustCompile(`<li class="mono">([a-z2-7-]{19})</li>`)
)

func TestAnAdministratorSetsUpASecondFactor(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		ines, tom := h.at("ines", admin.Owner, 0), h.at("tom", "support", 0)
		ines.get("/admin/account").shows(t, "Not set up")
		if got := ines.post("/admin/account/second-factor", "factor_password", "wrong"); got.status != http.StatusUnprocessableEntity {
			t.Errorf("without the password: %d", got.status)
		}
		page := ines.act("/admin/account/second-factor", "factor_password", bossWord)
		page.shows(t, "Scan with your authenticator app")
		key := shownKey.FindStringSubmatch(page.body)
		picture := ines.get("/admin/account/second-factor/picture")
		if key == nil || picture.header.Get("Content-Type") != "image/png" || picture.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(picture.body, "\x89PNG") {
			t.Fatalf("key %v, picture %v", key != nil, picture.header)
		}
		code := func() string {
			now, err := totp.GenerateCode(key[1], clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		ines.post("/admin/account/second-factor/confirm", "code", "000000").shows(t, "not the code that the app shows now")
		done := ines.post("/admin/account/second-factor/confirm", "code", code())
		codes := shownCode.FindAllStringSubmatch(done.body, -1)
		if done.shows(t, "Keep these codes"); len(codes) != admin.RecoveryCodes {
			t.Fatalf("%d recovery codes", len(codes))
		}
		ines.get("/admin/account").shows(t, "Set up", "10 of 10 recovery codes left")

		clock.Advance(time.Minute)
		again := &desk{h, map[string]string{}}
		half := again.post("/admin/login", "username", "ines", "password", bossWord, "next", "/admin/audit")
		if half.status != http.StatusSeeOther || half.location != "/admin/login/code?next=%2Fadmin%2Faudit" {
			t.Fatalf("after the password: %d to %s", half.status, half.location)
		}
		if got := again.get("/admin/customers"); got.status != http.StatusSeeOther {
			t.Errorf("the password alone opens the grid: %d", got.status)
		}
		again = &desk{h, map[string]string{}}
		again.post("/admin/login", "username", "ines", "password", bossWord)
		again.get("/admin/login/code").shows(t, "Second Factor")
		wrong := again.post("/admin/login/code", "code", "000000")
		if wrong.shows(t, "The code is not right"); wrong.status != http.StatusUnprocessableEntity {
			t.Errorf("a wrong code: %d", wrong.status)
		}
		again.act("/admin/login/code", "code", code()).shows(t, "All Customers")

		ines.get("/admin/administrators").shows(t, "Set up")
		if got := tom.post("/admin/administrators/1/reset-factors"); got.status != http.StatusForbidden {
			t.Errorf("without the right: %d", got.status)
		}
		h.at("lea", admin.Owner, 0).act("/admin/administrators/1/reset-factors").shows(t, "The second factor was removed")
		if got := again.get("/admin/customers"); got.status != http.StatusSeeOther {
			t.Errorf("a session outlives the reset: %d", got.status)
		}
	})
}

func TestWhoMustEnrolGoesNowhereElse(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		ines := h.at("ines", admin.Owner, 0)
		h.write(func(ctx context.Context, tx *db.Tx) error {
			return shop.Set(ctx, tx, shop.AdminSecondFactor, shop.SecondFactorRequired, shop.Scope{Kind: shop.Default})
		})
		for _, path := range []string{"/admin/customers", "/admin/configuration", "/admin/audit"} {
			if got := ines.get(path); got.status != http.StatusSeeOther || got.location != "/admin/account" {
				t.Errorf("%s: %d to %s", path, got.status, got.location)
			}
		}
		ines.get("/admin/account").shows(t, "This store demands a second factor")
		if got := ines.post("/admin/customers/1/reset-password"); got.location != "/admin/account" {
			t.Errorf("an act: %d to %s", got.status, got.location)
		}
	})
}

func TestAnAdministratorChangesTheirPassword(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		ines := h.at("ines", admin.Owner, 0)
		ines.post("/admin/account/password", "current_password", "wrong", "password", "another-long-word", "password_confirmation", "another-long-word").
			shows(t, "The password entered for the current user is invalid")
		ines.act("/admin/account/password", "current_password", bossWord, "password", "another-long-word", "password_confirmation", "another-long-word").
			shows(t, "Your password was changed.")
		if got := (&desk{h, map[string]string{}}).post("/admin/login", "username", "ines", "password", bossWord); got.status != http.StatusUnprocessableEntity {
			t.Errorf("the old password: %d", got.status)
		}
	})
}
