// Package secret holds what must never be seen: passwords, links, keys, tokens.
//
// Promises:
//   - A Text or a Key prints as nothing under any fmt verb, in slog, in JSON and in a panic. The text sits behind a
//     pointer, because fmt reads unexported fields of a struct that holds a secret by value.
//   - Tables store a Digest (SHA-256) of secrets that the house made itself (256 bits, so that a plain hash is enough)
//     and Argon2id of passwords that people made (RFC 9106).
//   - Hashing passwords is bounded: a gate of a few slots, a short queue, then ErrBusy.
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
)

const hidden = "[secret]"

// Text is a secret string. The zero value is the empty secret.
type Text struct{ p *string }

// NewText wraps s.
func NewText(s string) Text { return Text{&s} }

// Reveal returns the secret. Each call is a place to review: it goes to a hash, a mail or a cookie, never to a log.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// IsEmpty tells whether there is nothing to hide.
func (t Text) IsEmpty() bool { return t.p == nil || *t.p == "" }

// Equal compares in constant time.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// String, Format, GoString, LogValue and the marshalers all hide the text.
func (t Text) String() string               { return hidden }
func (t Text) GoString() string             { return hidden }
func (t Text) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(hidden)) }
func (t Text) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (t Text) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// UnmarshalText lets flags and configuration fill a secret.
func (t *Text) UnmarshalText(b []byte) error {
	*t = NewText(string(b))
	return nil
}

// TextLength is the length of every secret that the house makes: 256 bits in unpadded base64url.
const TextLength = 43

// Random makes a new secret of 256 bits from the operating system's generator (which crashes rather than be weak).
func Random() Text {
	var b [32]byte
	rand.Read(b[:])
	return NewText(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Digest is what a table stores of a secret made by Random or Derive.
func Digest(t Text) []byte {
	sum := sha256.Sum256([]byte(t.Reveal()))
	return sum[:]
}

// WellFormed tells whether t can be a secret made by the house; anything else needs no look at the database.
func WellFormed(t Text) bool {
	s := t.Reveal()
	if len(s) != TextLength {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}

// KeyLength is the length of the installation's key in bytes.
const KeyLength = 32

// Key is the installation's key. It lives outside the database, so that the database alone cannot make a link.
type Key struct{ b *[KeyLength]byte }

// NewKey checks the length of a key's bytes.
func NewKey(b []byte) (Key, error) {
	if len(b) != KeyLength {
		return Key{}, fmt.Errorf("the secret key must have %d bytes, not %d", KeyLength, len(b))
	}
	return Key{(*[KeyLength]byte)(b)}, nil
}

// RandomKey makes a new key.
func RandomKey() Key {
	var b [KeyLength]byte
	rand.Read(b[:])
	return Key{&b}
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

// Derive makes the secret that belongs to a purpose and an id: HMAC-SHA256(key, purpose 0x00 id) (RFC 2104). The same
// id gives the same secret on every node and at every try, so that nothing but the id has to be stored.
func (k Key) Derive(purpose string, id []byte) Text {
	return NewText(base64.RawURLEncoding.EncodeToString(k.mac(purpose, id)))
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
