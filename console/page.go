package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
	"github.com/rekeyhq/rekey/webhook"
)

// page is what the layout shows around every content. Pages embed it in their own data.
type page struct {
	Title   string // the h1
	Trail   []crumb
	Nav     []navGroup
	Key     string // the form key
	Notice  *told
	Summary *summary
	Who     admin.Admin
	Role    string // label of Who's role
	Zone    string // in which the page tells time
	Scripts bool   // the page has something for browsers with passkeys

	call *call
	zone *time.Location
}

// crumb is one step of the way to a page.
type crumb struct{ Text, URL string }

// told is a notice in words.
type told struct {
	Text string
	Bad  bool
}

// summary lists what is wrong with a form; each item leads to its field.
type summary struct{ Items []problem }

type problem struct{ Field, Text string }

// page begins a page.
func (c *call) page(title string, trail ...crumb) page {
	p := page{Title: title, Trail: trail, Key: web.FormKey(c.w, c.r, c.jar.Secure), Who: c.who, call: c, zone: c.zone()}
	p.Zone = c.lang.Zone(c.now().In(p.zone))
	for _, r := range admin.Roles() {
		if r.Name == c.who.Role {
			p.Role = r.Label
		}
	}
	if c.who.ID != 0 {
		p.Nav = c.nav()
	}
	if n, ok := c.jar.Told(c.w, c.r); ok {
		if text := c.outcome(n); text != "" {
			p.Notice = &told{Text: text, Bad: n.Bad}
		}
	}
	return p
}

// zone is the one in which the console tells time: that of the first store view that the administrator sees.
func (c *call) zone() *time.Location {
	if c.snap != nil {
		for _, v := range c.snap.Views() {
			if c.who.WebsiteID == 0 || v.WebsiteID == c.who.WebsiteID {
				return v.Location()
			}
		}
	}
	return time.UTC
}

// navGroup is a part of the sidebar.
type navGroup struct {
	Title string
	Items []navItem
}

type navItem struct {
	Text, URL, Icon string
	Current         string // the value of aria-current: "page", "true" for a page above, "" elsewhere
}

// nav is the sidebar, without what the administrator may not see.
func (c *call) nav() []navGroup {
	all := []struct {
		group, text, url, icon string
		right                  admin.Right
		everywhere             bool // not for administrators of one website
	}{
		{"Customers", "All Customers", customersPath, "people", admin.ViewCustomers, false},
		{"Customers", "Letters", lettersPath, "letter", admin.ViewLetters, false},
		{"Customers", "Breach Day", incidentsPath, "alarm", admin.RunIncidents, false},
		{"Stores", "Configuration", configPath, "sliders", admin.ViewSettings, false},
		{"Stores", "Websites and Store Views", storesPath, "store", admin.ViewSettings, false},
		{"System", "Audit", auditPath, "list", admin.ViewAudit, false},
		{"System", "Administrators", adminsPath, "shield", admin.ManageAdmins, false},
		{"System", "Integrations", holdersPath, "plug", admin.ManagePrograms, true},
		{"System", "Apps", clientsPath, "phone", admin.ManagePrograms, false},
		{"System", "Webhooks", webhooksPath, "bell", webhook.Right, false},
	}
	var groups []navGroup
	for _, one := range all {
		if !c.may(one.right) || one.everywhere && c.who.WebsiteID != 0 {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].Title != one.group {
			groups = append(groups, navGroup{Title: one.group})
		}
		item := navItem{Text: one.text, URL: one.url, Icon: one.icon}
		switch here := c.r.URL.Path; {
		case here == one.url:
			item.Current = "page"
		case strings.HasPrefix(here, one.url+"/"):
			item.Current = "true"
		}
		last := &groups[len(groups)-1]
		last.Items = append(last.Items, item)
	}
	return groups
}

// Heading is the document's title, with "Error" in front where a form came back.
func (p page) Heading() string {
	if p.Summary != nil {
		return "Error: " + p.Title + " · Rekey"
	}
	return p.Title + " · Rekey"
}

// Asset is the address of a style sheet, script or drawing.
func (p page) Asset(name string) string { return p.call.assets.URL(name) }

// Icon is the address of one sign of the drawing.
func (p page) Icon(name string) string { return p.Asset("icons.svg") + "#" + name }

// moment is a time as pages show it.
type moment struct {
	ISO   string
	Exact string // with weekday and zone
	Short string
	Clock string // to the second, with the zone
	Day   string
	Ago   string
}

// When prepares a time for the templates "ago", "day" and "short"; nil when it never was.
func (p page) When(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	l := p.call.lang
	local := t.In(p.zone)
	return &moment{
		ISO: t.UTC().Format(time.RFC3339), Exact: l.Date(t, p.zone), Short: l.ShortDate(t, p.zone),
		Clock: local.Format("2 Jan 2006, 15:04:05") + " (" + l.Zone(local) + ")", Day: local.Format("2 Jan 2006"), Ago: l.Ago(t, p.call.now()),
	}
}

// Parts takes a path apart where a line may break.
func (p page) Parts(path string) []string {
	var parts []string
	for _, part := range strings.SplitAfter(path, "/") {
		parts = append(parts, strings.SplitAfter(part, "_")...)
	}
	return parts
}

// Count writes a number with its thousands apart.
func (p page) Count(n int64) string { return thousands(n) }

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// minute is the first whole minute at or after t, in words with their preposition: who comes back then must not be early.
func (c *call) minute(t time.Time) string {
	if up := t.Truncate(time.Minute); up.Before(t) {
		t = up.Add(time.Minute)
	}
	t = t.In(c.zone())
	if today := c.now().In(c.zone()); t.YearDay() == today.YearDay() && t.Year() == today.Year() {
		return "at " + t.Format("15:04") + " (" + c.lang.Zone(t) + ")"
	}
	return "on " + c.lang.Date(t, c.zone())
}

func (c *call) render(status int, name string, data any) error {
	return c.pages.Render(c.w, status, name, data)
}

// fail is the page of a failure.
func (c *call) fail(f web.Failure) {
	if c.who.ID == 0 { // a refusal before anybody asked: the sidebar is still shown to who is signed in
		_ = c.enter()
	}
	title := "This did not work"
	switch {
	case f.Status == http.StatusNotFound:
		title = "Not found"
	case f.Status == http.StatusForbidden:
		title = "Not allowed"
	case f.Kind == fault.Limited:
		title = "Too often"
	case f.Kind == fault.Busy:
		title = "Busy"
	case f.Internal():
		title = "Something went wrong"
	}
	data := struct {
		page
		Text, Again, Home string
	}{page: c.page(title), Text: c.reason(f), Home: Root}
	if f.RetryAfter > 0 {
		data.Again = "It is possible again " + c.minute(c.now().Add(f.RetryAfter)) + "."
	}
	if err := c.render(f.Status, "failure", data); err != nil {
		c.Log.ErrorContext(c.r.Context(), "failure page", "id", f.RequestID, "error", web.Scrub(c.r, err))
		web.PlainPage(c.w, c.r, f)
	}
}

// reason says a failure to staff. The catalogue's sentences speak to shoppers, so the fault's own are used.
func (c *call) reason(f web.Failure) string {
	switch f.Key {
	case "not_found":
		if len(f.Faults) > 0 {
			return f.Text
		}
		return "There is no page at this address. Verify the address, or choose a page on the left."
	case "unavailable":
		return "The database cannot be reached for the moment. Please try again in a few seconds."
	}
	return f.Text
}

// option is one choice of a list.
type option struct {
	Value, Text string
	Selected    bool
}

func options(selected string, pairs ...[2]string) []option {
	out := make([]option, len(pairs))
	for i, pair := range pairs {
		out[i] = option{Value: pair[0], Text: pair[1], Selected: pair[0] == selected}
	}
	return out
}

func websiteOptions(all []*shop.Website, selected string) []option {
	var out []option
	for _, w := range all {
		out = append(out, option{Value: w.Code, Text: w.Name, Selected: w.Code == selected})
	}
	return out
}
