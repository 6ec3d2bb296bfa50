package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// house is a stack around one door, and its log.
func house(t *testing.T, h Handler) (http.Handler, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	door := Door{Log: logger, Fail: PlainPage}
	mux := http.NewServeMux()
	mux.Handle("/page/{rest...}", door.Handle(h))
	mux.Handle("/rude", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("rude") }))
	stack := Stack{Log: logger, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, HSTS: func(string, string) string { return "max-age=1" }}
	return stack.Wrap(mux), log
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "ok")
	return err
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryAnswerCarriesSecurityHeaders(t *testing.T) {
	h, _ := house(t, func(w http.ResponseWriter, r *http.Request) error {
		switch r.PathValue("rest") {
		case "fault":
			return fault.New(fault.Expired, "link.expired", "Old.")
		case "broken":
			return errors.New("inside")
		case "panic":
			panic("inside")
		case "away":
			SeeOther(w, "/page/")
			return nil
		}
		return ok(w, r)
	})
	for path, status := range map[string]int{
		"/page/": 200, "/page/fault": 410, "/page/broken": 500, "/page/panic": 500, "/page/away": 303, "/rude": 500, "/nowhere": 404,
	} {
		w := do(h, httptest.NewRequest("GET", path, nil))
		if w.Code != status {
			t.Errorf("%s answers %d, want %d", path, w.Code, status)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store", "Strict-Transport-Security": "max-age=", "X-Request-Id": "",
		} {
			if got := w.Header().Get(name); got == "" || !strings.Contains(got, want) {
				t.Errorf("%s has %s: %q, want %q in it", path, name, got, want)
			}
		}
		if strings.Contains(w.Body.String(), "inside") || strings.Contains(w.Body.String(), "rude") {
			t.Errorf("%s shows what is internal: %s", path, w.Body)
		}
	}
}

func TestErrorsBecomeTheirStatus(t *testing.T) {
	var now error
	h, _ := house(t, func(http.ResponseWriter, *http.Request) error { return now })
	for _, row := range []struct {
		err    error
		status int
		retry  string
	}{
		{fault.New(fault.NotFound, "x", "x"), 404, ""},
		{fault.Refuse("email", "x", "x", nil), 422, ""},
		{fault.New(fault.Forbidden, "x", "x"), 403, ""},
		{fault.New(fault.Unauthenticated, "x", "x"), 401, ""},
		{fault.New(fault.Conflict, "x", "x"), 409, ""},
		{fault.Until("x", "x", time.Now().Add(-time.Hour)), 429, "1"}, // a clock that lags must not ask for a wait below zero
		{errors.Join(fault.Refuse("a", "x", "x", nil), fault.Refuse("b", "x", "x", nil)), 422, ""},
		{errors.Join(fault.Refuse("a", "x", "x", nil), errors.New("inside")), 500, ""},
		{secret.ErrBusy, 503, "5"},
		{db.ErrUnavailable, 503, "5"},
		{NoSuchPage(), 404, ""},
		{WrongMethod("POST"), 405, ""},
	} {
		now = row.err
		w := do(h, httptest.NewRequest("GET", "/page/", nil))
		if w.Code != row.status || w.Header().Get("Retry-After") != row.retry {
			t.Errorf("%v: %d, Retry-After %q; want %d, %q", row.err, w.Code, w.Header().Get("Retry-After"), row.status, row.retry)
		}
	}
}

func TestTheLogHoldsNoLinkAndNobody(t *testing.T) {
	h, log := house(t, func(http.ResponseWriter, *http.Request) error { return errors.New("broken pipe somewhere") })
	r := httptest.NewRequest("GET", "/page/s3cret-path?token=s3cret-query&email=someone@example.com", nil)
	r.Header.Set("Cookie", "rekey-session=s3cret-cookie")
	r.Header.Set("Referer", "https://s3cret.example/")
	r.Header.Set("User-Agent", "s3cret-agent")
	w := do(h, r)
	for _, leak := range []string{"s3cret", "someone", "192.0.2."} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("the log holds %q:\n%s", leak, log)
		}
	}
	if !strings.Contains(log.String(), "broken pipe somewhere") || !strings.Contains(log.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("the log does not lead from the request id to the error:\n%s", log)
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	h, _ := house(t, ok)
	browser := secret.Random().Reveal()
	key := formKeyOf(browser)
	for _, row := range []struct {
		why     string
		headers map[string]string
		key     string
		status  int
	}{
		{"our own page", map[string]string{"Sec-Fetch-Site": "same-origin"}, "", 200},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, key, 403},
		{"a neighbouring subdomain", map[string]string{"Sec-Fetch-Site": "same-site"}, key, 403},
		{"an older browser, our own page", map[string]string{"Origin": "http://example.com"}, "", 200},
		{"an older browser, another site", map[string]string{"Origin": "http://evil.example"}, key, 403},
		{"a program without cookies", nil, "", 200},
		{"a program with somebody else's cookies", map[string]string{"Cookie": "basket=7"}, "", 200},
		{"no header, our cookie, no key", map[string]string{"Cookie": "rekey-session-base=x"}, "", 403},
		{"no header, our cookie, a key of another browser", map[string]string{"Cookie": "rekey-session-base=x; rekey-form=" + browser}, formKeyOf(secret.Random().Reveal()), 403},
		{"no header, our cookie and key", map[string]string{"Cookie": "rekey-session-base=x; rekey-form=" + browser}, key, 200},
		{"no header, the same over https", map[string]string{"Cookie": "__Host-rekey-session-base=x; __Host-rekey-form=" + browser}, key, 200},
		{"no header, no session, a program that kept the form's cookie", map[string]string{"Cookie": "rekey-form=" + browser}, "", 200},
		{"no header, no session, a program that has asked for a letter before", map[string]string{"Cookie": "rekey-ask-reset-base=x; __Host-rekey-ask-signin-base=x"}, "", 200},
		{"no header, a session beside it", map[string]string{"Cookie": "rekey-ask-reset-base=x; rekey-session-base=x"}, "", 403},
		{"an older browser under no-referrer, our page", map[string]string{"Origin": "null", "Cookie": "rekey-form=" + browser}, key, 200},
		{"a sandboxed foreign frame", map[string]string{"Origin": "null"}, "", 403},
		{"a sandboxed foreign frame that guesses", map[string]string{"Origin": "null", "Cookie": "rekey-form=" + browser}, "guess", 403},
		{"a new browser's null origin, cross-site", map[string]string{"Origin": "null", "Sec-Fetch-Site": "cross-site", "Cookie": "rekey-form=" + browser}, key, 403},
	} {
		r := httptest.NewRequest("POST", "/page/", strings.NewReader(url.Values{FormKeyField: {row.key}, "email": {"a"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for k, v := range row.headers {
			r.Header.Set(k, v)
		}
		if w := do(h, r); w.Code != row.status {
			t.Errorf("%s: %d, want %d", row.why, w.Code, row.status)
		}
	}
}

// TestAPlantedCookieIsNoFormKey: over https a neighbouring subdomain can plant a plain cookie, and would know its key.
func TestAPlantedCookieIsNoFormKey(t *testing.T) {
	h, _ := house(t, ok)
	planted := secret.Random().Reveal()
	r := httptest.NewRequest("POST", "/page/", strings.NewReader(FormKeyField+"="+formKeyOf(planted)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", "__Host-rekey-session-lune=x; rekey-form="+planted)
	r.RemoteAddr = "10.1.1.1:1"
	r.Header.Set("X-Forwarded-Proto", "https")
	if w := do(h, r); w.Code != 403 {
		t.Errorf("answered %d", w.Code)
	}
}

func TestTheClientCannotChooseItsAddress(t *testing.T) {
	for _, row := range []struct {
		why, peer string
		forwarded []string
		want      string
	}{
		{"nothing in between", "203.0.113.9:4000", nil, "203.0.113.9"},
		{"an undeclared proxy is the client", "203.0.113.9:4000", []string{"198.51.100.1"}, "203.0.113.9"},
		{"one declared proxy", "10.0.0.1:4000", []string{"198.51.100.1"}, "198.51.100.1"},
		{"the client wrote more to the left", "10.0.0.1:4000", []string{"8.8.8.8, 198.51.100.1"}, "198.51.100.1"},
		{"two declared proxies", "10.0.0.1:4000", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"two header lines are one list", "10.0.0.1:4000", []string{"8.8.8.8", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"rubbish ends the walk", "10.0.0.1:4000", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"no header from the proxy", "10.0.0.1:4000", nil, "10.0.0.1"},
		{"all are proxies", "10.0.0.1:4000", []string{"10.0.0.3"}, "10.0.0.3"},
		{"IPv6 with port", "[fd00::1]:4000", []string{"[2001:db8::7]:555"}, "2001:db8::7"},
		{"IPv4 in IPv6 clothes", "[::ffff:10.0.0.1]:4000", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = row.peer
		for _, f := range row.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		r.Header.Set("X-Real-Ip", "8.8.8.8")
		r.Header.Set("Forwarded", "for=8.8.8.8")
		trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
		if got := clientAddress(r, trusted); got.String() != row.want {
			t.Errorf("%s: %s, want %s", row.why, got, row.want)
		}
	}
}
