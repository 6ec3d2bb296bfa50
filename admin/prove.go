package admin

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Prove asks an administrator who is signed in for the password once more, before an act that hands out power. It counts like a
// sign-in: wrong passwords lock the name. Errors: fault Invalid on the field "current_password", alike for every reason; fault
// Limited by client address; secret.ErrBusy.
func (s *Service) Prove(ctx context.Context, who Admin, password secret.Text, o audit.Origin) error {
	_, _, err := s.prove(ctx, who.Username, password, o)
	if fault.Is(err, fault.Unauthenticated) {
		return fault.Refuse("current_password", "admin.password_wrong",
			"The password entered for the current user is invalid. Verify the password and try again.", nil)
	}
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error { return forgive(ctx, tx, who.Username) })
}

// prove checks a name and password; rehashed is the password's new hash where the stored one is out of date. The attempt is counted before the password is checked. Errors: fault
// Unauthenticated, alike for every reason; fault Limited by client address; secret.ErrBusy.
func (s *Service) prove(ctx context.Context, name string, password secret.Text, o audit.Origin) (who Admin, rehashed string, err error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return Admin{}, "", err
	}
	name = typed(name)
	lock := limit.Lock{Name: lockName, Failures: snap.Int(shop.AdminLockoutFailures), Pause: snap.Duration(shop.AdminLockoutThreshold)}
	var attempt limit.Attempt
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := limit.DemandClient(ctx, tx, limit.Rule{Name: "admin sign-in", Max: maxPerClient, Window: time.Hour}, o.IP,
			"Too many sign-ins were tried from your network. Please wait and try again later."); err != nil {
			return err
		}
		if attempt, err = limit.Try(ctx, tx, lock, name); err != nil {
			return err
		}
		who, err = scan(tx.Row(ctx, "SELECT "+columns+" FROM admins WHERE username_canon = $1", name))
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return Admin{}, "", err
	}
	stored := who.hash
	if attempt.Locked || !who.Active {
		stored = "" // the same work, and never right
	}
	ok, outdated, err := s.Hasher.Verify(ctx, stored, password)
	if err != nil {
		return Admin{}, "", err
	}
	if !ok {
		return Admin{}, "", firstOf(s.failed(ctx, name, attempt, who, o), incorrect())
	}
	if outdated {
		if rehashed, err = s.Hasher.Hash(ctx, password); err != nil {
			return Admin{}, "", err
		}
	}
	return who, rehashed, nil
}
