package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

const storeURL = "https://lune.test"

var manage = admin.CommandLine(admin.ManagePrograms)

// add makes an integration that may view customers.
func add(h *fixture.House, name, callback string) token.Integration {
	h.T.Helper()
	made, err := h.Tokens.AddIntegration(ctx, manage, token.NewIntegration{Name: name, Email: "erp@lune.test", CallbackURL: callback,
		Rights: []admin.Right{admin.ViewCustomers}}, audit.Origin{})
	if err != nil {
		h.T.Fatal(err)
	}
	return made
}

// activate gives an integration without a callback its credentials, ready to sign with.
func activate(h *fixture.House, id int64, clock *dbtest.Clock) fixture.OAuth1 {
	h.T.Helper()
	a, err := h.Tokens.Activate(ctx, manage, id, fixture.Origin)
	if err != nil {
		h.T.Fatal(err)
	}
	c := a.Credentials
	return fixture.OAuth1{ConsumerKey: c.ConsumerKey, ConsumerSecret: c.ConsumerSecret.Reveal(), Token: c.AccessToken.Reveal(),
		TokenSecret: c.AccessSecret.Reveal(), Nonce: "nonce-1", At: clock.Now().Unix()}
}

// signed makes a request of the web API.
func signed(o fixture.OAuth1, query string) token.Signed {
	address := storeURL + "/rest/V1/customers/search"
	if query != "" {
		address += "?" + query
	}
	return token.Signed{Method: "GET", Origin: storeURL, Path: "/rest/V1/customers/search", Query: query, Authorization: o.Header("GET", address)}
}

func refused(t *testing.T, why, key string, err error) {
	t.Helper()
	if f, ok := fault.As(err); !ok || f.Key != "oauth1."+key {
		t.Errorf("%s: %v, want %s", why, err, key)
	}
}

func TestAnIntegrationSignsItsCalls(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		i := add(h, "ERP", "")
		if i.Active {
			t.Error("an integration is active before anybody activated it")
		}
		creds := activate(h, i.ID, clock)
		b, err := h.Tokens.CheckSigned(ctx, signed(creds, "searchCriteria%5BpageSize%5D=1&a=b+c"))
		if err != nil || b.Kind != token.IntegrationToken || b.IntegrationID != i.ID {
			t.Fatalf("a signed call: %+v, %v", b, err)
		}
		var program admin.Program
		var list []token.Integration
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			if program, err = token.Program(ctx, tx, b); err != nil {
				return err
			}
			list, err = token.Integrations(ctx, tx)
			return err
		})
		if _, err := admin.AllowProgram(program, admin.ViewCustomers); err != nil {
			t.Errorf("what it was granted: %v", err)
		}
		if _, err := admin.AllowProgram(program, admin.ResetPassword); !fault.Is(err, fault.Forbidden) {
			t.Errorf("what it was not granted: %v", err)
		}
		if len(list) != 1 || !list[0].Active || !list[0].LastUsedAt.Equal(clock.Now().UTC()) {
			t.Errorf("the list says %+v", list)
		}

		for _, r := range []struct {
			key, why string
			change   func(*fixture.OAuth1)
		}{
			{"signature", "another consumer secret", func(o *fixture.OAuth1) { o.ConsumerSecret = creds.TokenSecret }},
			{"signature", "another token secret", func(o *fixture.OAuth1) { o.TokenSecret = "" }},
			{"token", "another token", func(o *fixture.OAuth1) { o.Token = creds.TokenSecret }},
			{"token", "another consumer", func(o *fixture.OAuth1) { o.ConsumerKey = "nobody" }},
			{"required", "no token", func(o *fixture.OAuth1) { o.Token = "" }},
			{"method", "HMAC-SHA1", func(o *fixture.OAuth1) { o.Method = "HMAC-SHA1" }},
			{"method", "PLAINTEXT", func(o *fixture.OAuth1) { o.Method = "PLAINTEXT" }},
			{"timestamp", "signed 601 seconds ago", func(o *fixture.OAuth1) { o.At -= 601 }},
			{"timestamp", "signed 601 seconds ahead", func(o *fixture.OAuth1) { o.At += 601 }},
			{"nonce", "sent again", func(o *fixture.OAuth1) { o.Nonce = "nonce-1" }},
		} {
			other := creds
			other.Nonce = "nonce-2"
			r.change(&other)
			_, err := h.Tokens.CheckSigned(ctx, signed(other, "searchCriteria%5BpageSize%5D=1&a=b+c"))
			refused(t, r.why, r.key, err)
		}
		creds.Nonce = "nonce-3"
		for why, change := range map[string]func(*token.Signed){
			"another parameter": func(q *token.Signed) { q.Query = "a=2" }, "one more": func(q *token.Signed) { q.Query = "a=1&a=1" },
			"another path": func(q *token.Signed) { q.Path += "/1" }, "another method": func(q *token.Signed) { q.Method = "DELETE" },
			"another host": func(q *token.Signed) { q.Origin = "https://nord.test" }, "a form": func(q *token.Signed) { q.Form = "b=1" },
		} {
			q := signed(creds, "a=1")
			change(&q)
			_, err := h.Tokens.CheckSigned(ctx, q)
			refused(t, why, "signature", err)
		}
		if _, err := h.Tokens.CheckSigned(ctx, signed(creds, "a=1")); err != nil {
			t.Errorf("refused calls have used up a nonce: %v", err)
		}
	})
}

// Promise: a request that somebody recorded is worth nothing, whichever node it is sent to, and for ever.
func TestASignedCallCountsOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		nodes := []*fixture.House{fixture.Furnish(t, a), fixture.Open(t, b)}
		creds := activate(nodes[0], add(nodes[0], "ERP", "").ID, clock)
		answers := make(chan error)
		const tries = 8
		for n := range tries {
			go func() {
				_, err := nodes[n%2].Tokens.CheckSigned(ctx, signed(creds, ""))
				answers <- err
			}()
		}
		passed := 0
		for range tries {
			if err := <-answers; err == nil {
				passed++
			} else {
				refused(t, "the same call again", "nonce", err)
			}
		}
		if passed != 1 {
			t.Errorf("%d of %d passed", passed, tries)
		}
		clock.Advance(token.SignedWithin)
		nodes[0].Write(func(ctx context.Context, tx *db.Tx) error { _, err := token.SweepNonces(ctx, tx, 10); return err })
		_, err := nodes[1].Tokens.CheckSigned(ctx, signed(creds, ""))
		refused(t, "at the end of the window, after housekeeping", "nonce", err)
		for _, step := range []time.Duration{time.Hour, -2 * time.Hour} { // the clock is wrong while housekeeping works, both ways
			clock.Advance(step)
			nodes[0].Write(func(ctx context.Context, tx *db.Tx) error { _, err := token.SweepNonces(ctx, tx, 10); return err })
		}
		clock.Advance(time.Hour)
		_, err = nodes[1].Tokens.CheckSigned(ctx, signed(creds, ""))
		refused(t, "after a clock that was wrong, with housekeeping", "nonce", err)
		clock.Advance(2*time.Hour + 2*time.Minute)
		nodes[0].Write(func(ctx context.Context, tx *db.Tx) error {
			n, err := token.SweepNonces(ctx, tx, 10)
			if n != 1 {
				t.Errorf("housekeeping took %d nonces", n)
			}
			return err
		})
		_, err = nodes[1].Tokens.CheckSigned(ctx, signed(creds, ""))
		refused(t, "when the nonce is forgotten", "timestamp", err)
	})
}

func TestActivatingAgainEndsTheOldSecretsOnEveryNode(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		i := add(h, "ERP", "")
		old := activate(h, i.ID, clock)
		fresh := activate(h, i.ID, clock)
		if old.ConsumerSecret == fresh.ConsumerSecret || old.Token == fresh.Token || old.TokenSecret == fresh.TokenSecret {
			t.Error("a secret has stayed")
		}
		_, err := other.Tokens.CheckSigned(ctx, signed(old, ""))
		refused(t, "the old credentials", "token", err)
		mixed := fresh
		mixed.ConsumerSecret = old.ConsumerSecret
		_, err = other.Tokens.CheckSigned(ctx, signed(mixed, ""))
		refused(t, "the old consumer secret", "signature", err)
		if _, err := other.Tokens.CheckSigned(ctx, signed(fresh, "")); err != nil {
			t.Errorf("the new credentials: %v", err)
		}
		if _, err := h.Tokens.DeleteIntegration(ctx, manage, i.ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		fresh.Nonce = "after"
		_, err = other.Tokens.CheckSigned(ctx, signed(fresh, ""))
		refused(t, "after it was deleted", "token", err)
		if _, err := h.Tokens.DeleteIntegration(ctx, manage, i.ID, fixture.Origin); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleting it again: %v", err)
		}
	})
}

// otherSide is an integration's server: it takes the callback, and goes on when told to.
type otherSide struct {
	*httptest.Server
	told   url.Values
	status int
}

func listen(t *testing.T) *otherSide {
	o := &otherSide{status: http.StatusOK}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
			t.Errorf("the callback was called by %s: %v", r.Method, err)
		}
		o.told = r.PostForm
		if o.status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(o.status)
	}))
	t.Cleanup(o.Close)
	return o
}

func step(o fixture.OAuth1, path string) token.Signed {
	return token.Signed{Method: "POST", Origin: storeURL, Path: path, Authorization: o.Header("POST", storeURL+path)}
}

func TestTheHandshakeGivesTheOtherSideItsToken(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Shop.AllowHTTP = true
		side := listen(t)
		i := add(h, "ERP", side.URL+"/callback")
		a, err := h.Tokens.Activate(ctx, manage, i.ID, fixture.Origin)
		if err != nil || !a.Handed() || a.Credentials != (token.Credentials{}) || a.Integration.Active {
			t.Fatalf("activating: %+v, %v", a, err)
		}
		if side.told.Get("store_base_url") != storeURL+"/" || len(side.told) != 4 {
			t.Errorf("the callback was told %d things, and the base URL %q", len(side.told), side.told.Get("store_base_url"))
		}
		us := fixture.OAuth1{ConsumerKey: side.told.Get("oauth_consumer_key"), ConsumerSecret: side.told.Get("oauth_consumer_secret"), Nonce: "1", At: clock.Now().Unix()}
		early := us
		early.Token, early.Verifier = "none", side.told.Get("oauth_verifier")
		_, err = h.Tokens.AccessToken(ctx, step(early, "/oauth/token/access"), fixture.Origin)
		refused(t, "the last step first", "token", err)
		request, err := h.Tokens.RequestToken(ctx, step(us, "/oauth/token/request"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Tokens.RequestToken(ctx, step(us, "/oauth/token/request"))
		refused(t, "the first step again", "token", err)

		us.Token, us.TokenSecret, us.Nonce = request.Token.Reveal(), request.Secret.Reveal(), "2"
		us.Verifier = "wrong"
		_, err = h.Tokens.AccessToken(ctx, step(us, "/oauth/token/access"), fixture.Origin)
		refused(t, "another verifier", "verifier", err)
		us.Verifier = side.told.Get("oauth_verifier")
		access, err := h.Tokens.AccessToken(ctx, step(us, "/oauth/token/access"), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		us.Nonce = "3"
		_, err = h.Tokens.AccessToken(ctx, step(us, "/oauth/token/access"), fixture.Origin)
		refused(t, "the last step again", "expired", err)
		_, err = h.Tokens.CheckSigned(ctx, signed(us, ""))
		refused(t, "a call with the request token", "token", err)
		us.Token, us.TokenSecret, us.Verifier = access.Token.Reveal(), access.Secret.Reveal(), ""
		if _, err := h.Tokens.CheckSigned(ctx, signed(us, "")); err != nil {
			t.Errorf("a call with the access token: %v", err)
		}
	})
}

func TestAHandshakeDoesNotWait(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Shop.AllowHTTP = true
		side := listen(t)
		i := add(h, "ERP", side.URL)
		if _, err := h.Tokens.Activate(ctx, manage, i.ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		clock.Advance(token.HandshakeWithin)
		us := fixture.OAuth1{ConsumerKey: side.told.Get("oauth_consumer_key"), ConsumerSecret: side.told.Get("oauth_consumer_secret"), Nonce: "1", At: clock.Now().Unix()}
		_, err := h.Tokens.RequestToken(ctx, step(us, "/oauth/token/request"))
		refused(t, "five minutes later", "expired", err)

		side.status = http.StatusFound
		_, err = h.Tokens.Activate(ctx, manage, i.ID, fixture.Origin)
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "302") {
			t.Errorf("a callback that sends elsewhere: %v", err)
		}
		side.Close()
		if _, err = h.Tokens.Activate(ctx, manage, i.ID, fixture.Origin); !fault.Is(err, fault.Conflict) {
			t.Errorf("a callback that is not there: %v", err)
		}
	})
}

func TestSecretsAreNotSentIntoTheStoresOwnNetwork(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		side := listen(t)
		_, port, _ := strings.Cut(strings.TrimPrefix(side.URL, "http://"), ":")
		for n, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
			h.Set(shop.PrivateCallbacks, "1")
			i := add(h, "ERP "+strconv.Itoa(n), "https://"+host+":"+port)
			h.Set(shop.PrivateCallbacks, "0")
			_, err := h.Tokens.Activate(ctx, manage, i.ID, fixture.Origin)
			if err == nil || !strings.Contains(err.Error(), "private address") {
				t.Errorf("%s: %v", host, err)
			}
			h.Set(shop.PrivateCallbacks, "1")
			if _, err = h.Tokens.Activate(ctx, manage, i.ID, fixture.Origin); err == nil || strings.Contains(err.Error(), "private address") {
				t.Errorf("%s, where the setting allows it: %v", host, err) // it speaks no TLS
			}
		}
		if side.told != nil {
			t.Error("the callback was told")
		}
	})
}

func TestWhatAnIntegrationIsMadeOf(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		add(h, "ERP", "")
		good := token.NewIntegration{Name: "Other", Rights: []admin.Right{admin.ViewCustomers}}
		for _, r := range []struct {
			field, why string
			change     func(*token.NewIntegration)
		}{
			{"name", "no name", func(n *token.NewIntegration) { n.Name = " " }},
			{"name", "a name that is taken", func(n *token.NewIntegration) { n.Name = "ERP" }},
			{"email", "no address", func(n *token.NewIntegration) { n.Email = "erp" }},
			{"callback_url", "plain http", func(n *token.NewIntegration) { n.CallbackURL = "http://erp.test" }},
			{"callback_url", "another scheme", func(n *token.NewIntegration) { n.CallbackURL = "file:///etc/passwd" }},
			{"identity_url", "a script", func(n *token.NewIntegration) { n.IdentityURL = "javascript:alert(1)" }},
			{"identity_url", "a user name", func(n *token.NewIntegration) { n.IdentityURL = "https://lune.test@erp.test" }},
			{"resources", "nothing granted", func(n *token.NewIntegration) { n.Rights = nil }},
			{"resources", "a right without a door", func(n *token.NewIntegration) { n.Rights = []admin.Right{admin.ManageAdmins} }},
		} {
			n := good
			r.change(&n)
			_, err := h.Tokens.AddIntegration(ctx, manage, n, fixture.Origin)
			if !slices.ContainsFunc(fault.List(err), func(f *fault.Error) bool { return f.Field == r.field }) {
				t.Errorf("%s: %v", r.why, err)
			}
		}
		if _, err := h.Tokens.AddIntegration(ctx, admin.CommandLine(admin.ViewCustomers), good, fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("with a permit for something else: %v", err)
		}
		scoped, err := admin.Allow(admin.Admin{ID: 1, Active: true, Role: admin.Owner, WebsiteID: h.View("nord_en").WebsiteID}, admin.ManagePrograms)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Tokens.AddIntegration(ctx, scoped, good, fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("by an administrator of one website: %v", err)
		}
	})
}
