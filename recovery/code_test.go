package recovery_test

import (
	"context"
	"crypto/sha256"
	"fmt"
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
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// askIn asks for a link in a browser.
func askIn(t *testing.T, h *fixture.House, browser secret.Text, email string) {
	t.Helper()
	if err := h.Recovery.RequestIn(ctx, h.View("lune_en"), browser, email, fixture.Origin); err != nil {
		t.Fatal(err)
	}
}

// codes are what letters say to type, oldest first.
func codes(letters []mail.Content) (all []secret.Text) {
	for _, l := range letters {
		if l.Code != nil {
			all = append(all, l.Code.Text)
		}
	}
	return all
}

func typeCode(h *fixture.House, view string, browser, code secret.Text) (secret.Text, error) {
	return h.Recovery.OpenByCode(ctx, h.View(view), browser, code, fixture.Origin)
}

func isWrong(err error) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Invalid && f.Key == "code.wrong"
}

// tries is how often something was typed against the codes of a browser, over all of them.
func tries(h *fixture.House, browser secret.Text) (n int) {
	h.Read(func(ctx context.Context, tx *db.Tx) error {
		return tx.Row(ctx, "SELECT COALESCE(SUM(tries), 0) FROM codes WHERE browser_hash = $1", secret.Digest(browser)).Scan(&n)
	})
	return n
}

// Promise: the code is the link, in the browser that asked and in no other; it spends nothing.
func TestTheCodeOpensTheLinkWhereItWasAskedForOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		here, there := secret.Random(), secret.Random()
		askIn(t, h, here, c.Email)
		askIn(t, h, there, "theo@lune.test") // the other browser has asked too, for somebody else
		letters := h.Letters()
		code, link := codes(letters)[0], links(letters)[0]
		for _, row := range []struct {
			why     string
			view    string
			browser secret.Text
			typed   string
			right   bool
		}{
			{"as it stands in the letter", "lune_en", here, code.Reveal(), true},
			{"again: it spends nothing", "lune_en", here, code.Reveal(), true},
			{"in the other language of the store", "lune_fr", here, code.Reveal(), true},
			{"as a hurried thumb writes it", "lune_en", here, " " + strings.ToLower(strings.ReplaceAll(code.Reveal(), "-", " — ")), true},
			{"another browser", "lune_en", there, code.Reveal(), false},
			{"no browser", "lune_en", secret.Text{}, code.Reveal(), false},
			{"another website", "nord_en", here, code.Reveal(), false},
			{"one character more", "lune_en", here, code.Reveal() + "0", false},
			{"nothing", "lune_en", here, "", false},
		} {
			opened, err := typeCode(h, row.view, row.browser, secret.NewText(row.typed))
			switch {
			case row.right && (err != nil || !opened.Equal(link)):
				t.Errorf("%s: %v", row.why, err)
			case !row.right && (!isWrong(err) || !opened.IsEmpty()):
				t.Errorf("%s: %v", row.why, err)
			}
		}
		if err := complete(h, "lune_en", link, "second-secret-8"); err != nil {
			t.Fatal(err)
		}
		if _, err := typeCode(h, "lune_en", here, code); !isWrong(err) {
			t.Errorf("after the link was used: %v", err)
		}
	})
}

// Promise: five tries, exactly, of many at once, over nodes; the right code is none.
func TestTriesAreCountedExactlyOverNodes(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		askIn(t, h, browser, c.Email)
		code := codes(h.Letters())[0]
		wrong := secret.NewText("0000-0000")
		for range recovery.MaxTries - 1 {
			if _, err := typeCode(h, "lune_en", browser, wrong); !isWrong(err) {
				t.Fatal(err)
			}
		}
		for range 10 {
			if _, err := typeCode(other, "lune_en", browser, code); err != nil {
				t.Fatalf("the right code after four wrong ones: %v", err)
			}
		}
		var wg sync.WaitGroup
		for i := range 40 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() {
				if _, err := typeCode(node, "lune_en", browser, wrong); !isWrong(err) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := tries(h, browser); n != recovery.MaxTries {
			t.Errorf("%d tries were counted, want %d", n, recovery.MaxTries)
		}
		for _, node := range []*fixture.House{h, other} {
			if _, err := typeCode(node, "lune_en", browser, code); !isWrong(err) {
				t.Errorf("the right code after five wrong ones: %v", err)
			}
		}
		// Another letter has another code, with tries of its own; the one before stays dead.
		clock.Advance(10 * time.Minute)
		askIn(t, h, browser, c.Email)
		all := codes(h.Letters())
		if _, err := typeCode(h, "lune_en", browser, all[0]); !isWrong(err) {
			t.Errorf("the exhausted code after another letter: %v", err)
		}
		if _, err := typeCode(h, "lune_en", browser, all[1]); err != nil {
			t.Errorf("the code of another letter: %v", err)
		}
		if got := len(refusals(h, c)); got != recovery.MaxTries+1 {
			t.Errorf("the story tells of %d wrong codes, want %d", got, recovery.MaxTries+1)
		}
	})
}

// refusals are the wrong codes in a customer's story.
func refusals(h *fixture.House, c customer.Customer) (found []recovery.Step) {
	h.Read(func(ctx context.Context, tx *db.Tx) error {
		steps, err := recovery.Timeline(ctx, tx, h.Find(c.ID), false)
		for _, s := range steps {
			if s.Kind == audit.CodeRefused {
				found = append(found, s)
			}
		}
		return err
	})
	return found
}

// Promise: what is typed for an address that is nobody's is counted and answered as for a customer's, limited or not.
func TestCodesOfNobodyCountAlike(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Customer("lune_en", "known@lune.test")
		h.Set(shop.SignInByLetter, "1")
		v := h.View("lune_en")
		for _, email := range []string{"known@lune.test", "unknown@lune.test"} {
			for _, asked := range []string{"first", "limited"} { // the second time its limit holds the letter back
				browser, toSignIn := secret.Random(), secret.Random()
				askIn(t, h, browser, email)
				if err := h.Recovery.RequestSignIn(ctx, v, toSignIn, email, fixture.Origin); err != nil {
					t.Fatal(err)
				}
				h.Letters()
				for range recovery.MaxTries + 1 {
					_, reset := typeCode(h, "lune_en", browser, secret.NewText("0000-0000"))
					_, signIn := h.Recovery.SignInByCode(ctx, v, toSignIn, secret.NewText("0000-0000"), fixture.Origin)
					if !isWrong(reset) || !isWrong(signIn) {
						t.Errorf("%s, %s: %v, %v", email, asked, reset, signIn)
					}
				}
				if r, s := tries(h, browser), tries(h, toSignIn); r != recovery.MaxTries || s != recovery.MaxTries {
					t.Errorf("%s, %s: %d and %d tries were counted", email, asked, r, s)
				}
			}
		}
	})
}

// Promise: whatever ends the link ends the code.
func TestTheCodeEndsWithTheLink(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MinTimeBetweenResets, "0")
		h.Set(shop.MaxResetRequests, "0")
		h.Set(shop.MaxRequestsPerClient, "0")
		for i, row := range []struct {
			why string
			end func(c customer.Customer, browser secret.Text)
		}{
			{"a new password by another link", func(c customer.Customer, _ secret.Text) {
				ask(t, h, c.Email)
				all := links(h.Letters())
				if err := complete(h, "lune_en", all[len(all)-1], "second-secret-8"); err != nil {
					t.Fatal(err)
				}
			}},
			{"the store requires a new password", func(c customer.Customer, _ secret.Text) {
				h.Write(func(ctx context.Context, tx *db.Tx) error {
					return customer.RequireNewPasswords(ctx, tx, []int64{c.ID}, true)
				})
			}},
			{"the account is deleted", func(c customer.Customer, _ secret.Text) {
				if err := h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), c.ID, audit.Origin{}); err != nil {
					t.Fatal(err)
				}
			}},
			{"five newer ones from anywhere", func(c customer.Customer, _ secret.Text) {
				for range recovery.MaxLive {
					ask(t, h, c.Email)
				}
				h.Letters()
			}},
			{"five newer letters of the browser, to others", func(_ customer.Customer, browser secret.Text) {
				for n := range recovery.MaxLive {
					askIn(t, h, browser, fmt.Sprintf("other%d@lune.test", n))
				}
			}},
			{"its time is over", func(customer.Customer, secret.Text) { clock.Advance(24 * time.Hour) }},
		} {
			c := h.Customer("lune_en", fmt.Sprintf("customer%d@lune.test", i))
			browser := secret.Random()
			askIn(t, h, browser, c.Email)
			all := codes(h.Letters())
			code := all[len(all)-1]
			if _, err := typeCode(h, "lune_en", browser, code); err != nil {
				t.Fatalf("%s: before, %v", row.why, err)
			}
			row.end(c, browser)
			if _, err := typeCode(h, "lune_en", browser, code); !isWrong(err) {
				t.Errorf("%s: %v", row.why, err)
			}
		}
	})
}

// Asking again, held back by the limit, leaves the code that is on its way as it was.
func TestAskingAgainKeepsTheCode(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		for range 2 * recovery.MaxLive {
			askIn(t, h, browser, c.Email)
		}
		clock.Advance(10 * time.Minute)
		askIn(t, h, browser, c.Email)
		all := codes(h.Letters())
		if len(all) != 2 || all[0].Equal(all[1]) {
			t.Fatalf("%d codes, want two different ones", len(all))
		}
		for i, code := range all {
			if _, err := typeCode(h, "lune_en", browser, code); err != nil {
				t.Errorf("code %d: %v", i+1, err)
			}
		}
		again := codes(h.Letters())
		if !again[0].Equal(all[0]) || !again[1].Equal(all[1]) {
			t.Error("two tries of one letter carry different codes")
		}
	})
}

// A code is bound to a browser, so a letter that none asked for has none.
func TestLettersThatNoBrowserAskedForHaveNoCode(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		byProgram, byStore, required := h.Customer("lune_en", "a@lune.test"), h.Customer("lune_en", "b@lune.test"), h.Customer("lune_en", "c@lune.test")
		ask(t, h, byProgram.Email)
		if err := h.Recovery.Send(ctx, admin.CommandLine(admin.ResetPassword), byStore.ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := h.Recovery.Warn(ctx, tx, required, recovery.Warning{NewPassword: true})
			return err
		})
		letters := h.Letters()
		if len(links(letters)) != 3 || len(codes(letters)) != 0 {
			t.Errorf("%d links and %d codes, want three and none", len(links(letters)), len(codes(letters)))
		}
	})
}

// Promise: no table holds a code, or a hash of it that could be guessed.
func TestNoTableHoldsACode(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.SignInByLetter, "1")
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		askIn(t, h, browser, c.Email)
		if err := h.Recovery.RequestSignIn(ctx, h.View("lune_en"), browser, c.Email, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		all := codes(h.Letters())
		if len(all) != 2 {
			t.Fatalf("%d codes, want two", len(all))
		}
		if _, err := typeCode(h, "lune_en", browser, all[0]); err != nil {
			t.Fatal(err)
		}
		held := dump(t, d)
		for _, code := range all {
			plain := secret.TypedCode(code).Reveal()
			for _, text := range []string{plain, code.Reveal()} {
				sum := sha256.Sum256([]byte(text))
				if strings.Contains(held, text) || strings.Contains(held, string(sum[:])) || strings.Contains(held, fmt.Sprintf("%x", sum)) {
					t.Error("the database holds a code, or its hash")
				}
			}
		}
		if strings.Contains(held, browser.Reveal()) {
			t.Error("the database holds the secret of the browser")
		}
	})
}

// A customer who is erased leaves no code, and no address of one, behind.
func TestErasingTakesTheCodesToo(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		askIn(t, h, secret.Random(), c.Email)
		askIn(t, h, secret.Random(), c.Email) // held back: it never learns whose it is
		h.Letters()
		if err := h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), c.ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(dump(t, d), "codes.") {
			t.Error("a code is left")
		}
	})
}

// Promise: of many at once one is signed in, over nodes.
func TestTheCodeSignsInOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		h, other := fixture.Furnish(t, a), fixture.Open(t, b)
		h.Set(shop.SignInByLetter, "1")
		c := h.Customer("lune_en", "camille@lune.test")
		browser := secret.Random()
		if err := h.Recovery.RequestSignIn(ctx, h.View("lune_en"), browser, c.Email, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		code := codes(h.Letters())[0]
		var won atomic.Int64
		var session atomic.Value
		var wg sync.WaitGroup
		for i := range 50 {
			node := []*fixture.House{h, other}[i%2]
			wg.Go(func() {
				opened, err := node.Recovery.SignInByCode(ctx, node.View("lune_en"), browser, code, fixture.Origin)
				switch {
				case err == nil:
					won.Add(1)
					session.Store(opened.Secret)
				case !isWrong(err):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 50 were signed in", won.Load())
		}
		who, err := other.SignIn.Check(ctx, other.View("lune_en"), session.Load().(secret.Text))
		if err != nil || who.Customer.ID != c.ID {
			t.Errorf("the session: %v", err)
		}
		if again := codes(h.Letters()); len(again) != 0 {
			t.Error("a letter with a used code would be sent again")
		}
	})
}
