package shop_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

// What a request says of its host selects a configured store view or none, and enters no link.
func FuzzViewFor(f *testing.F) {
	for _, host := range []string{"shop.example", "SHOP.example:443", "shop.example.", "shop.example:99999", "evil.example", "shop.example@evil.example",
		"[::1]", "shop.example/x", "shop.example\x00", "sh\u00f6p.example", "shop.example:", ""} {
		f.Add(host, "/fr/customer/account")
	}
	f.Add("shop.example", "//evil.example")
	d := dbtest.Open(f, dbtest.SQLite)
	s := &shop.Shop{DB: d}
	err := d.Write(f.Context(), func(tx *db.Tx) error {
		if err := s.UpdateView(f.Context(), tx, 1, shop.ViewFields{Name: "A", Locale: "en_US", BaseURL: "https://shop.example", SenderEmail: "a@shop.example"}); err != nil {
			return err
		}
		_, err := s.CreateView(f.Context(), tx, 1, "fr", shop.ViewFields{Name: "B", Locale: "fr_FR", BaseURL: "https://shop.example/fr", SenderEmail: "a@shop.example"})
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	stores, err := s.Load(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host, path string) {
		v, rest, ok := stores.ViewFor(host, path)
		if !ok {
			return
		}
		name, _, _ := strings.Cut(strings.ToLower(host), ":")
		if strings.TrimSuffix(name, ".") != "shop.example" || !strings.HasPrefix(rest, "/") || !strings.HasSuffix(path, rest) && rest != "/" {
			t.Errorf("%q %q is %s, %q", host, path, v.Code, rest)
		}
		if link := v.Link("/x", url.Values{"a": {"b"}}); !strings.HasPrefix(link, "https://shop.example/") {
			t.Errorf("a link: %s", link)
		}
	})
}
