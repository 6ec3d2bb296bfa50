package test

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/test/fixture"
)

// slot is a place where a secret is shown: to the website of a host, by a request of its own.
type slot struct {
	name string
	show func(host, secret string) *http.Request
}

func (i *isolation) places() []slot {
	cookie := func(name, method, path string, body any) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			g := newGuest(host)
			for _, site := range []string{"base", "nord", "admin"} { // whatever the website calls it
				g.cookies["rekey-"+name+"-"+site] = secret
			}
			return g.request(method, path, body)
		}
	}
	bearer := func(method, path string, body any, header ...string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			g := newGuest(host)
			g.bearer = secret
			r := g.request(method, path, body)
			for n := 0; n+1 < len(header); n += 2 {
				r.Header.Set(header[n], header[n+1])
			}
			return r
		}
	}
	address := func(format string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			return newGuest(host).request("GET", fmt.Sprintf(format, secret), nil)
		}
	}
	rest := func(method, path string, body func(secret string) map[string]string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request { return newGuest(host).request(method, path, body(secret)) }
	}
	oauth := func(path string, fields ...string) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			app, word := i.app, i.word
			if host == nordHost {
				app, word = i.other, i.its
			}
			form := url.Values{}
			for n := 0; n+1 < len(fields); n += 2 {
				form.Set(fields[n], strings.ReplaceAll(fields[n+1], "SECRET", secret))
			}
			r := newGuest(host).request("POST", path, form)
			r.SetBasicAuth(app, word)
			return r
		}
	}
	passwords := url.Values{"password": {"stolen-anyway-1"}, "password_confirmation": {"stolen-anyway-1"}}
	me := map[string]string{"query": "{ customer { email } }"}
	shown := map[string]string{luneHost: i.treasures[0].value, nordHost: i.signedIn(nordHost, shopper, newPassword).cookies["rekey-session-nord"]}
	asSignedIn := func(method, path string, body func(secret string) any) func(string, string) *http.Request {
		return func(host, secret string) *http.Request {
			g := newGuest(host)
			maps.Copy(g.cookies, i.connecting)
			g.cookies["rekey-session-base"], g.cookies["rekey-session-nord"] = shown[host], shown[host]
			if body == nil {
				return g.request(method, path+url.QueryEscape(secret), nil)
			}
			return g.request(method, path, body(secret))
		}
	}
	return []slot{
		{"session", cookie("session", "GET", "/customer/account", nil)},
		{"session that acts", cookie("session", "POST", "/customer/account/sessionspost", url.Values{"end": {"others"}})},
		{"link opened", address("/customer/account/createpassword?token=%s")},
		{"link followed", cookie("link", "GET", "/customer/account/createpassword", nil)},
		{"new password", cookie("link", "POST", "/customer/account/resetpasswordpost", passwords)},
		{"new password by REST", rest("POST", "/rest/V1/customers/resetPassword", func(secret string) map[string]string {
			return map[string]string{"email": "", "resetToken": secret, "newPassword": "stolen-anyway-1"}
		})},
		{"link checked by REST", address("/rest/V1/customers/1/password/resetLinkToken/%s")},
		{"key opened", address("/customer/account/confirm?token=%s")},
		{"key followed", cookie("confirmation", "GET", "/customer/account/confirm", nil)},
		{"registration", cookie("confirmation", "POST", "/customer/account/confirmpost", url.Values{"password": {oldPassword}})},
		{"registration by REST", rest("PUT", "/rest/V1/customers/me/activate", func(secret string) map[string]string {
			return map[string]string{"confirmationKey": secret, "password": oldPassword}
		})},
		{"address opened", address("/customer/account/confirmemail?token=%s")},
		{"address followed", cookie("email", "GET", "/customer/account/confirmemail", nil)},
		{"new address", cookie("email", "POST", "/customer/account/confirmemailpost", url.Values{})},
		{"bearer", bearer("GET", "/rest/V1/customers/me", nil)},
		{"bearer that acts", bearer("PUT", "/rest/V1/customers/me/password", map[string]string{"currentPassword": "no-such-1", "newPassword": "stolen-anyway-1"})},
		{"bearer of another store code", bearer("GET", "/rest/nord/V1/customers/me", nil)},
		{"GraphQL", bearer("POST", "/graphql", me)},
		{"GraphQL of another store", bearer("POST", "/graphql", me, "Store", "nord")},
		{"request", asSignedIn("GET", "/customer/account/connect?request=", nil)},
		{"consent", asSignedIn("POST", "/customer/account/connect", func(secret string) any { return decision(secret) })},
		{"code", oauth("/oauth2/token", "grant_type", "authorization_code", "code", "SECRET", "redirect_uri", appBack, "code_verifier", proofKey)},
		{"refresh", oauth("/oauth2/token", "grant_type", "refresh_token", "refresh_token", "SECRET")},
		{"userinfo", bearer("GET", "/oauth2/userinfo", nil)},
		{"introspection", oauth("/oauth2/introspect", "token", "SECRET")},
		{"revocation", oauth("/oauth2/revoke", "token", "SECRET")},
		{"objection opened", address("/customer/account/notme?token=%s")},
		{"objection followed", cookie("objection", "GET", "/customer/account/notme", nil)},
		{"objection", cookie("objection", "POST", "/customer/account/notmepost", url.Values{"sure": {"1"}})},
		{"code of a link", i.typed("reset", "resetcodepost")},
		{"browser that asked for a link", cookie("ask-reset", "POST", "/customer/account/resetcodepost", url.Values{"code": {i.codes["reset"]}})},
		{"code to sign in", i.typed("signin", "logincodepost")},
		{"browser that asked for a code", cookie("ask-signin", "POST", "/customer/account/logincodepost", url.Values{"code": {i.codes["signin"]}})},
		{"passkey", i.usesPasskey("")},
		{"passkey at a neighbour", neighbour(i.usesPasskey("/nord"))},
		{"question to sign in", i.answers(accounts+"loginpasskeypost", nil)},
		{"question at a neighbour", neighbour(i.answers("/nord"+accounts+"loginpasskeypost", nil))},
		{"question of who it is", i.answers(accounts+"confirmidentitypost", shown)},
		{"question for a new passkey", i.answers(addPasskey, shown)},
	}
}

// typed is a code that is typed in the very browser that asked for it, as far as the other website can know. At its own website
// what is no code is typed in another: a few wrong ones end the right one.
func (i *isolation) typed(asked, path string) func(string, string) *http.Request {
	return func(host, secret string) *http.Request {
		g := newGuest(host)
		if host == nordHost || secret == i.codes["reset"] || secret == i.codes["signin"] {
			for _, site := range []string{"base", "nord"} {
				g.cookies["rekey-ask-"+asked+"-"+site] = i.asking["rekey-ask-"+asked+"-base"]
			}
		}
		return g.request("POST", "/customer/account/"+path, url.Values{"code": {secret}})
	}
}

const addPasskey = accounts + "addpasskeypost"

var passkeyForm = regexp.MustCompile(`(?s)<form class="passkey[^>]*data-options="([^"]*)"[^>]*>.*?name="ticket" value="([^"]*)"`)

// question is what a page asks a passkey, and the sealed ticket that comes back with the answer to where it is sent.
type question struct{ to, options, ticket string }

func (a *arena) question(g *guest, page, to string) question {
	a.t.Helper()
	got := a.does(g, "GET", page, nil)
	found := passkeyForm.FindStringSubmatch(got.body)
	if found == nil {
		a.t.Fatalf("%s at %s asks for no passkey: %d", page, g.host, got.status)
	}
	return question{to, html.UnescapeString(found[1]), found[2]}
}

// at is a device in front of a page of a host. It shows its passkey to any, as no honest one would.
func at(d *fixture.Device, host string) *fixture.Device {
	there := *d
	there.Site.ID, there.Site.Origin = host, "http://"+host
	return &there
}

// neighbour asks the other website at an address on the first one's own host, for which browsers offer the same passkeys.
func neighbour(show func(string, string) *http.Request) func(string, string) *http.Request {
	return func(_, secret string) *http.Request { return show(luneHost, secret) }
}

// usesPasskey signs in by the passkey of the treasure, and for any other secret by one that nobody knows.
func (i *isolation) usesPasskey(base string) func(string, string) *http.Request {
	return func(host, secret string) *http.Request {
		i.t.Helper()
		device := fixture.NewDevice(i.t, host, "http://"+host)
		if secret == passkeyID(i.phone) {
			device = at(i.phone, host)
		}
		g := newGuest(host)
		asked := i.question(g, base+accounts+"login", base+accounts+"loginpasskeypost")
		return g.request("POST", asked.to, url.Values{"ticket": {asked.ticket}, "passkey": {device.Use(asked.options)}})
	}
}

func passkeyID(d *fixture.Device) string { return fmt.Sprintf("%x", d.Passkey.ID) }

// answers gives a ticket back with a device's answer to the question that it came with, in the browser that was asked or in one
// that is signed in and has just shown its password.
func (i *isolation) answers(to string, sessions map[string]string) func(string, string) *http.Request {
	return func(host, ticket string) *http.Request {
		i.t.Helper()
		g := newGuest(host)
		g.cookies["rekey-form"] = i.asking["rekey-form"]
		for site, session := range map[string]string{"base": sessions[luneHost], "nord": sessions[nordHost]} {
			if session != "" {
				g.cookies["rekey-session-"+site] = session
			}
		}
		if to == addPasskey {
			word := map[string]string{luneHost: oldPassword, nordHost: newPassword}[host]
			i.does(g, "POST", "/customer/account/confirmidentitypost", url.Values{"current_password": {word}})
		}
		n := slices.IndexFunc(i.questions, func(q question) bool {
			return q.ticket == ticket && (q.to == addPasskey) == (to == addPasskey)
		})
		if n < 0 { // no ticket, or one of another kind: the question of the right ticket
			n = slices.IndexFunc(i.questions, func(q question) bool { return strings.HasSuffix(to, q.to) })
		}
		said := at(i.phone, host).Use
		if to == addPasskey {
			said = at(i.another, host).Make
		}
		return g.request("POST", to, url.Values{"ticket": {ticket}, "name": {"Another"}, "passkey": {said(i.questions[n].options)}})
	}
}

var (
	formKey   = regexp.MustCompile(`(name="(form_key|ticket)" value|data-options)="[^"]*"`)
	requestID = regexp.MustCompile(`\b[a-z2-7]{26}\b`)
)

// sight is all of an answer that could tell one from another.
type sight struct {
	Status int
	Header http.Header
	Body   string
}

// ask shows a secret in a slot and gives what can be seen, without what is random in every answer and without the secret.
func (i *isolation) ask(s slot, host, secret string) sight {
	i.t.Helper()
	got := i.asked(s.show(host, secret))
	plain := func(text string) string {
		text = strings.ReplaceAll(text, url.QueryEscape(secret), "SECRET")
		return requestID.ReplaceAllString(formKey.ReplaceAllString(text, "FORM KEY"), "REQUEST")
	}
	h := http.Header{}
	for name, values := range got.header {
		if name == "Date" || name == "X-Request-Id" || name == "Content-Length" {
			continue
		}
		for _, v := range values {
			if cookie, rest, ok := strings.Cut(v, "="); name == "Set-Cookie" && ok {
				_, attributes, _ := strings.Cut(rest, ";")
				v = cookie + ";" + attributes
			}
			h.Add(name, plain(v))
		}
	}
	return sight{got.status, h, plain(got.body)}
}
