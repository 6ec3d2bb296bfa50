package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// TestNothingAcknowledgedIsLostAtKill9 kills the program again and again while shoppers ask for links. Whoever got an
// answer gets the letter.
func TestNothingAcknowledgedIsLostAtKill9(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		const rounds, shoppers = 4, 6
		s.rekey("", "config", "set", "customer/password/max_requests_per_client", "0")
		for i := range rounds * shoppers {
			s.customer(numbered(i), "Shopper", fmt.Sprint(i), oldPassword)
		}
		listen := strings.TrimPrefix(s.url, "http://")
		var acknowledged []string
		for round := range rounds {
			answers := make(chan string, shoppers)
			for i := range shoppers {
				go s.askOnce(numbered(round*shoppers+i), answers)
			}
			// The kill falls while the others are still under way, one answer later in each round.
			for range 1 + round {
				if email := <-answers; email != "" {
					acknowledged = append(acknowledged, email)
				}
			}
			s.node.kill()
			for range shoppers - 1 - round {
				if email := <-answers; email != "" {
					acknowledged = append(acknowledged, email)
				}
			}
			s.node, s.url = s.serve(listen)
		}
		if len(acknowledged) < rounds {
			t.Fatalf("only %d requests were answered; the test shows nothing", len(acknowledged))
		}
		s.timePasses()
		for _, email := range acknowledged {
			first := s.post.wait(email, 1)
			// A letter that was handed over in the very moment of the kill may come twice, as the same letter.
			for _, again := range s.post.letters(email) {
				if again.link() != first.link() || again.header.Get("Message-Id") != first.header.Get("Message-Id") {
					t.Errorf("the repeated letter to %s is another one", email)
				}
			}
		}
	})
}

func numbered(i int) string { return fmt.Sprintf("shopper%03d@example.com", i) }

// askOnce asks for a link and reports the address if the store acknowledged it, "" if there was no answer.
func (s *store) askOnce(email string, answers chan<- string) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(s.url+"/customer/account/forgotpasswordpost", url.Values{"email": {email}})
	if err != nil {
		answers <- ""
		return
	}
	response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		email = ""
	}
	answers <- email
}

// TestTwoNodesShareEverything runs two nodes behind one address, every request on the other node than the last, with PgBouncer between
// them and the database too.
func TestTwoNodesShareEverything(t *testing.T) {
	beside(t)
	eachWayToPostgres(t, func(t *testing.T, database string) {
		s := newStoreOn(t, database)
		_, second := s.serve("127.0.0.1:0")
		proxy := alternate(t, s.url, second)
		s.url = proxy
		s.rekey("", "store-view", "set", "default", "--base-url", proxy, "--dev")
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.administrator()

		b := newTab(t, look{})
		s.signIn(b, shopper, oldPassword)
		token, _ := s.token(shopper, oldPassword)
		for range 2 { // once on each node
			if got := s.me(token); got != http.StatusOK {
				t.Errorf("a token of one node gives %d on the other", got)
			}
		}
		askForLink(s, newTab(t, look{}), shopper)
		letter := s.post.wait(shopper, 1)
		if !strings.HasPrefix(letter.link(), proxy) {
			t.Errorf("the link %s does not lead to the store's address %s", letter.link(), proxy)
		}
		other := newTab(t, look{})
		other.visit(letter.link())
		other.fill("New Password", newPassword)
		other.fill("Confirm New Password", newPassword)
		other.press("Reset Password")
		other.see("You updated your password.")
		for range 2 {
			if got := s.me(token); got != http.StatusUnauthorized {
				t.Errorf("after the recovery, the token gives %d on a node", got)
			}
			b.visit(s.url + "/customer/account")
			if at := b.address().Path; at != "/customer/account/login" {
				t.Errorf("after the recovery, a session still works on a node")
			}
		}
		if n := len(s.post.letters(shopper)); n > 2 {
			t.Errorf("%d letters came; both nodes sent the same one", n)
		}

		// A setting that one process changes is in force on every node at once.
		s.rekey("", "config", "set", "customer/password/minimum_password_length", "31")
		for range 2 {
			visitor := newTab(t, look{})
			visitor.visit(s.page("create"))
			visitor.see("31")
		}
	})
}

// alternate is a reverse proxy in front of two nodes, as a store would have one.
func alternate(t *testing.T, nodes ...string) string {
	t.Helper()
	targets := make([]*url.URL, len(nodes))
	for i, n := range nodes {
		u, err := url.Parse(n)
		if err != nil {
			t.Fatal(err)
		}
		targets[i] = u
	}
	var turn atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(targets[turn.Add(1)%int64(len(targets))])
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestSecondServerOnTheSameFileIsRefused(t *testing.T) {
	beside(t)
	s := newStore(t, dbtest.SQLite)
	second := launch(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--smtp", s.post.url(), "--dev"}, s.args...)...)
	if exit := second.ended(); exit != 1 {
		t.Errorf("the second server ended with %d, want 1", exit)
	}
	said := strings.TrimSpace(second.said())
	if !strings.Contains(said, "another server is already running") || strings.Contains(said, "\n") {
		t.Errorf("it said %q, want one plain sentence", said)
	}
	if got := s.get("/healthz").status; got != http.StatusOK {
		t.Errorf("the first server gives %d afterwards", got)
	}
}
