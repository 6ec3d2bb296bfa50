package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// house is a fixture with the API before it, in the stack that a listener puts around every door.
type house struct {
	*fixture.House
	t       *testing.T
	clock   *dbtest.Clock
	handler http.Handler
	log     *bytes.Buffer
}

// each runs f on both engines.
func each(t *testing.T, f func(*testing.T, *house)) {
	t.Helper()
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		f(t, furnish(t, d, clock))
	})
}

func furnish(t *testing.T, d *db.DB, clock *dbtest.Clock) *house {
	t.Helper()
	h := &house{House: fixture.Furnish(t, d), t: t, clock: clock, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	door := &api.API{DB: d, Shop: h.Shop, Customers: h.Customers, Admins: h.Admins, Tokens: h.Tokens, Recovery: h.Recovery, Puzzles: h.Puzzles, Log: log}
	if err := door.Prepare(); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(api.Root, door)
	mux.HandleFunc(api.RequestTokenPath, door.ServeOAuth)
	mux.HandleFunc(api.AccessTokenPath, door.ServeOAuth)
	h.handler = web.Stack{Log: log, Clock: clock.Now, Fail: api.Fail}.Wrap(mux)
	return h
}

// ask is one request of a program, without a browser's headers.
type ask struct {
	method, path, body string
	bearer             string
	host               string // "": lune.test
	header             http.Header
}

func (a ask) with(key, value string) ask {
	a.header = maps.Clone(a.header)
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header[key] = append(a.header[key], value)
	return a
}

type answer struct {
	status int
	body   string
	header http.Header
}

// ask sends a request and holds the answer, and the request where it was taken, to openapi.yaml.
func (h *house) ask(a ask) answer {
	h.t.Helper()
	r := httptest.NewRequest(a.method, a.path, strings.NewReader(a.body))
	r.Host = "lune.test"
	if a.host != "" {
		r.Host = a.host
	}
	r.RemoteAddr = "203.0.113.7:4000"
	if a.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	maps.Copy(r.Header, a.header)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	got := answer{w.Code, w.Body.String(), w.Header()}
	if !json.Valid(w.Body.Bytes()) {
		h.t.Errorf("%s %s: the answer is no JSON: %s", a.method, a.path, got.body)
	}
	described(h.t, a, r, w.Result())
	return got
}

// want sends a request and compares status and body.
func (h *house) want(why string, a ask, status int, body string) answer {
	h.t.Helper()
	got := h.ask(a)
	if got.status != status || got.body != body {
		h.t.Errorf("%s: %d %s\nwant %d %s", why, got.status, got.body, status, body)
	}
	return got
}

// token signs in and returns the token.
func (h *house) token(email, password string) string {
	h.t.Helper()
	got := h.ask(signIn(email, password))
	var made string
	if err := json.Unmarshal([]byte(got.body), &made); err != nil || got.status != 200 {
		h.t.Fatalf("no token for %s: %d %s", email, got.status, got.body)
	}
	return made
}

// links composes the letters that are due and returns the secrets of their links, oldest first.
func (h *house) links() (all []string) {
	h.t.Helper()
	for _, letter := range h.Letters() {
		if letter.Button != nil {
			if _, link, ok := strings.Cut(letter.Button.URL.Reveal(), "createpassword?token="); ok {
				all = append(all, link)
			}
		}
	}
	return all
}

// force is Force Sign-In, at the shell.
func (h *house) force(customerID int64) {
	h.t.Helper()
	if _, err := h.Tokens.Force(context.Background(), admin.CommandLine(admin.ForceSignIn), customerID, false, fixture.Origin); err != nil {
		h.t.Fatal(err)
	}
}

func object(pairs ...any) string {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func signIn(email, password string) ask {
	return ask{method: "POST", path: "/rest/V1/integration/customer/token", body: object("username", email, "password", password)}
}

func forgot(email string) ask {
	return ask{method: "PUT", path: "/rest/V1/customers/password", body: object("email", email, "template", "email_reset")}
}

func reset(email, link, password string) ask {
	return ask{method: "POST", path: "/rest/V1/customers/resetPassword", body: object("email", email, "resetToken", link, "newPassword", password)}
}

func me(bearer string) ask {
	return ask{method: "GET", path: "/rest/V1/customers/me", bearer: bearer}
}

const (
	unauthorized = `{"message":"The consumer isn't authorized to access %resources.","parameters":{"resources":"self"}}`
	incorrect    = `{"message":"The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."}`
	mismatched   = `{"message":"The password token is mismatched. Reset and try again."}`
	noRoute      = `{"message":"Request does not match any route."}`
)

func randomLink() string { return secret.Random().Reveal() }

// described is openapi.yaml as a judge of requests and answers, read once.
var description = sync.OnceValues(func() (validator.Validator, error) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

var beforeVersion = regexp.MustCompile(`^/rest/(?:[^/]+/)?(V1/|schema$)`)

// described fails the test when the answer, or a request that was taken, is not as openapi.yaml says. Requests to addresses
// that are none have nothing to be held to.
func described(t *testing.T, a ask, r *http.Request, answered *http.Response) {
	t.Helper()
	if answered.StatusCode == 404 || answered.StatusCode == 405 || r.Method == http.MethodHead || r.URL.Query().Has("fields") {
		return // and what was left out on request is not missing
	}
	v, err := description()
	if err != nil {
		t.Fatal(err)
	}
	asked := r.Clone(context.Background())
	asked.URL.Path = beforeVersion.ReplaceAllString(asked.URL.Path, "/rest/$1")
	asked.Body = io.NopCloser(strings.NewReader(a.body))
	if answered.StatusCode == 200 {
		if ok, errs := v.ValidateHttpRequest(asked); !ok {
			t.Errorf("%s %s was answered, but openapi.yaml does not allow it: %v", a.method, a.path, errs)
		}
		asked.Body = io.NopCloser(strings.NewReader(a.body))
	}
	if ok, errs := v.ValidateHttpResponse(asked, answered); !ok {
		t.Errorf("%s %s: the answer %d is not as openapi.yaml says: %v", a.method, a.path, answered.StatusCode, errs)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// raw sends a request that is refused before the door; its answer is the listener's.
func (h *house) raw(a ask) *httptest.ResponseRecorder {
	r := httptest.NewRequest(a.method, a.path, strings.NewReader(a.body))
	r.Header.Set("Content-Type", "application/json")
	maps.Copy(r.Header, a.header)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// holders names who holds the tokens of a customer.
func (h *house) holders(customerID int64) (names []string) {
	h.Read(func(ctx context.Context, tx *db.Tx) error {
		all, err := token.ListOf(ctx, tx, customerID)
		for _, one := range all {
			names = append(names, one.Holder)
		}
		return err
	})
	return names
}

// disable switches an account off, as no use case does yet.
func (h *house) disable(customerID int64) {
	h.Write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE customers SET active = FALSE WHERE id = $1", customerID)
		return err
	})
}

// unconfirm takes back the proof of a customer's address.
func (h *house) unconfirm(customerID int64) {
	h.Write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE customers SET confirmed_at = NULL WHERE id = $1", customerID)
		return err
	})
}
