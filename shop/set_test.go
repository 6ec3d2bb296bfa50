package shop_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
)

var everybody = shop.Scope{Kind: shop.Default}

func set(t *testing.T, d *db.DB, path, value string, scope shop.Scope) {
	t.Helper()
	write(t, d, func(ctx context.Context, tx *db.Tx) error { return shop.Set(ctx, tx, path, value, scope) })
}

func TestScopesFromParticularToGeneral(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		websiteID, viewID := addLune(t, s)
		website, view := shop.Scope{Kind: shop.Websites, ID: websiteID}, shop.Scope{Kind: shop.Stores, ID: viewID}

		expect := func(why string, number int, from shop.Scope) {
			t.Helper()
			snapshot := load(t, s)
			v, _ := snapshot.View(viewID)
			if got := v.Int(shop.MaxResetRequests); got != number {
				t.Errorf("%s: %d in force, want %d", why, got, number)
			}
			if _, origin := snapshot.Setting(shop.MaxResetRequests, view); origin != from {
				t.Errorf("%s: it comes from %v, want %v", why, origin, from)
			}
			if got := snapshot.Views()[0].Int(shop.MaxResetRequests); got != snapshot.Int(shop.MaxResetRequests) {
				t.Errorf("%s: another website's view has %d", why, got)
			}
		}
		expect("nothing set", 5, shop.Scope{Kind: shop.BuiltIn})
		set(t, d, shop.MaxResetRequests, "10", everybody)
		expect("the default", 10, everybody)
		set(t, d, shop.MaxResetRequests, "20", website)
		expect("the website", 20, website)
		set(t, d, shop.MaxResetRequests, "30", view)
		expect("the store view", 30, view)
		set(t, d, shop.MaxResetRequests, "31", view)
		expect("set twice", 31, view)
		for range 2 { // the second time there is nothing to take away
			write(t, d, func(ctx context.Context, tx *db.Tx) error { return shop.Unset(ctx, tx, shop.MaxResetRequests, view) })
		}
		expect("use default", 20, website)
		if got := load(t, s).Explicit(website); len(got) != 1 || got[shop.MaxResetRequests] != "20" {
			t.Errorf("explicit at the website: %v", got)
		}
	})
}

func TestPresetSuppliesDefaultsThatSettingsOverride(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		websiteID, viewID := addLune(t, s)
		website := shop.Scope{Kind: shop.Websites, ID: websiteID}
		rules := func() (length int, spaces bool, common string, link time.Duration) {
			v, _ := load(t, s).View(viewID)
			return v.Int(shop.MinimumPasswordLength), v.Bool(shop.AllowWhiteSpace), v.Text(shop.CommonPasswords), v.Duration(shop.LinkExpirationPeriod)
		}
		expect := func(why string, length int, spaces bool, common string, link time.Duration) {
			t.Helper()
			if l, sp, c, k := rules(); l != length || sp != spaces || c != common || k != link {
				t.Errorf("%s: %d %v %s %v, want %d %v %s %v", why, l, sp, c, k, length, spaces, common, link)
			}
		}
		expect("the help page's rules", 6, false, shop.CommonPasswordsAdvise, 24*time.Hour)
		set(t, d, shop.PasswordPreset, "nist", website)
		expect("a preset for one website", 15, true, shop.CommonPasswordsEnforce, time.Hour)
		set(t, d, shop.MinimumPasswordLength, "8", everybody)
		expect("a more general setting does not weaken the website's preset", 15, true, shop.CommonPasswordsEnforce, time.Hour)
		set(t, d, shop.CommonPasswords, shop.CommonPasswordsAdvise, website)
		expect("a setting of the website wins over its preset", 15, true, shop.CommonPasswordsAdvise, time.Hour)
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return shop.Unset(ctx, tx, shop.PasswordPreset, website) })
		expect("without the preset", 8, false, shop.CommonPasswordsAdvise, 24*time.Hour)
		set(t, d, shop.PasswordPreset, "owasp", everybody)
		set(t, d, shop.MinimumPasswordLength, "20", everybody)
		expect("a setting beside a preset at the default scope", 20, true, shop.CommonPasswordsAdvise, time.Hour)
		if _, from := load(t, s).Setting(shop.AllowWhiteSpace, website); from.Kind != shop.FromPreset {
			t.Errorf("spaces come from %v, want the preset", from)
		}
	})
}

func TestSetRefusesInPlainWords(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct {
			why, path, value string
			scope            shop.Scope
			field            string
			says             []string
		}{
			{"a mistyped path", "customer/password/minimum_pasword_length", "8", everybody, "path", []string{"Did you mean customer/password/minimum_password_length"}},
			{"the last part alone", "lockout_failures", "8", everybody, "path", []string{shop.LockoutFailures, shop.AdminLockoutFailures}},
			{"nothing like any path", "web/seo/use_rewrites", "1", everybody, "path", []string{"rekey config show"}},
			{"a scope that the setting lacks", shop.LinkExpirationPeriod, "1", shop.Scope{Kind: shop.Stores, ID: 1}, "scope", []string{"Recovery Link Expiration Period", "stores", "only at: default"}},
			{"no such scope", shop.MaxResetRequests, "1", shop.Scope{Kind: "galaxy", ID: 1}, "scope", []string{"galaxy", "default, websites, stores"}},
			{"a website that does not exist", shop.MaxResetRequests, "1", shop.Scope{Kind: shop.Websites, ID: 77}, "scope_code", []string{"77"}},
			{"a default scope with a number", shop.MaxResetRequests, "1", shop.Scope{Kind: shop.Default, ID: 1}, "scope_code", nil},
			{"a link time of zero", shop.LinkExpirationPeriod, "0", everybody, "value", []string{shop.LinkExpirationPeriod, "more than zero"}},
			{"a negative link time", shop.LinkExpirationPeriod, "-5m", everybody, "value", []string{"more than zero"}},
			{"one second over 24 hours", shop.LinkExpirationPeriod, "86401s", everybody, "value", []string{shop.LinkExpirationPeriod, "at most 24 hours"}},
			{"over 24 hours in Commerce's unit", shop.LinkExpirationPeriod, "48", everybody, "value", []string{"at most 24 hours", "48 hours"}},
			{"a link time that is no number", shop.LinkExpirationPeriod, "NaN", everybody, "value", []string{"hours", "90s"}},
			{"a link time without end", shop.LinkExpirationPeriod, "1e300", everybody, "value", nil},
			{"no time at all", shop.LinkExpirationPeriod, "tomorrow", everybody, "value", []string{"tomorrow"}},
			{"a negative number", shop.MaxResetRequests, "-1", everybody, "value", []string{"from 0 to 1000"}},
			{"half a request", shop.MaxResetRequests, "2.5", everybody, "value", []string{"whole number"}},
			{"five classes of four", shop.RequiredCharacterClasses, "5", everybody, "value", []string{"from 1 to 4"}},
			{"neither yes nor no", shop.AutocompleteOnStorefront, "perhaps", everybody, "value", []string{"1 (yes) or 0 (no)"}},
			{"an option that is not there", shop.PasswordPreset, "bsi", everybody, "value", []string{"commerce", "owasp", "nist", "cnil"}},
		} {
			err := try(d, func(ctx context.Context, tx *db.Tx) error { return shop.Set(ctx, tx, c.path, c.value, c.scope) })
			refusal, ok := fault.As(err)
			if !ok || refusal.Kind != fault.Invalid || refusal.Field != c.field {
				t.Errorf("%s: %v (%+v), want a refusal of %s", c.why, err, refusal, c.field)
				continue
			}
			for _, words := range c.says {
				if !strings.Contains(refusal.Text, words) {
					t.Errorf("%s: %q does not say %q", c.why, refusal.Text, words)
				}
			}
		}
	})
}

func TestTimesTakeCommercesUnitOrADuration(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		for value, want := range map[string]time.Duration{
			"24": 24 * time.Hour, "0.5": 30 * time.Minute, "90s": 90 * time.Second, " 1h30m ": 90 * time.Minute, "86400s": 24 * time.Hour,
		} {
			set(t, d, shop.LinkExpirationPeriod, value, everybody)
			if got := load(t, s).Duration(shop.LinkExpirationPeriod); got != want {
				t.Errorf("%q is %v, want %v", value, got, want)
			}
		}
		set(t, d, shop.MinTimeBetweenResets, "0", everybody)
		if got := load(t, s).Duration(shop.MinTimeBetweenResets); got != 0 {
			t.Errorf("0 turns the delay off, got %v", got)
		}
	})
}

func TestValuesAreReadAsPeopleWriteThem(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		set(t, d, shop.RequireConfirmation, "Yes", everybody)
		set(t, d, shop.ResetProtectionType, "By Email", everybody)
		snapshot := load(t, s)
		if !snapshot.Bool(shop.RequireConfirmation) || snapshot.Text(shop.ResetProtectionType) != shop.ProtectionByEmail {
			t.Error("labels are taken for values")
		}
	})
}
