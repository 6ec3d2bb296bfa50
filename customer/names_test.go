package customer_test

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
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// people's names are as they are.
var people = []string{"J. R. R.", "J.R.R.", "St. John", "Ph.D.", "O'Connor", "O’Connor", "Anne-Marie", "de la Cruz", "SMITH/DUPONT", "Bob & Sally", `"Ned"`, "María José", "Müller-Lüdenscheidt",
	"Nguyễn Thị Ánh", "Gal·la", "李小龍", "さくら・ローズ", "김민수", "עֲדִינָה", "محمد", "علی\u200cرضا", "ශ්\u200dරීමාලි", "র\u200d্যা", "അനില്\u200d", "Þór", "Ærøskøbing", "Łukasz", "Henry VIII",
	"Louis 14", "Class of 1985", "Anna 🌻", "X Æ A-12", "邊\U000e0100", "Wwilliam", strings.Repeat("é", 100)}

// adverts are what no name may be, with the reason that is given.
var adverts = []struct{ name, key string }{
	{"evil.example", "name.link"}, {"Visit evil.example", "name.link"}, {"EVIL.EXAMPLE", "name.link"}, {"t.co", "name.link"}, {"evil.example/win", "name.link"},
	{"evil．example", "name.link"}, {"evil。example", "name.link"}, {"evil｡example", "name.link"}, {"evil․example", "name.link"}, {"ⓔⓥⓘⓛ.ⓒⓞⓜ", "name.link"}, {"злой.рф", "name.link"},
	{"a.b.co", "name.link"}, {"xn--80ak6aa92e.example", "name.link"}, {"www evil", "name.link"}, {"ＷＷＷ evil", "name.link"}, {"http://evil", "name.link"}, {"//evil", "name.link"},
	{"10.0.0.1", "name.link"}, {"1.1", "name.link"}, {"Call 0800 123456", "name.number"}, {"+49-30-1234", "name.number"}, {"(555) 123", "name.number"}, {"12345", "name.number"}, {"１２３４５", "name.number"},
	{"٠٨٠٠١", "name.number"}, {"1️⃣2️⃣3️⃣4️⃣5️⃣", "name.number"}, {"5.5.5-1 2", "name.link"}, {"an@b", "name.invalid"}, {"an＠b", "name.invalid"}, {"<b>", "name.invalid"}, {"{{x}}", "name.invalid"}, {`a\b`, "name.invalid"},
	{"Anna\nBcc", "name.invalid"}, {"Anna\u2028x", "name.invalid"}, {"Anna\x00", "name.invalid"}, {"Anna\u202egnp", "name.hidden"}, {"Anna\u2066x\u2069", "name.hidden"}, {"An\u200bna", "name.hidden"},
	{"An\u00adna", "name.hidden"}, {"\ufeffAnna", "name.hidden"}, {"An\u2060na", "name.hidden"}, {"An\u200dna", "name.hidden"}, {"An\u200cna", "name.hidden"}, {"\u200cعلی", "name.hidden"}, {"علی\u200c", "name.hidden"},
	{"an\u061cna", "name.hidden"}, {"\u3164", "name.hidden"}, {"A\U000e0041", "name.hidden"}, {strings.Repeat("é", 101), "name.too_long"},
}

// Promise: no name that a stranger could have read in an email leads anywhere, can be called or hides what it is, in whichever part of it
// and through whichever door of this floor; names of people pass.
func TestNamesAreNoAdverts(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MaxRequestsPerClient, "0")
		ctx, v, staff := context.Background(), h.View("lune_en"), admin.CommandLine(admin.EditCustomers)
		c := h.Customer("lune_en", "camille@lune.test")
		postal := customer.PostalAddress{Firstname: "A", Lastname: "B", Street: []string{"1"}, City: "Paris", Country: "FR"}
		n := 0
		registration := func(first, last string, said customer.Changes) customer.Registration {
			n++
			return customer.Registration{Firstname: first, Lastname: last, Email: fmt.Sprintf("%d@lune.test", n), WithoutPassword: true, Answer: shop.RegistrationImmediate, Said: said}
		}
		register := func(first, last string, said customer.Changes) error {
			r := registration(first, last, said)
			_, err := h.Customers.Register(ctx, v, r, audit.Origin{})
			return err
		}
		doors := []struct {
			field string
			try   func(name string) error
		}{
			{"firstname", func(name string) error { return register(name, "B", customer.Changes{}) }},
			{"lastname", func(name string) error { return register("A", name, customer.Changes{}) }},
			{"middlename", func(name string) error { return register("A", "B", customer.Changes{Middlename: &name}) }},
			{"firstname", func(name string) error {
				_, err := h.Customers.OpenAs(ctx, staff, v, registration(name, "B", customer.Changes{}), audit.Origin{})
				return err
			}},
			{"lastname", func(name string) error {
				_, err := h.Customers.Add(ctx, v, registration("A", name, customer.Changes{}), staff.Actor())
				return err
			}},
			{"lastname", func(name string) error { return customer.Validate(registration("A", name, customer.Changes{})) }},
			{"firstname", func(name string) error {
				_, err := h.Customers.Update(ctx, c, customer.Changes{Firstname: &name}, fixture.Origin)
				return err
			}},
			{"middlename", func(name string) error {
				_, err := h.Customers.UpdateAs(ctx, staff, c.ID, customer.Changes{Middlename: &name}, audit.Origin{})
				return err
			}},
			{"lastname", func(name string) error {
				a := postal
				a.Lastname = name
				book := []customer.PostalAddress{a}
				_, err := h.Customers.Update(ctx, c, customer.Changes{Addresses: &book}, fixture.Origin)
				return err
			}},
			{"middlename", func(name string) error {
				return register("A", "B", customer.Changes{Addresses: &[]customer.PostalAddress{{Firstname: "A", Lastname: "B", Middlename: name, Street: []string{"1"}, City: "P", Country: "FR"}}})
			}},
		}
		for i, door := range doors {
			for _, name := range people {
				if err := door.try(name); err != nil {
					t.Errorf("door %d, %s %q: %v", i, door.field, name, err)
				}
			}
			for _, one := range adverts {
				err := door.try(one.name)
				if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || f.Key != one.key || f.Field != door.field {
					t.Errorf("door %d, %s %q: %v", i, door.field, one.name, err)
				}
			}
		}
		for _, field := range []string{"prefix", "suffix"} { // which are shorter
			for _, one := range []struct {
				text string
				key  string
			}{{"Prof. Dr.", ""}, {"Ph.D.", ""}, {"evil.example", "name.link"}, {"0800 123", "name.number"}, {strings.Repeat("x", 41), "name.too_long"}} {
				ch := customer.Changes{Prefix: &one.text}
				if field == "suffix" {
					ch = customer.Changes{Suffix: &one.text}
				}
				_, err := h.Customers.Update(ctx, c, ch, fixture.Origin)
				if f, refused := fault.As(err); refused != (one.key != "") || refused && (f.Key != one.key || f.Field != field) {
					t.Errorf("%s %q: %v", field, one.text, err)
				}
			}
		}
		for _, one := range adverts {
			if strings.ContainsAny(one.name, "\x00\n,\"") {
				continue // no cell, or another reason comes first
			}
			got := imports(t, h, "email,website,firstname,lastname\nimported@lune.test,lune,"+one.name+",B\n")
			if got.Refused != 1 && strings.TrimSpace(one.name) == one.name && one.name != "\ufeffAnna" {
				t.Errorf("import %q: %+v", one.name, got)
			}
		}
	})
}

// Promise: what is kept already is not judged again: who had such a name before can change the rest.
func TestANameThatIsKeptIsNotJudgedAgain(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		c := h.Customer("lune_en", "camille@lune.test")
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE customers SET firstname = 'Camille.Example' WHERE id = $1", c.ID)
			return err
		})
		if _, err := h.Customers.Update(context.Background(), c, customer.Changes{Firstname: to("Camille.Example"), Lastname: to("Laurent")}, fixture.Origin); err != nil {
			t.Errorf("another last name: %v", err)
		}
		if _, err := h.Customers.Update(context.Background(), c, customer.Changes{Firstname: to("Camille.Test")}, fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("another such name: %v", err)
		}
	})
}

// Promise: a website sends no more emails an hour to addresses that nobody has proven than its setting allows, whoever asks from
// wherever; who asks reads the same, those of other websites and of proven addresses go on, and a retry is counted once.
func TestAWebsiteWritesToFewStrangers(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		h.Set(shop.MaxEmailsToStrangers, "5")
		h.Set(shop.RegistrationAnswerAPI, shop.RegistrationImmediate)
		ctx := context.Background()
		owner := h.Customer("lune_en", "owner@lune.test")
		ask := func(view, email, answer string) {
			r := form(email)
			r.Answer = answer
			if _, err := h.Customers.Register(ctx, h.View(view), r, fixture.Origin); err != nil {
				t.Errorf("%s: the answer tells of the limit: %v", email, err)
			}
		}
		move := func(email string) {
			if err := h.Recovery.ChangeEmail(ctx, h.View("lune_en"), owner, email, secret.NewText(fixture.Password), fixture.Origin); err != nil {
				t.Errorf("%s: the answer tells of the limit: %v", email, err)
			}
		}
		sent := func() (to []string) {
			for _, l := range h.Letters() {
				to = append(to, l.To.Email)
			}
			return to
		}
		for i := range 2 {
			ask("lune_en", fmt.Sprintf("letter%d@lune.test", i), shop.RegistrationNeutral)
			ask("lune_fr", fmt.Sprintf("once%d@lune.test", i), shop.RegistrationImmediate)
		}
		move("moved0@lune.test")
		if got := len(sent()); got != 6 { // with the notice to the owner
			t.Errorf("%d letters within the limit: %q", got, sent())
		}
		ask("lune_en", "late@lune.test", shop.RegistrationNeutral)
		ask("lune_en", "later@lune.test", shop.RegistrationImmediate)
		move("latest@lune.test")
		ask("lune_en", owner.Email, shop.RegistrationNeutral)
		ask("nord_en", "elsewhere@lune.test", shop.RegistrationNeutral)
		got := strings.Join(sent(), " ")
		for _, never := range []string{"late@", "later@", "latest@"} {
			if strings.Contains(got, never) {
				t.Errorf("beyond the limit a letter goes to %s", never)
			}
		}
		for _, still := range []string{"owner@", "elsewhere@", "letter1@", "once1@"} {
			if !strings.Contains(got, still) {
				t.Errorf("no letter goes to %s: %s", still, got)
			}
		}
		clock.Advance(61 * 60e9)
		ask("lune_en", "hour@lune.test", shop.RegistrationNeutral)
		if got := strings.Join(sent(), " "); !strings.Contains(got, "hour@") {
			t.Errorf("an hour later: %s", got)
		}
	})
}
