package shop_test

import (
	"context"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

// TestViewForMatchesConfiguredAddressesOnly: what a request says chooses among the base URLs and does nothing else.
func TestViewForMatchesConfiguredAddressesOnly(t *testing.T) {
	bases := map[string]string{
		"root": "https://lune.example", "fr": "https://lune.example/fr", "fr_be": "https://lune.example/fr/be",
		"odd": "https://lune.example:8443", "six": "https://[2001:db8::1]/x", "plain": "http://lune.test:8080",
	}
	rows := []struct{ why, host, path, code, rest string }{
		{"the root", "lune.example", "/customer/account", "root", "/customer/account"},
		{"a prefix", "lune.example", "/fr/customer/account", "fr", "/customer/account"},
		{"the longest prefix", "lune.example", "/fr/be/x", "fr_be", "/x"},
		{"a prefix alone", "lune.example", "/fr", "fr", "/"},
		{"a prefix and a slash", "lune.example", "/fr/", "fr", "/"},
		{"a prefix ends at a slash", "lune.example", "/france", "root", "/france"},
		{"prefixes are exact", "lune.example", "/FR/x", "root", "/FR/x"},
		{"no path", "lune.example", "", "root", "/"},
		{"upper case", "LUNE.Example", "/", "root", "/"},
		{"the default port", "lune.example:443", "/fr/x", "fr", "/x"},
		{"behind a proxy that ends TLS", "lune.example:80", "/fr/x", "fr", "/x"},
		{"a dot at the end", "lune.example.", "/", "root", "/"},
		{"a port of its own", "lune.example:8443", "/fr/x", "odd", "/fr/x"},
		{"an IPv6 address", "[2001:db8::1]", "/x/y", "six", "/y"},
		{"an IPv6 address and a port", "[2001:DB8::1]:443", "/x/y", "six", "/y"},
		{"plain http", "lune.test:8080", "/", "plain", "/"},
		{"the port is missing", "lune.test", "/", "", ""},
		{"another port", "lune.example:9", "/", "", ""},
		{"another host", "evil.example", "/", "", ""},
		{"a host that contains ours", "lune.example.evil.example", "/", "", ""},
		{"a path without its prefix", "[2001:db8::1]", "/y", "", ""},
		{"nothing", "", "/", "", ""},
		{"nonsense", "lune.example:::", "/", "", ""},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d, AllowHTTP: true}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			for code, base := range bases {
				fields := lune()
				fields.BaseURL = base
				if _, err := s.CreateView(ctx, tx, 1, code, fields); err != nil {
					return err
				}
			}
			return nil
		})
		snapshot := load(t, s)
		for _, r := range rows {
			view, rest, ok := snapshot.ViewFor(r.host, r.path)
			switch {
			case ok != (r.code != ""):
				t.Errorf("%s: found is %v", r.why, ok)
			case ok && (view.Code != r.code || rest != r.rest):
				t.Errorf("%s: %s %q, want %s %q", r.why, view.Code, rest, r.code, r.rest)
			}
		}
	})
}

func TestScopesAreNamedByCode(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		snapshot := load(t, &shop.Shop{DB: d})
		for _, r := range []struct {
			kind, code string
			want       shop.Scope
			good       bool
		}{
			{"", "", shop.Scope{Kind: shop.Default}, true},
			{"default", "", shop.Scope{Kind: shop.Default}, true},
			{"websites", "base", shop.Scope{Kind: shop.Websites, ID: 1}, true},
			{"stores", "default", shop.Scope{Kind: shop.Stores, ID: 1}, true},
			{"default", "base", shop.Scope{}, false},
			{"websites", "default", shop.Scope{}, false}, // that is a store view
			{"stores", "", shop.Scope{}, false},
			{"store", "default", shop.Scope{}, false},
		} {
			got, err := snapshot.ScopeOf(r.kind, r.code)
			if got != r.want || (err == nil) != r.good {
				t.Errorf("%s %s: %v, %v", r.kind, r.code, got, err)
			}
		}
	})
}
