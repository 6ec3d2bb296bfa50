package storefront_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

func refererOf(page string) string { return base64.RawURLEncoding.EncodeToString([]byte(page)) }

// Promise: after signing in customers are led back to the page of the shop that sent them, and to no host that is not the store's.
func TestSigningInLeadsBackToTheShopOnly(t *testing.T) {
	const shopAt = "https://www.shop.example"
	d := dbtest.Open(t, dbtest.SQLite)
	s := open(t, d)
	s.set(shop.ShopAddress, shopAt)
	s.customer("camille@example.com", "first-password")
	enter := func(page string) string {
		b := s.browser(lune)
		b.get(page)
		return b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "first-password").Location
	}
	for said, want := range map[string]string{
		shopAt + "/checkout?step=2":          shopAt + "/checkout?step=2",
		shopAt:                               shopAt + "/",
		"http://www.shop.example/a":          shopAt + "/a", // the shop's own scheme
		"HTTPS://WWW.Shop.Example:443/a%20b": shopAt + "/a%20b",
		lune + "/moon.html":                  lune + "/moon.html",
		lune + "//evil.example/x":            lune + "//evil.example/x", // a path at the store's own host
		shopAt + "/a#b":                      shopAt + "/a",
	} {
		for _, page := range []string{loginPage + "?referer=" + refererOf(said), loginPage + "/referer/" + refererOf(said) + "/", "/customer/account/create?referer=" + refererOf(said),
			"/Customer/Account/Login/referer/" + strings.NewReplacer("+", "-", "/", "_", "=", "~").Replace(base64.StdEncoding.EncodeToString([]byte(said)))} {
			if got := enter(page); got != want {
				t.Errorf("%s by %s leads to %q, want %q", said, page, got, want)
			}
		}
	}
	for _, hostile := range []string{"", "/checkout", "checkout", "//evil.example", "//www.shop.example/a", "https://evil.example", "https://www.shop.example.evil.example/",
		"https://evil.example/www.shop.example", "https://evil.example?www.shop.example", "https://evil.example#www.shop.example", "https://www.shop.example@evil.example/",
		"https://evil.example@www.shop.example/", "https://www.shop.example:8443/", "https://www.shop.example%2eevil.example/", `https://evil.example\@www.shop.example/`,
		`https:\\evil.example/`, `https://www.shop.example\.evil.example/`, "https:evil.example", "https:/evil.example", "https:///evil.example", "javascript:alert(1)", "javascript://www.shop.example/%0aalert(1)",
		"data:text/html,x", "ftp://www.shop.example/", "https://www.shop.example\t.evil.example/", "https://www.shop.example\r\nX: y/", "\x00https://www.shop.example/", " https://www.shop.example/",
		"https://www.shop.exаmple/", "https://shop.example/", "https://nord.example/", "https://[::1]/", "https://www.shop.example/" + strings.Repeat("a", 2000), shopAt + "/?q=é",
	} {
		for _, page := range []string{loginPage + "?referer=" + refererOf(hostile), loginPage + "/referer/" + refererOf(hostile)} {
			if got := enter(page); got != accountPage {
				t.Errorf("%q leads to %q", hostile, got)
			}
		}
	}
	for _, page := range []string{loginPage + "?referer=" + shopAt, loginPage + "?referer=" + refererOf(shopAt) + "&referer=" + refererOf(shopAt), loginPage + "?referer[]=" + refererOf(shopAt), loginPage + "?referer=%00"} {
		if got := enter(page); got != accountPage {
			t.Errorf("%s leads to %q", page, got)
		}
	}
	planted := s.browser(lune)
	planted.cookies["__Host-rekey-ask-return-base"] = refererOf("https://evil.example/")
	planted.signIn("camille@example.com", "first-password")
}

func TestTheWayBackSurvivesAForgottenPasswordAndIsGoneOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.set(shop.ShopAddress, "https://www.shop.example")
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		page := b.get(loginPage + "?referer=" + refererOf("https://www.shop.example/cart"))
		page.says(t, `<p class="logo"><a href="https://www.shop.example">Maison Lune</a></p>`)
		if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self' https://www.shop.example") {
			t.Errorf("the browser would stop at its policy: %s", got)
		}
		b.post(forgotPost, "email", "camille@example.com")
		b.get(s.link("forgot"))
		b.get(newPage)
		b.post("/customer/account/resetpasswordpost", "password", "second-password", "password_confirmation", "second-password")
		in := func() string {
			return b.post("/customer/account/loginpost", "login[username]", "camille@example.com", "login[password]", "second-password").Location
		}
		if got := in(); got != "https://www.shop.example/cart" {
			t.Errorf("leads to %q", got)
		}
		if got := in(); got != accountPage {
			t.Errorf("the second time it leads to %q", got)
		}
		if a := b.get(loginPage + "?referer=" + refererOf("https://www.shop.example/cart")); a.Location != "https://www.shop.example/cart" {
			t.Errorf("whoever is signed in already is led to %q", a.Location)
		}
	})
}
