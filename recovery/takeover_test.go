package recovery_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// theirs is all that a stranger may have who made an account with somebody else's address.
type theirs struct {
	account customer.Customer
	session signin.Opened
	app     secret.Text
	passkey *fixture.Device
	change  secret.Text // a link to another address
}

// madeByAStranger gives a stranger an account in which everything that could keep them in is theirs: also a passkey, which such accounts
// have from before passkeys asked for a proven address.
func madeByAStranger(t *testing.T, h *fixture.House, email string) theirs {
	t.Helper()
	c := h.Customer("lune_en", email)
	made := theirs{account: c, passkey: h.Passkey("lune_en", email, "Phone")}
	h.Write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE customers SET email_proven_at = NULL WHERE id = $1", c.ID)
		return err
	})
	made.app = bearer(h, c)
	var err error
	if made.session, err = signIn(h, email, fixture.Password); err != nil {
		t.Fatal(err)
	}
	if err := changeEmail(h, h.Find(c.ID), "stranger-"+email, fixture.Password); err != nil {
		t.Fatal(err)
	}
	_, waiting := mailed(h)
	made.change = waiting[len(waiting)-1]
	return made
}

// left names what still works of it, on another node.
func (a theirs) left(h *fixture.House) string {
	v := h.View("lune_en")
	var works []string
	for _, one := range []struct {
		what string
		err  func() error
	}{
		{"password", func() error { _, err := signIn(h, a.account.Email, fixture.Password); return err }},
		{"session", func() error { _, err := h.SignIn.Check(ctx, v, a.session.Secret); return err }},
		{"token", func() error { _, err := h.Tokens.Check(ctx, a.app, token.CustomerToken); return err }},
		{"passkey", func() error { _, err := h.ByPasskey("lune_en", a.passkey); return err }},
		{"change of the address", func() error { return h.Recovery.ConfirmEmail(ctx, v, a.change, fixture.Origin) }},
	} {
		if one.err() == nil {
			works = append(works, one.what)
		}
	}
	return strings.Join(works, ", ")
}

const all = "password, session, token, passkey, change of the address"

// Promise: whoever proves the address of an account that nobody has proven has it alone: nothing of its maker's works any more.
func TestWhoeverProvesTheAddressHasTheAccountAlone(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h, other := offering(t, a), fixture.Open(t, b)
		v := h.View("lune_en")
		byLink := func(keep bool) func(email string) error {
			return func(email string) error {
				ask(t, h, email)
				all := links(h.Letters())
				pending, err := h.Recovery.Check(ctx, v, all[len(all)-1], fixture.Origin)
				if err != nil || len(pending.Passkeys) != 0 {
					t.Errorf("the owner is asked to keep a stranger's passkeys: %+v %v", pending.Passkeys, err)
				}
				pw := secret.NewText("second-secret-8")
				_, err = h.Recovery.Complete(ctx, v, recovery.Reset{Link: all[len(all)-1], Password: pw, Confirm: pw, KeepPasskeys: keep}, fixture.Origin)
				return err
			}
		}
		for i, row := range []struct {
			how      string
			prove    func(email string) error
			password string // that works then
		}{
			{"a code to sign in", func(email string) error {
				browser := secret.Random()
				askToSignIn(t, h, browser, email)
				all := codes(h.Letters())
				opened, err := signInByCode(h, "lune_en", browser, all[len(all)-1])
				if err == nil && !opened.TookOver {
					t.Error("the owner is not told")
				}
				if _, err := other.SignIn.Check(ctx, v, opened.Secret); err != nil {
					t.Errorf("the owner's session: %v", err)
				}
				return err
			}, ""},
			{"a link to a new password", byLink(false), "second-secret-8"},
			{"a link to a new password, keeping passkeys", byLink(true), "second-secret-8"},
			{"a registration", func(email string) error {
				pw := secret.NewText("third-secret-8")
				r, err := h.Customers.Register(ctx, v, customer.Registration{Firstname: "Inès", Lastname: "Laurent", Email: email, Password: pw, Confirm: pw}, fixture.Origin)
				if err != nil {
					return err
				}
				made, err := h.Customers.FinishRegistration(ctx, v, registrationLink(t, h), r.Browser, secret.Text{}, fixture.Origin)
				if made.Firstname != "Inès" {
					t.Errorf("the owner is called %q", made.Firstname)
				}
				return err
			}, "third-secret-8"},
		} {
			email := string(rune('a'+i)) + "@lune.test"
			stranger := madeByAStranger(t, h, email)
			if err := row.prove(email); err != nil {
				t.Fatalf("%s: %v", row.how, err)
			}
			if left := stranger.left(other); left != "" {
				t.Errorf("%s: the maker keeps %s", row.how, left)
			}
			c := other.Find(stranger.account.ID)
			if !c.Proven() || !c.Confirmed() || c.HasPassword() != (row.password != "") {
				t.Errorf("%s: proven %v, confirmed %v, password %v", row.how, c.Proven(), c.Confirmed(), c.HasPassword())
			}
			if row.password != "" {
				if _, err := signIn(other, email, row.password); err != nil {
					t.Errorf("%s: the owner's password: %v", row.how, err)
				}
			}
		}
		stranger := madeByAStranger(t, h, "z@lune.test")
		if left := stranger.left(other); left != all {
			t.Errorf("without a proof the account is its maker's, who has only %q", left)
		}
	})
}

// registrationLink is the link of the newest letter that finishes a registration.
func registrationLink(t *testing.T, h *fixture.House) secret.Text {
	t.Helper()
	letters := h.Letters()
	for i := len(letters) - 1; i >= 0; i-- {
		if l := letters[i]; l.Button != nil {
			if _, link, ok := strings.Cut(l.Button.URL.Reveal(), "/customer/account/confirm?token="); ok {
				return secret.NewText(link)
			}
		}
	}
	t.Fatal("no letter finishes a registration")
	return secret.Text{}
}

// Promise: signing in by code to an account whose owner has proven the address ends nothing.
func TestACodeEndsNothingOfAProvenAccount(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := offering(t, d)
		stranger := madeByAStranger(t, h, "camille@lune.test")
		h.Write(func(ctx context.Context, tx *db.Tx) error { return customer.Prove(ctx, tx, stranger.account) })
		browser := secret.Random()
		askToSignIn(t, h, browser, "camille@lune.test")
		if opened, err := signInByCode(h, "lune_en", browser, codes(h.Letters())[0]); err != nil || opened.TookOver {
			t.Fatal(opened.TookOver, err)
		}
		if left := stranger.left(h); left != all {
			t.Errorf("the owner keeps only %s", left)
		}
	})
}

// Promise: the letter of an account that nobody has proven says "It wasn't me", which ends all that its maker has, gives the account to
// nobody, and is pressed by no program that opens letters.
func TestAWelcomeThatIsNotWantedIsRefused(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := offering(t, d)
		h.Set(shop.RegistrationAnswer, shop.RegistrationImmediate)
		v, pw := h.View("lune_en"), secret.NewText("third-secret-8")
		register := func(email string) customer.Customer {
			r, err := h.Customers.Register(ctx, v, customer.Registration{Firstname: "Inès", Lastname: "Laurent", Email: email, Password: pw, Confirm: pw}, fixture.Origin)
			if err != nil || !r.Created || !r.Customer.Confirmed() || r.Customer.Proven() {
				t.Fatalf("%+v %v", r, err)
			}
			return r.Customer
		}
		c := register("ines@lune.test")
		link := wasntMe(t, h, "Welcome")
		ob, err := h.Recovery.Objection(ctx, v, link, fixture.Origin)
		if err != nil || !ob.Does.Maker || !ob.Sure {
			t.Fatalf("%+v %v", ob, err)
		}
		opened, err := signIn(h, c.Email, "third-secret-8")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Recovery.Object(ctx, v, link, recovery.Pressed{}, fixture.Origin); !fault.Is(err, fault.Invalid) || !h.Find(c.ID).HasPassword() {
			t.Errorf("without the box: %v", err)
		}
		press(t, h, link, recovery.Pressed{Sure: true})
		_, session := h.SignIn.Check(ctx, v, opened.Secret)
		if c = h.Find(c.ID); c.HasPassword() || c.Proven() || session == nil {
			t.Errorf("password %v, proven %v, session %v", c.HasPassword(), c.Proven(), session)
		}
		if made := objections(h, c); len(made) != 1 || made[0].Detail["password"] == "" || made[0].Detail["sessions"] != "1" {
			t.Errorf("the store is told %+v", made)
		}
		subjects(h)

		second := register("theo@lune.test")
		link = wasntMe(t, h, "Welcome")
		h.Write(func(ctx context.Context, tx *db.Tx) error { return customer.Prove(ctx, tx, second) })
		if ob, err := h.Recovery.Objection(ctx, v, link, fixture.Origin); err != nil || !ob.Does.None() {
			t.Errorf("once the address is proven there is nothing to refuse: %+v %v", ob.Does, err)
		}
	})
}

// Promise: an account that nobody has proven takes no passkeys.
func TestPasskeysWantAProvenAddress(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c, v := h.Unproven("lune_en", "camille@lune.test"), h.View("lune_en")
		opened, err := signIn(h, c.Email, fixture.Password)
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.SignIn.Check(ctx, v, opened.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.SignIn.AskNewPasskey(ctx, v, who); !fault.Is(err, fault.Conflict) {
			t.Errorf("unproven: %v", err)
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error { return customer.Prove(ctx, tx, c) })
		if who, err = h.SignIn.Check(ctx, v, opened.Secret); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SignIn.AskNewPasskey(ctx, v, who); err != nil {
			t.Errorf("proven: %v", err)
		}
	})
}

// Promise: no email to an address that nobody has proven holds a name that somebody typed, in its subject, its greeting or beside the
// address; the owner of a proven one is greeted.
func TestNoNameInEmailsToStrangers(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := offering(t, d)
		h.Set(shop.RegistrationAnswerAPI, shop.RegistrationImmediate)
		const name = "Zqx"
		v, pw := h.View("lune_en"), secret.NewText(fixture.Password)
		typed := func(email, answer string) customer.Registration {
			return customer.Registration{Firstname: name, Lastname: name, Email: email, Password: pw, Confirm: pw, Answer: answer}
		}
		for _, one := range []customer.Registration{typed("new@lune.test", shop.RegistrationNeutral), typed("maker@lune.test", shop.RegistrationImmediate)} {
			if _, err := h.Customers.Register(ctx, v, one, fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		a, _ := customer.ParseAddress("maker@lune.test")
		var c customer.Customer
		h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			c, err = customer.FindByAddress(ctx, tx, v.WebsiteID, a)
			return err
		})
		ask(t, h, c.Email)
		askToSignIn(t, h, secret.Random(), c.Email)
		if err := changeEmail(h, c, "other@lune.test", fixture.Password); err != nil {
			t.Fatal(err)
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := h.Recovery.Warn(ctx, tx, c, recovery.Warning{})
			return err
		})
		if _, err := h.Customers.Register(ctx, v, typed("maker@lune.test", shop.RegistrationNeutral), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		letters := h.Letters()
		if len(letters) != 8 {
			t.Errorf("%d letters:\n%s", len(letters), subjects(h))
		}
		for _, l := range letters {
			for _, text := range append(l.Paragraphs, l.To.Name, l.Subject, l.Title, l.Preheader, l.Greeting, l.Why, l.NotYou) {
				if strings.Contains(text, name) {
					t.Errorf("%s: “%s” says %q", l.To.Email, l.Subject, text)
				}
			}
			if l.To.Name != "" || strings.Contains(l.Subject, "already") {
				t.Errorf("%s: “%s” takes its reader for the owner", l.To.Email, l.Subject)
			}
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error { return customer.Prove(ctx, tx, c) })
		for _, l := range h.Letters() {
			if mine := l.To.Email == c.Email; mine && l.Greeting != "Hello "+name+"," || !mine && l.To.Name != "" {
				t.Errorf("%s, once it is proven: “%s” begins %q", l.To.Email, l.Subject, l.Greeting)
			}
		}
	})
}

// What the audit tells of a proof: whose it is, and what has ended.
func TestAProofIsRecorded(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := offering(t, d)
		stranger := madeByAStranger(t, h, "camille@lune.test")
		browser := secret.Random()
		askToSignIn(t, h, browser, "camille@lune.test")
		if _, err := signInByCode(h, "lune_en", browser, codes(h.Letters())[0]); err != nil {
			t.Fatal(err)
		}
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			found, _, err := audit.List(ctx, tx, audit.Query{Action: audit.AddressProven, Limit: 5})
			if err != nil || len(found) != 1 || found[0].CustomerID != stranger.account.ID || found[0].Detail["passkeys"] != "1" || found[0].Detail["tokens"] != "1" {
				t.Errorf("%+v %v", found, err)
			}
			return err
		})
	})
}

// Promise: between registering and confirming there is a way on: who asks for a new password, or for a code, gets the letter that finishes
// the account again, and who asks reads what everybody reads.
func TestForgetfulRegistrantsGetTheirLetterAgain(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := offering(t, d)
		v, pw := h.View("lune_en"), secret.NewText("third-secret-8")
		r, err := h.Customers.Register(ctx, v, customer.Registration{Firstname: "Inès", Lastname: "Laurent", Email: "ines@lune.test", Password: pw, Confirm: pw}, fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		link, before := registrationLink(t, h), len(h.Letters())
		ask(t, h, "Ines@lune.test")
		askToSignIn(t, h, secret.Random(), "ines@lune.test")
		ask(t, h, "nobody@lune.test")
		if got := h.Letters(); len(got) != before+2 || got[before].To.Email != "ines@lune.test" || got[before+1].To.Email != "ines@lune.test" {
			t.Fatalf("%d letters:\n%s", len(got), subjects(h))
		}
		if again := registrationLink(t, h); again.Reveal() != link.Reveal() {
			t.Error("the letter has another link")
		}
		if _, err := h.Customers.FinishRegistration(ctx, v, link, r.Browser, secret.Text{}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		clock.Advance(25 * 60 * 60e9)
		ask(t, h, "late@lune.test")
		if _, err := h.Customers.Register(ctx, v, customer.Registration{Firstname: "L", Lastname: "L", Email: "late@lune.test", Password: pw, Confirm: pw}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		clock.Advance(25 * 60 * 60e9)
		before = len(h.Letters())
		ask(t, h, "late@lune.test")
		if got := len(h.Letters()); got != before {
			t.Errorf("a registration that has expired still gets letters: %d after %d", got, before)
		}
	})
}
