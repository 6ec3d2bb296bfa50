package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

var errRefused = errors.New("refused")

func raise(ctx context.Context, tx *db.Tx, by int) error {
	_, err := tx.Exec(ctx, "UPDATE shop_version SET version = version + $1", by)
	return err
}

func version(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	ctx := context.Background()
	if err := d.Read(ctx, func(tx *db.Tx) error { return tx.Row(ctx, "SELECT version FROM shop_version").Scan(&n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNothingOfARefusedWriteRemains(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		err := d.Write(ctx, func(tx *db.Tx) error { return errors.Join(raise(ctx, tx, 10), errRefused) })
		if !errors.Is(err, errRefused) || version(t, d) != 1 {
			t.Fatalf("error %v, version %d; want the refusal and nothing changed", err, version(t, d))
		}
	})
}

// Writers share a transaction on SQLite; what one of them does wrong must not reach the others.
func TestWritersOfOneCommitAreAnsweredEachOnItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers = 60
		ctx := context.Background()
		var wg sync.WaitGroup
		results := make([]error, writers)
		for i := range writers {
			wg.Go(func() {
				defer func() {
					if p := recover(); p != nil {
						results[i] = fmt.Errorf("panic")
					}
				}()
				results[i] = d.Write(ctx, func(tx *db.Tx) error {
					if err := raise(ctx, tx, 1); err != nil {
						return err
					}
					switch i % 3 {
					case 1:
						return errRefused
					case 2:
						panic("mine alone")
					}
					return nil
				})
			})
		}
		wg.Wait()
		for i, err := range results {
			if (i%3 == 0) != (err == nil) {
				t.Errorf("writer %d: %v", i, err)
			}
		}
		if got := version(t, d); got != 1+writers/3 {
			t.Errorf("version %d: want what the accepted writers added, %d", got, 1+writers/3)
		}
	})
}

func TestAWriteThatWasGivenUpBeforeItsTurnNeverHappens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := d.Write(ctx, func(tx *db.Tx) error { return raise(ctx, tx, 1) })
		if !errors.Is(err, context.Canceled) || version(t, d) != 1 {
			t.Fatalf("error %v, version %d", err, version(t, d))
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		if err := d.Read(ctx, func(tx *db.Tx) error { return raise(ctx, tx, 1) }); err == nil {
			t.Fatal("a reader changed the database")
		}
	})
}

func TestOneClockJudgesAWholeTransaction(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		ctx := context.Background()
		err := d.Write(ctx, func(tx *db.Tx) error {
			first, err := tx.Now(ctx)
			if err != nil {
				return err
			}
			clock.Advance(time.Hour)
			second, err := tx.Now(ctx)
			if !first.Equal(second) {
				t.Errorf("the clock moved within a transaction: %s, %s", first, second)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// The audit is evidence: not even the program itself can change it.
func TestAuditIsAppendOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		insert := "INSERT INTO audit (id, at, action, actor_kind) VALUES ($1, 1, 'x', 'system')"
		if err := d.Write(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, insert, db.NewID()); return err }); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{"UPDATE audit SET action = 'y'", "DELETE FROM audit"} {
			if err := d.Write(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, q); return err }); err == nil {
				t.Errorf("%s: was allowed", q)
			}
		}
	})
}

func TestASecondServerOnOneFileIsRefused(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite)
	release, _, err := d.ClaimServing()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.ClaimServing(); err == nil {
		t.Fatal("two servers on one SQLite file")
	}
	release()
	again, _, err := d.ClaimServing()
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	again()
}

func TestIDsComeBackAsTheyWere(t *testing.T) {
	id := db.NewID()
	back, err := db.ParseID(id.String())
	if err != nil || back != id {
		t.Fatalf("%v %v", back, err)
	}
	for _, bad := range []string{"", "x", id.String() + "0", "!" + id.String()[1:]} {
		if _, err := db.ParseID(bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}

func TestPasswordsNeverShowInAnAddress(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://shop:very-secret@db/rekey?sslmode=require&password=also": "postgres://shop@db/rekey",
		"postgres://db/rekey?user=shop&password=very-secret":                 "postgres://db/rekey",
		"sqlite:/var/lib/rekey/rekey.db":                                     "sqlite:/var/lib/rekey/rekey.db",
	} {
		if got := db.Redact(given); got != want {
			t.Errorf("%s gave %s", given, got)
		}
	}
}

// Retention and erasure have a door each, and it is narrow.
func TestTheAuditLetsGoOfNothingElse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		write := func(q string, args ...any) error {
			return d.Write(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, q, args...); return err })
		}
		for at, kind := range map[int]string{100: "shopper", 200: "admin"} {
			if err := write(`INSERT INTO audit (id, at, action, actor_kind, actor_name, subject, ip, place, browser, address_key, customer_id, detail)
				VALUES ($1, $2, 'x', $3, 'Ada', 'a…a@example.com', '203.0.113.7', '203.0.113.x', 'Firefox', $4, 7, '{}')`,
				db.NewID(), at, kind, []byte("key")); err != nil {
				t.Fatal(err)
			}
		}
		if err := write("UPDATE audit_horizon SET keep_from = 150"); err != nil {
			t.Fatal(err)
		}
		silent := "subject = '', ip = '', place = '', browser = '', address_key = NULL"
		for _, row := range []struct {
			q, why string
			ok     bool
		}{
			{"DELETE FROM audit WHERE at = 200", "newer than the horizon", false},
			{"UPDATE audit SET subject = 'b'", "a row gains words", false},
			{"UPDATE audit SET subject = ''", "it loses some words only: a statement that means something else", false},
			{"UPDATE audit SET customer_id = 8, " + silent, "whom it was done to changes", false},
			{"UPDATE audit SET detail = '', " + silent, "what was done changes", false},
			{"UPDATE audit SET at = 1, " + silent, "when it was done changes", false},
			{"UPDATE audit SET actor_name = '', " + silent + " WHERE actor_kind = 'admin'", "an administrator who did it stays", false},
			{"UPDATE audit SET actor_name = '', " + silent + " WHERE actor_kind = 'shopper'", "a customer is erased", true},
			{"UPDATE audit SET " + silent + " WHERE actor_kind = 'admin'", "the customer of an administrator's act is erased", true},
			{"DELETE FROM audit WHERE at = 100", "older than the horizon", true},
		} {
			if err := write(row.q); (err == nil) != row.ok {
				t.Errorf("%s: %v", row.why, err)
			}
		}
	})
}

// Whoever names the wrong thing is told what is wrong with it, which SQLite's own words do not say.
func TestAFolderIsNoDatabaseFile(t *testing.T) {
	_, err := db.Open(context.Background(), "sqlite:"+t.TempDir(), db.Options{})
	if err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("opening a folder: %v", err)
	}
}
