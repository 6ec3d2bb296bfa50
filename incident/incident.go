// Package incident is breach day: many customers at once are signed out, lose their tokens, must choose a new password and are
// told so. It owns the tables incidents, incident_customers and incident_addresses.
//
// Promises:
//   - Whoever was chosen at the start is treated, once; nobody else. The choice is written down before anything is done.
//   - What is done to one customer, its row of the report and its audit line commit together, with the place that the work has
//     reached: after kill -9 of the node another goes on, doing nothing twice and leaving nobody out.
//   - One node does the work of an incident at a time: each batch begins by holding the incident's row under its lease.
//   - Batches are small, so that customers and administrators are served in between.
//   - When a whole website is chosen, its sessions, tokens and links are dead on every node before Start returns; treating its
//     customers one by one follows.
//   - A customer whose password was put out of use meets the same answer as anybody with a wrong one.
package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

const (
	// MaxAddresses is how many addresses the list of an incident may have.
	MaxAddresses = 100_000
	// MaxWhy is how long the sentence that tells customers why may be, in characters.
	MaxWhy = 600
	// MaxName is how long an incident's name may be, in characters.
	MaxName = 100
	// MaxPerHour is the fastest pace of letters.
	MaxPerHour = 1_000_000
	// DefaultPerHour is the pace of letters unless another is chosen: most mail servers take it.
	DefaultPerHour = 3_600
)

// State is where an incident stands.
type State string

// States of an incident. The last two are its end.
const (
	Draft     State = "draft"     // described; nothing is done before it is started
	Running   State = "running"   // a node works on it, or will in a moment
	Paused    State = "paused"    // by hand; goes on where it was
	Cancelled State = "cancelled" // what is done stays done
	Finished  State = "finished"
)

// Phase is what a running incident is at.
type Phase string

// Phases, in their order.
const (
	Choosing Phase = "choosing" // writing down who is meant
	Treating Phase = "treating" // ending sessions, revoking tokens, voiding passwords
	Writing  Phase = "writing"  // queueing letters at their pace
	Over     Phase = "over"
)

// Choice says which customers are meant. Everything that is set narrows.
type Choice struct {
	customer.Choice
	HoldsTokens bool  `json:",omitempty"` // of any holder
	ClientID    int64 `json:",omitempty"` // tokens of this app
	OldHash     bool  `json:",omitempty"` // the password is hashed otherwise than today's are
	Listed      bool  `json:",omitempty"` // only addresses of the list that was given
}

// Measures say what is done to them.
type Measures struct {
	Sessions bool   `json:",omitempty"` // end all
	Tokens   bool   `json:",omitempty"` // revoke all
	Password bool   `json:",omitempty"` // demand a new one; ends recovery links that are under way
	Letter   bool   `json:",omitempty"` // tell them, with the link to a new password where one is demanded
	Why      string `json:",omitempty"` // a sentence of the store's for the letter; "" for the usual one, in the reader's language
	PerHour  int    `json:",omitempty"` // letters; 0 is DefaultPerHour
}

// Pace is how many letters an hour are meant, also before anybody has said so.
func (m Measures) Pace() int {
	if m.PerHour == 0 {
		return DefaultPerHour
	}
	return m.PerHour
}

// Incident is one of them.
type Incident struct {
	ID                            int64
	Name, MadeBy                  string
	Choice                        Choice
	Measures                      Measures
	State                         State
	Phase                         Phase
	Chosen, Treated, Written      int64 // customers
	Sessions, Tokens, Passwords   int64 // ended, revoked, put out of use
	LastWords                     string
	CreatedAt, StartedAt, EndedAt time.Time

	reached, ceiling int64 // numbers of customers: how far the phase has come, and the last of those who existed at the start
	pacedAt          time.Time
	pacedFrom        int64
}

// Open tells whether something may still happen.
func (i Incident) Open() bool { return i.EndedAt.IsZero() }

// Service holds what incidents need.
type Service struct {
	DB       *db.DB
	Shop     *shop.Shop
	Hasher   *secret.Hasher
	Recovery *recovery.Service

	turns sync.Mutex // of this node's incidents
}

// Describe writes an incident down as a draft: nothing is done yet, and what is to be done may be decided later. lines is the list
// of addresses, one a line, or empty; blank lines are passed over, and a list of nothing else is refused: it must not mean
// everybody. Errors: fault Invalid on "name", "why", "per_hour", "website", "addresses"; Forbidden.
func (s *Service) Describe(ctx context.Context, permit admin.Permit, name string, c Choice, m Measures, lines string, o audit.Origin) (Incident, error) {
	if err := permit.Need(admin.RunIncidents); err != nil {
		return Incident{}, err
	}
	if err := m.check(); err != nil {
		return Incident{}, err
	}
	if name = strings.TrimSpace(name); name == "" || utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return Incident{}, fault.Refuse("name", "malformed", fmt.Sprintf("Give it a name of at most %d characters, such as the day and what happened.", MaxName), nil)
	}
	if err := c.narrow(permit); err != nil {
		return Incident{}, err
	}
	addresses, err := parseList(lines)
	if err != nil {
		return Incident{}, err
	}
	if c.Listed = len(addresses) > 0; !c.Listed && lines != "" {
		return Incident{}, fault.Refuse("addresses", "required", "The list holds no address.", nil)
	}
	i := Incident{Name: name, MadeBy: permit.Actor().Name, Choice: c, Measures: m, State: Draft, Phase: Choosing}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		if err := i.insert(ctx, tx); err != nil {
			return err
		}
		return putAddresses(ctx, tx, i.ID, addresses)
	})
	return i, err
}

// Decide says what a draft is to do. Errors: fault Invalid on "measures", "why", "per_hour"; Conflict for one that was started;
// Forbidden; NotFound.
func (s *Service) Decide(ctx context.Context, permit admin.Permit, id int64, m Measures) error {
	if err := permit.Need(admin.RunIncidents); err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	if m.None() {
		return nothingToDo()
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		if _, err := Find(ctx, tx, permit, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE incidents SET measures = $2 WHERE id = $1 AND state = $3", id, string(text), string(Draft))
		if err == nil && n == 0 {
			return fault.New(fault.Conflict, "incident.state", "It was started already, so what it does stands.")
		}
		return err
	})
}

// None tells whether nothing was decided yet.
func (m Measures) None() bool { return !m.Sessions && !m.Tokens && !m.Password && !m.Letter }

func nothingToDo() error {
	return fault.Refuse("measures", "required", "Choose at least one thing to do.", nil)
}

func (m *Measures) check() error {
	switch {
	case utf8.RuneCountInString(m.Why) > MaxWhy || strings.ContainsFunc(m.Why, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }):
		return fault.Refuse("why", "malformed", fmt.Sprintf("The sentence for the letter may have at most %d characters.", MaxWhy), nil)
	case m.PerHour < 0 || m.PerHour > MaxPerHour:
		return fault.Refuse("per_hour", "malformed", "Letters can be sent at 1 to 1,000,000 an hour.", nil)
	}
	m.Why = strings.Join(strings.Fields(m.Why), " ")
	m.PerHour = m.Pace()
	return nil
}

// narrow keeps a choice inside what the permit reaches.
func (c *Choice) narrow(permit admin.Permit) error {
	if c.WebsiteIDs == nil {
		c.WebsiteIDs = permit.Websites()
	}
	for _, id := range c.WebsiteIDs {
		if !permit.Covers(id) {
			return fault.Refuse("website", "unknown", "There is no such website. Choose one of the list.", nil)
		}
	}
	return nil
}

func parseList(lines string) ([]string, error) {
	var list []string
	n := 0
	for line := range strings.Lines(lines) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		a, err := customer.ParseAddress(line)
		if err != nil {
			return nil, fault.Refuse("addresses", "malformed", fmt.Sprintf("Line %d of the list is no email address.", n), nil)
		}
		list = append(list, a.Canonical())
	}
	if len(list) > MaxAddresses {
		return nil, fault.Refuse("addresses", "too_many", fmt.Sprintf("A list may have at most %d addresses; this one has %d.", MaxAddresses, len(list)), nil)
	}
	return list, nil
}

// whom is the choice as package customer understands it.
func (s *Service) whom(i Incident, now time.Time) customer.Choice {
	c := i.Choice.Choice
	if i.Choice.OldHash {
		c.HashedOtherwise = s.Hasher.Prefix()
	}
	if i.Choice.HoldsTokens || i.Choice.ClientID != 0 {
		c.Where = append(c.Where, token.HeldBy(i.Choice.ClientID, now))
	}
	if i.Choice.Listed {
		c.Where = append(c.Where, listed(i.ID))
	}
	return c
}

// Count tells how many customers an incident would cover if it started now.
func (s *Service) Count(ctx context.Context, permit admin.Permit, id int64) (n int64, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		i, err := Find(ctx, tx, permit, id)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err = customer.CountChosen(ctx, tx, s.whom(i, now))
		return err
	})
	return n, err
}

// Start sets an incident going. Where whole websites are chosen, what was issued there is dead when it returns. Errors: fault
// Invalid on "measures" while none is decided; Conflict for one that was started before; Forbidden; NotFound.
func (s *Service) Start(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) error {
	stores, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	return s.turn(ctx, permit, id, Draft, Running, audit.IncidentStarted, o, func(tx *db.Tx, i Incident) error {
		if i.Measures.None() {
			return nothingToDo()
		}
		ceiling, err := customer.Newest(ctx, tx)
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE incidents SET ceiling = $2, started_at = $3 WHERE id = $1", id, ceiling, db.Micro(now)); err != nil {
			return err
		}
		if !s.whom(i, now).Everybody() {
			return nil
		}
		websites := i.Choice.WebsiteIDs
		if websites == nil {
			for _, w := range stores.Websites() {
				websites = append(websites, w.ID)
			}
		}
		return customer.Cut{Sessions: i.Measures.Sessions, Tokens: i.Measures.Tokens, Links: i.Measures.Password}.Make(ctx, tx, websites...)
	})
}

// Pause holds a running incident after the batch under way. Errors: fault Conflict, Forbidden, NotFound.
func (s *Service) Pause(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) error {
	return s.turn(ctx, permit, id, Running, Paused, audit.IncidentPaused, o, nil)
}

// Resume lets a paused incident go on where it was. Errors: fault Conflict, Forbidden, NotFound.
func (s *Service) Resume(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) error {
	return s.turn(ctx, permit, id, Paused, Running, audit.IncidentResumed, o, nil)
}

// Cancel ends an incident that has not ended: what was done stays done, and its report stays. Errors: fault Conflict,
// Forbidden, NotFound.
func (s *Service) Cancel(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) error {
	return s.turn(ctx, permit, id, "", Cancelled, audit.IncidentCancelled, o, nil)
}

// turn moves an incident from one state to another, "" for any that is not its end, together with its audit line.
func (s *Service) turn(ctx context.Context, permit admin.Permit, id int64, from, to State, action string, o audit.Origin, also func(*db.Tx, Incident) error) error {
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		i, err := Find(ctx, tx, permit, id)
		if err != nil {
			return err
		}
		if !i.Open() || from != "" && i.State != from {
			return fault.New(fault.Conflict, "incident.state", "This cannot be done now: it is "+string(i.State)+".")
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		ended := time.Time{}
		if to == Cancelled {
			ended = now
		}
		n, err := tx.Exec(ctx, "UPDATE incidents SET state = $3, lease = NULL, lease_until = NULL, ended_at = $4 WHERE id = $1 AND state = $2",
			id, string(i.State), string(to), db.Micro(ended))
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Conflict, "incident.state", "Somebody else was faster. Look at it again.")
		}
		if also != nil {
			if err := also(tx, i); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, i.entry(action, permit.Actor(), o))
	})
}

func (i Incident) entry(action string, actor audit.Actor, o audit.Origin) audit.Entry {
	e := audit.Entry{Action: action, Actor: actor, Subject: i.Name, Origin: o, Detail: map[string]string{"incident": fmt.Sprint(i.ID)}}
	if len(i.Choice.WebsiteIDs) == 1 {
		e.WebsiteID = i.Choice.WebsiteIDs[0]
	}
	return e
}

// ParseChoice reads what people write in forms and flags: days as 2006-01-02 in UTC, a network. Errors: fault Invalid on
// the field.
func ParseChoice(seenFrom, seenTo, createdFrom, createdTo, network string) (customer.Choice, error) {
	var c customer.Choice
	for _, one := range []struct {
		field, text string
		into        *time.Time
	}{{"seen_from", seenFrom, &c.SeenFrom}, {"seen_to", seenTo, &c.SeenTo}, {"created_from", createdFrom, &c.CreatedFrom}, {"created_to", createdTo, &c.CreatedTo}} {
		if one.text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, one.text)
		if err != nil {
			return c, fault.Refuse(one.field, "malformed", "Write a day as year-month-day, such as 2026-11-24.", nil)
		}
		*one.into = day
	}
	var err error
	if network != "" {
		c.Network, err = customer.ParseNetwork(network)
	}
	return c, err
}
