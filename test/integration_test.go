package test

import (
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
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
