package api

import (
	"context"
	"maps"
	"slices"
	"strconv"

	gql "github.com/graph-gophers/graphql-go"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// The states of an account's address.
const (
	confirmed          = "ACCOUNT_CONFIRMED"
	confirmationNeeded = "ACCOUNT_CONFIRMATION_REQUIRED"
	confirmationSpared = "ACCOUNT_CONFIRMATION_NOT_REQUIRED"
)

// graphCustomer is the type Customer. What is not set is null, as in Commerce.
type graphCustomer struct {
	ID, UID                         *gql.ID
	Prefix, Firstname, Middlename   *string
	Lastname, Suffix, Email         *string
	DateOfBirth, Dob, Taxvat        *string
	CreatedAt                       *string
	DefaultBilling, DefaultShipping *string
	Gender, GroupID                 *int32
	IsSubscribed                    *bool
	ConfirmationStatus              string
	AllowRemoteShoppingAssistance   bool

	owner customer.Customer
}

// graphOutput is the type CustomerOutput.
type graphOutput struct{ Customer *graphCustomer }

func graphCustomerOf(c *call, owner customer.Customer) *graphCustomer {
	id, group, gender := gql.ID(strconv.FormatInt(owner.ID, 10)), int32(owner.GroupID), int32(owner.Gender)
	out := &graphCustomer{
		ID: &id, UID: &id, Prefix: orNull(owner.Prefix), Firstname: orNull(owner.Firstname), Middlename: orNull(owner.Middlename),
		Lastname: orNull(owner.Lastname), Suffix: orNull(owner.Suffix), Email: orNull(owner.Email),
		DateOfBirth: orNull(owner.DateOfBirth), Dob: orNull(owner.DateOfBirth), Taxvat: orNull(owner.TaxVat),
		CreatedAt:      orNull(owner.CreatedAt.UTC().Format(dateTime)),
		DefaultBilling: numberOrNull(owner.DefaultBilling), DefaultShipping: numberOrNull(owner.DefaultShipping),
		GroupID: &group, IsSubscribed: &owner.Subscribed, ConfirmationStatus: confirmed, owner: owner,
	}
	if gender != 0 {
		out.Gender = &gender
	}
	if !owner.Confirmed() {
		out.ConfirmationStatus = confirmationNeeded
	} else if !c.view.Bool(shop.RequireConfirmation) {
		out.ConfirmationStatus = confirmationSpared
	}
	return out
}

// Addresses is the address book, oldest first.
func (g *graphCustomer) Addresses(ctx context.Context) (*[]*graphAddress, error) {
	book := []*graphAddress{}
	if g.owner.ID == 0 {
		return &book, nil
	}
	all, err := asked(ctx).addresses(ctx, g.owner)
	for _, a := range all {
		book = append(book, graphAddressOf(a))
	}
	return &book, err
}

func (c *call) addresses(ctx context.Context, owner customer.Customer) (book []customer.PostalAddress, err error) {
	err = c.DB.Read(ctx, func(tx *db.Tx) error {
		books, err := customer.Addresses(ctx, tx, owner.ID)
		book = books[owner.ID]
		return err
	})
	return book, err
}

// CustomAttributes are the attributes that the store added.
func (g *graphCustomer) CustomAttributes(args struct{ AttributeCodes *[]gql.ID }) *[]*graphAttribute {
	list := graphAttributes(g.owner.Custom, args.AttributeCodes)
	return &list
}

// graphAttribute is the interface AttributeValueInterface. All values kept here are texts.
type graphAttribute struct{ code, value string }

// ToAttributeValue tells the library that it is one.
func (a *graphAttribute) ToAttributeValue() (*graphAttribute, bool) { return a, true }

// ToAttributeSelectedOptions tells the library that it is none.
func (a *graphAttribute) ToAttributeSelectedOptions() (*graphOptions, bool) { return nil, false }

// Code names the attribute.
func (a *graphAttribute) Code() gql.ID { return gql.ID(a.code) }

// Value is its text.
func (a *graphAttribute) Value() string { return a.value }

// graphOptions is the type AttributeSelectedOptions, which clients ask about and no attribute is.
type graphOptions struct {
	Code            gql.ID
	SelectedOptions []*graphOption
}

type graphOption struct{ Label, Value string }

// graphAttributes lists attributes by code: all, or those asked for.
func graphAttributes(kept map[string]string, wanted *[]gql.ID) []*graphAttribute {
	list := []*graphAttribute{}
	for _, code := range slices.Sorted(maps.Keys(kept)) {
		if wanted == nil || slices.Contains(*wanted, gql.ID(code)) {
			list = append(list, &graphAttribute{code, kept[code]})
		}
	}
	return list
}

// graphPerson is what the inputs of an account have in common. The library tells what was left out from what is null, which
// takes a value away.
type graphPerson struct {
	Prefix, Firstname, Middlename, Lastname, Suffix, Email gql.NullString
	DateOfBirth, Dob, Taxvat, Password                     gql.NullString
	Gender                                                 gql.NullInt
	IsSubscribed, AllowRemoteShoppingAssistance            gql.NullBool
	CustomAttributes                                       *[]*graphAttributeInput
}

type graphAttributeInput struct {
	AttributeCode   string
	Value           *string
	SelectedOptions *[]*struct{ Value string }
}

// changes are what the input says about a customer. Errors: refusals of what is not kept, rather than losing it in silence.
func (p graphPerson) changes() (customer.Changes, error) {
	ch := customer.Changes{Firstname: given(p.Firstname), Lastname: given(p.Lastname), Prefix: given(p.Prefix),
		Middlename: given(p.Middlename), Suffix: given(p.Suffix), DateOfBirth: given(p.Dob), TaxVat: given(p.Taxvat)}
	if p.DateOfBirth.Set {
		ch.DateOfBirth = given(p.DateOfBirth)
	}
	if p.Gender.Set {
		gender := int64(0)
		if p.Gender.Value != nil {
			gender = int64(*p.Gender.Value)
		}
		ch.Gender = &gender
	}
	if p.IsSubscribed.Value != nil {
		ch.Subscribed = p.IsSubscribed.Value
	}
	if help := p.AllowRemoteShoppingAssistance.Value; help != nil && *help {
		return ch, graphRefuse("An administrator cannot sign in as a customer: leave allow_remote_shopping_assistance out.")
	}
	var err error
	ch.Custom, err = attributesOf(p.CustomAttributes)
	return ch, err
}

// attributesOf reads custom attributes; an empty value takes one away.
func attributesOf(list *[]*graphAttributeInput) (map[string]string, error) {
	if list == nil {
		return nil, nil
	}
	kept := map[string]string{}
	for _, a := range *list {
		switch {
		case a == nil:
			continue
		case a.SelectedOptions != nil && len(*a.SelectedOptions) > 0:
			return nil, graphRefuse("Custom attributes with options are not kept: " + shown(a.AttributeCode) + ".")
		}
		value := ""
		if a.Value != nil {
			value = *a.Value
		}
		kept[a.AttributeCode] = value
	}
	return kept, nil
}

// given is a text that the input sets, "" for null; nil for one that it leaves out.
func given(s gql.NullString) *string {
	if s.Set && s.Value == nil {
		return new(string)
	}
	return s.Value
}

// text is a text that may be missing.
func text(s gql.NullString) string {
	if s.Value == nil {
		return ""
	}
	return *s.Value
}

func secretOf(s gql.NullString) secret.Text { return secret.NewText(text(s)) }

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func numberOrNull(n int64) *string {
	if n == 0 {
		return nil
	}
	s := strconv.FormatInt(n, 10)
	return &s
}
