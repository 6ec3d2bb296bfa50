package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/test/fixture"
)

// criteria writes searchCriteria: a filter is "group field type value", an order "field direction".
func criteria(filters []string, more ...string) string {
	q := url.Values{"searchCriteria": {""}}
	inGroup := map[string]int{}
	for _, f := range filters {
		parts := strings.SplitN(f, " ", 4)
		at := fmt.Sprintf("searchCriteria[filterGroups][%s][filters][%d]", parts[0], inGroup[parts[0]])
		inGroup[parts[0]]++
		q.Set(at+"[field]", parts[1])
		q.Set(at+"[conditionType]", parts[2])
		if len(parts) > 3 {
			q.Set(at+"[value]", parts[3])
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/rest/V1/customers/search?" + q.Encode()
}

// people makes four customers, an hour apart.
func (h *house) people() {
	h.t.Helper()
	for i, p := range []struct{ view, email, first, last string }{
		{"lune_en", "ada@lune.test", "Ada", "Lovelace"}, {"lune_fr", "Bob@lune.test", "Bob", "O_Brien"},
		{"lune_en", "carla@mond.test", "Carla", "Lovelace"}, {"nord_en", "dora@nord.test", "Dora", "100%"},
	} {
		c := h.Customer(p.view, p.email)
		taxvat, subscribed := fmt.Sprintf("T%d", i), i == 0
		ch := customer.Changes{Firstname: &p.first, Lastname: &p.last, Subscribed: &subscribed}
		if i < 2 {
			ch.TaxVat = &taxvat
		}
		if _, err := h.Customers.Update(context.Background(), c, ch, audit.Origin{}); err != nil {
			h.t.Fatal(err)
		}
		h.clock.Advance(time.Hour)
	}
}

type foundPage struct {
	Items []struct {
		Firstname string `json:"firstname"`
	} `json:"items"`
	Total int `json:"total_count"`
}

func (h *house) names(path, bearer string) (string, int) {
	h.t.Helper()
	got := h.ask(ask{method: "GET", path: path, bearer: bearer})
	var page foundPage
	if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
		h.t.Errorf("%s: %d %s", path, got.status, got.body)
	}
	var names []string
	for _, one := range page.Items {
		names = append(names, one.Firstname)
	}
	return strings.Join(names, " "), page.Total
}

func TestSearchUnderstandsCommercesCriteria(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.people()
		bearer := h.admin("ada", "viewer", 0)
		lune := itoa(h.View("lune_en").WebsiteID)
		rows := []struct {
			filters []string
			want    string
			why     string
		}{
			{nil, "Ada Bob Carla Dora", "everybody, by number"},
			{[]string{"0 email eq ADA@lune.test"}, "Ada", "an address in another letter case"},
			{[]string{"0 email eq nobody"}, "", "what is no address is nobody's"},
			{[]string{"0 email neq ada@lune.test"}, "Bob Carla Dora", "all but one"},
			{[]string{"0 email like %@LUNE.test"}, "Ada Bob", "a pattern"},
			{[]string{"0 email nlike %@lune.test"}, "Carla Dora", "not like it"},
			{[]string{"0 email in ada@lune.test, dora@nord.test"}, "Ada Dora", "one of several"},
			{[]string{"0 email nin ada@lune.test,dora@nord.test"}, "Bob Carla", "none of several"},
			{[]string{"0 firstname eq ada", "0 firstname eq BOB"}, "Ada Bob", "one of a group is enough"},
			{[]string{"0 lastname eq lovelace", "1 firstname eq Carla"}, "Carla", "all groups must hold"},
			{[]string{"0 firstname eq Dora", "0 lastname eq Lovelace", "1 website_id eq " + lune}, "Ada Carla", "both together"},
			{[]string{`0 lastname like %\%`}, "", "a backslash is itself"},
			{[]string{"0 lastname like O_Brien"}, "Bob", "an underscore is any character"},
			{[]string{"0 firstname like _o_a"}, "Dora", "so it is"},
			{[]string{"0 entity_id gt 1", "1 entity_id lteq 3"}, "Bob Carla", "between"},
			{[]string{"0 entity_id from 2", "1 entity_id to 3"}, "Bob Carla", "Commerce's other words for it"},
			{[]string{"0 entity_id in 1,4"}, "Ada Dora", "numbers"},
			{[]string{"0 entity_id gteq 4"}, "Dora", "at least"},
			{[]string{"0 entity_id lt 2"}, "Ada", "below"},
			{[]string{"0 created_at eq 2026-11-24 10:00:00"}, "Bob", "a moment as answers show it"},
			{[]string{"0 created_at gt 2026-11-24 10:00:00"}, "Carla Dora", "after it"},
			{[]string{"0 created_at lteq 2026-11-24T10:00:00Z"}, "Ada Bob", "until it"},
			{[]string{"0 created_at lt 2026-11-24"}, "", "before a day"},
			{[]string{"0 created_at neq 2026-11-24 10:00:00"}, "Ada Carla Dora", "another moment"},
			{[]string{"0 taxvat notnull"}, "Ada Bob", "something said"},
			{[]string{"0 taxvat null"}, "Carla Dora", "nothing said"},
			{[]string{"0 default_billing null"}, "Ada Bob Carla Dora", "no address"},
			{[]string{"0 default_billing neq 7"}, "Ada Bob Carla Dora", "nor that one"},
			{[]string{"0 lock_expires gt 2026-01-01"}, "", "nobody is locked"},
			{[]string{"0 is_active eq 1"}, "Ada Bob Carla Dora", "everybody is active"},
			{[]string{"0 firstname eq Ada' OR '1'='1"}, "", "text is text"},
		}
		for _, r := range rows {
			path := criteria(r.filters, "searchCriteria[sortOrders][0][field]", "entity_id", "searchCriteria[sortOrders][0][direction]", "ASC")
			if got, total := h.names(path, bearer); got != r.want || total != len(strings.Fields(r.want)) {
				t.Errorf("%s: %q of %d, want %q", r.why, got, total, r.want)
			}
		}
	})
}

func TestSearchIsPagedAndSorted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.people()
		bearer := h.admin("ada", "viewer", 0)
		rows := []struct{ query, want, why string }{
			{"searchCriteria", "Ada Bob Carla Dora", "the bare word"},
			{"searchCriteria[pageSize]=3", "Ada Bob Carla", "the first page"},
			{"searchCriteria[pageSize]=3&searchCriteria[currentPage]=2", "Dora", "the last page"},
			{"searchCriteria[pageSize]=3&searchCriteria[currentPage]=3", "", "beyond it there is nothing"},
			{"search_criteria[page_size]=1&search_criteria[current_page]=2", "Bob", "snake_case"},
			{"searchCriteria[sortOrders][0][field]=firstname", "Dora Carla Bob Ada", "descending unless it says otherwise"},
			{"searchCriteria[sortOrders][0][field]=lastname&searchCriteria[sortOrders][0][direction]=desc&" +
				"searchCriteria[sortOrders][1][field]=entity_id&searchCriteria[sortOrders][1][direction]=DESC&searchCriteria[pageSize]=3", "Bob Carla Ada", "by two"},
			{"searchCriteria[filter_groups][0][filters][0][field]=firstname&searchCriteria[filter_groups][0][filters][0][value]=Bob", "Bob", "eq goes without saying"},
		}
		for _, r := range rows {
			got, total := h.names("/rest/V1/customers/search?"+r.query, bearer)
			if got != r.want || total != 4 && !strings.Contains(r.query, "filter") {
				t.Errorf("%s: %q of %d, want %q", r.why, got, total, r.want)
			}
		}
		h.want("the criteria are repeated", ask{method: "GET", bearer: bearer, path: "/rest/V1/customers/search?fields=search_criteria,total_count&" +
			strings.TrimPrefix(criteria([]string{"0 email like %x%"}, "searchCriteria[pageSize]", "7"), "/rest/V1/customers/search?")}, 200,
			`{"search_criteria":{"filter_groups":[{"filters":[{"field":"email","value":"%x%","condition_type":"like"}]}],"page_size":7,"current_page":1},"total_count":0}`)
	})
}

func TestAStrangeSearchIsRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bearer := h.admin("ada", "viewer", 0)
		one := "searchCriteria[filterGroups][0][filters][0]"
		rows := []struct{ query, names, why string }{
			{"", "searchCriteria", "none at all"},
			{one + "[field]=password_hash&" + one + "[value]=x", "password_hash", "a column that is none of theirs"},
			{one + "[field]=email%27--&" + one + "[value]=x", "email'--", "no column"},
			{one + "[field]=email&" + one + "[conditionType]=regexp&" + one + "[value]=x", "regexp", "no condition"},
			{one + "[field]=email&" + one + "[conditionType]=gt&" + one + "[value]=x", "gt", "one that makes no sense"},
			{one + "[field]=entity_id&" + one + "[value]=x", "entity_id", "a word for a number"},
			{one + "[field]=created_at&" + one + "[value]=yesterday", "yesterday", "a word for a moment"},
			{one + "[field]=email&" + one + "[field]=entity_id&" + one + "[value]=1", "more than once", "twice"},
			{one + "[field]=email&search_criteria[filter_groups][0][filters][0][field]=id&" + one + "[value]=1", "more than once", "twice in two spellings"},
			{one + "[field]=firstname&" + one + "[conditionType]=like&" + one + "[value]=" + strings.Repeat("%25a", 20), "value", "a pattern that would cost much"},
			{one + "[field]=firstname&" + one + "[value]=%00", "UTF-8", "NUL"},
			{one + "[field]=firstname&" + one + "[value]=%ff", "UTF-8", "no text"},
			{"searchCriteria[pageSize]=501", "Maximum SearchCriteria pageSize", "a page above the limit"},
			{"searchCriteria[pageSize]=0", "pageSize", "an empty page"},
			{"searchCriteria[currentPage]=99999999999", "currentPage", "a page that nobody has"},
			{"searchCriteria[currentPage]=999999999&searchCriteria[pageSize]=500", "currentPage", "one that nobody reaches"},
			{"searchCriteria[sortOrders][0][field]=password_hash", "password_hash", "sorted by what is not shown"},
			{"searchCriteria[sortOrders][0][field]=id&searchCriteria[sortOrders][0][direction]=up", "direction", "in no direction"},
			{"searchCriteria[where]=1", "where", "what is no part of it"},
			{"searchCriteria=&fields=items[id", "fields", "a bracket that stays open"},
			{"searchCriteria=&fields=items]", "fields", "one that was never opened"},
			{"searchCriteria=&fields=", "fields", "nothing"},
		}
		for _, r := range rows {
			got := h.ask(ask{method: "GET", path: "/rest/V1/customers/search?" + r.query, bearer: bearer})
			if got.status != 400 || !strings.Contains(got.body, r.names) {
				t.Errorf("%s: %d %s", r.why, got.status, got.body)
			}
		}
	})
}

func TestFieldsAreProjected(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.people()
		bearer := h.admin("ada", admin.Owner, 0)
		own := h.token("ada@lune.test", fixture.Password)
		rows := []struct{ path, bearer, want, why string }{
			{"/rest/V1/customers/search?searchCriteria[pageSize]=2&fields=items[firstname,id],total_count", bearer,
				`{"items":[{"id":1,"firstname":"Ada"},{"id":2,"firstname":"Bob"}],"total_count":4}`, "inside a list, in the answer's order"},
			{"/rest/V1/customers/me?fields=email,extension_attributes[is_subscribed],nowhere", own,
				`{"email":"ada@lune.test","extension_attributes":{"is_subscribed":true}}`, "inside an object; what there is not is left out"},
			{"/rest/V1/customers/4?fields=firstname,addresses", bearer, `{"firstname":"Dora","addresses":[]}`, "a whole member"},
			{"/rest/V1/customers/4/permissions/readonly?fields=x", bearer, `false`, "what has no members stays"},
			{"/rest/schema?fields=openapi", "", `{"openapi":"3.1.0"}`, "any answer"},
		}
		for _, r := range rows {
			h.want(r.why, ask{method: "GET", path: r.path, bearer: r.bearer}, 200, r.want)
		}
	})
}
