package signin

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// ProofLife is how long it counts in a session that its owner has just shown a password or a passkey. Signing in shows one too.
const ProofLife = 5 * time.Minute

// How somebody showed who they are.
const (
	byPassword = "password"
	byPasskey  = "passkey"
)

// Confirm asks whoever is signed in for the password once more, before an act that gives somebody a way in or takes one away. It
// counts like a sign-in. Errors: fault Invalid on "current_password"; fault Limited by client address; secret.ErrBusy.
func (s *Service) Confirm(ctx context.Context, v *shop.View, who Signed, password secret.Text, o audit.Origin) error {
	wrong := fault.Refuse("current_password", "password.current_wrong",
		"The password doesn't match this account. Verify the password and try again.", nil)
	if password.IsEmpty() {
		return wrong
	}
	proof, err := s.Prove(ctx, v, who.Customer.Email, password, o)
	if fault.Is(err, fault.Unauthenticated) {
		return wrong
	}
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := proof.Accept(ctx, tx); err != nil {
			return err
		}
		return proven(ctx, tx, who, byPassword)
	})
}

// proven remembers in a session that its owner has shown who they are.
func proven(ctx context.Context, tx *db.Tx, who Signed, how string) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	column := "password_proven_at"
	if how == byPasskey {
		column = "passkey_proven_at"
	}
	_, err = tx.Exec(ctx, "UPDATE sessions SET "+column+" = $2 WHERE id = $1", who.Session.ID, db.Micro(now))
	return err
}

// freshly is the condition for a session to have shown a moment ago who sits there; $1 the session, $2 the moment since when it counts.
const freshly = "id = $1 AND " + customer.SessionStands + " AND "

func unproven() error {
	return fault.New(fault.Forbidden, "signin.unproven", "Confirm first that it is you.")
}

// mustBeProven refuses a session that has not shown a moment ago who sits there. Errors: fault Forbidden.
func mustBeProven(ctx context.Context, tx *db.Tx, who Signed) error {
	return provenAfter(ctx, tx, who, time.Time{})
}

// MustBeProvenAgain is for what cannot be taken back: signing in was not enough, also a moment ago. Errors: fault Forbidden.
func MustBeProvenAgain(ctx context.Context, tx *db.Tx, who Signed) error {
	return provenAfter(ctx, tx, who, who.Session.CreatedAt)
}

func provenAfter(ctx context.Context, tx *db.Tx, who Signed, least time.Time) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	since := now.Add(-ProofLife)
	if least.After(since) {
		since = least
	}
	var one int
	err = tx.Row(ctx, "SELECT 1 FROM sessions WHERE "+freshly+"(password_proven_at > $2 OR passkey_proven_at > $2)",
		who.Session.ID, db.Micro(since)).Scan(&one)
	if db.IsNoRows(err) {
		return unproven()
	}
	return err
}

// SpendPasskeyProof uses up, in the caller's transaction, that a passkey was shown in a session a moment ago: it stands for the
// present password, once. Errors: fault Forbidden.
func SpendPasskeyProof(ctx context.Context, tx *db.Tx, who Signed) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "UPDATE sessions SET passkey_proven_at = NULL WHERE "+freshly+"passkey_proven_at > $2", who.Session.ID, db.Micro(now.Add(-ProofLife)))
	if err == nil && n == 0 {
		return unproven()
	}
	return err
}
