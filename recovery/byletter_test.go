package recovery_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

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
)

// offering furnishes a house whose stores offer to sign in by letter.
func offering(t *testing.T, d *db.DB) *fixture.House {
	t.Helper()
	h := fixture.Furnish(t, d)
	h.Set(shop.SignInByLetter, "1")
	return h
}

func askToSignIn(t *testing.T, h *fixture.House, browser secret.Text, email string) {
	t.Helper()
	if err := h.Recovery.RequestSignIn(ctx, h.View("lune_en"), browser, email, fixture.Origin); err != nil {
		t.Fatal(err)
	}
}

func signInByCode(h *fixture.House, view string, browser, code secret.Text) (signin.Opened, error) {
	return h.Recovery.SignInByCode(ctx, h.View(view), browser, code, fixture.Origin)
}

// Promise: a code is good for what it was asked for, where it was asked for, for as long as its letter says.
func TestACodeIsGoodForItsPurposeOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := offering(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		askIn(t, h, browser, c.Email)
		askToSignIn(t, h, browser, c.Email)
		all := codes(h.Letters())
		toReset, toSignIn := all[0], all[1]
		if _, err := signInByCode(h, "lune_en", browser, toReset); !isWrong(err) {
			t.Errorf("signing in with the code of a reset: %v", err)
		}
		if _, err := typeCode(h, "lune_en", browser, toSignIn); !isWrong(err) {
			t.Errorf("resetting with the code to sign in: %v", err)
		}
		if _, err := signInByCode(h, "lune_en", secret.Random(), toSignIn); !isWrong(err) {
			t.Errorf("in another browser: %v", err)
		}
		if _, err := signInByCode(h, "nord_en", browser, toSignIn); !isWrong(err) {
			t.Errorf("at another website: %v", err)
		}
		clock.Advance(10*time.Minute - time.Second)
		opened, err := signInByCode(h, "lune_fr", browser, toSignIn)
		if err != nil {
			t.Fatalf("where and for what it was asked for: %v", err)
		}
		if who, err := h.SignIn.Check(ctx, h.View("lune_en"), opened.Secret); err != nil || who.Customer.ID != c.ID {
			t.Errorf("the session: %v", err)
		}
		if _, err := signInByCode(h, "lune_en", browser, toSignIn); !isWrong(err) {
			t.Errorf("a second time: %v", err)
		}
		if _, err := typeCode(h, "lune_en", browser, toReset); err != nil {
			t.Errorf("the code of the reset is not touched by that: %v", err)
		}

		askToSignIn(t, h, browser, c.Email) // ten minutes are almost over: held back
		clock.Advance(time.Second)
		askToSignIn(t, h, browser, c.Email)
		all = codes(h.Letters())
		clock.Advance(10 * time.Minute)
		if _, err := signInByCode(h, "lune_en", browser, all[len(all)-1]); !isWrong(err) {
			t.Errorf("when its time is over: %v", err)
		}
	})
}

// Promise: signing in by letter stands in for the password, not for what the store demands beside one.
func TestSigningInByLetterStandsInForThePasswordOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := offering(t, d)
		set := func(c customer.Customer, columns string) {
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE customers SET "+columns+" WHERE id = $1", c.ID)
				return err
			})
		}
		requireNew := func(c customer.Customer) {
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				return customer.RequireNewPasswords(ctx, tx, []int64{c.ID}, true)
			})
		}
		lock := func(c customer.Customer) {
			for range 10 {
				_, _ = signIn(h, c.Email, "wrong")
			}
			if !h.Find(c.ID).Locked(clock.Now()) {
				t.Fatal("the account is not locked")
			}
		}
		none := func(customer.Customer) {}
		for i, row := range []struct {
			why           string
			before, after func(c customer.Customer) // before the letter is written, and once it is there
			letter        string                    // the code, a link, or none
			signedIn      bool
		}{
			{"an account like any other", none, none, "code", true},
			{"it never had a password", func(c customer.Customer) { set(c, "password_hash = NULL") }, none, "code", true},
			{"locked: the letter proves the owner, as a reset does", lock, none, "code", true},
			{"locked while the letter is under way", none, lock, "code", true},
			{"disabled", func(c customer.Customer) { set(c, "active = FALSE") }, none, "", false},
			{"disabled while the letter is under way", none, func(c customer.Customer) { set(c, "active = FALSE") }, "code", false},
			{"the store demands a new password: the letter is the way to one", requireNew, none, "link", false},
			{"the store demands a new password while the letter is under way", none, requireNew, "code", false},
			{"not confirmed: the code proves the address", func(c customer.Customer) { set(c, "confirmed_at = NULL, email_proven_at = NULL") }, none, "code", true},
			{"the password was changed while the letter was under way", none, func(c customer.Customer) {
				ask(t, h, c.Email)
				all := links(h.Letters())
				if err := complete(h, "lune_en", all[len(all)-1], "second-secret-8"); err != nil {
					t.Fatal(err)
				}
			}, "code", false},
		} {
			c := h.Customer("lune_en", string(rune('a'+i))+"@lune.test")
			browser, here := secret.Random(), audit.Origin{IP: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
			if err := h.Recovery.RequestSignIn(ctx, h.View("lune_en"), browser, c.Email, here); err != nil {
				t.Fatal(err)
			}
			row.before(c)
			kind, code, link := "", secret.NewText("0000-0000"), secret.Text{}
			for _, l := range h.Letters() {
				if l.To.Email != c.Email || strings.Contains(l.Subject, "has been changed") {
					continue
				}
				if l.Code != nil {
					kind, code = "code", l.Code.Text
				} else if l.Button != nil {
					kind = "link"
				}
			}
			if all := links(h.Letters()); kind == "link" {
				link = all[len(all)-1]
			}
			if kind != row.letter {
				t.Errorf("%s: the letter has %q, want %q", row.why, kind, row.letter)
			}
			row.after(c)
			opened, err := h.Recovery.SignInByCode(ctx, h.View("lune_en"), browser, code, here)
			if row.signedIn != (err == nil) || err != nil && !isWrong(err) {
				t.Errorf("%s: %v", row.why, err)
			}
			if row.signedIn {
				if _, err := h.SignIn.Check(ctx, h.View("lune_en"), opened.Secret); err != nil {
					t.Errorf("%s: the session: %v", row.why, err)
				}
				if _, err := signIn(h, c.Email, fixture.Password); h.Find(c.ID).HasPassword() && err != nil {
					t.Errorf("%s: the password does not work after it: %v", row.why, err)
				}
			}
			if kind == "link" {
				clock.Advance(time.Hour) // the link lives as long as links do, not as codes to sign in with
				if err := complete(h, "lune_en", link, "second-secret-8"); err != nil {
					t.Errorf("%s: the link: %v", row.why, err)
				}
			}
		}
	})
}

// Everybody reads the same; the letters are limited as those with links are, and apart from them.
func TestLettersToSignInAreLimitedSilentlyAndApart(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := offering(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		for range 7 {
			askToSignIn(t, h, secret.Random(), c.Email)
			askToSignIn(t, h, secret.Random(), "unknown@lune.test")
		}
		ask(t, h, c.Email) // a link is not held back by letters to sign in
		letters := h.Letters()
		if len(codes(letters)) != 1 || len(links(letters)) != 1 {
			t.Errorf("%d codes and %d links, want one of each", len(codes(letters)), len(links(letters)))
		}
		h.Set(shop.MaxRequestsPerClient, "3")
		clock.Advance(time.Hour)
		var err error
		for i := range 4 {
			err = h.Recovery.RequestSignIn(ctx, h.View("lune_en"), secret.Random(), "somebody@lune.test", fixture.Origin)
			if i < 3 && err != nil {
				t.Fatal(err)
			}
		}
		if e, _ := fault.As(err); !fault.Is(err, fault.Limited) || !e.RetryAt.Equal(clock.Now().Add(time.Hour)) {
			t.Errorf("the fourth of one client: %v", err)
		}
	})
}

// Off is the default, and a code that is on its way signs nobody in once it is off.
func TestStoresThatDoNotOfferItSignNobodyInByLetter(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		if err := h.Recovery.RequestSignIn(ctx, h.View("lune_en"), browser, c.Email, fixture.Origin); !fault.Is(err, fault.NotFound) {
			t.Errorf("asking: %v", err)
		}
		h.Set(shop.SignInByLetter, "1")
		askToSignIn(t, h, browser, c.Email)
		code := codes(h.Letters())[0]
		h.Set(shop.SignInByLetter, "0")
		if _, err := signInByCode(h, "lune_en", browser, code); !fault.Is(err, fault.NotFound) {
			t.Errorf("typing the code: %v", err)
		}
	})
}

// The story of signing in by letter can be told: asked, written, typed.
func TestTheStoryTellsOfCodes(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := offering(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		askToSignIn(t, h, browser, c.Email)
		askIn(t, h, browser, c.Email)
		clock.Advance(time.Minute)
		all := codes(h.Letters())
		_, _ = signInByCode(h, "lune_en", browser, secret.NewText("wrong"))
		clock.Advance(time.Minute)
		if _, err := signInByCode(h, "lune_en", browser, all[0]); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
		link, err := typeCode(h, "lune_en", browser, all[1])
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.Recovery.Check(ctx, h.View("lune_en"), link, fixture.Origin)
		if err == nil {
			err = h.Recovery.Opened(ctx, p, fixture.Origin) // the page that follows; it was opened by the code already
		}
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			steps, err := recovery.Timeline(ctx, tx, h.Find(c.ID), false)
			for _, s := range steps {
				kinds = append(kinds, s.Kind)
			}
			return err
		})
		want := "signin.code_requested password_reset.requested letter.queued letter.queued code.refused signin.by_letter password_reset.code_typed"
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}
