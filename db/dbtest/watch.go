package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/db"
)

// ErrBroken is the error of a statement that Watch.Break has broken.
var ErrBroken = errors.New("the test has broken this statement")

// Watch sees every statement of a database, BEGIN and COMMIT of its writes too, and breaks the ones that it is told to.
type Watch struct {
	engine string

	mu    sync.Mutex
	seen  map[string][]any // statements with the arguments that they came with last
	order []string         // since Break or At
	at    int              // which one to do something before; 0: none
	first func() error
	what  string // it was
}

// EachWatched is EachAt whose database is watched.
func EachWatched(t *testing.T, f func(t *testing.T, d *db.DB, clock *Clock, w *Watch)) {
	t.Helper()
	EachEngine(t, func(t *testing.T, engine string) { OneWatched(t, engine, f) })
}

// OneWatched is EachWatched on one engine, in the test itself.
func OneWatched(t *testing.T, engine string, f func(t *testing.T, d *db.DB, clock *Clock, w *Watch)) {
	t.Helper()
	clock, w := NewClock(), &Watch{engine: engine, seen: map[string][]any{}}
	f(t, open(t, URL(t, engine), db.Options{Clock: clock.Now, NoMigrate: true, Before: w.before}), clock, w)
}

// Engine is what the watched database runs on.
func (w *Watch) Engine() string { return w.engine }

func (w *Watch) before(query string, args []any) error {
	w.mu.Lock()
	w.order = append(w.order, query)
	if query != "BEGIN" && query != "COMMIT" {
		w.seen[query] = args
	}
	if len(w.order) != w.at {
		w.mu.Unlock()
		return nil
	}
	w.at, w.what = 0, query
	w.mu.Unlock() // what is done first may ask the database too
	return w.first()
}

// Break breaks the nth statement from now on, and no other; 0 breaks none. Statements that were seen are forgotten.
func (w *Watch) Break(nth int) { w.At(nth, func() error { return ErrBroken }) }

// At does something before the nth statement from now on, and its error becomes the statement's.
func (w *Watch) At(nth int, first func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.order, w.at, w.first, w.what, w.seen = nil, nth, first, "", map[string][]any{}
}

// Reached is the statement that Break or At was about, or "" when so many did not come.
func (w *Watch) Reached() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.what
}

// Order is the statements that came since Break or At.
func (w *Watch) Order() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order)
}

// Reads tells, for each statement that was seen, what of it reads a table or a view from end to end: what costs more the larger
// the store is. SQLite plans without statistics, as it does in a store. PostgreSQL is told to avoid scans, as it would in a large one.
func (w *Watch) Reads(t testing.TB, d *db.DB) map[string][]string {
	t.Helper()
	w.mu.Lock()
	seen := maps.Clone(w.seen)
	w.mu.Unlock()
	found := map[string][]string{}
	for query, args := range seen {
		ctx := context.Background()
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			if w.engine == Postgres {
				found[query], err = scansOfPostgres(ctx, tx, query, args)
			} else {
				found[query], err = scansOfSQLite(ctx, tx, query, args)
			}
			return err
		})
		if err != nil {
			t.Fatalf("explain %s: %v", query, err)
		}
	}
	return found
}

func scansOfSQLite(ctx context.Context, tx *db.Tx, query string, args []any) ([]string, error) {
	rows, err := tx.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	steps, err := db.Collect(rows, err, func(row db.Scanner) (step string, err error) {
		var id, parent, unused int64
		err = row.Scan(&id, &parent, &unused, &step)
		return step, err
	})
	return slices.DeleteFunc(steps, func(step string) bool {
		whole := strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW" && !strings.HasPrefix(step, "SCAN (subquery") // its own steps say what it reads
		return !whole && !strings.HasPrefix(step, "MATERIALIZE ") && !strings.Contains(step, "AUTOMATIC")
	}), err
}

// node is one step of PostgreSQL's plan.
type node struct {
	Type  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Index string `json:"Index Name"`
	Cond  string `json:"Index Cond"`
	Plans []node
}

func scansOfPostgres(ctx context.Context, tx *db.Tx, query string, args []any) (scans []string, err error) {
	if _, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off"); err != nil {
		return nil, err
	}
	var text string
	if err := tx.Row(ctx, "EXPLAIN (FORMAT JSON) "+query, args...).Scan(&text); err != nil {
		return nil, err
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return nil, err
	}
	var walk func(n node)
	walk = func(n node) {
		if n.Type == "Seq Scan" || strings.Contains(n.Type, "Index") && n.Cond == "" {
			scans = append(scans, strings.TrimSpace("SCAN "+n.Table+" "+n.Index))
		}
		for _, below := range n.Plans {
			walk(below)
		}
	}
	for _, p := range plans {
		walk(p.Plan)
	}
	return scans, nil
}

// Digest is a hash of the rows of each table: of two that are equal, nothing has changed.
func Digest(t testing.TB, d *db.DB) map[string]string {
	t.Helper()
	digests, ctx := map[string]string{}, context.Background()
	err := d.Read(ctx, func(tx *db.Tx) error {
		names, err := tables(ctx, tx)
		for _, name := range names {
			var rows []string
			if rows, err = rowsOf(ctx, tx, name); err != nil {
				return err
			}
			slices.Sort(rows)
			digests[name] = fmt.Sprintf("%d rows, %x", len(rows), sha256.Sum256([]byte(strings.Join(rows, "\n"))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return digests
}

func tables(ctx context.Context, tx *db.Tx) ([]string, error) {
	catalogue := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if tx.ForUpdate() != "" {
		catalogue = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
	}
	rows, err := tx.Query(ctx, catalogue)
	return db.Collect(rows, err, func(row db.Scanner) (name string, err error) {
		err = row.Scan(&name)
		return name, err
	})
}

func rowsOf(ctx context.Context, tx *db.Tx, table string) ([]string, error) {
	rows, err := tx.Query(ctx, "SELECT * FROM "+table)
	if err != nil {
		return nil, err
	}
	columns, err := rows.Columns()
	return db.Collect(rows, err, func(row db.Scanner) (string, error) {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		err := row.Scan(values...)
		var text strings.Builder
		for _, v := range values {
			fmt.Fprintf(&text, "%v|", *v.(*any))
		}
		return text.String(), err
	})
}
