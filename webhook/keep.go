package webhook

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// Sweep deletes deliveries that are older than age, at most most of them. The queue has given up on each of them long before.
func Sweep(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM deliveries WHERE id IN (SELECT o.id FROM (SELECT id, created_at FROM deliveries ORDER BY id LIMIT $2) o
		WHERE o.created_at < $1)`, db.Micro(now.Add(-age)), most)
}
