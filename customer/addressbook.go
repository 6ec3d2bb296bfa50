package customer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

const (
	// MaxAddresses is how many postal addresses one customer may keep.
	MaxAddresses   = 100
	maxStreetLines = 4
	maxPostalText  = 255 // characters of one field
)

// PostalAddress is one entry of a customer's address book, with Adobe Commerce's fields.
type PostalAddress struct {
	ID, CustomerID              int64             `json:"-"`
	Prefix, Firstname, Lastname string            `json:",omitempty"`
	Middlename, Suffix, Company string            `json:",omitempty"`
	Street                      []string          `json:",omitempty"`
	City, Region, RegionCode    string            `json:",omitempty"`
	RegionID                    int64             `json:",omitempty"`
	Postcode, Country           string            `json:",omitempty"` // Country: ISO 3166-1 alpha-2, "FR"
	Telephone, Fax, VatID       string            `json:",omitempty"`
	Custom                      map[string]string `json:",omitempty"`
	DefaultBilling              bool              `json:"-"`
	DefaultShipping             bool              `json:"-"`
	CreatedAt, UpdatedAt        time.Time         `json:"-"`
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

func (a PostalAddress) check() error {
	errs := []error{checkCustom(a.Custom)}
	for _, part := range nameParts(a.Prefix, a.Firstname, a.Middlename, a.Lastname, a.Suffix) {
		errs = append(errs, part.check(""))
	}
	refuse := func(field, text string) { errs = append(errs, fault.Refuse(field, "malformed", text, nil)) }
	for field, value := range map[string]string{"company": a.Company, "city": a.City, "region": a.Region, "region_code": a.RegionCode, "postcode": a.Postcode, "telephone": a.Telephone, "fax": a.Fax, "vat_id": a.VatID} {
		if utf8.RuneCountInString(value) > maxPostalText || !plainText(value) {
			refuse(field, fmt.Sprintf("%s may have at most %d characters of plain text.", field, maxPostalText))
		}
	}
	if len(a.Street) == 0 || strings.TrimSpace(a.Street[0]) == "" || len(a.Street) > maxStreetLines {
		refuse("street", fmt.Sprintf("An address has 1 to %d lines of street.", maxStreetLines))
	}
	for _, line := range a.Street {
		if utf8.RuneCountInString(line) > maxPostalText || !plainText(line) {
			refuse("street", fmt.Sprintf("A line of street may have at most %d characters of plain text.", maxPostalText))
		}
	}
	if strings.TrimSpace(a.City) == "" {
		refuse("city", "An address needs a city.")
	}
	if !countryCode.MatchString(a.Country) {
		refuse("country_code", "The country is a code of two capital letters such as FR.")
	}
	return errors.Join(errs...)
}

// Addresses returns the address books of customers, each oldest first.
func Addresses(ctx context.Context, tx *db.Tx, customerIDs ...int64) (map[int64][]PostalAddress, error) {
	books := make(map[int64][]PostalAddress, len(customerIDs))
	if len(customerIDs) == 0 {
		return books, nil
	}
	args, marks := make([]any, len(customerIDs)), make([]string, len(customerIDs))
	for i, id := range customerIDs {
		args[i], marks[i] = id, "$"+strconv.Itoa(i+1)
	}
	rows, err := tx.Query(ctx, `SELECT a.id, a.customer_id, a.fields, a.created_at, a.updated_at, c.default_billing, c.default_shipping
		FROM customer_addresses a JOIN customers c ON c.id = a.customer_id WHERE a.customer_id IN (`+strings.Join(marks, ",")+`) ORDER BY a.id`, args...)
	_, err = db.Collect(rows, err, func(row db.Scanner) (PostalAddress, error) {
		a, err := scanAddress(row)
		books[a.CustomerID] = append(books[a.CustomerID], a)
		return a, err
	})
	return books, err
}

func scanAddress(row db.Scanner) (PostalAddress, error) {
	var a PostalAddress
	var fields string
	var id, owner, billing, shipping int64
	var created, updated time.Time
	err := row.Scan(&id, &owner, &fields, db.IntoTime(&created), db.IntoTime(&updated), db.IntoInt(&billing), db.IntoInt(&shipping))
	if err == nil {
		err = json.Unmarshal([]byte(fields), &a)
	}
	a.ID, a.CustomerID, a.CreatedAt, a.UpdatedAt = id, owner, created, updated
	a.DefaultBilling, a.DefaultShipping = id == billing, id == shipping
	return a, err
}

// SaveAddress stores an entry of the customer's own address book, a new one when a.ID is 0. What is marked as default
// becomes it; what is not marked stops being it. Errors: fault Invalid, several joined; NotFound; Conflict when the book is full.
func (s *Service) SaveAddress(ctx context.Context, c Customer, a PostalAddress, o audit.Origin) (PostalAddress, error) {
	if err := a.check(); err != nil {
		return PostalAddress{}, err
	}
	fields, err := json.Marshal(a)
	if err != nil {
		return PostalAddress{}, err
	}
	id := a.ID
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		a.ID = id // the closure may run again
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		// Locks the customer, so that two at once cannot pass the ceiling.
		if _, err := tx.Exec(ctx, "UPDATE customers SET updated_at = $2 WHERE id = $1", c.ID, db.Micro(now)); err != nil {
			return err
		}
		if a.ID == 0 {
			err = addAddress(ctx, tx, c.ID, string(fields), now, &a.ID)
		} else {
			err = changeAddress(ctx, tx, c.ID, a.ID, string(fields), now)
		}
		if err != nil {
			return err
		}
		for column, isDefault := range map[string]bool{"default_billing": a.DefaultBilling, "default_shipping": a.DefaultShipping} {
			query := "UPDATE customers SET " + column + " = $2 WHERE id = $1"
			if !isDefault {
				query = "UPDATE customers SET " + column + " = NULL WHERE id = $1 AND " + column + " = $2"
			}
			if _, err := tx.Exec(ctx, query, c.ID, a.ID); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerUpdated, Actor: c.Actor(),
			CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"changed": "addresses"}})
	})
	a.CustomerID = c.ID
	return a, err
}

func addAddress(ctx context.Context, tx *db.Tx, customerID int64, fields string, now time.Time, id *int64) error {
	var n int
	if err := tx.Row(ctx, "SELECT COUNT(*) FROM customer_addresses WHERE customer_id = $1", customerID).Scan(&n); err != nil {
		return err
	}
	if n >= MaxAddresses {
		return fault.New(fault.Conflict, "addresses.full", fmt.Sprintf("A customer may keep at most %d addresses.", MaxAddresses))
	}
	return tx.Row(ctx, "INSERT INTO customer_addresses (customer_id, fields, created_at, updated_at) VALUES ($1,$2,$3,$3) RETURNING id",
		customerID, fields, db.Micro(now)).Scan(id)
}

func changeAddress(ctx context.Context, tx *db.Tx, customerID, id int64, fields string, now time.Time) error {
	n, err := tx.Exec(ctx, "UPDATE customer_addresses SET fields = $3, updated_at = $4 WHERE id = $1 AND customer_id = $2", id, customerID, fields, db.Micro(now))
	if err == nil && n == 0 {
		err = noAddress(id)
	}
	return err
}

// DeleteAddress takes an entry out of the customer's own address book. Errors: fault NotFound.
func (s *Service) DeleteAddress(ctx context.Context, c Customer, id int64, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM customer_addresses WHERE id = $1 AND customer_id = $2", id, c.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return noAddress(id)
		}
		for _, column := range []string{"default_billing", "default_shipping"} {
			if _, err := tx.Exec(ctx, "UPDATE customers SET "+column+" = NULL WHERE id = $1 AND "+column+" = $2", c.ID, id); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerUpdated, Actor: c.Actor(),
			CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"changed": "addresses"}})
	})
}

// noAddress names the number that was asked for under "ID".
func noAddress(id int64) error {
	f := fault.New(fault.NotFound, "not_found", "There is no such address.")
	f.Args = map[string]any{"ID": id}
	return f
}
