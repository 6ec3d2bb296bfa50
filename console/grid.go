package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/token"
)

// partHeader is sent by the script when it wants the results without the page around them.
const partHeader = "X-Rekey-Part"

// grid is the state of the list of customers: exactly what its address holds.
type grid struct {
	Q, Website, Confirmed, Locked, Tokens, From, To string
	Sort                                            string // "" for the default
	Desc                                            bool
	After                                           string
}

func gridOf(q url.Values) grid {
	get := func(name string) string { return tidy(q.Get(name)) }
	g := grid{Q: get("q"), Website: get("website"), Confirmed: get("confirmed"), Locked: get("locked"), Tokens: get("tokens"),
		From: get("from"), To: get("to"), Sort: get("sort"), Desc: get("dir") == "desc", After: get("after")}
	if g.Sort == "id" {
		g.Sort = ""
	}
	return g
}

// maxParam bounds one value of an address, in bytes; a cursor is the longest.
const maxParam = 2048

// tidy makes a value of an address one that a database can be asked for.
func tidy(s string) string {
	s = strings.ReplaceAll(s[:min(len(s), maxParam)], "\x00", "")
	return strings.TrimSpace(strings.ToValidUTF8(s, ""))
}

// values is the state as query parameters, without what is the default.
func (g grid) values() url.Values {
	v := url.Values{}
	dir := ""
	if g.Desc {
		dir = "desc"
	}
	for _, one := range [][2]string{{"q", g.Q}, {"website", g.Website}, {"confirmed", g.Confirmed}, {"locked", g.Locked},
		{"tokens", g.Tokens}, {"from", g.From}, {"to", g.To}, {"sort", g.Sort}, {"dir", dir}, {"after", g.After}} {
		if one[1] != "" {
			v.Set(one[0], one[1])
		}
	}
	return v
}

// URL is the address of the state.
func (g grid) URL() string { return withQuery(customersPath, g.values()) }

func withQuery(address string, v url.Values) string {
	if len(v) == 0 {
		return address
	}
	return address + "?" + v.Encode()
}

func (g grid) at(cursor string) string {
	if cursor == "" {
		return ""
	}
	g.After = cursor
	return g.URL()
}

// filtered tells whether anything narrows the list.
func (g grid) filtered() bool {
	g.Sort, g.Desc, g.After = "", false, ""
	return len(g.values()) > 0
}

// Dir is the direction as the form repeats it.
func (g grid) Dir() string { return g.values().Get("dir") }

// query turns the state into a search. Errors: fault Invalid, one for each filter that says nothing.
func (c *call) query(g grid, now time.Time) (customer.Query, []*fault.Error) {
	q := customer.Query{Text: g.Q, WebsiteIDs: c.permit.Websites(), Sort: g.Sort, Desc: g.Desc, Cursor: g.After}
	f := &filters{Values: g.values()}
	if g.Website != "" {
		if w, ok := c.websiteByCode(g.Website); ok {
			q.WebsiteIDs = []int64{w.ID}
		} else {
			f.refuse("website", noSuchWebsite)
		}
	}
	q.Confirmed, q.Locked = yesNo(g.Confirmed), yesNo(g.Locked)
	if have := yesNo(g.Tokens); have != nil {
		q.Where = append(q.Where, token.Holders(*have, now))
	}
	q.CreatedFrom, q.CreatedTo = f.days(c, "Since, from", "Since, to")
	return q, f.faults
}

func yesNo(s string) *bool {
	if s != "yes" && s != "no" {
		return nil
	}
	yes := s == "yes"
	return &yes
}

// column is one head of the grid.
type column struct {
	Label, Class string
	Sort         string // the name of the order; "" where there is none
	URL          string // of the list sorted by it
	Aria         string // aria-sort
}

var columns = []column{
	{Label: "ID", Sort: "id", Class: "num c-id"}, {Label: "Name", Sort: "name", Class: "c-name"}, {Label: "Email", Sort: "email", Class: "c-email"},
	{Label: "Website", Sort: "website", Class: "c-site"}, {Label: "Customer Since", Sort: "created", Class: "c-since"},
	{Label: "Last Sign-In", Sort: "last_signin", Class: "c-seen"}, {Label: "Confirmed", Class: "c-confirmed"}, {Label: "Locked", Class: "c-lock"},
	{Label: "Tokens", Class: "num c-tokens"}, {Label: "Action", Class: "c-act"},
}

func (g grid) columns() []column {
	out := make([]column, len(columns))
	for i, col := range columns {
		if col.Sort != "" {
			to := g
			to.Sort, to.Desc, to.After = col.Sort, false, ""
			if sorted := firstOf(g.Sort, "id"); sorted == col.Sort {
				to.Desc = !g.Desc
				col.Aria = map[bool]string{false: "ascending", true: "descending"}[g.Desc]
			}
			if to.Sort == "id" {
				to.Sort = ""
			}
			col.URL = to.URL()
		}
		out[i] = col
	}
	return out
}

// row is one customer of the grid.
type row struct {
	customer.Customer
	Website string
	Locked  bool
	Tokens  int64
	URL     string
}

type customersPage struct {
	page
	Grid                       grid
	Columns                    []column
	Rows                       []row
	Total                      string
	Filtered                   bool
	Clear, Prev, Next          string
	Websites                   []option
	Confirmed, Locked, Holders []option
}

// customers is Customers › All Customers.
func (c *call) customers() error {
	g := gridOf(c.r.URL.Query())
	part := c.r.Header.Get(partHeader) == "results"
	var p customersPage
	if !part { // a part must not use up the notice that waits for a page
		p.page = c.page("All Customers", crumb{Text: "Customers"})
	} else {
		p.page = page{call: c, zone: c.zone()}
	}
	p.Grid, p.Columns, p.Filtered, p.Clear = g, g.columns(), g.filtered(), customersPath
	if all := c.websites(); len(all) > 1 {
		p.Websites = websiteOptions(all, g.Website)
	}
	p.Confirmed = options(g.Confirmed, [2]string{"yes", "Yes"}, [2]string{"no", "No"})
	p.Locked = options(g.Locked, [2]string{"yes", "Yes"}, [2]string{"no", "No"})
	p.Holders = options(g.Tokens, [2]string{"yes", "Some"}, [2]string{"no", "None"})
	faults, err := c.search(g, &p)
	if err != nil {
		return err
	}
	var status int
	p.Summary, status = summed(faults)
	if part {
		return c.pages.Fragment(c.w, status, "customers", "results", p)
	}
	return c.render(status, "customers", p)
}

// search fills the page with one page of customers.
func (c *call) search(g grid, p *customersPage) ([]*fault.Error, error) {
	var faults []*fault.Error
	ctx := c.r.Context()
	err := c.read(func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		var q customer.Query
		if q, faults = c.query(g, now); len(faults) > 0 {
			return nil
		}
		found, err := customer.Search(ctx, tx, q)
		if fault.Is(err, fault.Invalid) {
			faults = fault.List(err)
			return nil
		}
		if err != nil {
			return err
		}
		ids := make([]int64, len(found.Customers))
		for i, one := range found.Customers {
			ids[i] = one.ID
		}
		tokens, err := token.CountMany(ctx, tx, ids, time.Time{})
		if err != nil {
			return err
		}
		list := g.values().Encode()
		for _, one := range found.Customers {
			p.Rows = append(p.Rows, row{Customer: one, Website: c.websiteName(one.WebsiteID), Locked: one.Locked(now),
				Tokens: tokens[one.ID], URL: customerURL(one.ID, "", list)})
		}
		p.Prev, p.Next = g.at(found.Prev), g.at(found.Next)
		p.Total = matches(found, g.filtered())
		return nil
	})
	return faults, err
}

// matches says how many there are.
func matches(found customer.Page, filtered bool) string {
	text := counted(found.Total, "customer")
	if found.Capped {
		text = thousands(found.Total) + "+ customers"
	}
	switch {
	case !filtered:
		return text
	case found.Total == 1:
		return text + " matches"
	}
	return text + " match"
}

// customerURL is the address of a customer's page, or of an act on it. list is the state of the grid to go back to.
func customerURL(id int64, act, list string) string {
	address := customersPath + "/" + itoa(id)
	if act != "" {
		address += "/" + act
	}
	if list == "" {
		return address
	}
	return withQuery(address, url.Values{"list": {list}})
}

// listState reads the state of the grid that a customer's page was reached from; whatever is not one is forgotten.
func listState(r *http.Request) string {
	q, err := url.ParseQuery(r.URL.Query().Get("list"))
	if err != nil {
		return ""
	}
	return gridOf(q).values().Encode()
}
