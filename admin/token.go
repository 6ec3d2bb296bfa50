package admin

import (
	"context"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Proof says that an administrator's password was right a moment ago. Accept it in the transaction of what it is for.
type Proof struct {
	Admin    Admin
	rehashed string
	second   bool // the second factor was right as well
	required bool // the store demands one of everybody
}

// Complete tells whether nothing is missing: a door without sessions cannot ask for the second factor later.
func (p Proof) Complete() bool { return p.second || !p.Admin.SecondFactor && !p.required }

// ProveByName checks a name and password for a door without sessions. It counts like a sign-in: wrong passwords lock the
// name there too. Errors: fault Unauthenticated, alike for every reason; fault Limited by client address; secret.ErrBusy.
func (s *Service) ProveByName(ctx context.Context, name string, password secret.Text, o audit.Origin) (Proof, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return Proof{}, err
	}
	who, rehashed, err := s.prove(ctx, name, password, o)
	return Proof{Admin: who, rehashed: rehashed, required: snap.Text(shop.AdminSecondFactor) == shop.SecondFactorRequired}, err
}

// Generation is the one that the password was read with: what is issued under it is dead once the password has changed.
func (p Proof) Generation() int64 { return p.Admin.generation }

// Actor is the administrator, for the audit.
func (p Proof) Actor() audit.Actor {
	return audit.Actor{Kind: audit.Store, ID: p.Admin.ID, Name: p.Admin.Username}
}

// Accept forgets the failures that came before the right password, and renews a hash that is cheaper than today's.
func (p Proof) Accept(ctx context.Context, tx *db.Tx) error {
	if err := forgive(ctx, tx, p.Admin.Username); err != nil {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if p.rehashed != "" {
		if _, err := tx.Exec(ctx, "UPDATE admins SET password_hash = $3 WHERE id = $1 AND password_hash = $2", p.Admin.ID, p.Admin.hash, p.rehashed); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "UPDATE admins SET last_sign_in_at = $2 WHERE id = $1", p.Admin.ID, db.Micro(now))
	return err
}
