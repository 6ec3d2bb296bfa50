package recovery_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

var ctx = context.Background()

func links(letters []mail.Content) (all []secret.Text) {
	for _, l := range letters {
		if l.Button != nil {
			if _, link, ok := strings.Cut(l.Button.URL.Reveal(), "createpassword?token="); ok {
				all = append(all, secret.NewText(link))
			}
		}
	}
	return all
}

func ask(t *testing.T, h *fixture.House, email string) {
	t.Helper()
	if err := h.Recovery.Request(ctx, h.View("lune_en"), email, fixture.Origin); err != nil {
		t.Fatal(err)
	}
}

func complete(h *fixture.House, view string, link secret.Text, password string) error {
	pw := secret.NewText(password)
	_, err := h.Recovery.Complete(ctx, h.View(view), recovery.Reset{Link: link, Password: pw, Confirm: pw}, fixture.Origin)
	return err
}

func signIn(h *fixture.House, email, password string) (signin.Opened, error) {
	return h.SignIn.SignIn(ctx, h.View("lune_en"), email, secret.NewText(password), fixture.Origin)
}

// The journey, and what it ends: sessions, tokens, the lock, every other link.
func TestCompletedRecoveryEndsEverythingElse(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		c := h.Customer("lune_en", "Camille@lune.test")
		session, err := signIn(h, c.Email, fixture.Password)
		if err != nil {
			t.Fatal(err)
		}
		var bearer secret.Text
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			bearer, err = token.Issue(ctx, tx, h.View("lune_en"), c, "App", 0, fixture.Origin)
			return err
		})
		ask(t, h, "CAMILLE@lune.test")
		clock.Advance(10 * time.Minute)
		ask(t, h, "camille@lune.test")
		for range 10 {
			_, _ = signIn(h, c.Email, "wrong")
		}
		letters := h.Letters()
		all := links(letters)
		if len(all) != 2 || letters[0].To.Email != "Camille@lune.test" {
			t.Fatalf("%d links, to %v; want two, to the stored address", len(all), letters)
		}
		if err := complete(h, "lune_en", all[0], "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		if err := complete(other, "lune_en", all[1], "third-secret-9"); !fault.Is(err, fault.Expired) {
			t.Errorf("the other link still works: %v", err)
		}
		if _, err := other.SignIn.Check(ctx, h.View("lune_en"), session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the old session lives: %v", err)
		}
		if _, err := other.Tokens.Check(ctx, bearer); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the old token lives: %v", err)
		}
		if _, err := signIn(other, c.Email, fixture.Password); err == nil {
			t.Error("the old password works")
		}
		if _, err := signIn(other, c.Email, "second-secret-8"); err != nil {
			t.Errorf("the new password, after a lock-out that the reset ends: %v", err)
		}
		var notices int
		for _, l := range h.Letters() {
			if strings.Contains(l.Subject, "has been changed") {
				notices++
			}
		}
		if notices != 1 {
			t.Errorf("%d notices to the owner, want one", notices)
		}
	})
}

// Promise: of many at once one wins, with one link over two nodes and with several links of one customer.
func TestLinkWorksOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		h.Hasher, other.Hasher = secret.NewHasher(fixture.Cheap, 64), secret.NewHasher(fixture.Cheap, 64)
		h.Recovery.Hasher, other.Recovery.Hasher = h.Hasher, other.Hasher
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		clock.Advance(10 * time.Minute)
		ask(t, h, c.Email)
		all := links(h.Letters())
		var won atomic.Int64
		var winner atomic.Value
		var wg sync.WaitGroup
		for i := range 50 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() {
				password := fmt.Sprintf("password-of-%d", i)
				err := complete(node, "lune_en", all[i%len(all)], password)
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(password)
				case !fault.Is(err, fault.Expired):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 50 won", won.Load())
		}
		if _, err := signIn(h, c.Email, winner.Load().(string)); err != nil {
			t.Errorf("the winner's password does not sign in: %v", err)
		}
	})
}

// Promise: only an accepted password spends the link.
func TestNothingButAnAcceptedPasswordSpendsTheLink(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		link := links(h.Letters())[0]
		for range 20 { // a scanner that opens, and opens again
			p, err := h.Recovery.Check(ctx, h.View("lune_en"), link, fixture.Origin)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Recovery.Opened(ctx, p, fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		for _, bad := range []string{"", "short", "with space", "camille@lune.test"} {
			if err := complete(h, "lune_en", link, bad); !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		_, err := h.Recovery.Complete(ctx, h.View("lune_en"), recovery.Reset{Link: link, Password: secret.NewText("second-secret-8"), Confirm: secret.NewText("other")}, fixture.Origin)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("two different passwords: %v", err)
		}
		if err := complete(h, "nord_en", link, "second-secret-8"); !fault.Is(err, fault.Expired) {
			t.Errorf("on another website: %v", err)
		}
		_, err = h.Recovery.Complete(ctx, h.View("lune_en"), recovery.Reset{Link: link, Email: "other@lune.test", Password: secret.NewText("second-secret-8"), Confirm: secret.NewText("second-secret-8")}, fixture.Origin)
		if !fault.Is(err, fault.Expired) {
			t.Errorf("for another address: %v", err)
		}
		if err := complete(h, "lune_en", link, "second-secret-8"); err != nil {
			t.Errorf("and then the owner: %v", err)
		}
	})
}

// Promise: Request does the same for everyone, and nothing with the customer.
func TestUnknownAddressLooksTheSame(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Customer("lune_en", "known@lune.test")
		h.Customer("nord_en", "foreign@lune.test")
		for _, email := range []string{"known@lune.test", "unknown@lune.test", "foreign@lune.test"} {
			for range 7 { // its own limit is reached on the way: still the same answer
				if err := h.Recovery.Request(ctx, h.View("lune_en"), email, fixture.Origin); err != nil {
					t.Errorf("%s: %v", email, err)
				}
			}
		}
		letters := h.Letters()
		if len(letters) != 1 || letters[0].To.Email != "known@lune.test" {
			t.Errorf("%d letters; want one, to the known address", len(letters))
		}
		if err := h.Recovery.Request(ctx, h.View("lune_en"), "no address", fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("a malformed address: %v", err)
		}
	})
}

// Promise: exact limits, shared by the shopper and the administrator, over nodes.
func TestAtMostFiveLettersAnHour(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		h.Set(shop.MinTimeBetweenResets, "0")
		h.Set(shop.MaxRequestsPerClient, "0")
		c := h.Customer("lune_en", "camille@lune.test")
		var wg sync.WaitGroup
		for i := range 40 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() { ask(t, node, c.Email) })
		}
		wg.Wait()
		if n := len(links(h.Letters())); n != 5 {
			t.Errorf("%d letters for 40 requests at once, want 5", n)
		}
		permit := admin.CommandLine(admin.ResetPassword)
		err := h.Recovery.Send(ctx, permit, c.ID, audit.Origin{})
		e, _ := fault.As(err)
		if !fault.Is(err, fault.Limited) || !e.RetryAt.Equal(clock.Now().Add(time.Hour)) {
			t.Errorf("the administrator is told %v", err)
		}
		if at, err := h.Recovery.NextAllowed(ctx, h.Find(c.ID)); err != nil || !at.Equal(clock.Now().Add(time.Hour)) {
			t.Errorf("next allowed at %s, %v", at, err)
		}
		clock.Advance(time.Hour)
		if err := h.Recovery.Send(ctx, permit, c.ID, audit.Origin{}); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

// The limit of a client is said openly: it tells nothing about any customer.
func TestClientLimitSaysWhenToComeBack(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MaxRequestsPerClient, "3")
		v := h.View("lune_en")
		from := func(ip string, i int) error {
			return h.Recovery.Request(ctx, v, fmt.Sprintf("somebody%d@lune.test", i), audit.Origin{IP: netip.MustParseAddr(ip)})
		}
		for i := range 3 {
			if err := from(fmt.Sprintf("2001:db8::%d", i+1), i); err != nil { // one /64 is one client
				t.Fatal(err)
			}
		}
		err := from("2001:db8::ffff", 9)
		if e, _ := fault.As(err); !fault.Is(err, fault.Limited) || !e.RetryAt.Equal(clock.Now().Add(time.Hour)) {
			t.Errorf("the fourth: %v", err)
		}
		if err := from("2001:db8:0:1::1", 9); err != nil {
			t.Errorf("another network: %v", err)
		}
	})
}

func TestLinksExpireAndAtMostFiveLive(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MinTimeBetweenResets, "0")
		h.Set(shop.MaxResetRequests, "0")
		c := h.Customer("lune_en", "camille@lune.test")
		for range recovery.MaxLive + 2 {
			ask(t, h, c.Email)
			clock.Advance(time.Minute)
		}
		h.Letters() // composing all of them ends the oldest
		var alive []secret.Text
		for _, link := range links(h.Letters()) {
			if _, err := h.Recovery.Check(ctx, h.View("lune_en"), link, fixture.Origin); err == nil {
				alive = append(alive, link)
			}
		}
		if len(alive) != recovery.MaxLive {
			t.Fatalf("%d links live, want %d", len(alive), recovery.MaxLive)
		}
		clock.Advance(24 * time.Hour)
		if err := complete(h, "lune_en", alive[len(alive)-1], "second-secret-8"); !fault.Is(err, fault.Expired) {
			t.Errorf("a day later: %v", err)
		}
	})
}

// A retried letter carries the same link; one whose link was used is not sent again.
func TestRetriedLetterCarriesTheSameLink(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		first, second := links(h.Letters()), links(h.Letters())
		if len(first) != 1 || len(second) != 1 || !first[0].Equal(second[0]) {
			t.Fatal("two tries of one letter carry different links")
		}
		if err := complete(h, "lune_en", first[0], "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		if again := links(h.Letters()); len(again) != 0 {
			t.Error("a letter with a used link would be sent again")
		}
	})
}

// Promise: a live link rests nowhere. Whatever the database holds, it is not a link that works.
func TestNoTableHoldsALink(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		link := links(h.Letters())[0].Reveal()
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			for _, q := range []string{"SELECT data FROM letters", "SELECT last_words FROM letters", "SELECT words FROM letter_events", "SELECT detail FROM audit", "SELECT subject FROM audit"} {
				rows, err := tx.Query(ctx, q)
				texts, err := db.Collect(rows, err, func(r db.Scanner) (s string, err error) { return s, r.Scan(&s) })
				if err != nil {
					return err
				}
				if strings.Contains(strings.Join(texts, "\n"), link) {
					t.Errorf("%s shows the link", q)
				}
			}
			return nil
		})
	})
}

func TestChangingThePasswordKeepsThisBrowserOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		link := links(h.Letters())[0]
		here, _ := signIn(h, c.Email, fixture.Password)
		there, _ := signIn(h, c.Email, fixture.Password)
		who, err := h.SignIn.Check(ctx, v, here.Secret)
		if err != nil {
			t.Fatal(err)
		}
		change := func(current, password string) error {
			pw := secret.NewText(password)
			_, err := h.Recovery.Change(ctx, v, who, recovery.Change{Current: secret.NewText(current), Password: pw, Confirm: pw}, fixture.Origin)
			return err
		}
		if e, _ := fault.As(change("wrong", "second-secret-8")); e == nil || e.Field != "current_password" {
			t.Errorf("a wrong current password: %v", e)
		}
		if err := change(fixture.Password, "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SignIn.Check(ctx, v, here.Secret); err != nil {
			t.Errorf("this browser: %v", err)
		}
		if _, err := h.SignIn.Check(ctx, v, there.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the other browser: %v", err)
		}
		if err := complete(h, "lune_en", link, "third-secret-9"); !fault.Is(err, fault.Expired) {
			t.Errorf("a link from before: %v", err)
		}
	})
}

// With a stolen session one cannot guess the password at leisure.
func TestWrongCurrentPasswordsCountAsFailedSignIns(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		opened, _ := signIn(h, c.Email, fixture.Password)
		who, _ := h.SignIn.Check(ctx, v, opened.Secret)
		pw := secret.NewText("second-secret-8")
		for i := range 11 {
			current := secret.NewText("wrong")
			if i == 10 {
				current = secret.NewText(fixture.Password)
			}
			if _, err := h.Recovery.Change(ctx, v, who, recovery.Change{Current: current, Password: pw, Confirm: pw}, fixture.Origin); !fault.Is(err, fault.Invalid) {
				t.Errorf("try %d: %v", i+1, err)
			}
		}
	})
}

func TestLinksThatAreNoneAreThrottledWithoutTouchingGoodOnes(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		link := links(h.Letters())[0]
		var last error
		for range 70 {
			_, last = h.Recovery.Check(ctx, v, secret.Random(), fixture.Origin)
		}
		if !fault.Is(last, fault.Limited) {
			t.Errorf("the seventieth wrong link: %v", last)
		}
		if _, err := h.Recovery.Check(ctx, v, link, fixture.Origin); err != nil {
			t.Errorf("a good link from the same network: %v", err)
		}
	})
}

func TestLettersSpeakTheStoreViewsLanguage(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		if err := h.Recovery.Request(ctx, h.View("lune_fr"), c.Email, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		l := h.Letters()[0]
		if l.Head.Lang != "fr" || !strings.HasPrefix(l.Button.URL.Reveal(), "https://lune.test/fr/customer/account/createpassword?token=") {
			t.Errorf("language %s, link %s", l.Head.Lang, l.Button.URL.Reveal()[:40])
		}
	})
}

func TestTimelineTellsTheStoryInOrder(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		clock.Advance(time.Minute)
		link := links(h.Letters())[0]
		p, _ := h.Recovery.Check(ctx, h.View("lune_en"), link, fixture.Origin)
		if err := h.Recovery.Opened(ctx, p, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
		if err := complete(h, "lune_en", link, "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			steps, err := recovery.Timeline(ctx, tx, h.Find(c.ID), true)
			for _, s := range steps {
				kinds = append(kinds, s.Kind)
			}
			return err
		})
		want := "password_reset.requested letter.queued password_reset.link_opened password_reset.completed letter.queued"
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
