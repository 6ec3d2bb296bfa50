package recovery_test

import (
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
)

// tokens are the secrets of the links of letters, by their pages.
func tokens(letters []mail.Content) map[string]secret.Text {
	found := map[string]secret.Text{}
	for _, l := range letters {
		for _, b := range []*mail.Button{l.Button, l.Object} {
			if b == nil {
				continue
			}
			page, link, ok := strings.Cut(b.URL.Reveal(), "?token=")
			if ok {
				found[page[strings.LastIndex(page, "/")+1:]] = secret.NewText(link)
			}
		}
	}
	return found
}

// Promise: a store changes its key without an outage. What a letter says to open or to type works on every node of the change, a
// letter that is tried again carries the links of its first try, and what the old key made is refused once that is given up.
func TestLettersOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		fixture.Furnish(t, d)
		before, told, changed, done := fixture.Changing(t, d)
		c, view := before.Customer("lune_en", "camille@lune.test"), before.View("lune_en")
		browser := secret.Random()
		opens := map[string]func(h *fixture.House, link secret.Text) error{
			"createpassword": func(h *fixture.House, link secret.Text) error {
				_, err := h.Recovery.Check(ctx, view, link, fixture.Origin)
				return err
			},
			"notme": func(h *fixture.House, link secret.Text) error {
				_, err := h.Recovery.Objection(ctx, view, link, fixture.Origin)
				return err
			},
			"confirmemail": func(h *fixture.House, link secret.Text) error {
				_, err := h.Recovery.PendingEmail(ctx, view, link, fixture.Origin)
				return err
			},
			"confirm": func(h *fixture.House, link secret.Text) error {
				_, err := h.Customers.PendingRegistration(ctx, view, link, secret.Text{})
				return err
			},
		}
		askIn(t, before, browser, c.Email)
		if err := before.Recovery.ChangeEmail(ctx, view, c, "camille@new.test", secret.NewText(fixture.Password), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if _, err := before.Customers.Register(ctx, view, customer.Registration{Firstname: "Nour", Lastname: "Haddad", Email: "nour@lune.test",
			Password: secret.NewText(fixture.Password), Confirm: secret.NewText(fixture.Password)}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		first := before.Letters()
		again := tokens(changed.Letters())
		for page, link := range tokens(first) {
			open, ok := opens[page]
			if !ok {
				t.Fatalf("a link to %s, which this test does not open", page)
			}
			if !again[page].Equal(link) {
				t.Errorf("%s: a letter that is tried again carries another link", page)
			}
			for name, h := range map[string]*fixture.House{"before": before, "told": told, "changed": changed} {
				if err := open(h, link); err != nil {
					t.Errorf("%s on a node %s: %v", page, name, err)
				}
			}
			if err := open(done, link); !fault.Is(err, fault.Expired) {
				t.Errorf("%s: once the old key is given up: %v", page, err)
			}
			delete(opens, page)
		}
		for page := range opens {
			t.Errorf("no letter links to %s", page)
		}
		for name, letters := range map[string][]mail.Content{"before": first, "changed": changed.Letters()} {
			code := codes(letters)[0]
			for where, h := range map[string]*fixture.House{"told": told, "changed": changed} {
				link, err := typeCode(h, "lune_en", browser, code)
				if err != nil || !link.Equal(again["createpassword"]) {
					t.Errorf("the code of a node %s, typed at one %s: %v", name, where, err)
				}
			}
		}
		if _, err := typeCode(done, "lune_en", browser, codes(first)[0]); !isWrong(err) {
			t.Errorf("a code of the old key, once that is given up: %v", err)
		}

		// And what the new key makes works where the change has not come to yet.
		ask(t, changed, before.Customer("lune_en", "luc@lune.test").Email)
		fresh := tokens(changed.Letters())["createpassword"]
		for name, h := range map[string]*fixture.House{"told": told, "changed": changed, "done": done} {
			if err := complete(h, "lune_en", fresh, ""); !fault.Is(err, fault.Invalid) {
				t.Errorf("a link of the new key on a node %s: %v", name, err)
			}
		}
		if err := complete(told, "lune_en", fresh, "second-secret-8"); err != nil {
			t.Fatal(err)
		}
	})
}
