package customer

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

const (
	// MaxConditions is how many conditions one search may have, and MaxValues how many values one of them.
	MaxConditions = 50
	MaxValues     = 500
	maxWildcards  = 5   // of one pattern: what a comparison costs grows with their number
	maxPattern    = 255 // bytes
	maxOrders     = 5
)

// Criteria is a search as programs ask for it, in Adobe Commerce's terms: groups that must all hold, of conditions of
// which one must. Names of fields and conditions are judged here; no text of theirs reaches a statement.
type Criteria struct {
	Groups [][]Condition
	Orders []Order
	Limit  int // 0: DefaultPageSize; at most MaxPageSize
	Page   int // from 1; 0 is 1
}

// Condition compares one field. Type is eq, neq, like, nlike, in, nin, gt, lt, gteq, lteq, from, to, null or notnull.
type Condition struct{ Field, Type, Value string }

// Order sorts by one field.
type Order struct {
	Field string
	Desc  bool
}

// Found is one page of customers and the number of all.
type Found struct {
	Customers []Customer
	Books     map[int64][]PostalAddress
	Total     int64
}

// kind is what a field holds, and so which conditions make sense for it.
type kind uint8

const (
	number kind = iota
	address
	text   // neither letter case nor accents count, as in Commerce
	moment // in seconds, UTC, as answers show it
	day
	flag
)

type column struct {
	name     string
	kind     kind
	nullable bool
}

// searchable are the fields that a search knows, by Commerce's names.
var searchable = map[string]column{
	"entity_id": {name: "id"}, "id": {name: "id"}, "website_id": {name: "website_id"}, "store_id": {name: "store_view_id"},
	"group_id": {name: "group_id"}, "gender": {name: "gender"},
	"default_billing": {name: "default_billing", nullable: true}, "default_shipping": {name: "default_shipping", nullable: true},
	"email": {name: "email_canon", kind: address}, "firstname": {name: "firstname", kind: text}, "lastname": {name: "lastname", kind: text},
	"middlename": {name: "middlename", kind: text}, "prefix": {name: "prefix", kind: text}, "suffix": {name: "suffix", kind: text},
	"taxvat": {name: "taxvat", kind: text}, "dob": {name: "date_of_birth", kind: day},
	"created_at": {name: "created_at", kind: moment}, "updated_at": {name: "updated_at", kind: moment},
	"lock_expires": {name: "locked_until", kind: moment, nullable: true}, "is_active": {name: "active", kind: flag},
}

// typesOf are the conditions that make sense for each kind.
var typesOf = map[kind][]string{
	number:  {"eq", "neq", "in", "nin", "gt", "lt", "gteq", "lteq", "from", "to", "null", "notnull"},
	moment:  {"eq", "neq", "gt", "lt", "gteq", "lteq", "from", "to", "null", "notnull"},
	day:     {"eq", "neq", "in", "nin", "gt", "lt", "gteq", "lteq", "from", "to", "null", "notnull"},
	address: {"eq", "neq", "in", "nin", "like", "nlike", "null", "notnull"},
	text:    {"eq", "neq", "in", "nin", "like", "nlike", "null", "notnull"},
	flag:    {"eq", "neq", "in", "nin", "null", "notnull"},
}

var comparisons = map[string]string{"eq": "=", "neq": "<>", "gt": ">", "lt": "<", "gteq": ">=", "lteq": "<=", "from": ">=", "to": "<="}

// FindBy searches the customers that a permit reaches. Total is exact: a program pages by it. Errors: fault Forbidden,
// Invalid.
func (s *Service) FindBy(ctx context.Context, permit admin.Permit, c Criteria) (Found, error) {
	if err := permit.Need(admin.ViewCustomers); err != nil {
		return Found{}, err
	}
	b := builder{}
	b.filters(Query{WebsiteIDs: permit.Websites()}, time.Time{})
	if err := b.groups(c.Groups); err != nil {
		return Found{}, err
	}
	order, err := orderBy(c.Orders)
	if err != nil {
		return Found{}, err
	}
	if c.Limit == 0 {
		c.Limit = DefaultPageSize
	}
	c.Page = max(c.Page, 1)
	if c.Limit < 0 || c.Limit > MaxPageSize {
		return Found{}, fault.Refuse("pageSize", "search.page_size", fmt.Sprintf("A page has at most %d customers.", MaxPageSize),
			map[string]any{"max": MaxPageSize})
	}
	if c.Page > 1<<31/c.Limit {
		return Found{}, strange("currentPage", strconv.Itoa(c.Page))
	}
	var found Found
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		found = Found{}
		if err := tx.Row(ctx, "SELECT COUNT(*) FROM customers"+b.where(), b.args...).Scan(&found.Total); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+columns+" FROM customers"+b.where()+" ORDER BY "+order+" LIMIT "+strconv.Itoa(c.Limit)+
			" OFFSET "+strconv.Itoa((c.Page-1)*c.Limit), b.args...)
		if found.Customers, err = db.Collect(rows, err, scan); err != nil {
			return err
		}
		ids := make([]int64, len(found.Customers))
		for i, one := range found.Customers {
			ids[i] = one.ID
		}
		found.Books, err = Addresses(ctx, tx, ids...)
		return err
	})
	return found, err
}

func strange(field, value string) error {
	const most = 40 // characters of a request that its refusal repeats
	if runes := []rune(strings.ToValidUTF8(value, "")); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return fault.Refuse(field, "search.value", fmt.Sprintf("%q is no good value of %s.", value, field), map[string]any{"fieldName": field, "value": value})
}

func orderBy(orders []Order) (string, error) {
	if len(orders) > maxOrders {
		return "", strange("sortOrders", strconv.Itoa(len(orders)))
	}
	var by []string
	for _, o := range orders {
		column, ok := searchable[o.Field]
		if !ok {
			return "", strange("field", o.Field)
		}
		direction := " ASC"
		if o.Desc {
			direction = " DESC"
		}
		by = append(by, column.name+direction)
	}
	return strings.Join(append(by, "id ASC"), ", "), nil
}

// groups adds the conditions: every group must hold, and of each group one condition.
func (b *builder) groups(groups [][]Condition) error {
	total := 0
	for _, group := range groups {
		var either []string
		var args []any
		for _, c := range group {
			if total++; total > MaxConditions {
				return strange("filterGroups", strconv.Itoa(total))
			}
			cond, values, err := c.sql()
			if err != nil {
				return err
			}
			either, args = append(either, cond), append(args, values...)
		}
		if len(either) > 0 {
			b.add("("+strings.Join(either, " OR ")+")", args...)
		}
	}
	return nil
}

// sql is one condition with ? for its values. Nothing of the request but the values leaves it.
func (c Condition) sql() (string, []any, error) {
	column, ok := searchable[c.Field]
	if !ok {
		return "", nil, strange("field", c.Field)
	}
	if !slices.Contains(typesOf[column.kind], c.Type) {
		return "", nil, strange("conditionType", c.Type)
	}
	if !plainText(c.Value) {
		return "", nil, strange("value", "")
	}
	switch c.Type {
	case "null":
		return column.missing(), nil, nil
	case "notnull":
		return "NOT (" + column.missing() + ")", nil, nil
	case "like", "nlike":
		return column.like(c)
	case "in", "nin":
		return column.in(c)
	}
	if column.kind == moment {
		return column.moment(c)
	}
	value, err := column.value(c.Field, c.Value)
	if err != nil {
		return "", nil, err
	}
	cond := column.term() + " " + comparisons[c.Type] + " " + column.mark()
	if column.kind == day && c.Type != "eq" && c.Type != "neq" {
		cond = "(date_of_birth <> '' AND " + cond + ")"
	}
	if c.Type == "neq" && column.nullable {
		cond = "(" + column.missing() + " OR " + cond + ")"
	}
	return cond, []any{value}, nil
}

// missing is what Commerce calls null.
func (k column) missing() string {
	switch {
	case k.nullable:
		return k.name + " IS NULL"
	case k.kind == text || k.kind == day:
		return k.name + " = ''"
	case k.name == "gender":
		return "gender = 0"
	}
	return "1 = 0"
}

func (k column) term() string {
	if k.kind == text {
		return "folded(" + k.name + ")"
	}
	return k.name
}

func (k column) mark() string {
	if k.kind == number {
		return "CAST(? AS BIGINT)"
	}
	return "?"
}

func (k column) value(field, given string) (any, error) {
	switch k.kind {
	case number:
		n, err := strconv.ParseInt(strings.TrimSpace(given), 10, 64)
		if err != nil {
			return nil, strange(field, given)
		}
		return n, nil
	case flag:
		yes, err := strconv.ParseBool(given)
		if err != nil {
			return nil, strange(field, given)
		}
		return yes, nil
	case day:
		if _, err := time.Parse(time.DateOnly, given); err != nil {
			return nil, strange(field, given)
		}
	case address:
		if a, err := ParseAddress(given); err == nil {
			return a.Canonical(), nil
		}
	case text:
		return db.Fold(given), nil
	}
	return given, nil // an address that is none is nobody's
}

func (k column) in(c Condition) (string, []any, error) {
	given := strings.Split(c.Value, ",")
	if len(given) > MaxValues {
		return "", nil, strange("value", strconv.Itoa(len(given)))
	}
	marks, args := make([]string, len(given)), make([]any, len(given))
	for i, one := range given {
		value, err := k.value(c.Field, strings.TrimSpace(one))
		if err != nil {
			return "", nil, err
		}
		marks[i], args[i] = k.mark(), value
	}
	cond := k.term() + " IN (" + strings.Join(marks, ",") + ")"
	if c.Type == "nin" {
		cond = "(" + k.missing() + " OR NOT " + cond + ")"
	}
	return cond, args, nil
}

// like takes Commerce's patterns: % is any text and _ any character; a backslash is itself.
func (k column) like(c Condition) (string, []any, error) {
	if len(c.Value) > maxPattern || strings.Count(c.Value, "%") > maxWildcards {
		return "", nil, strange("value", c.Value)
	}
	pattern := c.Value
	switch k.kind {
	case address:
		pattern = lowerASCII(pattern)
	case text:
		pattern = db.Fold(pattern)
	}
	pattern = strings.ReplaceAll(pattern, `\`, `\\`)
	not := ""
	if c.Type == "nlike" {
		not = "NOT "
	}
	return k.term() + " " + not + "LIKE " + k.mark() + ` ESCAPE '\'`, []any{pattern}, nil
}

// moment compares times to the second, as answers show them.
func (k column) moment(c Condition) (string, []any, error) {
	var at time.Time
	var err error
	for _, layout := range []string{time.DateTime, time.DateOnly, time.RFC3339} {
		if at, err = time.Parse(layout, c.Value); err == nil {
			break
		}
	}
	if err != nil {
		return "", nil, strange(c.Field, c.Value)
	}
	at = at.Truncate(time.Second)
	begins, ends := db.Micro(at), db.Micro(at.Add(time.Second))
	switch c.Type {
	case "eq":
		return "(" + k.name + " >= ? AND " + k.name + " < ?)", []any{begins, ends}, nil
	case "neq":
		return "(" + k.name + " IS NULL OR " + k.name + " < ? OR " + k.name + " >= ?)", []any{begins, ends}, nil
	case "gt":
		return k.name + " >= ?", []any{ends}, nil
	case "lteq", "to":
		return k.name + " < ?", []any{ends}, nil
	case "lt":
		return k.name + " < ?", []any{begins}, nil
	}
	return k.name + " >= ?", []any{begins}, nil // gteq, from
}
