package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	if err := checkTarget(rawURL); err != nil {
		return err
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
	config.DialFunc = dial
	config.ValidateConnect = beginsOnPrimary

	d.engine = postgresEngine
	servers := newHosts(config)
	d.several = len(servers.each) > 1
	d.write = sql.OpenDB(servers)
	d.read = d.write // one pool: security decisions read the primary
	most := o.MaxConns
	if most <= 0 {
		most = max(16, 8*runtime.GOMAXPROCS(0))
	}
	d.write.SetMaxOpenConns(most)
	d.write.SetMaxIdleConns(most)
	d.write.SetConnMaxIdleTime(5 * time.Minute)
	d.share(most)
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
		if value == "local" && d.several {
			return errors.New("PostgreSQL runs with synchronous_commit=local and would forget acknowledged writes in a failover; set it to on")
		}
	}
	return nil
}

// MayForget tells whether the address names several servers while no standby has to confirm a write before it is
// acknowledged, so that a failover could lose some.
func (d *DB) MayForget(ctx context.Context) (bool, error) {
	if !d.several {
		return false, nil
	}
	var standbys string
	err := d.Read(ctx, func(tx *Tx) error {
		return tx.Row(ctx, "SELECT current_setting('synchronous_standby_names')").Scan(&standbys)
	})
	return err == nil && standbys == "", err
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
	conn, t, err := d.begin(ctx, d.write, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer t.Rollback() // after a commit it does nothing
	if err = newTx(ctx, d, t).run(f); err == nil {
		err = d.commit(t)
	}
	if isReadOnly(err) {
		t.Rollback() // its error would be the same one
		leaveStandby(ctx, conn.Conn)
	}
	return err
}

// leaveStandby gives a connection up that leads to a standby, whoever brought it there, so that the next one looks for
// the primary.
func leaveStandby(ctx context.Context, conn *sql.Conn) {
	var follows bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_is_in_recovery()").Scan(&follows); err == nil && !follows {
		return // the primary, read-only for a while
	}
	conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool forgets it
}
