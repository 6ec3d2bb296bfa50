package admin

import (
	"context"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// LongestSession ends a session whatever its use.
	LongestSession = 12 * time.Hour
	// seenEvery bounds how often using a session writes to the database.
	seenEvery = time.Minute
	// maxPerClient bounds the tries of one client address per hour, whatever the names.
	maxPerClient = 60
	lockName     = "admin"
)

// Opened is a session just begun; Secret goes into the cookie and nowhere else.
type Opened struct {
	Admin  Admin
	Secret secret.Text
	Life   time.Duration // from now, by whichever clock
	Half   bool          // the second factor is to follow
}

func incorrect() error {
	return fault.New(fault.Unauthenticated, "admin.incorrect",
		"The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later.")
}

// SignIn checks a name and password and begins a session: half a one where a second factor is to follow. Errors: those of prove.
func (s *Service) SignIn(ctx context.Context, name string, password secret.Text, o audit.Origin) (Opened, error) {
	who, rehashed, err := s.prove(ctx, name, password, o)
	if err != nil {
		return Opened{}, err
	}
	var opened Opened
	err = s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		opened, err = s.open(ctx, tx, who, rehashed, who.SecondFactor, o)
		return err
	})
	return opened, err
}

func (s *Service) failed(ctx context.Context, name string, a limit.Attempt, who Admin, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		action := audit.AdminSignInFail
		if a.JustLocked {
			action = audit.AdminLocked
		}
		return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: audit.Actor{Kind: audit.Store, ID: who.ID, Name: who.Username},
			Subject: name, Origin: o, Outcome: "refused"})
	})
}

// open begins a session in the transaction of what it follows from: nobody is left outside by a change of what they sign in with.
func (s *Service) open(ctx context.Context, tx *db.Tx, who Admin, rehashed string, half bool, o audit.Origin) (Opened, error) {
	snap, err := s.Shop.LoadIn(ctx, tx)
	if err != nil {
		return Opened{}, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return Opened{}, err
	}
	idle := snap.Duration(shop.AdminSessionLifetime)
	opened := Opened{Admin: who, Secret: secret.Random(), Half: half, Life: LongestSession}
	if half {
		opened.Life = HalfSession
	}
	if err := forgive(ctx, tx, who.Username); err != nil {
		return Opened{}, err
	}
	if rehashed != "" {
		if _, err := tx.Exec(ctx, "UPDATE admins SET password_hash = $3 WHERE id = $1 AND password_hash = $2", who.ID, who.hash, rehashed); err != nil {
			return Opened{}, err
		}
	}
	// Under the generation that was read with the hash: if the password was changed meanwhile, this one is dead already.
	_, err = tx.Exec(ctx, `INSERT INTO admin_sessions (id, secret_hash, admin_id, generation, created_at, last_seen_at, expires_at, place, browser, half)
		VALUES ($1,$2,$3,$4,$5,$5,$6,$7,$8,$9)`, db.NewID(), secret.Digest(opened.Secret), who.ID, who.generation, db.Micro(now),
		db.Micro(now.Add(opened.Life)), o.Place(), o.Browser(), half)
	if err != nil || half {
		return opened, err
	}
	if _, err := tx.Exec(ctx, "UPDATE admins SET last_sign_in_at = $2 WHERE id = $1", who.ID, db.Micro(now)); err != nil {
		return Opened{}, err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM admin_sessions WHERE admin_id = $1 AND (expires_at < $2 OR last_seen_at < $3)",
		who.ID, db.Micro(now), db.Micro(now.Add(-idle))); err != nil {
		return Opened{}, err
	}
	return opened, audit.Record(ctx, tx, audit.Entry{Action: audit.AdminSignedIn, Origin: o,
		Actor: audit.Actor{Kind: audit.Store, ID: who.ID, Name: who.Username}, Subject: who.Username})
}

// Check returns the administrator behind a cookie. Errors: fault Unauthenticated.
func (s *Service) Check(ctx context.Context, cookie secret.Text) (Admin, error) {
	ended := fault.New(fault.Unauthenticated, "admin.session_ended", "Please sign in.")
	if !secret.WellFormed(cookie) {
		return Admin{}, ended
	}
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return Admin{}, err
	}
	var who Admin
	var id db.ID
	var touch time.Time
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		var adminID int64
		var seen time.Time
		err = tx.Row(ctx, "SELECT id, admin_id, last_seen_at FROM admin_sessions WHERE secret_hash = $1 AND NOT half AND expires_at > $2 AND last_seen_at > $3 AND "+Stands,
			secret.Digest(cookie), db.Micro(now), db.Micro(now.Add(-snap.Duration(shop.AdminSessionLifetime)))).Scan(&id, &adminID, db.IntoTime(&seen))
		if db.IsNoRows(err) {
			return ended
		}
		if err != nil {
			return err
		}
		who, err = scan(tx.Row(ctx, "SELECT "+columns+" FROM admins WHERE id = $1", adminID))
		if err != nil {
			return err
		}
		who.MustEnrol = !who.SecondFactor && snap.Text(shop.AdminSecondFactor) == shop.SecondFactorRequired
		if now.Sub(seen) >= min(seenEvery, snap.Duration(shop.AdminSessionLifetime)/4) {
			touch = now
		}
		return nil
	})
	if err != nil || touch.IsZero() {
		return who, err
	}
	return who, s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE admin_sessions SET last_seen_at = $2 WHERE id = $1", id, db.Micro(touch))
		return err
	})
}

// SignOut ends the session behind a cookie, on every node, before it returns. A cookie that is worth nothing is no error.
func (s *Service) SignOut(ctx context.Context, cookie secret.Text, o audit.Origin) error {
	who, err := s.Check(ctx, cookie)
	if fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM admin_sessions WHERE secret_hash = $1", secret.Digest(cookie)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.AdminSignedOut, Origin: o,
			Actor: audit.Actor{Kind: audit.Store, ID: who.ID, Name: who.Username}, Subject: who.Username})
	})
}

func forgive(ctx context.Context, tx *db.Tx, name string) error {
	return limit.Forgive(ctx, tx, lockName, strings.ToLower(name))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// EndAll ends every session, link and token of every administrator, on every node.
func EndAll(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, "UPDATE admins SET session_generation = session_generation + 1")
	return err
}
