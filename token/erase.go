package token

import (
	"context"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/signin"
)

// Erase deletes what is kept of a customer's tokens and sessions, which are dead by then: who held them, and from where.
func Erase(ctx context.Context, tx *db.Tx, customerID int64) error {
	if _, err := tx.Exec(ctx, "DELETE FROM tokens WHERE customer_id = $1", customerID); err != nil {
		return err
	}
	return signin.Erase(ctx, tx, customerID)
}
