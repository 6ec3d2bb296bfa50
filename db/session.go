package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// A pooler between us and PostgreSQL may give every transaction another connection of its own, and refuses what it cannot hand on when
// a connection begins. So nothing rests in a session: no setting, no prepared statement with a name where there is a pooler
// (hosts.go), no lock (migrate.go). The time limits of a transaction travel in the message that begins it then; a connection of our own
// is told them once, which costs the server less (decision 27 has the figures).

// session is a connection whose transactions are bounded.
type session struct {
	*stdlib.Conn
	limits string // follows BEGIN, behind a pooler
}

// takeLimits gives the time limits of a transaction; a database's address may say others.
func takeLimits(config *pgx.ConnConfig) (limits []string) {
	for _, limit := range [][2]string{{"statement_timeout", "10s"}, {"lock_timeout", "5s"}, {"idle_in_transaction_session_timeout", "30s"}} {
		name, value := limit[0], limit[1]
		if said, ok := config.RuntimeParams[name]; ok {
			value = said
			delete(config.RuntimeParams, name)
		}
		limits = append(limits, name+" = '"+strings.ReplaceAll(value, "'", "''")+"'")
	}
	return limits
}

type unhurried struct{}

// takingItsTime is for work on a whole table: its statements may run for as long as they need, and still wait briefly for locks.
func takingItsTime(ctx context.Context) context.Context {
	return context.WithValue(ctx, unhurried{}, true)
}

// BeginTx belongs to driver.ConnBeginTx.
func (s session) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	conn := s.Conn.Conn()
	if conn.IsClosed() {
		return nil, driver.ErrBadConn
	}
	begin := "begin"
	switch sql.IsolationLevel(o.Isolation) {
	case sql.LevelReadCommitted:
		begin += " isolation level read committed"
	case sql.LevelRepeatableRead:
		begin += " isolation level repeatable read"
	}
	if o.ReadOnly {
		begin += " read only"
	}
	begin += s.limits
	if ctx.Value(unhurried{}) != nil {
		begin += "; set local statement_timeout = 0"
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return nil, err
	}
	return transaction{ctx, tx}, nil
}

type transaction struct {
	ctx context.Context
	pgx pgx.Tx
}

func (t transaction) Commit() error   { return t.pgx.Commit(t.ctx) }
func (t transaction) Rollback() error { return t.pgx.Rollback(t.ctx) }
