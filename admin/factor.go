package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// HalfSession is how long a sign-in waits for its second factor.
	HalfSession = 5 * time.Minute
	// RecoveryCodes is how many codes an administrator is given for days without the second factor at hand.
	RecoveryCodes = 10

	factorLock  = "admin factor"
	totpPurpose = "admin-totp"
	totpPeriod  = 30 // seconds (RFC 6238 §5.2)
	totpSkew    = 1  // steps before and after the present one, for clocks that differ
)

// Enrolment is a second factor that waits to be proven: what an authenticator app reads.
type Enrolment struct {
	Secret secret.Text // in base32, to be typed
	URL    secret.Text // otpauth://…, to be shown as a picture
}

func wrongCode() error {
	return fault.New(fault.Unauthenticated, "admin.code_wrong", "The code is not right, or was used already. Wait for the next one and try again.")
}

func idBytes(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// Enrol begins to give an administrator a second factor by time-based codes (TOTP, RFC 6238), for whoever proves the password
// once more. It counts once Confirm has seen a code of it. Errors: those of Prove.
func (s *Service) Enrol(ctx context.Context, who Admin, password secret.Text, o audit.Origin) error {
	if err := s.Prove(ctx, who, password, o); err != nil {
		return err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: who.Username, Period: totpPeriod, SecretSize: 20, Rand: rand.Reader})
	if err != nil {
		return err
	}
	sealed := s.Key.Seal(totpPurpose, idBytes(who.ID), secret.NewText(key.Secret()))
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE admins SET totp_pending = $2 WHERE id = $1", who.ID, sealed)
		return err
	})
}

const issuer = "Rekey"

// Pending is the second factor that waits to be proven. Errors: fault NotFound.
func (s *Service) Pending(ctx context.Context, who Admin) (Enrolment, error) {
	var sealed []byte
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.Row(ctx, "SELECT totp_pending FROM admins WHERE id = $1", who.ID).Scan(&sealed)
	})
	if err != nil {
		return Enrolment{}, err
	}
	if sealed == nil {
		return Enrolment{}, fault.New(fault.NotFound, "not_found", "No second factor waits to be set up.")
	}
	text, err := s.Key.Open(totpPurpose, idBytes(who.ID), sealed)
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Secret: text, URL: secret.NewText("otpauth://totp/" + issuer + ":" + who.Username + "?secret=" + text.Reveal() +
		"&issuer=" + issuer + "&period=30&digits=6&algorithm=SHA1")}, nil
}

// Confirm makes the pending factor the administrator's, once a code of it was right, and gives the recovery codes, which are
// shown this once. Every other session ends, and the one that asks goes on as the one that is returned. Errors: fault Invalid on "code"; NotFound when none is pending.
func (s *Service) Confirm(ctx context.Context, who Admin, code string, o audit.Origin) (codes []secret.Text, opened Opened, err error) {
	e, err := s.Pending(ctx, who)
	if err != nil {
		return nil, Opened{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		step, ok := stepOf(e.Secret, code, now)
		if !ok {
			return fault.Refuse("code", "admin.code_wrong", "This is not the code that the app shows now. Check the clock of the phone and try the next one.", nil)
		}
		who, err = scan(tx.Row(ctx, `UPDATE admins SET totp = totp_pending, totp_pending = NULL, totp_step = $2, session_generation = session_generation + 1
			WHERE id = $1 AND totp_pending IS NOT NULL RETURNING `+columns, who.ID, step))
		if err != nil {
			return err
		}
		if codes, err = putCodes(ctx, tx, who.ID); err != nil {
			return err
		}
		if err := s.changedOwn(ctx, tx, who, "second factor set up", o); err != nil {
			return err
		}
		opened, err = s.open(ctx, tx, who, "", false, o)
		return err
	})
	if err != nil {
		return nil, Opened{}, err
	}
	return codes, opened, nil
}

func actorOf(who Admin) audit.Actor {
	return audit.Actor{Kind: audit.Store, ID: who.ID, Name: who.Username}
}

// changed tells an administrator that what they sign in with has changed, and gives the entry for the audit.
func (s *Service) changed(ctx context.Context, tx *db.Tx, who Admin, what string, o audit.Origin) (audit.Entry, error) {
	return audit.Entry{Action: audit.AdminChanged, Subject: who.Username, WebsiteID: who.WebsiteID, Origin: o, Detail: map[string]string{"changed": what}},
		s.tell(ctx, tx, who, what, o)
}

// changedOwn is changed for what administrators did themselves, recorded.
func (s *Service) changedOwn(ctx context.Context, tx *db.Tx, who Admin, what string, o audit.Origin) error {
	e, err := s.changed(ctx, tx, who, what, o)
	if err != nil {
		return err
	}
	e.Actor = actorOf(who)
	return audit.Record(ctx, tx, e)
}

// putCodes replaces the recovery codes.
func putCodes(ctx context.Context, tx *db.Tx, adminID int64) ([]secret.Text, error) {
	if _, err := tx.Exec(ctx, "DELETE FROM admin_codes WHERE admin_id = $1", adminID); err != nil {
		return nil, err
	}
	var codes []secret.Text
	for range RecoveryCodes {
		raw := strings.ToLower(rand.Text())[:16] // 80 bits
		codes = append(codes, secret.NewText(raw[:4]+"-"+raw[4:8]+"-"+raw[8:12]+"-"+raw[12:]))
		if _, err := tx.Exec(ctx, "INSERT INTO admin_codes (admin_id, code_hash) VALUES ($1, $2)", adminID, secret.Digest(secret.NewText(raw))); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// CodesLeft tells how many recovery codes an administrator has not used.
func CodesLeft(ctx context.Context, tx *db.Tx, adminID int64) (n int64, err error) {
	err = tx.Row(ctx, "SELECT COUNT(*) FROM admin_codes WHERE admin_id = $1 AND used_at IS NULL", adminID).Scan(&n)
	return n, err
}

// RemoveFactor takes the app's codes away from the administrator who proves the password once more. Errors: those of Prove;
// fault Conflict where the store demands a second factor and there is no other.
func (s *Service) RemoveFactor(ctx context.Context, who Admin, password secret.Text, o audit.Origin) error {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	if err := s.Prove(ctx, who, password, o); err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		who, err := scan(tx.Row(ctx, "UPDATE admins SET totp = NULL, totp_pending = NULL WHERE id = $1 RETURNING "+columns, who.ID))
		if err != nil {
			return err
		}
		if !who.SecondFactor {
			if snap.Text(shop.AdminSecondFactor) == shop.SecondFactorRequired {
				return factorDemanded()
			}
			if _, err := tx.Exec(ctx, "DELETE FROM admin_codes WHERE admin_id = $1", who.ID); err != nil {
				return err
			}
		}
		return s.changedOwn(ctx, tx, who, "second factor removed", o)
	})
}

func factorDemanded() error {
	return fault.New(fault.Conflict, "admin.factor_required", "The store demands a second factor of every administrator.")
}

// ResetFactors takes the second factors of another administrator away, who has lost them, and ends their sessions. The password
// stays. Errors: fault Forbidden, NotFound.
func (s *Service) ResetFactors(ctx context.Context, permit Permit, name string, o audit.Origin) error {
	if err := permit.Need(ManageAdmins); err != nil {
		return err
	}
	who, err := s.ByName(ctx, name)
	if err != nil {
		return err
	}
	return s.alter(ctx, permit, who.ID, o, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		if _, err := tx.Exec(ctx, "UPDATE admins SET session_generation = session_generation + 1 WHERE id = $1", who.ID); err != nil {
			return audit.Entry{}, err
		}
		if err := limit.Forgive(ctx, tx, factorLock, strings.ToLower(who.Username)); err != nil {
			return audit.Entry{}, err
		}
		for _, query := range []string{"UPDATE admins SET totp = NULL, totp_pending = NULL, passkeys = 0, passkey_pending = NULL WHERE id = $1",
			"DELETE FROM admin_codes WHERE admin_id = $1", "DELETE FROM admin_passkeys WHERE admin_id = $1"} {
			if _, err := tx.Exec(ctx, query, who.ID); err != nil {
				return audit.Entry{}, err
			}
		}
		return s.changed(ctx, tx, who, "second factor removed", o)
	})
}

// SecondFactor ends a sign-in that waits for it: code is the one that the app shows now, or a recovery code. The try is counted
// before the code is looked at. The session behind the cookie gives way to a new one. Errors: fault Unauthenticated, alike
// for a wrong, a used and a late code and while tries are paused.
func (s *Service) SecondFactor(ctx context.Context, cookie secret.Text, code string, o audit.Origin) (Opened, error) {
	who, err := s.half(ctx, cookie)
	if err != nil {
		return Opened{}, err
	}
	return s.goOn(ctx, who, cookie, "code", o, func(tx *db.Tx) (bool, error) { return s.take(ctx, tx, who, code) })
}

// goOn tries a second factor, and if it was right trades the half session behind the cookie for a whole one, once.
func (s *Service) goOn(ctx context.Context, who Admin, cookie secret.Text, kind string, o audit.Origin, take func(*db.Tx) (right bool, err error)) (opened Opened, err error) {
	err = s.tryFactor(ctx, who, kind, o, func(tx *db.Tx) (bool, error) {
		if right, err := take(tx); err != nil || !right {
			return false, err
		}
		n, err := tx.Exec(ctx, "DELETE FROM admin_sessions WHERE secret_hash = $1 AND half", secret.Digest(cookie))
		if err != nil || n == 0 {
			return false, err
		}
		opened, err = s.open(ctx, tx, who, "", false, o)
		return true, err
	})
	if err != nil {
		return Opened{}, err
	}
	return opened, nil
}

// half is who waits for the second factor behind a cookie.
func (s *Service) half(ctx context.Context, cookie secret.Text) (who Admin, err error) {
	ended := fault.New(fault.Unauthenticated, "admin.session_ended", "Please sign in.")
	if !secret.WellFormed(cookie) {
		return who, ended
	}
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		var id int64
		err = tx.Row(ctx, "SELECT admin_id FROM admin_sessions WHERE secret_hash = $1 AND half AND expires_at > $2 AND "+Stands,
			secret.Digest(cookie), db.Micro(now)).Scan(&id)
		if db.IsNoRows(err) {
			return ended
		}
		if err != nil {
			return err
		}
		who, err = Find(ctx, tx, id)
		return err
	})
	return who, err
}

// proveCode counts a try and checks a code of the administrator's second factor. Each code counts once.
func (s *Service) proveCode(ctx context.Context, who Admin, code string, o audit.Origin) error {
	return s.tryFactor(ctx, who, "code", o, func(tx *db.Tx) (bool, error) { return s.take(ctx, tx, who, code) })
}

// tryFactor counts a try at a second factor before it is looked at, and remembers a wrong one.
func (s *Service) tryFactor(ctx context.Context, who Admin, kind string, o audit.Origin, take func(*db.Tx) (right bool, err error)) error {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	// Six digits are guessed sooner than a password: a store that switched its lock-out off still has one here.
	lock := limit.Lock{Name: factorLock, Failures: snap.Int(shop.AdminLockoutFailures), Pause: snap.Duration(shop.AdminLockoutThreshold)}
	if lock.Failures == 0 || lock.Failures > maxCodeFailures {
		lock.Failures = maxCodeFailures
	}
	name := strings.ToLower(who.Username)
	refused := false
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		refused = false
		attempt, err := limit.Try(ctx, tx, lock, name)
		if err != nil {
			return err
		}
		right := false
		if !attempt.Locked {
			if right, err = take(tx); err != nil {
				return err
			}
		}
		if right {
			return limit.Forgive(ctx, tx, factorLock, name)
		}
		refused = true // and counted
		return audit.Record(ctx, tx, audit.Entry{Action: audit.AdminSignInFail, Actor: actorOf(who), Subject: who.Username, Origin: o, Outcome: "refused",
			Detail: map[string]string{"factor": kind}})
	})
	if err == nil && refused {
		err = wrongFactor(kind)
	}
	return err
}

func wrongFactor(kind string) error {
	if kind == "passkey" {
		return fault.New(fault.Unauthenticated, "admin.passkey_wrong", "This passkey could not be used here. Try again, or enter a code.")
	}
	return wrongCode()
}

// maxCodeFailures is how many wrong codes in a row there may be before a pause.
const maxCodeFailures = 6

// take uses a code up: of two that come at once, one is right.
func (s *Service) take(ctx context.Context, tx *db.Tx, who Admin, code string) (bool, error) {
	code = strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
	now, err := tx.Now(ctx)
	if err != nil {
		return false, err
	}
	if len(code) != 6 {
		n, err := tx.Exec(ctx, "UPDATE admin_codes SET used_at = $3 WHERE admin_id = $1 AND code_hash = $2 AND used_at IS NULL",
			who.ID, secret.Digest(secret.NewText(code)), db.Micro(now))
		return n == 1, err
	}
	if who.totp == nil {
		return false, nil
	}
	key, err := s.Key.Open(totpPurpose, idBytes(who.ID), who.totp)
	if err != nil {
		return false, err
	}
	step, ok := stepOf(key, code, now)
	if !ok {
		return false, nil
	}
	n, err := tx.Exec(ctx, "UPDATE admins SET totp_step = $2 WHERE id = $1 AND totp_step < $2", who.ID, step)
	return n == 1, err
}

// Reseal seals administrators' second factors with the key that are sealed by the key beside it, and tells how many there were. What no
// key opens stays: the right one may come back.
func Reseal(ctx context.Context, tx *db.Tx, key secret.Key) (int, error) {
	done := 0
	for _, column := range []string{"totp", "totp_pending"} {
		type factor struct {
			id     int64
			sealed []byte
		}
		rows, err := tx.Query(ctx, "SELECT id, "+column+" FROM admins WHERE "+column+" IS NOT NULL ORDER BY id")
		all, err := db.Collect(rows, err, func(row db.Scanner) (f factor, err error) {
			err = row.Scan(&f.id, &f.sealed)
			return f, err
		})
		if err != nil {
			return done, err
		}
		for _, f := range all {
			again, changed, err := key.Reseal(totpPurpose, idBytes(f.id), f.sealed)
			if err != nil || !changed {
				continue
			}
			// Whoever was given another one in this moment keeps that.
			n, err := tx.Exec(ctx, "UPDATE admins SET "+column+" = $2 WHERE id = $1 AND "+column+" = $3", f.id, again, f.sealed)
			if err != nil {
				return done, err
			}
			done += int(n)
		}
	}
	return done, nil
}

// stepOf finds the step of RFC 6238 whose code was given, the present one or its neighbours.
func stepOf(key secret.Text, code string, now time.Time) (step int64, ok bool) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	for skew := int64(-totpSkew); skew <= totpSkew; skew++ {
		at := now.Unix()/totpPeriod + skew
		want, err := totp.GenerateCodeCustom(key.Reveal(), time.Unix(at*totpPeriod, 0), totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = at, true // without leaving early: the time must not tell which one it was
		}
	}
	return step, ok
}

// ProveWithCode is ProveByName for an administrator with a second factor: the code is checked after the password. Errors:
// those of ProveByName; fault Invalid for an administrator without a second factor, after the right password only.
func (s *Service) ProveWithCode(ctx context.Context, name string, password secret.Text, code string, o audit.Origin) (Proof, error) {
	proof, err := s.ProveByName(ctx, name, password, o)
	if err != nil {
		return Proof{}, err
	}
	if !proof.Admin.SecondFactor {
		return Proof{}, fault.New(fault.Invalid, "admin.no_factor", "This account has no second factor yet. Set one up in the console first.")
	}
	if err := s.proveCode(ctx, proof.Admin, code, o); err != nil {
		return Proof{}, err
	}
	proof.second = true
	return proof, nil
}
