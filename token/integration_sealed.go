package token

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
)

// seal is what a table keeps of the derived secret of an id.
func (s *Service) seal(purpose string, id []byte) []byte {
	return s.Key.Seal(purpose, id, s.Key.Derive(purpose, id))
}

// held is the secret of an id: what was sealed of it. Where nothing was, or what no key opens any more, it is derived.
func (s *Service) held(purpose string, id, sealed []byte) secret.Text {
	if sealed != nil {
		if plain, err := s.Key.Open(purpose, id, sealed); err == nil {
			return plain
		}
	}
	return s.Key.Derive(purpose, id)
}

// consumerID is what the consumer's secret belongs to: an integration and its version.
func consumerID(i Integration) []byte {
	id := binary.BigEndian.AppendUint64(nil, uint64(i.ID))
	return binary.BigEndian.AppendUint64(id, uint64(i.version))
}

func (s *Service) consumerSecret(i Integration) secret.Text {
	return s.held(purposeConsumer, consumerID(i), i.sealed)
}

// Reseal seals with the key what integrations sign with: what has not been sealed yet, and what is sealed by the key beside it. It
// tells how many secrets there were to do.
func Reseal(ctx context.Context, tx *db.Tx, key secret.Key) (int, error) {
	s := &Service{Key: key}
	rows, err := tx.Query(ctx, "SELECT "+integrationColumns+" FROM integrations WHERE version > 0 ORDER BY id")
	all, err := db.Collect(rows, err, scanIntegration)
	if err != nil {
		return 0, err
	}
	done := 0
	for _, i := range all {
		sealed, changed := s.reseal(purposeConsumer, consumerID(i), i.sealed)
		if !changed {
			continue
		}
		n, err := tx.Exec(ctx, "UPDATE integrations SET sealed_secret = $3 WHERE id = $1 AND version = $2", i.ID, i.version, sealed)
		if err != nil {
			return done, err
		}
		done += int(n)
	}
	type access struct {
		id     db.ID
		sealed []byte
	}
	rows, err = tx.Query(ctx, "SELECT id, sealed_secret FROM tokens WHERE integration_id IS NOT NULL AND kind = $1 ORDER BY id", IntegrationToken)
	tokens, err := db.Collect(rows, err, func(row db.Scanner) (a access, err error) {
		err = row.Scan(&a.id, &a.sealed)
		return a, err
	})
	if err != nil {
		return done, err
	}
	for _, a := range tokens {
		sealed, changed := s.reseal(purposeAccess, a.id[:], a.sealed)
		if !changed {
			continue
		}
		n, err := tx.Exec(ctx, "UPDATE tokens SET sealed_secret = $2 WHERE id = $1", a.id, sealed)
		if err != nil {
			return done, err
		}
		done += int(n)
	}
	return done, nil
}

// reseal leaves what no key opens: the right one may come back.
func (s *Service) reseal(purpose string, id, sealed []byte) (again []byte, changed bool) {
	if sealed == nil {
		return s.seal(purpose, id), true
	}
	again, changed, err := s.Key.Reseal(purpose, id, sealed)
	return again, err == nil && changed && !bytes.Equal(again, sealed)
}
