package test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/test/fixture"
)

const proofKey = "a-verifier-of-at-least-forty-three-characters"

// asks begins an authorization of an app in a customer's browser and gives the number under which it waits.
func (a *arena) asks(g *guest, app string) string {
	a.t.Helper()
	sum := sha256.Sum256([]byte(proofKey))
	q := url.Values{"client_id": {app}, "redirect_uri": {appBack}, "response_type": {"code"}, "scope": {"openid email offline_access"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	got := a.does(g, "GET", "/oauth2/authorize?"+q.Encode(), nil)
	to, err := url.Parse(got.header.Get("Location"))
	if err != nil || to.Query().Get("request") == "" {
		a.t.Fatalf("authorizing gives %d to %q", got.status, got.header.Get("Location"))
	}
	return to.Query().Get("request")
}

func decision(request string) url.Values {
	return url.Values{"request": {request}, "decision": {"allow"}}
}

// code lets a customer allow an app and gives what the app gets.
func (a *arena) code(host, app, email string) string {
	a.t.Helper()
	g := a.signedIn(host, email, oldPassword)
	got := a.does(g, "POST", "/customer/account/connect", decision(a.asks(g, app)))
	to, err := url.Parse(got.header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		a.t.Fatalf("allowing an app gives %d to %q", got.status, got.header.Get("Location"))
	}
	return to.Query().Get("code")
}

// grant is what the token endpoint gives.
type grant struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func granted(a answer) (g grant) {
	_ = json.Unmarshal([]byte(a.body), &g) // an answer that is no JSON grants nothing
	return g
}

// tokenRequest is an app's request at the token endpoint; pairs are its fields.
func tokenRequest(host, app, word string, pairs ...string) *http.Request {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := newGuest(host).request("POST", "/oauth2/token", form)
	r.SetBasicAuth(app, word)
	return r
}

func redeeming(host, app, word, code string) *http.Request {
	return tokenRequest(host, app, word, "grant_type", "authorization_code", "code", code, "redirect_uri", appBack, "code_verifier", proofKey)
}

func refreshing(host, app, word, refresh string) *http.Request {
	return tokenRequest(host, app, word, "grant_type", "refresh_token", "refresh_token", refresh)
}

// asked is send for a node that must answer.
func (a *arena) asked(r *http.Request) answer {
	a.t.Helper()
	got, err := a.send(a.nodes[0], r)
	if err != nil {
		a.t.Fatal(err)
	}
	return got
}

func yesToAnApp(app string) func(*arena, string) ([]*http.Request, func([]answer)) {
	return func(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
		a.customer(email, "Camille", "Durand", oldPassword)
		g := a.signedIn(luneHost, email, oldPassword)
		request := a.asks(g, app)
		for range crowd {
			crowded = append(crowded, g.request("POST", "/customer/account/connect", decision(request)))
		}
		return crowded, func(answers []answer) {
			for _, got := range answers {
				if strings.HasPrefix(got.header.Get("Location"), appBack+"?code=") {
					got.header.Set("Location", "the app")
				}
			}
			a.oneOf(answers, []string{"303 the app"}, []string{"410"})
		}
	}
}

func codeOfAnApp(app, word string) func(*arena, string) ([]*http.Request, func([]answer)) {
	return func(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
		a.customer(email, "Camille", "Durand", oldPassword)
		code := a.code(luneHost, app, email)
		for range crowd {
			crowded = append(crowded, redeeming(luneHost, app, word, code))
		}
		return crowded, func(answers []answer) {
			a.oneOf(answers, []string{"200"}, []string{"400"})
			for _, got := range answers {
				if got.status != http.StatusOK {
					continue
				}
				// Somebody else has shown the code: nobody can tell who is the thief, so the first one's tokens are dead too.
				won := granted(got)
				if status := a.userInfo(luneHost, won.Access); status != http.StatusUnauthorized {
					a.t.Errorf("the access token of a code that was shown again gives %d", status)
				}
				if again := a.asked(refreshing(luneHost, app, word, won.Refresh)); granted(again).Error != "invalid_grant" {
					a.t.Errorf("its refresh token gives %d", again.status)
				}
			}
		}
	}
}

// userInfo asks whom an app's access token stands for.
func (a *arena) userInfo(host, access string) int {
	a.t.Helper()
	g := newGuest(host)
	g.bearer = access
	return a.does(g, "GET", "/oauth2/userinfo", nil).status
}

func refreshToken(app, word string) func(*arena, string) ([]*http.Request, func([]answer)) {
	return func(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
		a.customer(email, "Camille", "Durand", oldPassword)
		first := granted(a.asked(redeeming(luneHost, app, word, a.code(luneHost, app, email))))
		for range crowd {
			crowded = append(crowded, refreshing(luneHost, app, word, first.Refresh))
		}
		return crowded, func(answers []answer) {
			heads := map[string]int{}
			successor := ""
			for _, got := range answers {
				if got.status != http.StatusServiceUnavailable {
					successor = granted(got).Refresh
					heads[successor]++
				}
			}
			if len(heads) != 1 || successor == "" || successor == first.Refresh || heads[successor] < crowd/2 {
				a.t.Fatalf("the crowd was answered %v with %d refresh tokens; an app that lost the answer must get the same one", tally(answers), len(heads))
			}
			next := granted(a.asked(refreshing(luneHost, app, word, successor)))
			if next.Refresh == "" || a.userInfo(luneHost, next.Access) != http.StatusOK {
				a.t.Fatal("the successor does not work")
			}
			// The grace is over once the successor was used: whoever shows the first one now is a thief, or was robbed.
			if late := a.asked(refreshing(luneHost, app, word, first.Refresh)); granted(late).Error != "invalid_grant" {
				a.t.Errorf("the first refresh token gives %d", late.status)
			}
			if status := a.userInfo(luneHost, next.Access); status != http.StatusUnauthorized {
				a.t.Errorf("the family lives on: %d", status)
			}
		}
	}
}

// verifier has an integration come back with its verifier after the callback was answered: the last step of OAuth 1.0a.
func verifier(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	var us fixture.OAuth1
	send := func(method, path string) *http.Request {
		us.Nonce, us.At = rand.Text(), time.Now().Unix()
		r := newGuest(luneHost).request(method, path, nil)
		r.Header.Set("Authorization", us.Header(method, "http://"+luneHost+path))
		return r
	}
	side := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		us = fixture.OAuth1{ConsumerKey: r.PostFormValue("oauth_consumer_key"), ConsumerSecret: r.PostFormValue("oauth_consumer_secret"),
			Verifier: r.PostFormValue("oauth_verifier")}
	}))
	defer side.Close()
	a.rekey("", "integration", "create", "--name", email, "--resource", "customers.view", "--callback-url", side.URL, "--dev")
	a.rekey("", "integration", "activate", email, "--dev")
	told := us.Verifier
	us.Verifier = ""
	take := func(got answer) {
		pair, err := url.ParseQuery(got.body)
		if err != nil || pair.Get("oauth_token") == "" {
			a.t.Fatalf("a step of the handshake gives %d", got.status)
		}
		us.Token, us.TokenSecret = pair.Get("oauth_token"), pair.Get("oauth_token_secret")
	}
	take(a.asked(send("POST", "/oauth/token/request")))
	us.Verifier = told
	for range crowd {
		crowded = append(crowded, send("POST", "/oauth/token/access"))
	}
	return crowded, func(answers []answer) {
		a.oneOf(answers, []string{"200"}, []string{"401"})
		for _, got := range answers {
			if got.status == http.StatusOK {
				take(got)
			}
		}
		us.Verifier = ""
		if got := a.asked(send("GET", "/rest/V1/customers/1")); got.status != http.StatusOK {
			a.t.Errorf("the one access token gives %d", got.status)
		}
	}
}
