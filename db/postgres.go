package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	writeTries    = 5                     // of one Write after serialization failures and deadlocks
	writePause    = 10 * time.Millisecond // before the second try; grows, with jitter
	oldestVersion = 150000                // PostgreSQL 15
)

func (d *DB) openPostgres(ctx context.Context, rawURL string, o Options) error {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return fmt.Errorf("the PostgreSQL address cannot be read: %s", Redact(rawURL))
	}
	set := func(name, value string) {
		if _, given := config.RuntimeParams[name]; !given {
			config.RuntimeParams[name] = value
		}
	}
	set("application_name", "rekey")
	set("timezone", "UTC")
	set("statement_timeout", "10000")
	set("lock_timeout", "5000")
	set("idle_in_transaction_session_timeout", "30000")
	config.ConnectTimeout = AcquireTimeout

	d.engine = postgresEngine
	d.write = stdlib.OpenDB(*config)
	d.read = d.write // one pool: security decisions read the primary
	most := o.MaxConns
	if most <= 0 {
		most = max(16, 8*runtime.GOMAXPROCS(0))
	}
	d.write.SetMaxOpenConns(most)
	d.write.SetMaxIdleConns(most)
	d.write.SetConnMaxIdleTime(5 * time.Minute)
	if err := d.checkPostgres(ctx); err != nil {
		d.write.Close()
		return err
	}
	return nil
}

// checkPostgres refuses a server that is too old, or that would forget what it acknowledged.
func (d *DB) checkPostgres(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*AcquireTimeout)
	defer cancel()
	var version int
	err := d.write.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version)
	if err != nil {
		return d.name(err)
	}
	if version < oldestVersion {
		return fmt.Errorf("PostgreSQL 15 or newer is needed; this one is %d", version/10000)
	}
	for _, setting := range []string{"synchronous_commit", "fsync", "full_page_writes"} {
		var value string
		if err := d.write.QueryRowContext(ctx, "SELECT current_setting($1)", setting).Scan(&value); err != nil {
			return d.name(err)
		}
		if value == "off" {
			return fmt.Errorf("PostgreSQL runs with %s=off and would forget acknowledged writes in a crash; set it to on", setting)
		}
	}
	return nil
}

func (d *DB) writePostgres(ctx context.Context, f func(*Tx) error) error {
	pause := writePause
	for try := 1; ; try++ {
		err := d.writeOnce(ctx, f)
		var pg *pgconn.PgError
		again := errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
		if !again || try == writeTries {
			return d.name(err)
		}
		select {
		case <-time.After(pause + rand.N(pause)):
			pause *= 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *DB) writeOnce(ctx context.Context, f func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, WriteTimeout)
	defer cancel()
	conn, err := d.conn(ctx, d.write)
	if err != nil {
		return err
	}
	defer conn.Close()
	t, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer t.Rollback()
	if err := f(&Tx{tx: t, db: d}); err != nil {
		return err
	}
	return t.Commit()
}
