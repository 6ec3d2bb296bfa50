package storefront_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/storefront"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// Whatever stands in the address of a link, and whatever is posted behind it: no error of the house, nothing of the address
// in the answer, no way in, and the link of the letter works on.
func FuzzLink(f *testing.F) {
	for _, q := range []string{"token=x", "token=", "token[]=x", "token=x&token=y", "token=%00", "token=%ff", "token=" + strings.Repeat("A", 43), "Token=x",
		"token=../../x", "token=%0d%0aSet-Cookie:a=b", "id=1&token=x", "token=x#y", "token=" + strings.Repeat("A", 4000), ";token=x", "token=<script>"} {
		f.Add(q, "password=zqwvkx-83&password_confirmation=zqwvkx-83", "x")
	}
	f.Add("token=x", "password[]=a&password_confirmation=b", strings.Repeat("A", 43))
	h := fixture.Furnish(f, dbtest.Open(f, dbtest.SQLite))
	log := slog.New(slog.DiscardHandler)
	door := &storefront.Storefront{Shop: h.Shop, Customers: h.Customers, SignIn: h.SignIn, Recovery: h.Recovery, Puzzles: h.Puzzles,
		Connect: &token.OAuth2{DB: h.DB, Key: h.Key}, Log: log}
	if err := door.Prepare(); err != nil {
		f.Fatal(err)
	}
	handler := web.Stack{Log: log, Fail: door.Fail}.Wrap(door)
	h.Customer("lune_en", "camille@lune.test")
	if err := h.Recovery.Request(f.Context(), h.View("lune_en"), "camille@lune.test", fixture.Origin); err != nil {
		f.Fatal(err)
	}
	mailed, err := url.Parse(h.Letters()[0].Button.URL.Reveal())
	if err != nil {
		f.Fatal(err)
	}
	link := mailed.Query().Get("token")

	ask := func(method, path, body, cookie string) *http.Response {
		r := httptest.NewRequest(method, "https://lune.test/customer/account/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:4000", rand.N(256), rand.N(256), rand.N(256))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", "__Host-rekey-link-lune="+cookie)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Body.String(); w.Code >= 500 || strings.Contains(got, link) || strings.Contains(w.Header().Get("Location"), link) {
			panic(fmt.Sprintf("%s %s: %d, or it shows the link", method, path, w.Code))
		}
		return w.Result()
	}
	view := h.View("lune_en")
	f.Fuzz(func(t *testing.T, query, form, cookie string) {
		if strings.Contains(query+form+cookie, link) {
			t.Skip()
		}
		landed := ask("GET", "/customer/account/createpassword?"+query, "", cookie)
		if to := landed.Header.Get("Location"); strings.Contains(to, "?") || strings.ContainsAny(to, "\r\n") {
			t.Errorf("%q leads to %q", query, to)
		}
		posted := ask("POST", "/customer/account/resetpasswordpost", form, cookie)
		for _, c := range append(landed.Cookies(), posted.Cookies()...) {
			if strings.Contains(c.Name, "session") && c.MaxAge >= 0 && c.Value != "" {
				t.Errorf("%q and %q begin a session", query, cookie)
			}
		}
		if _, err := h.Recovery.Check(t.Context(), view, secret.NewText(link), fixture.Origin); err != nil {
			t.Errorf("the letter's own link does not work any more: %v", err)
		}
	})
}
