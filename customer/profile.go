package customer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

const (
	maxShort      = 40   // characters of a prefix, a suffix, a tax number's field
	maxCustom     = 50   // custom attributes of one customer
	maxCustomText = 1000 // bytes of one
	maxGender     = 65535
)

// Profile is what a customer says beyond name and address; account pages of storefronts ask for it.
type Profile struct {
	Prefix, Middlename, Suffix      string
	Gender                          int64  // as Adobe Commerce counts: 0 not said, 1 male, 2 female, 3 not specified, more where a store added options
	DateOfBirth                     string // "2006-01-02", "" when not said
	TaxVat                          string
	Subscribed                      bool // to the newsletter
	GroupID                         int64
	Custom                          map[string]string // attributes that the store added
	DefaultBilling, DefaultShipping int64             // numbers of postal addresses, 0 for none
}

// custom is how the table keeps the attributes of the store.
func (p Profile) custom() (string, error) {
	if len(p.Custom) == 0 {
		return "", nil
	}
	text, err := json.Marshal(p.Custom)
	return string(text), err
}

// Changes are what is to change about a customer; nil stays as it is.
type Changes struct {
	Firstname, Lastname                             *string
	Prefix, Middlename, Suffix, DateOfBirth, TaxVat *string
	Gender                                          *int64
	Subscribed                                      *bool
	Custom                                          map[string]string // an empty value takes the attribute away
	GroupID                                         *int64            // by the store only
	Active                                          *bool             // by the store only
	ViewID                                          *int64            // a store view of the customer's website: the language of emails
	Addresses                                       *[]PostalAddress  `json:"-"` // the whole address book; what is not in it goes
	DefaultBilling, DefaultShipping                 *int64            `json:"-"` // numbers of addresses, 0 for none; with Addresses their own marks count
}

// Update changes a customer by the customer's own hand. Errors: fault Invalid, several joined.
func (s *Service) Update(ctx context.Context, c Customer, ch Changes, o audit.Origin) (after Customer, err error) {
	ch.GroupID, ch.Active = nil, nil
	err = s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		after, err = s.update(ctx, tx, c.ID, ch, func(Customer) error { return nil }, c.Actor(), o)
		return err
	})
	return after, err
}

// UpdateAs changes a customer by the store's hand. Disabling an account ends its sessions, tokens and links at once.
// Errors: fault Invalid, several joined; NotFound; Forbidden.
func (s *Service) UpdateAs(ctx context.Context, permit admin.Permit, id int64, ch Changes, o audit.Origin) (after Customer, err error) {
	if err := permit.Need(admin.EditCustomers); err != nil {
		return Customer{}, err
	}
	covered := func(c Customer) error {
		if !permit.Covers(c.WebsiteID) {
			return nobody()
		}
		return nil
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) (err error) {
		after, err = s.update(ctx, tx, id, ch, covered, permit.Actor(), o)
		return err
	})
	return after, err
}

func (s *Service) update(ctx context.Context, tx *db.Tx, id int64, ch Changes, allowed func(Customer) error, by audit.Actor, o audit.Origin) (Customer, error) {
	c, err := scan(tx.Row(ctx, "SELECT "+columns+" FROM customers WHERE id = $1 AND deleted_at IS NULL"+tx.ForUpdate(), id))
	if err == nil {
		err = allowed(c)
	}
	if err != nil {
		return Customer{}, err
	}
	before := c
	changed := ch.apply(&c)
	if err := errors.Join(c.check(before), ch.checkBook(), s.checkView(ctx, tx, before, c)); err != nil {
		return Customer{}, err
	}
	if ch.touchesBook() {
		changed = append(changed, "addresses")
	}
	if len(changed) == 0 {
		return c, nil
	}
	disabled := before.Active && !c.Active
	if err := store(ctx, tx, c, disabled); err != nil {
		return Customer{}, err
	}
	if disabled {
		if err := s.tokensEnded(ctx, tx, before); err != nil {
			return Customer{}, err
		}
	}
	if err := ch.keepBook(ctx, tx, c.ID); err != nil {
		return Customer{}, err
	}
	after, err := Find(ctx, tx, id)
	if err != nil {
		return Customer{}, err
	}
	return after, audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerUpdated, Actor: by, CustomerID: c.ID, Subject: c.Address().Masked(),
		WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"changed": strings.Join(changed, ", ")}})
}

// checkView refuses a store view of another website than the customer's.
func (s *Service) checkView(ctx context.Context, tx *db.Tx, before, c Customer) error {
	if c.ViewID == before.ViewID {
		return nil
	}
	snap, err := s.Shop.LoadIn(ctx, tx)
	if err != nil {
		return err
	}
	if v, ok := snap.View(c.ViewID); !ok || v.WebsiteID != c.WebsiteID {
		return fault.Refuse("store_id", "malformed", "store_id is the number of a store view of the customer's website.", nil)
	}
	return nil
}

// apply puts the changes on c and names what is different now.
func (ch Changes) apply(c *Customer) (changed []string) {
	text := func(name string, field, to *string) {
		if to != nil && *to != *field {
			*field, changed = *to, append(changed, name)
		}
	}
	text("firstname", &c.Firstname, ch.Firstname)
	text("lastname", &c.Lastname, ch.Lastname)
	text("prefix", &c.Prefix, ch.Prefix)
	text("middlename", &c.Middlename, ch.Middlename)
	text("suffix", &c.Suffix, ch.Suffix)
	text("date_of_birth", &c.DateOfBirth, ch.DateOfBirth)
	text("taxvat", &c.TaxVat, ch.TaxVat)
	if ch.Gender != nil && *ch.Gender != c.Gender {
		c.Gender, changed = *ch.Gender, append(changed, "gender")
	}
	if ch.GroupID != nil && *ch.GroupID != c.GroupID {
		c.GroupID, changed = *ch.GroupID, append(changed, "group_id")
	}
	if ch.Subscribed != nil && *ch.Subscribed != c.Subscribed {
		c.Subscribed, changed = *ch.Subscribed, append(changed, "is_subscribed")
	}
	if ch.ViewID != nil && *ch.ViewID != c.ViewID {
		c.ViewID, changed = *ch.ViewID, append(changed, "store_view")
	}
	if ch.Active != nil && *ch.Active != c.Active {
		c.Active, changed = *ch.Active, append(changed, "active")
	}
	if len(ch.Custom) > 0 {
		custom := make(map[string]string, len(c.Custom)+len(ch.Custom))
		for _, from := range []map[string]string{c.Custom, ch.Custom} {
			for name, value := range from {
				custom[name] = value
				if value == "" {
					delete(custom, name)
				}
			}
		}
		c.Custom, changed = custom, append(changed, "custom_attributes")
	}
	return changed
}

var attributeCode = regexp.MustCompile(`^[a-z][a-z0-9_]{0,59}$`)

// check judges what a customer says, who was kept as was.
func (c Customer) check(was Customer) error {
	var errs []error
	kept := was.nameParts()
	for i, part := range c.nameParts() {
		errs = append(errs, part.check(kept[i].text))
	}
	if utf8.RuneCountInString(c.TaxVat) > maxShort || !plainText(c.TaxVat) || strings.ContainsAny(c.TaxVat, "<>{}") {
		errs = append(errs, fault.Refuse("taxvat", "malformed", fmt.Sprintf("taxvat may have at most %d characters of plain text.", maxShort), nil))
	}
	if c.Gender < 0 || c.Gender > maxGender {
		errs = append(errs, fault.Refuse("gender", "malformed", fmt.Sprintf("gender is the number of one of the store's options, from 0 (not said) to %d.", maxGender), nil))
	}
	if c.DateOfBirth != "" {
		if born, err := time.Parse(time.DateOnly, c.DateOfBirth); err != nil || born.Year() < 1880 || born.After(time.Now()) {
			errs = append(errs, fault.Refuse("date_of_birth", "malformed", "The date of birth must be a past date such as 1987-06-05.", nil))
		}
	}
	if c.GroupID < 1 {
		errs = append(errs, fault.Refuse("group_id", "malformed", "group_id is the number of a customer group.", nil))
	}
	errs = append(errs, checkCustom(c.Custom))
	return errors.Join(errs...)
}

// checkCustom judges the attributes that the store added to a customer or to a postal address.
func checkCustom(custom map[string]string) error {
	if len(custom) > maxCustom {
		return fault.Refuse("custom_attributes", "malformed", fmt.Sprintf("There may be at most %d custom attributes.", maxCustom), nil)
	}
	for name, value := range custom {
		if !attributeCode.MatchString(name) || len(value) > maxCustomText || !plainText(value) {
			return fault.Refuse("custom_attributes", "malformed", "A custom attribute has a code of small letters, digits and _, and a value of at most 1000 bytes of text.", nil)
		}
	}
	return nil
}

func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func store(ctx context.Context, tx *db.Tx, c Customer, disabled bool) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	custom, err := c.Profile.custom()
	if err != nil {
		return err
	}
	raise := 0
	if disabled {
		raise = 1
	}
	_, err = tx.Exec(ctx, `UPDATE customers SET firstname = $2, lastname = $3, search = $4, updated_at = $5, prefix = $6, middlename = $7,
		suffix = $8, gender = $9, date_of_birth = $10, taxvat = $11, subscribed = $12, group_id = $13, custom_attributes = $14, active = $15, store_view_id = $17,
		session_generation = session_generation + $16, token_generation = token_generation + $16, link_generation = link_generation + $16
		WHERE id = $1`, c.ID, c.Firstname, c.Lastname, searchText(c.Firstname, c.Lastname, c.Email), db.Micro(now), c.Prefix, c.Middlename,
		c.Suffix, c.Gender, c.DateOfBirth, c.TaxVat, c.Subscribed, c.GroupID, custom, c.Active, raise, c.ViewID)
	return err
}
