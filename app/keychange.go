package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/webhook"
)

// Rows of installation about the key.
const (
	keyFingerprint = "key_fingerprint" // of the key that makes
	keyFormer      = "key_former"      // fingerprint of the one before, and the microsecond of the change
)

// keyGrace is how long what the former key made is accepted after a change: as long as any link of a letter lives.
const keyGrace = recovery.ObjectionLife

// keyMemory is what the database remembers of the store's keys.
type keyMemory struct {
	known  []byte // fingerprint of the key that makes; nil before the first start
	former []byte // of the one before it; nil if there was none
	until  time.Time
	now    time.Time
}

// over tells whether a key is the former one and accepted no more.
func (m keyMemory) over(k secret.Key) bool { return m.isFormer(k) && !m.now.Before(m.until) }

func (m keyMemory) isKnown(k secret.Key) bool {
	return !k.IsZero() && bytes.Equal(m.known, k.Fingerprint())
}

func (m keyMemory) isFormer(k secret.Key) bool {
	return !k.IsZero() && bytes.Equal(m.former, k.Fingerprint())
}

func readKeyMemory(ctx context.Context, tx *db.Tx, lock string) (m keyMemory, err error) {
	if m.now, err = tx.Now(ctx); err != nil {
		return m, err
	}
	row := func(name string) (value []byte, err error) {
		err = tx.Row(ctx, `SELECT value FROM installation WHERE name = $1`+lock, name).Scan(&value)
		if db.IsNoRows(err) {
			return nil, nil
		}
		return value, err
	}
	if m.known, err = row(keyFingerprint); err != nil {
		return m, err
	}
	former, err := row(keyFormer)
	if err == nil && len(former) > 8 {
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(former[len(former)-8:]))).UTC()
		m.former, m.until = former[:len(former)-8], at.Add(keyGrace)
	}
	return m, err
}

func keyMemoryOf(ctx context.Context, d *db.DB) (m keyMemory, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		m, err = readKeyMemory(ctx, tx, "")
		return err
	})
	return m, err
}

// settleKey compares the key with the one that the store remembers, and makes, remembers or changes it where it may. The key that it
// gives accepts what it must.
func (p Place) settleKey(ctx context.Context, d *db.DB, key, beside secret.Key, o Opening) (secret.Key, error) {
	m, err := keyMemoryOf(ctx, d)
	if err != nil {
		return key, err
	}
	if key.IsZero() {
		switch {
		case !o.Serve:
			return key, nil
		case m.known != nil && !o.ReplaceKey && !m.isKnown(beside):
			return key, fmt.Errorf("the secret key %s is missing; bring it back from your backup, or start once with --replace-secret-key, which ends every link in letters on their way", p.keyPath())
		}
		if key, err = p.makeKey(); err != nil {
			return key, err
		}
	}
	ring := key.Accepting(beside)
	switch {
	case m.isKnown(key):
		if m.over(beside) {
			ring.GiveUp()
		}
		if !o.Serve {
			return ring, nil
		}
		return ring, resealAll(ctx, d, ring)
	case m.isFormer(key) && m.isKnown(beside) && !o.ReplaceKey:
		// A node that has not come to the change yet, started again. It does not change the key back.
		if m.over(key) {
			return key, fmt.Errorf("the secret key in %s was replaced, and what it made is accepted no more; give this node the new key alone", p.keyPath())
		}
		return ring, nil
	case m.known == nil || m.isKnown(beside) || o.ReplaceKey:
		if !o.Serve {
			return ring, nil // the first server decides
		}
		return ring, change(ctx, d, ring, o.ReplaceKey)
	}
	return key, fmt.Errorf("the secret key in %s is not the one that this store was set up with; give the right one with --secret-key-file", p.keyPath())
}

// change makes a key the store's, in one transaction with sealing anew what the key before it has sealed.
func change(ctx context.Context, d *db.DB, ring secret.Key, replace bool) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		m, err := readKeyMemory(ctx, tx, tx.ForUpdate())
		if err != nil || m.isKnown(ring) {
			return err // another node was faster
		}
		before := ring.Beside()
		switch {
		case m.known == nil:
		case m.isKnown(before):
			// What was only derived so far is sealed by the key that it was derived from, and everything then by the new one.
			if _, err := reseal(ctx, tx, before.Accepting(ring)); err != nil {
				return err
			}
			if err := keep(ctx, tx, keyFormer, binary.BigEndian.AppendUint64(m.known, uint64(m.now.UnixMicro()))); err != nil {
				return err
			}
		case replace:
			if _, err := tx.Exec(ctx, `DELETE FROM installation WHERE name = $1`, keyFormer); err != nil {
				return err
			}
		default:
			return errors.New("another node has just set this store up with another secret key; give every node the same one")
		}
		if m.known == nil {
			// Two first nodes that start at once with different keys: one of them is told.
			n, err := tx.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, keyFingerprint, ring.Fingerprint())
			if err != nil {
				return err
			}
			if m, err = readKeyMemory(ctx, tx, ""); err == nil && n == 0 && !m.isKnown(ring) {
				err = errors.New("another node has just set this store up with another secret key; give every node the same one")
			}
			return err
		}
		if err := keep(ctx, tx, keyFingerprint, ring.Fingerprint()); err != nil {
			return err
		}
		_, err = reseal(ctx, tx, ring)
		return err
	})
}

func keep(ctx context.Context, tx *db.Tx, name string, value []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

// reseal seals with the key what its owners keep sealed, and tells how much there was to do.
func reseal(ctx context.Context, tx *db.Tx, key secret.Key) (done int, err error) {
	for _, owner := range []func(context.Context, *db.Tx, secret.Key) (int, error){admin.Reseal, token.Reseal, webhook.Reseal} {
		n, err := owner(ctx, tx, key)
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

func resealAll(ctx context.Context, d *db.DB, key secret.Key) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		_, err := reseal(ctx, tx, key)
		return err
	})
}

// tendKey ends the grace of a former key in time, and until then seals with the new key what nodes with the old one have sealed since
// the change.
func (h *House) tendKey(ctx context.Context, log *slog.Logger) error {
	beside := h.Key.Beside()
	m, err := keyMemoryOf(ctx, h.DB)
	switch {
	case err != nil || h.Key.IsZero():
		return err
	case !m.isKnown(h.Key):
		log.Error("this node makes links with a secret key that the store has replaced; start it again with the new one", "accepted_until", m.until)
		return nil
	case beside.IsZero():
		return nil
	}
	if err := resealAll(ctx, h.DB, h.Key); err != nil {
		return err
	}
	if m.over(beside) {
		h.Key.GiveUp()
		log.Info("the former secret key is accepted no more; --accept-secret-key-file can go, and the file")
	}
	return nil
}

// KeyState is what the store knows about its keys, for its operator.
type KeyState struct {
	File          string     `json:"file,omitempty"`
	Key           string     `json:"key"`                      // fingerprint of the key of this place; "" where there is none
	Store         string     `json:"store"`                    // of the one that the store makes links with; "" before the first start
	Accepted      string     `json:"accepted,omitempty"`       // of the one that is accepted beside the place's
	Former        string     `json:"former,omitempty"`         // of the one before the store's
	AcceptedUntil *time.Time `json:"accepted_until,omitempty"` // what the former made
}

// KeyState tells which keys there are.
func (h *House) KeyState(ctx context.Context) (KeyState, error) {
	m, err := keyMemoryOf(ctx, h.DB)
	if err != nil {
		return KeyState{}, err
	}
	s := KeyState{File: h.keyPath(), Store: hex.EncodeToString(m.known), Former: hex.EncodeToString(m.former)}
	if !h.Key.IsZero() {
		s.Key = hex.EncodeToString(h.Key.Fingerprint())
	}
	if beside := h.Key.Beside(); !beside.IsZero() {
		s.Accepted = hex.EncodeToString(beside.Fingerprint())
	}
	if m.former != nil {
		s.AcceptedUntil = &m.until
	}
	return s, nil
}
