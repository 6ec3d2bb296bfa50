package storefront_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/storefront"
	"github.com/rekeyhq/rekey/web/webtest"
)

// R053, R084, R089, R092, over the storefront's own table: headers, cookies, redirects and methods of every answer, to strangers, to
// who holds a link and to who is signed in.
func TestEveryRouteIsGuarded(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite)
	s := open(t, d)
	s.customer("camille@example.com", "first-password")
	asset := regexp.MustCompile(`/customer/account/assets/[^"]+`).FindString(s.browser(lune).get(loginPage).Body)
	if asset == "" {
		t.Fatal("the page has no asset")
	}
	s.browser(lune).post(forgotPost, "email", "camille@example.com")
	mailed, err := url.Parse(s.link("forgot"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(b *browser, r *http.Request) {
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	holder := s.browser(lune)
	if got := holder.get(mailed.String()); got.Code != http.StatusSeeOther {
		t.Fatalf("the link answers %d", got.Code)
	}
	door := webtest.Door{
		Base: lune, Handler: s.handler, HSTS: true,
		Routes: append(storefront.Routes(), webtest.Route{Method: "GET", Path: asset}, webtest.Route{Method: "GET", Path: "/customer"},
			webtest.Route{Method: "GET", Path: "/Customer/Account/Login/"}),
		Open: func(path string) bool { return strings.HasPrefix(path, "/customer/account/assets/") },
		Visitors: map[string]func(*http.Request){
			"who holds a link": func(r *http.Request) { with(holder, r) },
			"a customer": func(r *http.Request) {
				b := s.browser(lune)
				b.signIn("camille@example.com", "first-password")
				with(b, r)
			},
		},
	}
	door.Judge(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if door.Broken(t) == 0 {
		t.Error("nothing failed without a database, so nothing was judged")
	}
}

// R059: the answer to signing out tells the browser to drop what the back button would show.
func TestSigningOutClearsWhatTheBrowserKept(t *testing.T) {
	s := open(t, dbtest.Open(t, dbtest.SQLite))
	s.customer("camille@example.com", "first-password")
	b := s.browser(lune)
	b.signIn("camille@example.com", "first-password")
	if a := b.post("/customer/account/logout"); a.Code != http.StatusSeeOther || a.Header.Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("%d, Clear-Site-Data %q", a.Code, a.Header.Get("Clear-Site-Data"))
	}
}
