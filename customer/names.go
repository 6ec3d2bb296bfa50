package customer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rekeyhq/rekey/fault"
)

// A name is what a stranger may have typed who wants somebody else to read it: in an email of the store, in an app that was told it. So no
// name leads anywhere, can be called, or looks like another than it is. How names are written otherwise is nobody's to judge.

const (
	// MaxName is how many characters a first, middle or last name may have.
	MaxName = 100
	// maxDigits is how many digits a name may have in a row, whatever but letters stands between them: a year, but no telephone number.
	maxDigits = 4
)

// namePart is one part of a name, under the name of its field.
type namePart struct {
	field, text string
	most        int // characters
	needed      bool
}

// nameParts are the parts that customers and postal addresses both have.
func nameParts(prefix, first, middle, last, suffix string) []namePart {
	return []namePart{{"firstname", first, MaxName, true}, {"lastname", last, MaxName, true}, {"middlename", middle, MaxName, false},
		{"prefix", prefix, maxShort, false}, {"suffix", suffix, maxShort, false}}
}

func (c Customer) nameParts() []namePart {
	return nameParts(c.Prefix, c.Firstname, c.Middlename, c.Lastname, c.Suffix)
}

// check judges one part. What is kept already is not judged again: was is how it stands there.
func (n namePart) check(was string) error {
	refuse := func(key, text string) error { return fault.Refuse(n.field, key, text, nil) }
	switch {
	case strings.TrimSpace(n.text) == "":
		if n.needed {
			return refuse("name.required", "Please enter a name.")
		}
		return nil
	case n.text == was:
		return nil
	case utf8.RuneCountInString(n.text) > n.most:
		return fault.Refuse(n.field, "name.too_long", fmt.Sprintf("A name may have at most %d characters.", n.most), map[string]any{"Max": n.most})
	case !plainText(n.text):
		return refuse("name.invalid", "The name contains characters that do not belong in a name.")
	}
	read := strings.ToLower(norm.NFKC.String(n.text)) // as programs read it that make links of what they read
	switch {
	case strings.ContainsAny(read, "<>{}\\@"), strings.ContainsFunc(read, breaksLine):
		return refuse("name.invalid", "The name contains characters that do not belong in a name.")
	case hasHidden(n.text):
		return refuse("name.hidden", "The name contains signs that cannot be seen. Type it anew.")
	case leads(read):
		return refuse("name.link", "A name cannot hold an internet address. After a dot, write a space.")
	case hasNumber(read):
		return refuse("name.number", fmt.Sprintf("A name cannot hold a number of more than %d digits.", maxDigits))
	}
	return nil
}

func breaksLine(r rune) bool { return unicode.In(r, unicode.Zl, unicode.Zp) }

// hasHidden finds signs that cannot be seen: they turn the direction of what follows, or part a word where nobody sees it. The joiners stay
// where scripts need them.
func hasHidden(name string) bool {
	all := []rune(name)
	for i, r := range all {
		if unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Cf, r) && !joins(all, i) {
			return true
		}
	}
	return false
}

// joining are the scripts in which a joiner changes how a word is written.
var joining = []*unicode.RangeTable{unicode.Adlam, unicode.Arabic, unicode.Balinese, unicode.Bengali, unicode.Devanagari, unicode.Gujarati, unicode.Gurmukhi,
	unicode.Hanifi_Rohingya, unicode.Javanese, unicode.Kannada, unicode.Khmer, unicode.Malayalam, unicode.Mandaic, unicode.Mongolian, unicode.Myanmar,
	unicode.Nko, unicode.Oriya, unicode.Sinhala, unicode.Sundanese, unicode.Syriac, unicode.Tamil, unicode.Telugu, unicode.Tibetan}

// joins tells whether the sign at i is a joiner (ZWNJ, ZWJ) in its place: between letters of such a script, or at the end of a word after
// the sign that takes a vowel away, as Malayalam is typed.
func joins(all []rune, i int) bool {
	const zwnj, zwj = '\u200c', '\u200d'
	if all[i] != zwnj && all[i] != zwj || i == 0 || !unicode.In(all[i-1], joining...) {
		return false
	}
	if i+1 < len(all) && all[i+1] != ' ' {
		return unicode.In(all[i+1], joining...)
	}
	const virama = 9 // the canonical combining class of them all
	return norm.NFC.PropertiesString(string(all[i-1])).CCC() == virama
}

// leads tells whether programs would make a link of something in a name: letters on both sides of a dot, unless what follows is one
// letter alone, as in J.R.R. and Ph.D.: no domain ends like that.
func leads(read string) bool {
	if strings.Contains(read, "www") || strings.Contains(read, "//") {
		return true
	}
	all := []rune(read)
	for i, r := range all {
		if !strings.ContainsRune(".。｡", r) || i == 0 || !inWord(all[i-1]) {
			continue
		}
		after := 0
		for i+1+after < len(all) && inWord(all[i+1+after]) {
			after++
		}
		if after > 1 || after == 1 && unicode.IsDigit(all[i+1]) {
			return true
		}
	}
	return false
}

func inWord(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) }

// hasNumber finds more digits than maxDigits without a letter between them.
func hasNumber(read string) bool {
	digits := 0
	for _, r := range read {
		switch {
		case unicode.IsDigit(r):
			if digits++; digits > maxDigits {
				return true
			}
		case unicode.IsLetter(r):
			digits = 0
		}
	}
	return false
}
