package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// templateLock is the advisory lock under which test processes make the template; any fixed number will do.
const templateLock = 7_242_391

// server is the PostgreSQL server of this run: its URL and a connection pool to it. A server of our own stays
// reachable from here, because its life hangs on a pipe that must not be collected.
type server struct {
	url  string
	pool *sql.DB
	own  *throwaway.Server
}

var theServer = sync.OnceValues(func() (*server, error) {
	s := &server{url: os.Getenv("REKEY_TEST_POSTGRES")}
	if s.url == "" {
		own, err := throwaway.Start(context.Background())
		if err != nil {
			return nil, err
		}
		s.own, s.url = own, own.URL
	}
	var err error
	s.pool, err = sql.Open("pgx", s.url)
	if err != nil {
		return nil, err
	}
	s.pool.SetMaxIdleConns(0) // no goroutine of ours stays behind for a leak test to find
	return s, nil
})

// postgresTemplate is the name of the migrated database that tests copy, made once per server and per state of the
// migrations.
var postgresTemplate = sync.OnceValues(func() (string, error) {
	s, err := theServer()
	if err != nil {
		return "", err
	}
	state, err := migrationsHash()
	if err != nil {
		return "", err
	}
	name := "rekey_template_" + state
	ctx := context.Background()
	conn, err := s.pool.Conn(ctx) // one connection: the lock belongs to its session, and ends with it at the latest
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, templateLock); err != nil {
		return "", err
	}
	defer conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, templateLock)
	var exists bool
	err = conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)`, name).Scan(&exists)
	if err != nil || exists {
		return name, err
	}
	return name, makeTemplate(ctx, conn, s.url, name)
})

// makeTemplate migrates a database under a working name and renames it, so that a template is whole or absent.
func makeTemplate(ctx context.Context, conn *sql.Conn, serverURL, name string) error {
	draft := name + "_draft"
	if _, err := conn.ExecContext(ctx, `DROP DATABASE IF EXISTS `+draft+` WITH (FORCE)`); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `CREATE DATABASE `+draft); err != nil {
		return err
	}
	url, err := throwaway.Database(serverURL, draft)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, url, db.Options{})
	if err != nil {
		return fmt.Errorf("migrate the PostgreSQL template: %w", err)
	}
	if err := d.Close(); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `ALTER DATABASE `+draft+` RENAME TO `+name)
	return err
}

func postgresCopy(t testing.TB) string {
	t.Helper()
	template, err := postgresTemplate()
	if err != nil {
		missing(t, err)
	}
	return postgresFrom(t, template)
}

// postgresFrom makes a database as a copy of another one and drops it when the test ends.
func postgresFrom(t testing.TB, template string) string {
	t.Helper()
	s, err := theServer()
	if err != nil {
		missing(t, err)
	}
	random := make([]byte, 8)
	rand.Read(random) // never fails (crypto/rand)
	name := "rekey_test_" + hex.EncodeToString(random)
	ctx := context.Background()
	if _, err := s.pool.ExecContext(ctx, `CREATE DATABASE `+name+` TEMPLATE `+template); err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := s.pool.ExecContext(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	url, err := throwaway.Database(s.url, name)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// migrationsHash identifies the state of the migrations, so that a server that outlives an edit of them never
// serves an old template.
func migrationsHash() (string, error) {
	files, err := db.Migrations(Postgres)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text) // a hash never fails to write
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

// Poolers are the modes in which a pooler of the tests can stand before PostgreSQL.
var Poolers = []string{"session", "transaction"}

// Pooled gives the address of a PostgreSQL database behind a PgBouncer of the test's own; settings are lines of its configuration.
func Pooled(t testing.TB, url, mode string, settings ...string) string {
	t.Helper()
	place, err := throwaway.NewPlace()
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(place.Remove)
	pooled, err := place.Pooler(url, mode, settings...)
	if err != nil {
		missing(t, err)
	}
	return pooled
}
