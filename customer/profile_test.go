package customer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

func to[T any](v T) *T { return &v }

func TestProfilesKeepWhatIsNotChangedAndRefuseWhatIsWrong(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		ctx := context.Background()
		c := h.Customer("lune_en", "camille@lune.test")
		after, err := h.Customers.Update(ctx, c, customer.Changes{Prefix: to("Mme"), Gender: to(int64(2)), DateOfBirth: to("1987-06-05"),
			Subscribed: to(true), Custom: map[string]string{"loyalty": "gold"}, GroupID: to(int64(7)), Active: to(false)}, fixture.Origin)
		if err != nil || after.Prefix != "Mme" || after.Firstname != "Camille" || !after.Subscribed || after.Custom["loyalty"] != "gold" {
			t.Fatalf("%+v %v", after, err)
		}
		if after.GroupID != 1 || !after.Active {
			t.Error("a customer changed what only the store may")
		}
		for field, ch := range map[string]customer.Changes{"gender": {Gender: to(int64(65536))}, "date_of_birth": {DateOfBirth: to("5 June 1987")},
			"firstname": {Firstname: to("")}, "prefix": {Prefix: to(strings.Repeat("x", 41))}, "custom_attributes": {Custom: map[string]string{"Bad Code": "x"}}} {
			_, err := h.Customers.Update(ctx, c, ch, fixture.Origin)
			if list := fault.List(err); len(list) != 1 || list[0].Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
	})
}

func TestDisablingAndDeletingEndEverythingAtOnce(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		ctx, v := context.Background(), h.View("lune_en")
		for _, email := range []string{"disabled@lune.test", "deleted@lune.test"} {
			c := h.Customer("lune_en", email)
			opened, err := h.SignIn.SignIn(ctx, v, email, secret.NewText(fixture.Password), fixture.Origin)
			if err != nil {
				t.Fatal(err)
			}
			if email == "disabled@lune.test" {
				_, err = h.Customers.UpdateAs(ctx, admin.CommandLine(admin.EditCustomers), c.ID, customer.Changes{Active: to(false)}, fixture.Origin)
			} else {
				err = h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), c.ID, fixture.Origin)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.SignIn.Check(ctx, v, opened.Secret); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%s: the session lives: %v", email, err)
			}
			if _, err := h.SignIn.SignIn(ctx, v, email, secret.NewText(fixture.Password), fixture.Origin); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%s: signs in: %v", email, err)
			}
		}
		if got := search(t, h, customer.Query{Text: "deleted"}); len(got.Customers) != 0 {
			t.Error("a deleted customer is found")
		}
		h.Customer("lune_en", "deleted@lune.test") // the address is free again
	})
}

func TestAddressBooksBelongToTheirCustomer(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		ctx := context.Background()
		a, b := h.Customer("lune_en", "a@lune.test"), h.Customer("lune_en", "b@lune.test")
		home := customer.PostalAddress{Firstname: "Camille", Lastname: "Moreau", Street: []string{"1 rue de la Lune"}, City: "Paris", Postcode: "75001",
			Country: "FR", Telephone: "+33 1 99 00 00 00", DefaultBilling: true}
		saved, err := h.Customers.SaveAddress(ctx, a, home, fixture.Origin)
		if err != nil || saved.ID == 0 {
			t.Fatal(err)
		}
		if _, err := h.Customers.SaveAddress(ctx, b, saved, fixture.Origin); !fault.Is(err, fault.NotFound) {
			t.Errorf("another's entry was changed: %v", err)
		}
		if err := h.Customers.DeleteAddress(ctx, b, saved.ID, fixture.Origin); !fault.Is(err, fault.NotFound) {
			t.Errorf("another's entry was deleted: %v", err)
		}
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			books, err := customer.Addresses(ctx, tx, a.ID, b.ID)
			if len(books[a.ID]) != 1 || len(books[b.ID]) != 0 || !books[a.ID][0].DefaultBilling || books[a.ID][0].Street[0] != home.Street[0] {
				t.Errorf("%+v", books)
			}
			return err
		})
		home.Country, home.Street = "France", nil
		if _, err := h.Customers.SaveAddress(ctx, a, home, fixture.Origin); len(fault.List(err)) != 2 {
			t.Errorf("no street and no country code: %v", err)
		}
		if err := h.Customers.DeleteAddress(ctx, a, saved.ID, fixture.Origin); err != nil || h.Find(a.ID).DefaultBilling != 0 {
			t.Errorf("deleted: %v, still the default: %d", err, h.Find(a.ID).DefaultBilling)
		}
	})
}

// An account without a password can be used by nobody before its owner has answered a letter.
func TestAnAccountWithoutAPasswordWaitsForItsOwner(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		r, err := h.Customers.Register(context.Background(), h.View("lune_en"), customer.Registration{Firstname: "Inès", Lastname: "Laurent",
			Email: "ines@lune.test", Answer: shop.RegistrationImmediate, WithoutPassword: true}, fixture.Origin)
		if err != nil || !r.Created || r.Customer.Confirmed() || r.Customer.HasPassword() {
			t.Fatalf("%+v %v", r, err)
		}
		if letters := h.Letters(); len(letters) != 1 || !strings.HasSuffix(letters[0].Button.URL.Reveal(), "/forgotpassword") {
			t.Errorf("letters: %+v", letters)
		}
	})
}
