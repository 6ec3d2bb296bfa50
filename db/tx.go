package db

import (
	"context"
	"database/sql"
	"time"
)

// Tx is one transaction. It is made by Write and Read only and must not outlive their closure.
type Tx struct {
	tx  *sql.Tx
	db  *DB
	now time.Time

	prepared map[string]*sql.Stmt // by text; nil for what was asked once

	ends    time.Time       // no statement outlives this moment; zero: unbounded
	asked   context.Context // of the last statement
	bounded context.Context // asked, until ends
	release []context.CancelFunc
}

// newTx makes the Tx of a transaction whose statements must end when ctx does, whatever context they bring: a worker's
// has no end, and a server whose machine is gone does not refuse, it is silent.
func newTx(ctx context.Context, d *DB, t *sql.Tx) *Tx {
	tx := &Tx{tx: t, db: d}
	tx.ends, _ = ctx.Deadline()
	return tx
}

// run calls f and then lets go of what its statements held.
func (t *Tx) run(f func(*Tx) error) error {
	defer func() {
		for _, release := range t.release {
			release()
		}
	}()
	return f(t)
}

// Exec runs a statement and tells how many rows it touched.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (affected int64, err error) {
	if err := t.db.ask(query, args); err != nil {
		return 0, err
	}
	again, err := t.again(ctx, query)
	if err != nil {
		return 0, err
	}
	var r sql.Result
	if again != nil {
		r, err = again.ExecContext(t.statement(ctx), args...)
	} else {
		r, err = t.tx.ExecContext(t.statement(ctx), query, args...)
	}
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Row runs a query that gives at most one row; Scan's error is sql.ErrNoRows when there is none.
func (t *Tx) Row(ctx context.Context, query string, args ...any) Scanner {
	if err := t.db.ask(query, args); err != nil {
		return failed{err}
	}
	again, err := t.again(ctx, query)
	switch {
	case err != nil:
		return failed{err}
	case again != nil:
		return again.QueryRowContext(t.statement(ctx), args...)
	}
	return t.tx.QueryRowContext(t.statement(ctx), query, args...)
}

// Query runs a query; hand its result to Collect.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := t.db.ask(query, args); err != nil {
		return nil, err
	}
	return t.tx.QueryContext(t.statement(ctx), query, args...)
}

// again is a statement that was asked before in this transaction, nil the first time. SQLite would read its text each time, which
// takes as long as running it; PostgreSQL's driver remembers by itself. It ends with the transaction.
func (t *Tx) again(ctx context.Context, query string) (*sql.Stmt, error) {
	if t.db.engine != sqliteEngine {
		return nil, nil
	}
	s, asked := t.prepared[query]
	if s != nil {
		return s, nil
	}
	if !asked {
		if t.prepared == nil {
			t.prepared = map[string]*sql.Stmt{}
		}
		t.prepared[query] = nil
		return nil, nil
	}
	s, err := t.tx.PrepareContext(t.statement(ctx), query)
	t.prepared[query] = s
	return s, err
}

// failed is a row that could not be asked for.
type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// ask tells Options.Before of a statement.
func (d *DB) ask(query string, args []any) error {
	if d.before == nil {
		return nil
	}
	return d.before(query, args)
}

// commit makes a transaction durable.
func (d *DB) commit(t *sql.Tx) error {
	if err := d.ask("COMMIT", nil); err != nil {
		return err
	}
	return t.Commit()
}

// statement bounds the context of a statement by its transaction. On SQLite it takes cancellation away: an interrupted
// write there rolls back the whole transaction, which is shared with the other writers of the group.
func (t *Tx) statement(ctx context.Context) context.Context {
	if t.db.engine == sqliteEngine {
		return context.WithoutCancel(ctx)
	}
	if t.ends.IsZero() {
		return ctx
	}
	if ctx != t.asked {
		bounded, release := context.WithDeadline(ctx, t.ends)
		t.asked, t.bounded, t.release = ctx, bounded, append(t.release, release)
	}
	return t.bounded
}

// ClockSteps is how far Now may go wrong, an hour there and back, before what was used up is forgotten too early: what keeps
// something from being used again is kept that much longer than the thing is good.
const ClockSteps = 2*time.Hour + time.Minute

// Now is the moment that this transaction judges by, the same for the whole transaction, in UTC and whole microseconds.
func (t *Tx) Now(ctx context.Context) (time.Time, error) {
	if !t.now.IsZero() {
		return t.now, nil
	}
	switch {
	case t.db.clock != nil:
		t.now = t.db.clock()
	case t.db.engine == postgresEngine:
		if err := t.Row(ctx, "SELECT clock_timestamp()").Scan(&t.now); err != nil {
			return time.Time{}, err
		}
	default:
		t.now = time.Now()
	}
	t.now = t.now.UTC().Truncate(time.Microsecond)
	return t.now, nil
}

// ForUpdate ends a SELECT whose rows will be changed: " FOR UPDATE", or "" where writers are alone anyway.
func (t *Tx) ForUpdate() string {
	if t.db.engine == postgresEngine {
		return " FOR UPDATE"
	}
	return ""
}

// ForShare ends a SELECT whose rows must stay as they are until the transaction ends.
func (t *Tx) ForShare() string {
	if t.db.engine == postgresEngine {
		return " FOR SHARE"
	}
	return ""
}

// SkipLocked is ForUpdate that passes over rows which another transaction holds.
func (t *Tx) SkipLocked() string {
	if t.db.engine == postgresEngine {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// Bytewise is a text that is compared byte by byte, as SQLite does; PostgreSQL would go by the language of its database, and cannot
// look for the beginning of a text in an index then.
func (t *Tx) Bytewise(text string) string {
	if t.db.engine == postgresEngine {
		return text + ` COLLATE "C"`
	}
	return text
}

// Advance makes the next generated id of a table larger than any id in it, after rows were stored with ids of their own.
func (t *Tx) Advance(ctx context.Context, table string) error {
	if t.db.engine != postgresEngine {
		return nil // AUTOINCREMENT looks at the largest id itself
	}
	_, err := t.Exec(ctx, "SELECT setval(pg_get_serial_sequence('"+table+"', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM "+table+"), false)")
	return err
}

// Scanner is a row to scan: *sql.Row or *sql.Rows.
type Scanner interface{ Scan(dest ...any) error }

// Collect reads every row of a query.
func Collect[T any](rows *sql.Rows, err error, scan func(Scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
