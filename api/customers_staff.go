package api

import (
	"slices"
	"strconv"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
)

// customerID is the customer's number in the path. One beyond all numbers is nobody's.
func (c *call) customerID() int64 {
	id, _ := strconv.ParseInt(c.r.PathValue("customerId"), 10, 64) // the route takes digits only
	return id
}

// orNobody says in Commerce's words that there is no such customer, or none that the caller may know of.
func (c *call) orNobody(err error) error {
	if fault.Is(err, fault.NotFound) {
		return noSuchEntity("customerId", c.customerID())
	}
	return err
}

// reach finds the customer of the path, within the websites of the permit.
func (c *call) reach() (found customer.Customer, err error) {
	err = c.DB.Read(c.r.Context(), func(tx *db.Tx) error {
		found, err = customer.Reach(c.r.Context(), tx, c.permit.Covers, c.customerID())
		return err
	})
	return found, c.orNobody(err)
}

func (c *call) showCustomer() (any, error) {
	found, err := c.reach()
	if err != nil {
		return nil, err
	}
	return c.accountOf(found)
}

// changeCustomer changes a customer by the store's hand. The number of the path counts, and the website stays.
func (c *call) changeCustomer() (any, error) {
	given, body, err := c.given()
	if err != nil {
		return nil, err
	}
	present, err := c.reach()
	if err != nil {
		return nil, err
	}
	changes := given.changes()
	changes.GroupID, changes.Active, changes.ViewID = given.maybeNumber("groupId"), given.maybeBool("isActive"), given.maybeNumber("storeId")
	if changes.ViewID != nil && *changes.ViewID == 0 { // Commerce's word for the store of its administrators, where customers are of none
		changes.ViewID = nil
	}
	given.keepsEmail(present)
	if id, has := given.number("websiteId"); has && id != present.WebsiteID {
		given.faults = append(given.faults, fixed("website_id"))
	}
	given.keeps(c.account(present, nil))
	given.refuseOthers(slices.Concat(personal, assigned, []string{"email", "isActive"}))
	body.refuseOthers([]string{"customer"})
	given.faults = append(given.faults, body.faults...)
	if err := given.err(); err != nil {
		return nil, err
	}
	after, err := c.Customers.UpdateAs(c.r.Context(), c.permit, present.ID, changes, c.origin())
	if err != nil {
		return nil, unknownAddress(err)
	}
	return c.accountOf(after)
}

func (c *call) deleteCustomer() (any, error) {
	if err := c.Customers.Delete(c.r.Context(), c.permit, c.customerID(), c.origin()); err != nil {
		return nil, c.orNobody(err)
	}
	return true, nil
}

// confirmation tells whether the customer has proven the address, in Commerce's three words.
func (c *call) confirmation() (any, error) {
	found, err := c.reach()
	if err != nil {
		return nil, err
	}
	website, _ := c.stores.Website(found.WebsiteID)
	switch {
	case !found.Confirmed():
		return "account_confirmation_required", nil
	case website != nil && website.Bool(shop.RequireConfirmation):
		return "account_confirmed", nil
	}
	return "account_confirmation_not_required", nil
}

// resendConfirmation sends the letter that finishes an account again.
func (c *call) resendConfirmation() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	email := in.text("email")
	_, _ = in.optional("redirectUrl")
	refusal := c.chooseStore(in, true)
	if err := in.err(); err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	err = c.Customers.ResendConfirmation(c.r.Context(), c.permit, c.view, email, c.origin())
	if fault.Is(err, fault.NotFound) {
		return nil, noSuchEntity("email", shown(email))
	}
	return true, err
}

type validity struct {
	Valid    bool     `json:"valid"`
	Messages []string `json:"messages"`
}

// validate tells what would be refused about a customer, and stores nothing.
func (c *call) validate() (any, error) {
	given, _, err := c.given()
	if err != nil {
		return nil, err
	}
	r := customer.Registration{Email: given.or("email", ""), Said: given.changes()}
	r.Said.GroupID = given.maybeNumber("groupId")
	for _, one := range []struct{ to, from *string }{{&r.Firstname, r.Said.Firstname}, {&r.Lastname, r.Said.Lastname}} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	given.refuseOthers(slices.Concat(personal, assigned, []string{"email"}))
	if err := given.err(); err != nil {
		return nil, err
	}
	answer := validity{Messages: []string{}}
	for _, refusal := range fault.List(customer.Validate(r)) {
		answer.Messages = append(answer.Messages, refusal.Text)
	}
	answer.Valid = len(answer.Messages) == 0
	return answer, nil
}

// readonly tells whether the caller may only look at the customer.
func (c *call) readonly() (any, error) {
	if _, err := c.reach(); err != nil {
		return nil, err
	}
	_, err := c.who.allow(admin.EditCustomers)
	return err != nil, nil
}
