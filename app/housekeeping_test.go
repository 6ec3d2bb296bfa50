package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

// What has ended is kept for as long as the settings say, then goes, in batches; what has not ended never goes.
func TestRetentionDeletesWhatHasEndedAndIsOldEnough(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) { retention(t, dbtest.EmptyURL(t, engine)) })
}

func retention(t *testing.T, database string) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	house, err := Place{Database: database}.Open(t.Context(), Opening{Make: true, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer house.Close()
	write := func(f func(ctx context.Context, tx *db.Tx) error) {
		t.Helper()
		if err := house.DB.Write(t.Context(), func(tx *db.Tx) error { return f(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	record := func(n int) {
		write(func(ctx context.Context, tx *db.Tx) error {
			for range n {
				if err := audit.Record(ctx, tx, audit.Entry{Action: audit.AdminSignedIn, Actor: audit.Actor{Kind: audit.System}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	letter := func(state string) {
		write(func(ctx context.Context, tx *db.Tx) error {
			id, err := mail.Enqueue(ctx, tx, mail.Note{Kind: "test", WebsiteID: 1, ViewID: 1})
			if err == nil && state != "" {
				_, err = tx.Exec(ctx, "UPDATE letters SET state = $2, settled_at = $3 WHERE id = $1", id, state, db.Micro(now))
			}
			return err
		})
	}
	left := func(table string) (n int) {
		t.Helper()
		if err := house.DB.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Row(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	gone := map[string]int64{}
	clean := func() {
		t.Helper()
		clear(gone)
		house.cleanOnce(t.Context(), slog.New(slog.DiscardHandler), func(what string, rows int64) { gone[what] = rows })
	}

	const old = 2*cleanBatch + 3
	record(old)
	letter("handed_over")
	letter("") // nobody has sent it yet
	now = now.Add(60 * 24 * time.Hour)
	record(4)
	letter("refused")

	clean()
	if left("audit") != old+4 || left("letters") != 3 {
		t.Fatalf("before its time: %v", gone)
	}
	write(func(ctx context.Context, tx *db.Tx) error {
		if err := shop.Set(ctx, tx, shop.KeepLetters, "30", shop.Scope{Kind: shop.Default}); err != nil {
			return err
		}
		return shop.Set(ctx, tx, shop.KeepAudit, "30", shop.Scope{Kind: shop.Default})
	})
	clean()
	for _, row := range []struct {
		what, table string
		gone        int64
		left        int
	}{
		{"audit", "audit", old, 4},
		{"letters", "letters", 1, 2},       // the one that nobody has sent ended just now, since its time was over
		{"events", "letter_events", 0, 3},  // of the two that are left
		{"deliveries", "deliveries", 0, 0}, // the sweep runs with nothing to do
	} {
		if gone[row.what] != row.gone || left(row.table) != row.left {
			t.Errorf("%s: %d went and %d are left, want %d and %d", row.what, gone[row.what], left(row.table), row.gone, row.left)
		}
	}
}

// However many links expire at once: one round ends them all, so that none comes to life when the clock steps back (F26).
func TestOneRoundEndsEveryExpiredLink(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		house, err := Place{Database: dbtest.EmptyURL(t, engine)}.Open(t.Context(), Opening{Make: true, Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer house.Close()
		const many = 2*cleanBatch + 3
		alive := 0
		err = house.DB.Write(t.Context(), func(tx *db.Tx) error {
			var who int64
			err := tx.Row(t.Context(), `INSERT INTO customers (website_id, store_view_id, email, email_canon, firstname, lastname, search, created_at, updated_at)
				VALUES (1, 1, 'c@lune.test', 'c@lune.test', 'C', 'D', '', 0, 0) RETURNING id`).Scan(&who)
			for i := 0; i < many && err == nil; i++ {
				id := db.NewID()
				_, err = tx.Exec(t.Context(), `INSERT INTO links (id, secret_hash, customer_id, website_id, store_view_id, generation, created_at, expires_at)
					VALUES ($1, $2, $3, 1, 1, 0, $4, $5)`, id, id[:], who, db.Micro(now.Add(-time.Hour)), db.Micro(now.Add(-time.Minute)))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		house.cleanOnce(t.Context(), slog.New(slog.DiscardHandler), func(string, int64) {})
		err = house.DB.Read(t.Context(), func(tx *db.Tx) error {
			return tx.Row(t.Context(), "SELECT COUNT(*) FROM links WHERE ended_at IS NULL").Scan(&alive)
		})
		if err != nil || alive != 0 {
			t.Errorf("%d of %d expired links would come to life again, %v", alive, many, err)
		}
	})
}
