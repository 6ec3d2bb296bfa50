package test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// patron is a customer who does one thing after the other while the house falls down, and the books that are kept of it: what
// the store has acknowledged, and what nobody knows because no answer came.
type patron struct {
	a       *arena
	random  *rand.Rand
	boss    string // an administrator's token
	email   string
	id      int64
	counter int // of fresh names

	password, former string // what signs in, and what did so before
	doubt            *doubt // a new password that was sent, and no answer came

	session, token string   // must work; "" for none that is known of
	ended          []ticket // acknowledged to be over: must never work again

	read     int      // letters whose link was tried
	spent    []string // links that have set a password
	resets   int      // passwords set by a link
	changes  int      // passwords set by a session or a token
	asked    []time.Time
	maybe    int // letters asked for, and no answer came
	wrong    int // guesses that were answered as wrong, since the last password that may have been right
	newcomer *newcomer
	opened   []*newcomer
}

// ticket is a session or a token.
type ticket struct{ kind, value string }

// How a password is replaced: what lives on differs.
const (
	byLink    = "link"
	bySession = "session"
	byToken   = "token"
)

type doubt struct{ password, how, link string }

// newcomer is somebody who registers in a patron's browser.
type newcomer struct {
	*guest
	email, password, key string
	asked, open, doubted bool
}

// verdict is what became of one request.
type verdict int

const (
	answered verdict = iota
	unheard          // it reached nobody
	unknown          // no answer came, or one that promises nothing
)

// ask sends a request to one of the nodes.
func (p *patron) ask(r *http.Request) (answer, verdict) {
	got, err := p.a.send(p.a.nodes[p.random.IntN(len(p.a.nodes))], r)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return got, unheard
	case err != nil:
		return got, unknown
	case got.status >= 500:
		if got.status != http.StatusServiceUnavailable {
			p.a.t.Errorf("%s %s is answered %d: %s", r.Method, r.URL.Path, got.status, got.body)
		}
		return got, unknown
	}
	return got, answered
}

func (p *patron) fresh(what string) string {
	p.counter++
	return fmt.Sprintf("%s-%d", what, p.counter)
}

func (p *patron) guest(cookie, value string) *guest {
	g := newGuest(luneHost)
	if cookie != "" {
		g.cookies["rekey-"+cookie+"-base"] = value
	}
	return g
}

// step does one thing that this patron can do now; false when the patron must wait for the house to stand again.
func (p *patron) step() bool {
	deeds := []func() verdict{p.forget, p.signIn, p.issue, p.guess, p.register}
	if p.read < len(p.a.post.letters(p.email)) {
		deeds = append(deeds, p.complete, p.complete, p.complete)
	}
	if p.session != "" {
		deeds = append(deeds, p.signOut, p.changeBySession)
	}
	if p.token != "" {
		deeds = append(deeds, p.changeByToken, p.force)
	}
	if n := p.newcomer; n != nil && n.asked && len(p.a.post.letters(n.email)) > 0 {
		deeds = append(deeds, p.confirm, p.confirm)
	}
	return deeds[p.random.IntN(len(deeds))]() == answered
}

// odd tells of an answer that no promise explains.
func (p *patron) odd(what string, got answer) {
	p.a.t.Errorf("%s: %s is answered %d to %q: %.200s", p.email, what, got.status, got.header.Get("Location"), got.body)
}

func (p *patron) forget() verdict {
	got, v := p.ask(p.guest("", "").request("POST", "/customer/account/forgotpasswordpost", url.Values{"email": {p.email}}))
	switch {
	case v == unknown:
		p.maybe++
	case v == answered && got.status == http.StatusSeeOther:
		p.asked = append(p.asked, time.Now())
	case v == answered:
		p.odd("asking for a link", got)
	}
	return v
}

// complete follows the newest link. It may be over already: a letter that was on its way when the password changed.
func (p *patron) complete() verdict {
	letters := p.a.post.letters(p.email)
	p.read = len(letters)
	var link string
	for _, l := range letters {
		if found := mailedSecret.FindStringSubmatch(l.text); found != nil {
			link = found[1]
		}
	}
	if link == "" {
		return answered
	}
	password := p.fresh("by-link")
	got, v := p.ask(p.guest("link", link).request("POST", "/customer/account/resetpasswordpost",
		url.Values{"password": {password}, "password_confirmation": {password}}))
	switch {
	case v == unknown:
		p.doubt = &doubt{password, byLink, link}
	case v == answered && got.status == http.StatusSeeOther:
		p.replaced(doubt{password, byLink, link})
	case v == answered && got.status != http.StatusGone:
		p.odd("a new password behind a link", got)
	}
	return v
}

// replaced writes down that the password is another one now.
func (p *patron) replaced(by doubt) {
	p.former, p.password = p.password, by.password
	if by.how == byLink {
		p.spent = append(p.spent, by.link)
		p.resets++
	} else {
		p.changes++
	}
	if by.how != bySession {
		p.end(&p.session, "session")
	}
	if by.how != byToken {
		p.end(&p.token, "token")
	}
}

func (p *patron) end(value *string, kind string) {
	if *value != "" {
		p.ended = append(p.ended, ticket{kind, *value})
	}
	*value = ""
}

func (p *patron) signIn() verdict {
	g := p.guest("", "")
	got, v := p.ask(g.request("POST", "/customer/account/loginpost", url.Values{"login[username]": {p.email}, "login[password]": {p.password}}))
	if v == unheard {
		return v
	}
	p.wrong = 0
	if v == answered {
		if g.keep(got); got.status != http.StatusSeeOther || g.cookies["rekey-session-base"] == "" {
			p.odd("signing in", got)
		}
		p.session = g.cookies["rekey-session-base"]
	}
	return v
}

func (p *patron) signOut() verdict {
	got, v := p.ask(p.guest("session", p.session).request("POST", "/customer/account/logout", url.Values{}))
	switch {
	case v == unknown:
		p.session = "" // over or not
	case v == answered && got.status == http.StatusSeeOther:
		p.end(&p.session, "session")
	case v == answered:
		p.odd("signing out", got)
	}
	return v
}

func (p *patron) changeBySession() verdict {
	password := p.fresh("by-session")
	got, v := p.ask(p.guest("session", p.session).request("POST", "/customer/account/editpost",
		url.Values{"current_password": {p.password}, "password": {password}, "password_confirmation": {password}}))
	return p.changed(doubt{password, bySession, ""}, got, v, got.header.Get("Location") == "/customer/account")
}

func (p *patron) changeByToken() verdict {
	password := p.fresh("by-token")
	g := p.guest("", "")
	g.bearer = p.token
	got, v := p.ask(g.request("PUT", "/rest/V1/customers/me/password", map[string]string{"currentPassword": p.password, "newPassword": password}))
	return p.changed(doubt{password, byToken, ""}, got, v, got.status == http.StatusOK)
}

func (p *patron) changed(to doubt, got answer, v verdict, done bool) verdict {
	if v != unheard {
		p.wrong = 0 // the current password was right
	}
	switch {
	case v == unknown:
		p.doubt = &to
	case v == answered && done:
		p.replaced(to)
	case v == answered:
		p.odd("a new password by a "+to.how, got)
	}
	return v
}

// issue is an app's sign-in.
func (p *patron) issue() verdict {
	token, got, v := p.try(p.password)
	if v == answered {
		if p.token = token; token == "" {
			p.odd("the right password", got)
		}
	}
	return v
}

// guess is a wrong password.
func (p *patron) guess() verdict {
	token, got, v := p.try("wrong-" + p.password)
	if v == answered && token != "" {
		p.odd("a wrong password", got)
	}
	return v
}

// try signs in over the web API, and counts what is to be counted.
func (p *patron) try(password string) (token string, got answer, v verdict) {
	got, v = p.ask(p.guest("", "").request("POST", "/rest/V1/integration/customer/token", map[string]string{"username": p.email, "password": password}))
	switch {
	case v == unheard:
	case v == answered && got.status == http.StatusUnauthorized:
		p.wrong++
	case v == answered && got.status == http.StatusOK:
		p.wrong = 0
		token = strings.Trim(strings.TrimSpace(got.body), `"`)
	case v == unknown && password == p.password:
		p.wrong = 0
	case v == answered:
		p.odd("signing in over the web API", got)
	}
	return token, got, v
}

// force is an administrator's Force Sign-In.
func (p *patron) force() verdict {
	g := p.guest("", "")
	g.bearer = p.boss
	got, v := p.ask(g.request("DELETE", fmt.Sprintf("/rest/V1/customers/%d/tokens", p.id), nil))
	switch {
	case v == unknown:
		p.token = ""
	case v == answered && got.status == http.StatusOK:
		p.end(&p.token, "token")
	case v == answered:
		p.odd("Force Sign-In", got)
	}
	return v
}

func (p *patron) register() verdict {
	if p.newcomer != nil {
		return answered
	}
	n := &newcomer{guest: p.guest("", ""), email: p.fresh("newcomer") + "." + p.email, password: p.fresh("first")}
	got, v := p.ask(n.request("POST", "/customer/account/createpost", url.Values{"firstname": {"Noor"}, "lastname": {"Haddad"},
		"email": {n.email}, "password": {n.password}, "password_confirmation": {n.password}}))
	if v == answered {
		if n.keep(got); got.status != http.StatusSeeOther {
			p.odd("registering", got)
		}
		n.asked = true
		p.newcomer = n
		p.asked = append(p.asked, time.Now())
	}
	return v
}

func (p *patron) confirm() verdict {
	n := p.newcomer
	found := mailedSecret.FindStringSubmatch(p.a.post.letters(n.email)[0].text)
	if found == nil {
		p.a.t.Errorf("the letter to %s holds no link", n.email)
		return answered
	}
	n.key = found[1]
	n.cookies["rekey-confirmation-base"] = n.key
	got, v := p.ask(n.request("POST", "/customer/account/confirmpost", url.Values{}))
	switch {
	case v == unheard:
		return v
	case v == unknown:
		n.doubted = true
	case got.status != http.StatusSeeOther:
		p.odd("confirming a registration", got)
	default:
		n.open = true
		p.opened, p.newcomer = append(p.opened, n), nil
	}
	return v
}

// settle finds out what became of what was not answered. It is one or the other, and from then on it is in the books.
func (p *patron) settle() {
	if d := p.doubt; d != nil {
		p.doubt = nil
		switch token, got, v := p.try(d.password); {
		case v != answered:
			p.odd("signing in with a password that may be set", got)
		case token != "":
			p.replaced(*d)
		}
	}
	if n := p.newcomer; n != nil && n.doubted {
		n.doubted = false
		got := p.a.tries(luneHost, n.email, n.password)
		if got.status == http.StatusOK {
			n.open = true
			p.opened, p.newcomer = append(p.opened, n), nil
		}
	}
}
