package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
)

const (
	keyFile        = "secret.key"      // in the data folder
	keyFingerprint = "key_fingerprint" // the row of installation
	maxKeyFile     = 4096              // bytes; a key takes 45
)

// keyPath is the file of the key, "" where the operator must name one.
func (p Place) keyPath() string {
	if p.SecretKeyFile != "" {
		return p.SecretKeyFile
	}
	if p.embedded() {
		return filepath.Join(p.Data, keyFile)
	}
	return ""
}

// readKey reads the key; it is zero where none is given and none has been made yet.
func (p Place) readKey() (secret.Key, error) {
	path := p.keyPath()
	if path == "" {
		return secret.Key{}, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && p.SecretKeyFile == "":
		return secret.Key{}, nil
	case err != nil:
		return secret.Key{}, fmt.Errorf("the secret key cannot be read: %w", err)
	case info.Size() > maxKeyFile:
		return secret.Key{}, fmt.Errorf("%s is too large to be a secret key", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.Key{}, fmt.Errorf("the secret key cannot be read: %w", err)
	}
	key, err := secret.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return secret.Key{}, fmt.Errorf("%s does not hold a secret key: %w", path, err)
	}
	return key, nil
}

// makeKey writes a new key so that it is there whole or not at all, whatever crashes, and never over another.
func (p Place) makeKey() (secret.Key, error) {
	path, key := p.keyPath(), secret.RandomKey()
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return secret.Key{}, fmt.Errorf("the secret key cannot be made: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(key.Encode().Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return secret.Key{}, fmt.Errorf("the secret key cannot be made: %w", err)
	}
	if err := os.Link(f.Name(), path); errors.Is(err, os.ErrExist) {
		return p.readKey() // another process was faster
	} else if err != nil {
		return secret.Key{}, fmt.Errorf("the secret key cannot be made: %w", err)
	}
	if folder, err := os.Open(filepath.Dir(path)); err == nil {
		folder.Sync() // the name outlives a power cut too, where the file system can promise that
		folder.Close()
	}
	return key, nil
}

// settleKey compares the key with the one that the store remembers, and makes or remembers it the first time.
func (p Place) settleKey(ctx context.Context, d *db.DB, key secret.Key, o Opening) (secret.Key, error) {
	known, err := fingerprint(ctx, d)
	if err != nil {
		return key, err
	}
	if key.IsZero() {
		switch {
		case !o.Serve:
			return key, nil
		case known != nil && !o.ReplaceKey:
			return key, fmt.Errorf("the secret key %s is missing; bring it back from your backup, or start once with --replace-secret-key, which ends every link in letters on their way", p.keyPath())
		}
		if key, err = p.makeKey(); err != nil {
			return key, err
		}
	}
	if bytes.Equal(known, key.Fingerprint()) {
		return key, nil
	}
	if known != nil && !o.ReplaceKey {
		return key, fmt.Errorf("the secret key in %s is not the one that this store was set up with; give the right one with --secret-key-file", p.keyPath())
	}
	if !o.Serve {
		return key, nil // the first server decides
	}
	return key, remember(ctx, d, key, o.ReplaceKey)
}

// fingerprint is the remembered one, nil when there is none.
func fingerprint(ctx context.Context, d *db.DB) (known []byte, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		err := tx.Row(ctx, `SELECT value FROM installation WHERE name = $1`, keyFingerprint).Scan(&known)
		if db.IsNoRows(err) {
			return nil
		}
		return err
	})
	return known, err
}

func remember(ctx context.Context, d *db.DB, key secret.Key, replace bool) error {
	if err := d.Write(ctx, func(tx *db.Tx) error {
		if replace {
			if _, err := tx.Exec(ctx, `DELETE FROM installation WHERE name = $1`, keyFingerprint); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
			keyFingerprint, key.Fingerprint())
		return err
	}); err != nil {
		return err
	}
	known, err := fingerprint(ctx, d)
	if err == nil && !bytes.Equal(known, key.Fingerprint()) {
		// Two first nodes started at once with different keys.
		err = errors.New("another node has just set this store up with another secret key; give every node the same one")
	}
	return err
}
