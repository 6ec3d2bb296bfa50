package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
)

// node is a running server of a test.
type node struct {
	at   Addresses
	stop context.CancelFunc
	done chan error
}

// config is a server of a test's own, on free ports.
func config(t *testing.T, data string) Config {
	t.Helper()
	return Config{
		Place:  Place{Data: data, Dev: true},
		Listen: "127.0.0.1:0", MailboxListen: "127.0.0.1:0", SMTP: Mailbox,
		Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// start runs a server until the test ends.
func start(t *testing.T, c Config) *node {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	n := &node{stop: stop, done: make(chan error, 1)}
	up := make(chan Addresses, 1)
	c.Announce = func(at Addresses) { up <- at }
	go func() { n.done <- Run(ctx, c) }()
	select {
	case n.at = <-up:
	case err := <-n.done:
		t.Fatalf("the server did not start: %v", err)
	}
	t.Cleanup(n.end)
	return n
}

// end stops the node; it may have been stopped already.
func (n *node) end() {
	n.stop()
	<-n.done
	n.done <- nil
}

// refused runs a server that must not start, and gives the reason.
func refused(t *testing.T, c Config) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c.Announce = func(Addresses) { cancel() }
	err := Run(ctx, c)
	if err == nil {
		t.Fatal("the server started")
	}
	return err.Error()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestEveryDoorAnswers(t *testing.T) {
	c := config(t, t.TempDir())
	c.MetricsListen = "127.0.0.1:0"
	n := start(t, c)
	for _, r := range []struct {
		url    string
		status int
		holds  string
		why    string
	}{
		{n.at.Storefront + "/healthz", 200, `"alive":true`, "the process answers"},
		{n.at.Storefront + "/readyz", 200, `"ready":true,"database":"ok","schema":"ok","mail":"ok"`, "and can do its work"},
		{n.at.Storefront + "/customer/account/login", 200, "Sign In", "the storefront, at the address that development lends"},
		{n.at.Console + "/login", 200, "Username", "the console, below /admin"},
		{n.at.Storefront + "/rest/V1/customers/me", 401, `"message"`, "the web API answers in JSON"},
		{n.at.Storefront + "/graphql", 405, `"graphql-input"`, "GraphQL too, to POST only"},
		{n.at.Storefront + "/oauth/token/request", 405, "oauth_problem=", "the handshake of integrations, for POST"},
		{n.at.Storefront + "/administration", 404, "", "what only begins like another door's address is the storefront's"},
		{n.at.Mailbox + "/", 200, "", "the mailbox, on an address of its own"},
		{n.at.Storefront + "/metrics", 404, "", "metrics are not public"},
	} {
		status, body := get(t, r.url)
		if status != r.status || !strings.Contains(body, r.holds) {
			t.Errorf("%s: %s gave %d, want %d with %q:\n%.300s", r.why, r.url, status, r.status, r.holds, body)
		}
	}
	_, figures := get(t, n.at.Metrics)
	for _, want := range []string{
		`rekey_http_requests_total{method="GET",route="GET /customer/account/login",status="200"} 1`,
		"rekey_mail_queue_letters 0", "rekey_password_hashes_total 0", "rekey_db_connections_open", `rekey_build_info{go="go`,
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("/metrics does not hold %q", want)
		}
	}
	if strings.Contains(figures, "administration") || strings.Contains(figures, "/healthz") {
		t.Error("/metrics holds a path as typed, or counts probes")
	}
}

func TestConsoleMayHaveAnAddressOfItsOwn(t *testing.T) {
	c := config(t, t.TempDir())
	c.ConsoleListen = "127.0.0.1:0"
	n := start(t, c)
	own := strings.TrimSuffix(n.at.Console, "/admin")
	for _, r := range []struct {
		url    string
		status int
		why    string
	}{
		{n.at.Console + "/login", 200, "there it is"},
		{own + "/", 302, "its root leads to it"},
		{own + "/customer/account/login", 404, "nothing else is there"},
		{n.at.Storefront + "/admin/login", 404, "and it is not on the public address"},
		{own + "/readyz", 200, "probes may ask here too"},
	} {
		if status, _ := get(t, r.url); status != r.status {
			t.Errorf("%s: %s gave %d, want %d", r.why, r.url, status, r.status)
		}
	}
}

// A deployment must not lose the form that a shopper has just sent.
func TestStoppingFinishesRequestsUnderWay(t *testing.T) {
	n := start(t, config(t, t.TempDir()))
	host := strings.TrimPrefix(n.at.Storefront, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = "email=camille%40example.com"
	fmt.Fprintf(conn, "POST /customer/account/forgotpasswordpost HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		host, n.at.Storefront, len(body))
	answer := bufio.NewReader(conn)
	// The server says "100 Continue" when the handler asks for the body: the request is under way then.
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the handler did not begin: %q %v", line, err)
	}
	if _, err := answer.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	n.stop()
	for { // until new visitors are turned away
		other, err := net.Dial("tcp", host)
		if err != nil {
			break
		}
		other.Close()
	}
	io.WriteString(conn, body)
	response, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatalf("the request under way was cut off: %v", err)
	}
	if response.StatusCode != http.StatusSeeOther {
		t.Errorf("the request under way was answered with %d", response.StatusCode)
	}
	if err := <-n.done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	n.done <- nil
}

func TestAnotherKeyIsRefused(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		data, url := t.TempDir(), dbtest.URL(t, engine)
		with := func(key string) Config {
			c := config(t, data)
			c.Database, c.SecretKeyFile = url, filepath.Join(data, key)
			return c
		}
		for _, name := range []string{"right", "wrong"} {
			if err := os.WriteFile(filepath.Join(data, name), []byte(secret.RandomKey().Encode().Reveal()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		start(t, with("right")).end()
		if why := refused(t, with("wrong")); !strings.Contains(why, "is not the one that this store was set up with") {
			t.Errorf("with another key: %s", why)
		}
		start(t, with("right")).end()
		replaced := with("wrong")
		replaced.ReplaceKey = true
		start(t, replaced).end()
		start(t, with("wrong")).end()
	})
}

func TestNodesOnPostgreSQLShareOneKey(t *testing.T) {
	if !slices.Contains(dbtest.Engines(), dbtest.Postgres) {
		t.Skip("several nodes need PostgreSQL")
	}
	data := t.TempDir()
	c := config(t, data)
	c.Database = dbtest.URL(t, dbtest.Postgres)
	if why := refused(t, c); !strings.Contains(why, "the secret key must be given") {
		t.Errorf("without a key: %s", why)
	}
	c.SecretKeyFile = filepath.Join(data, "key")
	if err := os.WriteFile(c.SecretKeyFile, []byte(secret.RandomKey().Encode().Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := start(t, c), start(t, c)
	for _, n := range []*node{one, two} {
		if status, body := get(t, n.at.Storefront+"/readyz"); status != http.StatusOK {
			t.Errorf("a node is not ready: %s", body)
		}
	}
}

// A node that has lost its database must be taken out of the rotation, and be alive all the same.
func TestReadinessFollowsTheDatabase(t *testing.T) {
	s := &server{Config: config(t, t.TempDir())}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	release, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if !s.look(t.Context()).Ready {
		t.Fatal("a new store is not ready")
	}
	s.house.Close()
	state := s.look(t.Context())
	if state.Ready || state.Database != "unavailable" {
		t.Errorf("without a database it says %+v", state)
	}
	if b, err := json.Marshal(state); err != nil || strings.Contains(string(b), s.Data) {
		t.Errorf("the answer gives away where the data is: %s %v", b, err)
	}
}
