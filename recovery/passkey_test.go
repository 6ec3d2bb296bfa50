package recovery_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

// changed is the notice of a new password.
func changed(h *fixture.House) (all []mail.Content) {
	for _, l := range h.Letters() {
		if strings.Contains(l.Subject, "has been changed") {
			all = append(all, l)
		}
	}
	return all
}

// Promise: whoever added a passkey while in somebody's account has no way in after the owner has recovered it by letter. The owner
// may keep them, having seen them; the notice tells either way.
func TestRecoveringByLetterRemovesPasskeysUnlessTheOwnerKeepsThem(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		for _, row := range []struct {
			email string
			keep  bool
			says  string
		}{
			{"camille@lune.test", false, "passkeys of your account were removed"},
			{"theo@lune.test", true, "still sign in: Phone, Laptop"},
		} {
			c := h.Customer("lune_en", row.email)
			phone, laptop := h.Passkey("lune_en", c.Email, "Phone"), h.Passkey("lune_en", c.Email, "Laptop")
			before := len(changed(h))
			ask(t, h, c.Email)
			all := links(h.Letters())
			link := all[len(all)-1]
			pending, err := h.Recovery.Check(ctx, h.View("lune_en"), link, fixture.Origin)
			if err != nil || len(pending.Passkeys) != 2 || pending.Passkeys[0].Name != "Phone" {
				t.Fatalf("shown to the owner: %+v, %v", pending.Passkeys, err)
			}
			pw := secret.NewText("second-secret-8")
			_, err = h.Recovery.Complete(ctx, h.View("lune_en"), recovery.Reset{Link: link, Password: pw, Confirm: pw, KeepPasskeys: row.keep}, fixture.Origin)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []*fixture.Device{phone, laptop} {
				if _, err := other.ByPasskey("lune_en", d); (err == nil) != row.keep {
					t.Errorf("%s: signing in by passkey afterwards: %v", row.email, err)
				}
			}
			notices := changed(h)
			if len(notices) != before+1 || !strings.Contains(strings.Join(notices[before].Paragraphs, " "), row.says) {
				t.Errorf("%s: the notice does not say %q: %+v", row.email, row.says, notices)
			}
		}
	})
}

// Promise: a passkey that was shown a moment ago stands for the present password, once.
func TestAPasskeyStandsForThePresentPasswordOnce(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		phone := h.Passkey("lune_en", c.Email, "Phone")
		v := h.View("lune_en")
		elsewhere, err := signIn(h, c.Email, fixture.Password)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 { // the owner has forgotten it, and is locked out
			_, _ = signIn(h, c.Email, "wrong")
		}
		who := func(opened signin.Opened) signin.Signed {
			t.Helper()
			signed, err := h.SignIn.Check(ctx, v, opened.Secret)
			if err != nil {
				t.Fatal(err)
			}
			return signed
		}
		change := func(signed signin.Signed, password string) error {
			pw := secret.NewText(password)
			_, err := h.Recovery.Change(ctx, v, signed, recovery.Change{Password: pw, Confirm: pw}, fixture.Origin)
			return err
		}
		if err := change(who(elsewhere), "second-secret-8"); !fault.Is(err, fault.Invalid) {
			t.Errorf("without a passkey and without the password: %v", err)
		}
		opened, err := h.ByPasskey("lune_en", phone)
		if err != nil {
			t.Fatal(err)
		}
		late := who(opened)
		clock.Advance(signin.ProofLife)
		if err := change(who(opened), "second-secret-8"); !fault.Is(err, fault.Invalid) {
			t.Errorf("long after the passkey was shown: %v", err)
		}
		if err := change(late, "second-secret-8"); !fault.Is(err, fault.Invalid) {
			t.Errorf("on what was true a while ago: %v", err)
		}
		phone.Passkey.Counter++
		if opened, err = h.ByPasskey("lune_en", phone); err != nil {
			t.Fatal(err)
		}
		fresh := who(opened)
		if err := change(fresh, "1"); !fault.Is(err, fault.Invalid) {
			t.Errorf("a password that the rules refuse: %v", err)
		}
		if err := change(fresh, "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		if err := change(fresh, "third-secret-9"); err == nil {
			t.Error("the passkey stands for the password twice")
		}
		if _, err := h.SignIn.Check(ctx, v, elsewhere.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the other browser is still signed in: %v", err)
		}
		who(opened) // this one is
		if _, err := signIn(h, c.Email, "second-secret-8"); err != nil {
			t.Errorf("the new password, after a lock-out that the passkey ends: %v", err)
		}
		notices := changed(h)
		if len(notices) != 1 || notices[0].Facts[1].Value != "On the account page, confirmed with a passkey" {
			t.Errorf("the notice: %+v", notices)
		}
	})
}

// A session that ends while its owner chooses a password sets none.
func TestAPasskeyShownInAnEndedSessionSetsNoPassword(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		phone := h.Passkey("lune_en", c.Email, "Phone")
		opened, err := h.ByPasskey("lune_en", phone)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := h.SignIn.Check(ctx, h.View("lune_en"), opened.Secret)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error { _, err := signin.EndAll(ctx, tx, c.ID); return err })
		pw := secret.NewText("second-secret-8")
		if _, err := h.Recovery.Change(ctx, h.View("lune_en"), signed, recovery.Change{Password: pw, Confirm: pw}, fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v", err)
		}
		if _, err := signIn(h, c.Email, fixture.Password); err != nil {
			t.Errorf("the old password: %v", err)
		}
	})
}

// Promise: whoever knows the password when the owner says "It wasn't me" cannot stay in by a passkey of their own. Asking for one and
// adding one are refused, also one that was asked for before; removing is not. What ends the hold of the address ends this one.
func TestItWasntMeHoldsNewPasskeys(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		held := func(err error) bool {
			f, ok := fault.As(err)
			return ok && f.Kind == fault.Conflict && f.Key == signin.PasskeysHeld
		}
		for _, row := range []struct {
			email string
			end   func(c customer.Customer) error
			why   string
		}{
			{"camille@lune.test", func(customer.Customer) error { clock.Advance(time.Hour); return nil }, "time"},
			{"theo@lune.test", func(c customer.Customer) error {
				return h.SignIn.Unlock(ctx, admin.CommandLine(admin.UnlockCustomer), c.ID, audit.Origin{})
			}, "Unlock"},
			{"noor@lune.test", func(customer.Customer) error {
				all := links(h.Letters())
				return complete(h, "lune_en", all[len(all)-1], fixture.Password+"-2")
			}, "a recovery by letter"},
		} {
			c := h.Customer("lune_en", row.email)
			h.Passkey("lune_en", c.Email, "A stranger's")
			notice := wasntMe(t, h, "passkey was added")
			if does := press(t, h, notice, recovery.Pressed{Stop: true}); !does.Passkey || !does.HoldChanges {
				t.Fatalf("it did %+v", does)
			}
			signed := func(password string) signin.Signed {
				t.Helper()
				opened, err := signIn(h, c.Email, password)
				if err != nil {
					t.Fatal(err)
				}
				who, err := h.SignIn.Check(ctx, v, opened.Secret)
				if err != nil {
					t.Fatal(err)
				}
				return who
			}
			stranger := signed(fixture.Password) // who has added one knows the password, or has another passkey
			if _, err := h.SignIn.AskNewPasskey(ctx, v, stranger); !held(err) {
				t.Errorf("%s: asking for a passkey: %v", row.why, err)
			}
			h.Write(func(ctx context.Context, tx *db.Tx) error { return customer.LiftHolds(ctx, tx, c.ID) })
			stranger.Customer = h.Find(c.ID)
			asked, err := h.SignIn.AskNewPasskey(ctx, v, stranger)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				return customer.HoldChanges(ctx, tx, h.Find(c.ID), clock.Now().Add(time.Hour))
			})
			answer := signin.Answer{Ticket: asked.Ticket, Response: fixture.NewDevice(t, "lune.test", "https://lune.test").Make(asked.Options)}
			if err := h.SignIn.AddPasskey(ctx, v, stranger, answer, "Another", fixture.Origin); !held(err) {
				t.Errorf("%s: adding one that was asked for before: %v", row.why, err)
			}
			if !h.Find(c.ID).ChangesHeld(clock.Now()) {
				t.Errorf("%s: the password ends the hold", row.why)
			}
			if err := row.end(c); err != nil {
				t.Fatal(err)
			}
			password := fixture.Password
			if row.why == "a recovery by letter" {
				password += "-2"
			}
			if _, err := h.SignIn.AskNewPasskey(ctx, v, signed(password)); err != nil {
				t.Errorf("after %s: %v", row.why, err)
			}
		}
	})
}

// Promise: a passkey keeps its owner out of the hold of resets, as the password does; it moves no address and adds no other passkey
// during the hold of those, and it can be removed.
func TestAPasskeyEndsTheHoldOfResetsOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		h.Set(shop.MinTimeBetweenResets, "0")
		c := h.Customer("lune_en", "camille@lune.test")
		phone := h.Passkey("lune_en", c.Email, "Phone")
		hold := func() {
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				until, now := clock.Now().Add(time.Hour), h.Find(c.ID)
				if err := customer.HoldResets(ctx, tx, now, until); err != nil {
					return err
				}
				return customer.HoldChanges(ctx, tx, now, until)
			})
		}
		lifted := func() (n int) {
			h.Read(func(ctx context.Context, tx *db.Tx) error {
				all, _, err := audit.List(ctx, tx, audit.Query{Action: audit.HoldLifted, CustomerID: c.ID, Limit: 9})
				n = len(all)
				return err
			})
			return n
		}
		ask(t, h, c.Email)
		press(t, h, wasntMe(t, h, "Reset your"), recovery.Pressed{})
		if !h.Find(c.ID).Held(clock.Now()) {
			t.Fatal("nothing is held")
		}
		broken := *phone
		broken.Site.Origin = "https://evil.test"
		if _, err := h.ByPasskey("lune_en", &broken); err == nil || !h.Find(c.ID).Held(clock.Now()) {
			t.Errorf("a passkey that is refused ends the hold: %v", err)
		}
		opened, err := h.ByPasskey("lune_en", phone)
		if err != nil || h.Find(c.ID).Held(clock.Now()) || lifted() != 1 {
			t.Fatalf("signed in by passkey, and still held: %v, %d in the audit", err, lifted())
		}
		ask(t, h, c.Email)
		if got := subjects(h); !strings.Contains(got, c.Email+": Reset your") {
			t.Errorf("the next letter does not come:\n%s", got)
		}

		hold() // and showing it once more, in the session
		signed, err := h.SignIn.Check(ctx, v, opened.Secret)
		if err != nil {
			t.Fatal(err)
		}
		asked, _, err := h.SignIn.AskOwner(ctx, v, signed)
		if err != nil {
			t.Fatal(err)
		}
		phone.Passkey.Counter++
		if err := h.SignIn.ConfirmByPasskey(ctx, v, signed, signin.Answer{Ticket: asked.Ticket, Response: phone.Use(asked.Options)}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if now := h.Find(c.ID); now.Held(clock.Now()) || !now.ChangesHeld(clock.Now()) || lifted() != 2 {
			t.Errorf("confirmed by passkey: resets held %v, address held %v, %d in the audit", now.Held(clock.Now()), now.ChangesHeld(clock.Now()), lifted())
		}
		var mine []signin.Passkey
		h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			mine, err = signin.Passkeys(ctx, tx, c.ID)
			return err
		})
		if err := h.SignIn.RemovePasskey(ctx, v, signed, mine[0].ID, fixture.Origin); err != nil {
			t.Errorf("removing during the hold: %v", err)
		}
	})
}
