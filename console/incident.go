package console

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/web"
)

// question is what is asked before an act that cannot be taken back, as a dialog and as a page of its own.
type question struct {
	ID, Title string
	Words     []string
	URL, Back string // of the page and the act; where Cancel leads
	Do        string // what the button says
	Key       string
}

// incidentPage is one incident: a draft with its count and what may be done, or how far it is.
type incidentPage struct {
	page
	Incident      incidentRow
	Meaning, Acts []fact
	Meant         int64 // customers, of a draft
	Progress      incident.Progress
	Phase, Pace   string
	Ended         string // what was ended so far
	Left          string
	Measures      *form // of a draft
	Start, Stop   *question
	Letters       string // how long they take, for a draft
}

type fact struct{ Label, Value string }

func (c *call) incidentOf() (i incident.Incident, now time.Time, err error) {
	id, err := c.number()
	if err != nil {
		return i, now, fault.New(fault.NotFound, "not_found", "There is no such incident.")
	}
	err = c.read(func(tx *db.Tx) error {
		if now, err = tx.Now(c.r.Context()); err != nil {
			return err
		}
		i, err = incident.Find(c.r.Context(), tx, c.permit, id)
		return err
	})
	return i, now, err
}

func (c *call) incidentPage() (p incidentPage, err error) {
	i, now, err := c.incidentOf()
	if err != nil {
		return p, err
	}
	p = incidentPage{page: c.page(i.Name, crumb{Text: "Customers"}, crumb{"Breach Day", incidentsPath}), Incident: c.incidentRow(i),
		Meaning: c.meant(i), Acts: measures(i.Measures), Progress: i.Progress(now)}
	if i.State != incident.Draft {
		p.Phase = phaseWords(i)
		p.Ended = listed([]string{counted(i.Sessions, "session"), counted(i.Tokens, "token"), counted(i.Passwords, "password")})
		if rate := int64(math.Round(p.Progress.PerHour)); rate > 0 {
			p.Pace = thousands(rate) + " an hour"
		}
		if p.Progress.Left > 0 {
			p.Left = "about " + roughly(p.Progress.Left)
		}
		if i.Open() {
			p.Stop = c.stopQuestion(i, p.Key)
		}
		return p, nil
	}
	if p.Meant, err = c.Incidents.Count(c.r.Context(), c.permit, i.ID); err != nil {
		return p, err
	}
	p.Letters = "At " + thousands(int64(i.Measures.Pace())) + " an hour, letters to all of them take about " + roughly(i.Measures.LettersTake(p.Meant)) + "."
	f := measuresForm(i)
	f.Key = p.Key
	p.Measures = &f
	if !i.Measures.None() {
		p.Start = startQuestion(i, p.Meant, c.incidentRow(i).Where, p.Key)
	}
	return p, nil
}

// incident shows one; the script asks for the part that tells how far it is.
func (c *call) incident() error {
	p, err := c.incidentPage()
	if err != nil {
		return err
	}
	if c.r.Header.Get(partHeader) == "progress" {
		return c.pages.Fragment(c.w, http.StatusOK, "incident", "progress", p)
	}
	return c.render(http.StatusOK, "incident", p)
}

func measuresForm(i incident.Incident) form {
	m := i.Measures
	on := func(yes bool) string {
		if yes {
			return "on"
		}
		return ""
	}
	return form{Action: incidentsPath + "/" + itoa(i.ID) + "/measures", Submit: "Save Measures", Fields: []field{
		{Name: "sessions", Label: "End their sessions: every browser is signed out", Type: "check", Value: on(m.Sessions)},
		{Name: "tokens", Label: "Revoke their tokens: every program and app is signed out", Type: "check", Value: on(m.Tokens)},
		{Name: "password", Label: "Require a new password: the present one signs nobody in any more", Type: "check", Value: on(m.Password)},
		{Name: "letter", Label: "Send them a letter, with a link to a new password where one is required", Type: "check", Value: on(m.Letter)},
		{Name: "per_hour", Label: "Letters an hour", Type: "text", Keys: "numeric", Value: strconv.Itoa(m.Pace()), Autocomplete: "off", Optional: true, Hint: "What your mail server takes: 1 to " + thousands(incident.MaxPerHour) + "."},
		{Name: "why", Label: "A sentence of yours for the letter", Type: "area", Value: m.Why, Optional: true, Hint: "All customers read it as you write it here, in whatever language their letter is."},
	}}
}

// decide says what a draft is to do. Nothing is done before it is started.
func (c *call) decide() error {
	i, _, err := c.incidentOf()
	if err != nil {
		return err
	}
	f := measuresForm(i)
	v, err := web.Form(c.r, f.names()...)
	if err != nil {
		return err
	}
	m := incident.Measures{Sessions: v.Get("sessions") == "on", Tokens: v.Get("tokens") == "on", Password: v.Get("password") == "on",
		Letter: v.Get("letter") == "on", Why: v.Get("why")}
	if text := v.Get("per_hour"); text != "" {
		if m.PerHour, err = strconv.Atoi(text); err != nil || m.PerHour == 0 {
			m.PerHour = -1 // refused with the bounds
		}
	}
	err = c.Incidents.Decide(c.r.Context(), c.permit, i.ID, m)
	faults, ok := mendable(err)
	switch {
	case ok && i.State == incident.Draft:
		p, err := c.incidentPage()
		if err != nil {
			return err
		}
		p.Measures.fill(v.Get)
		for _, f := range faults {
			if f.Field == "measures" {
				f.Field = "sessions"
			}
		}
		p.Summary = p.Measures.refuse(faults)
		return c.render(http.StatusUnprocessableEntity, "incident", p)
	case err != nil:
		return err
	}
	return c.done(incidentsPath+"/"+itoa(i.ID), web.Notice{Key: "incident.decided"})
}

// ask is a question as a page, for browsers without script. It changes nothing.
func (c *call) ask(q *question) error {
	if q == nil {
		return fault.New(fault.Conflict, "incident.state", "This cannot be done now. Look at the incident again.")
	}
	p := struct {
		page
		Ask *question
	}{c.page(q.Title, crumb{Text: "Customers"}, crumb{"Breach Day", incidentsPath}), q}
	return c.render(http.StatusOK, "incident_ask", p)
}

func (c *call) startPage() error {
	p, err := c.incidentPage()
	if err != nil {
		return err
	}
	return c.ask(p.Start)
}

func (c *call) stopPage() error {
	p, err := c.incidentPage()
	if err != nil {
		return err
	}
	return c.ask(p.Stop)
}

// turned is an act on an incident: it goes through, or the notice tells why not.
func (c *call) turned(key string, act func(context.Context, admin.Permit, int64, audit.Origin) error) error {
	id, err := c.number()
	if err != nil {
		return fault.New(fault.NotFound, "not_found", "There is no such incident.")
	}
	notice := web.Notice{Key: key}
	if err := act(c.r.Context(), c.permit, id, c.origin()); err != nil {
		if _, ok := mendable(err); !ok {
			return err
		}
		notice = web.Notice{Key: "incident.state", Bad: true}
	}
	return c.done(incidentsPath+"/"+itoa(id), notice)
}

func (c *call) startIncident() error {
	return c.turned("incident.started", c.Incidents.Start)
}

func (c *call) pauseIncident() error {
	return c.turned("incident.paused", c.Incidents.Pause)
}

func (c *call) resumeIncident() error {
	return c.turned("incident.resumed", c.Incidents.Resume)
}

func (c *call) stopIncident() error {
	return c.turned("incident.cancelled", c.Incidents.Cancel)
}

// reportTime bounds how long a browser may take to read a part of a report; the whole may take longer than a page.
const reportTime = 30 * time.Second

// report hands the whole report over, as CSV or as one JSON object a line.
func (c *call) report() error {
	i, _, err := c.incidentOf()
	if err != nil {
		return err
	}
	asJSON := c.r.PathValue("report") == "report.jsonl"
	kind := "text/csv; charset=utf-8"
	if asJSON {
		kind = "application/jsonl; charset=utf-8"
	} else if c.r.PathValue("report") != "report.csv" {
		return web.NoSuchPage()
	}
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="incident-%d-%s"`, i.ID, c.r.PathValue("report")))
	err = c.Incidents.WriteReport(context.WithoutCancel(c.r.Context()), c.permit, i.ID, &patient{c.w, http.NewResponseController(c.w)}, asJSON)
	if err != nil {
		panic(http.ErrAbortHandler) // half a report must not pass for a whole one
	}
	return nil
}

// patient gives each part of a long answer a time of its own.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write writes a part.
func (w *patient) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(reportTime)) // a recorder of tests has none
	return w.ResponseWriter.Write(b)
}
