package storefront_test

import (
	"context"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/storefront"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// street is two shops on one database: Maison Lune in English and French on one host, and Nord on another.
type street struct {
	t       *testing.T
	db      *db.DB
	shop    *shop.Shop
	key     secret.Key
	handler http.Handler
	letters map[string]mail.Composer
	hasher  *secret.Hasher
}

const (
	lune   = "https://lune.example"
	luneFr = "https://lune.example/fr"
	nord   = "https://nord.example"
)

func open(t *testing.T, d *db.DB) *street {
	t.Helper()
	key, err := secret.NewKey([]byte(strings.Repeat("k", secret.KeyLength)))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s := &street{t: t, db: d, shop: &shop.Shop{DB: d}, key: key, hasher: secret.NewHasher(secret.Params{Memory: 64, Time: 1, Threads: 1}, 2)}
	sessions := &signin.Service{DB: d, Shop: s.shop, Hasher: s.hasher, Key: key}
	accounts := &customer.Service{DB: d, Shop: s.shop, Hasher: s.hasher, Key: key, TokensEnded: token.QueueLogouts, Erased: recovery.Erase, Disowned: recovery.EndMaker}
	links := &recovery.Service{DB: d, Shop: s.shop, Hasher: s.hasher, Key: key, SignIn: sessions, Customers: accounts}
	s.letters = links.Composers()
	maps.Copy(s.letters, accounts.Composers())
	door := &storefront.Storefront{Shop: s.shop, Customers: accounts, SignIn: sessions, Recovery: links, Puzzles: &puzzle.Service{DB: d, Key: key}, Connect: &token.OAuth2{DB: d, Key: key}, Log: log}
	if err := door.Prepare(); err != nil {
		t.Fatal(err)
	}
	s.handler = web.Stack{Log: log, HSTS: s.shop.StrictTransport, Fail: door.Fail}.Wrap(door)
	s.write(func(ctx context.Context, tx *db.Tx) error {
		if err := s.shop.UpdateView(ctx, tx, 1, shop.ViewFields{Name: "English", Locale: "en_US", BaseURL: lune, LogoText: "Maison Lune",
			SenderName: "Maison Lune", SenderEmail: "hello@lune.example", SupportEmail: "help@lune.example"}); err != nil {
			return err
		}
		if _, err := s.shop.CreateView(ctx, tx, 1, "fr", shop.ViewFields{Name: "Français", Locale: "fr_FR", TimeZone: "Europe/Paris", BaseURL: luneFr,
			LogoText: "Maison Lune", SenderName: "Maison Lune", SenderEmail: "hello@lune.example", Position: 1}); err != nil {
			return err
		}
		id, err := shop.CreateWebsite(ctx, tx, "nord", "Nord")
		if err != nil {
			return err
		}
		_, err = s.shop.CreateView(ctx, tx, id, "nord", shop.ViewFields{Name: "Nord", Locale: "en_GB", BaseURL: nord, LogoText: "Nord",
			SenderName: "Nord", SenderEmail: "hello@nord.example"})
		return err
	})
	return s
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

func (s *street) write(f func(ctx context.Context, tx *db.Tx) error) {
	s.t.Helper()
	ctx := s.t.Context()
	if err := s.db.Write(ctx, func(tx *db.Tx) error { return f(ctx, tx) }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *street) set(path, value string) {
	s.t.Helper()
	s.write(func(ctx context.Context, tx *db.Tx) error {
		return shop.Set(ctx, tx, path, value, shop.Scope{Kind: shop.Default})
	})
}

// customer makes a confirmed account of Maison Lune.
func (s *street) customer(email, password string) customer.Customer {
	s.t.Helper()
	a, err := customer.ParseAddress(email)
	if err != nil {
		s.t.Fatal(err)
	}
	hash, err := s.hasher.Hash(s.t.Context(), secret.NewText(password))
	if err != nil {
		s.t.Fatal(err)
	}
	var made customer.Customer
	s.write(func(ctx context.Context, tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		made, err = customer.Create(ctx, tx, customer.New{WebsiteID: 1, ViewID: 1, Address: a, Firstname: "Camille", Lastname: "Laurent", Hash: hash, ConfirmedAt: now, ProvenAt: now})
		return err
	})
	return made
}

// written writes all letters of a kind that wait, newest first. Letters to nobody are none.
func (s *street) written(kind string) (all []mail.Content) {
	s.t.Helper()
	var queued []mail.Letter
	err := s.db.Read(s.t.Context(), func(tx *db.Tx) (err error) {
		queued, _, err = mail.List(s.t.Context(), tx, mail.Query{Kind: kind, Limit: 100})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, letter := range queued {
		if content, err := s.letters[kind](s.t.Context(), letter); err == nil {
			all = append(all, content)
		}
	}
	return all
}

// mailbox are the links of letters of one kind, newest first.
func (s *street) mailbox(kind string) (links []string) {
	s.t.Helper()
	for _, content := range s.written(kind) {
		if content.Button != nil {
			links = append(links, content.Button.URL.Reveal())
		}
	}
	return links
}

func (s *street) link(kind string) string {
	s.t.Helper()
	links := s.mailbox(kind)
	if len(links) == 0 {
		s.t.Fatalf("no letter of kind %q has a link", kind)
	}
	return links[0]
}

// browser keeps cookies and follows nothing by itself.
type browser struct {
	s       *street
	base    string
	cookies map[string]string
	header  http.Header
}

func (s *street) browser(base string) *browser {
	return &browser{s: s, base: base, cookies: map[string]string{}, header: http.Header{"Sec-Fetch-Site": {"same-origin"}}}
}

type answer struct {
	Code     int
	Header   http.Header
	Location string
	Body     string
}

func (b *browser) send(method, address string, body string) answer {
	b.s.t.Helper()
	if strings.HasPrefix(address, "/") {
		base, err := url.Parse(b.base)
		if err != nil {
			b.s.t.Fatal(err)
		}
		address = base.Scheme + "://" + base.Host + address
	}
	r := httptest.NewRequestWithContext(b.s.t.Context(), method, address, strings.NewReader(body))
	r.Header = b.header.Clone()
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.s.handler.ServeHTTP(w, r)
	result := w.Result()
	for _, c := range result.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	text, err := io.ReadAll(result.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return answer{result.StatusCode, result.Header, result.Header.Get("Location"), string(text)}
}

func (b *browser) get(address string) answer { return b.send(http.MethodGet, address, "") }

func (b *browser) post(path string, fields ...string) answer {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.send(http.MethodPost, path, form.Encode())
}

// signIn signs in and fails the test if that does not work.
func (b *browser) signIn(email, password string) {
	b.s.t.Helper()
	if a := b.post("/customer/account/loginpost", "login[username]", email, "login[password]", password); a.Code != 303 || a.Location != "/customer/account" {
		b.s.t.Fatalf("sign-in answers %d %s\n%s", a.Code, a.Location, a.words())
	}
}

func (b *browser) signedIn() bool { return b.get("/customer/account").Code == http.StatusOK }

var tags = regexp.MustCompile(`(?s)<head>.*?</head>|<[^>]*>`)

// words is the text of a page.
func (a answer) words() string {
	return html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(a.Body, " ")), " "))
}

func (a answer) says(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.Body, text) && !strings.Contains(a.words(), text) {
			t.Errorf("the page does not say %q:\n%d %s", text, a.Code, a.words())
		}
	}
}

// moveView gives a store view another base URL.
func (s *street) moveView(code, base string) {
	s.t.Helper()
	stores, err := s.shop.Load(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	v, ok := stores.ViewByCode(code)
	if !ok {
		s.t.Fatalf("no store view %q", code)
	}
	fields := v.Fields()
	fields.BaseURL = base
	s.write(func(ctx context.Context, tx *db.Tx) error { return s.shop.UpdateView(ctx, tx, v.ID, fields) })
}
