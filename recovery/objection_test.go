package recovery_test

import (
	"context"
	"strings"
	"sync"
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
	"github.com/rekeyhq/rekey/token"
)

// wasntMe is the link "It wasn't me" of the latest letter whose subject has the words.
func wasntMe(t *testing.T, h *fixture.House, subject string) secret.Text {
	t.Helper()
	letters := h.Letters()
	for i := len(letters) - 1; i >= 0; i-- {
		for _, b := range []*mail.Button{letters[i].Object, letters[i].Button} {
			if b == nil || !strings.Contains(letters[i].Subject, subject) {
				continue
			}
			if _, link, found := strings.Cut(b.URL.Reveal(), "/customer/account/notme?token="); found {
				return secret.NewText(link)
			}
		}
	}
	t.Fatalf("no letter “%s” carries “It wasn't me”", subject)
	return secret.Text{}
}

func press(t *testing.T, h *fixture.House, link secret.Text, p recovery.Pressed) recovery.Measures {
	t.Helper()
	ob, err := h.Recovery.Object(ctx, h.View("lune_en"), link, p, fixture.Origin)
	if err != nil {
		t.Fatal(err)
	}
	return ob.Does
}

// subjects of the letters that would be sent now.
func subjects(h *fixture.House) string {
	var all []string
	for _, l := range h.Letters() {
		all = append(all, l.To.Email+": "+l.Subject)
		if text := strings.Join(l.Paragraphs, " ") + l.Title + l.NotYou; strings.Contains(text, "letter.") || strings.Contains(text, "no value") {
			h.T.Errorf("“%s” lacks words: %s", l.Subject, text)
		}
	}
	return strings.Join(all, "\n")
}

func bearer(h *fixture.House, c customer.Customer) (made secret.Text) {
	h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
		made, err = token.Issue(ctx, tx, h.View("lune_en"), c, "App", 0, fixture.Origin)
		return err
	})
	return made
}

func objections(h *fixture.House, c customer.Customer) (made []audit.Entry) {
	h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		made, _, err = audit.List(ctx, tx, audit.Query{Action: audit.Objected, CustomerID: c.ID, Limit: 50})
		return err
	})
	return made
}

func sentByStore(h *fixture.House, c customer.Customer) error {
	return h.Recovery.Send(ctx, admin.CommandLine(admin.ResetPassword), c.ID, audit.Origin{})
}

// Promise: one press ends what a stranger began, on every node, and silently holds what comes next.
func TestItWasntMeStopsWhatAStrangerAskedFor(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		h.Set(shop.MinTimeBetweenResets, "0")
		c := h.Customer("lune_en", "camille@lune.test")
		session, _ := signIn(h, c.Email, fixture.Password)
		app := bearer(h, c)
		ask(t, h, c.Email)
		reset, link := links(h.Letters())[0], wasntMe(t, h, "Reset your")
		for range 20 { // a scanner that opens
			ob, err := h.Recovery.Objection(ctx, h.View("lune_en"), link, fixture.Origin)
			if err != nil || !ob.Does.End || !ob.Does.HoldResets || ob.Does.Mail || !ob.MadeAt.IsZero() {
				t.Fatalf("%+v, %v", ob, err)
			}
		}
		if _, err := h.Recovery.Check(ctx, h.View("lune_en"), reset, fixture.Origin); err != nil || h.Find(c.ID).Held(clock.Now()) {
			t.Fatalf("opening the page did something: %v", err)
		}

		press(t, h, link, recovery.Pressed{})
		if err := complete(other, "lune_en", reset, "second-secret-8"); !fault.Is(err, fault.Expired) {
			t.Errorf("the link from before: %v", err)
		}
		if _, err := other.SignIn.Check(ctx, h.View("lune_en"), session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the session from before: %v", err)
		}
		if _, err := other.Tokens.Check(ctx, app); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the token from before: %v", err)
		}
		made := objections(h, c)
		if len(made) != 1 || made[0].Detail["sessions"] != "1" || made[0].Detail["tokens"] != "1" || made[0].Detail["letter"] != recovery.ForgotLetter {
			t.Errorf("the audit says %+v", made)
		}
		if got := subjects(h); !strings.Contains(got, "care@lune.test: “It wasn't me”, says a customer of Maison Lune") || strings.Contains(got, c.Email) {
			t.Errorf("only the store is told; letters:\n%s", got)
		}

		ask(t, other, c.Email) // the same nil as for everybody
		if got := subjects(h); strings.Contains(got, c.Email) {
			t.Errorf("a reset was sent during the hold:\n%s", got)
		}
		if err := sentByStore(h, c); err != nil || !strings.Contains(subjects(h), c.Email+": Reset your") {
			t.Errorf("the store's own letter is held too: %v", err)
		}
		clock.Advance(time.Hour)
		ask(t, h, c.Email)
		if got := subjects(h); strings.Count(got, c.Email+": Reset your") < 2 {
			t.Errorf("after the hold no letter comes:\n%s", got)
		}
	})
}

// Promise: the same letter does its work once, of many presses at once as well.
func TestTheSameLetterObjectsOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		link := wasntMe(t, h, "Reset your")
		var wg sync.WaitGroup
		for i := range 20 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() {
				if _, err := node.Recovery.Object(ctx, h.View("lune_en"), link, recovery.Pressed{}, fixture.Origin); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made := objections(h, c); len(made) != 1 {
			t.Errorf("%d objections, want one", len(made))
		}
		until := h.Find(c.ID).ResetsHeldUntil
		clock.Advance(50 * time.Minute)
		session, _ := signIn(h, c.Email, fixture.Password)
		if does := press(t, h, link, recovery.Pressed{}); !does.End || !does.Until.Equal(until) {
			t.Errorf("pressed again it says %+v, not what was done", does)
		}
		if _, err := h.SignIn.Check(ctx, h.View("lune_en"), session.Secret); err != nil || h.Find(c.ID).Held(clock.Now()) {
			t.Errorf("pressing again did something: %v", err)
		}
	})
}

// Promise: whoever presses, a scanner, somebody with one letter, or with the mailbox, the owner gets in.
func TestItWasntMeIsNoWayToHarmTheOwner(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MinTimeBetweenResets, "0")
		h.Set(shop.MaxResetRequests, "0")
		c := h.Customer("lune_en", "camille@lune.test")
		letter := func() (reset, object secret.Text) {
			t.Helper()
			ask(t, h, c.Email)
			all := links(h.Letters())
			if len(all) == 0 {
				t.Fatal("no letter came")
			}
			return all[len(all)-1], wasntMe(t, h, "Reset your")
		}
		held := func() bool { return h.Find(c.ID).Held(clock.Now()) }

		_, first := letter()
		press(t, h, first, recovery.Pressed{Stop: true}) // not a letter that this is for
		if _, err := signIn(h, c.Email, fixture.Password); err != nil {
			t.Fatalf("the owner's password: %v", err)
		}
		if held() {
			t.Error("the owner has signed in, and resets are still held")
		}

		reset, second := letter()
		_, err := h.Recovery.Object(ctx, h.View("lune_en"), second, recovery.Pressed{}, fixture.Origin) // a scanner that presses buttons
		if f, _ := fault.As(err); f == nil || f.Field != "sure" {
			t.Fatalf("the second press of a day without the box: %v", err)
		}
		if _, err := h.Recovery.Check(ctx, h.View("lune_en"), reset, fixture.Origin); err != nil || held() {
			t.Errorf("the refused press did something: %v", err)
		}
		press(t, h, second, recovery.Pressed{Sure: true})
		if !held() {
			t.Fatal("the second one holds nothing")
		}
		if err := h.SignIn.Unlock(ctx, admin.CommandLine(admin.UnlockCustomer), c.ID, audit.Origin{}); err != nil || held() {
			t.Errorf("Unlock does not end the hold: %v", err)
		}
		_, third := letter()
		press(t, h, third, recovery.Pressed{Sure: true})
		clock.Advance(time.Hour)
		_, fourth := letter()
		if does := press(t, h, fourth, recovery.Pressed{Sure: true}); does.HoldResets || held() {
			t.Errorf("the fourth of a day holds too: %+v", does)
		}
		clock.Advance(24 * time.Hour)
		_, later := letter()
		if does := press(t, h, later, recovery.Pressed{}); !does.HoldResets {
			t.Errorf("a day later: %+v", does)
		}
		if err := sentByStore(h, c); err != nil {
			t.Fatal(err)
		}
		byStore := links(h.Letters())
		if err := complete(h, "lune_en", byStore[len(byStore)-1], "second-secret-8"); err != nil || held() {
			t.Errorf("a new password by the store's letter, during the hold: %v", err)
		}
		h.Set(shop.ObjectionHold, "0")
		reset, last := letter()
		if does := press(t, h, last, recovery.Pressed{Sure: true}); !does.End || does.HoldResets || held() {
			t.Errorf("with the hold switched off: %+v", does)
		}
		if err := complete(h, "lune_en", reset, "third-secret-9"); !fault.Is(err, fault.Expired) {
			t.Errorf("with the hold switched off, the link: %v", err)
		}
	})
}

// Promise: an objection opens nothing, and a recovery link objects to nothing.
func TestLinksOfOnePurposeOpenNothingOfAnother(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		ask(t, h, c.Email)
		reset, object := links(h.Letters())[0], wasntMe(t, h, "Reset your")
		if !object.Equal(wasntMe(t, h, "Reset your")) {
			t.Error("two tries of one letter carry different links")
		}
		if strings.Contains(dump(t, d), object.Reveal()) {
			t.Error("a table holds the link")
		}
		if err := changeEmail(h, c, "zoe@lune.test", fixture.Password); err != nil {
			t.Fatal(err)
		}
		_, confirm := mailed(h)
		if err := complete(h, "lune_en", object, "second-secret-8"); !fault.Is(err, fault.Expired) {
			t.Errorf("an objection sets a password: %v", err)
		}
		if err := h.Recovery.ConfirmEmail(ctx, v, object, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("an objection confirms an address: %v", err)
		}
		good := []secret.Text{object}
		none := map[string]secret.Text{"a recovery link": reset, "a link to a new address": confirm[0], "unknown": secret.Random(), "cut short": secret.NewText("short")}
		answers := map[string]error{}
		for why, link := range none {
			_, answers[why] = h.Recovery.Object(ctx, v, link, recovery.Pressed{Sure: true}, fixture.Origin)
		}
		_, answers["another website's"] = h.Recovery.Objection(ctx, h.View("nord_en"), object, fixture.Origin)
		clock.Advance(7*24*time.Hour - time.Second)
		if _, err := h.Recovery.Objection(ctx, v, good[0], fixture.Origin); err != nil {
			t.Errorf("on the seventh day: %v", err)
		}
		clock.Advance(time.Second)
		_, answers["expired"] = h.Recovery.Objection(ctx, v, object, fixture.Origin)
		for why, err := range answers {
			if f, _ := fault.As(err); f == nil || f.Kind != fault.Expired || f.Error() != answers["unknown"].Error() {
				t.Errorf("%s: %v", why, err)
			}
		}
		var last error
		for range 70 {
			_, last = h.Recovery.Objection(ctx, v, secret.Random(), fixture.Origin)
		}
		if !fault.Is(last, fault.Limited) {
			t.Errorf("the seventieth link that is none: %v", last)
		}
	})
}

// Promise: who objects to a new password gets the way to another; the one that nobody else knows may be stopped, and only that one.
func TestAnObjectionToANewPassword(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		for _, stop := range []bool{false, true} {
			h := fixture.Open(t, d)
			if !stop {
				h = fixture.Furnish(t, d)
				h.Set(shop.MinTimeBetweenResets, "0")
			}
			c := h.Customer("lune_en", map[bool]string{false: "camille@lune.test", true: "theo@lune.test"}[stop])
			ask(t, h, c.Email)
			used := wasntMe(t, h, "Reset your")
			all := links(h.Letters())
			if err := complete(h, "lune_en", all[len(all)-1], "strangers-8"); err != nil {
				t.Fatal(err)
			}
			stranger, _ := signIn(h, c.Email, "strangers-8")
			notice := wasntMe(t, h, "has been changed")
			if ob, err := h.Recovery.Objection(ctx, h.View("lune_en"), used, fixture.Origin); err != nil || !ob.Does.Mail || ob.Does.Stop || ob.Does.HoldResets {
				t.Errorf("a letter whose link somebody used: %+v, %v", ob.Does, err)
			}
			if does := press(t, h, notice, recovery.Pressed{Stop: stop}); does.Stop != stop || !does.Mail || does.HoldResets || !does.HoldChanges {
				t.Errorf("it did %+v", does)
			}
			if _, err := h.SignIn.Check(ctx, h.View("lune_en"), stranger.Secret); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("the stranger's session: %v", err)
			}
			if _, err := signIn(h, c.Email, "strangers-8"); (err == nil) == stop {
				t.Errorf("the password, stopped %v: %v", stop, err)
			}
			if got := subjects(h); strings.Count(got, "care@lune.test: “It wasn't me”") == 0 || !strings.Contains(got, c.Email+": Set a new password") {
				t.Errorf("the store and the owner are told: %s", got)
			}
			if !stop { // who has the password cannot take the account away meanwhile, nor end the hold by it
				if err := changeEmail(h, h.Find(c.ID), "stranger@else.test", "strangers-8"); err != nil {
					t.Fatal(err)
				}
				if got := subjects(h); strings.Contains(got, "stranger@else.test") {
					t.Errorf("the account can be moved:\n%s", got)
				}
			}
			all = links(h.Letters())
			clock.Advance(time.Minute)
			if err := complete(h, "lune_en", all[len(all)-1], "owners-secret-9"); err != nil {
				t.Errorf("the link of the letter that follows: %v", err)
			}
			if now := h.Find(c.ID); now.ChangesHeld(clock.Now()) {
				t.Error("the owner has a new password, and the address is still kept")
			}
			session, _ := signIn(h, c.Email, "owners-secret-9")
			for why, link := range map[string]secret.Text{"the used link's letter": used, "the first notice": notice} { // both are over
				if _, err := h.Recovery.Object(ctx, h.View("lune_en"), link, recovery.Pressed{Sure: true, Stop: true}, fixture.Origin); err != nil {
					t.Errorf("%s: %v", why, err)
				}
			}
			if _, err := h.SignIn.Check(ctx, h.View("lune_en"), session.Secret); err != nil {
				t.Errorf("letters about an older password did something: %v", err)
			}
			clock.Advance(25 * time.Hour)
		}
	})
}

// Promise: the present address can stop a move; the new one can only refuse it; the former one signs out and tells the store.
func TestAnObjectionToAnotherAddress(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "camille@lune.test")
		move := func(to string) secret.Text {
			t.Helper()
			if err := changeEmail(h, h.Find(c.ID), to, fixture.Password); err != nil {
				t.Fatal(err)
			}
			_, confirm := mailed(h)
			if len(confirm) != 1 {
				t.Fatalf("%d links", len(confirm))
			}
			return confirm[0]
		}
		session, _ := signIn(h, c.Email, fixture.Password)
		confirm := move("stranger@else.test")
		if does := press(t, h, wasntMe(t, h, "Confirm your new address"), recovery.Pressed{Stop: true}); does != (recovery.Measures{Cancel: true}) {
			t.Errorf("whoever reads the new mailbox could do %+v", does)
		}
		if err := h.Recovery.ConfirmEmail(ctx, v, confirm, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("the cancelled change: %v", err)
		}
		if _, err := h.SignIn.Check(ctx, v, session.Secret); err != nil {
			t.Errorf("the owner's session: %v", err)
		}

		confirm = move("zoe@lune.test")
		if does := press(t, h, wasntMe(t, h, "A new address was entered"), recovery.Pressed{}); !does.End || !does.Mail || !does.HoldChanges || does.HoldResets {
			t.Errorf("the present address could do %+v", does)
		}
		if err := h.Recovery.ConfirmEmail(ctx, v, confirm, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("the change from before: %v", err)
		}
		if _, err := h.SignIn.Check(ctx, v, session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the session from before: %v", err)
		}
		if !strings.Contains(subjects(h), "camille@lune.test: Set a new password for Maison Lune") {
			t.Errorf("no way to a new password:\n%s", subjects(h))
		}

		clock.Advance(25 * time.Hour)
		confirm = move("ida@lune.test")
		if err := h.Recovery.ConfirmEmail(ctx, v, confirm, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		moved, _ := signIn(h, "ida@lune.test", fixture.Password)
		if does := press(t, h, wasntMe(t, h, "has been changed"), recovery.Pressed{Stop: true}); !does.End || !does.HoldChanges || does.Mail || does.HoldResets || does.Stop {
			t.Errorf("the former address could do %+v", does)
		}
		if _, err := h.SignIn.Check(ctx, v, moved.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a session after the move: %v", err)
		}
		if now := h.Find(c.ID); now.Email != "ida@lune.test" || !now.ChangesHeld(clock.Now()) {
			t.Errorf("the address is %s, held until %s", now.Email, now.ChangesHeldUntil)
		}
		if _, err := signIn(h, "ida@lune.test", fixture.Password); err != nil {
			t.Errorf("the owner of the account cannot sign in: %v", err)
		}
		if got := subjects(h); strings.Count(got, "care@lune.test: “It wasn't me”") != 3 {
			t.Errorf("letters to the store:\n%s", got)
		}
		if got := objections(h, c); len(got) != 3 {
			t.Errorf("the store was told of %d objections, want 3", len(got))
		}
	})
}

// A stranger who was signed in for a while adds a passkey and stays in by it. The notice takes it away, if its reader asks for that
// with a box, which programs that press buttons do not tick.
func TestAnObjectionToAPasskey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		for _, row := range []struct {
			email string
			stop  bool
		}{{"camille@lune.test", false}, {"theo@lune.test", true}} {
			c := h.Customer("lune_en", row.email)
			device := h.Passkey("lune_en", c.Email, "Phone")
			stranger, err := h.ByPasskey("lune_en", device)
			if err != nil {
				t.Fatal(err)
			}
			notice := wasntMe(t, h, "passkey")
			if does := press(t, h, notice, recovery.Pressed{Stop: row.stop}); does.Passkey != row.stop || does.Stop || !does.Mail || !does.HoldChanges {
				t.Errorf("it did %+v", does)
			}
			if _, err := h.SignIn.Check(ctx, h.View("lune_en"), stranger.Secret); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("the stranger's session: %v", err)
			}
			if _, err := h.ByPasskey("lune_en", device); (err == nil) == row.stop {
				t.Errorf("the passkey, stopped %v: %v", row.stop, err)
			}
			if got := subjects(h); !strings.Contains(got, c.Email+": Set a new password") {
				t.Errorf("the owner is not sent a link: %s", got)
			}
		}

		// The store removes one because somebody asked for it in the owner's name.
		c := h.Customer("lune_en", "noor@lune.test")
		h.Passkey("lune_en", c.Email, "Phone")
		var mine []signin.Passkey
		h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			mine, err = signin.Passkeys(ctx, tx, c.ID)
			return err
		})
		if err := h.SignIn.TakePasskey(ctx, admin.CommandLine(admin.RemovePasskeys), c.ID, mine[0].ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		if does := press(t, h, wasntMe(t, h, "We removed a passkey"), recovery.Pressed{Stop: true}); !does.End || !does.Mail || !does.HoldChanges || does.Passkey || does.Stop {
			t.Errorf("a passkey that the store removed: it did %+v", does)
		}
		if got := subjects(h); !strings.Contains(got, c.Email+": Set a new password") {
			t.Errorf("the owner is not sent a link: %s", got)
		}
	})
}
