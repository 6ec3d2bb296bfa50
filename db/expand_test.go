package db_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
)

// taking are the statements that could take something away from a program that does not know of them. They begin a line.
var taking = regexp.MustCompile(`(?m)^(ALTER|DROP|UPDATE|DELETE|TRUNCATE)\b.*$`)

// giving are those of them that take nothing away from the version before: its statements go on, and so do its rows.
var giving = []struct {
	why  string
	form *regexp.Regexp
}{
	{"a column that an INSERT may leave out", regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ \w+( NOT NULL DEFAULT .+)?;$`)},
	{"where the numbers of an empty table begin", regexp.MustCompile(`^ALTER TABLE \w+ ALTER COLUMN id RESTART WITH \d+;$`)},
	{"an index is no part of any statement", regexp.MustCompile(`^DROP INDEX \w+;$`)},
}

// first gives a column values that the same migration adds: no other program knows of it yet.
var first = regexp.MustCompile(`^UPDATE (\w+) SET (\w+) = [\w.]+ FROM \($`)

// again is a thing that is dropped to be made anew, with more in it, further down in the same migration.
var again = regexp.MustCompile(`^DROP (VIEW|TRIGGER) (\w+)`)

// During an upgrade two versions run side by side, and one may go back: a migration only adds.
func TestMigrationsOnlyExpand(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		files, err := db.Migrations(engine)
		if err != nil {
			t.Fatal(err)
		}
		names, err := fs.Glob(files, "*.sql")
		if err != nil || len(names) == 0 {
			t.Fatalf("%d migrations, %v", len(names), err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			up, _, _ := strings.Cut(string(text), "-- +goose Down")
			for _, at := range taking.FindAllStringIndex(up, -1) {
				if statement := up[at[0]:at[1]]; !expands(statement, up[:at[0]], up[at[1]:]) {
					t.Errorf("%s/%s: %s", engine, name, statement)
				}
			}
		}
	}
}

// expands tells whether a statement takes nothing away, given what stands before it and what follows it.
func expands(statement, before, rest string) bool {
	for _, g := range giving {
		if g.form.MatchString(statement) {
			return true
		}
	}
	if filled := first.FindStringSubmatch(statement); filled != nil {
		return strings.Contains(before, "ALTER TABLE "+filled[1]+" ADD COLUMN "+filled[2]+" ")
	}
	dropped := again.FindStringSubmatch(statement)
	return dropped != nil && strings.Contains(rest, "CREATE "+dropped[1]+" "+dropped[2]+" ")
}

// The test above must see what it is for.
func TestWhatTakesAwayIsSeen(t *testing.T) {
	for _, statement := range []string{
		"ALTER TABLE customers ADD COLUMN nickname TEXT NOT NULL;", // the older version's INSERT does not name it
		"ALTER TABLE customers DROP COLUMN email;",
		"ALTER TABLE customers RENAME TO people;",
		"DROP TABLE links;",
		"DROP VIEW customer_standing;", // and not made again
		"UPDATE customers SET active = FALSE;",
		"UPDATE customers SET active = p.active FROM (", // the column was there before
	} {
		if !taking.MatchString(statement) || expands(statement, "ALTER TABLE customers ADD COLUMN nickname TEXT;", "CREATE TABLE others (id BIGINT);") {
			t.Errorf("taken for harmless: %s", statement)
		}
	}
}
