package shop_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

func TestCheckTellsWhatIsMissingAndHowToMendIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		expect := func(why string, present bool, words string) {
			t.Helper()
			var all strings.Builder
			for _, f := range shop.Check(load(t, s)) {
				all.WriteString(string(f.Severity) + ": " + f.Text + " → " + f.Fix + "\n")
			}
			if strings.Contains(all.String(), words) != present {
				t.Errorf("%s: %q in the findings should be %v:\n%s", why, words, present, &all)
			}
		}
		expect("fresh", true, "error: Store view default has no base URL, so it has no pages and its letters cannot be sent. → rekey store-view set default --base-url")
		expect("fresh", true, "error: Store view default has no sender address")
		expect("fresh", true, "(preset commerce) are below NIST SP 800-63B-4 (15 characters, common passwords refused), OWASP ASVS 5.0")
		expect("fresh", true, "rekey config set customer/password/preset nist --scope websites --scope-code base")
		expect("fresh", false, "never locked")

		write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.UpdateView(ctx, tx, 1, lune()) })
		expect("complete", false, "no base URL")
		expect("complete", false, "no sender address")
		set(t, d, shop.PasswordPreset, "cnil", everybody)
		expect("cnil", false, "CNIL")
		expect("cnil", false, "OWASP")
		set(t, d, shop.PasswordPreset, "nist", everybody)
		expect("nist", false, "below")
		set(t, d, shop.MinimumPasswordLength, "8", everybody)
		expect("a setting that undoes the preset", true, "below NIST")
		set(t, d, shop.LockoutFailures, "0", everybody)
		expect("no lock", true, "never locked")
		set(t, d, shop.ResetProtectionType, "None", everybody)
		expect("no limit", true, "does not limit reset requests")
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := shop.CreateWebsite(ctx, tx, "empty", "Empty")
			return err
		})
		expect("a website without a view", true, "error: Website empty has no store view")
	})
}

func TestDocsNameEverySetting(t *testing.T) {
	var page bytes.Buffer
	if err := shop.WriteDocs(&page); err != nil {
		t.Fatal(err)
	}
	for _, s := range shop.Registry() {
		if !strings.Contains(page.String(), "`"+s.Path+"`") || !strings.Contains(page.String(), s.Label) {
			t.Errorf("docs/configuration.md does not have %s", s.Path)
		}
	}
	for _, words := range []string{"- Default: 24 hours\n- Values: 1 second to 24 hours\n", "| `nist` |", "15 characters"} {
		if !strings.Contains(page.String(), words) {
			t.Errorf("docs/configuration.md does not say %q", words)
		}
	}
}
