package signin_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

const browser = "this browser"

// signedIn signs a customer in with the password.
func signedIn(t *testing.T, h *fixture.House, email string) signin.Signed {
	t.Helper()
	opened, err := attempt(h, "lune_en", email, fixture.Password)
	if err != nil {
		t.Fatal(err)
	}
	return check(t, h, opened)
}

func check(t *testing.T, h *fixture.House, opened signin.Opened) signin.Signed {
	t.Helper()
	who, err := h.SignIn.Check(ctx, h.View("lune_en"), opened.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func phone(t *testing.T) *fixture.Device {
	return fixture.NewDevice(t, "lune.test", "https://lune.test")
}

// add gives whoever is signed in a passkey on a device.
func add(h *fixture.House, who signin.Signed, d *fixture.Device, name string) error {
	v := h.View("lune_en")
	ask, err := h.SignIn.AskNewPasskey(ctx, v, who)
	if err != nil {
		return err
	}
	return h.SignIn.AddPasskey(ctx, v, who, signin.Answer{Ticket: ask.Ticket, Response: d.Make(ask.Options)}, name, fixture.Origin)
}

// with is a customer of lune with a passkey on a device.
func with(t *testing.T, h *fixture.House, email string) (customer.Customer, *fixture.Device) {
	t.Helper()
	c, d := h.Customer("lune_en", email), phone(t)
	if err := add(h, signedIn(t, h, email), d, "Phone"); err != nil {
		t.Fatal(err)
	}
	return c, d
}

// question asks a browser at a store view to sign in by passkey.
func question(t *testing.T, h *fixture.House, view string) signin.Ask {
	t.Helper()
	ask, ok, err := h.SignIn.AskToSignIn(ctx, h.View(view), browser)
	if err != nil || !ok {
		t.Fatalf("%s asks for no passkey: %v", view, err)
	}
	return ask
}

func use(t *testing.T, h *fixture.House, view string, d *fixture.Device) (signin.Opened, error) {
	t.Helper()
	ask := question(t, h, view)
	d.Passkey.Counter++
	return h.SignIn.SignInByPasskey(ctx, h.View(view), signin.Answer{Ticket: ask.Ticket, Response: d.Use(ask.Options), Browser: browser}, fixture.Origin)
}

func passkeys(h *fixture.House, id int64) (all []signin.Passkey) {
	h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = signin.Passkeys(ctx, tx, id)
		return err
	})
	return all
}

// Promise: a passkey signs in where it was made, without an address; and nothing but its public half is kept.
func TestAPasskeySignsIn(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		c, d := with(t, h, "camille@lune.test")
		clock.Advance(time.Hour)
		opened, err := use(t, other, "lune_fr", d) // another node, another store view of the same host
		if err != nil {
			t.Fatal(err)
		}
		if opened.Customer.ID != c.ID {
			t.Errorf("signed in as %d, want %d", opened.Customer.ID, c.ID)
		}
		who := check(t, h, opened)
		if !who.Proven || !who.ByPasskey {
			t.Error("the passkey does not count as shown")
		}
		clock.Advance(signin.ProofLife)
		if who = check(t, h, opened); who.Proven || who.ByPasskey {
			t.Error("it counts for longer than ProofLife")
		}
		all := passkeys(h, c.ID)
		if len(all) != 1 || all[0].Name != "Phone" || all[0].Host != "lune.test" || !all[0].LastUsedAt.Equal(clock.Now().Add(-signin.ProofLife)) {
			t.Errorf("kept: %+v", all)
		}
		var subjects []string
		for _, l := range h.Letters() {
			subjects = append(subjects, l.Subject)
			if !strings.Contains(l.Subject, "passkey was added") || l.To.Email != c.Email || l.Facts[0].Value != "Phone" || !strings.Contains(l.NotYou, "care@lune.test") {
				t.Errorf("the notice: %+v", l)
			}
		}
		if len(subjects) != 1 {
			t.Errorf("letters: %v", subjects)
		}
	})
}

// Promise: a passkey that is not good is refused with one answer, whatever the reason.
func TestPasskeysThatAreNotGoodAreRefusedAlike(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, base *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, base)
		_, want := use(t, h, "lune_en", phone(t)) // a passkey that no customer has
		if !fault.Is(want, fault.Unauthenticated) {
			t.Fatalf("unknown: %v", want)
		}
		set := func(query string, id int64) {
			h.Write(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, query, id); return err })
		}
		n := 0
		for _, row := range []struct {
			why string
			try func(c customer.Customer, d *fixture.Device) error
		}{
			{"made for another site", func(_ customer.Customer, d *fixture.Device) error {
				d.Site.ID = "evil.test"
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"answered on another page", func(_ customer.Customer, d *fixture.Device) error {
				d.Site.Origin = "https://evil.test"
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"on another port of the host", func(_ customer.Customer, d *fixture.Device) error {
				d.Site.Origin = "https://lune.test:8443"
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"at another website", func(_ customer.Customer, d *fixture.Device) error {
				d.Site.ID, d.Site.Origin = "nord.test", "https://nord.test"
				_, err := use(t, h, "nord_en", d)
				return err
			}},
			{"touched, and nobody verified", func(_ customer.Customer, d *fixture.Device) error {
				d.Phone.Options.UserNotVerified = true
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"another key under the same id", func(_ customer.Customer, d *fixture.Device) error {
				id := d.Passkey.ID
				d.Passkey = phone(t).Passkey
				d.Passkey.ID = id
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"somebody else's handle", func(_ customer.Customer, d *fixture.Device) error {
				d.Phone.Options.UserHandle = []byte("somebody else")
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"no handle", func(_ customer.Customer, d *fixture.Device) error {
				d.Phone.Options.UserHandle = nil
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"the count does not go up", func(_ customer.Customer, d *fixture.Device) error {
				d.Passkey.Counter = 7
				if _, err := use(t, h, "lune_en", d); err != nil {
					t.Errorf("forwards: %v", err)
				}
				d.Passkey.Counter = 7 // and is 8 once more
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"another browser answers", func(_ customer.Customer, d *fixture.Device) error {
				ask := question(t, h, "lune_en")
				_, err := h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: ask.Ticket, Response: d.Use(ask.Options), Browser: "another"}, fixture.Origin)
				return err
			}},
			{"too late", func(_ customer.Customer, d *fixture.Device) error {
				ask := question(t, h, "lune_en")
				clock.Advance(31 * time.Minute)
				_, err := h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: ask.Ticket, Response: d.Use(ask.Options), Browser: browser}, fixture.Origin)
				return err
			}},
			{"the answer to another question", func(_ customer.Customer, d *fixture.Device) error {
				ask, another := question(t, h, "lune_en"), question(t, h, "lune_en")
				_, err := h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: ask.Ticket, Response: d.Use(another.Options), Browser: browser}, fixture.Origin)
				return err
			}},
			{"a ticket of one's own", func(_ customer.Customer, d *fixture.Device) error {
				ask := question(t, h, "lune_en")
				_, err := h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: secret.Random(), Response: d.Use(ask.Options), Browser: browser}, fixture.Origin)
				return err
			}},
			{"a question about something else", func(c customer.Customer, d *fixture.Device) error {
				ask, _, err := h.SignIn.AskOwner(ctx, h.View("lune_en"), signedIn(t, h, c.Email))
				if err != nil {
					t.Fatal(err)
				}
				_, err = h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: ask.Ticket, Response: d.Use(ask.Options), Browser: browser}, fixture.Origin)
				return err
			}},
			{"no answer at all", func(customer.Customer, *fixture.Device) error {
				_, err := h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: question(t, h, "lune_en").Ticket, Response: "{", Browser: browser}, fixture.Origin)
				return err
			}},
			{"the account is disabled", func(c customer.Customer, d *fixture.Device) error {
				set("UPDATE customers SET active = FALSE WHERE id = $1", c.ID)
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"the address is not confirmed", func(c customer.Customer, d *fixture.Device) error {
				set("UPDATE customers SET confirmed_at = NULL WHERE id = $1", c.ID)
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"the store demands a new password", func(c customer.Customer, d *fixture.Device) error {
				h.Write(func(ctx context.Context, tx *db.Tx) error {
					return customer.RequireNewPasswords(ctx, tx, []int64{c.ID}, false)
				})
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"the passkey was removed", func(c customer.Customer, d *fixture.Device) error {
				if err := h.SignIn.RemovePasskey(ctx, h.View("lune_en"), signedIn(t, h, c.Email), passkeys(h, c.ID)[0].ID, fixture.Origin); err != nil {
					t.Error(err)
				}
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"the account is gone", func(c customer.Customer, d *fixture.Device) error {
				if err := h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), c.ID, audit.Origin{}); err != nil {
					t.Error(err)
				}
				if left := passkeys(h, c.ID); len(left) != 0 {
					t.Errorf("%d passkeys are left", len(left))
				}
				_, err := use(t, h, "lune_en", d)
				return err
			}},
			{"passkeys are switched off", func(_ customer.Customer, d *fixture.Device) error {
				ask := question(t, h, "lune_en")
				h.Set(shop.Passkeys, "0")
				if _, ok, _ := h.SignIn.AskToSignIn(ctx, h.View("lune_en"), browser); ok {
					t.Error("it still asks")
				}
				_, err := h.SignIn.SignInByPasskey(ctx, h.View("lune_en"), signin.Answer{Ticket: ask.Ticket, Response: d.Use(ask.Options), Browser: browser}, fixture.Origin)
				return err
			}},
		} {
			n++
			c, d := with(t, h, strings.Repeat("a", n)+"@lune.test")
			if err := row.try(c, d); err == nil || err.Error() != want.Error() || fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("%s: %v, want %v", row.why, err, want)
			}
		}
	})
}

// Promise: of many answers to one question at once, over two nodes, one is taken.
func TestAPasskeysAnswerIsTakenOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		_, d := with(t, h, "camille@lune.test")
		ask := question(t, h, "lune_en")
		answer := signin.Answer{Ticket: ask.Ticket, Response: d.Use(ask.Options), Browser: browser} // of an authenticator that does not count
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 50 {
			node := []*fixture.House{h, other}[i%2]
			o := fixture.Origin
			o.IP = netip.AddrFrom4([4]byte{198, 51, byte(i), 7}) // from everywhere, so that no limit decides
			wg.Go(func() {
				_, err := node.SignIn.SignInByPasskey(ctx, node.View("lune_en"), answer, o)
				switch {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Unauthenticated):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 50 were taken", won.Load())
		}
	})
}

// Promise: whoever adds or removes a passkey has just shown who they are.
func TestPasskeysComeAndGoByTheirOwnerOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c, first := with(t, h, "camille@lune.test")
		who := signedIn(t, h, c.Email)
		v := h.View("lune_en")
		ask, err := h.SignIn.AskNewPasskey(ctx, v, who)
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(signin.ProofLife)
		second := phone(t)
		answer := signin.Answer{Ticket: ask.Ticket, Response: second.Make(ask.Options)}
		if err := h.SignIn.AddPasskey(ctx, v, who, answer, "Laptop", fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("added long after signing in: %v", err)
		}
		if err := h.SignIn.RemovePasskey(ctx, v, who, passkeys(h, c.ID)[0].ID, fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("removed long after signing in: %v", err)
		}
		if err := h.SignIn.Confirm(ctx, v, who, secret.NewText("wrong"), fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("confirmed with a wrong password: %v", err)
		}
		if err := h.SignIn.AddPasskey(ctx, v, who, answer, "Laptop", fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("added after a wrong password: %v", err)
		}
		if err := h.SignIn.Confirm(ctx, v, who, secret.NewText(fixture.Password), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if err := h.SignIn.AddPasskey(ctx, v, who, answer, "Laptop", fixture.Origin); err != nil {
			t.Errorf("after the right one: %v", err)
		}
		if err := h.SignIn.AddPasskey(ctx, v, who, answer, "Laptop", fixture.Origin); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the same answer once more: %v", err)
		}

		// A passkey shows it as well, if it is one of the customer's own.
		clock.Advance(signin.ProofLife)
		_, foreign := with(t, h, "theo@lune.test")
		for _, row := range []struct {
			device *fixture.Device
			good   bool
			why    string
		}{{foreign, false, "somebody else's"}, {first, true, "the customer's own"}} {
			ask, ok, err := h.SignIn.AskOwner(ctx, v, who)
			if err != nil || !ok {
				t.Fatal(err)
			}
			err = h.SignIn.ConfirmByPasskey(ctx, v, who, signin.Answer{Ticket: ask.Ticket, Response: row.device.Use(ask.Options)}, fixture.Origin)
			if (err == nil) != row.good {
				t.Errorf("%s passkey: %v", row.why, err)
			}
			err = h.SignIn.RemovePasskey(ctx, v, who, passkeys(h, c.ID)[0].ID, fixture.Origin)
			if (err == nil) != row.good {
				t.Errorf("%s passkey, removing: %v", row.why, err)
			}
		}
		if all := passkeys(h, c.ID); len(all) != 1 || all[0].Name != "Laptop" {
			t.Errorf("left: %+v", all)
		}
		stranger := signedIn(t, h, "theo@lune.test")
		mine := passkeys(h, c.ID)[0].ID
		if err := h.SignIn.RemovePasskey(ctx, v, stranger, mine, fixture.Origin); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else removes it: %v", err)
		}
		if err := h.SignIn.RenamePasskey(ctx, stranger, mine, "Mine"); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else names it: %v", err)
		}
		if err := h.SignIn.RenamePasskey(ctx, who, mine, "  "); !fault.Is(err, fault.Invalid) {
			t.Errorf("no name: %v", err)
		}
		if err := h.SignIn.RenamePasskey(ctx, who, mine, "Work laptop"); err != nil || passkeys(h, c.ID)[0].Name != "Work laptop" {
			t.Errorf("another name: %v", err)
		}
		if n := countOf(h, audit.PasskeyAdded) + countOf(h, audit.PasskeyRemoved); n != 4 {
			t.Errorf("%d came and went in the audit, want 3 and 1", n)
		}
		var notices int
		for _, l := range h.Letters() {
			if strings.Contains(l.Subject, "passkey was") {
				notices++
			}
		}
		if notices != 4 {
			t.Errorf("%d notices, want 4", notices)
		}
	})
}

// A copied authenticator is noticed, and told to the store with the customer's name.
func TestACopiedPasskeyIsToldToTheStore(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c, device := with(t, h, "camille@lune.test")
		copied := *device
		device.Passkey.Counter = 40
		if _, err := use(t, h, "lune_en", device); err != nil {
			t.Fatal(err)
		}
		copied.Passkey.Counter = 3
		if _, err := use(t, h, "lune_en", &copied); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the copy: %v", err)
		}
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			entries, _, err := audit.List(ctx, tx, audit.Query{Action: audit.PasskeyRefused, Limit: 10})
			if len(entries) != 1 || entries[0].CustomerID != c.ID || entries[0].Detail["why"] != "copied" {
				t.Errorf("%+v", entries)
			}
			return err
		})
	})
}

// Promise: tries by passkey count on the client's limit, and good ones do not.
func TestPasskeysCountOnTheClientsLimit(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		_, device := with(t, h, "camille@lune.test")
		h.Set(shop.MaxSignInFailuresClient, "3")
		for range 5 {
			if _, err := use(t, h, "lune_en", device); err != nil {
				t.Fatalf("a good one: %v", err)
			}
		}
		for range 3 {
			_, _ = use(t, h, "lune_en", phone(t))
		}
		if _, err := use(t, h, "lune_en", device); !fault.Is(err, fault.Limited) {
			t.Errorf("after three bad ones: %v", err)
		}
	})
}

func TestAnAccountHasSoManyPasskeysAndNoMore(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Customer("lune_en", "camille@lune.test")
		who := signedIn(t, h, "camille@lune.test")
		for range signin.MaxPasskeys {
			if err := add(h, who, phone(t), "Phone"); err != nil {
				t.Fatal(err)
			}
		}
		if err := add(h, who, phone(t), "One more"); !fault.Is(err, fault.Conflict) {
			t.Errorf("one more: %v", err)
		}
	})
}

func countOf(h *fixture.House, action string) (n int) {
	h.Read(func(ctx context.Context, tx *db.Tx) error {
		entries, _, err := audit.List(ctx, tx, audit.Query{Action: action, Limit: 100})
		n = len(entries)
		return err
	})
	return n
}

// Promise: what the store removes signs nobody in any more, on no node; nobody else's passkey is touched, and no other website's.
func TestTheStoreRemovesAPasskey(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		c, device := with(t, h, "camille@lune.test")
		theo, his := with(t, h, "theo@lune.test")
		mine := passkeys(h, c.ID)[0].ID
		permit := admin.CommandLine(admin.RemovePasskeys)
		if err := h.SignIn.TakePasskey(ctx, permit, theo.ID, mine, audit.Origin{}); !fault.Is(err, fault.NotFound) {
			t.Errorf("under another customer's name: %v", err)
		}
		if err := h.SignIn.TakePasskey(ctx, admin.CommandLine(admin.UnlockCustomer), c.ID, mine, audit.Origin{}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("with a permit for something else: %v", err)
		}
		narrow, err := admin.Allow(admin.Admin{ID: 7, Active: true, Role: admin.Owner, WebsiteID: h.View("nord_en").WebsiteID}, admin.RemovePasskeys)
		if err != nil {
			t.Fatal(err)
		}
		missing := h.SignIn.TakePasskey(ctx, narrow, 4711, mine, audit.Origin{})
		if err := h.SignIn.TakePasskey(ctx, narrow, c.ID, mine, audit.Origin{}); !fault.Is(err, fault.NotFound) || err.Error() != missing.Error() {
			t.Errorf("by another website's administrator: %v, for nobody: %v", err, missing)
		}
		if _, err := use(t, other, "lune_en", device); err != nil {
			t.Fatalf("after refusals: %v", err)
		}
		if err := h.SignIn.TakePasskey(ctx, permit, c.ID, mine, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		if err := other.SignIn.TakePasskey(ctx, permit, c.ID, mine, audit.Origin{}); !fault.Is(err, fault.NotFound) {
			t.Errorf("once more: %v", err)
		}
		if _, err := use(t, other, "lune_en", device); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("it still signs in: %v", err)
		}
		if _, err := use(t, other, "lune_en", his); err != nil {
			t.Errorf("another customer's: %v", err)
		}
		var told int
		for _, l := range h.Letters() {
			if strings.HasPrefix(l.Subject, "We removed a passkey") && l.To.Email == c.Email && l.Object != nil {
				told++
			}
		}
		if told != 1 || countOf(h, audit.PasskeyRemoved) != 1 {
			t.Errorf("%d letters, %d in the audit", told, countOf(h, audit.PasskeyRemoved))
		}
	})
}
