package api

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/web"
)

// query reads the parameters of a request's address: each stands once, is text, and is not longer than a field may be.
func query(r *http.Request) (url.Values, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, undecodable("The query of the address is malformed.")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name][0]
		switch {
		case len(given[name]) > 1:
			return nil, undecodable("A parameter of the address is given more than once.")
		case !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0):
			return nil, undecodable("The query of the address is not valid UTF-8.")
		case len(value) > web.MaxField:
			return nil, tooLong(shown(name))
		}
	}
	return given, nil
}

// option reads a boolean parameter of the address that may be missing.
func (c *call) option(name string) (bool, error) {
	given, err := query(c.r)
	if err != nil || !given.Has(name) {
		return false, err
	}
	yes, err := strconv.ParseBool(given.Get(name))
	if err != nil {
		return false, invalidValue(name, given.Get(name))
	}
	return yes, nil
}

// criteria is searchCriteria as a request asks for it: conditions and orders by their numbers, which say the order only.
type criteria struct {
	filters map[int]map[int]*customer.Condition
	orders  map[int]*customer.Order
	page    int
	size    int
}

var (
	criteriaKey = regexp.MustCompile(`^search_?[cC]riteria(?:\[(.*)\])?$`)
	filterKey   = regexp.MustCompile(`^filter_?[gG]roups\]\[(\d{1,4})\]\[filters\]\[(\d{1,4})\]\[(field|value|condition_?[tT]ype)$`)
	orderKey    = regexp.MustCompile(`^sort_?[oO]rders\]\[(\d{1,4})\]\[(field|direction)$`)
	sizeKey     = regexp.MustCompile(`^page_?[sS]ize$`)
	pageKey     = regexp.MustCompile(`^current_?[pP]age$`)
)

// readCriteria reads searchCriteria[…] from the address, in both of Commerce's spellings. Without any it is missing, as in
// Commerce; "searchCriteria=" asks for everybody.
func readCriteria(r *http.Request) (criteria, error) {
	given, err := query(r)
	if err != nil {
		return criteria{}, err
	}
	c := criteria{filters: map[int]map[int]*customer.Condition{}, orders: map[int]*customer.Order{}}
	asked, seen := false, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		m := criteriaKey.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		asked = true
		if seen[normal(name)] { // one key in two spellings
			return criteria{}, undecodable("A parameter of the address is given more than once.")
		}
		seen[normal(name)] = true
		if err := c.take(m[1], given.Get(name)); err != nil {
			return criteria{}, err
		}
	}
	if !asked {
		return criteria{}, required("searchCriteria")
	}
	return c, nil
}

func (c *criteria) take(path, value string) error {
	if m := filterKey.FindStringSubmatch(path); m != nil {
		one := c.filter(index(m[1]), index(m[2]))
		switch m[3] {
		case "field":
			one.Field = value
		case "value":
			one.Value = value
		default:
			one.Type = strings.ToLower(value)
		}
		return nil
	}
	if m := orderKey.FindStringSubmatch(path); m != nil {
		one := c.order(index(m[1]))
		if m[2] == "field" {
			one.Field = value
			return nil
		}
		switch strings.ToUpper(value) {
		case "ASC":
			one.Desc = false
		case "DESC":
		default:
			return invalidValue("direction", value)
		}
		return nil
	}
	to := &c.size
	switch {
	case path == "":
		return nil
	case pageKey.MatchString(path):
		to = &c.page
	case !sizeKey.MatchString(path):
		return invalidValue("searchCriteria", path)
	}
	n, err := strconv.Atoi(value)
	if to == &c.page && err == nil && n == 0 {
		n = 1 // pages count from 1; Commerce takes 0 for the first as well
	}
	if err != nil || n < 1 {
		return invalidValue(path, value)
	}
	*to = n
	return nil
}

func index(digits string) int {
	n, _ := strconv.Atoi(digits) // at most four digits, by its pattern
	return n
}

func (c *criteria) filter(group, i int) *customer.Condition {
	if c.filters[group] == nil {
		c.filters[group] = map[int]*customer.Condition{}
	}
	if c.filters[group][i] == nil {
		c.filters[group][i] = &customer.Condition{Type: "eq"}
	}
	return c.filters[group][i]
}

// order is descending unless it says otherwise, as in Commerce.
func (c *criteria) order(i int) *customer.Order {
	if c.orders[i] == nil {
		c.orders[i] = &customer.Order{Desc: true}
	}
	return c.orders[i]
}

// wanted is what the domain searches by.
func (c *criteria) wanted() customer.Criteria {
	w := customer.Criteria{Limit: c.size, Page: c.page}
	for _, g := range slices.Sorted(maps.Keys(c.filters)) {
		var group []customer.Condition
		for _, i := range slices.Sorted(maps.Keys(c.filters[g])) {
			group = append(group, *c.filters[g][i])
		}
		w.Groups = append(w.Groups, group)
	}
	for _, i := range slices.Sorted(maps.Keys(c.orders)) {
		w.Orders = append(w.Orders, *c.orders[i])
	}
	return w
}
