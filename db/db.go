// Package db is the ground under every table: one SQL text, two engines, and transactions that are durable.
//
// Promises:
//   - What Write acknowledged survives kill -9 and, if the disk honours fsync, a power cut: SQLite runs WAL with
//     synchronous=FULL; a PostgreSQL that runs without synchronous_commit, fsync or full_page_writes is refused.
//   - On SQLite, concurrent writes share one commit: each closure runs in its own savepoint of one transaction and is
//     answered after the commit, so that many writers cost one fsync (group commit). PostgreSQL does this itself.
//   - One clock judges expiry: the database's on PostgreSQL, the process's on SQLite, which has one process.
//   - Websites share the connections fairly, and some are kept for the house's own work (package fair).
//   - It takes a share of the connections that PostgreSQL allows. A caller waits for one for a bounded time, also where the server has
//     none left, then gets ErrUnavailable; no statement on PostgreSQL outlives its
//     transaction's time, whatever became of the server.
//   - Nothing rests in a session, so that any pooler may stand before PostgreSQL, also one that hands connections on after each
//     transaction.
//   - Of several PostgreSQL servers the primary is used, for reading too; after a failover the new one is found without
//     a restart.
//   - The other packages never ask which engine runs; where one statement must differ, a method of Tx gives the words.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rekeyhq/rekey/fair"
)

// ErrUnavailable says that the database could not be reached, had no room, or did not answer in time. Nothing was
// promised to the caller; trying again is safe.
var ErrUnavailable = errors.New("the database is unavailable")

// Limits of every transaction.
const (
	AcquireTimeout = 2 * time.Second  // how long a caller waits for a connection or for a place in the group
	WriteTimeout   = 10 * time.Second // how long one transaction may run
)

// Options of Open. The zero value is right for production.
type Options struct {
	// Clock replaces the engine's clock; tests move time with it.
	Clock func() time.Time
	// Before is told of every statement of a transaction, and of the BEGIN and COMMIT of one that writes, before it runs; its error
	// becomes theirs. Tests look at what runs with it, break it, and do something else in between.
	Before func(query string, args []any) error
	// NoMigrate leaves the schema alone; Open then fails if it is not the one that this program knows.
	NoMigrate bool
	// MaxConns bounds the connections to PostgreSQL and the readers of SQLite; 0 means a default.
	MaxConns int
	// TrustProvider accepts a PostgreSQL that reports fsync or full_page_writes as off, because whoever runs it keeps acknowledged
	// writes in another way.
	TrustProvider bool
}

// DB is an open database of either engine. It is safe for concurrent use.
type DB struct {
	engine engine
	write  *sql.DB
	read   *sql.DB
	clock  func() time.Time
	before func(query string, args []any) error
	path   string      // of the SQLite file, else ""
	group  *group      // SQLite's writer, else nil
	serves atomic.Bool // this process is the server of the SQLite file
	guests *fair.Gate  // connections that visitors of websites may hold
	staff  *fair.Gate  // connections that administrators may hold

	several   bool     // the address names more than one PostgreSQL server
	entrusted []string // settings of it that are off
}

// Open opens "sqlite:PATH" or "postgres://…", checks that it is durable, and brings the schema up to date unless
// o.NoMigrate. Several nodes may do so at once.
func Open(ctx context.Context, rawURL string, o Options) (*DB, error) {
	d := &DB{clock: o.Clock, before: o.Before}
	var err error
	switch {
	case strings.HasPrefix(rawURL, "sqlite:"):
		err = d.openSQLite(strings.TrimPrefix(rawURL, "sqlite:"), o)
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		err = d.openPostgres(ctx, rawURL, o)
	default:
		return nil, fmt.Errorf("the database must be sqlite:PATH or postgres://…, not %q", Redact(rawURL))
	}
	if err != nil {
		return nil, err
	}
	if o.NoMigrate {
		err = d.checkSchema(ctx)
	} else {
		err = d.Migrate(ctx)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	if d.engine == sqliteEngine {
		d.group = startGroup(d)
	}
	return d, nil
}

// Redact returns a database URL without what may be secret in it (user's password, query), for people and logs.
func Redact(rawURL string) string {
	if strings.HasPrefix(rawURL, "sqlite:") {
		return rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(an address that cannot be read)"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery, u.ForceQuery = "", false
	return u.String()
}

// Close waits for running writes and closes every connection.
func (d *DB) Close() error {
	if d.group != nil {
		d.group.stop()
	}
	return errors.Join(d.read.Close(), d.write.Close())
}

// Ping tells whether the database answers, within AcquireTimeout.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, AcquireTimeout)
	defer cancel()
	return d.name(patiently(ctx, func() error { return d.read.PingContext(ctx) }))
}

// Write runs f in one durable transaction. If f returns an error, nothing of it remains. When the database reports a
// serialization failure or a deadlock, f runs again, so it must do nothing but work with tx.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	if err := d.ask("BEGIN", nil); err != nil {
		return err
	}
	if d.group != nil {
		return d.group.do(ctx, f)
	}
	return d.writePostgres(ctx, f)
}

// Read runs f on one consistent snapshot of the primary that it cannot change.
func (d *DB) Read(ctx context.Context, f func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, WriteTimeout)
	defer cancel()
	o := &sql.TxOptions{ReadOnly: true}
	if d.engine == postgresEngine {
		o.Isolation = sql.LevelRepeatableRead
	}
	conn, t, err := d.begin(ctx, d.read, o)
	if err != nil {
		return d.name(err)
	}
	defer conn.Close()
	defer t.Rollback() // a reader has nothing to commit
	return d.name(newTx(ctx, d, t).run(f))
}

// Stats returns the pools' figures, for metrics; who waited for a turn waited for a connection.
func (d *DB) Stats() sql.DBStats {
	stats := d.read.Stats()
	for _, g := range []*fair.Gate{d.guests, d.staff} {
		count, waited := g.Waits()
		stats.WaitCount += count
		stats.WaitDuration += waited
	}
	return stats
}
