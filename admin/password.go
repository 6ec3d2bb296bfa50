package admin

import (
	"context"
	"strings"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
)

// judge refuses a new password that breaks a rule of the console. Errors: fault Invalid on "password" or "password_confirmation".
func (s *Service) judge(ctx context.Context, who Admin, password, confirm secret.Text) error {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	_, err = snap.AdminPasswordRules().CheckPair(password, confirm, who.person())
	return err
}

// person is what the password of an administrator must not be made of.
func (a Admin) person() password.Person {
	return password.Person{Email: a.Email, Names: append([]string{a.Username}, strings.Fields(a.Name)...)}
}

// ChangePassword replaces the password of an administrator who knows it. Every session and token of theirs ends; the session
// that is returned is the one to go on with. Errors: those of Prove; fault Invalid on "password" or "password_confirmation".
func (s *Service) ChangePassword(ctx context.Context, who Admin, current, password, confirm secret.Text, o audit.Origin) (Opened, error) {
	if err := s.Prove(ctx, who, current, o); err != nil {
		return Opened{}, err
	}
	if err := s.judge(ctx, who, password, confirm); err != nil {
		return Opened{}, err
	}
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return Opened{}, err
	}
	var opened Opened
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		after, err := scan(tx.Row(ctx, `UPDATE admins SET password_hash = $3, session_generation = session_generation + 1
			WHERE id = $1 AND password_hash = $2 RETURNING `+columns, who.ID, who.hash, hash))
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Conflict, "password.changed_meanwhile", "The password was changed a moment ago. Sign in with the new one.")
		}
		if err != nil {
			return err
		}
		if err := s.changedOwn(ctx, tx, after, "password", o); err != nil {
			return err
		}
		opened, err = s.open(ctx, tx, after, "", false, o)
		return err
	})
	if err != nil {
		return Opened{}, err
	}
	return opened, nil
}
