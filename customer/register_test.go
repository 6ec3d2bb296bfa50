package customer_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

func form(email string) customer.Registration {
	pw := secret.NewText("new-secret-8")
	return customer.Registration{Firstname: "Inès", Lastname: "Laurent", Email: email, Password: pw, Confirm: pw}
}

func linkIn(t *testing.T, letters []mail.Content) secret.Text {
	t.Helper()
	if len(letters) != 1 || letters[0].Button == nil {
		t.Fatalf("want one letter with a button, got %d", len(letters))
	}
	_, link, _ := strings.Cut(letters[0].Button.URL.Reveal(), "token=")
	return secret.NewText(link)
}

// Promise: a new account answers alike for a new and a known address; the owner of the known one is told by letter.
func TestRegistrationAnswersAlikeForAKnownAddress(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Customer("lune_en", "known@lune.test")
		ctx, v := context.Background(), h.View("lune_en")
		for _, email := range []string{"known@lune.test", "new@lune.test"} {
			before := h.Hasher.Runs()
			r, err := h.Customers.Register(ctx, v, form(email), fixture.Origin)
			if err != nil || r.Created || r.Customer.ID != 0 || h.Hasher.Runs() != before+1 {
				t.Errorf("%s: %+v %v, %d hashes", email, r, err, h.Hasher.Runs()-before)
			}
		}
		letters := h.Letters()
		if len(letters) != 2 || !strings.Contains(letters[0].Subject, "already") || !strings.Contains(letters[1].Subject, "confirm") {
			t.Fatalf("letters: %+v", letters)
		}
		if letters[0].To.Email != "known@lune.test" || letters[0].Greeting != "Hello Camille," {
			t.Errorf("the owner's letter goes to %s with %q: it must hold nothing that the stranger typed", letters[0].To.Email, letters[0].Greeting)
		}
	})
}

func TestRegistrationIsFinishedOnceAndByWhoBeganIt(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, a)
		other := fixture.Open(t, b)
		ctx, v := context.Background(), h.View("lune_en")
		r, err := h.Customers.Register(ctx, v, form("ines@lune.test"), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		link := linkIn(t, h.Letters())
		stranger := secret.Random()
		_, err = h.Customers.FinishRegistration(ctx, v, link, stranger, secret.NewText("guessed"), fixture.Origin)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("another browser without the password: %v", err)
		}
		if _, err := h.Customers.FinishRegistration(ctx, h.View("nord_en"), link, r.Browser, secret.Text{}, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("on another website: %v", err)
		}
		var made atomic.Int64
		var wg sync.WaitGroup
		for i := range 20 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() {
				_, err := node.Customers.FinishRegistration(ctx, v, link, r.Browser, secret.Text{}, fixture.Origin)
				if err == nil {
					made.Add(1)
				} else if !fault.Is(err, fault.Expired) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d of 20 finished it", made.Load())
		}
		if _, err := h.SignIn.SignIn(ctx, v, "ines@lune.test", secret.NewText("new-secret-8"), fixture.Origin); err != nil {
			t.Errorf("signing in with the chosen password: %v", err)
		}
	})
}

func TestRegistrationFromAnotherBrowserNeedsItsPassword(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		ctx, v := context.Background(), h.View("lune_fr")
		if _, err := h.Customers.Register(ctx, v, form("ines@lune.test"), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		link := linkIn(t, h.Letters())
		p, err := h.Customers.PendingRegistration(ctx, v, link, secret.Text{})
		if err != nil || !p.NeedsPassword || p.Firstname != "Inès" {
			t.Fatalf("%+v %v", p, err)
		}
		c, err := h.Customers.FinishRegistration(ctx, v, link, secret.Text{}, secret.NewText("new-secret-8"), fixture.Origin)
		if err != nil || !c.Confirmed() || c.ViewID != v.ID {
			t.Errorf("%+v %v", c, err)
		}
		clock.Advance(25 * time.Hour)
		if _, err := h.Customers.PendingRegistration(ctx, v, link, secret.Text{}); !fault.Is(err, fault.Expired) {
			t.Errorf("a day later: %v", err)
		}
	})
}

func TestImmediateRegistrationAnswersAsCommerceDoes(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.RegistrationAnswer, shop.RegistrationImmediate)
		ctx, v := context.Background(), h.View("lune_en")
		if r, err := h.Customers.Register(ctx, v, form("ines@lune.test"), fixture.Origin); err != nil || !r.Created || !r.Customer.Confirmed() {
			t.Fatalf("%+v %v", r, err)
		}
		if _, err := h.Customers.Register(ctx, v, form("INES@lune.test"), fixture.Origin); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same address again: %v", err)
		}
		if _, err := h.Customers.Register(ctx, h.View("nord_en"), form("ines@lune.test"), fixture.Origin); err != nil {
			t.Errorf("the same address on another website: %v", err)
		}
	})
}

// The immediate answer names known addresses; nobody may ask for names without end.
func TestImmediateRefusalsCountAgainstTheirClient(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.RegistrationAnswer, shop.RegistrationImmediate)
		h.Set(shop.MaxRequestsPerClient, "3")
		h.Customer("lune_en", "known@lune.test")
		for i := range 4 {
			_, err := h.Customers.Register(context.Background(), h.View("lune_en"), form("known@lune.test"), fixture.Origin)
			if want := []fault.Kind{fault.Conflict, fault.Limited}[i/3]; !fault.Is(err, want) {
				t.Errorf("try %d: %v", i+1, err)
			}
		}
	})
}

func TestNamesCannotCarryALinkIntoALetter(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	for _, name := range []string{"", "  ", "Win http://evil.test", "<b>x</b>", "a@b.test", "{{.}}", "a\nBcc: x", strings.Repeat("x", 101)} {
		f := form("x@lune.test")
		f.Firstname = name
		if _, err := h.Customers.Register(context.Background(), h.View("lune_en"), f, fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestImportedCustomersKeepTheirPasswordAndNumber(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		ctx := context.Background()
		file := "\ufeffentity_id,email,_website,_store,firstname,lastname,password_hash,created_at,group_id\n" +
			"4711,anna@lune.test,lune,lune_fr,Anna,Blanc,13601bda4ea78e55a07b98866d2be6be0744e3866f13c00c811cab608a28f322:salt:1,2021-03-04 05:06:07,1\n" +
			",broken,lune,,No,Address,,,\n" +
			",bea@nowhere.test,mars,,Bea,Roux,,,\n" +
			",chris@lune.test,lune,,Chris,Noir,not-a-hash,,\n" +
			",dana@lune.test,lune,,Dana,Vert,,,\n"
		dry, err := h.Customers.Import(ctx, strings.NewReader(file), customer.ImportOptions{DryRun: true}, nil)
		if err != nil || dry.Created != 2 || dry.Refused != 3 {
			t.Fatalf("dry run: %+v %v", dry, err)
		}
		for run := range 2 { // the second finds everybody there already
			r, err := h.Customers.Import(ctx, strings.NewReader(file), customer.ImportOptions{}, nil)
			if err != nil || r.Read != 5 || r.Created != 2*(1-run) || r.Known != 2*run || r.Refused != 3 || !strings.HasPrefix(r.Problems[0], "line 3:") {
				t.Fatalf("run %d: %+v %v", run, r, err)
			}
		}
		anna, err := h.SignIn.SignIn(ctx, h.View("lune_en"), "anna@lune.test", secret.NewText("password"), fixture.Origin)
		if err != nil || anna.Customer.ID != 4711 {
			t.Fatalf("signing in with the old password: %+v %v", anna, err)
		}
		if !strings.HasPrefix(h.Find(4711).PasswordHash(), "$argon2id$") {
			t.Error("the old hash was not replaced at sign-in")
		}
		if next := h.Customer("lune_en", "next@lune.test"); next.ID <= 4711 {
			t.Errorf("the next number is %d", next.ID)
		}
		var out bytes.Buffer
		if n, err := h.Customers.Export(ctx, &out); err != nil || n != 3 || strings.Contains(out.String(), "argon2id") {
			t.Errorf("export of %d: %v\n%s", n, err, &out)
		}
	})
}
