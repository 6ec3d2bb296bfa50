package console_test

import (
	"context"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/console"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
	"github.com/rekeyhq/rekey/webhook"
)

const bossWord = "correct horse battery"

// house is a console over two websites: base, "Maison Lune", and nord, "Nordlicht". Both have one store view.
type house struct {
	t         *testing.T
	db        *db.DB
	shop      *shop.Shop
	hasher    *secret.Hasher
	admins    *admin.Service
	signin    *signin.Service
	recovery  *recovery.Service
	incidents *incident.Service
	clock     func() time.Time
	handler   http.Handler
	nord      int64 // number of the second website
	password  string
	hash      string
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

// open builds the house; clock is the database's, and nil where that is the engine's own.
func open(t *testing.T, d *db.DB, clock func() time.Time) *house {
	t.Helper()
	key, err := secret.NewKey([]byte(strings.Repeat("k", secret.KeyLength)))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	h := &house{t: t, db: d, shop: &shop.Shop{DB: d}, clock: clock, hasher: secret.NewHasher(secret.Params{Memory: 64, Time: 1, Threads: 1}, 2)}
	h.signin = &signin.Service{DB: d, Shop: h.shop, Hasher: h.hasher, Key: key}
	h.admins = &admin.Service{DB: d, Shop: h.shop, Hasher: h.hasher, Key: key}
	h.recovery = &recovery.Service{DB: d, Shop: h.shop, Hasher: h.hasher, Key: key, SignIn: h.signin}
	door := &console.Console{DB: d, Shop: h.shop, Admins: h.admins, SignIn: h.signin, Tokens: &token.Service{DB: d, SignIn: h.signin, Shop: h.shop, Key: key}, Recovery: h.recovery, Log: log,
		Webhooks:  &webhook.Service{DB: d, Shop: h.shop, Key: key},
		Incidents: &incident.Service{DB: d, Shop: h.shop, Hasher: h.hasher, Recovery: h.recovery}}
	h.incidents = door.Incidents
	if err := door.Prepare(); err != nil {
		t.Fatal(err)
	}
	h.handler = web.Stack{Log: log, Fail: door.Fail, Uploads: console.Uploads, Clock: clock}.Wrap(door)
	h.password = "s3cret-of-the-shopper"
	if h.hash, err = h.hasher.Hash(context.Background(), secret.NewText(h.password)); err != nil {
		t.Fatal(err)
	}
	h.write(func(ctx context.Context, tx *db.Tx) error {
		if err := shop.RenameWebsite(ctx, tx, 1, "Maison Lune"); err != nil {
			return err
		}
		view := shop.ViewFields{Name: "English", Locale: "en_US", TimeZone: "Europe/Paris", BaseURL: "https://lune.example", SenderEmail: "hello@lune.example"}
		if err := h.shop.UpdateView(ctx, tx, 1, view); err != nil {
			return err
		}
		if h.nord, err = shop.CreateWebsite(ctx, tx, "nord", "Nordlicht"); err != nil {
			return err
		}
		view.Name, view.BaseURL = "Deutsch", "https://nord.example"
		_, err = h.shop.CreateView(ctx, tx, h.nord, "nord_de", view)
		return err
	})
	return h
}

func (h *house) write(f func(ctx context.Context, tx *db.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(context.Background(), func(tx *db.Tx) error { return f(context.Background(), tx) }); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) snapshot() *shop.Snapshot {
	h.t.Helper()
	s, err := h.shop.Load(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// customer makes a confirmed account of a website.
func (h *house) customer(websiteID int64, email, first, last string) customer.Customer {
	h.t.Helper()
	address, err := customer.ParseAddress(email)
	if err != nil {
		h.t.Fatal(err)
	}
	var c customer.Customer
	h.write(func(ctx context.Context, tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		c, err = customer.Create(ctx, tx, customer.New{WebsiteID: websiteID, ViewID: h.snapshot().ViewsOf(websiteID)[0].ID, Address: address,
			Firstname: first, Lastname: last, Hash: h.hash, ConfirmedAt: now, ProvenAt: now})
		return err
	})
	return c
}

// token gives a customer a token of a program.
func (h *house) token(c customer.Customer, holder string) {
	h.t.Helper()
	v, _ := h.snapshot().View(c.ViewID)
	h.write(func(ctx context.Context, tx *db.Tx) error {
		now, err := customer.Find(ctx, tx, c.ID) // under today's generation
		if err != nil {
			return err
		}
		_, err = token.Issue(ctx, tx, v, now, holder, 0, audit.Origin{})
		return err
	})
}

// browser signs a browser of a customer in at the storefront.
func (h *house) session(c customer.Customer) {
	h.t.Helper()
	v, _ := h.snapshot().View(c.ViewID)
	if _, err := h.signin.SignIn(context.Background(), v, c.Email, secret.NewText(h.password), audit.Origin{UserAgent: "Firefox/140 (X11; Linux)"}); err != nil {
		h.t.Fatal(err)
	}
}

// living counts a customer's tokens and sessions.
func (h *house) living(c customer.Customer) (tokens, sessions int64) {
	h.t.Helper()
	h.write(func(ctx context.Context, tx *db.Tx) (err error) {
		if tokens, err = token.Count(ctx, tx, c.ID); err != nil {
			return err
		}
		sessions, err = signin.Count(ctx, tx, c.ID)
		return err
	})
	return tokens, sessions
}

// letters lists every letter.
func (h *house) letters() []mail.Letter {
	h.t.Helper()
	var all []mail.Letter
	h.write(func(ctx context.Context, tx *db.Tx) (err error) {
		all, _, err = mail.List(ctx, tx, mail.Query{Limit: 100})
		return err
	})
	return all
}

// recorded counts what the audit has of an action.
func (h *house) recorded(action string) []audit.Entry {
	h.t.Helper()
	var all []audit.Entry
	h.write(func(ctx context.Context, tx *db.Tx) (err error) {
		all, _, err = audit.List(ctx, tx, audit.Query{Action: action, Limit: 100})
		return err
	})
	return all
}

// desk is a browser of an administrator.
type desk struct {
	*house
	cookies map[string]string
}

// page is an answer.
type page struct {
	status   int
	location string
	header   http.Header
	body     string
}

// at signs an administrator in, who is made for it.
func (h *house) at(username, role string, websiteID int64) *desk {
	h.t.Helper()
	_, err := h.admins.Create(context.Background(), admin.CommandLine(admin.ManageAdmins), admin.New{Username: username, Email: username + "@lune.example",
		Role: role, WebsiteID: websiteID, Password: secret.NewText(bossWord)}, audit.Origin{})
	if err != nil {
		h.t.Fatal(err)
	}
	d := &desk{h, map[string]string{}}
	if got := d.post("/admin/login", "username", username, "password", bossWord); got.status != http.StatusSeeOther {
		h.t.Fatalf("signing in gives %d", got.status)
	}
	return d
}

func (d *desk) do(r *http.Request) page {
	for name, value := range d.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(d.cookies, c.Name)
		} else {
			d.cookies[c.Name] = c.Value
		}
	}
	return page{w.Code, w.Header().Get("Location"), w.Header(), w.Body.String()}
}

func (d *desk) get(path string) page {
	return d.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// post sends a form as a browser does from our own page; fields are pairs.
func (d *desk) post(path string, fields ...string) page {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.do(r)
}

// act posts, expects to be sent back, and gives the page it is sent to.
func (d *desk) act(path string, fields ...string) page {
	d.t.Helper()
	got := d.post(path, fields...)
	if got.status != http.StatusSeeOther {
		d.t.Fatalf("POST %s gives %d: %s", path, got.status, got.text())
	}
	return d.get(got.location)
}

var (
	notShown = regexp.MustCompile(`(?s)<(script|head)\b.*?</(script|head)>|<wbr>`)
	markup   = regexp.MustCompile(`<[^>]*>`)
	blanks   = regexp.MustCompile(`\s+`)
)

// text is what can be read on the page.
func (p page) text() string {
	plain := markup.ReplaceAllString(notShown.ReplaceAllString(p.body, ""), " ")
	return strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(plain), " "))
}

func (p page) shows(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(p.text(), w) {
			t.Errorf("the page does not show %q:\n%s", w, p.text())
		}
	}
}

func (p page) hides(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(html.UnescapeString(p.body), w) {
			t.Errorf("the page holds %q:\n%s", w, p.text())
		}
	}
}
