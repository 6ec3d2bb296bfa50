// Package webtest holds every answer of a door to what every answer of the house must be. A door's test gives it the door's
// own table of routes, so that a route that is new tomorrow is judged without anybody's help.
package webtest

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Route is one address of a door and a method that it takes. Path may hold wildcards in braces.
type Route struct{ Method, Path string }

// Door is what is judged.
type Door struct {
	Base    string // scheme and host of the requests, "https://shop.example"
	Prefix  string // of every path
	Handler http.Handler
	Routes  []Route
	HSTS    bool

	// Fill gives what may stand for a wildcard, by its name; nil, or nothing, is "1" and "nobody". Of a second one in a path the first
	// alone is asked for.
	Fill func(name string) []string
	// Body is what a POST or PUT carries, by path; nil is an empty form.
	Body func(path string) (media, body string)
	// Visitors are ways of asking, by who asks: each changes a request, such as by a cookie. A stranger is always among them.
	Visitors map[string]func(r *http.Request)
	// Policy is the door's own Content-Security-Policy, which is held to the house's all the same; "" is the house's. Where it
	// names a style by its hash, that style may be part of the page.
	Policy string
	// Foreign gives the policy of an answer that shows what somebody else wrote, which is judged by that alone; "" for all others.
	Foreign func(path string) string
	// Open tells which paths may be kept by caches, such as assets with their sum in their name.
	Open func(path string) bool
}

// methods are asked of every address, whether it has them or not.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}

// Judge asks every route by every method as every visitor, and some addresses that are none.
func (d Door) Judge(t *testing.T) {
	t.Helper()
	taken := map[string][]string{}
	for _, r := range d.Routes {
		taken[r.Path] = append(taken[r.Path], r.Method)
	}
	taken["/nowhere/at/all"] = nil
	visitors := map[string]func(*http.Request){
		"a stranger": func(*http.Request) {},
		"another site": func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		},
	}
	maps.Copy(visitors, d.Visitors)
	asked := 0
	for _, pattern := range slices.Sorted(maps.Keys(taken)) {
		for _, path := range d.paths(pattern) {
			for _, method := range methods {
				for _, who := range slices.Sorted(maps.Keys(visitors)) {
					r := d.request(method, path)
					visitors[who](r)
					w := httptest.NewRecorder()
					d.Handler.ServeHTTP(w, r)
					d.judge(t, method+" "+path+", "+who, r, w.Result(), taken[pattern])
					asked++
				}
			}
		}
	}
	t.Logf("%d addresses, %d answers", len(taken), asked)
}

// Broken asks every route once of a door whose database is gone, and tells how many answers were 500 or above. Those are no
// less guarded.
func (d Door) Broken(t *testing.T) (failed int) {
	t.Helper()
	for _, route := range d.Routes {
		for _, path := range d.paths(route.Path) {
			r := d.request(route.Method, path)
			w := httptest.NewRecorder()
			d.Handler.ServeHTTP(w, r)
			if w.Code >= 500 {
				failed++
			}
			d.headers(t, route.Method+" "+path+", without a database", r, w.Result())
		}
	}
	return failed
}

var wildcard = regexp.MustCompile(`\{([^}]*)\}`)

func (d Door) paths(pattern string) []string {
	name := wildcard.FindStringSubmatch(pattern)
	if name == nil {
		return []string{d.Prefix + pattern}
	}
	if name[1] == "$" {
		return []string{d.Prefix + strings.TrimSuffix(pattern, "{$}")}
	}
	var all []string
	for _, value := range d.fill(name[1]) {
		path := strings.Replace(pattern, name[0], value, 1)
		path = wildcard.ReplaceAllStringFunc(path, func(other string) string { return d.fill(strings.Trim(other, "{}"))[0] })
		all = append(all, d.Prefix+path)
	}
	return all
}

func (d Door) fill(name string) []string {
	if d.Fill != nil {
		if own := d.Fill(strings.TrimSuffix(name, "...")); own != nil {
			return own
		}
	}
	return []string{"1", "nobody"}
}

func (d Door) request(method, path string) *http.Request {
	media, body := "application/x-www-form-urlencoded", ""
	if d.Body != nil {
		media, body = d.Body(path)
	}
	var content io.Reader
	if method == "POST" || method == "PUT" || method == "PATCH" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, d.Base+path, content)
	r.RequestURI = path
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:4000", rand.N(256), rand.N(256), rand.N(256)) // no limit of a client hides what comes later
	if content != nil {
		r.Header.Set("Content-Type", media)
	}
	return r
}

func (d Door) judge(t *testing.T, what string, r *http.Request, got *http.Response, taken []string) {
	t.Helper()
	d.headers(t, what, r, got)
	knows := slices.Contains(taken, r.Method) || r.Method == "HEAD" && slices.Contains(taken, "GET")
	switch {
	case got.StatusCode >= 500:
		t.Errorf("%s: answered %d", what, got.StatusCode)
	case len(taken) > 0 && !knows && got.StatusCode < 300: // a stranger may be sent to sign in first
		t.Errorf("%s: a method that the address does not have is answered %d", what, got.StatusCode)
	case got.StatusCode == http.StatusMethodNotAllowed && got.Header.Get("Allow") == "":
		t.Errorf("%s: 405 without Allow", what)
	case knows && got.StatusCode == http.StatusMethodNotAllowed:
		t.Errorf("%s: an address of the table does not take its own method", what)
	}
	// RFC 9700 §4.12: 307 and 308 would have the browser send the password on.
	if r.Method != "GET" && r.Method != "HEAD" && got.StatusCode/100 == 3 && got.StatusCode != http.StatusSeeOther {
		t.Errorf("%s: redirected by %d, not 303", what, got.StatusCode)
	}
}

// policy is what each Content-Security-Policy of the house says at least.
var policy = map[string][]string{
	"default-src": {"'self'", "'none'"}, "base-uri": {"'none'"}, "frame-ancestors": {"'none'"}, "form-action": {"'self'"},
}

func (d Door) headers(t *testing.T, what string, r *http.Request, got *http.Response) {
	t.Helper()
	h := got.Header
	if d.Foreign != nil && got.StatusCode == http.StatusOK {
		if own := d.Foreign(r.URL.Path); own != "" {
			if h.Get("Content-Security-Policy") != own || !strings.HasPrefix(own, "sandbox ") || strings.Contains(own, "allow-scripts") ||
				h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: what somebody else wrote is shown without its sandbox: %v", what, h)
			}
			return
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %d with %s %q", what, got.StatusCode, name, h.Get(name))
		}
	}
	if sts := h.Get("Strict-Transport-Security"); d.HSTS && sts != "max-age=31536000" {
		t.Errorf("%s: Strict-Transport-Security %q", what, sts)
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: other sites may read the answer: %s %q", what, name, h.Get(name))
		}
	}
	if kept := h.Get("Cache-Control"); kept != "no-store" && (d.Open == nil || !d.Open(r.URL.Path) || got.StatusCode != http.StatusOK) {
		t.Errorf("%s: %d with Cache-Control %q", what, got.StatusCode, kept)
	}
	d.policy(t, what, h.Values("Content-Security-Policy"))
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	text := strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "json")
	switch {
	case len(body) == 0:
	case err != nil:
		t.Errorf("%s: %d with a body and Content-Type %q", what, got.StatusCode, h.Get("Content-Type"))
	case text && !strings.EqualFold(params["charset"], "utf-8"):
		t.Errorf("%s: %d is text without a charset: %q", what, got.StatusCode, h.Get("Content-Type"))
	}
	if media == "text/html" {
		for _, found := range inline.FindAllString(string(body), 3) {
			if found == "<style" && strings.Contains(d.Policy, "style-src 'sha256-") {
				continue
			}
			t.Errorf("%s: the page holds something inline: %s", what, found)
		}
	}
	for _, c := range got.Cookies() {
		switch {
		case !c.HttpOnly, c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode, c.Path != "/", c.Domain != "":
			t.Errorf("%s: a cookie that others could read or send: %s", what, c.Raw)
		case r.URL.Scheme == "https" && (!c.Secure || !strings.HasPrefix(c.Name, "__Host-")):
			t.Errorf("%s: a cookie over https that is not bound to it: %s", what, c.Raw)
		}
	}
}

// inline is what a policy without exceptions would not let run, or show.
var inline = regexp.MustCompile(`(?i)<style\b|<script>|<script\s(?:[^>]*\s)?(?:type="[^"]*"\s*)?>[^<]|<[^>]*\s(?:style|on[a-z]+)="|(?:href|src|action)="\s*(?:javascript|data):`)

func (d Door) policy(t *testing.T, what string, lines []string) {
	t.Helper()
	if len(lines) != 1 || d.Policy != "" && lines[0] != d.Policy {
		t.Errorf("%s: the policies are %q", what, lines)
		return
	}
	if strings.Contains(lines[0], "unsafe") || strings.Contains(lines[0], "*") {
		t.Errorf("%s: the policy has an exception: %s", what, lines[0])
	}
	has := map[string]string{}
	for part := range strings.SplitSeq(lines[0], ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		has[name] = value
	}
	for name, values := range policy {
		if !slices.Contains(values, has[name]) {
			t.Errorf("%s: the policy says %s %q", what, name, has[name])
		}
	}
	if has["default-src"] != "'none'" && has["object-src"] != "'none'" {
		t.Errorf("%s: the policy lets plug-ins in: %s", what, lines[0])
	}
}
