package customer_test

import (
	"bytes"
	"context"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: that somebody may sign in does not say that the address is theirs. It is proven by a link that was mailed to it, or where the
// store says that it knows.
func TestAnAddressIsProvenByItsOwnerOrByTheStoresWord(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.RegistrationAnswerAPI, shop.RegistrationImmediate)
		ctx, v, staff := context.Background(), h.View("lune_en"), admin.CommandLine(admin.EditCustomers)
		answered := func(answer string, proven bool) func(email string) (customer.Customer, error) {
			return func(email string) (customer.Customer, error) {
				r := form(email)
				r.Answer, r.Proven = answer, proven
				made, err := h.Customers.Register(ctx, v, r, fixture.Origin)
				if err != nil || answer == shop.RegistrationImmediate {
					return made.Customer, err
				}
				return h.Customers.FinishRegistration(ctx, v, linkIn(t, h.Letters()), made.Browser, form("").Password, fixture.Origin)
			}
		}
		byStaff := func(proven bool) func(email string) (customer.Customer, error) {
			return func(email string) (customer.Customer, error) {
				r := form(email)
				r.Proven = proven
				return h.Customers.OpenAs(ctx, staff, v, r, audit.Origin{})
			}
		}
		byOperator := func(proven bool) func(email string) (customer.Customer, error) {
			return func(email string) (customer.Customer, error) {
				r := form(email)
				r.Proven = proven
				return h.Customers.Add(ctx, v, r, staff.Actor())
			}
		}
		for i, row := range []struct {
			how    string
			make   func(email string) (customer.Customer, error)
			proven bool
		}{
			{"by letter", answered(shop.RegistrationNeutral, false), true},
			{"at once", answered(shop.RegistrationImmediate, false), false},
			{"at once, and a visitor cannot say so", answered(shop.RegistrationImmediate, true), false},
			{"by the store", byStaff(false), false},
			{"by the store, which knows", byStaff(true), true},
			{"by the operator", byOperator(false), false},
			{"by the operator, who knows", byOperator(true), true},
		} {
			c, err := row.make(string(rune('a'+i)) + "@lune.test")
			if err != nil || !c.Confirmed() || h.Find(c.ID).Proven() != row.proven {
				t.Errorf("%s: may sign in %v, proven %v, %v", row.how, c.Confirmed(), h.Find(c.ID).Proven(), err)
			}
		}
	})
}

// Promise: an imported address is proven where the file says so, and an export says it.
func TestAnImportSaysWhichAddressesAreProven(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		proven := func(c customer.Customer) bool { return c.Proven() }
		for i, row := range []struct {
			columns, values   string
			confirmed, proven bool
		}{
			{"group_id", "1", true, false}, // Commerce's export: who has no pending confirmation may sign in, and nothing else is said
			{"confirmation", "", true, false},
			{"confirmation", "dGhlIGtleQ", false, false},
			{"confirmed", "1", true, true},
			{"confirmed", "0", false, false},
			{"confirmed,email_proven_at", "1,", true, false},
			{"confirmed,email_proven_at", "1,2024-05-06 07:08:09", true, true},
			{"email_verified", "true", true, true},
			{"email_verified", "0", true, false},
			{"confirmed,email_verified", "1,0", true, false},
			{"email_verified_at", "2024-05-06T07:08:09Z", true, true},
			{"email_verified_at", "NULL", true, false},
		} {
			email := string(rune('a'+i)) + "@shop.test"
			if got := imports(t, h, "id,email,website,firstname,lastname,"+row.columns+"\n"+strconv.Itoa(100+i)+","+email+",lune,Ada,L,"+row.values+"\n"); got.Created != 1 {
				t.Fatalf("%s %s: %+v", row.columns, row.values, got)
			}
			if c := h.Find(int64(100 + i)); c.Confirmed() != row.confirmed || proven(c) != row.proven {
				t.Errorf("%s = %q: may sign in %v, proven %v", row.columns, row.values, c.Confirmed(), proven(c))
			}
		}
		if at := h.Find(106).ProvenAt; at.Format(time.DateTime) != "2024-05-06 07:08:09" {
			t.Errorf("proven at %v", at)
		}
		var out bytes.Buffer
		if _, err := h.Customers.Export(t.Context(), &out); err != nil || strings.Count(out.String(), "2024-05-06 07:08:09") != 2 {
			t.Errorf("%v\n%s", err, &out)
		}
	})
}

// Promise: of the customers that a store has when it learns of proven addresses, those are proven of whom a row tells that a link or a
// code was used, and nobody else.
func TestWhoIsTakenForProvenFromBefore(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		for i, row := range []struct {
			how    string
			rows   string // of this customer, $1
			proven bool
		}{
			{"nothing tells", "", false},
			{"a reset by link", `INSERT INTO audit (id, at, action, actor_kind, customer_id) VALUES ($2, 7, 'password_reset.completed', 'shopper', $1)`, true},
			{"a link opened only", `INSERT INTO audit (id, at, action, actor_kind, customer_id) VALUES ($2, 7, 'password_reset.link_opened', 'shopper', $1)`, false},
			{"signed in by code", `INSERT INTO audit (id, at, action, actor_kind, customer_id) VALUES ($2, 7, 'signin.by_letter', 'shopper', $1)`, true},
			{"a new address", `INSERT INTO audit (id, at, action, actor_kind, customer_id, detail) VALUES ($2, 7, 'customer.updated', 'shopper', $1, '{"changed":"email"}')`, true},
			{"a new address that was only asked for", `INSERT INTO audit (id, at, action, actor_kind, customer_id, outcome, detail)
				VALUES ($2, 7, 'customer.updated', 'shopper', $1, 'requested', '{"changed":"email"}')`, false},
			{"another name", `INSERT INTO audit (id, at, action, actor_kind, customer_id, detail) VALUES ($2, 7, 'customer.updated', 'shopper', $1, '{"changed":"firstname"}')`, false},
			{"a spent link", `INSERT INTO links (id, secret_hash, customer_id, website_id, store_view_id, generation, created_at, expires_at, spent_at) VALUES ($2, $2, $1, 1, 1, 1, 5, 9, 7)`, true},
			{"a link not spent", `INSERT INTO links (id, secret_hash, customer_id, website_id, store_view_id, generation, created_at, expires_at) VALUES ($2, $2, $1, 1, 1, 1, 5, 9)`, false},
			{"a spent code", `INSERT INTO codes (id, purpose, browser_hash, website_id, address_key, customer_id, created_at, expires_at, spent_at) VALUES ($2, 'signin', $2, 1, $2, $1, 5, 9, 7)`, true},
			{"a finished registration", `INSERT INTO registrations (id, website_id, store_view_id, email, email_canon, firstname, lastname, password_hash, secret_hash, browser_hash, created_at, expires_at, used_at)
				SELECT $2, website_id, store_view_id, email, email_canon, '', '', '', $2, $2, created_at, created_at, created_at FROM customers WHERE id = $1`, true},
			{"a registration that nobody finished", `INSERT INTO registrations (id, website_id, store_view_id, email, email_canon, firstname, lastname, password_hash, secret_hash, browser_hash, created_at, expires_at)
				SELECT $2, website_id, store_view_id, email, email_canon, '', '', '', $2, $2, created_at, created_at FROM customers WHERE id = $1`, false},
		} {
			c := h.Unproven("lune_en", string(rune('a'+i))+"@lune.test")
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				if row.rows != "" {
					if _, err := tx.Exec(ctx, row.rows, c.ID, db.NewID()); err != nil {
						return err
					}
				}
				_, err := tx.Exec(ctx, filling(t))
				return err
			})
			if got := h.Find(c.ID).Proven(); got != row.proven {
				t.Errorf("%s: proven %v", row.how, got)
			}
		}
	})
}

// filling is the statement of the migration that gives the column its first values.
func filling(t *testing.T) string {
	t.Helper()
	files, err := db.Migrations("sqlite")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(files, "0026_proven.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, statement, _ := strings.Cut(string(text), "ADD COLUMN email_proven_at BIGINT;")
	statement, _, _ = strings.Cut(statement, ";")
	return statement
}
