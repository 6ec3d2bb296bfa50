package storefront_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

const (
	forgotPost = "/customer/account/forgotpasswordpost"
	newPost    = "/customer/account/resetpasswordpost"
	forgotPage = "/customer/account/forgotpassword"
	newPage    = "/customer/account/createpassword"
	loginPage  = "/customer/account/login"
)

func TestForgottenPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		elsewhere := s.browser(lune)
		elsewhere.signIn("camille@example.com", "first-password")

		b := s.browser(lune)
		b.get("/customer/account/forgotpassword").says(t, "Forgot Your Password?", "Email Address", "Reset My Password")
		asked := b.post(forgotPost, "email", "camille@example.com")
		if asked.Code != 303 || asked.Location != loginPage {
			t.Fatalf("asking answers %d %s", asked.Code, asked.Location)
		}
		b.get(loginPage).says(t, "If there is an account associated with camille@example.com you will receive an email", "still works", "spam")

		landed := b.get(s.link("forgot"))
		if landed.Code != 303 || landed.Location != newPage {
			t.Fatalf("the link answers %d %s", landed.Code, landed.Location)
		}
		b.get(newPage).says(t, "New Password", "Confirm New Password", "Reset Password", "At least 6 characters.", "No spaces.")
		b.post(newPost, "password", "", "password_confirmation", "").says(t, "There is a problem", "Please enter a password.")
		if a := b.post(newPost, "password", "abc", "password_confirmation", "abc"); a.Code != 422 {
			t.Errorf("a short password answers %d", a.Code)
		}
		done := b.post(newPost, "password", "second-password", "password_confirmation", "second-password")
		if done.Code != 303 || done.Location != loginPage {
			t.Fatalf("the new password answers %d %s\n%s", done.Code, done.Location, done.words())
		}
		b.get(loginPage).says(t, "You updated your password.")
		if b.signedIn() || elsewhere.signedIn() {
			t.Error("a reset signs in nobody, and signs everybody out")
		}
		b.signIn("camille@example.com", "second-password")
	})
}

// TestUnknownAddressLooksTheSame compares whole answers and the pages behind them, byte for byte; only the request id, and
// the cookie's and page's copy of what was typed, differ.
func TestUnknownAddressLooksTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.set(shop.SignInByLetter, "1")
		s.customer("known@example.com", "first-password")
		journeys := map[string]func(b *browser, email string) answer{
			"forgot": func(b *browser, email string) answer { return b.post(forgotPost, "email", email) },
			"register": func(b *browser, email string) answer {
				return b.post("/customer/account/createpost", "firstname", "A", "lastname", "B", "email", email,
					"password", "some-password", "password_confirmation", "some-password")
			},
			"sign in by letter": func(b *browser, email string) answer { return b.post(letterPost, "email", email) },
			"sign in": func(b *browser, email string) answer {
				return b.post("/customer/account/loginpost", "login[username]", email, "login[password]", "wrong-password")
			},
		}
		for name, journey := range journeys {
			seen := map[string]string{}
			for _, email := range []string{"known@example.com", "other@example.com"} {
				b := s.browser(lune)
				b.get("/customer/account/forgotpassword") // a form key, as any browser has
				key := b.cookies["__Host-rekey-form"]
				asked := journey(b, email)
				next := b.get(loginPage)
				seen[email] = masked(asked, email, key) + masked(next, email, key)
			}
			if seen["known@example.com"] != seen["other@example.com"] {
				t.Errorf("%s: the answers differ:\n%s\n----\n%s", name, seen["known@example.com"], seen["other@example.com"])
			}
		}
	})
}

var (
	cookie  = regexp.MustCompile(`(notice|registration|ask-reset|ask-signin)-base=[^;]+`)
	formKey = regexp.MustCompile(`name="(form_key|ticket)" value="[^"]*"|&#34;challenge&#34;:&#34;[^&]*&#34;`)
)

func masked(a answer, email, key string) string {
	var out strings.Builder
	a.Header.Set("X-Request-Id", "…")
	_ = a.Header.Write(&out)
	text := strings.ReplaceAll(out.String()+a.Body, email, "…")
	return cookie.ReplaceAllString(formKey.ReplaceAllString(text, "…"), "$1=…")
}

func TestGetNeverSpendsTheLink(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		s.browser(lune).post(forgotPost, "email", "camille@example.com")
		link := s.link("forgot")
		for range 10 { // scanners: every one a new browser, which follows and sends empty forms
			scanner := s.browser(lune)
			for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodOptions} {
				scanner.send(method, link, "")
				scanner.send(method, newPage, "")
			}
			scanner.post(newPost)
			scanner.post(newPost, "password", "", "password_confirmation", "")
		}
		b := s.browser(lune)
		b.get(link)
		if a := b.post(newPost, "password", "second-password", "password_confirmation", "second-password"); a.Code != 303 {
			t.Errorf("after the scanners the link answers %d: %s", a.Code, a.words())
		}
	})
}

func TestTheLinkLeavesTheAddressBar(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		s.browser(luneFr).post("/fr"+forgotPost, "email", "camille@example.com")
		link := s.link("forgot")
		parsed, err := url.Parse(link)
		if err != nil || !strings.HasPrefix(link, luneFr+newPage+"?token=") || len(parsed.Query()) != 1 {
			t.Fatalf("the link is %s", link)
		}
		token := parsed.Query().Get("token")
		for _, address := range []string{link, strings.Replace(link, "createpassword", "createPassword", 1), strings.Replace(link, "?", "/?", 1)} {
			b := s.browser(luneFr)
			landed := b.get(address)
			if landed.Code != 303 || landed.Location != "/fr"+newPage {
				t.Errorf("%s answers %d %s", address, landed.Code, landed.Location)
			}
			page := b.get("/fr" + newPage)
			if page.Code != 200 || strings.Contains(page.Body, token) || strings.Contains(landed.Body, token) {
				t.Errorf("%d: the page holds the secret, or does not come", page.Code)
			}
			if again := b.get(address); again.Code != 303 {
				t.Errorf("opening the link again answers %d", again.Code)
			}
		}
	})
}

func TestLinkWorksOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		s.browser(lune).post(forgotPost, "email", "camille@example.com")
		link := s.link("forgot")
		b := s.browser(lune)
		b.get(link)
		b.post(newPost, "password", "second-password", "password_confirmation", "second-password")

		foreign := strings.Replace(link, lune, nord, 1)
		for why, address := range map[string]string{
			"used": link, "another website's": foreign, "unknown": lune + newPage + "?token=" + strings.Repeat("a", 43),
			"cut short": link[:len(link)-5], "two": link + "&token=x", "empty": lune + newPage + "?token=",
		} {
			b := s.browser(address[:strings.Index(address, "/customer")])
			b.get(address)
			page := b.get(newPage)
			if page.Code != http.StatusGone {
				t.Errorf("%s link: %d", why, page.Code)
			}
			page.says(t, "This Link No Longer Works", "Forgot Your Password?", "Email Address", "Reset My Password")
			if a := b.post(newPost, "password", "third-password", "password_confirmation", "third-password"); a.Code != http.StatusGone {
				t.Errorf("%s link: posting answers %d", why, a.Code)
			}
		}
	})
}

func TestTooManyRequestsFromOneClientSaySo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.set(shop.MaxRequestsPerClient, "3")
		b := s.browser(luneFr)
		for i := range 3 {
			if a := b.post("/fr"+forgotPost, "email", "nobody@example.com"); a.Code != 303 {
				t.Fatalf("request %d answers %d", i+1, a.Code)
			}
		}
		a := b.post("/fr"+forgotPost, "email", "nobody@example.com")
		if a.Code != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d, Retry-After %q", a.Code, a.Header.Get("Retry-After"))
		}
		a.says(t, "Merci de patienter un peu", "minutes")
		if strings.Contains(a.Body, "no value") {
			t.Error("the sentence lacks its number:", a.words())
		}
	})
}
