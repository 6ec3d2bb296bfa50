package mail

import (
	"context"
	"strconv"
	"strings"
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
	ids, err := db.Collect(rows, err, func(row db.Scanner) (id any, err error) {
		var one db.ID
		err = row.Scan(&one)
		return one, err
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	marks := make([]string, len(ids))
	for i := range ids {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	these := " IN (" + strings.Join(marks, ", ") + ")"
	if _, err := tx.Exec(ctx, `DELETE FROM letter_events WHERE letter_id`+these, ids...); err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM letters WHERE id`+these, ids...)
}
