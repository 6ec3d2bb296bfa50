package api

import (
	"context"
	"maps"
	"slices"
	"strconv"

	gql "github.com/graph-gophers/graphql-go"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/token"
)

// graphAddress is the type CustomerAddress.
type graphAddress struct {
	ID, CustomerID                  *int32
	UID                             gql.ID
	Prefix, Firstname, Middlename   *string
	Lastname, Suffix, Company       *string
	Street                          *[]*string
	City, Postcode                  *string
	CountryCode, CountryID          *string
	Region                          *graphRegion
	RegionID                        *int32
	Telephone, Fax, VatID           *string
	DefaultBilling, DefaultShipping *bool
	CustomAttributes                *[]*graphAddressAttribute

	custom map[string]string
}

type graphRegion struct {
	Region, RegionCode *string
	RegionID           *int32
}

type graphAddressAttribute struct{ AttributeCode, Value *string }

func graphAddressOf(a customer.PostalAddress) *graphAddress {
	id, owner := int32(a.ID), int32(a.CustomerID)
	street, attributes := []*string{}, []*graphAddressAttribute{}
	for _, line := range a.Street {
		street = append(street, &line)
	}
	for _, code := range slices.Sorted(maps.Keys(a.Custom)) {
		value := a.Custom[code]
		attributes = append(attributes, &graphAddressAttribute{&code, &value})
	}
	out := &graphAddress{
		ID: &id, CustomerID: &owner, UID: gql.ID(strconv.FormatInt(a.ID, 10)), Prefix: orNull(a.Prefix), Firstname: orNull(a.Firstname),
		Middlename: orNull(a.Middlename), Lastname: orNull(a.Lastname), Suffix: orNull(a.Suffix), Company: orNull(a.Company),
		Street: &street, City: orNull(a.City), Postcode: orNull(a.Postcode), CountryCode: orNull(a.Country), CountryID: orNull(a.Country),
		Region:    &graphRegion{Region: orNull(a.Region), RegionCode: orNull(a.RegionCode)},
		Telephone: orNull(a.Telephone), Fax: orNull(a.Fax), VatID: orNull(a.VatID),
		DefaultBilling: &a.DefaultBilling, DefaultShipping: &a.DefaultShipping, CustomAttributes: &attributes, custom: a.Custom,
	}
	if region := int32(a.RegionID); region != 0 {
		out.RegionID, out.Region.RegionID = &region, &region
	}
	return out
}

// CustomAttributesV2 are the attributes that the store added.
func (a *graphAddress) CustomAttributesV2(args struct{ AttributeCodes *[]gql.ID }) []*graphAttribute {
	return graphAttributes(a.custom, args.AttributeCodes)
}

// graphAddressInput is the input CustomerAddressInput. What it leaves out stays; null takes a value away.
type graphAddressInput struct {
	Prefix, Firstname, Middlename, Lastname, Suffix gql.NullString
	Company, City, Postcode, Telephone, Fax, VatID  gql.NullString
	Street                                          *[]*string
	Region                                          *graphRegionInput
	CountryCode, CountryID                          *string
	DefaultBilling, DefaultShipping                 *bool
	CustomAttributes                                *[]*struct{ AttributeCode, Value string }
	CustomAttributesV2                              *[]*graphAttributeInput
}

type graphRegionInput struct {
	Region, RegionCode gql.NullString
	RegionID           gql.NullInt
}

// onto puts the input on an address. Errors: refusals of what is not kept.
func (in graphAddressInput) onto(a *customer.PostalAddress) error {
	for _, field := range []struct {
		to *string
		by gql.NullString
	}{{&a.Prefix, in.Prefix}, {&a.Firstname, in.Firstname}, {&a.Middlename, in.Middlename}, {&a.Lastname, in.Lastname},
		{&a.Suffix, in.Suffix}, {&a.Company, in.Company}, {&a.City, in.City}, {&a.Postcode, in.Postcode},
		{&a.Telephone, in.Telephone}, {&a.Fax, in.Fax}, {&a.VatID, in.VatID}} {
		if field.by.Set {
			*field.to = text(field.by)
		}
	}
	if in.Street != nil {
		a.Street = nil
		for _, line := range *in.Street {
			if line != nil {
				a.Street = append(a.Street, *line)
			}
		}
	}
	if in.Region != nil { // one thing in three spellings: what is left out must not contradict the rest
		a.Region, a.RegionCode, a.RegionID = text(in.Region.Region), text(in.Region.RegionCode), 0
		if id := in.Region.RegionID.Value; id != nil {
			a.RegionID = int64(*id)
		}
	}
	for _, country := range []*string{in.CountryID, in.CountryCode} {
		if country != nil {
			a.Country = *country
		}
	}
	if in.DefaultBilling != nil {
		a.DefaultBilling = *in.DefaultBilling
	}
	if in.DefaultShipping != nil {
		a.DefaultShipping = *in.DefaultShipping
	}
	return in.attributesOnto(a)
}

func (in graphAddressInput) attributesOnto(a *customer.PostalAddress) error {
	set, err := attributesOf(in.CustomAttributesV2)
	if err != nil {
		return err
	}
	kept := maps.Clone(a.Custom)
	if kept == nil {
		kept = map[string]string{}
	}
	if in.CustomAttributes != nil {
		for _, one := range *in.CustomAttributes {
			if one != nil {
				kept[one.AttributeCode] = one.Value
			}
		}
	}
	maps.Copy(kept, set)
	maps.DeleteFunc(kept, func(_, value string) bool { return value == "" })
	a.Custom = kept
	return nil
}

// CreateCustomerAddress adds an entry to the address book of the customer who asks.
func (graphRoot) CreateCustomerAddress(ctx context.Context, args struct{ Input graphAddressInput }) (*graphAddress, error) {
	c, owner, err := self(ctx, token.WriteAccount)
	if err != nil {
		return nil, err
	}
	return c.saveAddress(ctx, owner, customer.PostalAddress{}, args.Input)
}

// UpdateCustomerAddress changes an entry of the customer who asks.
func (graphRoot) UpdateCustomerAddress(ctx context.Context, args struct {
	ID    int32
	Input *graphAddressInput
}) (*graphAddress, error) {
	c, owner, err := self(ctx, token.WriteAccount)
	if err != nil {
		return nil, err
	}
	book, err := c.addresses(ctx, owner)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(book, func(a customer.PostalAddress) bool { return a.ID == int64(args.ID) })
	switch {
	case at < 0:
		return nil, noSuchAddress(args.ID)
	case args.Input == nil:
		return graphAddressOf(book[at]), nil
	}
	return c.saveAddress(ctx, owner, book[at], *args.Input)
}

func (c *call) saveAddress(ctx context.Context, owner customer.Customer, a customer.PostalAddress, in graphAddressInput) (*graphAddress, error) {
	if err := in.onto(&a); err != nil {
		return nil, err
	}
	a, err := c.Customers.SaveAddress(ctx, owner, a, c.origin())
	return graphAddressOf(a), err
}

// DeleteCustomerAddress takes an entry out of the address book of the customer who asks.
func (graphRoot) DeleteCustomerAddress(ctx context.Context, args struct{ ID int32 }) (*bool, error) {
	c, owner, err := self(ctx, token.WriteAccount)
	if err != nil {
		return nil, err
	}
	err = c.Customers.DeleteAddress(ctx, owner, int64(args.ID), c.origin())
	if fault.Is(err, fault.NotFound) {
		err = noSuchAddress(args.ID)
	}
	return done(err)
}

// noSuchAddress names the number that was asked for, whoever's it is.
func noSuchAddress(id int32) error {
	return fault.New(fault.NotFound, "", `Could not find a address with ID "`+strconv.Itoa(int(id))+`"`)
}
