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
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
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

// Mailed is the secret in what stood behind "token=" in a mailed link. Mail programs take in the full stop, the bracket or the asterisk that
// follows a link, and people copy a space: whatever is no sign of base64url (RFC 4648, section 5) and stands around a whole secret is left out.
func Mailed(s string) Text {
	var whole []string
	for run := range strings.FieldsFuncSeq(s, func(c rune) bool { return !strings.ContainsRune(base64url, c) }) {
		if len(run) == TextLength {
			whole = append(whole, run)
		}
	}
	if len(whole) != 1 {
		return NewText(s)
	}
	return NewText(whole[0])
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// WellFormed tells whether t can be a secret made by the house; anything else needs no look at the database.
func WellFormed(t Text) bool {
	s := t.Reveal()
	if len(s) != TextLength {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}
