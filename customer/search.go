package customer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

const (
	DefaultPageSize = 50
	MaxPageSize     = 500
	// CountCeiling bounds the counting of matches: beyond it the exact number tells nobody more.
	CountCeiling = 10_000
	maxTerms     = 8 // words of one search
)

// Predicate is a condition on the table customers, written by the owner of the tables that it reads.
type Predicate string

// Query narrows and orders the grid. Zero fields do not narrow.
type Query struct {
	Text        string // as typed or pasted, see ParseSought; each word must be part of a name or address, or be the number
	WebsiteIDs  []int64
	Confirmed   *bool
	Locked      *bool
	CreatedFrom time.Time
	CreatedTo   time.Time
	Sort        string // "id" (default), "name", "email", "website", "created", "last_signin"
	Desc        bool
	Cursor      string // Page.Next or Page.Prev of the page before
	Limit       int
	Where       []Predicate
}

// Page is one page of the grid.
type Page struct {
	Customers  []Customer
	Next, Prev string // cursors, "" at the ends
	Total      int64  // of matches, at most CountCeiling
	Capped     bool   // there are more than Total
}

// sortKeys are the columns of each order; every one ends with the id, so that the order is total.
var sortKeys = map[string][]string{
	"id":          {"id"},
	"name":        {"lastname", "firstname", "id"},
	"email":       {"email_canon", "id"},
	"website":     {"website_id", "id"},
	"created":     {"created_at", "id"},
	"last_signin": {"COALESCE(last_sign_in_at, 0)", "id"},
}

// Sorts lists the names that Query.Sort takes.
func Sorts() []string { return []string{"id", "name", "email", "website", "created", "last_signin"} }

type cursor struct {
	Back bool     `json:"b,omitempty"` // the page before these keys, not the one after
	Keys []string `json:"k"`
}

// Search returns one page, found by its neighbours' keys rather than by counting rows, so that page 10,000 costs what
// page 1 does. Errors: fault Invalid for a sort or cursor that is not ours.
func Search(ctx context.Context, tx *db.Tx, q Query) (Page, error) {
	if q.Sort == "" {
		q.Sort = "id"
	}
	keys, ok := sortKeys[q.Sort]
	if !ok {
		return Page{}, fault.Refuse("sort", "malformed", "The list can be sorted by "+strings.Join(Sorts(), ", ")+".", nil)
	}
	if q.Limit <= 0 {
		q.Limit = DefaultPageSize
	}
	q.Limit = min(q.Limit, MaxPageSize)
	now, err := tx.Now(ctx)
	if err != nil {
		return Page{}, err
	}
	b := builder{}
	b.filters(q, now)

	var page Page
	count := "SELECT COUNT(*) FROM (SELECT 1 FROM customers" + b.where() + " LIMIT " + strconv.Itoa(CountCeiling+1) + ") AS matches"
	if err := tx.Row(ctx, count, b.args...).Scan(&page.Total); err != nil {
		return Page{}, err
	}
	if page.Total > CountCeiling {
		page.Total, page.Capped = CountCeiling, true
	}
	at, err := parseCursor(q.Cursor, len(keys))
	if err != nil {
		return Page{}, err
	}
	if at != nil {
		b.from(keys, *at, q.Desc)
	}
	back := at != nil && at.Back
	order := " ASC"
	if q.Desc != back {
		order = " DESC"
	}
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM customers"+b.where()+" ORDER BY "+
		strings.Join(keys, order+", ")+order+" LIMIT "+strconv.Itoa(q.Limit+1), b.args...)
	found, err := db.Collect(rows, err, scan)
	if err != nil {
		return Page{}, err
	}
	more := len(found) > q.Limit
	found = found[:min(len(found), q.Limit)]
	if back {
		slices.Reverse(found)
	}
	page.Customers = found
	if len(found) > 0 {
		if more || back {
			page.Next = cursor{Keys: keysOf(found[len(found)-1], q.Sort)}.encode()
		}
		if at != nil && (more || !back) {
			page.Prev = cursor{Back: true, Keys: keysOf(found[0], q.Sort)}.encode()
		}
	}
	return page, nil
}

type builder struct {
	conds []string
	args  []any
}

func (b *builder) add(cond string, args ...any) {
	for _, a := range args {
		b.args = append(b.args, a)
		cond = strings.Replace(cond, "?", "$"+strconv.Itoa(len(b.args)), 1)
	}
	b.conds = append(b.conds, cond)
}

func (b *builder) where() string {
	if len(b.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(b.conds, " AND ")
}

func (b *builder) filters(q Query, now time.Time) {
	b.add("deleted_at IS NULL")
	switch sought := ParseSought(q.Text); {
	case sought.Exact:
		b.add("id = ?", sought.ID)
	case !sought.Address.IsZero(): // however its domain is written
		b.add(`(folded(search) LIKE ? ESCAPE '\' OR email_canon = ?)`, containing(db.Fold(sought.Text)), sought.Address.canonical)
	default:
		b.words(sought.Text)
	}
	if q.WebsiteIDs != nil {
		marks := make([]string, len(q.WebsiteIDs))
		args := make([]any, len(q.WebsiteIDs))
		for i, id := range q.WebsiteIDs {
			marks[i], args[i] = "?", id
		}
		if len(marks) == 0 {
			b.add("1 = 0")
		} else {
			b.add("website_id IN ("+strings.Join(marks, ",")+")", args...)
		}
	}
	if q.Confirmed != nil {
		b.add(map[bool]string{true: "confirmed_at IS NOT NULL", false: "confirmed_at IS NULL"}[*q.Confirmed])
	}
	if q.Locked != nil {
		if *q.Locked {
			b.add("locked_until > ?", db.Micro(now))
		} else {
			b.add("(locked_until IS NULL OR locked_until <= ?)", db.Micro(now))
		}
	}
	if !q.CreatedFrom.IsZero() {
		b.add("created_at >= ?", db.Micro(q.CreatedFrom))
	}
	if !q.CreatedTo.IsZero() {
		b.add("created_at < ?", db.Micro(q.CreatedTo))
	}
	for _, p := range q.Where {
		b.add(string(p))
	}
}

func (b *builder) words(text string) {
	terms := strings.Fields(db.Fold(text))
	for _, term := range terms[:min(len(terms), maxTerms)] {
		if id, err := strconv.ParseInt(term, 10, 64); err == nil {
			b.add(`(folded(search) LIKE ? ESCAPE '\' OR id = ?)`, containing(term), id)
		} else {
			b.add(`folded(search) LIKE ? ESCAPE '\'`, containing(term))
		}
	}
}

// containing is the LIKE pattern of what holds a text.
func containing(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

// from starts the page at a cursor: (a, b, id) > (x, y, z) as one row comparison.
func (b *builder) from(keys []string, at cursor, desc bool) {
	comparison := " > "
	if desc != at.Back {
		comparison = " < "
	}
	marks := make([]string, len(keys))
	args := make([]any, len(keys))
	for i, k := range keys {
		marks[i], args[i] = "?", at.Keys[i]
		if k != "lastname" && k != "firstname" && k != "email_canon" {
			marks[i] = "CAST(? AS BIGINT)"
		}
	}
	b.add("("+strings.Join(keys, ", ")+")"+comparison+"("+strings.Join(marks, ", ")+")", args...)
}

func keysOf(c Customer, sort string) []string {
	id := strconv.FormatInt(c.ID, 10)
	switch sort {
	case "name":
		return []string{c.Lastname, c.Firstname, id}
	case "email":
		return []string{c.canonical, id}
	case "website":
		return []string{strconv.FormatInt(c.WebsiteID, 10), id}
	case "created":
		return []string{strconv.FormatInt(c.CreatedAt.UnixMicro(), 10), id}
	case "last_signin":
		at := int64(0)
		if !c.LastSignInAt.IsZero() {
			at = c.LastSignInAt.UnixMicro()
		}
		return []string{strconv.FormatInt(at, 10), id}
	}
	return []string{id}
}

func (c cursor) encode() string {
	b, _ := json.Marshal(c) // strings only: cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string, keys int) (*cursor, error) {
	if s == "" {
		return nil, nil
	}
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || len(c.Keys) != keys || len(s) > 2048 {
		return nil, fault.Refuse("after", "malformed", "This page of the list cannot be found; start again from the first.", nil)
	}
	return &c, nil
}
