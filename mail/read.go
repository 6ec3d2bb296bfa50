package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// Query narrows a list of letters. Zero fields do not.
type Query struct {
	State      State
	Kind       string
	WebsiteIDs []int64 // nil: all; empty: none, for an administrator without a website
	To         *Addressee
	From       time.Time // created since
	Before     time.Time // created before
	After      string    // the cursor that List returned
	Limit      int       // 1 … 500
}

// Addressee finds the letters to somebody, also those that nobody has addressed yet: until a letter is composed it knows only what
// it was asked for. One match is enough.
type Addressee struct {
	Prefix      string // how the recipient's address begins; the case of ASCII letters does not count
	AddressKeys [][]byte
	CustomerIDs []int64
}

const (
	columns = `id, lane, kind, website_id, store_view_id, customer_id, address_key, data, recipient, state, attempts, next_at,
		expires_at, created_at, settled_at, last_words, cause, priority`
	maxLimit = 500
)

// List returns letters of the Post lane without their events, newest first, and the cursor of the next page, "" at the end.
func List(ctx context.Context, tx *db.Tx, q Query) ([]Letter, string, error) {
	q.Limit = min(max(q.Limit, 1), maxLimit)
	query, args, err := q.statement(tx)
	if err != nil {
		return nil, "", err
	}
	rows, err := tx.Query(ctx, query, args...)
	letters, err := db.Collect(rows, err, scanLetter)
	if err != nil || len(letters) <= q.Limit {
		return letters, "", err
	}
	last := letters[q.Limit-1]
	return letters[:q.Limit], strconv.FormatInt(last.CreatedAt.UnixMicro(), 10) + "." + last.ID.String(), nil
}

// statement asks for one letter more than the limit. Each filter alone is answered from an index.
func (q Query) statement(tx *db.Tx) (string, []any, error) {
	f := filter{conds: []string{"lane = $1"}, args: []any{Post}}
	err := f.narrow(tx, q)
	return `SELECT ` + columns + ` FROM letters WHERE ` + strings.Join(f.conds, " AND ") + ` ORDER BY created_at DESC, id DESC LIMIT ` +
		strconv.Itoa(q.Limit+1), f.args, err
}

// filter gathers the conditions of a list.
type filter struct {
	conds []string
	args  []any
}

func (f *filter) mark(arg any) string {
	f.args = append(f.args, arg)
	return "$" + strconv.Itoa(len(f.args))
}

func (f *filter) add(cond string, arg any) { f.conds = append(f.conds, cond+f.mark(arg)) }

func (f *filter) narrow(tx *db.Tx, q Query) error {
	if q.State != "" {
		f.add("state = ", string(q.State))
	}
	if q.Kind != "" {
		f.add("kind = ", q.Kind)
	}
	if q.WebsiteIDs != nil {
		f.conds = append(f.conds, isOneOf(f, "website_id", q.WebsiteIDs))
	}
	if !q.From.IsZero() {
		f.add("created_at >= ", db.Micro(q.From))
	}
	if !q.Before.IsZero() {
		f.add("created_at < ", db.Micro(q.Before))
	}
	if q.To != nil {
		f.conds = append(f.conds, q.To.cond(tx, f))
	}
	if q.After == "" {
		return nil
	}
	at, id, _ := strings.Cut(q.After, ".")
	micro, err := strconv.ParseInt(at, 10, 64)
	last, idErr := db.ParseID(id)
	if err != nil || idErr != nil {
		return fault.Refuse("after", "letters.cursor", "That page of letters does not exist.", nil)
	}
	f.conds = append(f.conds, "(created_at, id) < ("+f.mark(micro)+", "+f.mark(last)+")")
	return nil
}

func (a *Addressee) cond(tx *db.Tx, f *filter) string {
	either := []string{isOneOf(f, "address_key", a.AddressKeys), isOneOf(f, "customer_id", a.CustomerIDs)}
	if a.Prefix != "" {
		folded, begin := "lower("+tx.Bytewise("recipient")+")", lowerASCII(a.Prefix)
		either = append(either, folded+" >= "+f.mark(begin)+" AND "+folded+" < "+f.mark(begin+string(utf8.MaxRune)))
	}
	either = slices.DeleteFunc(either, func(cond string) bool { return cond == never }) // or no index would be looked into
	if len(either) == 0 {
		return never
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

// never is the condition that no row meets.
const never = "1 = 0"

// isOneOf is the condition that a column has one of some values; of none it has none.
func isOneOf[T any](f *filter, column string, values []T) string {
	if len(values) == 0 {
		return never
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = f.mark(v)
	}
	return column + " IN (" + strings.Join(marks, ", ") + ")"
}

// lowerASCII folds as the databases do.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
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
		db.IntoTime(&l.SettledAt), &l.LastWords, &l.Cause, &l.Priority)
	l.hasData = data != ""
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
