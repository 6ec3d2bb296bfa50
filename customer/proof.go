package customer

import (
	"context"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// Two facts about a customer are kept apart. Whether they may sign in (Confirmed) is the store's to say, and a store may say it of
// everybody at once. Whether the address is theirs (Proven) is said by somebody who has used a link or a code that was mailed to it,
// or by the store that knows. Until then somebody else may have made the account: it is theirs to use, and its owner's to take over.

// Proven tells whether somebody has shown that the address is theirs.
func (c Customer) Proven() bool { return !c.ProvenAt.IsZero() }

// Prove remembers that somebody has used what was mailed to the address of c, which is still the account's. Whoever proves an
// address may sign in.
func Prove(ctx context.Context, tx *db.Tx, c Customer) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE customers SET email_proven_at = COALESCE(email_proven_at, $3), confirmed_at = COALESCE(confirmed_at, $3)
		WHERE id = $1 AND email_canon = $2`, c.ID, c.canonical, db.Micro(now))
	return err
}

// Disown puts the password of an account that nobody has proven out of the world, with links and changes of the address that are under
// way: whoever made it may be a stranger. Sessions, tokens and passkeys are the caller's to end. If the address was proven since c was
// read, or the account has changed, nothing happens. Errors: fault Conflict.
func Disown(ctx context.Context, tx *db.Tx, c Customer) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE customers SET password_hash = NULL, password_void = FALSE, password_changed_at = $3, locked_until = NULL,
		link_generation = link_generation + 1, resets_held_until = NULL, changes_held_until = NULL, updated_at = $3
		WHERE id = $1 AND link_generation = $2 AND email_proven_at IS NULL AND active`, c.ID, c.LinkGeneration, db.Micro(now))
	if err == nil && n == 0 {
		return fault.New(fault.Conflict, "customer.changed_meanwhile", "The account was changed a moment ago. Try again.")
	}
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM email_changes WHERE customer_id = $1", c.ID)
	}
	return err
}
