package customer

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// What is done to many customers at once costs a few statements, not a few for each: a batch holds its rows, and on SQLite the
// only writer, for as short as can be.

// FindMany reads customers by number, in order, and holds them until the transaction ends. Numbers of nobody are left out.
func FindMany(ctx context.Context, tx *db.Tx, ids []int64) ([]Customer, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM customers WHERE id IN ("+db.Marks(1, len(ids))+") ORDER BY id"+tx.ForUpdate(), db.Args(ids)...)
	return db.Collect(rows, err, scan)
}

// EndMany raises the session or token generations of customers: what was issued before is dead.
func EndMany(ctx context.Context, tx *db.Tx, ids []int64, sessions, tokens bool) error {
	if len(ids) == 0 || !sessions && !tokens {
		return nil
	}
	one := func(on bool) int64 {
		if on {
			return 1
		}
		return 0
	}
	_, err := tx.Exec(ctx, `UPDATE customers SET session_generation = session_generation + $1, token_generation = token_generation + $2
		WHERE id IN (`+db.Marks(3, len(ids))+`)`, append([]any{one(sessions), one(tokens)}, db.Args(ids)...)...)
	return err
}

// OutOfUse picks those whose present password can be put out of use: who has one that signs in, and has not chosen it since.
func OutOfUse(all []Customer, since time.Time) (ids []int64) {
	for _, c := range all {
		if c.hash != "" && !c.PasswordChangedAt.After(since) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// RequireNewPasswords puts present passwords out of use: they sign nobody in any more, with the answer of a wrong one, until a
// recovery sets others. Changes of an address that are under way end; with links, so do recovery links.
func RequireNewPasswords(ctx context.Context, tx *db.Tx, ids []int64, links bool) error {
	if len(ids) == 0 {
		return nil
	}
	set := "password_void = TRUE"
	if links {
		set += ", link_generation = link_generation + 1"
	}
	_, err := tx.Exec(ctx, "UPDATE customers SET "+set+" WHERE id IN ("+db.Marks(1, len(ids))+")", db.Args(ids)...)
	if err == nil && !links {
		_, err = tx.Exec(ctx, "DELETE FROM email_changes WHERE customer_id IN ("+db.Marks(1, len(ids))+")", db.Args(ids)...)
	}
	return err
}
