package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// KeyLength is the length of the installation's key in bytes.
const KeyLength = 32

// Key is the installation's key. It lives outside the database, so that the database alone cannot make a link. While a key is
// being changed, it is the key that makes and beside it the one that is accepted: the next, or the last.
type Key struct {
	b      *[KeyLength]byte
	beside *beside // nil: nothing is
}

// beside is another key whose links, codes and seals are accepted, until it is given up, in every copy of the Key at once.
type beside struct {
	key Key
	off atomic.Bool
}

// NewKey checks the length of a key's bytes.
func NewKey(b []byte) (Key, error) {
	if len(b) != KeyLength {
		return Key{}, fmt.Errorf("the secret key must have %d bytes, not %d", KeyLength, len(b))
	}
	return Key{b: (*[KeyLength]byte)(b)}, nil
}

// RandomKey makes a new key.
func RandomKey() Key {
	var b [KeyLength]byte
	rand.Read(b[:])
	return Key{b: &b}
}

// ParseKey reads the form that Encode writes.
func ParseKey(s string) (Key, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return Key{}, errors.New("the secret key is not base64")
	}
	return NewKey(b)
}

// Encode returns the key as base64, for its file.
func (k Key) Encode() Text { return NewText(base64.StdEncoding.EncodeToString(k.b[:])) }

// IsZero tells whether there is no key.
func (k Key) IsZero() bool { return k.b == nil }

// Accepting is the key that makes what k makes, and accepts what other made as well.
func (k Key) Accepting(other Key) Key {
	if other.IsZero() || subtle.ConstantTimeCompare(k.b[:], other.b[:]) == 1 {
		return Key{b: k.b}
	}
	return Key{b: k.b, beside: &beside{key: Key{b: other.b}}}
}

// Beside is the key that is accepted beside k, zero when there is none.
func (k Key) Beside() Key {
	if k.beside == nil || k.beside.off.Load() {
		return Key{}
	}
	return k.beside.key
}

// GiveUp ends that: from now on k, and every copy of it, accepts nothing but its own.
func (k Key) GiveUp() {
	if k.beside != nil {
		k.beside.off.Store(true)
	}
}

// accepted are the keys to try, the one that makes first.
func (k Key) accepted() []Key {
	if other := k.Beside(); !other.IsZero() {
		return []Key{k, other}
	}
	return []Key{k}
}

// Derive makes the secret that belongs to a purpose and an id: HMAC-SHA256(key, purpose 0x00 id) (RFC 2104). The same
// id gives the same secret on every node and at every try, so that nothing but the id has to be stored.
func (k Key) Derive(purpose string, id []byte) Text {
	return NewText(base64.RawURLEncoding.EncodeToString(k.mac(purpose, id)))
}

// Derived is what Derive makes, and after it what the accepted key would have made.
func (k Key) Derived(purpose string, id []byte) []Text {
	var all []Text
	for _, key := range k.accepted() {
		all = append(all, key.Derive(purpose, id))
	}
	return all
}

// Made tells whether a secret is what Derive makes or the accepted key would have made, in constant time.
func (k Key) Made(purpose string, id []byte, given Text) bool {
	made := false
	for _, t := range k.Derived(purpose, id) {
		made = t.Equal(given) || made
	}
	return made
}

// Again is the derived secret that a table has this digest of: it may have been made under the key before. Of neither key, it is
// what Derive makes.
func (k Key) Again(purpose string, id, digest []byte) Text {
	all := k.Derived(purpose, id)
	for _, t := range all {
		if subtle.ConstantTimeCompare(Digest(t), digest) == 1 {
			return t
		}
	}
	return all[0]
}

// Fingerprint identifies the key without giving it away; the database remembers it, so that a wrong key is noticed
// at start rather than by customers whose links do not work.
func (k Key) Fingerprint() []byte { return k.mac("fingerprint", nil)[:8] }

func (k Key) mac(purpose string, id []byte) []byte {
	if k.b == nil {
		panic("secret: key is not set")
	}
	m := hmac.New(sha256.New, k.b[:])
	m.Write([]byte(purpose))
	m.Write([]byte{0})
	m.Write(id)
	return m.Sum(nil)
}

func (k Key) String() string               { return hidden }
func (k Key) GoString() string             { return hidden }
func (k Key) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hidden)) }
func (k Key) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (k Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
