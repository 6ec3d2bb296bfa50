package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rekeyhq/rekey/input"
	"github.com/rekeyhq/rekey/secret"
)

const (
	keyFile    = "secret.key" // in the data folder
	maxKeyFile = 4096         // bytes; a key takes 45
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
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && p.SecretKeyFile == "" {
		return secret.Key{}, nil
	}
	return readKeyFile(path)
}

// readBeside reads the key that is accepted beside the store's own, zero where none is given.
func (p Place) readBeside() (secret.Key, error) {
	if p.AcceptKeyFile == "" {
		return secret.Key{}, nil
	}
	return readKeyFile(p.AcceptKeyFile)
}

func readKeyFile(path string) (secret.Key, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return secret.Key{}, fmt.Errorf("the secret key cannot be read: %w", err)
	case info.Size() > maxKeyFile:
		return secret.Key{}, fmt.Errorf("%s is too large to be a secret key", path)
	}
	text, err := input.ReadFile(path, maxKeyFile) // a device or a pipe tells no size
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
