package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/input"
	"github.com/rekeyhq/rekey/token"
)

type incidentCommands struct {
	Describe incidentDescribe `cmd:"" help:"Say who is meant and what is to be done, and see how many they are. Nothing is done yet."`
	Decide   incidentDecide   `cmd:"" help:"Say what a described incident is to do. Nothing is done yet."`
	Start    incidentStart    `cmd:"" help:"Start a described incident; a running server carries it out."`
	List     incidentList     `cmd:"" help:"List the incidents."`
	Show     incidentShow     `cmd:"" help:"Show how far an incident is."`
	Pause    incidentPause    `cmd:"" help:"Hold an incident."`
	Resume   incidentResume   `cmd:"" help:"Let a held incident go on."`
	Cancel   incidentCancel   `cmd:"" help:"End an incident; what is done stays done."`
	Report   incidentReport   `cmd:"" help:"Write what was done to whom, as CSV or JSON."`
}

var runIncidents = admin.CommandLine(admin.RunIncidents)

type incidentDescribe struct {
	place
	listing
	Name        string `required:"" help:"What the list calls it, such as the day and what happened."`
	Website     string `placeholder:"CODE" help:"Only customers of this website."`
	SeenFrom    string `placeholder:"DAY" help:"Last sign-in on this day or later, such as 2026-11-01 (UTC)."`
	SeenTo      string `placeholder:"DAY" help:"Last sign-in before this day."`
	CreatedFrom string `placeholder:"DAY" help:"Account made on this day or later."`
	CreatedTo   string `placeholder:"DAY" help:"Account made before this day."`
	Network     string `placeholder:"CIDR" help:"Last sign-in from this network, such as 203.0.113.0/24."`
	HoldsTokens bool   `help:"Only customers for whom programs hold tokens."`
	App         string `placeholder:"CLIENT_ID" help:"Only customers for whom this app holds tokens."`
	OldHash     bool   `help:"Only passwords that are hashed otherwise than today's, such as imported ones."`
	Addresses   string `placeholder:"FILE" help:"Only these addresses, one a line; - is standard input."`
	measures
}

// measures are what an incident does.
type measures struct {
	EndSessions  bool   `help:"Sign them out of every browser."`
	RevokeTokens bool   `help:"Revoke every token."`
	NewPassword  bool   `help:"Demand a new password: the present one signs nobody in any more."`
	Letter       bool   `help:"Tell them by letter, with the link to a new password where one is demanded."`
	Why          string `help:"A sentence of yours for the letter."`
	PerHour      int    `placeholder:"N" help:"Letters an hour; the default is 3600."`
}

func (m measures) chosen() incident.Measures {
	return incident.Measures{Sessions: m.EndSessions, Tokens: m.RevokeTokens, Password: m.NewPassword, Letter: m.Letter, Why: m.Why, PerHour: m.PerHour}
}

// Run writes the incident down and counts.
func (c *incidentDescribe) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		choice, err := c.choice(ctx, h)
		if err != nil {
			return err
		}
		list, err := c.list(ctx, sh)
		if err != nil {
			return err
		}
		i, err := h.Incidents.Describe(ctx, runIncidents, c.Name, choice, c.measures.chosen(), list, audit.Origin{})
		if err != nil {
			return err
		}
		n, err := h.Incidents.Count(ctx, runIncidents, i.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(struct {
				ID        int64 `json:"id"`
				Customers int64 `json:"customers"`
			}{i.ID, n})
		}
		next := "start it with: rekey incident start"
		if i.Measures.None() {
			next = "say what to do with: rekey incident decide"
		}
		fmt.Fprintf(sh.out, "Incident %d covers %d customers. Nothing was done yet; %s %d\n", i.ID, n, next, i.ID)
		return nil
	})
}

func (c *incidentDescribe) choice(ctx context.Context, h *app.House) (choice incident.Choice, err error) {
	if choice.Choice, err = incident.ParseChoice(c.SeenFrom, c.SeenTo, c.CreatedFrom, c.CreatedTo, c.Network); err != nil {
		return choice, err
	}
	choice.HoldsTokens, choice.OldHash = c.HoldsTokens, c.OldHash
	if c.Website != "" {
		w, err := websiteNamed(ctx, h, c.Website)
		if err != nil {
			return choice, err
		}
		choice.WebsiteIDs = []int64{w.ID}
	}
	if c.App == "" {
		return choice, nil
	}
	err = h.DB.Read(ctx, func(tx *db.Tx) error {
		apps, err := token.Clients(ctx, tx, managePrograms)
		for _, a := range apps {
			if a.ClientID == c.App {
				choice.ClientID = a.ID
			}
		}
		if err == nil && choice.ClientID == 0 {
			err = fmt.Errorf("there is no app %q; rekey oauth-client list shows them", c.App)
		}
		return err
	})
	return choice, err
}

// maxAddressLine is how many bytes one line of a list of addresses may take on average.
const maxAddressLine = 256

// list reads the file of addresses.
func (c *incidentDescribe) list(ctx context.Context, sh shell) (string, error) {
	if c.Addresses == "" {
		return "", nil
	}
	file, done, err := sh.open(ctx, c.Addresses)
	if err != nil {
		return "", err
	}
	defer done()
	text, err := input.ReadAll(file, incident.MaxAddresses*maxAddressLine)
	if err != nil {
		return "", fmt.Errorf("the list of addresses cannot be read: %w", err)
	}
	if len(text) == 0 {
		err = errors.New("the list of addresses is empty") // an empty list must not mean everybody
	}
	return string(text), err
}

// numbered is an incident by its number.
type numbered struct {
	place
	listing
	ID int64 `arg:"" help:"Number of the incident, as incident list shows it."`
}

func (c *numbered) find(ctx context.Context, h *app.House) (i incident.Incident, err error) {
	err = h.DB.Read(ctx, func(tx *db.Tx) (err error) {
		i, err = incident.Find(ctx, tx, runIncidents, c.ID)
		return err
	})
	return i, err
}

// turn does one act and shows the incident.
func (c *numbered) turn(ctx context.Context, sh shell, act func(h *app.House) error) error {
	return c.read(ctx, func(h *app.House) error {
		if act != nil {
			if err := act(h); err != nil {
				return err
			}
		}
		i, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(incidentRowOf(i))
		}
		return showIncident(sh, i)
	})
}

type incidentDecide struct {
	numbered
	measures
}

// Run keeps the measures.
func (c *incidentDecide) Run(ctx context.Context, sh shell) error {
	return c.turn(ctx, sh, func(h *app.House) error {
		return h.Incidents.Decide(ctx, runIncidents, c.ID, c.measures.chosen())
	})
}

type incidentStart struct {
	numbered
	Wait bool `help:"Carry it out here, or watch the server do it, until it ends."`
}

// Run starts the incident.
func (c *incidentStart) Run(ctx context.Context, sh shell) error {
	return c.turn(ctx, sh, func(h *app.House) error {
		err := h.Incidents.Start(ctx, runIncidents, c.ID, audit.Origin{})
		if err != nil || !c.Wait {
			return err
		}
		return c.watch(ctx, sh, h)
	})
}

// watch works on the incident where no server does, and tells how far it is. The lease decides who works.
func (c *incidentStart) watch(ctx context.Context, sh shell, h *app.House) error {
	p := newProgress(sh, "customers treated")
	defer p.end()
	worked := make(chan error, 1)
	go func() { worked <- h.Incidents.WorkOnce(ctx, c.ID) }()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case err := <-worked:
			if err != nil {
				return err
			}
			worked = nil // a server holds it, or it is at its end
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		i, err := c.find(ctx, h)
		if err != nil || i.State != incident.Running {
			return err
		}
		p.to(int(i.Treated))
	}
}

type incidentShow struct{ numbered }

// Run shows the incident.
func (c *incidentShow) Run(ctx context.Context, sh shell) error { return c.turn(ctx, sh, nil) }

type incidentPause struct{ numbered }

// Run holds the incident.
func (c *incidentPause) Run(ctx context.Context, sh shell) error {
	return c.turn(ctx, sh, func(h *app.House) error { return h.Incidents.Pause(ctx, runIncidents, c.ID, audit.Origin{}) })
}

type incidentResume struct{ numbered }

// Run lets the incident go on.
func (c *incidentResume) Run(ctx context.Context, sh shell) error {
	return c.turn(ctx, sh, func(h *app.House) error { return h.Incidents.Resume(ctx, runIncidents, c.ID, audit.Origin{}) })
}

type incidentCancel struct{ numbered }

// Run ends the incident.
func (c *incidentCancel) Run(ctx context.Context, sh shell) error {
	return c.turn(ctx, sh, func(h *app.House) error { return h.Incidents.Cancel(ctx, runIncidents, c.ID, audit.Origin{}) })
}

type incidentReport struct{ numbered }

// Run writes the report.
func (c *incidentReport) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		return h.Incidents.WriteReport(ctx, runIncidents, c.ID, sh.out, c.JSON)
	})
}

type incidentList struct {
	place
	listing
}

// incidentRow is one incident as programs read it.
type incidentRow struct {
	ID        int64      `json:"id"`
	Name      string     `json:"name"`
	MadeBy    string     `json:"made_by"`
	State     string     `json:"state"`
	Phase     string     `json:"phase"`
	Chosen    int64      `json:"chosen"`
	Treated   int64      `json:"treated"`
	Letters   int64      `json:"letters"`
	Sessions  int64      `json:"sessions_ended"`
	Tokens    int64      `json:"tokens_revoked"`
	Passwords int64      `json:"passwords_voided"`
	CreatedAt *time.Time `json:"created_at"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

func incidentRowOf(i incident.Incident) incidentRow {
	return incidentRow{i.ID, i.Name, i.MadeBy, string(i.State), string(i.Phase), i.Chosen, i.Treated, i.Written, i.Sessions, i.Tokens, i.Passwords,
		moment(i.CreatedAt), moment(i.StartedAt), moment(i.EndedAt)}
}

func showIncident(sh shell, i incident.Incident) error {
	t := newTable(sh.out)
	t.row("Incident:", fmt.Sprintf("%d, %s", i.ID, i.Name))
	t.row("State:", string(i.State))
	if p := i.Progress(time.Now()); i.State == incident.Running && p.Left > 0 {
		t.row("Progress:", fmt.Sprintf("%s %d %%, %.0f an hour, %s left", i.Phase, p.Percent(), p.PerHour, p.Left.Round(time.Second)))
	}
	t.row("Customers:", fmt.Sprintf("%d treated of %d chosen", i.Treated, i.Chosen))
	t.row("Ended:", fmt.Sprintf("%d sessions, %d tokens, %d passwords", i.Sessions, i.Tokens, i.Passwords))
	t.row("Letters:", fmt.Sprint(i.Written))
	t.row("Started:", clock(i.StartedAt))
	t.row("Ended at:", clock(i.EndedAt))
	return t.end()
}

// Run lists the incidents.
func (c *incidentList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		var all []incident.Incident
		if err := h.DB.Read(ctx, func(tx *db.Tx) (err error) {
			all, err = incident.List(ctx, tx, runIncidents)
			return err
		}); err != nil {
			return err
		}
		rows := []incidentRow{}
		for _, i := range all {
			rows = append(rows, incidentRowOf(i))
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "ID", "NAME", "STATE", "CHOSEN", "TREATED", "LETTERS")
		for _, r := range rows {
			t.row(fmt.Sprint(r.ID), r.Name, r.State, fmt.Sprint(r.Chosen), fmt.Sprint(r.Treated), fmt.Sprint(r.Letters))
		}
		return t.end()
	})
}
