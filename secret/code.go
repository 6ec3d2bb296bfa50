package secret

import (
	"encoding/base32"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CodeLength is the length of a code in characters, and codeBytes what they say: 40 bits.
const (
	CodeLength = 8
	codeBytes  = 5
)

// codeAlphabet is Crockford's: no I, L, O or U, so that nothing is read for something else and no word comes up.
const codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var codes = base32.NewEncoding(codeAlphabet).WithPadding(base32.NoPadding)

// DeriveCode is Derive for a secret that people type. It is short, so it must never be checked without counting the tries, and no
// hash of it may rest anywhere: forty bits are guessed offline in minutes.
func (k Key) DeriveCode(purpose string, id []byte) Text {
	return NewText(codes.EncodeToString(k.mac(purpose, id)[:codeBytes]))
}

// MadeCode is Made for codes.
func (k Key) MadeCode(purpose string, id []byte, given Text) bool {
	made := false
	for _, key := range k.accepted() {
		made = key.DeriveCode(purpose, id).Equal(given) || made
	}
	return made
}

// ShowCode writes a code as people read it best: "K7QM-3XTV".
func ShowCode(code Text) Text {
	c := code.Reveal()
	return NewText(c[:len(c)/2] + "-" + c[len(c)/2:])
}

// TypedCode is a code as it was meant: spaces, dashes and letter case do not matter, nor what looks like a digit.
func TypedCode(typed Text) Text {
	return NewText(strings.Map(func(r rune) rune {
		switch r = unicode.ToUpper(r); {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf):
			return -1
		case r == 'O':
			return '0'
		case r == 'I' || r == 'L':
			return '1'
		}
		return r
	}, norm.NFKC.String(typed.Reveal())))
}
