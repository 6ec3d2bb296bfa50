package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// MaxPasskeys is how many passkeys one administrator may have.
	MaxPasskeys = 20
	// pendingLife is how long a new passkey may take, from the password to the device.
	pendingLife = 10 * time.Minute
	maxName     = 60 // characters of a passkey's name
)

// Passkey is one passkey of an administrator: a second factor after the password.
type Passkey struct {
	ID                    db.ID
	Host                  string // of the console that it was made at, and is good for
	Name                  string
	CreatedAt, LastUsedAt time.Time
	credential            passkey.Credential
	handle                []byte
}

const passkeyColumns = "id, rp_id, credential_id, user_handle, public_key, sign_count, synced, transports, name, created_at, last_used_at"

func scanPasskey(row db.Scanner) (Passkey, error) {
	var p Passkey
	var count int64
	var transports string
	err := row.Scan(&p.ID, &p.Host, &p.credential.ID, &p.handle, &p.credential.PublicKey, &count, &p.credential.Synced, &transports,
		&p.Name, db.IntoTime(&p.CreatedAt), db.IntoTime(&p.LastUsedAt))
	p.credential.Count = uint32(count) // from there it came
	if transports != "" {
		p.credential.Transports = strings.Split(transports, ",")
	}
	return p, err
}

// Passkeys returns the passkeys of an administrator, the oldest first.
func Passkeys(ctx context.Context, tx *db.Tx, adminID int64) ([]Passkey, error) {
	rows, err := tx.Query(ctx, "SELECT "+passkeyColumns+" FROM admin_passkeys WHERE admin_id = $1 ORDER BY id", adminID)
	return db.Collect(rows, err, scanPasskey)
}

// FindPasskey returns one of an administrator's own passkeys. Errors: fault NotFound.
func FindPasskey(ctx context.Context, tx *db.Tx, adminID int64, id db.ID) (Passkey, error) {
	p, err := scanPasskey(tx.Row(ctx, "SELECT "+passkeyColumns+" FROM admin_passkeys WHERE id = $1 AND admin_id = $2", id, adminID))
	if db.IsNoRows(err) {
		err = noPasskey()
	}
	return p, err
}

func noPasskey() error {
	return fault.New(fault.NotFound, "not_found", "There is no such passkey.")
}

func at(party passkey.Party, all []Passkey) (creds []passkey.Credential) {
	for _, p := range all {
		if p.Host == party.ID {
			creds = append(creds, p.credential)
		}
	}
	return creds
}

// owner is how an administrator stands in the list of an authenticator, which is told nothing of who they are but the name.
// Theirs is what it was told before; the first one is made of the challenge, which every node knows.
func owner(who Admin, mine []Passkey, challenge []byte) passkey.Owner {
	sum := sha256.Sum256(append([]byte("admin-passkey-owner"), challenge...))
	handle := sum[:]
	if len(mine) > 0 {
		handle = mine[0].handle
	}
	label := who.Name
	if label == "" {
		label = who.Username
	}
	return passkey.Owner{Handle: handle, Name: who.Username, Label: label}
}

// EnrolPasskey begins to give an administrator a passkey, for whoever proves the password once more. Errors: those of Prove; fault
// Conflict for one who has MaxPasskeys.
func (s *Service) EnrolPasskey(ctx context.Context, who Admin, password secret.Text, o audit.Origin) error {
	if who.Passkeys >= MaxPasskeys {
		return fault.New(fault.Conflict, "admin.too_many_passkeys", "You have as many passkeys as an administrator can have. Remove one first.")
	}
	if err := s.Prove(ctx, who, password, o); err != nil {
		return err
	}
	challenge := make([]byte, passkey.ChallengeLength)
	rand.Read(challenge)
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE admins SET passkey_pending = $2, passkey_pending_until = $3 WHERE id = $1", who.ID, challenge, db.Micro(now.Add(pendingLife)))
		return err
	})
}

// pending is the challenge that a new passkey waits for.
func pending(ctx context.Context, tx *db.Tx, who Admin) (challenge []byte, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	err = tx.Row(ctx, "SELECT passkey_pending FROM admins WHERE id = $1 AND passkey_pending IS NOT NULL AND passkey_pending_until > $2",
		who.ID, db.Micro(now)).Scan(&challenge)
	if db.IsNoRows(err) {
		err = fault.New(fault.NotFound, "not_found", "No passkey waits to be made. Begin with your password again.")
	}
	return challenge, err
}

// PendingPasskey is what the browser is asked for the passkey that waits to be made. Errors: fault NotFound.
func (s *Service) PendingPasskey(ctx context.Context, who Admin, party passkey.Party) (options string, err error) {
	var challenge []byte
	var mine []Passkey
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		if challenge, err = pending(ctx, tx, who); err != nil {
			return err
		}
		mine, err = Passkeys(ctx, tx, who.ID)
		return err
	})
	if err != nil {
		return "", err
	}
	return party.Creation(challenge, owner(who, mine, challenge), at(party, mine))
}

// ConfirmPasskey keeps the passkey that a browser made. Whoever had no second factor gets recovery codes, which are shown this once.
// Every other session ends, and the one that asks goes on as the one that is returned. Errors: fault Invalid on "name" or "passkey"; NotFound when none waits.
func (s *Service) ConfirmPasskey(ctx context.Context, who Admin, party passkey.Party, answer, name string, o audit.Origin) (codes []secret.Text, opened Opened, err error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return nil, Opened{}, fault.Refuse("name", "malformed", "Give the passkey a name of up to 60 characters, so that you recognise it.", nil)
	}
	refused := fault.Refuse("passkey", "admin.passkey_refused", "The passkey could not be added. Try again.", nil)
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		challenge, err := pending(ctx, tx, who)
		if err != nil {
			return err
		}
		mine, err := Passkeys(ctx, tx, who.ID)
		if err != nil {
			return err
		}
		owner := owner(who, mine, challenge)
		made, err := party.Created(challenge, owner, answer)
		if errors.Is(err, passkey.ErrRefused) {
			return refused
		}
		if err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		first := !who.SecondFactor
		who, err = scan(tx.Row(ctx, `UPDATE admins SET passkeys = passkeys + 1, passkey_pending = NULL, session_generation = session_generation + 1
			WHERE id = $1 AND passkey_pending = $2 RETURNING `+columns, who.ID, challenge))
		if fault.Is(err, fault.NotFound) {
			return refused // used a moment ago
		}
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO admin_passkeys (id, admin_id, rp_id, credential_id, user_handle, public_key, sign_count, synced, transports, name, created_at)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT (rp_id, credential_id) DO NOTHING`, db.NewID(), who.ID, party.ID, made.ID, owner.Handle,
			made.PublicKey, int64(made.Count), made.Synced, strings.Join(made.Transports, ","), name, db.Micro(now))
		if err != nil {
			return err
		}
		if n == 0 {
			return refused
		}
		if first {
			if codes, err = putCodes(ctx, tx, who.ID); err != nil {
				return err
			}
		}
		if err := s.changedOwn(ctx, tx, who, "passkey added", o); err != nil {
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

// RemovePasskey takes a passkey away from the administrator who proves the password once more. Errors: those of Prove; fault
// NotFound; Conflict for the last second factor where the store demands one.
func (s *Service) RemovePasskey(ctx context.Context, who Admin, id db.ID, password secret.Text, o audit.Origin) error {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	if err := s.Prove(ctx, who, password, o); err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM admin_passkeys WHERE id = $1 AND admin_id = $2", id, who.ID)
		if err == nil && n == 0 {
			err = noPasskey()
		}
		if err != nil {
			return err
		}
		who, err := scan(tx.Row(ctx, "UPDATE admins SET passkeys = passkeys - 1 WHERE id = $1 RETURNING "+columns, who.ID))
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
		return s.changedOwn(ctx, tx, who, "passkey removed", o)
	})
}

// halfChallenges are what the browser that waits for the second factor is asked, and after it what a node with the key before would
// have asked. They live and end with the session behind the cookie.
func (s *Service) halfChallenges(cookie secret.Text) (all [][]byte) {
	for _, t := range s.Key.Derived("admin-passkey-challenge", secret.Digest(cookie)) {
		all = append(all, secret.Digest(t))
	}
	return all
}

// AskSecondFactor asks for one of the passkeys of whoever waits for the second factor behind a cookie. ok is false where they have
// none that is good here, and for whoever has given no password.
func (s *Service) AskSecondFactor(ctx context.Context, cookie secret.Text, party passkey.Party) (options string, ok bool, err error) {
	who, err := s.half(ctx, cookie)
	if fault.Is(err, fault.Unauthenticated) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	var mine []Passkey
	if err := s.DB.Read(ctx, func(tx *db.Tx) error {
		mine, err = Passkeys(ctx, tx, who.ID)
		return err
	}); err != nil {
		return "", false, err
	}
	here := at(party, mine)
	if len(here) == 0 {
		return "", false, nil
	}
	options, err = party.Request(s.halfChallenges(cookie)[0], here)
	return options, err == nil, err
}

// SecondFactorByPasskey is SecondFactor by a passkey. Of several answers at once one is taken. Errors: those of SecondFactor.
func (s *Service) SecondFactorByPasskey(ctx context.Context, cookie secret.Text, party passkey.Party, answer string, o audit.Origin) (Opened, error) {
	who, err := s.half(ctx, cookie)
	if err != nil {
		return Opened{}, err
	}
	return s.goOn(ctx, who, cookie, "passkey", o, func(tx *db.Tx) (bool, error) { return s.takePasskey(ctx, tx, who, cookie, party, answer) })
}

func (s *Service) takePasskey(ctx context.Context, tx *db.Tx, who Admin, cookie secret.Text, party passkey.Party, text string) (bool, error) {
	answer, err := passkey.ParseAnswer(text)
	if err != nil {
		return false, nil
	}
	mine, err := Passkeys(ctx, tx, who.ID)
	if err != nil {
		return false, err
	}
	for _, p := range mine {
		if p.Host != party.ID || !bytes.Equal(p.credential.ID, answer.CredentialID) {
			continue
		}
		var count uint32
		for _, challenge := range s.halfChallenges(cookie) {
			if count, err = party.Verify(challenge, answer, p.credential, p.handle); !errors.Is(err, passkey.ErrRefused) {
				break
			}
		}
		if errors.Is(err, passkey.ErrRefused) || errors.Is(err, passkey.ErrCopied) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return false, err
		}
		n, err := tx.Exec(ctx, `UPDATE admin_passkeys SET sign_count = $2, last_used_at = $3 WHERE id = $1 AND (sign_count < $2 OR sign_count = 0 AND $2 = 0)`,
			p.ID, int64(count), db.Micro(now))
		return n == 1, err
	}
	return false, nil
}
