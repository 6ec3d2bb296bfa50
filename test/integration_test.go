package test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/test/fixture"
)

// called is what the store answered to one call of a client.
type called struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body"`
}

// commerceClient runs magento-api-rest, a public client of Adobe Commerce's REST API, as it comes from npm.
func commerceClient(t *testing.T, dir string, options map[string]any, calls ...[]any) []called {
	t.Helper()
	in, err := json.Marshal(map[string]any{"options": options, "calls": calls})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := exec.CommandContext(ctx, "node", "client.cjs")
	client.Dir = dir
	var complaint strings.Builder
	client.Stdin, client.Stderr = strings.NewReader(string(in)), &complaint
	out, err := client.Output()
	var answers []called
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil || len(answers) != len(calls) {
		t.Fatalf("the client: %v: %s", err, complaint.String())
	}
	return answers
}

// A program that was written for Adobe Commerce goes on when its base URL is changed: it signs its calls, reaches what
// its integration was granted and nothing else, and is locked out when the integration is authorized again.
func TestAClientWrittenForCommerceSignsItsCalls(t *testing.T) {
	whole(t)
	dir := npmFolder(t, "npm", "client.cjs")
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.customer("b+c@example.com", "Noël", "Moreau", oldPassword)
		s.rekey("", "integration", "create", "--name", "ERP", "--resource", "customers.view", "--resource", "customers.force_sign_in")
		activate := func() map[string]any {
			var c map[string]string
			if err := json.Unmarshal([]byte(s.rekey("", "integration", "activate", "ERP", "--json")), &c); err != nil {
				t.Fatal("integration activate --json gives no JSON")
			}
			return map[string]any{"url": s.url, "sha": 256, "consumerKey": c["consumer_key"], "consumerSecret": c["consumer_secret"],
				"accessToken": c["access_token"], "tokenSecret": c["access_token_secret"]}
		}
		options := activate()
		got := commerceClient(t, dir, options,
			[]any{"get", "customers/search", map[string]any{"firstname": "Noël"}},
			[]any{"get", "customers/1", nil},
			[]any{"delete", "customers/1", nil},
			[]any{"get", "customers/search", map[string]any{"email": shopper, "$perPage": 1, "$sort": map[string]any{"created_at": "desc"}}})
		for i, want := range []struct {
			status int
			holds  string
			why    string
		}{
			{http.StatusOK, `"Moreau"`, "a search with signs that must be encoded"},
			{http.StatusOK, `"Camille"`, "one customer"},
			{http.StatusUnauthorized, "Magento_Customer::delete", "what it was not granted"},
			{http.StatusOK, `"total_count":1`, "a page of a sorted search"},
		} {
			if got[i].Status != want.status || !strings.Contains(string(got[i].Body), want.holds) {
				t.Errorf("%s: %d %s", want.why, got[i].Status, got[i].Body)
			}
		}
		if bare := s.ask(http.MethodGet, "/rest/V1/customers/1", options["accessToken"].(string), "", ""); bare.status != http.StatusUnauthorized {
			t.Errorf("the access token by itself gives %d", bare.status)
		}
		weak := map[string]any{}
		for k, v := range options {
			weak[k] = v
		}
		weak["sha"] = 1
		if got := commerceClient(t, dir, weak, []any{"get", "customers/1", nil}); got[0].Status != http.StatusBadRequest {
			t.Errorf("signed with SHA-1: %d %s", got[0].Status, got[0].Body)
		}
		fresh := activate()
		if got := commerceClient(t, dir, options, []any{"get", "customers/1", nil}); got[0].Status != http.StatusUnauthorized {
			t.Errorf("the old secrets: %d", got[0].Status)
		}
		if got := commerceClient(t, dir, fresh, []any{"get", "customers/1", nil}); got[0].Status != http.StatusOK {
			t.Errorf("the new secrets: %d %s", got[0].Status, got[0].Body)
		}
	})
}

// An integration with a callback takes its secrets by the handshake of OAuth 1.0a while the callback is still being
// called, and its signed calls reach the store; a verifier, a request token and a nonce each work once.
func TestAnIntegrationTakesItsTokenByTheHandshake(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.rekey("", "store-view", "set", "default", "--base-url", s.url, "--dev")

		var us fixture.OAuth1
		send := func(method, address string) (int, url.Values, string) {
			us.Nonce, us.At = rand.Text(), time.Now().Unix()
			return signed(t, us, method, address)
		}
		var first fixture.OAuth1 // the first step, to be shown again
		side := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil || r.PostForm.Get("store_base_url") != s.url+"/" {
				t.Errorf("the callback was told %q", r.PostForm.Get("store_base_url"))
			}
			us = fixture.OAuth1{ConsumerKey: r.PostForm.Get("oauth_consumer_key"), ConsumerSecret: r.PostForm.Get("oauth_consumer_secret")}
			status, request, _ := send("POST", s.url+"/oauth/token/request")
			if status != http.StatusOK {
				t.Errorf("a request token: %d", status)
			}
			us.Token, us.TokenSecret, us.Verifier = request.Get("oauth_token"), request.Get("oauth_token_secret"), r.PostForm.Get("oauth_verifier")
			status, access, _ := send("POST", s.url+"/oauth/token/access")
			if status != http.StatusOK {
				t.Errorf("an access token: %d", status)
			}
			first = us
			us.Token, us.TokenSecret, us.Verifier = access.Get("oauth_token"), access.Get("oauth_token_secret"), ""
		}))
		defer side.Close()
		s.rekey("", "integration", "create", "--name", "ERP", "--resource", "customers.view", "--callback-url", side.URL, "--dev")
		if said := s.rekey("", "integration", "activate", "ERP", "--dev"); !strings.Contains(said, "was told") {
			t.Errorf("activate: %s", said)
		}
		one := s.url + "/rest/V1/customers/1"
		status, _, body := send("GET", one)
		if status != http.StatusOK || !strings.Contains(body, shopper) {
			t.Fatalf("a signed call: %d %s", status, body)
		}
		if status, _, _ := signed(t, us, "GET", one); status != http.StatusUnauthorized {
			t.Errorf("the same nonce again: %d", status)
		}
		if status, _, _ := signed(t, first, "POST", s.url+"/oauth/token/access"); status == http.StatusOK {
			t.Error("the last step of the handshake works twice")
		}
		if said := s.rekey("", "integration", "list"); !strings.Contains(said, "active") || strings.Contains(said, "inactive") {
			t.Errorf("the list says %s", said)
		}
	})
}

// signed sends one signed request and reads the answer, also as a form.
func signed(t *testing.T, o fixture.OAuth1, method, address string) (int, url.Values, string) {
	t.Helper()
	request, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", o.Header(method, address))
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	values, _ := url.ParseQuery(string(body)) // JSON is not one, and nobody asks then
	return answer.StatusCode, values, string(body)
}
