package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/test/fixture"
)

// TestTheKeyIsChangedUnderLoad changes the key of a store on two nodes as docs/operating.md says, one node after the other, while
// shoppers come and go behind a proxy. No request fails. Whoever asks for a link at one node uses it at the other, whichever key
// either makes with; a link from before the change works until the old key is given up; an integration signs as ever.
func TestTheKeyIsChangedUnderLoad(t *testing.T) {
	onTwoNodes(t, func(t *testing.T, a *arena) {
		const patient, busy = "nour@example.com", "luc@example.com"
		a.customer(patient, "Nour", "Haddad", oldPassword)
		a.customer(busy, "Luc", "Moreau", oldPassword)
		a.rekey("", "integration", "create", "--name", "ERP", "--resource", "customers.view")
		var c map[string]string
		if err := json.Unmarshal([]byte(a.rekey("", "integration", "activate", "ERP", "--json")), &c); err != nil {
			t.Fatal(err)
		}
		erp := fixture.OAuth1{ConsumerKey: c["consumer_key"], ConsumerSecret: c["consumer_secret"], Token: c["access_token"], TokenSecret: c["access_token_secret"]}
		at := slices.Index(a.args, "--secret-key-file") + 1
		old, next := a.args[at], keyFile(t, t.TempDir())
		base := slices.Clone(a.args[:at-1])
		waiting := a.link(patient, 1)

		to := func(k int, g *guest, method, path string, body any) answer {
			t.Helper()
			got, err := a.send(a.nodes[k], g.request(method, path, body))
			if err != nil {
				t.Fatal(err)
			}
			g.keep(got)
			return got
		}
		opens := func(k int, secret string) int {
			t.Helper()
			g := newGuest(luneHost)
			to(k, g, "GET", "/customer/account/createpassword?token="+secret, nil)
			return to(k, g, "GET", "/customer/account/createpassword", nil).status
		}
		letters, calls := 0, 0
		everythingWorks := func(when string) {
			t.Helper()
			for asks := range a.nodes {
				g, opener, word := newGuest(luneHost), newGuest(luneHost), fmt.Sprintf("new-lighthouse-%d", letters)
				to(asks, g, "POST", "/customer/account/forgotpasswordpost", url.Values{"email": {busy}})
				letters += 2 // the link, and then the notice
				secret := a.post.wait(busy, letters-1).secret()
				other := 1 - asks
				to(other, opener, "GET", "/customer/account/createpassword?token="+secret, nil)
				got := to(other, opener, "POST", "/customer/account/resetpasswordpost", url.Values{"password": {word}, "password_confirmation": {word}})
				if got.status != http.StatusSeeOther {
					t.Fatalf("%s: a link that node %d was asked for, at the other: %d", when, asks, got.status)
				}
				a.post.wait(busy, letters)
				calls++
				erp.Nonce, erp.At = fmt.Sprint("call-", calls), time.Now().Unix()
				r := newGuest(luneHost).request("GET", "/rest/V1/customers/1", nil)
				r.Header.Set("Authorization", erp.Header("GET", "http://"+luneHost+"/rest/V1/customers/1"))
				if got, err := a.send(a.nodes[asks], r); err != nil || got.status != http.StatusOK {
					t.Errorf("%s: a signed call at node %d: %v, %v", when, asks, got, err)
				}
			}
		}
		crowd := a.shopping(a.behindAProxy())
		for _, step := range []struct {
			name string
			keys []string
		}{
			{"told of the next key", []string{"--secret-key-file", old, "--accept-secret-key-file", next}},
			{"making with the new key", []string{"--secret-key-file", next, "--accept-secret-key-file", old}},
			{"without the old key", []string{"--secret-key-file", next}},
		} {
			for k := range a.nodes {
				if got := opens(k, waiting); got != http.StatusOK && a.args[len(a.args)-2] != "--secret-key-file" {
					t.Errorf("before node %d is %s, a link from before the change is answered with %d", k, step.name, got)
				}
				a.args = append(slices.Clone(base), step.keys...)
				a.nodes[k].stop()
				a.revive(k)
				crowd.goesOn()
				everythingWorks(fmt.Sprintf("node %d is %s", k, step.name))
			}
		}
		crowd.end()
		if err := os.Remove(old); err != nil {
			t.Fatal(err)
		}
		for k := range a.nodes {
			if got := opens(k, waiting); got != http.StatusGone {
				t.Errorf("node %d answers a link of the old key with %d", k, got)
			}
		}
		if got := a.rekey("", "key", "show", "--json"); !json.Valid([]byte(got)) {
			t.Errorf("rekey key show --json: %s", got)
		}
	})
}
