package customer

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// Held tells whether letters with a link to a new password, asked for by a visitor, are not written now.
func (c Customer) Held(now time.Time) bool { return c.ResetsHeldUntil.After(now) }

// ChangesHeld tells whether the account cannot be moved to another address now, and takes no new passkeys.
func (c Customer) ChangesHeld(now time.Time) bool { return c.ChangesHeldUntil.After(now) }

// FindToChange is Find that keeps others from changing the customer until the end of the transaction. Errors: fault NotFound.
func FindToChange(ctx context.Context, tx *db.Tx, id int64) (Customer, error) {
	return scan(tx.Row(ctx, "SELECT "+columns+" FROM customers WHERE id = $1 AND deleted_at IS NULL"+tx.ForUpdate(), id))
}

// EndLinks ends every recovery link and every change of the address that is under way. The password stays.
func EndLinks(ctx context.Context, tx *db.Tx, id int64) error {
	_, err := tx.Exec(ctx, "UPDATE customers SET link_generation = link_generation + 1 WHERE id = $1", id)
	return err
}

// HoldResets keeps letters with a link to a new password from being written until a moment; HoldChanges those that move the
// account to another address. What the store sends itself is not held, and a hold is never made shorter.
func HoldResets(ctx context.Context, tx *db.Tx, c Customer, until time.Time) error {
	return hold(ctx, tx, "resets_held_until", c.ID, c.ResetsHeldUntil, until)
}

// HoldChanges is HoldResets for what would keep the account for somebody who knows its password: another address, a new passkey.
func HoldChanges(ctx context.Context, tx *db.Tx, c Customer, until time.Time) error {
	return hold(ctx, tx, "changes_held_until", c.ID, c.ChangesHeldUntil, until)
}

func hold(ctx context.Context, tx *db.Tx, column string, id int64, present, until time.Time) error {
	if !until.After(present) {
		return nil
	}
	_, err := tx.Exec(ctx, "UPDATE customers SET "+column+" = $2 WHERE id = $1", id, db.Micro(until))
	return err
}

// LiftResets ends the hold of resets: whoever knows the password, or has a passkey, needs no protection from letters.
func LiftResets(ctx context.Context, tx *db.Tx, id int64) error {
	_, err := tx.Exec(ctx, "UPDATE customers SET resets_held_until = NULL WHERE id = $1", id)
	return err
}

// LiftHolds ends whatever is held.
func LiftHolds(ctx context.Context, tx *db.Tx, id int64) error {
	_, err := tx.Exec(ctx, "UPDATE customers SET resets_held_until = NULL, changes_held_until = NULL WHERE id = $1", id)
	return err
}

// CancelEmailChange forgets a change of the address that waits. done is false when there is no such change any more.
func CancelEmailChange(ctx context.Context, tx *db.Tx, id db.ID) (done bool, err error) {
	n, err := tx.Exec(ctx, "DELETE FROM email_changes WHERE id = $1", id)
	return n == 1, err
}
