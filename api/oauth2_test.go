package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

const (
	appBack     = "https://app.test/back"
	appVerifier = "a-verifier-of-forty-three-characters-at-least"
)

// provider is a fixture with the OAuth 2 door before it.
type provider struct {
	*fixture.House
	server  *token.OAuth2
	handler http.Handler
	app     token.Client
	word    secret.Text
	public  token.Client
	known   map[string]bool // the customers that there are
}

func provide(t *testing.T, f func(t *testing.T, p *provider)) {
	t.Helper()
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		p := &provider{House: fixture.Furnish(t, d), known: map[string]bool{}}
		p.server = &token.OAuth2{DB: d, Key: p.Key}
		log := slog.New(slog.DiscardHandler)
		p.handler = web.Stack{Log: log, Clock: clock.Now, Fail: api.FailOAuth2}.Wrap(&api.OAuth2{Shop: p.Shop, Server: p.server, Log: log})
		n := token.NewClient{WebsiteID: p.View("lune_en").WebsiteID, Name: "Lune App", RedirectURIs: []string{appBack}}
		permit := admin.CommandLine(admin.ManagePrograms)
		var err error
		if p.public, _, err = p.Tokens.CreateClient(t.Context(), permit, n, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		n.Confidential = true
		if p.app, p.word, err = p.Tokens.CreateClient(t.Context(), permit, n, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		f(t, p)
	})
}

// send posts a form, or gets when there is none.
func (p *provider) send(host, path, basic, bearer string, pairs ...string) *httptest.ResponseRecorder {
	method, form := http.MethodGet, url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		method = http.MethodPost
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host = host
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if id, word, ok := strings.Cut(basic, ":"); ok {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(word))
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

func (p *provider) basic() string { return p.app.ClientID + ":" + p.word.Reveal() }

// code lets a customer say yes.
func (p *provider) code(app token.Client, email string) string {
	p.T.Helper()
	ctx, v := context.Background(), p.View("lune_en")
	if !p.known[email] {
		p.Customer("lune_en", email)
		p.known[email] = true
	}
	opened, err := p.SignIn.SignIn(ctx, v, email, secret.NewText(fixture.Password), fixture.Origin)
	if err != nil {
		p.T.Fatal(err)
	}
	who, err := p.SignIn.Check(ctx, v, opened.Secret)
	if err != nil {
		p.T.Fatal(err)
	}
	sum := secret.Digest(secret.NewText(appVerifier))
	id, _, err := p.server.Ask(ctx, v, url.Values{"client_id": {app.ClientID}, "redirect_uri": {appBack}, "response_type": {"code"}, "scope": {"openid email offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum)}, "code_challenge_method": {"S256"}}, true, fixture.Origin)
	if err != nil {
		p.T.Fatal(err)
	}
	back, err := p.server.Allow(ctx, v, who, id, fixture.Origin)
	if err != nil {
		p.T.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		p.T.Fatal(err)
	}
	return u.Query().Get("code")
}

// tokens redeems a code over HTTP.
func (p *provider) tokens(email string) map[string]any {
	p.T.Helper()
	w := p.send("lune.test", "/oauth2/token", p.basic(), "", "grant_type", "authorization_code", "code", p.code(p.app, email), "redirect_uri", appBack, "code_verifier", appVerifier)
	if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		p.T.Fatalf("the token endpoint: %d %v", w.Code, w.Header())
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		p.T.Fatal(err)
	}
	return got
}

func TestTokenEndpointTellsItsErrors(t *testing.T) {
	provide(t, func(t *testing.T, p *provider) {
		id := p.app.ClientID
		for _, r := range []struct {
			why, basic string
			pairs      []string
			status     int
			want       string
		}{
			{"the password grant", p.basic(), []string{"grant_type", "password", "username", "a", "password", "b"}, 400, "unsupported_grant_type"},
			{"client credentials", p.basic(), []string{"grant_type", "client_credentials"}, 400, "unsupported_grant_type"},
			{"no grant", p.basic(), []string{"code", "x"}, 400, "invalid_request"},
			{"no verifier", p.basic(), []string{"grant_type", "authorization_code", "code", "x", "redirect_uri", appBack}, 400, "invalid_request"},
			{"an unknown code", p.basic(), []string{"grant_type", "authorization_code", "code", "x", "redirect_uri", appBack, "code_verifier", appVerifier}, 400, "invalid_grant"},
			{"an unknown refresh token", p.basic(), []string{"grant_type", "refresh_token", "refresh_token", secret.Random().Reveal()}, 400, "invalid_grant"},
			{"nobody", "", []string{"grant_type", "refresh_token", "refresh_token", "x"}, 401, "invalid_client"},
			{"a wrong secret", id + ":wrong", []string{"grant_type", "refresh_token", "refresh_token", "x"}, 401, "invalid_client"},
			{"no secret", "", []string{"grant_type", "refresh_token", "refresh_token", "x", "client_id", id}, 401, "invalid_client"},
			{"two ways to say who", p.basic(), []string{"grant_type", "refresh_token", "refresh_token", "x", "client_secret", p.word.Reveal()}, 400, "invalid_request"},
			{"a repeated field", p.basic(), []string{"grant_type", "refresh_token", "grant_type", "refresh_token"}, 400, "invalid_request"},
		} {
			w := p.send("lune.test", "/oauth2/token", r.basic, "", r.pairs...)
			var got struct{ Error string }
			if json.Unmarshal(w.Body.Bytes(), &got) != nil || w.Code != r.status || got.Error != r.want || (w.Code == 401) != strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic") {
				t.Errorf("%s: %d %s %v", r.why, w.Code, w.Body, w.Header()["Www-Authenticate"])
			}
		}
		if w := p.send("lune.test", "/oauth2/token", "", ""); w.Code != 405 || w.Header().Get("Allow") != "POST" {
			t.Errorf("GET: %d %s", w.Code, w.Header().Get("Allow"))
		}
		w := p.send("lune.test", "/oauth2/token", "", "", "client_id", p.public.ClientID, "grant_type", "authorization_code", "code", p.code(p.public, "p@lune.test"),
			"redirect_uri", appBack, "code_verifier", appVerifier)
		if w.Code != 200 {
			t.Errorf("a public app: %d %s", w.Code, w.Body)
		}
	})
}

func TestRevocationAndIntrospectionOverHTTP(t *testing.T) {
	provide(t, func(t *testing.T, p *provider) {
		got := p.tokens("camille@lune.test")
		access, refresh := got["access_token"].(string), got["refresh_token"].(string)
		if got["token_type"] != "Bearer" || got["expires_in"] != float64(3600) || got["scope"] != "openid email offline_access" || len(access) != secret.TextLength {
			t.Errorf("the grant: %v, %v, %v", got["token_type"], got["expires_in"], got["scope"])
		}
		public := p.public.ClientID
		for _, r := range []struct {
			why, basic string
			pairs      []string
			path       string
			status     int
			body       string
		}{
			{"introspection of nobody", "", []string{"token", access}, "introspect", 401, "invalid_client"},
			{"introspection of an app without a secret", "", []string{"token", access, "client_id", public}, "introspect", 401, "invalid_client"},
			{"an unknown token", p.basic(), []string{"token", "x"}, "introspect", 200, `{"active":false}`},
			{"the access token", p.basic(), []string{"token", access}, "introspect", 200, `"iss":"https://lune.test"`},
			{"revocation by nobody", "", []string{"token", refresh}, "revoke", 401, "invalid_client"},
			{"revocation by another app", "", []string{"token", refresh, "client_id", public}, "revoke", 200, "{}"},
			{"which revoked nothing", p.basic(), []string{"token", refresh}, "introspect", 200, `"active":true`},
			{"revocation of nonsense", p.basic(), []string{"token", "x", "token_type_hint", "nonsense"}, "revoke", 200, "{}"},
			{"revocation", p.basic(), []string{"token", refresh}, "revoke", 200, "{}"},
			{"once more", p.basic(), []string{"token", refresh}, "revoke", 200, "{}"},
			{"all of it", p.basic(), []string{"token", access}, "introspect", 200, `{"active":false}`},
			{"nothing given", p.basic(), []string{"token_type_hint", "access_token"}, "revoke", 400, "invalid_request"},
		} {
			w := p.send("lune.test", "/oauth2/"+r.path, r.basic, "", r.pairs...)
			if w.Code != r.status || !strings.Contains(w.Body.String(), r.body) {
				t.Errorf("%s: %d %s", r.why, w.Code, w.Body)
			}
		}
	})
}

func TestUserInfoKnowsItsToken(t *testing.T) {
	provide(t, func(t *testing.T, p *provider) {
		access := p.tokens("camille@lune.test")["access_token"].(string)
		if w := p.send("lune.test", "/oauth2/userinfo", "", access); w.Code != 200 || !strings.Contains(w.Body.String(), `"email":"camille@lune.test","email_verified":true`) ||
			strings.Contains(w.Body.String(), "name") {
			t.Errorf("userinfo: %d %s", w.Code, w.Body)
		}
		p.known["zoe@lune.test"] = true
		p.Unproven("lune_en", "zoe@lune.test") // who may sign in, but nobody has shown whose the address is
		theirs := p.tokens("zoe@lune.test")["access_token"].(string)
		if w := p.send("lune.test", "/oauth2/userinfo", "", theirs); w.Code != 200 || !strings.Contains(w.Body.String(), `"email":"zoe@lune.test","email_verified":false`) {
			t.Errorf("userinfo of an address that nobody has proven: %d %s", w.Code, w.Body)
		}
		for _, r := range []struct{ why, host, path, bearer, want string }{
			{"no token", "lune.test", "/oauth2/userinfo", "", "Bearer"},
			{"an unknown token", "lune.test", "/oauth2/userinfo", secret.Random().Reveal(), `Bearer error="invalid_token"`},
			{"another store view", "lune.test", "/fr/oauth2/userinfo", access, `Bearer error="invalid_token"`},
			{"another store", "nord.test", "/oauth2/userinfo", access, `Bearer error="invalid_token"`},
		} {
			if w := p.send(r.host, r.path, "", r.bearer); w.Code != 401 || w.Header().Get("WWW-Authenticate") != r.want {
				t.Errorf("%s: %d %q", r.why, w.Code, w.Header().Get("WWW-Authenticate"))
			}
		}
	})
}

// Promise: the issuer is the base URL of the store view, and each view has a key of its own.
func TestEachStoreViewIsAnIssuer(t *testing.T) {
	provide(t, func(t *testing.T, p *provider) {
		keys := map[string]string{}
		for _, r := range []struct{ host, prefix, path, issuer string }{
			{"lune.test", "", "/.well-known/openid-configuration", "https://lune.test"},
			{"lune.test", "", "/.well-known/oauth-authorization-server", "https://lune.test"},
			{"lune.test", "/fr", "/fr/.well-known/openid-configuration", "https://lune.test/fr"},
			{"lune.test", "/fr", "/fr/.well-known/oauth-authorization-server", "https://lune.test/fr"},
			{"lune.test", "/fr", "/.well-known/oauth-authorization-server/fr", "https://lune.test/fr"},
			{"nord.test", "", "/.well-known/openid-configuration", "https://nord.test"},
		} {
			if !api.IsOAuth2(r.path) {
				t.Errorf("%s is not mounted", r.path)
			}
			w := p.send(r.host, r.path, "", "")
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["issuer"] != r.issuer || got["token_endpoint"] != r.issuer+"/oauth2/token" ||
				got["authorization_response_iss_parameter_supported"] != true || got["backchannel_logout_supported"] != true ||
				got["backchannel_logout_session_supported"] != false {
				t.Errorf("%s%s: %d %v", r.host, r.path, w.Code, got)
			}
			set := p.send(r.host, r.prefix+"/oauth2/jwks", "", "").Body.String()
			if strings.Contains(set, `"d"`) || !strings.Contains(set, `"ES256"`) {
				t.Errorf("the keys of %s", r.issuer)
			}
			if known, ok := keys[r.issuer]; ok && known != set {
				t.Errorf("%s has changed its keys", r.issuer)
			}
			keys[r.issuer] = set
		}
		if keys["https://lune.test"] == keys["https://lune.test/fr"] || keys["https://lune.test"] == keys["https://nord.test"] {
			t.Error("two issuers share a key")
		}
		if w := p.send("evil.test", "/.well-known/openid-configuration", "", ""); w.Code != 404 {
			t.Errorf("a host of nobody: %d", w.Code)
		}
	})
}

// Promise: a completed recovery ends access tokens, refresh tokens and unredeemed codes at once.
func TestANewPasswordEndsWhatAppsHold(t *testing.T) {
	provide(t, func(t *testing.T, p *provider) {
		ctx, view := context.Background(), p.View("lune_en")
		got := p.tokens("camille@lune.test")
		access, refresh := got["access_token"].(string), got["refresh_token"].(string)
		i, err := p.server.Introspect(ctx, view, p.app, secret.NewText(access))
		if err != nil || !i.Active {
			t.Fatalf("before: %+v, %v", i, err)
		}
		code := p.code(p.app, "camille@lune.test")
		customerID, err := strconv.ParseInt(i.Subject, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Recovery.Send(ctx, admin.CommandLine(admin.ResetPassword), customerID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		letters := p.Letters()
		_, link, _ := strings.Cut(letters[len(letters)-1].Button.URL.Reveal(), "token=")
		word := secret.NewText("another-secret-8")
		if _, err := p.Recovery.Complete(ctx, view, recovery.Reset{Link: secret.NewText(link), Password: word, Confirm: word}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		for what, w := range map[string]*httptest.ResponseRecorder{
			"the access token":  p.send("lune.test", "/oauth2/userinfo", "", access),
			"the refresh token": p.send("lune.test", "/oauth2/token", p.basic(), "", "grant_type", "refresh_token", "refresh_token", refresh),
			"the unredeemed code": p.send("lune.test", "/oauth2/token", p.basic(), "", "grant_type", "authorization_code", "code", code,
				"redirect_uri", appBack, "code_verifier", appVerifier),
		} {
			if w.Code != 401 && !strings.Contains(w.Body.String(), "invalid_grant") {
				t.Errorf("%s lived on: %d", what, w.Code)
			}
		}
	})
}
