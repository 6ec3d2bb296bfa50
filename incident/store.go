package incident

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

const columns = `id, name, made_by, choice, measures, state, phase, chosen, treated, written, sessions, tokens, passwords,
	last_words, created_at, started_at, ended_at, reached, ceiling, paced_at, paced_from`

func scan(row db.Scanner) (Incident, error) {
	var i Incident
	var choice, measures, state, phase string
	err := row.Scan(&i.ID, &i.Name, &i.MadeBy, &choice, &measures, &state, &phase, &i.Chosen, &i.Treated, &i.Written, &i.Sessions,
		&i.Tokens, &i.Passwords, &i.LastWords, db.IntoTime(&i.CreatedAt), db.IntoTime(&i.StartedAt), db.IntoTime(&i.EndedAt),
		&i.reached, &i.ceiling, db.IntoTime(&i.pacedAt), &i.pacedFrom)
	if db.IsNoRows(err) {
		return i, fault.New(fault.NotFound, "not_found", "There is no such incident.")
	}
	if err != nil {
		return i, err
	}
	i.State, i.Phase = State(state), Phase(phase)
	if err := json.Unmarshal([]byte(choice), &i.Choice); err != nil {
		return i, err
	}
	return i, json.Unmarshal([]byte(measures), &i.Measures)
}

func (i *Incident) insert(ctx context.Context, tx *db.Tx) error {
	choice, err := json.Marshal(i.Choice)
	if err != nil {
		return err
	}
	measures, err := json.Marshal(i.Measures)
	if err != nil {
		return err
	}
	if i.CreatedAt, err = tx.Now(ctx); err != nil {
		return err
	}
	return tx.Row(ctx, `INSERT INTO incidents (name, made_by, choice, measures, state, phase, created_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7) RETURNING id`, i.Name, i.MadeBy, string(choice), string(measures), string(i.State),
		string(i.Phase), db.Micro(i.CreatedAt)).Scan(&i.ID)
}

// Find returns an incident. For an administrator of one website those that reach beyond it do not exist. Errors: fault
// Forbidden, NotFound.
func Find(ctx context.Context, tx *db.Tx, permit admin.Permit, id int64) (Incident, error) {
	if err := permit.Need(admin.RunIncidents); err != nil {
		return Incident{}, err
	}
	i, err := scan(tx.Row(ctx, "SELECT "+columns+" FROM incidents WHERE id = $1", id))
	if err == nil && !i.within(permit) {
		return Incident{}, fault.New(fault.NotFound, "not_found", "There is no such incident.")
	}
	return i, err
}

func (i Incident) within(permit admin.Permit) bool {
	if permit.Websites() == nil {
		return true
	}
	for _, id := range i.Choice.WebsiteIDs {
		if !permit.Covers(id) {
			return false
		}
	}
	return i.Choice.WebsiteIDs != nil
}

// maxListed bounds List: older incidents are in the audit.
const maxListed = 200

// List returns the latest incidents, newest first. Errors: fault Forbidden.
func List(ctx context.Context, tx *db.Tx, permit admin.Permit) ([]Incident, error) {
	if err := permit.Need(admin.RunIncidents); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM incidents ORDER BY id DESC LIMIT "+strconv.Itoa(maxListed))
	all, err := db.Collect(rows, err, scan)
	var reached []Incident
	for _, i := range all {
		if i.within(permit) {
			reached = append(reached, i)
		}
	}
	return reached, err
}

// perInsert is how many rows one INSERT brings: both engines take far more parameters.
const perInsert = 250

func putAddresses(ctx context.Context, tx *db.Tx, id int64, addresses []string) error {
	return inserts(ctx, tx, "INSERT INTO incident_addresses (incident_id, email_canon) VALUES ", id, addresses)
}

func inserts[T any](ctx context.Context, tx *db.Tx, statement string, id int64, values []T) error {
	for len(values) > 0 {
		n := min(len(values), perInsert)
		args, marks := []any{id}, make([]string, n)
		for i, v := range values[:n] {
			args = append(args, v)
			marks[i] = "($1, $" + strconv.Itoa(i+2) + ")"
		}
		if _, err := tx.Exec(ctx, statement+strings.Join(marks, ",")+" ON CONFLICT DO NOTHING", args...); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// listed narrows a choice to the addresses of an incident's list.
func listed(id int64) customer.Predicate {
	return customer.Predicate("EXISTS (SELECT 1 FROM incident_addresses a WHERE a.incident_id = " + strconv.FormatInt(id, 10) +
		" AND a.email_canon = customers.email_canon)")
}

// Line is what was done to one customer: a line of the report.
type Line struct {
	CustomerID int64      `json:"customer_id"`
	TreatedAt  *time.Time `json:"treated_at"` // null while it was not
	Sessions   int64      `json:"sessions"`
	Tokens     int64      `json:"tokens"`
	Password   bool       `json:"password"` // was put out of use
	Letter     string     `json:"letter"`   // how the letter does, "" without one
	Words      string     `json:"words"`    // why nothing was done
}

// Report returns up to most lines after a customer's number, in their order. Errors: fault Forbidden, NotFound.
func Report(ctx context.Context, tx *db.Tx, permit admin.Permit, id, after int64, most int) ([]Line, error) {
	if _, err := Find(ctx, tx, permit, id); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT c.customer_id, c.treated_at, c.sessions, c.tokens, c.password, COALESCE(l.state, ''), c.words
		FROM incident_customers c LEFT JOIN letter_standing l ON l.id = c.letter
		WHERE c.incident_id = $1 AND c.customer_id > $2 ORDER BY c.customer_id LIMIT `+strconv.Itoa(most), id, after)
	return db.Collect(rows, err, func(row db.Scanner) (Line, error) {
		var l Line
		var at time.Time
		err := row.Scan(&l.CustomerID, db.IntoTime(&at), &l.Sessions, &l.Tokens, &l.Password, &l.Letter, &l.Words)
		if !at.IsZero() {
			l.TreatedAt = &at
		}
		return l, err
	})
}
