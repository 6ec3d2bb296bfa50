// Package breached knows the passwords that stood in published breaches: a list that is imported once into one compact
// file, and asked without any network.
//
// Promises:
//   - A password of the list is always found. One that is not on it is taken for one in about 65,000 times
//     (FalsePositives): a new password is refused once too often, never once too rarely.
//   - Asking reads some hundred kilobytes at most and keeps none, however long the list is.
//   - A file is whole or it is not used: every part carries a checksum. What replaces a file is in force within
//     lookEvery, without a restart; while the replacement cannot be used, or the file is gone, the one before stays.
//   - The file holds no passwords, only 16-bit fingerprints from which none can be read.
package breached

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"
)

// FalsePositives is the share of passwords that are found although they are not on the list: one fingerprint of 16 bits.
const FalsePositives = 1.0 / (1 << 16)

// lookEvery is how often the file is looked at for a newer one.
const lookEvery = 10 * time.Second

// ErrNone says that there is no list.
var ErrNone = errors.New("no list of breached passwords has been imported")

// List is the list in one file, which may not be there yet. A nil List is one that never is.
type List struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	current *file
	err     error // why the file that is there now is not used
	looked  time.Time
}

// At is the list in the file at path. log hears of a replacement that cannot be used; it may be nil.
func At(path string, log *slog.Logger) *List { return &List{path: path, log: log, now: time.Now} }

// Path is where the list's file is, or would be; "" for a nil List.
func (l *List) Path() string {
	if l == nil {
		return ""
	}
	return l.path
}

// Has tells whether a password is on the list. Without a list none is. The error is about the file: who refuses breached
// passwords must not take it for a no.
func (l *List) Has(password string) (bool, error) {
	for {
		f, err := l.open()
		if errors.Is(err, ErrNone) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		found, err := f.has(keyOf(password))
		if errors.Is(err, os.ErrClosed) {
			continue // a newer one took its place between the two lines above
		}
		return found, err
	}
}

// Facts tells about the list that is in use. Errors: ErrNone; what is wrong with the file.
func (l *List) Facts() (Facts, error) {
	f, err := l.open()
	if err != nil {
		return Facts{}, err
	}
	return f.facts, nil
}

// Verify reads the whole file and compares every checksum.
func (l *List) Verify() error {
	f, err := l.open()
	if err != nil {
		return err
	}
	return f.verify()
}

// Close lets go of the file.
func (l *List) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		l.current.Close()
	}
	l.current, l.looked = nil, time.Time{}
}

// open gives the file in use, after a look for a newer one.
func (l *List) open() (*file, error) {
	if l == nil {
		return nil, ErrNone
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.looked.IsZero() || now.Sub(l.looked) >= lookEvery {
		l.looked = now
		l.look()
	}
	if l.current != nil {
		return l.current, nil
	}
	return nil, l.err
}

func (l *List) look() {
	info, err := os.Stat(l.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		l.err = ErrNone
		return // a file that was in use stays in use: nothing weakens the rules but a restart
	case err == nil && l.current != nil && l.current.is(info):
		l.err = nil
		return
	}
	var fresh *file
	if err == nil {
		fresh, err = openFile(l.path)
	}
	if err != nil {
		err = fmt.Errorf("the list of breached passwords %s cannot be used: %w", l.path, err)
		if l.log != nil && (l.err == nil || l.err.Error() != err.Error()) {
			l.log.Error("a list of breached passwords is not used", "error", err, "before", l.current != nil)
		}
		l.err = err
		return
	}
	if l.current != nil {
		l.current.Close()
	}
	l.current, l.err = fresh, nil
}

// keyOf is what the list knows a password by: the beginning of the SHA-1 of its NFC form, because SHA-1 is what the lists
// that can be had are made of. Nothing is protected by it.
func keyOf(password string) uint64 {
	return keyOfSum(sha1.Sum([]byte(norm.NFC.String(password))))
}

func keyOfSum(sum [sha1.Size]byte) uint64 { return binary.BigEndian.Uint64(sum[:8]) }
