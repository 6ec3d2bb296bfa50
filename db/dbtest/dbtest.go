// Package dbtest gives a test the real databases, fresh and migrated.
//
// What a reviewer may hold it to:
//   - Each test has a database of its own on each engine, made by the product's own migrations, and nothing of it is
//     left afterwards.
//   - The databases are as durable as in production (fsync and WAL as db.Open sets them).
//   - Without PostgreSQL a test is skipped on a laptop and fails where CI=true: a green run there means both engines.
//
// PostgreSQL is the server in REKEY_TEST_POSTGRES (a URL whose role may create databases; make test starts one for
// the whole run). Unset, each test process starts its own, which leaves with it. REKEY_TEST_ENGINES names the
// engines to use, separated by commas; unset means both.
package dbtest

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// The engines, as they appear in the names of subtests and in REKEY_TEST_ENGINES.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Engines lists the engines that this run tests.
func Engines() []string {
	all := []string{SQLite, Postgres}
	if wanted := os.Getenv("REKEY_TEST_ENGINES"); wanted != "" {
		names := strings.Split(wanted, ",")
		all = slices.DeleteFunc(all, func(e string) bool { return !slices.Contains(names, e) })
	}
	return all
}

// Each runs f once per engine, as a subtest named after it, on a fresh database whose clock is the engine's own.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	EachEngine(t, func(t *testing.T, engine string) { f(t, Open(t, engine)) })
}

// EachAt is Each with a clock that stands still until the test moves it.
func EachAt(t *testing.T, f func(t *testing.T, d *db.DB, clock *Clock)) {
	t.Helper()
	EachEngine(t, func(t *testing.T, engine string) {
		clock := NewClock()
		f(t, open(t, URL(t, engine), db.Options{Clock: clock.Now, NoMigrate: true}), clock)
	})
}

// Two is EachAt with two nodes on one database: two handles that share nothing but a PostgreSQL server. SQLite
// belongs to one process, so there both are the same handle, and the test holds for two requests of it.
func Two(t *testing.T, f func(t *testing.T, a, b *db.DB, clock *Clock)) {
	t.Helper()
	EachEngine(t, func(t *testing.T, engine string) {
		clock, url := NewClock(), URL(t, engine)
		options := db.Options{Clock: clock.Now, NoMigrate: true}
		a := open(t, url, options)
		b := a
		if engine == Postgres {
			b = open(t, url, options)
		}
		f(t, a, b, clock)
	})
}

// EachEngine runs f once per engine, for tests that open the database in their own way.
func EachEngine(t *testing.T, f func(t *testing.T, engine string)) {
	t.Helper()
	for _, engine := range Engines() {
		t.Run(engine, func(t *testing.T) { f(t, engine) })
	}
}

// Open gives a fresh, migrated database of one engine, closed when the test ends.
func Open(t testing.TB, engine string) *db.DB {
	t.Helper()
	return open(t, URL(t, engine), db.Options{NoMigrate: true})
}

// URL gives the address of a fresh, migrated database, for db.Open or for the program's --database.
func URL(t testing.TB, engine string) string {
	t.Helper()
	if engine == SQLite {
		return sqliteCopy(t)
	}
	return postgresCopy(t)
}

// EmptyURL gives the address of a database without a single table, for tests of the migrations themselves.
func EmptyURL(t testing.TB, engine string) string {
	t.Helper()
	if engine == SQLite {
		return sqliteEmpty(t)
	}
	return postgresFrom(t, "template1")
}

func open(t testing.TB, url string, o db.Options) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), url, o)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close the test database: %v", err)
		}
	})
	return d
}

// missing ends a test that needs PostgreSQL where there is none.
func missing(t testing.TB, err error) {
	t.Helper()
	if (errors.Is(err, throwaway.ErrNotInstalled) || errors.Is(err, throwaway.ErrNoPooler)) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// Clock is the time that a test's database believes in. It stands still until it is told otherwise.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock gives a clock that shows Tuesday 24 November 2026, 09:00 UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, time.November, 24, 9, 0, 0, 0, time.UTC)}
}

// Now is the clock's time, in UTC; it has the shape of db.Options.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock to a moment.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t.UTC()
}

// Advance moves the clock by d, backwards when d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
