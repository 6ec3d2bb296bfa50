package console

import (
	"fmt"
	"time"

	"github.com/rekeyhq/rekey/incident"
)

// incidentState names where an incident stands, and its tone.
func incidentState(i incident.Incident) (word, tone string) {
	switch i.State {
	case incident.Draft:
		return "Not started", quiet
	case incident.Running:
		return "Running", waiting
	case incident.Paused:
		return "Paused", careful
	case incident.Cancelled:
		if i.StartedAt.IsZero() {
			return "Discarded", quiet
		}
		return "Stopped", bad
	case incident.Finished:
		return "Finished", good
	}
	return string(i.State), quiet
}

// phaseWords tells what an incident is at.
func phaseWords(i incident.Incident) string {
	switch {
	case i.Phase == incident.Over:
		return "Done"
	case i.Phase == incident.Choosing:
		return "Writing down who is meant"
	case i.Phase == incident.Treating:
		return "Treating customers"
	}
	return "Queueing letters"
}

// meant tells whom an incident is about.
func (c *call) meant(i incident.Incident) []fact {
	facts := []fact{{"Website", c.incidentRow(i).Where}}
	add := func(label, value string) { facts = append(facts, fact{label, value}) }
	span := func(label string, from, to time.Time) {
		switch {
		case !from.IsZero() && !to.IsZero():
			add(label, from.Format("2 Jan 2006")+" to "+to.AddDate(0, 0, -1).Format("2 Jan 2006")+" (UTC)")
		case !from.IsZero():
			add(label, "on "+from.Format("2 Jan 2006")+" (UTC) or later")
		case !to.IsZero():
			add(label, "before "+to.Format("2 Jan 2006")+" (UTC)")
		}
	}
	span("Last sign-in", i.Choice.SeenFrom, i.Choice.SeenTo)
	span("Account created", i.Choice.CreatedFrom, i.Choice.CreatedTo)
	if i.Choice.Network.IsValid() {
		add("Signed in from", i.Choice.Network.String())
	}
	if i.Choice.ClientID != 0 {
		name := "an app"
		apps, err := c.appNames()
		for _, a := range apps {
			if err == nil && a.ID == i.Choice.ClientID {
				name = a.Name
			}
		}
		add("Tokens", "held by "+name)
	} else if i.Choice.HoldsTokens {
		add("Tokens", "held by any program")
	}
	if i.Choice.OldHash {
		add("Password", "hashed otherwise than today’s")
	}
	if i.Choice.Listed {
		add("List", "only addresses of the list given")
	}
	return append(facts, fact{"Made by", i.MadeBy})
}

// measures tells what an incident does.
func measures(m incident.Measures) []fact {
	var facts []fact
	yes := func(on bool, label, value string) {
		if on {
			facts = append(facts, fact{label, value})
		}
	}
	yes(m.Sessions, "Sessions", "all end")
	yes(m.Tokens, "Tokens", "all are revoked")
	yes(m.Password, "Password", "a new one is required")
	yes(m.Letter, "Letter", thousands(int64(m.PerHour))+" an hour")
	yes(m.Letter && m.Why != "", "It says", m.Why)
	return facts
}

func startQuestion(i incident.Incident, customers int64, where, key string) *question {
	url := incidentsPath + "/" + itoa(i.ID)
	q := &question{ID: "start", Title: "Start this incident?", URL: url + "/start", Back: url, Do: "OK", Key: key}
	m := i.Measures
	var acts []string
	for _, one := range []struct {
		on   bool
		text string
	}{{m.Sessions, "their sessions end"}, {m.Tokens, "their tokens are revoked"}, {m.Password, "their passwords are put out of use"}} {
		if one.on {
			acts = append(acts, one.text)
		}
	}
	subject := counted(customers, "customer") + " of " + lowerFirst(where)
	if len(acts) > 0 {
		q.Words = append(q.Words, subject+": "+listed(acts)+".")
	}
	if m.Letter {
		q.Words = append(q.Words, fmt.Sprintf("%s queued for %s, %s an hour; that takes about %s.", countedLetters(customers), subject,
			thousands(int64(m.PerHour)), roughly(m.LettersTake(customers))))
	}
	q.Words = append(q.Words, "It can be paused and stopped, but what is done cannot be taken back.")
	return q
}

func countedLetters(n int64) string {
	if n == 1 {
		return "1 letter is"
	}
	return thousands(n) + " letters are"
}

func lowerFirst(s string) string {
	if s == "All websites" {
		return "all websites"
	}
	return s
}

func (c *call) stopQuestion(i incident.Incident, key string) *question {
	url := incidentsPath + "/" + itoa(i.ID)
	words := fmt.Sprintf("%s of %s treated so far, and %s queued. What is done stays done; the rest is left as it is.",
		thousands(i.Treated), counted(i.Chosen, "customer"), counted(i.Written, "letter"))
	return &question{ID: "stop", Title: "Stop this incident for good?", Words: []string{words}, URL: url + "/stop", Back: url, Do: "OK", Key: key}
}

// roughly writes a length of time as people say it: "40 seconds", "3 hours 25 minutes", "11 days 14 hours".
func roughly(d time.Duration) string {
	switch { // the last unit that is said is the nearest
	case d >= 24*time.Hour:
		d = d.Round(time.Hour)
	case d >= time.Minute:
		d = d.Round(time.Minute)
	}
	units := []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}
	for n, u := range units {
		if d < u.size && n < len(units)-1 {
			continue
		}
		text := counted(int64(d/u.size), u.name)
		if n+1 < len(units)-1 {
			if rest := int64(d % u.size / units[n+1].size); rest > 0 {
				text += " " + counted(rest, units[n+1].name)
			}
		}
		return text
	}
	return ""
}
