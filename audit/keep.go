package audit

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// Sweep deletes entries that are older than age, at most most of the oldest ones. The database lets go of nothing beyond the
// horizon that is moved here, whoever asks. Entries that are still news to webhooks stay.
func Sweep(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	before := db.Micro(now.Add(-age))
	if _, err := tx.Exec(ctx, `UPDATE audit_horizon SET keep_from = $1 WHERE keep_from <> $1`, before); err != nil {
		return 0, err
	}
	// Ids are made in the order of time, so that a look at the oldest few is enough and no index by time is needed.
	return tx.Exec(ctx, `DELETE FROM audit WHERE id IN (SELECT o.id FROM (SELECT id, at FROM audit ORDER BY id LIMIT $2) o
		WHERE o.at < $1 AND NOT EXISTS (SELECT 1 FROM audit_news n WHERE n.id = o.id))`, before, most)
}

// Erase takes the words that name a customer out of every entry about them and about their address: the masked address, the
// name, from where. What was done, when, by whom else and to which number stays.
func Erase(ctx context.Context, tx *db.Tx, customerID int64, addressKey []byte) error {
	_, err := tx.Exec(ctx, `UPDATE audit SET subject = '', ip = '', place = '', browser = '', address_key = NULL,
		actor_name = CASE WHEN actor_kind = $3 THEN '' ELSE actor_name END WHERE customer_id = $1 OR address_key = $2`,
		customerID, addressKey, Shopper)
	return err
}
