package db_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Nodes are started together. Whoever comes first migrates, the others wait and find it done.
func TestNodesThatStartTogetherApplyEachMigrationOnce(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		const nodes = 6
		ctx, url := context.Background(), dbtest.EmptyURL(t, engine)
		all, err := db.Migrations(engine)
		if err != nil {
			t.Fatal(err)
		}
		files, err := fs.Glob(all, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		migrations := int64(len(files)) // their numbers may have gaps
		opened := make([]*db.DB, nodes)
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() {
				d, err := db.Open(ctx, url, db.Options{MaxConns: 4})
				if err != nil {
					t.Errorf("node %d: %v", i, err)
					return
				}
				opened[i] = d
			})
		}
		wg.Wait()
		for _, d := range opened {
			if d == nil {
				continue
			}
			current, known, err := d.Version(ctx)
			var applied, distinct int64
			if err == nil {
				err = d.Read(ctx, func(tx *db.Tx) error {
					return tx.Row(ctx, "SELECT COUNT(*), COUNT(DISTINCT version_id) FROM goose_db_version WHERE version_id > 0").Scan(&applied, &distinct)
				})
			}
			if err != nil || current != known || applied != migrations || distinct != migrations {
				t.Error(fmt.Sprintf("version %d of %d, %d rows of %d migrations for %d files", current, known, applied, distinct, migrations), err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A program must not run on a schema that it does not know yet, when it was told to leave it alone.
func TestAnOlderSchemaIsNamedWhenItMayNotBeMigrated(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		if _, err := db.Open(context.Background(), dbtest.EmptyURL(t, engine), db.Options{NoMigrate: true}); err == nil {
			t.Fatal("an empty database was taken for a migrated one")
		}
	})
}
