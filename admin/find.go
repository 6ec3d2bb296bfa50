package admin

import (
	"context"

	"github.com/rekeyhq/rekey/db"
)

// Find reads one administrator, active or not. Errors: fault NotFound.
func Find(ctx context.Context, tx *db.Tx, id int64) (Admin, error) {
	return scan(tx.Row(ctx, "SELECT "+columns+" FROM admins WHERE id = $1", id))
}
