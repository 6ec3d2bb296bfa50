package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	appBack  = "http://127.0.0.1:9/back" // nobody listens there: the test is the app
	appOwner = "camille@example.com"
	appWord  = "first-secret-7"
)

// app registers an app at the command line.
func (s *store) app(flags ...string) (id, word string) {
	s.t.Helper()
	out := s.rekey("", append([]string{"oauth-client", "create", "--website", "base", "--name", "Lune App", "--redirect-uri", appBack,
		"--logout-uri", appBack, "--json"}, flags...)...)
	var made struct {
		ID   string `json:"client_id"`
		Word string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.ID == "" {
		s.t.Fatalf("oauth-client create said %v", err)
	}
	return made.ID, made.Word
}

// visitor is a customer's browser without the pictures: it keeps cookies, fills in forms, and stops where the app is.
type visitor struct {
	t      *testing.T
	client *http.Client
}

var hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), appBack) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// sent is a page, or the address at the app that the browser was sent to.
type sent struct {
	status     int
	at, app    string
	body       string
	hiddenForm url.Values
}

func (v *visitor) read(r *http.Response, err error) sent {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	got := sent{status: r.StatusCode, at: r.Request.URL.String(), app: r.Header.Get("Location"), body: string(text), hiddenForm: url.Values{}}
	for _, m := range hiddenInput.FindAllStringSubmatch(got.body, -1) {
		got.hiddenForm.Set(m[1], m[2])
	}
	return got
}

// post sends the form of a page with more fields, as the page would.
func (v *visitor) post(s *store, page sent, path string, pairs ...string) sent {
	v.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		page.hiddenForm.Set(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(page.hiddenForm.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.read(v.client.Do(r))
}

// allow signs in where the app wants it, says yes, and gives the address at the app.
func (v *visitor) allow(s *store, visit string) string {
	v.t.Helper()
	page := v.read(v.client.Get(visit))
	if strings.Contains(page.at, "/login") {
		page = v.post(s, page, "/customer/account/loginpost", "login[username]", appOwner, "login[password]", appWord)
	}
	if page.status != http.StatusOK || !strings.Contains(page.body, "Connect Lune App") {
		v.t.Fatalf("there is no page of consent at %s: %d", page.at, page.status)
	}
	page = v.post(s, page, "/customer/account/connect", "decision", "allow")
	if page.status != http.StatusSeeOther || !strings.HasPrefix(page.app, appBack+"?") {
		v.t.Fatalf("allowing ended with %d", page.status)
	}
	return page.app
}

// The whole round of an app that is written with the libraries that most Go programs use.
func TestAGoProgramSignsItsCustomersIn(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(appOwner, "Camille", "Laurent", appWord)
		for name, flags := range map[string][]string{"public": nil, "confidential": {"--confidential"}} {
			t.Run(name, func(t *testing.T) {
				ctx := context.Background()
				id, word := s.app(flags...)
				provider, err := oidc.NewProvider(ctx, s.url)
				if err != nil {
					t.Fatal(err)
				}
				config := oauth2.Config{ClientID: id, ClientSecret: word, Endpoint: provider.Endpoint(), RedirectURL: appBack,
					Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess}}
				verifier := oauth2.GenerateVerifier()
				answer := newVisitor(t).allow(s, config.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(verifier)))
				q, err := url.Parse(answer)
				if err != nil || q.Query().Get("state") != "state-1" || q.Query().Get("iss") != s.url {
					t.Fatalf("the answer lacks state or iss: %v", err)
				}
				tokens, err := config.Exchange(ctx, q.Query().Get("code"), oauth2.VerifierOption(verifier))
				if err != nil {
					t.Fatal(err)
				}
				raw, _ := tokens.Extra("id_token").(string)
				identity, err := provider.Verifier(&oidc.Config{ClientID: id}).Verify(ctx, raw)
				if err != nil {
					t.Fatal(err)
				}
				if err := identity.VerifyAccessToken(tokens.AccessToken); err != nil || identity.Nonce != "nonce-1" || identity.Issuer != s.url {
					t.Errorf("the id token: nonce %q, issuer %q, %v", identity.Nonce, identity.Issuer, err)
				}
				user, err := provider.UserInfo(ctx, config.TokenSource(ctx, tokens))
				if err != nil || user.Subject != identity.Subject || user.Email != appOwner || !user.EmailVerified {
					t.Errorf("userinfo: %+v, %v", user, err)
				}
				old := *tokens
				old.Expiry = time.Now().Add(-time.Minute)
				fresh, err := config.TokenSource(ctx, &old).Token()
				if err != nil || fresh.RefreshToken == tokens.RefreshToken || fresh.AccessToken == tokens.AccessToken {
					t.Fatalf("refreshing: %v", err)
				}
				s.rekey("", "customer", "force-sign-in", appOwner)
				if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(fresh)); err == nil {
					t.Error("the access token outlived Force Sign-In")
				}
				fresh.Expiry = old.Expiry
				var refused *oauth2.RetrieveError
				if _, err := config.TokenSource(ctx, fresh).Token(); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
					t.Errorf("the refresh token after Force Sign-In: %v", err)
				}
			})
		}
	})
}

// npmFolder gives a folder with a script of ours and the library of npm that it drives, at the versions and hashes of the
// package-lock.json beside it.
func npmFolder(t *testing.T, from, script string) string {
	t.Helper()
	_, err := exec.LookPath("npm")
	if err != nil && !complete() {
		t.Skip("npm is not here")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", script} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// The whole round of an app that is written with openid-client, which the OpenID Foundation has certified.
func TestANodeProgramSignsItsCustomersIn(t *testing.T) {
	whole(t)
	dir := npmFolder(t, "npm2", "round.mjs")
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(appOwner, "Camille", "Laurent", appWord)
		for name, flags := range map[string][]string{"public": nil, "confidential": {"--confidential"}} {
			t.Run(name, func(t *testing.T) {
				id, word := s.app(flags...)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				app := exec.CommandContext(ctx, "node", "round.mjs", s.url, id, word, appBack)
				app.Dir = dir
				var complaint strings.Builder
				app.Stderr = &complaint
				in, err1 := app.StdinPipe()
				out, err2 := app.StdoutPipe()
				if err := errors.Join(err1, err2, app.Start()); err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewScanner(out)
				if !lines.Scan() {
					t.Fatalf("the app did not begin: %v\n%s", app.Wait(), &complaint)
				}
				if _, err := io.WriteString(in, newVisitor(t).allow(s, lines.Text())+"\n"); err != nil {
					t.Fatal(err)
				}
				var learned struct {
					Claims, User  map[string]any
					Before, After map[string]any
					Rotated       bool
					Refused, End  string
				}
				lines.Scan()
				last := lines.Text()
				if err := app.Wait(); err != nil {
					t.Fatalf("the app: %v\n%s", err, &complaint)
				}
				if err := json.Unmarshal([]byte(last), &learned); err != nil {
					t.Fatal(err)
				}
				if learned.User["email"] != appOwner || learned.User["name"] != "Camille Laurent" || learned.Claims["iss"] != s.url || learned.Claims["aud"] != id {
					t.Errorf("claims %v, user %v", learned.Claims, learned.User)
				}
				if !learned.Rotated || learned.Refused != "invalid_grant" || !strings.HasPrefix(learned.End, s.url+"/oauth2/logout?") {
					t.Errorf("rotated %v, a revoked refresh token: %q, end-session at %s", learned.Rotated, learned.Refused, learned.End)
				}
				if word != "" && (learned.Before["active"] != true || len(learned.After) != 1 || learned.After["active"] != false) {
					t.Errorf("introspection before %v, after %v", learned.Before, learned.After)
				}
			})
		}
	})
}
