package recovery

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
)

const (
	timelineAge   = 90 * 24 * time.Hour
	timelineSteps = 200
)

// Step is one moment of a customer's story: what was asked, what became of the letter, what was done.
type Step struct {
	At             time.Time
	Kind           string // an audit action, or "letter." and the state that a letter came into
	Letter         string // the kind of letter, for letter steps
	LetterID       db.ID
	Words          string // of the mail server, or the reason
	Server         string
	Place, Browser string
	Actor          audit.Actor
	Subject        string // what it was done to, as the audit has it
	Outcome        string
	Detail         map[string]string
}

// everyday is what happens so often that it would bury the story: a program may sign in every hour.
var everyday = []string{audit.SessionStarted, audit.SessionEnded, audit.TokenIssued}

// Timeline tells a customer's recent story, oldest first: asked, queued, handed over or refused, opened, changed. What
// was asked for the address counts, because nobody looked the customer up when it was asked. Every sign-in is told only
// when everything is asked for.
func Timeline(ctx context.Context, tx *db.Tx, c customer.Customer, everything bool) ([]Step, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	since := now.Add(-timelineAge)
	key := c.Address().Key(c.WebsiteID)
	skip := everyday
	if everything {
		skip = nil
	}
	entries, err := audit.OfCustomer(ctx, tx, c.ID, key, since, timelineSteps, skip...)
	if err != nil {
		return nil, err
	}
	letters, err := mail.OfCustomer(ctx, tx, c.ID, key, timelineSteps)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, e := range entries {
		steps = append(steps, Step{At: e.At, Kind: e.Action, Place: e.Place, Browser: e.Browser, Actor: e.Actor, Subject: e.Subject, Outcome: e.Outcome, Detail: e.Detail})
	}
	for _, l := range letters {
		for _, e := range l.Events {
			if e.At.Before(since) || e.State == mail.Sending {
				continue
			}
			steps = append(steps, Step{At: e.At, Kind: "letter." + string(e.State), Letter: l.Kind, LetterID: l.ID, Words: e.Words, Server: e.Server})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()) })
	return steps[max(0, len(steps)-timelineSteps):], nil
}
