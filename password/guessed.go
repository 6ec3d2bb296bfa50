package password

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
)

// strengthInput is how many characters the strength meter reads: its work grows with the square of the length.
const strengthInput = 72

// commonText are the passwords that people choose most, the most used first: those of @zxcvbn-ts/language-common 4.1.3
// (see guessed/LICENSE) that have at least four characters.
//
//go:embed guessed/passwords.txt
var commonText string

var commonSet = sync.OnceValue(func() map[string]struct{} {
	set := make(map[string]struct{}, strings.Count(commonText, "\n"))
	for p := range strings.Lines(commonText) {
		set[strings.TrimSuffix(p, "\n")] = struct{}{}
	}
	return set
})

// common compares the whole password, in lower case, with the most used ones and with the words of this account and
// store. One of these over and over, one sign over and over, and a row such as abcdefgh are as common as their beginning
// (NIST SP 800-63B-4 §3.1.1.2).
func (r Rules) common(pw string, who Person) bool {
	lower := strings.ToLower(pw)
	own := r.words(who)
	first := func(s string) bool {
		if _, found := commonSet()[s]; found {
			return true
		}
		for _, word := range own {
			if s == strings.ToLower(word) {
				return true
			}
		}
		return false
	}
	runes := []rune(lower)
	unit := runes[:period(runes)]
	return first(lower) || isRow(unit) || first(string(unit))
}

// period is the length of the shortest beginning that, over and over, gives the whole.
func period(s []rune) int {
	border := make([]int, len(s)) // of each beginning: how long the longest end is that it begins with, too
	for i, k := 1, 0; i < len(s); i++ {
		for k > 0 && s[i] != s[k] {
			k = border[k-1]
		}
		if s[i] == s[k] {
			k++
		}
		border[i] = k
	}
	if len(s) == 0 {
		return 0
	}
	return len(s) - border[len(s)-1]
}

// isRow tells whether each sign is the next one up, or down, from the one before.
func isRow(s []rune) bool {
	for i := 2; i < len(s); i++ {
		if s[i]-s[i-1] != s[1]-s[0] {
			return false
		}
	}
	return len(s) == 1 || len(s) > 1 && (s[1]-s[0] == 1 || s[0]-s[1] == 1)
}

// known tells whether a password is on the list of breached ones.
func (r Rules) known(pw string) (bool, error) {
	if r.Common == Accept {
		return false, nil
	}
	found, err := r.Breached.Has(pw)
	if err != nil && r.Common == Advise {
		return false, nil // the list has said so in the log; advice may be missing
	}
	return found, err
}

func strength(pw string, words []string) int {
	if utf8.RuneCountInString(pw) > strengthInput {
		pw = string([]rune(pw)[:strengthInput])
	}
	return zxcvbn.PasswordStrength(pw, words).Score
}

// words are what a password of this account must not consist of: its address, its names singly and in pairs, the store.
func (r Rules) words(who Person) []string {
	local, domain, _ := strings.Cut(who.Email, "@")
	all := append([]string{who.Email, local, domain}, who.Names...)
	for i, one := range who.Names {
		for j, other := range who.Names {
			if i != j {
				all = append(all, one+other, one+" "+other)
			}
		}
	}
	for _, store := range r.Stores {
		all = append(all, store, strings.ReplaceAll(store, " ", ""))
	}
	return slices.DeleteFunc(all, func(w string) bool { return strings.TrimSpace(w) == "" })
}
