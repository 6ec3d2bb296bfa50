package token_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

const (
	back     = "https://app.test/back"
	verifier = "a-verifier-of-forty-three-characters-at-least"
)

var challenge = base64.RawURLEncoding.EncodeToString(secret.Digest(secret.NewText(verifier)))

// connection is an app, its customer and the server that both go to.
type connection struct {
	*fixture.House
	server *token.OAuth2
	app    token.Client
	word   secret.Text
	who    customer.Customer
}

func connect(t *testing.T, d *db.DB) *connection {
	t.Helper()
	c := &connection{House: fixture.Furnish(t, d)}
	c.server = &token.OAuth2{DB: d, Key: c.Key}
	c.app, c.word = c.register("lune_en", true)
	c.who = c.Customer("lune_en", "camille@lune.test")
	return c
}

// register makes an app of a store view's website.
func (c *connection) register(view string, confidential bool) (token.Client, secret.Text) {
	c.T.Helper()
	app, word, err := c.Tokens.CreateClient(ctx, admin.CommandLine(admin.ManagePrograms), token.NewClient{WebsiteID: c.View(view).WebsiteID,
		Name: "Lune App", RedirectURIs: []string{back}, Confidential: confidential}, audit.Origin{})
	if err != nil {
		c.T.Fatal(err)
	}
	return app, word
}

// request is what a well-behaved app asks; pairs change it.
func (c *connection) request(pairs ...string) url.Values {
	q := url.Values{"client_id": {c.app.ClientID}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid profile email offline_access"},
		"state": {"s1"}, "nonce": {"n1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if q.Del(pairs[i]); pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// signed is the customer, signed in now.
func (c *connection) signed() signin.Signed {
	c.T.Helper()
	v := c.View("lune_en")
	opened, err := c.SignIn.SignIn(ctx, v, c.who.Email, secret.NewText(fixture.Password), fixture.Origin)
	if err != nil {
		c.T.Fatal(err)
	}
	who, err := c.SignIn.Check(ctx, v, opened.Secret)
	if err != nil {
		c.T.Fatal(err)
	}
	return who
}

// code lets the customer say yes.
func (c *connection) code(pairs ...string) secret.Text {
	c.T.Helper()
	v := c.View("lune_en")
	id, refused, err := c.server.Ask(ctx, v, c.request(pairs...), false, fixture.Origin)
	if err != nil || refused != "" {
		c.T.Fatalf("the request was refused: %s, %v", refused, err)
	}
	answer, err := c.server.Allow(ctx, v, c.signed(), id, fixture.Origin)
	if err != nil {
		c.T.Fatal(err)
	}
	u, err := url.Parse(answer)
	if err != nil || !strings.HasPrefix(answer, back+"?") || u.Query().Get("state") != "s1" || u.Query().Get("iss") != "https://lune.test" {
		c.T.Fatalf("the answer is %s, %v", answer, err)
	}
	return secret.NewText(u.Query().Get("code"))
}

func (c *connection) redeem(code secret.Text) (token.Grant, error) {
	return c.server.Redeem(ctx, c.View("lune_en"), c.app, code, back, verifier, fixture.Origin)
}

func (c *connection) refresh(refresh secret.Text) (token.Grant, error) {
	return c.server.Refresh(ctx, c.View("lune_en"), c.app, refresh, "", fixture.Origin)
}

func (c *connection) granted() token.Grant {
	c.T.Helper()
	g, err := c.redeem(c.code())
	if err != nil {
		c.T.Fatal(err)
	}
	return g
}

func (c *connection) alive(given secret.Text) bool {
	c.T.Helper()
	i, err := c.server.Introspect(ctx, c.View("lune_en"), c.app, given)
	if err != nil {
		c.T.Fatal(err)
	}
	return i.Active
}

func refusal(err error) string {
	f, _ := fault.As(err)
	if f == nil {
		return ""
	}
	return strings.TrimPrefix(f.Key, "oauth2.")
}

// Promise: PKCE S256 is required; what is wrong is told to the app, at its registered address only.
func TestAuthorizationRequestsAreJudged(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		c := connect(t, d)
		for _, r := range []struct{ why, name, value, want string }{
			{"PKCE is not optional", "code_challenge", "", "invalid_request"},
			{"plain shows the verifier", "code_challenge_method", "plain", "invalid_request"},
			{"no method means plain in RFC 7636", "code_challenge_method", "", "invalid_request"},
			{"no SHA-256", "code_challenge", "abc", "invalid_request"},
			{"the implicit flow", "response_type", "token", "unsupported_response_type"},
			{"the hybrid flow", "response_type", "code id_token", "unsupported_response_type"},
			{"nothing asked", "response_type", "", "invalid_request"},
			{"answers go into the query only", "response_mode", "fragment", "invalid_request"},
			{"request objects", "request", "e30", "request_not_supported"},
			{"request objects from elsewhere", "request_uri", "https://x.test", "request_uri_not_supported"},
			{"unknown scopes alone", "scope", "root", "invalid_scope"},
			{"nobody is signed in", "prompt", "none", "login_required"},
			{"contradiction", "prompt", "none login", "invalid_request"},
			{"no number", "max_age", "-1", "invalid_request"},
		} {
			_, answer, err := c.server.Ask(ctx, c.View("lune_en"), c.request(r.name, r.value), false, fixture.Origin)
			u, _ := url.Parse(answer)
			if err != nil || !strings.HasPrefix(answer, back+"?") || u.Query().Get("error") != r.want || u.Query().Get("state") != "s1" ||
				u.Query().Get("iss") != "https://lune.test" || u.Query().Has("code") {
				t.Errorf("%s: %s, %v", r.why, answer, err)
			}
		}
		repeated := c.request()
		repeated.Add("scope", "email")
		if _, answer, err := c.server.Ask(ctx, c.View("lune_en"), repeated, false, fixture.Origin); err != nil || !strings.Contains(answer, "error=invalid_request") {
			t.Errorf("a repeated parameter: %s, %v", answer, err)
		}
	})
}

// Promise: an address that is not registered byte by byte is never gone to.
func TestRedirectURIsAreExact(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		c := connect(t, d)
		for _, r := range []struct{ why, uri string }{
			{"suffix", back + "/more"}, {"parent", back + "/../back"}, {"case of the path", "https://app.test/Back"},
			{"case of the host", "https://APP.test/back"}, {"port", "https://app.test:443/back"}, {"query", back + "?x=1"}, {"fragment", back + "#x"},
			{"plain http", "http://app.test/back"}, {"user name", "https://app.test@evil.test/back"}, {"another host", "https://app.test.evil.test/back"},
			{"slash", back + "/"}, {"none", ""}, {"script", "javascript:alert(1)"},
		} {
			id, answer, err := c.server.Ask(ctx, c.View("lune_en"), c.request("redirect_uri", r.uri), false, fixture.Origin)
			if !fault.Is(err, fault.Invalid) || answer != "" || !id.IsEmpty() {
				t.Errorf("%s: %q, %v", r.why, answer, err)
			}
		}
		foreign, _ := c.register("nord_en", false)
		for _, id := range []string{foreign.ClientID, "app_nobody", ""} {
			if _, answer, err := c.server.Ask(ctx, c.View("lune_en"), c.request("client_id", id), false, fixture.Origin); !fault.Is(err, fault.Invalid) || answer != "" {
				t.Errorf("app %q: %q, %v", id, answer, err)
			}
		}
	})
}

func TestOnlySafeAddressesAreRegistered(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		for uri, want := range map[string]bool{
			"https://app.test/back": true, "https://app.test:8443/back?x=1": true, "http://127.0.0.1:7777/back": true, "http://[::1]/back": true,
			"http://localhost:3000/cb": true, "com.example.app:/back": true,
			"http://app.test/back": false, "https://app.test/#x": false, "https://u@app.test/": false, "https://*.app.test/": false, "/back": false,
			"javascript:alert(1)": false, "data:text/html,x": false, "https:///x": false, "https://app.test/a b": false, "https://app.test;x/": false, "myapp:/back": false,
		} {
			_, _, err := h.Tokens.CreateClient(ctx, admin.CommandLine(admin.ManagePrograms), token.NewClient{WebsiteID: h.View("lune_en").WebsiteID,
				Name: "App", RedirectURIs: []string{uri}}, audit.Origin{})
			if (err == nil) != want || err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", uri, err)
			}
		}
	})
}

// Promise: a code is bound to its app, its address, its verifier, its store view and one minute.
func TestCodesAreBound(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		c := connect(t, d)
		other, _ := c.register("lune_en", false)
		lune, code := c.View("lune_en"), c.code()
		for _, r := range []struct {
			why string
			try func() (token.Grant, error)
		}{
			{"another app", func() (token.Grant, error) {
				return c.server.Redeem(ctx, lune, other, code, back, verifier, fixture.Origin)
			}},
			{"another address", func() (token.Grant, error) {
				return c.server.Redeem(ctx, lune, c.app, code, back+"2", verifier, fixture.Origin)
			}},
			{"another verifier", func() (token.Grant, error) {
				return c.server.Redeem(ctx, lune, c.app, code, back, verifier+"x", fixture.Origin)
			}},
			{"no verifier", func() (token.Grant, error) { return c.server.Redeem(ctx, lune, c.app, code, back, "", fixture.Origin) }},
			{"a short verifier", func() (token.Grant, error) {
				return c.server.Redeem(ctx, lune, c.app, code, back, verifier[:42], fixture.Origin)
			}},
			{"a long verifier", func() (token.Grant, error) {
				return c.server.Redeem(ctx, lune, c.app, code, back, strings.Repeat("v", 129), fixture.Origin)
			}},
			{"the challenge itself", func() (token.Grant, error) {
				return c.server.Redeem(ctx, lune, c.app, code, back, challenge, fixture.Origin)
			}},
			{"another store view", func() (token.Grant, error) {
				return c.server.Redeem(ctx, c.View("lune_fr"), c.app, code, back, verifier, fixture.Origin)
			}},
			{"as a refresh token", func() (token.Grant, error) { return c.refresh(code) }},
		} {
			if g, err := r.try(); refusal(err) != "invalid_grant" || !g.Access.IsEmpty() {
				t.Errorf("%s: %v", r.why, err)
			}
		}
		if _, err := c.redeem(code); err != nil {
			t.Errorf("as it should be: %v", err)
		}
		code = c.code()
		clock.Advance(61 * time.Second)
		if _, err := c.redeem(code); refusal(err) != "invalid_grant" {
			t.Errorf("after a minute: %v", err)
		}
	})
}

// Promise: of many redemptions on two nodes one wins at most, and the others end what it got.
func TestACodeIsRedeemedOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		c := connect(t, a)
		nodes := []*token.OAuth2{c.server, {DB: b, Key: c.Key}}
		code, view := c.code(), c.View("lune_en")
		var mu sync.Mutex
		var won []token.Grant
		var racing sync.WaitGroup
		for i := range 20 {
			racing.Go(func() {
				g, err := nodes[i%2].Redeem(ctx, view, c.app, code, back, verifier, fixture.Origin)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, g)
				} else if refusal(err) != "invalid_grant" {
					t.Errorf("a loser: %v", err)
				}
			})
		}
		racing.Wait()
		if len(won) != 1 {
			t.Fatalf("%d redemptions won", len(won))
		}
		if c.alive(won[0].Access) || c.alive(won[0].Refresh) {
			t.Error("what the first redemption gave outlived the second")
		}
	})
}

// Promise: a refresh token works once; a spent one ends its family, except for the app's own second try.
func TestRefreshTokensRotate(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		c := connect(t, a)
		other := &token.OAuth2{DB: b, Key: c.Key}
		first := c.granted()
		second, err := c.refresh(first.Refresh)
		if err != nil || second.Refresh.Equal(first.Refresh) || second.Access.Equal(first.Access) {
			t.Fatalf("refreshing: %v", err)
		}
		again, err := other.Refresh(ctx, c.View("lune_en"), c.app, first.Refresh, "", fixture.Origin)
		if err != nil || !again.Refresh.Equal(second.Refresh) {
			t.Fatalf("a lost answer, asked for again: %v", err)
		}
		third, err := c.refresh(second.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.refresh(first.Refresh); refusal(err) != "invalid_grant" {
			t.Errorf("a spent token whose successor was used: %v", err)
		}
		if c.alive(third.Refresh) || c.alive(third.Access) || c.alive(first.Access) {
			t.Error("the family outlived the reuse")
		}

		first = c.granted()
		if second, err = c.refresh(first.Refresh); err != nil {
			t.Fatal(err)
		}
		clock.Advance(11 * time.Second)
		if _, err := c.refresh(first.Refresh); refusal(err) != "invalid_grant" {
			t.Errorf("a spent token after the grace: %v", err)
		}
		if c.alive(second.Refresh) || c.alive(second.Access) {
			t.Error("the family outlived the reuse after the grace")
		}
	})
}

// Promise: two refreshes at once, on two nodes, leave one head.
func TestRacingRefreshesAgree(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		c := connect(t, a)
		nodes := []*token.OAuth2{c.server, {DB: b, Key: c.Key}}
		first, view := c.granted(), c.View("lune_en")
		got := make([]token.Grant, 8)
		var racing sync.WaitGroup
		for i := range got {
			racing.Go(func() {
				var err error
				if got[i], err = nodes[i%2].Refresh(ctx, view, c.app, first.Refresh, "", fixture.Origin); err != nil {
					t.Errorf("refresh %d: %v", i, err)
				}
			})
		}
		racing.Wait()
		for _, g := range got {
			if !g.Refresh.Equal(got[0].Refresh) {
				t.Error("two refresh tokens came of one")
			}
		}
		if !c.alive(got[0].Refresh) {
			t.Error("the one that is left is dead")
		}
	})
}

// Promise: the life of a family is absolute, and a narrower scope can be asked for, never a wider one.
func TestRefreshingNeitherProlongsNorWidens(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		c := connect(t, d)
		g, err := c.redeem(c.code("scope", "openid offline_access"))
		if err != nil {
			t.Fatal(err)
		}
		view := c.View("lune_en")
		if _, err := c.server.Refresh(ctx, view, c.app, g.Refresh, "openid email", fixture.Origin); refusal(err) != "invalid_scope" {
			t.Errorf("a wider scope: %v", err)
		}
		narrow, err := c.server.Refresh(ctx, view, c.app, g.Refresh, "openid", fixture.Origin)
		if err != nil || narrow.Scope != "openid" || narrow.Refresh.IsEmpty() {
			t.Fatalf("a narrower scope: %+v, %v", narrow.Scope, err)
		}
		for range 3 {
			clock.Advance(9 * 24 * time.Hour)
			if narrow, err = c.refresh(narrow.Refresh); err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(3*24*time.Hour + time.Second)
		if _, err := c.refresh(narrow.Refresh); refusal(err) != "invalid_grant" {
			t.Errorf("after thirty days: %v", err)
		}
		if g, err := c.redeem(c.code("scope", "openid email")); err != nil || !g.Refresh.IsEmpty() {
			t.Errorf("a refresh token without offline_access: %v", err)
		}
	})
}

// Promise: Force Sign-In, Disconnect and deleting the app end access tokens, refresh tokens and unredeemed codes at once.
func TestEveryRevocationReachesOAuth(t *testing.T) {
	for name, end := range map[string]func(c *connection) error{
		"force sign-in": func(c *connection) error {
			r, err := c.Tokens.Force(ctx, admin.CommandLine(admin.ForceSignIn), c.who.ID, false, audit.Origin{})
			if err == nil && r.Tokens != 3 {
				c.T.Errorf("the receipt says %d tokens", r.Tokens)
			}
			return err
		},
		"disconnect": func(c *connection) error { return c.server.Disconnect(ctx, c.who, c.app.ID, fixture.Origin) },
		"the app is deleted": func(c *connection) error {
			return c.Tokens.DeleteClient(ctx, admin.CommandLine(admin.ManagePrograms), c.app.ClientID, audit.Origin{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
				c := connect(t, d)
				g, code := c.granted(), c.code()
				if !c.alive(g.Access) || !c.alive(g.Refresh) {
					t.Fatal("the tokens were dead before")
				}
				if err := end(c); err != nil {
					t.Fatal(err)
				}
				if c.alive(g.Access) || c.alive(g.Refresh) {
					t.Error("a token lived on")
				}
				if _, err := c.redeem(code); refusal(err) != "invalid_grant" {
					t.Errorf("the unredeemed code: %v", err)
				}
				if _, err := c.refresh(g.Refresh); refusal(err) != "invalid_grant" {
					t.Errorf("the refresh token: %v", err)
				}
				if _, err := c.server.UserInfo(ctx, c.View("lune_en"), g.Access); refusal(err) != "invalid_token" {
					t.Errorf("userinfo: %v", err)
				}
			})
		})
	}
}

// Promise: a token says nothing at another issuer, and an app ends its own tokens only.
func TestTokensStayInTheirStoreView(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		c := connect(t, d)
		g := c.granted()
		nord, _ := c.register("nord_en", true)
		public, _ := c.register("lune_en", false)
		neighbour, _ := c.register("lune_en", true)
		lune := c.View("lune_en")
		for view, app := range map[string]token.Client{"nord_en": nord, "lune_fr": c.app} {
			if i, err := c.server.Introspect(ctx, c.View(view), app, g.Access); err != nil || i != (token.Introspection{}) {
				t.Errorf("introspection at %s: %+v, %v", view, i, err)
			}
			if _, err := c.server.UserInfo(ctx, c.View(view), g.Access); refusal(err) != "invalid_token" {
				t.Errorf("userinfo at %s: %v", view, err)
			}
		}
		if _, err := c.server.Introspect(ctx, lune, public, g.Access); refusal(err) != "invalid_client" {
			t.Errorf("introspection without a secret: %v", err)
		}
		if i, err := c.server.Introspect(ctx, lune, neighbour, g.Access); err != nil || !i.Active || i.ClientID != c.app.ClientID || i.Issuer != "https://lune.test" {
			t.Errorf("a resource server of the store: %+v, %v", i, err)
		}
		if i, err := c.server.Introspect(ctx, lune, neighbour, g.Refresh); err != nil || i.Active {
			t.Errorf("another app's refresh token: %+v, %v", i, err)
		}
		if err := c.server.Revoke(ctx, lune, neighbour, g.Refresh, fixture.Origin); err != nil || !c.alive(g.Refresh) {
			t.Errorf("another app revoked it: %v", err)
		}
		if err := c.server.Revoke(ctx, lune, c.app, secret.NewText("nonsense"), fixture.Origin); err != nil {
			t.Errorf("nonsense: %v", err)
		}
		if err := c.server.Revoke(ctx, lune, c.app, g.Access, fixture.Origin); err != nil || c.alive(g.Access) || !c.alive(g.Refresh) {
			t.Errorf("an access token alone: %v", err)
		}
		if err := c.server.Revoke(ctx, lune, c.app, g.Refresh, fixture.Origin); err != nil || c.alive(g.Refresh) {
			t.Errorf("the family: %v", err)
		}
		if _, err := c.Tokens.Check(ctx, c.granted().Access); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("an app's token at the web API, which it was not granted: %v", err)
		}
	})
}

func TestAppsProveWhoTheyAre(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		c := connect(t, d)
		public, _ := c.register("lune_en", false)
		for _, r := range []struct {
			why, view, id string
			word          secret.Text
			want          bool
		}{
			{"its secret", "lune_en", c.app.ClientID, c.word, true},
			{"another view of its website", "lune_fr", c.app.ClientID, c.word, true},
			{"no secret", "lune_en", c.app.ClientID, secret.Text{}, false},
			{"another secret", "lune_en", c.app.ClientID, secret.Random(), false},
			{"another store", "nord_en", c.app.ClientID, c.word, false},
			{"nobody", "lune_en", "app_nobody", secret.Text{}, false},
			{"a public app", "lune_en", public.ClientID, secret.Text{}, true},
			{"a public app with a secret", "lune_en", public.ClientID, secret.Random(), false},
		} {
			_, err := c.server.Authenticate(ctx, c.View(r.view), r.id, r.word)
			if (err == nil) != r.want || err != nil && refusal(err) != "invalid_client" {
				t.Errorf("%s: %v", r.why, err)
			}
		}
	})
}

// Promise: a request is decided once, by whoever is signed in, in its store view; prompt=login asks for the password anew.
func TestRequestsAreDecidedOnce(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		c := connect(t, d)
		lune, who := c.View("lune_en"), c.signed()
		ask := func(pairs ...string) secret.Text {
			id, refused, err := c.server.Ask(ctx, lune, c.request(pairs...), true, fixture.Origin)
			if err != nil || refused != "" {
				t.Fatalf("%s, %v", refused, err)
			}
			return id
		}
		id := ask()
		if _, err := c.server.Allow(ctx, c.View("lune_fr"), who, id, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("in another store view: %v", err)
		}
		if answer, err := c.server.Deny(ctx, lune, id); err != nil || !strings.Contains(answer, "error=access_denied") || !strings.Contains(answer, "iss=") {
			t.Errorf("no: %s, %v", answer, err)
		}
		if _, err := c.server.Allow(ctx, lune, who, id, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("yes after no: %v", err)
		}
		clock.Advance(time.Minute)
		id = ask("prompt", "login")
		if _, err := c.server.Allow(ctx, lune, who, id, fixture.Origin); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("an old session, where the app wants the password anew: %v", err)
		}
		if _, err := c.server.Allow(ctx, lune, c.signed(), id, fixture.Origin); err != nil {
			t.Errorf("a new session: %v", err)
		}
		id = ask()
		clock.Advance(16 * time.Minute)
		if _, err := c.server.Allow(ctx, lune, who, id, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("a quarter of an hour later: %v", err)
		}
		stale := c.signed()
		id = ask()
		if _, err := c.Tokens.RevokeOwn(ctx, token.Bearer{CustomerID: c.who.ID}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		answer, err := c.server.Allow(ctx, lune, stale, id, fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(answer)
		if _, err := c.redeem(secret.NewText(u.Query().Get("code"))); refusal(err) != "invalid_grant" {
			t.Errorf("a code that was being made while the tokens were revoked: %v", err)
		}
	})
}
