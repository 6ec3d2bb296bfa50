package api

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
)

// assigned are the members of a customer that the store alone decides; Commerce takes them from a customer and ignores them.
var assigned = []string{"id", "groupId", "websiteId", "storeId", "createdAt", "updatedAt", "createdIn", "disableAutoGroupChange"}

// personal are the members that say something about a person.
var personal = []string{"firstname", "lastname", "prefix", "middlename", "suffix", "gender", "dob", "taxvat", "extensionAttributes",
	"customAttributes", "addresses", "defaultBilling", "defaultShipping"}

// changes reads what a customer object says about the person. What is left out is left as it is.
func (f *fields) changes() customer.Changes {
	ch := customer.Changes{Firstname: f.maybe("firstname"), Lastname: f.maybe("lastname"), Prefix: f.maybe("prefix"),
		Middlename: f.maybe("middlename"), Suffix: f.maybe("suffix"), TaxVat: f.maybe("taxvat"), DateOfBirth: f.maybe("dob"),
		Gender: f.maybeNumber("gender"), DefaultBilling: f.maybeNumber("defaultBilling"), DefaultShipping: f.maybeNumber("defaultShipping"),
		Custom: f.attributes("customAttributes")}
	if ch.DateOfBirth != nil { // some clients send a time of day with it
		day, _, _ := strings.Cut(*ch.DateOfBirth, " ")
		ch.DateOfBirth = &day
	}
	if _, given := f.get("extensionAttributes"); given {
		more := f.object("extensionAttributes")
		ch.Subscribed = more.maybeBool("isSubscribed")
		more.refuseOthers([]string{"isSubscribed"})
		f.faults = append(f.faults, more.faults...)
	}
	if list, given := f.list("addresses"); given {
		book := make([]customer.PostalAddress, 0, len(list))
		for _, one := range list {
			members, ok := one.(object)
			if !ok {
				f.faults = append(f.faults, wrongType("addresses", one, "object"))
				continue
			}
			inside := &fields{members: members}
			book = append(book, inside.address(ch))
			f.faults = append(f.faults, inside.faults...)
		}
		ch.Addresses = &book
	}
	return ch
}

// address reads an address object. A default is marked in it or by its number in the customer object.
func (f *fields) address(ch customer.Changes) customer.PostalAddress {
	text := func(name string) string { return f.or(name, "") }
	a := customer.PostalAddress{Prefix: text("prefix"), Firstname: text("firstname"), Lastname: text("lastname"), Middlename: text("middlename"),
		Suffix: text("suffix"), Company: text("company"), City: text("city"), Postcode: text("postcode"), Country: text("countryId"),
		Telephone: text("telephone"), Fax: text("fax"), VatID: text("vatId"), Custom: f.attributes("customAttributes")}
	a.ID, _ = f.number("id")
	a.RegionID, _ = f.number("regionId")
	if value, _ := f.get("region"); value != nil {
		if name, ok := value.(string); ok { // some clients send its name alone
			a.Region = name
		} else {
			in := f.object("region")
			a.RegionCode, a.Region = in.or("regionCode", ""), in.or("region", "")
			if id, given := in.number("regionId"); given {
				a.RegionID = id
			}
			f.faults = append(f.faults, in.faults...)
		}
	}
	if list, given := f.list("street"); given {
		for _, one := range list {
			line, ok := one.(string)
			if !ok {
				f.faults = append(f.faults, wrongType("street", one, "string"))
			}
			a.Street = append(a.Street, line)
		}
	}
	marked := func(name string, number *int64) bool {
		yes := f.maybeBool(name)
		return yes != nil && *yes || a.ID != 0 && number != nil && *number == a.ID
	}
	a.DefaultBilling, a.DefaultShipping = marked("defaultBilling", ch.DefaultBilling), marked("defaultShipping", ch.DefaultShipping)
	f.refuseOthers([]string{"id", "customerId", "prefix", "firstname", "lastname", "middlename", "suffix", "company", "city", "postcode",
		"countryId", "telephone", "fax", "vatId", "customAttributes", "region", "regionId", "street", "defaultBilling", "defaultShipping"})
	return a
}

// attributes reads Commerce's list of custom attributes; a null takes one away.
func (f *fields) attributes(name string) map[string]string {
	list, given := f.list(name)
	if !given {
		return nil
	}
	custom := make(map[string]string, len(list))
	for _, one := range list {
		members, ok := one.(object)
		if !ok {
			f.faults = append(f.faults, wrongType(name, one, "object"))
			continue
		}
		in := &fields{members: members}
		code := in.text("attributeCode")
		value, _ := in.get("value")
		switch v := value.(type) {
		case nil:
			custom[code] = ""
		case string:
			custom[code] = v
		case json.Number:
			custom[code] = v.String()
		case bool:
			custom[code] = map[bool]string{true: "1", false: "0"}[v]
		default:
			in.faults = append(in.faults, wrongType(code, value, "string"))
		}
		f.faults = append(f.faults, in.faults...)
	}
	return custom
}

// needed is a text that changes has read and that must not be missing.
func (f *fields) needed(name string, read *string) string {
	m, given := f.members[normal(name)]
	switch {
	case read != nil && *read != "":
		return *read
	case read != nil || !given || m.value == nil:
		f.faults = append(f.faults, required(name))
	}
	return ""
}

// keepsEmail refuses another address than the present one: that needs its owner's word. Whoever could move an account to an
// address of their own could also choose its password.
func (f *fields) keepsEmail(present customer.Customer) {
	email := f.or("email", present.Email)
	if a, err := customer.ParseAddress(email); err != nil || a.Canonical() != present.Address().Canonical() {
		f.faults = append(f.faults, fixed("email"))
	}
}

// keeps refuses other words of the store for what the store's programs cannot set, rather than lose them in silence. Who sends back what
// the customer was answered with says nothing new.
func (f *fields) keeps(present account) {
	for name, now := range map[string]string{"createdAt": present.CreatedAt, "createdIn": present.CreatedIn} {
		if said, given := f.optional(name); given && said != now {
			f.faults = append(f.faults, fixed(snake(name)))
		}
	}
	if n, given := f.number("disableAutoGroupChange"); given && n != int64(present.DisableAutoGroupChange) {
		f.faults = append(f.faults, fixed("disable_auto_group_change"))
	}
}

// maybe reads a text; nil when it is missing.
func (f *fields) maybe(name string) *string {
	before := len(f.faults)
	text, given := f.optional(name)
	if !given || len(f.faults) > before {
		return nil
	}
	return &text
}

func (f *fields) maybeNumber(name string) *int64 {
	before := len(f.faults)
	n, given := f.number(name)
	if !given || len(f.faults) > before {
		return nil
	}
	return &n
}

// maybeBool reads a boolean; clients written in PHP send 1 and "1".
func (f *fields) maybeBool(name string) *bool {
	value, given := f.get(name)
	if !given {
		return nil
	}
	yes := slices.Contains([]any{true, json.Number("1"), "1", "true"}, value)
	if !yes && !slices.Contains([]any{false, json.Number("0"), "0", "false", ""}, value) {
		f.faults = append(f.faults, wrongType(name, value, "boolean"))
		return nil
	}
	return &yes
}

// list reads a list that may be missing.
func (f *fields) list(name string) (list []any, given bool) {
	value, given := f.get(name)
	if !given {
		return nil, false
	}
	list, ok := value.([]any)
	if !ok {
		f.faults = append(f.faults, wrongType(name, value, "array"))
	}
	return list, ok
}

// unknownAddress says in Commerce's words that an address is none of the customer's book.
func unknownAddress(err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
		return noSuchEntity("addressId", f.Args["ID"])
	}
	return err
}
