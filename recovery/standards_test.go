package recovery_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// R012: whoever asks for a reset, and however often, the owner notices nothing but letters.
func TestAskingChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		opened, err := signIn(h, c.Email, fixture.Password)
		if err != nil {
			t.Fatal(err)
		}
		before := h.Find(c.ID)
		for range 8 {
			ask(t, h, c.Email)
		}
		h.Letters()
		if _, err := h.SignIn.Check(ctx, h.View("lune_en"), opened.Secret); err != nil {
			t.Errorf("the session: %v", err)
		}
		if _, err := signIn(h, c.Email, fixture.Password); err != nil {
			t.Errorf("the password: %v", err)
		}
		after := h.Find(c.ID)
		if after.LinkGeneration != before.LinkGeneration || after.SessionGeneration != before.SessionGeneration || after.TokenGeneration != before.TokenGeneration {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// R017, R028: a link is the store's address and 256 bits that say nothing of anybody.
func TestTheLinkHoldsNothingButItsSecret(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	h.Set(shop.MinTimeBetweenResets, "0")
	c := h.Customer("lune_en", "camille@lune.test")
	want := regexp.MustCompile(`^https://lune\.test/customer/account/createpassword\?token=([A-Za-z0-9_-]{43})$`)
	seen := map[string]bool{}
	for range 4 {
		ask(t, h, c.Email)
	}
	for _, l := range h.Letters() {
		m := want.FindStringSubmatch(l.Button.URL.Reveal())
		if m == nil || seen[m[1]] {
			t.Fatalf("the link %s", l.Button.URL.Reveal())
		}
		seen[m[1]] = true
		raw, err := base64.RawURLEncoding.DecodeString(m[1])
		if err != nil || len(raw) != 32 || bytes.Contains(raw, []byte("camille")) {
			t.Errorf("the secret of the link: %x, %v", raw, err)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d links", len(seen))
	}
}

// R038: the same passwords are refused, for the same reason, by whichever way they come.
func TestOnePolicyAtEveryWayIn(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	h.Set(shop.PasswordPreset, "cnil")
	h.Set(shop.MinTimeBetweenResets, "0")
	c := h.Customer("lune_en", "camille@lune.test")
	ask(t, h, c.Email)
	link := links(h.Letters())[0]
	v := h.View("lune_en")
	opened, err := signIn(h, c.Email, fixture.Password)
	if err != nil {
		t.Fatal(err)
	}
	who, err := h.SignIn.Check(ctx, v, opened.Secret)
	if err != nil {
		t.Fatal(err)
	}
	permit := admin.CommandLine(admin.EditCustomers)
	form := func(password string) customer.Registration {
		pw := secret.NewText(password)
		return customer.Registration{Firstname: "Nina", Lastname: "Roux", Email: "nina@lune.test", Password: pw, Confirm: pw}
	}
	for _, row := range []struct{ password, key string }{
		{"", "password.required"}, {"Ab1", "password.too_short"}, {"abcdefgh", "password.classes"}, {"Password1", "password.common"},
		{"a\x00Bcdefg1", "password.invalid_text"}, {strings.Repeat("aB1", 100), "password.too_long"},
	} {
		pw := secret.NewText(row.password)
		for way, try := range map[string]func() error{
			"register": func() error { _, err := h.Customers.Register(ctx, v, form(row.password), fixture.Origin); return err },
			"link":     func() error { return complete(h, "lune_en", link, row.password) },
			"account": func() error {
				_, err := h.Recovery.Change(ctx, v, who, recovery.Change{Current: secret.NewText(fixture.Password), Password: pw, Confirm: pw}, fixture.Origin)
				return err
			},
			"command line": func() error {
				_, err := h.Customers.Add(ctx, v, form(row.password), audit.Actor{Kind: audit.Command})
				return err
			},
			"store": func() error {
				_, err := h.Customers.OpenAs(ctx, permit, v, form(row.password), fixture.Origin)
				return err
			},
		} {
			if row.password == "" && (way == "store" || way == "command line") {
				continue // without one, its owner chooses it by letter
			}
			if e, ok := fault.As(try()); !ok || e.Key != row.key {
				t.Errorf("%s: %.20q gives %v, want %s", way, row.password, e, row.key)
			}
		}
	}
}

// R042: stricter rules lock nobody out; they wait for the next password.
func TestStricterRulesWaitForTheNextPassword(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	c := h.Customer("lune_en", "camille@lune.test")
	ask(t, h, c.Email)
	if err := complete(h, "lune_en", links(h.Letters())[0], "zqwvkx"); err != nil {
		t.Fatal(err)
	}
	h.Set(shop.PasswordPreset, "nist")
	h.Set(shop.MinTimeBetweenResets, "0")
	if _, err := signIn(h, c.Email, "zqwvkx"); err != nil {
		t.Errorf("a password of older rules: %v", err)
	}
	ask(t, h, c.Email)
	link := links(h.Letters())[0]
	if err := complete(h, "lune_en", link, "zqwvkxpl"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a new one that is too short: %v", err)
	}
	if err := complete(h, "lune_en", link, "zqw vkx plm rtn"); err != nil {
		t.Errorf("a new one with spaces: %v", err)
	}
	h.Set(shop.PasswordPreset, "commerce")
	if _, err := signIn(h, c.Email, "zqw vkx plm rtn"); err != nil {
		t.Errorf("spaces, tried under rules that forbid them: %v", err)
	}
}

// R056: sessions of customers end by idleness and by age, whatever they do.
func TestCustomersSessionsEndByIdlenessAndByAge(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.SessionIdle, "3s")
		h.Set(shop.SessionLifetime, "8s")
		h.Customer("lune_en", "camille@lune.test")
		idle, err := signIn(h, "camille@lune.test", fixture.Password)
		if err != nil {
			t.Fatal(err)
		}
		busy, err := signIn(h, "camille@lune.test", fixture.Password)
		if err != nil {
			t.Fatal(err)
		}
		alive := func(s secret.Text) bool {
			_, err := h.SignIn.Check(ctx, h.View("lune_en"), s)
			return err == nil
		}
		for range 3 {
			clock.Advance(2 * time.Second)
			if !alive(busy.Secret) {
				t.Fatal("a session that is used has ended")
			}
		}
		if alive(idle.Secret) {
			t.Error("an idle session lives")
		}
		clock.Advance(2 * time.Second)
		if alive(busy.Secret) {
			t.Error("a session lives longer than its lifetime")
		}
	})
}

// R018, R041, R052, over every byte of a database: no link, session, token or password is in it, in any of the forms in which it
// travels.
func TestTheDatabaseHoldsNothingThatOpensAnything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rekey.db")
	d, err := db.Open(t.Context(), "sqlite:"+path, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := fixture.Furnish(t, d)
	c := h.Customer("lune_en", "camille@lune.test")
	ask(t, h, c.Email)
	link := links(h.Letters())[0]
	opened, err := signIn(h, c.Email, fixture.Password)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := h.Customers.Register(ctx, h.View("lune_en"), customer.Registration{Firstname: "Nina", Lastname: "Roux", Email: "nina@lune.test",
		Password: secret.NewText("canary-of-nina-7"), Confirm: secret.NewText("canary-of-nina-7")}, fixture.Origin)
	if err != nil {
		t.Fatal(err)
	}
	var bearer secret.Text
	h.Write(func(ctx context.Context, tx *db.Tx) error {
		bearer, err = token.Issue(ctx, tx, h.View("lune_en"), h.Find(c.ID), "", 0, fixture.Origin)
		return err
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, s := range map[string]secret.Text{"the link": link, "the session": opened.Secret, "the token": bearer, "the registration's cookie": receipt.Browser,
			"a password": secret.NewText(fixture.Password), "a new customer's password": secret.NewText("canary-of-nina-7")} {
			raw, _ := base64.RawURLEncoding.DecodeString(s.Reveal()) // passwords are none
			for _, form := range [][]byte{[]byte(s.Reveal()), raw, []byte(base64.StdEncoding.EncodeToString([]byte(s.Reveal())))} {
				if len(form) > 8 && bytes.Contains(content, form) {
					t.Errorf("%s holds %s", filepath.Base(name), what)
				}
			}
		}
		if strings.HasSuffix(name, ".db") && !bytes.Contains(content, []byte("camille@lune.test")) {
			t.Error("nothing of the customer was found either, so the search finds nothing")
		}
	}
}
