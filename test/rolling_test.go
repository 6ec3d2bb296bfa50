package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// TestARollingRestartFailsNobody stops and starts one node after the other under load, behind a proxy that asks each node whether
// it is ready. Every shopper is answered. Without the drain a request now and then was not: its connection had been opened, and
// the node had not taken it yet when it left.
//
// After each start a link that was asked for at one node is spent at the other, and a token of the one is good at the other.
func TestARollingRestartFailsNobody(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, a *arena) {
		proxy := a.behindAProxy()
		crowd := a.shopping(proxy)
		for round := range rounds(t, 2, 20) {
			for k := range a.nodes {
				a.nodes[k].stop()
				a.revive(k)
				a.understandEachOther(fmt.Sprintf("rolling%d.%d@example.com", round, k), a.nodes[k], a.nodes[1-k])
				crowd.goesOn() // in between, both nodes work
			}
		}
		crowd.end()
	})
}

// onTwoNodes runs f on two nodes that drain before they stop, with one shopper and without limits.
func onTwoNodes(t *testing.T, f func(t *testing.T, a *arena)) {
	t.Helper()
	beside(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		if engine != dbtest.Postgres {
			t.Skip("a SQLite file belongs to one node")
		}
		a := arenaOf(newStore(t, engine, append([]string{"--drain", "2s"}, racing...)...), engine)
		a.unlimited()
		a.customer(shopper, "Camille", "Durand", oldPassword)
		f(t, a)
	})
}

// understandEachOther holds that what one node gave is good at another: a link once, and a token until the password is new.
func (a *arena) understandEachOther(email string, one, other *seat) {
	a.t.Helper()
	a.customer(email, "Camille", "Durand", oldPassword)
	ask := func(node *seat, r *http.Request, want int) answer {
		a.t.Helper()
		got, err := a.send(node, r)
		if err != nil || got.status != want {
			a.t.Fatalf("%s %s gives %d, want %d: %v %.200s", r.Method, r.URL.Path, got.status, want, err, got.body)
		}
		return got
	}
	me := newGuest(luneHost)
	signIn := map[string]string{"username": email, "password": oldPassword}
	me.bearer = strings.Trim(strings.TrimSpace(ask(one, newGuest(luneHost).request("POST", "/rest/V1/integration/customer/token", signIn), http.StatusOK).body), `"`)
	ask(other, me.request("GET", "/rest/V1/customers/me", nil), http.StatusOK)
	ask(one, newGuest(luneHost).request("POST", "/customer/account/forgotpasswordpost", url.Values{"email": {email}}), http.StatusSeeOther)
	secret := a.post.wait(email, 1).secret()
	ask(other, resetByAPI(email, secret, newPassword), http.StatusOK)
	ask(one, resetByAPI(email, secret, oldPassword), http.StatusBadRequest)
	ask(one, me.request("GET", "/rest/V1/customers/me", nil), http.StatusUnauthorized)
}

// shoppers are the load of a restart: eight browsers and programs at a time that come and go, each of whom must be answered.
type shoppers struct {
	a            *arena
	over         atomic.Bool
	sent, failed atomic.Int64
	all          sync.WaitGroup
}

func (a *arena) shopping(proxy string) *shoppers {
	c := &shoppers{a: a}
	for i := range 8 {
		c.all.Go(func() {
			for n := 0; !c.over.Load(); n++ {
				g := newGuest(luneHost)
				requests := []*http.Request{
					g.request("GET", "/customer/account/login", nil),
					g.request("POST", "/customer/account/forgotpasswordpost", url.Values{"email": {fmt.Sprintf("nobody%d.%d@example.com", i, n)}}),
					g.request("POST", "/rest/V1/integration/customer/token", map[string]string{"username": shopper, "password": oldPassword}),
				}
				r := requests[n%len(requests)]
				r.Host, r.URL.Host = luneHost, proxy
				c.sent.Add(1)
				response, err := a.wire.Do(r)
				if err != nil {
					c.failed.Add(1)
					a.test.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
					return
				}
				text, _ := io.ReadAll(response.Body) // only shown
				response.Body.Close()
				if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusSeeOther {
					c.failed.Add(1)
					a.test.Errorf("%s %s: %d %.200s", r.Method, r.URL.Path, response.StatusCode, text)
					return
				}
			}
		})
	}
	return c
}

// goesOn waits until some more have been answered.
func (c *shoppers) goesOn() {
	c.a.t.Helper()
	before := c.sent.Load()
	if err := eventually(starting, func() error {
		if c.sent.Load() < before+100 {
			return errors.New("the load stands still")
		}
		return nil
	}); err != nil {
		c.a.t.Error(err)
	}
}

func (c *shoppers) end() {
	c.over.Store(true)
	c.all.Wait()
	c.a.t.Logf("%d requests, %d failed", c.sent.Load(), c.failed.Load())
}

// behindAProxy gives the address of a proxy in front of the nodes. It sends to those that were ready a moment ago.
func (a *arena) behindAProxy() string {
	a.t.Helper()
	ready := make([]atomic.Bool, len(a.nodes))
	var asking sync.WaitGroup
	for k, node := range a.nodes {
		listen := node.listen
		ready[k].Store(true)
		asking.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					got, err := a.send(&seat{listen: listen}, newGuest(luneHost).request("GET", "/readyz", nil))
					ready[k].Store(err == nil && got.status == http.StatusOK)
				case <-a.t.Context().Done():
					return
				}
			}
		})
	}
	a.t.Cleanup(asking.Wait)
	var turn atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true}, // as nginx does by default
		Rewrite: func(r *httputil.ProxyRequest) {
			n := int(turn.Add(1)) % len(ready)
			for range ready {
				if ready[n].Load() {
					break
				}
				n = (n + 1) % len(ready)
			}
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", a.nodes[n].listen, r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	})
	a.test.Cleanup(proxy.Close)
	return proxy.Listener.Addr().String()
}

// TestAPostThatComesAgainDoesNothingMore sends each POST three times, byte for byte, over both nodes, as a proxy that repeats and
// a shopper who clicks twice do. It has one effect.
func TestAPostThatComesAgainDoesNothingMore(t *testing.T) {
	eachArena(t, func(t *testing.T, a *arena) {
		a.unlimited("customer/password/max_requests_per_client", "customer/signin/max_failures_per_client")
		a.administrator()
		const path = "/customer/account/"
		form := func(pairs ...string) url.Values {
			v := url.Values{}
			for i := 0; i+1 < len(pairs); i += 2 {
				v.Set(pairs[i], pairs[i+1])
			}
			return v
		}
		staff := func() *guest {
			g := newGuest(luneHost)
			a.does(g, "POST", "/admin/login", form("username", boss, "password", bossWord))
			return g
		}
		lines := func(action string) string {
			return `SELECT COUNT(*) FROM audit WHERE outcome = '' AND action = '` + action + `'`
		}
		letters := func(kind string) string { return `SELECT COUNT(*) FROM letters WHERE kind = '` + kind + `'` }
		for i, r := range []struct {
			why     string
			request func(email string) *http.Request
			effects []string // each is raised by one
		}{
			{"asking for a link", func(email string) *http.Request {
				return newGuest(luneHost).request("POST", path+"forgotpasswordpost", form("email", email))
			}, []string{letters("forgot"), lines("password_reset.requested")}},
			{"a new password behind a link", func(email string) *http.Request {
				g := newGuest(luneHost)
				a.open(g, "createpassword", a.link(email, 1))
				return g.request("POST", path+"resetpasswordpost", form("password", newPassword, "password_confirmation", newPassword))
			}, []string{letters("password_changed"), lines("password_reset.completed")}},
			{"a new password on the account page", func(email string) *http.Request {
				return a.signedIn(luneHost, email, oldPassword).request("POST", path+"editpost",
					form("current_password", oldPassword, "password", newPassword, "password_confirmation", newPassword))
			}, []string{letters("password_changed"), lines("password.changed")}},
			{"registering", func(email string) *http.Request {
				return newGuest(luneHost).request("POST", path+"createpost", form("firstname", "Noor", "lastname", "Haddad", "email", "new."+email,
					"password", newPassword, "password_confirmation", newPassword))
			}, []string{letters("registration"), lines("registration.requested")}},
			{"confirming a registration", func(email string) *http.Request {
				g := newGuest(luneHost)
				a.does(g, "POST", path+"createpost", form("firstname", "Noor", "lastname", "Haddad", "email", "new."+email,
					"password", newPassword, "password_confirmation", newPassword))
				a.open(g, "confirm", a.mailed("new."+email, 1))
				return g.request("POST", path+"confirmpost", form())
			}, []string{letters("welcome"), lines("customer.created"), `SELECT COUNT(*) FROM customers`}},
			{"asking for a new address", func(email string) *http.Request {
				return a.signedIn(luneHost, email, oldPassword).request("POST", path+"editemailpost", form("email", "new."+email, "current_password", oldPassword))
			}, []string{letters("email_change"), letters("email_change_requested")}},
			{"confirming a new address", func(email string) *http.Request {
				g := a.signedIn(luneHost, email, oldPassword)
				a.does(g, "POST", path+"editemailpost", form("email", "new."+email, "current_password", oldPassword))
				a.open(g, "confirmemail", a.mailed("new."+email, 1))
				return g.request("POST", path+"confirmemailpost", form())
			}, []string{letters("email_changed"), lines("customer.updated")}},
			{"signing out", func(email string) *http.Request {
				return a.signedIn(luneHost, email, oldPassword).request("POST", path+"logout", form())
			}, []string{lines("session.ended")}},
			{"an administrator's Reset Password", func(email string) *http.Request {
				id := a.count(`SELECT id FROM customers WHERE email = $1`, email)
				return staff().request("POST", fmt.Sprintf("/admin/customers/%d/reset-password", id), form())
			}, []string{letters("reset_by_store"), lines("password_reset.sent_by_store")}},
			{"an administrator's Force Sign-In", func(email string) *http.Request {
				id := a.count(`SELECT id FROM customers WHERE email = $1`, email)
				a.tries(luneHost, email, oldPassword)
				return staff().request("POST", fmt.Sprintf("/admin/customers/%d/force-sign-in", id), form())
			}, []string{letters("tokens_revoked"), lines("tokens.revoked")}},
		} {
			a.row(r.why, func() {
				email := fmt.Sprintf("again%02d@example.com", i)
				a.customer(email, "Camille", "Durand", oldPassword)
				request := r.request(email)
				a.queueIsEmpty(draining)
				var before, after []int64
				for _, effect := range r.effects {
					before = append(before, a.count(effect)+1)
				}
				a.volley([]*http.Request{request})
				var again []*http.Request
				for range 2 {
					copied := request.Clone(t.Context())
					copied.Body, _ = request.GetBody() // made from a string, which cannot fail
					again = append(again, copied)
				}
				for _, got := range a.volley(again) {
					if got.status >= 500 {
						a.t.Errorf("again, it gives %d", got.status)
					}
				}
				for _, effect := range r.effects {
					after = append(after, a.count(effect))
				}
				if fmt.Sprint(before) != fmt.Sprint(after) {
					a.t.Errorf("%v are counted, want %v of %q", after, before, r.effects)
				}
			})
		}
	})
}
