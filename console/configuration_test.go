package console_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

var seenField = regexp.MustCompile(`name="seen" value="([^"]*)"`)

// typed fills in a Configuration page as it stands and changes some fields; a value of "" ticks the box.
func (d *desk) typed(address string, changes map[string]string) []string {
	d.t.Helper()
	body := d.get(address).body
	fields := []string{"seen", seenField.FindStringSubmatch(body)[1]}
	row := regexp.MustCompile(`(?s)<div class="setting[^>]*data-setting.*?</label>\s*</div>`)
	for _, one := range row.FindAllString(body, -1) {
		path := regexp.MustCompile(`name="inherit:([^"]+)"`).FindStringSubmatch(one)[1]
		value := regexp.MustCompile(`(?s)<input id=[^>]* value="([^"]*)"|<option value="([^"]*)" selected`).FindStringSubmatch(one)
		inherits := regexp.MustCompile(`type="checkbox"[^>]*checked`).MatchString(one)
		text := value[1] + value[2]
		if change, ok := changes[path]; ok {
			inherits = change == ""
			text = change
		}
		fields = append(fields, path, text)
		if inherits {
			fields = append(fields, "inherit:"+path, "1")
		}
	}
	return fields
}

func TestConfigurationSavesWhatChangedAndSaysSo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		const page = "/admin/configuration"
		desk.get(page).shows(t, "Password Options", "Recovery Link Expiration Period", "In force: 24 hours, built-in value.", "customer/password/lockout_failures")
		desk.act(page, desk.typed(page, map[string]string{shop.MinimumPasswordLength: "8"})...).shows(t, "You saved the configuration.",
			"In force: 8 characters, set at the default scope.")
		if got := h.snapshot().Int(shop.MinimumPasswordLength); got != 8 {
			t.Errorf("in force is %d", got)
		}
		entries := h.recorded(audit.SettingChanged)
		if len(entries) != 1 || entries[0].Subject != shop.MinimumPasswordLength || entries[0].Detail["old"] != "not set here" || entries[0].Detail["new"] != "8" {
			t.Fatalf("the audit says %+v", entries)
		}
		desk.act(page, desk.typed(page, nil)...).shows(t, "Nothing was changed.")
		desk.act(page, desk.typed(page, map[string]string{shop.MinimumPasswordLength: ""})...).shows(t, "In force: 6 characters, built-in value.")
		if n := len(h.recorded(audit.SettingChanged)); n != 2 {
			t.Errorf("the audit has %d lines, want 2", n)
		}
	})
}

func TestConfigurationFollowsItsScope(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		const page = "/admin/configuration?scope=websites%2Fnord"
		first := desk.get(page)
		first.shows(t, "Website Nordlicht", "Use default", "Can be set at the default scope.")
		if strings.Contains(first.body, `name="`+shop.LinkExpirationPeriod+`"`) {
			t.Error("a setting of the default scope can be edited for a website")
		}
		desk.act(page, desk.typed(page, map[string]string{shop.PasswordPreset: "nist"})...).shows(t,
			"In force: NIST, set for website Nordlicht.", "In force: 15 characters, preset NIST of website Nordlicht.")
		w, _ := h.snapshot().WebsiteByCode("nord")
		base, _ := h.snapshot().WebsiteByCode("base")
		if w.Int(shop.MinimumPasswordLength) != 15 || base.Int(shop.MinimumPasswordLength) != 6 {
			t.Errorf("nord asks for %d, base for %d", w.Int(shop.MinimumPasswordLength), base.Int(shop.MinimumPasswordLength))
		}
	})
}

func TestConfigurationRefusesInPlainWords(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		const address = "/admin/configuration"
		got := desk.post(address, desk.typed(address, map[string]string{
			shop.LinkExpirationPeriod: "48", shop.MinimumPasswordLength: "x", shop.LockoutFailures: "7"})...)
		if got.status != http.StatusUnprocessableEntity {
			t.Fatalf("gives %d: %s", got.status, got.text())
		}
		got.shows(t, "There is a problem", "Recovery Link Expiration Period (customer/password/reset_link_expiration_period) must be at most 24 hours; 48 hours is more.",
			"takes a whole number from 1 to 128")
		for _, stays := range []string{`value="48"`, `value="x"`, `value="7"`, `href="#customer%2fpassword%2freset_link_expiration_period"`, `id="` + shop.LinkExpirationPeriod + `-error"`} {
			if !strings.Contains(got.body, stays) {
				t.Errorf("the page does not hold %s", stays)
			}
		}
		if n := h.snapshot().Int(shop.LockoutFailures); n != 10 || len(h.recorded(audit.SettingChanged)) != 0 {
			t.Errorf("a page with mistakes was saved in part: %d", n)
		}
	})
}

func TestConfigurationTakesNothingBackUnseen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		const address = "/admin/configuration"
		old := desk.typed(address, map[string]string{shop.MinimumPasswordLength: "9"})
		h.write(func(ctx context.Context, tx *db.Tx) error {
			return shop.Set(ctx, tx, shop.LockoutFailures, "3", shop.Scope{Kind: shop.Default})
		})
		got := desk.post(address, old...)
		if got.status != http.StatusConflict {
			t.Fatalf("a page that is out of date gives %d", got.status)
		}
		got.shows(t, "Somebody else saved this page after you opened it.")
		if n := h.snapshot().Int(shop.LockoutFailures); n != 3 {
			t.Errorf("what somebody else set is %d", n)
		}
	})
}
