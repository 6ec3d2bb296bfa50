package shop_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
)

func TestViewRefusesWhatCannotWork(t *testing.T) {
	rows := []struct {
		why    string
		change func(*shop.ViewFields)
		field  string
		says   string
	}{
		{"no name", func(f *shop.ViewFields) { f.Name = " " }, "name", "enter the name"},
		{"a name that breaks a mail header", func(f *shop.ViewFields) { f.SenderName = "Lune\r\nBcc: x@y.z" }, "sender_name", "one line"},
		{"a name that turns the line around", func(f *shop.ViewFields) { f.LogoText = "Lune\u202e" }, "logo_text", "one line"},
		{"a very long name", func(f *shop.ViewFields) { f.Name = strings.Repeat("é", 101) }, "name", "at most 100"},
		{"no locale", func(f *shop.ViewFields) { f.Locale = "" }, "locale", "fr_FR"},
		{"a language without pages", func(f *shop.ViewFields) { f.Locale = "pt_BR" }, "locale", "en, de, fr"},
		{"no time zone of this world", func(f *shop.ViewFields) { f.TimeZone = "Europe/Lune" }, "time_zone", "Europe/Paris"},
		{"another zone on each node", func(f *shop.ViewFields) { f.TimeZone = "Local" }, "time_zone", "Europe/Paris"},
		{"plain http", func(f *shop.ViewFields) { f.BaseURL = "http://lune.example" }, "base_url", "--dev"},
		{"no scheme", func(f *shop.ViewFields) { f.BaseURL = "lune.example" }, "base_url", "absolute"},
		{"another scheme", func(f *shop.ViewFields) { f.BaseURL = "ftp://lune.example" }, "base_url", "https://"},
		{"a script", func(f *shop.ViewFields) { f.BaseURL = "javascript:alert(1)" }, "base_url", "absolute"},
		{"a password", func(f *shop.ViewFields) { f.BaseURL = "https://a:b@lune.example" }, "base_url", "password"},
		{"a query", func(f *shop.ViewFields) { f.BaseURL = "https://lune.example/?x=1" }, "base_url", "question mark"},
		{"a fragment", func(f *shop.ViewFields) { f.BaseURL = "https://lune.example/#x" }, "base_url", "#"},
		{"an international host", func(f *shop.ViewFields) { f.BaseURL = "https://lüne.example" }, "base_url", "xn--"},
		{"a path that climbs", func(f *shop.ViewFields) { f.BaseURL = "https://lune.example/../fr" }, "base_url", "path"},
		{"a path with an escape", func(f *shop.ViewFields) { f.BaseURL = "https://lune.example/%2e" }, "base_url", "path"},
		{"a path of Rekey's own", func(f *shop.ViewFields) { f.BaseURL = "https://lune.example/customer/fr" }, "base_url", "/customer"},
		{"no colour", func(f *shop.ViewFields) { f.Accent = "blue" }, "accent", "#rrggbb"},
		{"a colour that a light page swallows", func(f *shop.ViewFields) { f.Accent = "#ffe066" }, "accent", "1.2 : 1 against a light page"},
		{"a colour that a dark page swallows", func(f *shop.ViewFields) { f.Accent = "#101060" }, "accent", "against a dark page"},
		{"no sender address", func(f *shop.ViewFields) { f.SenderEmail = "bonjour" }, "sender_email", "shop@example.com"},
		{"a name in the sender address", func(f *shop.ViewFields) { f.SenderEmail = "Lune <a@lune.example>" }, "sender_email", "not an email address"},
		{"a second address", func(f *shop.ViewFields) { f.SupportEmail = "a@lune.example,b@x.example" }, "support_email", "not an email address"},
		{"a quoted local part", func(f *shop.ViewFields) { f.SupportEmail = `"a b"@lune.example` }, "support_email", "not an email address"},
		{"a long phone number", func(f *shop.ViewFields) { f.SupportPhone = strings.Repeat("1", 41) }, "support_phone", "40"},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		for _, r := range rows {
			fields := lune()
			r.change(&fields)
			err := try(d, func(ctx context.Context, tx *db.Tx) error {
				_, err := s.CreateView(ctx, tx, 1, "lune_fr", fields)
				return err
			})
			refusals := fault.List(err)
			if len(refusals) != 1 || refusals[0].Field != r.field || !strings.Contains(refusals[0].Text, r.says) {
				t.Errorf("%s: %v; want one refusal of %s that says %q", r.why, err, r.field, r.says)
			}
		}
	})
}

func TestAllRefusalsOfAFormComeTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		err := try(d, func(ctx context.Context, tx *db.Tx) error {
			_, err := s.CreateView(ctx, tx, 1, "9", shop.ViewFields{Locale: "xx_XX", Accent: "red"})
			return err
		})
		if got := len(fault.List(err)); got != 4 { // code, name, locale, accent
			t.Errorf("%d refusals, want 4: %v", got, err)
		}
	})
}

func TestCodesAreCommerces(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for code, good := range map[string]bool{
			"lune": true, "lune_fr2": true, "Lune": false, "2lune": false, "_x": false, "lune-fr": false, "": false,
			"all":                   false, // /rest/all/V1 is every store view
			strings.Repeat("a", 33): false,
		} {
			err := try(d, func(ctx context.Context, tx *db.Tx) error {
				_, err := shop.CreateWebsite(ctx, tx, code, "A website")
				return err
			})
			if (err == nil) != good {
				t.Errorf("code %q: %v", code, err)
			}
		}
	})
}

func TestCodeAndBaseURLBelongToOne(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		website, id := addLune(t, s)
		other := lune()
		other.BaseURL = "https://LUNE.example:443/fr/" // the same, written otherwise
		for why, f := range map[string]func(ctx context.Context, tx *db.Tx) error{
			"a website's code": func(ctx context.Context, tx *db.Tx) error {
				_, err := shop.CreateWebsite(ctx, tx, "lune", "Another")
				return err
			},
			"a view's code": func(ctx context.Context, tx *db.Tx) error {
				fields := lune()
				fields.BaseURL = ""
				_, err := s.CreateView(ctx, tx, website, "lune_fr", fields)
				return err
			},
			"a base URL": func(ctx context.Context, tx *db.Tx) error {
				_, err := s.CreateView(ctx, tx, website, "lune_en", other)
				return err
			},
			"a base URL given to a second view": func(ctx context.Context, tx *db.Tx) error {
				return s.UpdateView(ctx, tx, 1, other)
			},
		} {
			if err := try(d, f); !fault.Is(err, fault.Conflict) {
				t.Errorf("%s twice: %v, want a conflict", why, err)
			}
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.UpdateView(ctx, tx, id, other) }) // its own
	})
}

func TestFieldsLeftEmptyHaveUsefulValues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			_, err := s.CreateView(ctx, tx, 1, "plain", shop.ViewFields{Name: "Plain", Locale: "de"})
			return err
		})
		view, _ := load(t, s).ViewByCode("plain")
		if view.Locale != "de_DE" || view.TimeZone != "UTC" || view.Accent != shop.DefaultAccent || view.StoreName() != "Main Website" {
			t.Errorf("got %+v", view)
		}
	})
}

func TestViewOfAMissingWebsiteIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		err := try(d, func(ctx context.Context, tx *db.Tx) error {
			_, err := s.CreateView(ctx, tx, 77, "lune_fr", lune())
			return err
		})
		if refusal, ok := fault.As(err); !ok || refusal.Field != "website" {
			t.Errorf("got %v", err)
		}
	})
}
