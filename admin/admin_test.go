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

var (
	ctx    = context.Background()
	manage = admin.CommandLine(admin.ManageAdmins)
)

func newAdmin(t *testing.T, h *fixture.House, name, role string) admin.Admin {
	t.Helper()
	a, err := h.Admins.Create(ctx, manage, admin.New{Username: name, Email: name + "@lune.test", Role: role, Password: secret.NewText(fixture.Password)}, fixture.Origin)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func signIn(h *fixture.House, name, password string) (admin.Opened, error) {
	return h.Admins.SignIn(ctx, name, secret.NewText(password), fixture.Origin)
}

func TestWrongUnknownAndLockedAdministratorsAnswerAlike(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		newAdmin(t, h, "Ada", admin.Owner)
		_, want := signIn(h, "ada", "wrong")
		_, unknown := signIn(h, "nobody", fixture.Password)
		for range 5 {
			_, _ = signIn(h, "ada", "wrong")
		}
		_, locked := signIn(h, "ADA", fixture.Password)
		if want.Error() != unknown.Error() || locked == nil || want.Error() != locked.Error() || !fault.Is(locked, fault.Unauthenticated) {
			t.Errorf("wrong %v, unknown %v, locked %v", want, unknown, locked)
		}
		clock.Advance(31 * time.Minute)
		if _, err := signIn(h, "ada", fixture.Password); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestSessionsEndByIdlenessByAgeAndByANewPassword(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		newAdmin(t, h, "ada", admin.Owner)
		open := func() secret.Text {
			o, err := signIn(h, "ada", fixture.Password)
			if err != nil {
				t.Fatal(err)
			}
			return o.Secret
		}
		alive := func(cookie secret.Text) bool { _, err := h.Admins.Check(ctx, cookie); return err == nil }
		idle := open()
		clock.Advance(15 * time.Minute)
		if alive(idle) {
			t.Error("alive after fifteen minutes without use")
		}
		used := open()
		for range 80 { // used every ten minutes
			clock.Advance(10 * time.Minute)
			if !alive(used) {
				break
			}
		}
		if alive(used) {
			t.Error("alive after thirteen hours of use")
		}
		before := open()
		if err := h.Admins.SetPassword(ctx, manage, "ADA", secret.NewText("another-secret-9")); err != nil || alive(before) {
			t.Errorf("a new password: %v, old session alive: %v", err, alive(before))
		}
		o, err := signIn(h, "ada", "another-secret-9")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Admins.SignOut(ctx, o.Secret, fixture.Origin); err != nil || alive(o.Secret) {
			t.Errorf("signing out: %v", err)
		}
	})
}

// Promise: a Permit is made by Allow only, from the role's rights.
func TestRolesAllowWhatTheyListAndNothingElse(t *testing.T) {
	every := admin.Roles()[0].Rights
	for _, role := range admin.Roles() {
		has := map[admin.Right]bool{}
		for _, r := range role.Rights {
			has[r] = true
		}
		for _, r := range every {
			p, err := admin.Allow(admin.Admin{ID: 1, Role: role.Name, Active: true}, r)
			if (err == nil) != has[r] || err == nil && p.Need(r) != nil {
				t.Errorf("%s, %s: %v", role.Name, r, err)
			}
		}
	}
	for why, who := range map[string]admin.Admin{"nobody": {}, "disabled": {ID: 1, Role: admin.Owner}, "unknown role": {ID: 1, Role: "king", Active: true}} {
		if _, err := admin.Allow(who, admin.ViewCustomers); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if err := (admin.Permit{}).Need(admin.ForceSignIn); !fault.Is(err, fault.Forbidden) {
		t.Error("the zero permit allows something")
	}
}

func TestAdministratorsAreRefusedInPlainWords(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		newAdmin(t, h, "ada", admin.Owner)
		for why, n := range map[string]admin.New{
			"the same name in capitals": {Username: "ADA", Email: "a@x.test", Role: admin.Owner, Password: secret.NewText(bossWord)},
			"short password":            {Username: "bob", Email: "a@x.test", Role: admin.Owner, Password: secret.NewText("short")},
			"unknown role":              {Username: "bob", Email: "a@x.test", Role: "king", Password: secret.NewText(bossWord)},
			"no address":                {Username: "bob", Email: "x", Role: admin.Owner, Password: secret.NewText(bossWord)},
			"odd name":                  {Username: "bob bob", Email: "a@x.test", Role: admin.Owner, Password: secret.NewText(bossWord)},
		} {
			if _, err := h.Admins.Create(ctx, manage, n, fixture.Origin); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Conflict) {
				t.Errorf("%s: %v", why, err)
			}
		}
		if _, err := h.Admins.Create(ctx, admin.CommandLine(admin.ViewAudit), admin.New{}, fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Error("created with a permit for something else")
		}
	})
}
