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
		return err // Why has the words for it; its own may hold the password
	}
	if err := checkTarget(rawURL); err != nil {
		return err
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "rekey"
	}
	config.ConnectTimeout = AcquireTimeout
	config.DialFunc = dial

	d.engine = postgresEngine
	servers := newHosts(config)
	d.several = len(servers.each) > 1
	d.write = sql.OpenDB(servers)
	d.read = d.write // one pool: security decisions read the primary
	d.write.SetConnMaxIdleTime(5 * time.Minute)
	d.hold(LeastConns)
	ctx, cancel := context.WithTimeout(ctx, 2*AcquireTimeout)
	defer cancel()
	server, err := d.look(ctx)
	if err == nil {
		err = server.refusal(d.several, o.TrustProvider)
	}
	most := o.MaxConns
	switch {
	case err != nil:
	case most <= 0:
		most = server.share()
	case most > server.allows && !servers.pooled.Load():
		err = fmt.Errorf("--database-connections %d is more than PostgreSQL has for this role: max_connections, or a CONNECTION LIMIT, leave %d", most, server.allows)
	}
	if err != nil {
		d.write.Close()
		return err
	}
	if o.TrustProvider {
		d.entrusted = server.forgets()
	}
	d.hold(most)
	return nil
}

const (
	LeastConns   = 4 // below it nothing would be left for visitors
	connsForCore = 8
	usualConns   = 16 // with few cores
)

// hold bounds the pool.
func (d *DB) hold(most int) {
	d.write.SetMaxOpenConns(max(most, 2)) // a migration needs one to hold its lock
	d.write.SetMaxIdleConns(most)
	d.share(most)
}

// server is what a PostgreSQL server says of itself.
type server struct {
	version                  int
	encoding                 string
	commit, fsync, fullPages string
	allows                   int // connections, to this role and this database
}

func (d *DB) look(ctx context.Context) (s server, err error) {
	var ofRole, ofDatabase int
	err = d.Read(ctx, func(tx *Tx) error {
		return tx.Row(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
			current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
				- COALESCE(current_setting('reserved_connections', true)::int, 0),
			COALESCE((SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user), -1),
			(SELECT datconnlimit FROM pg_database WHERE datname = current_database())`).
			Scan(&s.version, &s.encoding, &s.commit, &s.fsync, &s.fullPages, &s.allows, &ofRole, &ofDatabase)
	})
	for _, limit := range []int{ofRole, ofDatabase} {
		if limit >= 0 {
			s.allows = min(s.allows, limit)
		}
	}
	return s, err
}

// share is how many connections one node takes if nobody says: enough for its cores, and no more than a quarter of what there is, so
// that a few nodes, one that is just being replaced, and other programs have room.
func (s server) share() int {
	wanted := max(usualConns, connsForCore*runtime.GOMAXPROCS(0))
	return min(max(LeastConns, min(wanted, s.allows/4)), max(1, s.allows))
}

// forgets are the settings that are off, and that acknowledged writes hang on, where the server is an ordinary one.
func (s server) forgets() (off []string) {
	if s.fsync == "off" {
		off = append(off, "fsync")
	}
	if s.fullPages == "off" {
		off = append(off, "full_page_writes")
	}
	return off
}

// refusal says why a server cannot be used: it is too old, cannot store every name, or would forget what it acknowledged.
func (s server) refusal(several, trusted bool) error {
	off := s.forgets()
	switch {
	case s.version < oldestVersion:
		return fmt.Errorf("PostgreSQL 15 or newer is needed; this one is %d", s.version/10000)
	case s.encoding != "UTF8":
		return fmt.Errorf("the database stores text as %s, which has no place for some names; make one with ENCODING 'UTF8' TEMPLATE template0", s.encoding)
	case s.commit == "off":
		return errors.New("PostgreSQL runs with synchronous_commit=off and would forget acknowledged writes in a crash; set it to on")
	case s.commit == "local" && several:
		return errors.New("PostgreSQL runs with synchronous_commit=local and would forget acknowledged writes in a failover; set it to on")
	case len(off) > 0 && !trusted:
		return fmt.Errorf("PostgreSQL runs with %s=off and would forget acknowledged writes in a crash; set it to on, "+
			"or say --database-durability=provider if a provider such as Neon or Aurora keeps them in another way", off[0])
	}
	return nil
}

// Entrusted are the settings that are off and were accepted all the same (Options.TrustProvider).
func (d *DB) Entrusted() []string { return d.entrusted }

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
