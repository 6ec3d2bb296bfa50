package dbtest_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	for range 2 { // the second round must not see the first one's row
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			err := d.Write(context.Background(), func(tx *db.Tx) error {
				_, err := tx.Exec(context.Background(),
					`INSERT INTO websites (code, name, created_at) VALUES ('mine', 'Mine', 0)`)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheClockIsTheTests(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		before := now(t, d)
		clock.Advance(24 * time.Hour)
		if passed := now(t, d).Sub(before); passed != 24*time.Hour {
			t.Errorf("after a day of the test's clock, %v had passed", passed)
		}
		moment := time.Date(2031, time.May, 4, 3, 2, 1, 0, time.FixedZone("", 3600))
		clock.Set(moment)
		if got := now(t, d); !got.Equal(moment) {
			t.Errorf("the clock was set to %v and shows %v", moment, got)
		}
	})
}

func TestTwoNodesSeeOneDatabase(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		ctx := context.Background()
		err := a.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO websites (code, name, created_at) VALUES ('mine', 'Mine', 0)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var name string
		err = b.Read(ctx, func(tx *db.Tx) error {
			return tx.Row(ctx, `SELECT name FROM websites WHERE code = $1`, "mine").Scan(&name)
		})
		if err != nil || name != "Mine" {
			t.Errorf("the other node reads %q, %v", name, err)
		}
	})
}

func TestBothEnginesHaveTheSameMigrations(t *testing.T) {
	if diff := cmp.Diff(migrationNames(t, dbtest.SQLite), migrationNames(t, dbtest.Postgres)); diff != "" {
		t.Errorf("file names of the migrations differ (-sqlite +postgres):\n%s", diff)
	}
}

// The migrations are written twice, since types and triggers differ; what they make must be the same.
func TestBothEnginesHaveTheSameSchema(t *testing.T) {
	if len(dbtest.Engines()) < 2 {
		t.Skip("needs both engines")
	}
	lite := schema(t, dbtest.Open(t, dbtest.SQLite), `
		SELECT m.name, c.name, CASE WHEN c.type IN ('INTEGER', 'INT') THEN 'BIGINT' ELSE c.type END,
			CASE WHEN m.type = 'view' THEN '' WHEN c."notnull" = 1 OR c.pk > 0 THEN 'required' ELSE 'optional' END
		FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'goose_db_version'`)
	large := schema(t, dbtest.Open(t, dbtest.Postgres), `
		SELECT c.table_name, c.column_name, CASE c.data_type WHEN 'bytea' THEN 'BLOB' ELSE upper(c.data_type) END,
			CASE WHEN t.table_type = 'VIEW' THEN '' WHEN c.is_nullable = 'NO' THEN 'required' ELSE 'optional' END
		FROM information_schema.columns c
		JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND c.table_name <> 'goose_db_version'`)
	if len(lite) == 0 {
		t.Fatal("no columns found")
	}
	if diff := cmp.Diff(lite, large); diff != "" {
		t.Errorf("the migrated schemas differ (-sqlite +postgres):\n%s", diff)
	}
}

// schema reads rows of four texts, one per column of a table, sorted.
func schema(t *testing.T, d *db.DB, query string) []string {
	t.Helper()
	ctx := context.Background()
	var lines []string
	err := d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, query)
		lines, err = db.Collect(rows, err, func(row db.Scanner) (string, error) {
			var table, column, kind, required string
			err := row.Scan(&table, &column, &kind, &required)
			return strings.TrimSpace(fmt.Sprintf("%s.%s %s %s", table, column, kind, required)), err
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func migrationNames(t *testing.T, engine string) []string {
	t.Helper()
	files, err := db.Migrations(engine)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("migrations of %s: %v, %v", engine, names, err)
	}
	return names
}

func now(t *testing.T, d *db.DB) time.Time {
	t.Helper()
	var at time.Time
	err := d.Read(context.Background(), func(tx *db.Tx) (err error) {
		at, err = tx.Now(context.Background())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}
