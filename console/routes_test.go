package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/console"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web/webtest"
)

// R053, R084, R089, R092, over the console's own table: headers, cookies, redirects and methods of every answer, to strangers and to
// who may do everything.
func TestEveryRouteIsGuarded(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite)
	h := open(t, d, nil)
	h.write(func(ctx context.Context, tx *db.Tx) error { // the owner posts empty forms, also where a password is asked for
		return shop.Set(ctx, tx, shop.AdminLockoutFailures, "0", shop.Scope{Kind: shop.Default})
	})
	c := h.customer(1, "camille@example.com", "Camille", "Durand")
	owner := h.at("ines", admin.Owner, 0)
	owner.act(at(c.ID, "reset-password"))
	phone := h.passkey(c, "Phone")
	assets := regexp.MustCompile(`/admin/assets/([^"]+)`).FindStringSubmatch(owner.get("/admin/customers").body)
	letter := regexp.MustCompile(`/admin/letters/([^"?]+)"`).FindStringSubmatch(owner.get("/admin/letters").body)
	if assets == nil || letter == nil {
		t.Fatal("no asset or no letter to ask for")
	}
	door := webtest.Door{
		Base: "https://lune.example", Handler: h.handler, Routes: console.Routes(),
		Fill: func(name string) []string {
			switch name {
			case "name":
				return []string{assets[1], "none.css"}
			case "passkey":
				return []string{phone.String()}
			}
			return []string{"1", letter[1], "nobody"}
		},
		Open: func(path string) bool { return strings.HasPrefix(path, "/admin/assets/") },
		Visitors: map[string]func(*http.Request){"the owner": func(r *http.Request) {
			again := httptest.NewRequest(http.MethodPost, "https://lune.example/admin/login", strings.NewReader(url.Values{"username": {"ines"}, "password": {bossWord}}.Encode()))
			again.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			again.Header.Set("Sec-Fetch-Site", "same-origin")
			again.RemoteAddr = r.RemoteAddr
			d := &desk{h, map[string]string{}}
			if got := d.do(again); got.status != http.StatusSeeOther {
				t.Fatalf("signing in gives %d", got.status)
			}
			for name, value := range d.cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}},
	}
	door.Judge(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if door.Broken(t) == 0 {
		t.Error("nothing failed without a database, so nothing was judged")
	}
}
