package api

import (
	"github.com/rekeyhq/rekey/customer"
)

// dateTime is how Commerce writes a moment, in UTC.
const dateTime = "2006-01-02 15:04:05"

// generalGroup is Commerce's number of the customer group "General", which every account of a store without groups is in.
const generalGroup = 1

// account is Commerce's customer object, in the order of its own answers.
type account struct {
	ID                     int64      `json:"id"`
	GroupID                int64      `json:"group_id"`
	CreatedAt              string     `json:"created_at"`
	UpdatedAt              string     `json:"updated_at"`
	CreatedIn              string     `json:"created_in"`
	Email                  string     `json:"email"`
	Firstname              string     `json:"firstname"`
	Lastname               string     `json:"lastname"`
	StoreID                int64      `json:"store_id"`
	WebsiteID              int64      `json:"website_id"`
	Addresses              []struct{} `json:"addresses"` // the address book is not kept yet
	DisableAutoGroupChange int        `json:"disable_auto_group_change"`
	ExtensionAttributes    extension  `json:"extension_attributes"`
}

type extension struct {
	IsSubscribed bool `json:"is_subscribed"`
}

func (c *call) showMe() (any, error) {
	owner, err := c.owner()
	if err != nil {
		return nil, err
	}
	return c.account(owner), nil
}

// isEmailAvailable answers true to everybody, as Commerce does since 2.4.7: a true answer would tell who is a customer.
func (c *call) isEmailAvailable() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	_ = in.text("customerEmail")
	website := c.chooseWebsite(in)
	if err := in.err(); err != nil {
		return nil, err
	}
	if website != nil {
		return nil, website
	}
	return true, nil
}

// assigned are the members of a customer that the store alone decides; Commerce takes them from a customer and ignores them.
var assigned = []string{"id", "groupId", "websiteId", "storeId", "createdAt", "updatedAt", "createdIn", "disableAutoGroupChange"}

// changeMe changes the customer's name. Members that are left out stay as they are; what the store does not keep is refused
// rather than lost in silence.
func (c *call) changeMe() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	given := in.object("customer")
	if err := in.err(); err != nil {
		return nil, err
	}
	owner, err := c.owner()
	if err != nil {
		return nil, err
	}
	firstname, lastname := given.or("firstname", owner.Firstname), given.or("lastname", owner.Lastname)
	email := given.or("email", owner.Email)
	if a, err := customer.ParseAddress(email); err != nil || a.Canonical() != owner.Address().Canonical() {
		given.faults = append(given.faults, fixed("email"))
	}
	given.refuseOthers(append(assigned, "firstname", "lastname", "email"))
	if err := given.err(); err != nil {
		return nil, err
	}
	if _, err := c.Customers.Update(c.r.Context(), owner, customer.Changes{Firstname: &firstname, Lastname: &lastname}, c.origin()); err != nil {
		return nil, err
	}
	return c.showMe()
}

func (c *call) account(owner customer.Customer) account {
	made := account{
		ID: owner.ID, GroupID: generalGroup, Email: owner.Email, Firstname: owner.Firstname, Lastname: owner.Lastname,
		CreatedAt: owner.CreatedAt.UTC().Format(dateTime), UpdatedAt: owner.UpdatedAt.UTC().Format(dateTime),
		StoreID: owner.ViewID, WebsiteID: owner.WebsiteID, Addresses: []struct{}{},
	}
	if v, ok := c.stores.View(owner.ViewID); ok {
		made.CreatedIn = v.Name
	}
	return made
}
