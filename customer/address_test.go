package customer_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/customer"
)

func TestOneRuleComparesAddresses(t *testing.T) {
	for _, row := range []struct{ typed, canonical, why string }{
		{"Camille@Example.COM", "camille@example.com", "ASCII letters fold"},
		{" camille@example.com ", "camille@example.com", "pasted with spaces around it"},
		{"\u00a0camille@example.com\u00a0", "camille@example.com", "copied from an office document"},
		{"\ufeff\u200b camille@example.com\u202f\u2060\r\n\t", "camille@example.com", "copied from a mail program"},
		{"\u202acamille@example.com\u202c", "camille@example.com", "copied from an address book of a telephone"},
		{"anna@bücher.example", "anna@xn--bcher-kva.example", "domain as A-label"},
		{"stra\u00dfe@x.test", "stra\u00dfe@x.test", "sharp s is not ss"},
		{"\u212aim@x.test", "\u212aim@x.test", "the Kelvin sign is NFC-equal to K"},
		{"m\u0131ke@x.test", "m\u0131ke@x.test", "dotless i is not i"},
		{"\u017fam@x.test", "\u017fam@x.test", "long s is not s"},
		{"jose\u0301@x.test", "jos\u00e9@x.test", "composed and decomposed are one"},
		{"o'neil+shop@x.test", "o'neil+shop@x.test", "apostrophe and plus are ordinary"},
	} {
		a, err := customer.ParseAddress(row.typed)
		want := row.canonical
		if strings.HasPrefix(row.typed, "\u212a") {
			want = "kim@x.test" // NFC itself maps the sign to K: canonical equivalence, not folding
		}
		if err != nil || a.Canonical() != want {
			t.Errorf("%s: %q gave %q, %v", row.why, row.typed, a.Canonical(), err)
		}
	}
}

func TestAddressesThatTwoProgramsReadDifferentlyAreRefused(t *testing.T) {
	for _, row := range []struct{ typed, why string }{
		{"", "empty"}, {"camille", "no at"}, {"@x.test", "no local part"}, {"a@", "no domain"}, {"a@b@x.test", "two ats"},
		{`"v@x.test" <evil@y.test>`, "display name"}, {"<v@x.test>", "angle brackets"}, {"v@x.test (c)", "comment"},
		{`"a b"@x.test`, "quoted"}, {"a b@x.test", "space"}, {"a\t@x.test", "tab"}, {"a\r\nBcc: v@x.test", "header injection"},
		{"a\x00@x.test", "NUL"}, {"a@[127.0.0.1]", "IP literal"}, {"a@127.0.0.1", "IP address"}, {"a%b@x.test", "percent route"},
		{"x.test!a@y.test", "bang route"}, {"@relay.test:a@x.test", "source route"}, {"=?utf-8?q?a?=@x.test", "encoded word"},
		{"a,b@x.test", "two addresses"}, {"a;b@x.test", "two addresses"}, {".a@x.test", "leading dot"}, {"a.@x.test", "trailing dot"},
		{"a..b@x.test", "two dots"}, {"a@x..test", "empty label"}, {"a@-x.test", "label begins with a hyphen"}, {"a@x_y.test", "underscore"},
		{"a@localhost", "no dot"}, {"a@x.test.", "root dot"}, {"a\u200b@x.test", "zero width"}, {"a\u202e@x.test", "direction override"},
		{"\xff@x.test", "invalid UTF-8"}, {strings.Repeat("a", 65) + "@x.test", "65 bytes before the at"},
		{"a@" + strings.Repeat("b", 64) + ".test", "label of 64"}, {strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 120) + "test", "too long"},
	} {
		if a, err := customer.ParseAddress(row.typed); err == nil {
			t.Errorf("%s: %q was taken as %q", row.why, row.typed, a.Canonical())
		}
	}
}

func TestMaskedAddressesAreRecognisedByTheirOwnerOnly(t *testing.T) {
	for typed, want := range map[string]string{"camille@x.test": "c…e@x.test", "ab@x.test": "a…@x.test", "éva@x.test": "é…a@x.test"} {
		a, err := customer.ParseAddress(typed)
		if err != nil || a.Masked() != want {
			t.Errorf("%s: %s %v", typed, a.Masked(), err)
		}
	}
}

// Whatever is accepted has the properties that mail servers, tables and letters rely on.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@x.test", "jos\u00e9@b\u00fccher.example", "a@b@c", "\xff@x", "a\r\n@x.test", "=?a?=@x.test", strings.Repeat("a", 300) + "@x.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := customer.ParseAddress(s)
		if err != nil {
			return
		}
		typed, canonical := a.String(), a.Canonical()
		if !utf8.ValidString(typed) || len(typed) > customer.MaxAddress+8 || strings.Count(canonical, "@") != 1 {
			t.Errorf("%q: %q", s, canonical)
		}
		if strings.ContainsFunc(typed, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) || strings.ContainsAny(typed, "<>()[]:;\\,\"%!") {
			t.Errorf("%q: dangerous characters kept in %q", s, typed)
		}
		again, err := customer.ParseAddress(canonical)
		if err != nil || again.Canonical() != canonical {
			t.Errorf("%q: its canonical form %q is not canonical: %q %v", s, canonical, again.Canonical(), err)
		}
	})
}
