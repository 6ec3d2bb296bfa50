package customer

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// EmailChange is a new address of an account that waits until its owner has answered there.
type EmailChange struct {
	ID        db.ID
	ExpiresAt time.Time
	Customer  Customer // as read with it
	Digest    []byte   // of its link
	To        Address
}

// PutEmailChange remembers a change; the caller mails its link. Whatever waited for the account before is forgotten: the last
// address that was typed is the one that is meant.
func PutEmailChange(ctx context.Context, tx *db.Tx, c Customer, to Address, id db.ID, link secret.Text, expires time.Time) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM email_changes WHERE customer_id = $1", c.ID); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO email_changes (id, customer_id, email, email_canon, secret_hash, generation, created_at, expires_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8)`, id, c.ID, to.typed, to.canonical, secret.Digest(link), c.LinkGeneration, db.Micro(now), db.Micro(expires))
	return err
}

// FindEmailChange reads a change that still works, by its link; FindEmailChangeByID by its number, for the letter. A change
// of the password, or of the address, ends it as it ends every link. Errors: fault NotFound.
func FindEmailChange(ctx context.Context, tx *db.Tx, link secret.Text) (EmailChange, error) {
	return findEmailChange(ctx, tx, "secret_hash", secret.Digest(link))
}

// FindEmailChangeByID is FindEmailChange for whoever knows its number.
func FindEmailChangeByID(ctx context.Context, tx *db.Tx, id db.ID) (EmailChange, error) {
	return findEmailChange(ctx, tx, "id", id)
}

// PendingEmailChange reads the change that waits for an account, the zero one where none does.
func PendingEmailChange(ctx context.Context, tx *db.Tx, customerID int64) (EmailChange, error) {
	e, err := findEmailChange(ctx, tx, "customer_id", customerID)
	if fault.Is(err, fault.NotFound) {
		return EmailChange{}, nil
	}
	return e, err
}

func findEmailChange(ctx context.Context, tx *db.Tx, column string, key any) (EmailChange, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return EmailChange{}, err
	}
	var e EmailChange
	var owner int64
	err = tx.Row(ctx, "SELECT id, secret_hash, customer_id, email, email_canon, expires_at FROM email_changes WHERE "+column+" = $2 AND "+emailChangeLives,
		db.Micro(now), key).Scan(&e.ID, &e.Digest, &owner, &e.To.typed, &e.To.canonical, db.IntoTime(&e.ExpiresAt))
	if db.IsNoRows(err) {
		return EmailChange{}, noEmailChange()
	}
	if err != nil {
		return EmailChange{}, err
	}
	e.Customer, err = Find(ctx, tx, owner)
	return e, err
}

// emailChangeLives is the condition for a change to work: to be shown and to be made; $1 is now.
const emailChangeLives = "expires_at > $1 AND " + LinkStands

func noEmailChange() error {
	return fault.New(fault.NotFound, "not_found", "There is no such change of an address.")
}

// MakeEmailChange gives the account its new address, once. It ends every link of the account in the same statement; sessions and
// tokens are the caller's to end. Errors: fault NotFound when another link was faster; Conflict when the address has
// become another account's.
func MakeEmailChange(ctx context.Context, tx *db.Tx, e EmailChange) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	switch _, err := FindByAddress(ctx, tx, e.Customer.WebsiteID, e.To); {
	case err == nil:
		return exists()
	case !fault.Is(err, fault.NotFound):
		return err
	}
	c := e.Customer
	n, err := tx.Exec(ctx, "DELETE FROM email_changes WHERE id = $2 AND "+emailChangeLives, db.Micro(now), e.ID)
	if err == nil && n == 0 {
		return noEmailChange() // made, cancelled or cut off since it was read
	}
	if err != nil {
		return err
	}
	n, err = tx.Exec(ctx, `UPDATE customers SET email = $3, email_canon = $4, search = $5, updated_at = $6, confirmed_at = $6, email_proven_at = $6,
		link_generation = link_generation + 1, locked_until = NULL WHERE id = $1 AND link_generation = $2 AND active`,
		c.ID, c.LinkGeneration, e.To.typed, e.To.canonical, searchText(c.Firstname, c.Lastname, e.To.typed), db.Micro(now))
	switch {
	case db.IsUnique(err):
		return exists()
	case err != nil:
		return err
	case n == 0:
		return noEmailChange()
	}
	_, err = tx.Exec(ctx, "DELETE FROM email_changes WHERE customer_id = $1", c.ID)
	return err
}

// SweepEmailChanges deletes changes that were never answered, at most most of them.
func SweepEmailChanges(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM email_changes WHERE id IN (SELECT id FROM email_changes WHERE expires_at < $1 LIMIT $2`+
		tx.SkipLocked()+`)`, db.Micro(now), most)
}

// EndEmailChanges ends every change of an address that is under way.
func EndEmailChanges(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, "DELETE FROM email_changes")
	return err
}
