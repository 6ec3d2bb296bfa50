package customer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

func (ch Changes) touchesBook() bool {
	return ch.Addresses != nil || ch.DefaultBilling != nil || ch.DefaultShipping != nil
}

// checkBook judges the addresses of the whole book.
func (ch Changes) checkBook() error {
	if ch.Addresses == nil {
		return nil
	}
	if len(*ch.Addresses) > MaxAddresses {
		return fault.New(fault.Conflict, "addresses.full", fmt.Sprintf("A customer may keep at most %d addresses.", MaxAddresses))
	}
	var errs []error
	for _, a := range *ch.Addresses {
		errs = append(errs, a.check())
	}
	return errors.Join(errs...)
}

// keepBook makes the address book what the changes say, in a transaction that holds the customer's row. An address with a
// number must be in the book already. Errors: fault NotFound.
func (ch Changes) keepBook(ctx context.Context, tx *db.Tx, customerID int64) error {
	if !ch.touchesBook() {
		return nil
	}
	kept, err := bookOf(ctx, tx, customerID)
	if err != nil {
		return err
	}
	billing, shipping := ch.DefaultBilling, ch.DefaultShipping
	if ch.Addresses != nil {
		if kept, billing, shipping, err = replaceBook(ctx, tx, customerID, kept, *ch.Addresses); err != nil {
			return err
		}
	}
	for _, one := range []struct {
		column string
		id     *int64
	}{{"default_billing", billing}, {"default_shipping", shipping}} {
		if one.id == nil {
			continue
		}
		if *one.id != 0 && !slices.Contains(kept, *one.id) {
			return noAddress(*one.id)
		}
		if _, err := tx.Exec(ctx, "UPDATE customers SET "+one.column+" = $2 WHERE id = $1", customerID, db.NullInt(*one.id)); err != nil {
			return err
		}
	}
	return nil
}

func bookOf(ctx context.Context, tx *db.Tx, customerID int64) ([]int64, error) {
	rows, err := tx.Query(ctx, "SELECT id FROM customer_addresses WHERE customer_id = $1", customerID)
	return db.Collect(rows, err, func(row db.Scanner) (id int64, err error) {
		err = row.Scan(&id)
		return id, err
	})
}

// replaceBook stores a whole book over the present one and returns its numbers and defaults.
func replaceBook(ctx context.Context, tx *db.Tx, customerID int64, present []int64, book []PostalAddress) (kept []int64, billing, shipping *int64, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, id := range present {
		if slices.ContainsFunc(book, func(a PostalAddress) bool { return a.ID == id }) {
			continue
		}
		if _, err := tx.Exec(ctx, "DELETE FROM customer_addresses WHERE id = $1 AND customer_id = $2", id, customerID); err != nil {
			return nil, nil, nil, err
		}
	}
	billing, shipping = new(int64), new(int64)
	for _, a := range book { // a copy: the caller's list must stay as it is, for the transaction may run again
		fields, err := json.Marshal(a)
		if err != nil {
			return nil, nil, nil, err
		}
		if a.ID == 0 {
			err = addAddress(ctx, tx, customerID, string(fields), now, &a.ID)
		} else {
			err = changeAddress(ctx, tx, customerID, a.ID, string(fields), now)
		}
		if err != nil {
			return nil, nil, nil, err
		}
		kept = append(kept, a.ID)
		if a.DefaultBilling {
			*billing = a.ID
		}
		if a.DefaultShipping {
			*shipping = a.ID
		}
	}
	return kept, billing, shipping, nil
}

// waiting is what a registration keeps of Changes until the account exists.
type waiting struct {
	Changes
	Book []waitingAddress `json:",omitempty"`
}

type waitingAddress struct {
	PostalAddress
	Billing, Shipping bool `json:",omitempty"`
}

// pack writes changes for the table registrations; nothing said is "".
func (ch Changes) pack() (string, error) {
	w := waiting{Changes: ch}
	if ch.Addresses != nil {
		for _, a := range *ch.Addresses {
			w.Book = append(w.Book, waitingAddress{a, a.DefaultBilling, a.DefaultShipping})
		}
	}
	b, err := json.Marshal(w)
	return string(b), err
}

func unpack(said string) (Changes, error) {
	var w waiting
	if said == "" {
		return Changes{}, nil
	}
	if err := json.Unmarshal([]byte(said), &w); err != nil {
		return Changes{}, err
	}
	if len(w.Book) > 0 {
		book := make([]PostalAddress, len(w.Book))
		for i, a := range w.Book {
			book[i] = a.PostalAddress
			book[i].DefaultBilling, book[i].DefaultShipping = a.Billing, a.Shipping
		}
		w.Addresses = &book
	}
	return w.Changes, nil
}
