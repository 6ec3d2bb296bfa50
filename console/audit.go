package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

const auditRows = 50

// auditRow is one entry in words.
type auditRow struct {
	audit.Entry
	Who, WhoKind, What, Website, CustomerURL string
	Details                                  []string
}

type auditPage struct {
	page
	Actions                   []option
	Actor, Customer, From, To string
	Filtered                  bool
	Rows                      []auditRow
	Newest, Next, Clear       string
}

// audit is who did what to whom, when and from where, newest first.
func (c *call) audit() error {
	v := url.Values{}
	for _, name := range []string{"action", "actor", "customer", "from", "to", "after"} {
		if value := tidy(c.r.URL.Query().Get(name)); value != "" {
			v.Set(name, value)
		}
	}
	query, faults := c.auditQuery(v)
	var found []audit.Entry
	var next string
	if len(faults) == 0 {
		err := c.read(func(tx *db.Tx) (err error) {
			found, next, err = audit.List(c.r.Context(), tx, query)
			return err
		})
		if err != nil {
			return err
		}
	}
	at := func(after string) string {
		to := maps.Clone(v)
		to.Del("after")
		if after != "" {
			to.Set("after", after)
		}
		return withQuery(auditPath, to)
	}
	p := auditPage{page: c.page("Audit", crumb{Text: "System"}), Actor: v.Get("actor"), Customer: v.Get("customer"),
		From: v.Get("from"), To: v.Get("to"), Clear: auditPath}
	for _, action := range audit.Actions() {
		p.Actions = append(p.Actions, option{Value: action, Text: actionName(action), Selected: action == v.Get("action")})
	}
	for _, e := range found {
		p.Rows = append(p.Rows, c.auditRow(e))
	}
	if next != "" {
		p.Next = at(next)
	}
	if v.Get("after") != "" {
		p.Newest = at("")
	}
	v.Del("after")
	p.Filtered = len(v) > 0
	if len(faults) == 0 {
		return c.render(http.StatusOK, "audit", p)
	}
	p.Summary = &summary{}
	for _, f := range faults {
		p.Summary.Items = append(p.Summary.Items, problem{f.Field, f.Text})
	}
	return c.render(http.StatusUnprocessableEntity, "audit", p)
}

func (c *call) auditQuery(v url.Values) (audit.Query, []*fault.Error) {
	q := audit.Query{Action: v.Get("action"), ActorName: v.Get("actor"), After: v.Get("after"), WebsiteID: c.who.WebsiteID, Limit: auditRows}
	var faults []*fault.Error
	refuse := func(field, text string) { faults = append(faults, fault.Refuse(field, "malformed", text, nil)) }
	if q.Action != "" && !slices.Contains(audit.Actions(), q.Action) {
		refuse("action", "There is no such action. Choose one of the list.")
	}
	if text := v.Get("customer"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 {
			refuse("customer", "“Customer ID” is the number of a customer, such as 12.")
		}
		q.CustomerID = id
	}
	var ok bool
	if q.From, ok = c.day(v.Get("from")); !ok {
		refuse("from", "“From” is written as a date such as 2026-11-24.")
	}
	if q.To, ok = c.day(v.Get("to")); !ok {
		refuse("to", "“To” is written as a date such as 2026-11-24.")
	} else if !q.To.IsZero() {
		q.To = q.To.AddDate(0, 0, 1) // that day included
	}
	if _, err := db.ParseID(q.After); q.After != "" && err != nil {
		refuse("after", "This page of the list cannot be found; start again from the newest.")
	}
	return q, faults
}

func (c *call) auditRow(e audit.Entry) auditRow {
	r := auditRow{Entry: e, Who: actorName(e.Actor), WhoKind: actorKind(e.Actor), What: actionName(e.Action)}
	if e.WebsiteID != 0 {
		r.Website = c.websiteName(e.WebsiteID)
	}
	if e.CustomerID != 0 && c.may(admin.ViewCustomers) {
		r.CustomerURL = customerURL(e.CustomerID, "", "")
	}
	before, hasOld := e.Detail["old"]
	after, hasNew := e.Detail["new"]
	if hasOld && hasNew {
		r.Details = append(r.Details, before+" → "+after)
	}
	var rest []string
	for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
		if key != "old" && key != "new" {
			rest = append(rest, key+": "+e.Detail[key])
		}
	}
	if len(rest) > 0 {
		r.Details = append(r.Details, strings.Join(rest, " · "))
	}
	return r
}
