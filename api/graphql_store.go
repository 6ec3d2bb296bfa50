package api

import (
	"context"
	"strconv"

	gql "github.com/graph-gophers/graphql-go"

	"github.com/rekeyhq/rekey/shop"
)

// graphStore is the type StoreConfig.
type graphStore struct {
	ID                                           *int32
	StoreCode, StoreGroupCode, WebsiteCode       *gql.ID
	Code, StoreName, StoreGroupName              *string
	IsDefaultStore                               *bool
	WebsiteID                                    *int32
	WebsiteName, Locale, Timezone                *string
	BaseURL, BaseLinkURL                         *string
	SecureBaseURL, SecureBaseLinkURL             *string
	BaseCurrencyCode, DefaultDisplayCurrencyCode *string // prices are not kept here
	RequiredCharacterClassesNumber               *string
	MinimumPasswordLength                        *string
	AutocompleteOnStorefront                     *bool
	CreateAccountConfirmation                    *bool
	CustomerAccessTokenLifetime                  *float64
}

// StoreConfig is what everybody may know of the store view that the request is for.
func (graphRoot) StoreConfig(ctx context.Context) *graphStore {
	c := asked(ctx)
	v := c.view
	id, website := int32(v.ID), int32(v.WebsiteID)
	code, group := gql.ID(v.Code), gql.ID(v.Website.Code)
	isDefault := c.stores.ViewsOf(v.WebsiteID)[0].ID == v.ID
	var base *string
	if v.BaseURL != "" {
		base = orNull(v.BaseURL + "/") // Commerce's ends with a slash
	}
	number := func(path string) *string { return orNull(strconv.Itoa(v.Int(path))) }
	autocomplete, confirmation := v.Bool(shop.AutocompleteOnStorefront), v.Bool(shop.RequireConfirmation)
	lifetime := v.Duration(shop.CustomerTokenLifetime).Hours()
	return &graphStore{
		ID: &id, StoreCode: &code, Code: &v.Code, StoreName: orNull(v.StoreName()), IsDefaultStore: &isDefault,
		StoreGroupCode: &group, StoreGroupName: &v.Website.Name, WebsiteID: &website, WebsiteCode: &group, WebsiteName: &v.Website.Name,
		Locale: &v.Locale, Timezone: &v.TimeZone, BaseURL: base, BaseLinkURL: base, SecureBaseURL: base, SecureBaseLinkURL: base,
		RequiredCharacterClassesNumber: number(shop.RequiredCharacterClasses), MinimumPasswordLength: number(shop.MinimumPasswordLength),
		AutocompleteOnStorefront: &autocomplete, CreateAccountConfirmation: &confirmation, CustomerAccessTokenLifetime: &lifetime,
	}
}
