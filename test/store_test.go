package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// The people of the tests.
const (
	shopper     = "camille@example.com"
	oldPassword = "old-harbour-7"
	newPassword = "new-lighthouse-8"
	boss        = "ines"
	bossWord    = "a-long-word-for-the-boss"
)

// store is one installation of ours: a database, a key, a post office, and a node that serves it.
type store struct {
	t        *testing.T
	post     *post
	database string   // its address
	older    string   // another build of the program, for the nodes that start now; "" for the one under test
	args     []string // --data, --database and --secret-key-file, which every command takes
	flags    []string // more flags of serve
	env      []string // more variables of serve
	limits   string   // "ulimit …", what the shell of serve is told first
	node     *program
	url      string // of the node, without a slash at the end
}

// eachStore runs f on an installation per engine.
func eachStore(t *testing.T, f func(t *testing.T, s *store)) {
	t.Helper()
	beside(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) { f(t, newStore(t, engine)) })
}

// newStore sets a store up with the program's own commands while its first node serves with these flags.
func newStore(t *testing.T, engine string, flags ...string) *store {
	t.Helper()
	if engine == dbtest.Postgres {
		return newStoreOn(t, dbtest.URL(t, engine), flags...)
	}
	return newStoreOn(t, "", flags...)
}

// newStoreOn is newStore on a PostgreSQL database, or on a SQLite file of its own where database is "".
func newStoreOn(t *testing.T, database string, flags ...string) *store {
	t.Helper()
	return newStoreUnder(t, "", database, flags...)
}

// newStoreUnder is newStoreOn with a server that a shell has put limits on.
func newStoreUnder(t *testing.T, limits, database string, flags ...string) *store {
	t.Helper()
	data := t.TempDir()
	s := &store{t: t, post: newPost(t), database: database, args: []string{"--data", data}, flags: flags, limits: limits}
	if database == "" {
		s.database = "sqlite:" + filepath.Join(data, "rekey.db")
	} else {
		s.args = append(s.args, "--database", s.database, "--secret-key-file", keyFile(t, data))
	}
	s.node, s.url = s.serve("127.0.0.1:" + freePort(t))
	s.rekey("", "store-view", "set", "default", "--name", "English", "--logo-text", "Maison Lune",
		"--sender-name", "Maison Lune", "--sender-email", "hello@lune.example")
	s.protection("never") // tests send more than a store in peace; those of the protection switch it on
	return s
}

// protection says when forms ask for a proof of work.
func (s *store) protection(mode string) {
	s.rekey("", "config", "set", "customer/protection/mode", mode)
}

// keyFile makes the installation's key, which PostgreSQL's nodes share and the database never sees.
func keyFile(t *testing.T, dir string) string {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand)
	path := filepath.Join(dir, "key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve starts one more node and gives its address once it is ready.
func (s *store) serve(listen string) (*program, string) {
	s.t.Helper()
	args := append([]string{"serve", "--listen", listen, "--smtp", s.post.url(), "--dev"}, s.args...)
	args = append(args, s.flags...)
	var node *program
	if s.older != "" {
		node = launchOf(s.t, s.older, s.limits, s.env, args...)
	} else {
		node = launchUnder(s.t, s.limits, s.env, args...)
	}
	_, address := node.line("")
	node.ready(address)
	return node, address
}

// rekey runs a command that must succeed and gives what it printed.
func (s *store) rekey(stdin string, args ...string) string {
	s.t.Helper()
	out, complaint, exit := command(s.t, stdin, append(args, s.args...)...)
	if exit != 0 {
		s.t.Fatalf("rekey %s: exit %d: %s", strings.Join(args, " "), exit, complaint)
	}
	return out
}

// customer makes an account.
func (s *store) customer(email, first, last, password string) {
	s.t.Helper()
	s.rekey(password, "customer", "create", "--website", "base", "--email", email,
		"--firstname", first, "--lastname", last, "--password-stdin")
}

// administrator makes the account of the boss.
func (s *store) administrator() {
	s.t.Helper()
	s.rekey(bossWord, "admin", "create", "--username", boss, "--email", "ines@lune.example", "--password-stdin")
}

// page is the address of a page of the storefront.
func (s *store) page(name string) string { return s.url + "/customer/account/" + name }

// answer is what the store said to a program.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as a program does, without following redirects.
func (s *store) ask(method, path, token, contentType, body string) answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, response.Body); err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text.String()}
}

// get fetches a path.
func (s *store) get(path string) answer {
	s.t.Helper()
	return s.ask(http.MethodGet, path, "", "", "")
}

// token signs a customer in over the web API, as an app does.
func (s *store) token(email, password string) (string, int) {
	s.t.Helper()
	body, _ := json.Marshal(map[string]string{"username": email, "password": password})
	got := s.ask(http.MethodPost, "/rest/V1/integration/customer/token", "", "application/json", string(body))
	var token string
	if got.status == http.StatusOK {
		if err := json.Unmarshal([]byte(got.body), &token); err != nil {
			s.t.Fatalf("the token is no JSON text: %v: %s", err, got.body)
		}
	}
	return token, got.status
}

// me asks the web API who a token belongs to and gives the status.
func (s *store) me(token string) int {
	s.t.Helper()
	return s.ask(http.MethodGet, "/rest/V1/customers/me", token, "", "").status
}

// signIn signs a customer in and leaves the tab on the account page.
func (s *store) signIn(b *tab, email, password string) {
	b.t.Helper()
	b.visit(s.page("login"))
	b.fill("Email Address", email)
	b.fill("Password", password)
	if got := b.press("Sign In"); got != http.StatusOK {
		b.fatalf("signing in ended with %d", got)
	}
	b.see("My Account")
}

// console signs the boss in and leaves the tab in the console.
func (s *store) console(b *tab) {
	b.t.Helper()
	b.visit(s.url + "/admin/login")
	b.fill("Username", boss)
	b.fill("Password", bossWord)
	if got := b.press("Sign In"); got != http.StatusOK {
		b.fatalf("signing in to the console ended with %d", got)
	}
	b.see("All Customers")
}

// customerPage walks to the page of one customer, as the help page describes.
func (s *store) customerPage(b *tab, email string) {
	b.t.Helper()
	b.visit(s.url + "/admin/customers?q=" + email)
	b.see(email)
	b.press("Edit")
	b.see("Reset Password", "Force Sign-In", email)
}

// tables looks into the database, or changes it, beside the program.
func (s *store) tables(f func(ctx context.Context, tx *db.Tx) error) {
	s.t.Helper()
	ctx := context.Background()
	d, err := db.Open(ctx, s.database, db.Options{NoMigrate: true, MaxConns: 2})
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(ctx, func(tx *db.Tx) error { return f(ctx, tx) }); err != nil {
		s.t.Fatal(err)
	}
}

// timePasses lets the time pass until the next try of every letter, and until the leases of nodes that died have run out.
func (s *store) timePasses() {
	s.t.Helper()
	s.tables(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE letters SET next_at = created_at WHERE settled_at IS NULL`)
		return err
	})
}
