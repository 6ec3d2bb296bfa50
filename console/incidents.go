package console

import (
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

func incidentRoutes() []route {
	one := incidentsPath + "/{id}"
	return []route{
		{method: "GET", path: incidentsPath, right: admin.RunIncidents, handle: (*call).incidents},
		{method: "GET", path: incidentsPath + "/new", right: admin.RunIncidents, handle: (*call).newIncident},
		{method: "POST", path: incidentsPath, right: admin.RunIncidents, handle: (*call).createIncident},
		{method: "GET", path: one, right: admin.RunIncidents, handle: (*call).incident},
		{method: "POST", path: one + "/measures", right: admin.RunIncidents, handle: (*call).decide},
		{method: "GET", path: one + "/start", right: admin.RunIncidents, handle: (*call).startPage},
		{method: "POST", path: one + "/start", right: admin.RunIncidents, handle: (*call).startIncident},
		{method: "POST", path: one + "/pause", right: admin.RunIncidents, handle: (*call).pauseIncident},
		{method: "POST", path: one + "/resume", right: admin.RunIncidents, handle: (*call).resumeIncident},
		{method: "GET", path: one + "/stop", right: admin.RunIncidents, handle: (*call).stopPage},
		{method: "POST", path: one + "/stop", right: admin.RunIncidents, handle: (*call).stopIncident},
		{method: "GET", path: one + "/{report}", right: admin.RunIncidents, handle: (*call).report},
	}
}

// incidentRow is an incident as the list shows it.
type incidentRow struct {
	incident.Incident
	URL, StateWord, Tone, Where string
}

func (c *call) incidentRow(i incident.Incident) incidentRow {
	r := incidentRow{Incident: i, URL: incidentsPath + "/" + itoa(i.ID), Where: "All websites"}
	r.StateWord, r.Tone = incidentState(i)
	if i.Choice.WebsiteIDs != nil {
		var names []string
		for _, id := range i.Choice.WebsiteIDs {
			names = append(names, c.websiteName(id))
		}
		r.Where = listed(names)
	}
	return r
}

// incidents lists what was done to many customers at once, newest first.
func (c *call) incidents() error {
	p := struct {
		page
		Rows []incidentRow
		New  string
	}{page: c.page("Breach Day", crumb{Text: "Customers"}), New: incidentsPath + "/new"}
	var all []incident.Incident
	err := c.read(func(tx *db.Tx) (err error) {
		all, err = incident.List(c.r.Context(), tx, c.permit)
		return err
	})
	for _, i := range all {
		p.Rows = append(p.Rows, c.incidentRow(i))
	}
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "incidents", p)
}

// The fields of a choice. The long ones may fill a file.
var (
	choiceFields = []string{"name", "website", "seen_from", "seen_to", "created_from", "created_to", "network", "holder", "old_hash"}
	listFields   = []string{"addresses", "file"}
)

// Uploads tells which requests may bring a file: the list of addresses of an incident. It is the web.Stack's to ask.
func Uploads(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == incidentsPath }

// incidentForm asks whom an incident is about. Nothing is done by it.
func (c *call) incidentForm() (formPage, error) {
	p := formPage{page: c.page("New Incident", crumb{Text: "Customers"}, crumb{"Breach Day", incidentsPath}),
		Intro: "Say which customers are meant. Everything that you fill in narrows the choice. You will see how many they are before anything is decided or done."}
	var sites []option
	if c.everywhere() {
		sites = append(sites, option{Text: "All websites"})
	}
	holders := options("", [2]string{"", "Whether or not programs hold tokens"}, [2]string{"any", "Only those for whom programs hold tokens"})
	apps, err := c.appNames()
	for _, a := range apps {
		holders = append(holders, option{Value: itoa(a.ID), Text: "Only those for whom " + a.Name + " holds tokens"})
	}
	p.Form = form{Action: incidentsPath, Submit: "Count Customers", Back: incidentsPath, Fields: []field{
		{Name: "name", Label: "Name", Type: "text", Autocomplete: "off", Hint: "What the list calls it, such as the day and what happened."},
		{Name: "website", Label: "Website", Options: append(sites, websiteOptions(c.websites(), "")...)},
		{Name: "seen_from", Label: "Last sign-in from", Type: "date", Optional: true, Hint: "On this day or later. Days are those of UTC."},
		{Name: "seen_to", Label: "Last sign-in to", Type: "date", Optional: true, Hint: "Before this day."},
		{Name: "created_from", Label: "Account created from", Type: "date", Optional: true, Hint: "On this day or later."},
		{Name: "created_to", Label: "Account created to", Type: "date", Optional: true, Hint: "Before this day."},
		{Name: "network", Label: "Network of the last sign-in", Type: "text", Autocomplete: "off", Mono: true, Optional: true, Hint: "Such as 203.0.113.0/24 or 2001:db8::/32, or one address."},
		{Name: "holder", Label: "Holder of tokens", Options: holders},
		{Name: "old_hash", Label: "Only passwords that are hashed otherwise than today’s, such as imported ones", Type: "check"},
		{Name: "addresses", Label: "List of addresses", Type: "area", Mono: true, Optional: true, Hint: "One a line. Who is not on it is not meant; addresses of nobody are passed over."},
		{Name: "file", Label: "The same as a file", Type: "file", Optional: true, Hint: "A plain text, UTF-8, of at most 4 MB and " + thousands(incident.MaxAddresses) + " addresses, one a line."},
	}}
	return p, err
}

// appNames are those that the administrator may see.
func (c *call) appNames() (all []token.Client, err error) {
	err = c.read(func(tx *db.Tx) (err error) {
		all, err = token.Apps(c.r.Context(), tx, c.permit)
		return err
	})
	return all, err
}

func (c *call) newIncident() error {
	p, err := c.incidentForm()
	if err != nil {
		return err
	}
	p.Form.Key = p.Key
	return c.render(http.StatusOK, "incident_new", p)
}

// createIncident writes the choice down as a draft. Its page counts.
func (c *call) createIncident() error {
	p, err := c.incidentForm()
	if err != nil {
		return err
	}
	v, err := web.Upload(c.r, listFields, choiceFields...)
	var made incident.Incident
	if err == nil {
		p.Form.fill(v.Get)
		made, err = c.describe(v)
	}
	if faults, ok := mendable(err); ok {
		p.Form.Key = p.Key
		p.Summary = p.Form.refuse(faults)
		return c.render(http.StatusUnprocessableEntity, "incident_new", p)
	}
	if err != nil {
		return err
	}
	web.SeeOther(c.w, incidentsPath+"/"+itoa(made.ID))
	return nil
}

func (c *call) describe(v web.Values) (i incident.Incident, err error) {
	var choice incident.Choice
	choice.Choice, err = incident.ParseChoice(v.Get("seen_from"), v.Get("seen_to"), v.Get("created_from"), v.Get("created_to"), strings.TrimSpace(v.Get("network")))
	if err != nil {
		return i, err
	}
	if code := v.Get("website"); code != "" {
		w, ok := c.websiteByCode(code)
		if !ok {
			return i, refusal("website", noSuchWebsite)
		}
		choice.WebsiteIDs = []int64{w.ID}
	}
	choice.OldHash = v.Get("old_hash") == "on"
	switch holder := v.Get("holder"); holder {
	case "":
	case "any":
		choice.HoldsTokens = true
	default:
		apps, err := c.appNames()
		if err != nil {
			return i, err
		}
		for _, a := range apps {
			if itoa(a.ID) == holder {
				choice.ClientID = a.ID
			}
		}
		if choice.ClientID == 0 {
			return i, refusal("holder", "There is no such app. Choose one of the list.")
		}
	}
	list := v.Get("addresses")
	if file := v.Get("file"); file != "" {
		list += "\n" + file
	}
	return c.Incidents.Describe(c.r.Context(), c.permit, v.Get("name"), choice, incident.Measures{}, list, c.origin())
}
