package mail

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// Sweep deletes letters that ended longer than age ago with their histories, at most most of the oldest ones.
func Sweep(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	// Ids are made in the order of time, so that a look at the oldest few is enough and no index by time is needed.
	rows, err := tx.Query(ctx, `SELECT id FROM letters WHERE id IN (SELECT o.id FROM (SELECT id, settled_at FROM letters ORDER BY id LIMIT $2) o
		WHERE o.settled_at < $1)`+tx.SkipLocked(), db.Micro(now.Add(-age)), most)
	ids, err := db.Collect(rows, err, anyID)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM letter_events WHERE letter_id`+in(ids), ids...); err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM letters WHERE id`+in(ids), ids...)
}

// EndExpired ends emails whose time is over while nobody could try them, and forgets what was kept to send others again: at most
// most of both, and tells how many.
func EndExpired(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, `SELECT id, settled_at FROM letters WHERE data <> '' AND expires_at <= $1 AND lane = $2
		AND (lease IS NULL OR lease_until <= $1) ORDER BY expires_at LIMIT $3`+tx.SkipLocked(), db.Micro(now), Post, most)
	over, err := db.Collect(rows, err, func(row db.Scanner) (l Letter, err error) {
		err = row.Scan(&l.ID, db.IntoTime(&l.SettledAt))
		return l, err
	})
	for _, l := range over {
		if err == nil && l.SettledAt.IsZero() {
			err = expire(ctx, tx, now, l.ID)
		} else if err == nil {
			_, err = tx.Exec(ctx, `UPDATE letters SET data = '' WHERE id = $1`, l.ID)
		}
	}
	return int64(len(over)), err
}

func expire(ctx context.Context, tx *db.Tx, now time.Time, id db.ID) error {
	if _, err := tx.Exec(ctx, `UPDATE letters SET data = '', cause = '', lease = NULL, lease_until = NULL, state = $2, settled_at = $3, last_words = $4
		WHERE id = $1`, id, string(Expired), db.Micro(now), inTime); err != nil {
		return err
	}
	return addEvent(ctx, tx, id, Event{At: now, State: Expired, Words: inTime})
}

// Erase ends the letters of a customer, and of an address, that are on their way, and forgets to whom all of them went and
// what was said about it: mail servers quote addresses. That a letter was sent, when, and what became of it stays.
func Erase(ctx context.Context, tx *db.Tx, customerID int64, addressKey []byte) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	const these = ` WHERE (customer_id = $1 OR address_key = $2)`
	rows, err := tx.Query(ctx, `SELECT id FROM letters`+these+` AND settled_at IS NULL`, customerID, addressKey)
	ended, err := db.Collect(rows, err, func(row db.Scanner) (id db.ID, err error) {
		err = row.Scan(&id)
		return id, err
	})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE letter_events SET words = '' WHERE letter_id IN (SELECT id FROM letters`+these+`)`, customerID, addressKey); err != nil {
		return err
	}
	// Without its lease a worker that is at it right now records nothing any more.
	if _, err := tx.Exec(ctx, `UPDATE letters SET recipient = '', data = '', last_words = '', address_key = NULL, lease = NULL, lease_until = NULL,
		state = CASE WHEN settled_at IS NULL THEN $3 ELSE state END, settled_at = COALESCE(settled_at, $4)`+these,
		customerID, addressKey, string(Unneeded), db.Micro(now)); err != nil {
		return err
	}
	for _, id := range ended {
		if err := addEvent(ctx, tx, id, Event{At: now, State: Unneeded, Words: "The customer was erased."}); err != nil {
			return err
		}
	}
	return nil
}
