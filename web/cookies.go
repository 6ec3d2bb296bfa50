package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/secret"
)

// FormKeyField is the hidden field that carries the form key; it has the name that Adobe Commerce's forms use.
const FormKeyField = "form_key"

const (
	hostPrefix   = "__Host-" // browsers keep such a cookie only from this very host, over https, for all paths
	cookiePrefix = "rekey-"
	formCookie   = cookiePrefix + "form"
	noticeCookie = cookiePrefix + "notice"
	askCookies   = cookiePrefix + "ask-"
	flashLife    = 60 * time.Second // a notice that no page has shown by then is old news
)

// Jar names and sets the cookies of one scope: a website, or the console. All are HttpOnly, Lax, host-only, for all paths.
type Jar struct {
	Secure bool   // https: the cookie is Secure and carries the prefix __Host-
	Scope  string // such as the website's code: two websites on one host keep their cookies apart
}

func (j Jar) name(name string) string {
	full := cookiePrefix + name
	if j.Scope != "" {
		full += "-" + j.Scope
	}
	if j.Secure {
		return hostPrefix + full
	}
	return full
}

// Set keeps a secret in the browser; life 0 keeps it until the browser closes.
func (j Jar) Set(w http.ResponseWriter, name string, value secret.Text, life time.Duration) {
	setCookie(w, j.name(name), value.Reveal(), j.Secure, int(life.Seconds()))
}

// Get returns what the browser sent, or an empty text.
func (j Jar) Get(r *http.Request, name string) secret.Text {
	if c, err := r.Cookie(j.name(name)); err == nil {
		return secret.NewText(c.Value)
	}
	return secret.NewText("")
}

// Drop tells the browser to forget a cookie.
func (j Jar) Drop(w http.ResponseWriter, name string) {
	setCookie(w, j.name(name), "", j.Secure, -1)
}

func setCookie(w http.ResponseWriter, name, value string, secure bool, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// Notice is one outcome, told once on the page after a redirect. It names a message of the catalogue, so that nobody who
// plants a cookie can put words of their own on the page; it is never a secret.
type Notice struct {
	Key  string            `json:"k"`           // message key
	More string            `json:"m,omitempty"` // key of a second sentence, with the same values
	Args map[string]string `json:"a,omitempty"` // of the messages
	Bad  bool              `json:"b,omitempty"` // it tells of something that did not work
}

// Tell keeps a notice for the next page.
func (j Jar) Tell(w http.ResponseWriter, n Notice) {
	raw, err := json.Marshal(n)
	if err != nil {
		return // strings always marshal
	}
	setCookie(w, j.name("notice"), base64.RawURLEncoding.EncodeToString(raw), j.Secure, int(flashLife.Seconds()))
}

// Told returns the notice that waits, and drops it: it is shown once. HEAD leaves it for the page.
func (j Jar) Told(w http.ResponseWriter, r *http.Request) (Notice, bool) {
	c, err := r.Cookie(j.name("notice"))
	if err != nil || r.Method == http.MethodHead {
		return Notice{}, false
	}
	j.Drop(w, "notice")
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return Notice{}, false
	}
	var n Notice
	if json.Unmarshal(raw, &n) != nil || !clean(n.Key+n.More) {
		return Notice{}, false
	}
	return n, true
}

// FormKey returns the value of the hidden field FormKeyField for a page with a form. It is bound to a cookie of this
// browser, which is set when there is none, and says nothing about anybody.
func FormKey(w http.ResponseWriter, r *http.Request, secure bool) string {
	name := formCookie
	if secure {
		name = hostPrefix + formCookie
	}
	if c, err := r.Cookie(name); err == nil && len(c.Value) == secret.TextLength {
		return formKeyOf(c.Value)
	}
	fresh := secret.Random().Reveal()
	setCookie(w, name, fresh, secure, 0)
	return formKeyOf(fresh)
}

// formKeyOf derives the field from the cookie, so that a page that leaks does not leak the cookie.
func formKeyOf(cookie string) string {
	sum := sha256.Sum256([]byte("rekey form key\x00" + cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// matchesFormKey compares with the __Host- cookie, and over plain http with the plain one: over https a neighbouring
// subdomain could have planted that.
func matchesFormKey(r *http.Request, given string) bool {
	names := []string{hostPrefix + formCookie}
	if !HTTPS(r) {
		names = append(names, formCookie)
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil && len(c.Value) == secret.TextLength &&
			subtle.ConstantTimeCompare([]byte(formKeyOf(c.Value)), []byte(given)) == 1 {
			return true
		}
	}
	return false
}

// carriesOurCookie tells whether a request could act in a person's name: it brings a session, a link or a registration.
// A program that posts to a public form needs no form key, also when it kept what a page before had set. Nor does one that has
// asked for a letter: the cookie says which browser a code is good in, and as a Lax one it does not come with another site's post.
func carriesOurCookie(r *http.Request) bool {
	for _, c := range r.Cookies() {
		name := strings.TrimPrefix(c.Name, hostPrefix)
		if strings.HasPrefix(name, cookiePrefix) && name != formCookie && !strings.HasPrefix(name, noticeCookie) && !strings.HasPrefix(name, askCookies) {
			return true
		}
	}
	return false
}
