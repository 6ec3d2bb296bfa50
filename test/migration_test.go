package test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// TestAMigrationThatIsKilledIsGoneOnWith kills "rekey migrate" at moments spread over the time that it takes, on an empty
// database each time. The next one goes on where it was, and the schema is whole.
func TestAMigrationThatIsKilledIsGoneOnWith(t *testing.T) {
	beside(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		migration := func(database string) []string {
			data := t.TempDir()
			if database == "" {
				database = "sqlite:" + filepath.Join(data, "rekey.db")
			}
			return []string{"migrate", "--data", data, "--database", database, "--secret-key-file", keyFile(t, data)}
		}
		empty := func() string {
			if engine == dbtest.SQLite {
				return ""
			}
			return dbtest.EmptyURL(t, engine)
		}
		undisturbed := migration(empty())
		began := time.Now()
		if _, complaint, exit := command(t, "", undisturbed...); exit != 0 {
			t.Fatalf("undisturbed: %s", complaint)
		}
		full := time.Since(began)

		n, killed, halfway := rounds(t, 8, 3), 0, 0
		for i := range n {
			args := migration(empty())
			cmd := exec.Command(path, args...)
			cmd.Env = environment()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			kill := time.AfterFunc(full*time.Duration(i+1)/time.Duration(n+1), func() { cmd.Process.Kill() })
			if cmd.Wait() != nil {
				killed++
			}
			kill.Stop()
			database := args[4]
			if d, err := db.Open(context.Background(), database, db.Options{NoMigrate: true, MaxConns: 2}); err == nil {
				d.Close()
			} else if strings.Contains(err.Error(), "and this program needs") && !strings.Contains(err.Error(), "at version 0 ") {
				halfway++
			}
			if _, complaint, exit := command(t, "", args...); exit != 0 {
				t.Fatalf("after a kill %v into it: exit %d: %s", full*time.Duration(i+1)/time.Duration(n+1), exit, complaint)
			}
			d, err := db.Open(context.Background(), database, db.Options{NoMigrate: true, MaxConns: 2})
			if err != nil {
				t.Fatalf("after a kill: %v", err)
			}
			var applied, distinct int64
			err = d.Read(context.Background(), func(tx *db.Tx) error {
				return tx.Row(context.Background(), "SELECT COUNT(*), COUNT(DISTINCT version_id) FROM goose_db_version WHERE version_id > 0").Scan(&applied, &distinct)
			})
			if err != nil || applied != distinct {
				t.Errorf("%d migrations were applied, %d different ones: %v", applied, distinct, err)
			}
			d.Close()
		}
		t.Logf("%d of %d were killed, %d between two migrations", killed, n, halfway)
		if killed == 0 {
			t.Error("nothing was killed")
		}
	})
}
