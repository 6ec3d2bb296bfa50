package storefront_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/shop"
)

func TestEveryAnswerCarriesSecurityHeaders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		in := s.browser(lune)
		in.signIn("camille@example.com", "first-password")
		answers := map[string]answer{
			"sign-in page":    s.browser(lune).get(loginPage),
			"redirect":        s.browser(lune).get("/"),
			"refused form":    s.browser(lune).post(forgotPost, "email", "nothing"),
			"asked":           s.browser(lune).post(forgotPost, "email", "a@example.com"),
			"dead link":       s.browser(lune).get(newPage),
			"no page":         s.browser(lune).get("/nowhere"),
			"wrong method":    s.browser(lune).send("TRACE", loginPage, ""),
			"unknown host":    s.browser("https://evil.example").get(loginPage),
			"malformed":       s.browser(lune).post(forgotPost, "email", "a", "email", "b"),
			"too large":       s.browser(lune).post(forgotPost, "email", strings.Repeat("a", 100_000)),
			"account":         in.get("/customer/account"),
			"account, nobody": s.browser(lune).get("/customer/account"),
		}
		foreign := s.browser(lune)
		foreign.header.Set("Sec-Fetch-Site", "cross-site")
		answers["another site's form"] = foreign.post(forgotPost, "email", "a@example.com")
		if code := answers["another site's form"].Code; code != http.StatusForbidden {
			t.Errorf("another site's form answers %d", code)
		}
		for what, a := range answers {
			for name, want := range map[string]string{
				"Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
				"Referrer-Policy":         "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
				"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
			} {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s: %s is %q, want %q", what, name, got, want)
				}
			}
			for _, c := range a.Header.Values("Set-Cookie") {
				if !strings.HasPrefix(c, "__Host-") || !strings.Contains(c, "; HttpOnly; Secure; SameSite=Lax") || strings.Contains(c, "Domain") {
					t.Errorf("%s sets the cookie %s", what, c)
				}
			}
		}
	})
}

// A store's host is not all of its domain: subdomains that are not Rekey's may have no https.
func TestBrowsersInsistOnHTTPSForTheHostAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for _, row := range []struct{ set, want, elsewhere string }{
			{"", "max-age=31536000", "max-age=31536000"},
			{"subdomains", "max-age=31536000; includeSubDomains", "max-age=31536000"},
			{"off", "", "max-age=31536000"},
			{"host", "max-age=31536000", "max-age=31536000"},
		} {
			if row.set != "" {
				s.write(func(ctx context.Context, tx *db.Tx) error {
					return shop.Set(ctx, tx, shop.HSTS, row.set, shop.Scope{Kind: shop.Websites, ID: 1})
				})
			}
			// The first answer after the change says it, whatever it is; another website and a host of nobody say their own.
			for base, want := range map[string]string{lune: row.want, nord: row.elsewhere, "https://nobody.example": row.elsewhere} {
				if got := s.browser(base).get(loginPage).Header.Values("Strict-Transport-Security"); strings.Join(got, "|") != want {
					t.Errorf("set to %q, %s says %q, want %q", row.set, base, got, want)
				}
			}
		}
	})
}

// TestPagesHoldNothingInlineAndNothingForeign holds the markup to the policy that the header states.
func TestPagesHoldNothingInlineAndNothingForeign(t *testing.T) {
	foreign := regexp.MustCompile(`(src|href|action)="([^"]*)"`)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for _, path := range []string{loginPage, "/customer/account/create", "/customer/account/forgotpassword", newPage, notMePage, "/nowhere"} {
			page := s.browser(lune).get(path)
			if strings.Contains(page.Body, "<style") || strings.Contains(page.Body, " style=") || regexp.MustCompile(`<script>|\son[a-z]+=`).MatchString(page.Body) {
				t.Errorf("%s holds something inline", path)
			}
			for _, m := range foreign.FindAllStringSubmatch(page.Body, -1) {
				if !strings.HasPrefix(m[2], "/") && !strings.HasPrefix(m[2], lune) && !strings.HasPrefix(m[2], "mailto:") && !strings.HasPrefix(m[2], "#") {
					t.Errorf("%s leads to %s", path, m[2])
				}
			}
		}
	})
}

func TestRepeatedEmailFieldIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		for _, body := range []string{
			"email=camille@example.com&email=evil@example.com", "email[]=camille@example.com&email[]=evil@example.com",
			"email[]=camille@example.com", "email=camille@example.com&Email=evil@example.com", "email=camille@example.com%00", "email=%ff",
		} {
			if a := s.browser(lune).send("POST", forgotPost, body); a.Code != http.StatusBadRequest {
				t.Errorf("%s answers %d", body, a.Code)
			}
		}
		if links := s.mailbox("forgot"); len(links) != 0 {
			t.Errorf("%d letters were queued", len(links))
		}
	})
}

func TestFormsKeepWhatWasTyped(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		b := s.browser(lune)
		a := b.post("/customer/account/createpost", "firstname", `Zoë "Z" <b>`, "lastname", "", "email", "zoe@@example",
			"password", "s3cret", "password_confirmation", "s3cret-other")
		if a.Code != http.StatusUnprocessableEntity {
			t.Fatalf("answers %d", a.Code)
		}
		a.says(t, `value="Zoë &#34;Z&#34; &lt;b&gt;"`, `value="zoe@@example"`, "There is a problem", `href="#email"`, `id="email-error"`,
			`aria-describedby="email-error"`, "Please enter your last name.", "<title>Error: Create an Account · Maison Lune</title>")
		if strings.Contains(a.Body, "s3cret") {
			t.Error("the page echoes a password")
		}
		a = b.post("/customer/account/loginpost", "login[username]", "someone@example.com", "login[password]", "s3cret")
		a.says(t, `value="someone@example.com"`, "The email address or the password is incorrect.")
		if a.Code != http.StatusUnprocessableEntity || strings.Contains(a.Body, "s3cret") {
			t.Errorf("%d, or the page echoes a password", a.Code)
		}
		b.post(forgotPost, "email", "not an address").says(t, `value="not an address"`, "The email address is incorrect")
	})
}

func TestForeignHostIsUnknown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for _, host := range []string{"https://evil.example", "https://lune.example.evil.example", "https://127.0.0.1"} {
			a := s.browser(host).get(loginPage)
			if a.Code != http.StatusNotFound || strings.Contains(a.Body, "Maison Lune") {
				t.Errorf("%s answers %d", host, a.Code)
			}
			a.says(t, "There is no store at this address.")
		}
	})
}

func TestPathsHaveOneForm(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for path, want := range map[string]string{
			"/customer/account/forgotPassword":     "/customer/account/forgotpassword",
			"/fr/Customer/Account/Login/":          "/fr/customer/account/login",
			"/customer/account/index":              loginPage,
			"/customer/account/edit/changepass/1/": "/customer/account/edit",
			"/customer/account/Login?x=y":          loginPage, // a query is not repeated
		} {
			if a := s.browser(lune).get(path); a.Code != http.StatusPermanentRedirect || a.Location != want {
				t.Errorf("%s answers %d %s", path, a.Code, a.Location)
			}
		}
		if a := s.browser(lune).post("/customer/account/forgotPasswordPost", "email", "a@example.com"); a.Code != 303 {
			t.Errorf("a POST in Commerce's letter case answers %d", a.Code)
		}
		for path, want := range map[string]string{"/": loginPage, "/fr": "/fr" + loginPage, "/.well-known/change-password": "/customer/account/edit"} {
			if a := s.browser(lune).get(path); a.Code != http.StatusFound || a.Location != want {
				t.Errorf("%s answers %d %s", path, a.Code, a.Location)
			}
		}
		if a := s.browser(lune).get(forgotPost); a.Code != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" {
			t.Errorf("GET of a form's target answers %d, Allow %q", a.Code, a.Header.Get("Allow"))
		}
		if a := s.browser(lune).get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"); a.Code != 404 {
			t.Errorf("the W3C's probe answers %d", a.Code)
		}
	})
}

func TestTheStoreViewDecidesTheLanguage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		reader := s.browser(lune)
		reader.header.Set("Accept-Language", "fr-CH, fr;q=0.9, en;q=0.5")
		page := reader.get(loginPage)
		page.says(t, `<html lang="en">`, "Sign In", `<p lang="fr"><a href="https://lune.example/fr/customer/account/login" hreflang="fr">Cette page existe aussi en français.</a></p>`)
		french := reader.get("/fr" + loginPage)
		french.says(t, `<html lang="fr">`, "Mot de passe oublié", `action="/fr/customer/account/loginpost"`)
		if strings.Contains(french.Body, "also available") || strings.Contains(french.Body, "existe aussi") {
			t.Error("who reads the page's language is offered another")
		}
		s.browser(lune).post(forgotPost, "email", "?").says(t, `href="https://lune.example/fr/customer/account/forgotpassword"`)
		if page := s.browser(nord).get(loginPage); strings.Contains(page.Body, "Français") {
			t.Error("a store view of another website is offered")
		}
	})
}

func TestAssetsAreNamedByTheirContent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		page := s.browser(luneFr).get("/fr" + loginPage)
		names := regexp.MustCompile(`"(/fr/customer/account/assets/[^"]+)"`).FindAllStringSubmatch(page.Body, -1)
		if len(names) != 5 {
			t.Fatalf("the page names %d assets", len(names))
		}
		for _, name := range names {
			a := s.browser(luneFr).get(name[1])
			if a.Code != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("X-Content-Type-Options") != "nosniff" || len(a.Body) > 20_000 {
				t.Errorf("%s: %d, %s, %d bytes", name[1], a.Code, a.Header.Get("Cache-Control"), len(a.Body))
			}
		}
		if a := s.browser(lune).get("/customer/account/assets/theme-0000000000000000.css"); a.Code != 200 || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("an old theme: %d, %s", a.Code, a.Header.Get("Cache-Control"))
		}
		if a := s.browser(lune).get("/customer/account/assets/nothing.css"); a.Code != 404 {
			t.Errorf("an unknown asset: %d", a.Code)
		}
	})
}

// TestEverySentenceExists reads the keys out of the templates and the Go files of this door.
func TestEverySentenceExists(t *testing.T) {
	var keys []string
	for _, pattern := range []string{"*.go", "pages/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`"((storefront|error|password\.(?:advice|rule))\.[a-z0-9_.]*[a-z0-9])"`).FindAllStringSubmatch(string(text), -1) {
				if !strings.HasSuffix(m[1], ".css") && !strings.HasSuffix(m[1], ".js") {
					keys = append(keys, m[1])
				}
			}
		}
	}
	for _, word := range []string{"level1", "level2", "level3", "level4"} {
		keys = append(keys, "storefront.strength."+word)
	}
	for _, word := range []string{"not_found", "limited", "busy", "internal", "refused"} {
		keys = append(keys, "storefront.failure."+word)
	}
	for _, word := range []string{"firstname", "lastname", "email"} {
		keys = append(keys, "storefront.field."+word)
	}
	for _, word := range []string{ // what web, customer, signin and recovery refuse with
		"csrf", "not_found", "method", "malformed", "too_large", "busy", "unavailable", "internal", "unknown_host", "field.too_long",
		"signin.incorrect", "signin.locked", "signin.required", "signin.unconfirmed", "link.expired", "limit.client", "account.exists", "registration.password_wrong",
		"email.required", "email.malformed", "email.too_long", "name.required", "name.too_long", "name.invalid",
		"password.required", "password.too_long", "password.whitespace", "password.is_email", "password.common", "password.mismatch",
		"password.current_wrong", "password.invalid_text", "password.too_short", "password.classes",
	} {
		keys = append(keys, "error."+word)
	}
	slices.Sort(keys)
	if missing := lang.Missing(slices.Compact(keys)...); len(missing) > 0 {
		t.Errorf("missing: %s", strings.Join(missing, ", "))
	}
}

// TestAHostOfSeveralViewsChoosesByReader: where every view has a path, nobody has chosen one at the root.
func TestAHostOfSeveralViewsChoosesByReader(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.moveView("default", "https://lune.example/en")
		for language, want := range map[string]string{"fr": "/fr" + loginPage, "en": "/en" + loginPage, "ja": "/en" + loginPage, "": "/en" + loginPage} {
			b := s.browser("https://lune.example")
			b.header.Set("Accept-Language", language)
			if a := b.get("/"); a.Code != http.StatusFound || a.Location != want {
				t.Errorf("%q: %d %s", language, a.Code, a.Location)
			}
		}
		if a := s.browser("https://lune.example").get(loginPage); a.Code != http.StatusNotFound {
			t.Errorf("a page outside every view: %d", a.Code)
		}
	})
}

func TestABrokenDatabaseIsOnePlainSentence(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", lune+loginPage, nil)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code < 500 || strings.Contains(w.Body.String(), "sql:") || !strings.Contains(w.Body.String(), "<h1>") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
