package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the engine's migration files; both folders hold the same names.
func Migrations(engine string) (fs.FS, error) { return fs.Sub(migrations, "migrations/"+engine) }

func (d *DB) provider() (*goose.Provider, error) {
	name, dialect := "sqlite", goose.DialectSQLite3
	if d.engine == postgresEngine {
		name, dialect = "postgres", goose.DialectPostgres
	}
	files, err := Migrations(name)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, d.write, files)
}

// Migrate brings the schema up to date. Several processes may call it at once: each migration is applied once.
func (d *DB) Migrate(ctx context.Context) error {
	release, err := d.lockSchema(ctx)
	if err != nil {
		return fmt.Errorf("the schema cannot be locked: %w", d.name(err))
	}
	defer release()
	p, err := d.provider()
	if err != nil {
		return err
	}
	err = patiently(ctx, func() error {
		_, err := p.Up(takingItsTime(ctx))
		return err
	})
	if err != nil {
		return fmt.Errorf("the schema could not be brought up to date: %w", d.name(err))
	}
	return d.checkSchema(ctx)
}

const (
	lockWait  = 2 * time.Minute // for another node that migrates
	lockPause = 100 * time.Millisecond
)

// lockSchema lets each migration be applied by one of the nodes that start at once. On PostgreSQL the lock is a transaction's: a pooler
// would leave one of a session behind on a connection that goes to somebody else. Whoever waits holds no connection of the pooler's.
func (d *DB) lockSchema(ctx context.Context) (release func(), err error) {
	if d.engine == sqliteEngine {
		f, err := lockFile(d.migrating(), syscall.LOCK_EX)
		return func() { f.Close() }, err
	}
	for range lockWait / lockPause {
		if release, err = d.tryLockSchema(ctx); err != nil || release != nil {
			return release, err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("%w: another node has been at it for %s", ErrUnavailable, lockWait)
}

// tryLockSchema gives no release where another node holds the lock.
func (d *DB) tryLockSchema(ctx context.Context) (release func(), err error) {
	conn, t, err := d.begin(takingItsTime(ctx), d.write, nil)
	if err != nil {
		return nil, err
	}
	undo := func() {
		t.Rollback()
		conn.Close()
	}
	_, err = t.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0")
	var mine bool
	if err == nil { // the same lock as nodes of before that take it for a session
		err = t.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", lock.DefaultLockID).Scan(&mine)
	}
	if !mine {
		undo()
		return nil, err
	}
	return undo, nil
}

// Version tells the schema's version and the one that this program knows.
func (d *DB) Version(ctx context.Context) (current, known int64, err error) {
	p, err := d.provider()
	if err != nil {
		return 0, 0, err
	}
	err = patiently(ctx, func() (err error) {
		current, known, err = p.GetVersions(ctx)
		return err
	})
	return current, known, d.name(err)
}

// checkSchema refuses a schema older than the program. A newer one is allowed: during an upgrade both versions run
// side by side, and migrations only expand.
func (d *DB) checkSchema(ctx context.Context) error {
	current, known, err := d.Version(ctx)
	if err != nil {
		return err
	}
	if current < known {
		return fmt.Errorf("the schema is at version %d and this program needs %d; run: rekey migrate", current, known)
	}
	return nil
}
