package secret_test

import (
	"testing"

	"github.com/rekeyhq/rekey/secret"
)

func TestCodesAreReadAsTheyAreMeant(t *testing.T) {
	key, err := secret.NewKey(make([]byte, secret.KeyLength))
	if err != nil {
		t.Fatal(err)
	}
	code := key.DeriveCode("test", []byte("a"))
	if len(code.Reveal()) != secret.CodeLength || !code.Equal(key.DeriveCode("test", []byte("a"))) {
		t.Errorf("%d characters, or another each time", len(code.Reveal()))
	}
	if code.Equal(key.DeriveCode("other", []byte("a"))) || code.Equal(key.DeriveCode("test", []byte("b"))) {
		t.Error("another purpose or another id has the same code")
	}
	if !secret.TypedCode(secret.ShowCode(code)).Equal(code) {
		t.Error("what is shown is not what is read")
	}
	for _, row := range []struct{ typed, want, why string }{
		{"K7QM-3XTV", "K7QM3XTV", "as it is shown"},
		{"  k7qm 3xtv\n", "K7QM3XTV", "in lower case, with spaces, pasted with the end of the line"},
		{"K7QM–3XT\u00adV", "K7QM3XTV", "with a dash that a phone made of the hyphen, and a soft hyphen"},
		{"Ｋ７ＱＭ　３ＸＴＶ", "K7QM3XTV", "full-width, from an input method"},
		{"oO-iI-lL", "001111", "what looks like a digit is one"},
		{"K7QM3XT", "K7QM3XT", "one short stays one short"},
		{"", "", "nothing stays nothing"},
	} {
		if got := secret.TypedCode(secret.NewText(row.typed)).Reveal(); got != row.want {
			t.Errorf("%s: %q is read as %q, want %q", row.why, row.typed, got, row.want)
		}
	}
}
