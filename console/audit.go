package console

import (
	"maps"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
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
	paging
	Actions                   []option
	Actor, Customer, From, To string
	Rows                      []auditRow
}

// audit is who did what to whom, when and from where, newest first.
func (c *call) audit() error {
	f := c.filters(auditPath, "action", "actor", "customer", "from", "to")
	query := c.auditQuery(f)
	var found []audit.Entry
	var next string
	if len(f.faults) == 0 {
		err := c.read(func(tx *db.Tx) (err error) {
			found, next, err = audit.List(c.r.Context(), tx, query)
			return err
		})
		if err != nil {
			return err
		}
	}
	p := auditPage{page: c.page("Audit", crumb{Text: "System"}), paging: f.paging(next), Actor: f.Get("actor"), Customer: f.Get("customer"),
		From: f.Get("from"), To: f.Get("to")}
	for _, action := range audit.Actions() {
		p.Actions = append(p.Actions, option{Value: action, Text: actionName(action), Selected: action == f.Get("action")})
	}
	for _, e := range found {
		p.Rows = append(p.Rows, c.auditRow(e))
	}
	var status int
	p.Summary, status = summed(f.faults)
	return c.render(status, "audit", p)
}

func (c *call) auditQuery(f *filters) audit.Query {
	q := audit.Query{Action: f.Get("action"), ActorName: f.Get("actor"), After: f.Get("after"), WebsiteID: c.who.WebsiteID, Limit: auditRows}
	if q.Action != "" && !slices.Contains(audit.Actions(), q.Action) {
		f.refuse("action", "There is no such action. Choose one of the list.")
	}
	if text := f.Get("customer"); text != "" {
		if q.CustomerID = customer.ParseSought(text).ID; q.CustomerID == 0 {
			f.refuse("customer", "“Customer ID” is the number of a customer, such as 12.")
		}
	}
	q.From, q.To = f.days(c, "From", "To")
	if _, err := db.ParseID(q.After); q.After != "" && err != nil {
		f.refuse("after", "This page of the list cannot be found; start again from the newest.")
	}
	return q
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
