package api

import (
	"maps"
	"slices"
	"strconv"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
)

// dateTime is how Commerce writes a moment, in UTC.
const dateTime = "2006-01-02 15:04:05"

// account is Commerce's customer object, in the order of its own answers.
type account struct {
	ID                     int64       `json:"id,omitempty"` // none before the letter is answered
	GroupID                int64       `json:"group_id"`
	DefaultBilling         string      `json:"default_billing,omitempty"`
	DefaultShipping        string      `json:"default_shipping,omitempty"`
	CreatedAt              string      `json:"created_at,omitempty"`
	UpdatedAt              string      `json:"updated_at,omitempty"`
	CreatedIn              string      `json:"created_in"`
	DateOfBirth            string      `json:"dob,omitempty"`
	Email                  string      `json:"email"`
	Firstname              string      `json:"firstname"`
	Lastname               string      `json:"lastname"`
	Middlename             string      `json:"middlename,omitempty"`
	Prefix                 string      `json:"prefix,omitempty"`
	Suffix                 string      `json:"suffix,omitempty"`
	Gender                 int64       `json:"gender,omitempty"`
	StoreID                int64       `json:"store_id"`
	TaxVat                 string      `json:"taxvat,omitempty"`
	WebsiteID              int64       `json:"website_id"`
	Addresses              []postal    `json:"addresses"`
	DisableAutoGroupChange int         `json:"disable_auto_group_change"`
	ExtensionAttributes    extension   `json:"extension_attributes"`
	CustomAttributes       []attribute `json:"custom_attributes,omitempty"`
}

type extension struct {
	IsSubscribed bool `json:"is_subscribed"`
}

type attribute struct {
	Code  string `json:"attribute_code"`
	Value string `json:"value"`
}

// postal is Commerce's address object.
type postal struct {
	ID               int64       `json:"id"`
	CustomerID       int64       `json:"customer_id"`
	Region           region      `json:"region"`
	RegionID         int64       `json:"region_id"`
	CountryID        string      `json:"country_id"`
	Street           []string    `json:"street"`
	Company          string      `json:"company,omitempty"`
	Telephone        string      `json:"telephone"`
	Fax              string      `json:"fax,omitempty"`
	Postcode         string      `json:"postcode"`
	City             string      `json:"city"`
	Firstname        string      `json:"firstname"`
	Lastname         string      `json:"lastname"`
	Middlename       string      `json:"middlename,omitempty"`
	Prefix           string      `json:"prefix,omitempty"`
	Suffix           string      `json:"suffix,omitempty"`
	VatID            string      `json:"vat_id,omitempty"`
	DefaultShipping  bool        `json:"default_shipping,omitempty"`
	DefaultBilling   bool        `json:"default_billing,omitempty"`
	CustomAttributes []attribute `json:"custom_attributes,omitempty"`
}

type region struct {
	Code   string `json:"region_code"`
	Region string `json:"region"`
	ID     int64  `json:"region_id"`
}

func (c *call) showMe() (any, error) {
	owner, err := c.owner()
	if err != nil {
		return nil, err
	}
	return c.accountOf(owner)
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

// given reads a body that is {"customer": {…}} and gives the customer in it, and the body.
func (c *call) given() (given, body *fields, err error) {
	in, err := c.body()
	if err != nil {
		return nil, nil, err
	}
	given = in.object("customer")
	return given, in, in.err()
}

// changeMe changes what customers may say about themselves. Members that are left out stay as they are; what the store does
// not keep is refused rather than lost in silence. Another address needs the password beside the customer, which Commerce does
// not ask for, and becomes the account's once it has answered: until then the answer has the present one.
func (c *call) changeMe() (any, error) {
	given, body, err := c.given()
	if err != nil {
		return nil, err
	}
	owner, err := c.owner()
	if err != nil {
		return nil, err
	}
	changes := given.changes()
	given.refuseOthers(slices.Concat(personal, assigned, []string{"email"}))
	email := given.or("email", owner.Email)
	moves := !sameAddress(email, owner)
	var password secret.Text
	if moves {
		password = body.secret("password")
		given.faults = append(given.faults, body.faults...)
	}
	if err := given.err(); err != nil {
		return nil, err
	}
	if moves {
		if err := c.granted(""); err != nil {
			return nil, err
		}
		if err := c.Recovery.ChangeEmail(c.r.Context(), c.view, owner, email, password, c.origin()); err != nil {
			return nil, err
		}
	}
	if _, err := c.Customers.Update(c.r.Context(), owner, changes, c.origin()); err != nil {
		return nil, unknownAddress(err)
	}
	return c.showMe()
}

// accountOf is a customer with the address book.
func (c *call) accountOf(owner customer.Customer) (any, error) {
	var books map[int64][]customer.PostalAddress
	err := c.DB.Read(c.r.Context(), func(tx *db.Tx) (err error) {
		books, err = customer.Addresses(c.r.Context(), tx, owner.ID)
		return err
	})
	return c.account(owner, books[owner.ID]), err
}

func (c *call) account(owner customer.Customer, book []customer.PostalAddress) account {
	made := account{
		ID: owner.ID, GroupID: owner.GroupID, Email: owner.Email, Firstname: owner.Firstname, Lastname: owner.Lastname,
		Middlename: owner.Middlename, Prefix: owner.Prefix, Suffix: owner.Suffix, Gender: owner.Gender, TaxVat: owner.TaxVat,
		DateOfBirth: owner.DateOfBirth, StoreID: owner.ViewID, WebsiteID: owner.WebsiteID, Addresses: make([]postal, len(book)),
		DefaultBilling: numberOrNone(owner.DefaultBilling), DefaultShipping: numberOrNone(owner.DefaultShipping),
		CreatedAt: owner.CreatedAt.UTC().Format(dateTime), UpdatedAt: owner.UpdatedAt.UTC().Format(dateTime),
		ExtensionAttributes: extension{owner.Subscribed}, CustomAttributes: attributes(owner.Custom),
	}
	for i, a := range book {
		made.Addresses[i] = postalOf(a)
	}
	if v, ok := c.stores.View(owner.ViewID); ok {
		made.CreatedIn = v.Name
	}
	return made
}

func postalOf(a customer.PostalAddress) postal {
	return postal{ID: a.ID, CustomerID: a.CustomerID, Region: region{a.RegionCode, a.Region, a.RegionID}, RegionID: a.RegionID,
		CountryID: a.Country, Street: a.Street, Company: a.Company, Telephone: a.Telephone, Fax: a.Fax, Postcode: a.Postcode, City: a.City,
		Firstname: a.Firstname, Lastname: a.Lastname, Middlename: a.Middlename, Prefix: a.Prefix, Suffix: a.Suffix, VatID: a.VatID,
		DefaultShipping: a.DefaultShipping, DefaultBilling: a.DefaultBilling, CustomAttributes: attributes(a.Custom)}
}

func attributes(custom map[string]string) (list []attribute) {
	for _, code := range slices.Sorted(maps.Keys(custom)) {
		list = append(list, attribute{code, custom[code]})
	}
	return list
}

// numberOrNone writes the number of an address as Commerce does, as a text.
func numberOrNone(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}
