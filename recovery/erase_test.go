package recovery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// dump is every cell of every table as text.
func dump(t *testing.T, d *db.DB) string {
	t.Helper()
	var tables []string
	list := func(q string) error {
		return d.Read(ctx, func(tx *db.Tx) error {
			rows, err := tx.Query(ctx, q)
			tables, err = db.Collect(rows, err, func(row db.Scanner) (name string, err error) { return name, row.Scan(&name) })
			return err
		})
	}
	if err := list("SELECT name FROM sqlite_master WHERE type = 'table'"); err != nil {
		if err := list("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"); err != nil {
			t.Fatal(err)
		}
	}
	if len(tables) < 20 {
		t.Fatalf("only these tables: %v", tables)
	}
	var all strings.Builder
	for _, table := range tables {
		if err := d.Read(ctx, func(tx *db.Tx) error {
			rows, err := tx.Query(ctx, "SELECT * FROM "+table)
			if err != nil {
				return err
			}
			defer rows.Close()
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				cells, into := make([]any, len(columns)), make([]any, len(columns))
				for i := range cells {
					into[i] = &cells[i]
				}
				if err := rows.Scan(into...); err != nil {
					return err
				}
				for i, cell := range cells {
					if b, ok := cell.([]byte); ok {
						cell = string(b)
					}
					fmt.Fprintf(&all, "%s.%s = %v\n", table, columns[i], cell)
				}
			}
			return rows.Err()
		}); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	return all.String()
}

// Everything that can hold a customer's address, name or whereabouts is filled first; then nothing does.
func TestErasedCustomersAreNowhere(t *testing.T) {
	for _, hand := range []struct {
		kind  string
		erase func(*fixture.House, customer.Customer) error
		told  string // who is told of it, and what
	}{
		{audit.Command, func(h *fixture.House, c customer.Customer) error {
			return h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), c.ID, audit.Origin{})
		}, ""},
		{audit.Shopper, func(h *fixture.House, c customer.Customer) error {
			return h.Customers.DeleteOwn(ctx, h.View("lune_en"), c, fixture.Origin, nil)
		}, "Camille@lune.test Your Maison Lune account has been deleted"},
	} {
		t.Run(hand.kind, func(t *testing.T) { eraseBy(t, hand.kind, hand.erase, hand.told) })
	}
}

func eraseBy(t *testing.T, kind string, erase func(*fixture.House, customer.Customer) error, told string) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		v := h.View("lune_en")
		c := h.Customer("lune_en", "Camille@lune.test")
		other := h.Customer("lune_en", "theo@lune.test")
		if _, err := signIn(h, c.Email, fixture.Password); err != nil {
			t.Fatal(err)
		}
		_, _ = signIn(h, c.Email, "wrong")
		phone := h.Passkey("lune_en", c.Email, "Camille's phone")
		ask(t, h, "camille@lune.test")
		link := links(h.Letters())[0]
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := token.Issue(ctx, tx, v, c, "Camille's App", 0, fixture.Origin)
			return err
		})
		if err := changeEmail(h, c, "moreau@elsewhere.test", fixture.Password); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Customers.Register(ctx, v, customer.Registration{Firstname: "Camille", Lastname: "Moreau", Email: c.Email,
			Password: secret.NewText("another-secret-1"), Confirm: secret.NewText("another-secret-1")}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Customers.SaveAddress(ctx, c, customer.PostalAddress{Firstname: "Camille", Lastname: "Moreau", Street: []string{"1 quai Moreau"},
			City: "Paris", Postcode: "75001", Country: "FR", Telephone: "1"}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if err := h.Recovery.Send(ctx, admin.CommandLine(admin.ResetPassword), c.ID, fixture.Origin); err != nil && !fault.Is(err, fault.Limited) {
			t.Fatal(err)
		}
		press(t, h, wasntMe(t, h, "A new address was entered"), recovery.Pressed{})
		h.Write(func(ctx context.Context, tx *db.Tx) error { // what a mail server said, quoting the address
			_, err := tx.Exec(ctx, "UPDATE letters SET recipient = 'Camille@lune.test', last_words = '550 <camille@lune.test>' WHERE customer_id = $1", c.ID)
			if err == nil {
				_, err = tx.Exec(ctx, "UPDATE letter_events SET words = '550 <camille@lune.test>' WHERE letter_id IN (SELECT id FROM letters WHERE customer_id = $1)", c.ID)
			}
			return err
		})
		key := string(c.Address().Key(c.WebsiteID))
		traces := []string{"camille@", "moreau", "camille", "c…e@lune.test", strings.ToLower(key), "203.0.113", "'s phone"}
		before := strings.ToLower(dump(t, d))
		for _, trace := range traces {
			if !strings.Contains(before, trace) {
				t.Errorf("%q is nowhere before: the test looks for nothing", trace)
			}
		}
		entries := len(entriesOf(h, c.ID))

		if err := erase(h, c); err != nil {
			t.Fatal(err)
		}
		if to, _ := mailed(h); strings.Join(to, "\n") != told {
			t.Errorf("after that emails go to %v, want %q", to, told)
		}
		h.Write(func(ctx context.Context, tx *db.Tx) error { // what the worker does with the last one; package mail holds that it keeps no address
			_, err := tx.Exec(ctx, "UPDATE letters SET data = '' WHERE kind = $1", customer.DeletedLetter)
			return err
		})

		for _, line := range strings.Split(strings.ToLower(dump(t, d)), "\n") {
			for _, trace := range traces {
				// The other customer, of the same first and last name here, is not erased.
				if strings.Contains(line, trace) && line != "customers.firstname = camille" && line != "customers.lastname = moreau" &&
					line != "customers.search = camille moreau theo@lune.test" {
					t.Errorf("%q is left: %s", trace, line)
				}
			}
		}
		if got := entriesOf(h, c.ID); len(got) != entries+1 || got[0].Action != audit.CustomerDeleted || got[0].Actor.Kind != kind {
			t.Errorf("who did what: %d entries before, now %+v", entries, got)
		}
		if err := complete(h, "lune_en", link, "third-secret-9"); !fault.Is(err, fault.Expired) {
			t.Errorf("the link: %v", err)
		}
		if _, err := h.ByPasskey("lune_en", phone); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the passkey: %v", err)
		}
		if _, err := signIn(h, other.Email, fixture.Password); err != nil {
			t.Errorf("somebody else: %v", err)
		}
	})
}

// entriesOf is the audit about a customer, newest first.
func entriesOf(h *fixture.House, id int64) (entries []audit.Entry) {
	h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		entries, _, err = audit.List(ctx, tx, audit.Query{CustomerID: id, Limit: 500})
		return err
	})
	return entries
}
