// Package password says what a new password must keep to, whoever's it is: a customer's or an administrator's. It knows no
// setting and no account; shop makes the Rules of a store view and of the console from the settings in force.
//
// Promises:
//   - Rules apply when a password is set, never when it is tried.
//   - What is refused is refused as a whole: nothing is trimmed, cut or mended silently.
//   - Where common passwords are refused and the list of breached ones cannot be read, nothing is accepted: a fault of the disk
//     weakens no rule.
package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/secret/breached"
)

// What any password may have at most. Longer ones are refused before they are hashed, never cut.
const (
	Max      = 256  // code points
	maxBytes = 1024 // bytes
)

// What happens to a common or breached password: the values of Rules.Common.
const (
	Accept  = "off"
	Advise  = "advise"
	Enforce = "enforce"
)

// Rules are what a new password must keep to.
type Rules struct {
	Min      int            // code points
	Spaces   bool           // white space is allowed
	Classes  int            // of lower case, upper case, digits, others
	Common   string         // Accept, Advise or Enforce
	Strength int            // least Advice.Score; 0 asks for none
	Stores   []string       // names that everybody knows here
	Breached *breached.List // nil knows none
}

// Sentences says the rules beforehand, in the reader's language.
func (r Rules) Sentences(l *lang.Lang) []string {
	s := []string{l.T("password.rule.length", "Min", r.Min)}
	if !r.Spaces {
		s = append(s, l.T("password.rule.whitespace"))
	}
	if r.Classes > 1 {
		s = append(s, l.T("password.rule.classes", "Classes", r.Classes))
	}
	if r.Common == Enforce {
		s = append(s, l.T("password.rule.common"))
		if _, err := r.Breached.Facts(); err == nil {
			s = append(s, l.T("password.rule.breached"))
		}
	}
	if r.Strength > 0 {
		s = append(s, l.T("password.rule.strong"))
	}
	return s
}

// Person is whose password it is: what it must not be made of.
type Person struct {
	Email string
	Names []string // first and last name, user name
}

// Advice is what could be said about an accepted password.
type Advice struct {
	Score    int  // 0 (guessed at once) to 4 (strong), by zxcvbn
	Common   bool // among the most common ones
	Breached bool // on the list of breached passwords
}

// Check judges a new password. The first broken rule is the error, fault Invalid on "password".
func (r Rules) Check(password secret.Text, who Person) (Advice, error) {
	raw := password.Reveal()
	refuse := func(key, text string, args map[string]any) (Advice, error) {
		return Advice{}, fault.Refuse("password", key, text, args)
	}
	switch {
	case raw == "":
		return refuse("password.required", "Please enter a new password.", nil)
	case len(raw) > maxBytes || utf8.RuneCountInString(raw) > Max:
		return refuse("password.too_long", fmt.Sprintf("Please enter a password with at most %d characters.", Max), map[string]any{"Max": Max})
	case !utf8.ValidString(raw) || strings.ContainsRune(raw, 0):
		return refuse("password.invalid_text", "The password contains characters that cannot be typed. Choose another one.", nil)
	case !r.Spaces && strings.ContainsFunc(raw, isSpace): // before normalisation, which would hide some of them
		return refuse("password.whitespace", "The password can't contain spaces. Create a new password and try again.", nil)
	}
	pw := norm.NFC.String(raw)
	if utf8.RuneCountInString(pw) < r.Min {
		return refuse("password.too_short", fmt.Sprintf("The password needs at least %d characters. Create a new password and try again.", r.Min), map[string]any{"Min": r.Min})
	}
	if classes := classesIn(pw); classes < r.Classes {
		return refuse("password.classes", fmt.Sprintf("Minimum of different classes of characters in password is %d. Classes of characters: Lower Case, Upper Case, Digits, Special Characters.", r.Classes), map[string]any{"Classes": r.Classes})
	}
	if strings.EqualFold(pw, who.Email) {
		return refuse("password.is_email", "The password can't be the same as the email address. Create a new password and try again.", nil)
	}
	a := Advice{Common: r.Common != Accept && r.common(pw, who), Score: strength(pw, r.words(who))}
	if a.Common && r.Common == Enforce {
		return refuse("password.common", "This password is one of the first that others would try. Choose a less common one.", nil)
	}
	var err error
	if a.Breached, err = r.known(pw); err != nil {
		return Advice{}, err
	}
	if a.Breached && r.Common == Enforce {
		return refuse("password.breached", "This password has appeared in a data leak elsewhere, so it is no longer secret. Choose another one.", nil)
	}
	if a.Score < r.Strength {
		return refuse("password.weak", "This password is easily guessed: it is made of common words, names, rows or years. Choose one that is longer or less usual.", nil)
	}
	return a, nil
}

// CheckPair is Check for a form that asks twice.
func (r Rules) CheckPair(password, confirm secret.Text, who Person) (Advice, error) {
	advice, err := r.Check(password, who)
	if err == nil && !password.Equal(confirm) {
		err = fault.Refuse("password_confirmation", "password.mismatch", "New Password and Confirm New Password values didn't match.", nil)
	}
	return advice, err
}

// isSpace is Unicode's White_Space and the four that look like one and are not in it: zero width space, word joiner,
// byte order mark, Mongolian vowel separator.
func isSpace(r rune) bool {
	switch r {
	case '\u200b', '\u2060', '\ufeff', '\u180e':
		return true
	}
	return unicode.IsSpace(r)
}

// classesIn counts Commerce's classes, which are ASCII: é counts as special.
func classesIn(s string) int {
	var seen [4]int
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z':
			seen[0] = 1
		case 'A' <= r && r <= 'Z':
			seen[1] = 1
		case '0' <= r && r <= '9':
			seen[2] = 1
		default:
			seen[3] = 1
		}
	}
	return seen[0] + seen[1] + seen[2] + seen[3]
}
