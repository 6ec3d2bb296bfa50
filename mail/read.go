package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// Query narrows a list of letters. Zero fields do not.
type Query struct {
	State      State
	Kind       string
	WebsiteIDs []int64 // nil: all; empty: none, for an administrator without a website
	After      string  // the cursor that List returned
	Limit      int     // 1 … 500
}

const (
	columns = `id, lane, kind, website_id, store_view_id, customer_id, address_key, data, recipient, state, attempts, next_at,
		expires_at, created_at, settled_at, last_words`
	maxLimit = 500
)

// List returns letters of the Post lane without their events, newest first, and the cursor of the next page, "" at the end.
func List(ctx context.Context, tx *db.Tx, q Query) ([]Letter, string, error) {
	limit := min(max(q.Limit, 1), maxLimit)
	where, args, err := q.where()
	if err != nil {
		return nil, "", err
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM letters`+where+` ORDER BY id DESC LIMIT `+strconv.Itoa(limit+1), args...)
	letters, err := db.Collect(rows, err, scanLetter)
	if err != nil || len(letters) <= limit {
		return letters, "", err
	}
	return letters[:limit], letters[limit-1].ID.String(), nil
}

func (q Query) where() (string, []any, error) {
	conds, args := []string{"lane = $1"}, []any{Post}
	next := func(arg any) string {
		args = append(args, arg)
		return "$" + strconv.Itoa(len(args))
	}
	if q.State != "" {
		conds = append(conds, "state = "+next(string(q.State)))
	}
	if q.Kind != "" {
		conds = append(conds, "kind = "+next(q.Kind))
	}
	if q.WebsiteIDs != nil {
		marks := []string{"0"} // no website has this id, and an empty IN () is no SQL
		for _, id := range q.WebsiteIDs {
			marks = append(marks, next(id))
		}
		conds = append(conds, "website_id IN ("+strings.Join(marks, ", ")+")")
	}
	if q.After != "" {
		id, err := db.ParseID(q.After)
		if err != nil {
			return "", nil, fault.Refuse("after", "letters.cursor", "That page of letters does not exist.", nil)
		}
		conds = append(conds, "id < "+next(id))
	}
	return " WHERE " + strings.Join(conds, " AND "), args, nil
}

// Get returns one letter of any lane with its history, or fault.NotFound.
func Get(ctx context.Context, tx *db.Tx, id db.ID) (Letter, error) {
	l, err := scanLetter(tx.Row(ctx, `SELECT `+columns+` FROM letters WHERE id = $1`, id))
	if db.IsNoRows(err) {
		return Letter{}, fault.New(fault.NotFound, "letter.unknown", "There is no such letter.")
	}
	if err != nil {
		return Letter{}, err
	}
	one := []Letter{l}
	err = addHistories(ctx, tx, one)
	return one[0], err
}

// OfCustomer returns the latest letters of a customer with their histories, oldest first: those that name the customer,
// and those that were asked for by address, before anybody looked the customer up. addressKey may be nil.
func OfCustomer(ctx context.Context, tx *db.Tx, customerID int64, addressKey []byte, limit int) ([]Letter, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM letters WHERE customer_id = $1 OR address_key = $2 ORDER BY id DESC LIMIT $3`,
		customerID, nullBytes(addressKey), limit)
	letters, err := db.Collect(rows, err, scanLetter)
	if err != nil {
		return nil, err
	}
	slices.Reverse(letters)
	return letters, addHistories(ctx, tx, letters)
}

func addHistories(ctx context.Context, tx *db.Tx, letters []Letter) error {
	for i := range letters {
		rows, err := tx.Query(ctx, `SELECT id, at, state, words, server FROM letter_events WHERE letter_id = $1 ORDER BY id`, letters[i].ID)
		letters[i].Events, err = db.Collect(rows, err, func(row db.Scanner) (Event, error) {
			var e Event
			err := row.Scan(&e.ID, db.IntoTime(&e.At), &e.State, &e.Words, &e.Server)
			return e, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scanLetter(row db.Scanner) (Letter, error) {
	var l Letter
	var data string
	err := row.Scan(&l.ID, &l.Lane, &l.Kind, &l.WebsiteID, &l.ViewID, db.IntoInt(&l.CustomerID), &l.AddressKey, &data, &l.Recipient,
		&l.State, &l.Attempts, db.IntoTime(&l.NextAt), db.IntoTime(&l.ExpiresAt), db.IntoTime(&l.CreatedAt),
		db.IntoTime(&l.SettledAt), &l.LastWords)
	if err == nil && data != "" {
		if json.Unmarshal([]byte(data), &l.Data) != nil { // its error would quote the data
			l.Data = nil
			l.unreadable = true
		}
	}
	if err != nil && !db.IsNoRows(err) {
		err = fmt.Errorf("read a letter: %w", err)
	}
	return l, err
}
