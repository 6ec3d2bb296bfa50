package recovery_test

import (
	"context"
	"strings"
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
	"github.com/rekeyhq/rekey/token"
)

func changeEmail(h *fixture.House, c customer.Customer, to, password string) error {
	return h.Recovery.ChangeEmail(ctx, h.View("lune_en"), c, to, secret.NewText(password), fixture.Origin)
}

// mailed composes what is due and splits it: who gets a letter, and the secrets of links to confirm an address.
func mailed(h *fixture.House) (to []string, confirm []secret.Text) {
	for _, l := range h.Letters() {
		to = append(to, l.To.Email+" "+l.Subject)
		if l.Button == nil {
			continue
		}
		if _, link, ok := strings.Cut(l.Button.URL.Reveal(), "confirmemail?token="); ok {
			confirm = append(confirm, secret.NewText(link))
		}
	}
	return to, confirm
}

// Promise: nothing changes before the new address has answered; then everything that came before ends.
func TestANewAddressIsTheAccountsOnceItHasAnswered(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		session, _ := signIn(h, c.Email, fixture.Password)
		var bearer secret.Text
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			bearer, err = token.Issue(ctx, tx, v, c, "App", 0, fixture.Origin)
			return err
		})
		ask(t, h, c.Email)
		reset := links(h.Letters())[0]
		if err := changeEmail(h, c, "zoe@lune.test", fixture.Password); err != nil {
			t.Fatal(err)
		}
		to, confirm := mailed(h)
		if got := strings.Join(to, "\n"); len(confirm) != 1 || !strings.Contains(got, "zoe@lune.test Confirm your new address") ||
			!strings.Contains(got, "camille@lune.test A new address was entered") {
			t.Fatalf("%d links; letters:\n%s", len(confirm), got)
		}
		for range 3 { // a scanner that opens
			if email, err := h.Recovery.PendingEmail(ctx, v, confirm[0], fixture.Origin); err != nil || email != "zoe@lune.test" {
				t.Fatalf("%q, %v", email, err)
			}
		}
		if h.Find(c.ID).Email != c.Email {
			t.Fatal("opening the link changed the address")
		}
		if err := h.Recovery.ConfirmEmail(ctx, h.View("nord_en"), confirm[0], fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("on another website: %v", err)
		}
		if err := h.Recovery.ConfirmEmail(ctx, v, confirm[0], fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if now := h.Find(c.ID); now.Email != "zoe@lune.test" {
			t.Errorf("the address is %s", now.Email)
		}
		if _, err := h.SignIn.Check(ctx, v, session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a session from before: %v", err)
		}
		if _, err := h.Tokens.Check(ctx, bearer); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a token from before: %v", err)
		}
		if err := complete(h, "lune_en", reset, "second-secret-8"); !fault.Is(err, fault.Expired) {
			t.Errorf("a recovery link from before: %v", err)
		}
		if err := h.Recovery.ConfirmEmail(ctx, v, confirm[0], fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("the link once more: %v", err)
		}
		if _, err := signIn(h, "zoe@lune.test", fixture.Password); err != nil {
			t.Errorf("signing in with the new address: %v", err)
		}
		to, _ = mailed(h)
		if got := strings.Join(to, "\n"); !strings.Contains(got, "camille@lune.test The address of your Maison Lune account has been changed") {
			t.Errorf("the former address is not told:\n%s", got)
		}
	})
}

// Promise: whose the new address is cannot be found out.
func TestANewAddressThatIsTakenLooksLikeAnyOther(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		h.Customer("lune_en", "taken@lune.test")
		if err := changeEmail(h, c, "taken@lune.test", fixture.Password); err != nil {
			t.Fatal(err)
		}
		if to, confirm := mailed(h); len(confirm) != 0 || len(to) != 1 {
			t.Errorf("%d links in %v; want the notice alone", len(confirm), to)
		}
		if err := changeEmail(h, c, "later@lune.test", fixture.Password); err != nil {
			t.Fatal(err)
		}
		_, confirm := mailed(h)
		h.Customer("lune_en", "later@lune.test") // somebody was faster
		if err := h.Recovery.ConfirmEmail(ctx, h.View("lune_en"), confirm[0], fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("an address that was taken meanwhile: %v", err)
		}
		if now := h.Find(c.ID); now.Email != c.Email {
			t.Errorf("the address is %s", now.Email)
		}
	})
}

func TestAChangeOfTheAddressNeedsThePasswordAndEndsWithIt(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		if e, _ := fault.As(changeEmail(h, c, "zoe@lune.test", "wrong")); e == nil || e.Field != "current_password" {
			t.Errorf("a wrong password: %v", e)
		}
		if err := changeEmail(h, c, "zoe", fixture.Password); !fault.Is(err, fault.Invalid) {
			t.Errorf("what is no address: %v", err)
		}
		pending := func(link secret.Text) error {
			_, err := h.Recovery.PendingEmail(ctx, v, link, fixture.Origin)
			return err
		}
		link := func(to string) secret.Text {
			t.Helper()
			if err := changeEmail(h, h.Find(c.ID), to, fixture.Password); err != nil {
				t.Fatal(err)
			}
			_, confirm := mailed(h)
			if len(confirm) != 1 {
				t.Fatalf("%d links work; want the last one", len(confirm))
			}
			return confirm[0]
		}
		first, second := link("zoe@lune.test"), link("ida@lune.test")
		if pending(first) == nil || pending(second) != nil {
			t.Error("the address that was typed last is not the one that is meant")
		}
		clock.Advance(v.Duration(shop.LinkExpirationPeriod))
		if err := pending(second); !fault.Is(err, fault.Expired) {
			t.Errorf("a day later: %v", err)
		}
		third := link("una@lune.test")
		ask(t, h, c.Email)
		if err := complete(h, "lune_en", links(h.Letters())[0], "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		if err := pending(third); !fault.Is(err, fault.Expired) {
			t.Errorf("after a new password: %v", err)
		}
	})
}

func TestOneAddressGetsFewLettersOfAChange(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		for range 3 {
			if err := changeEmail(h, c, "zoe@lune.test", fixture.Password); err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Minute)
		}
		var queued int
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			all, _, err := mail.List(ctx, tx, mail.Query{State: mail.Queued, Limit: 50})
			queued = len(all)
			return err
		})
		if queued != 2 {
			t.Errorf("%d letters, want the link and the notice once", queued)
		}
	})
}
