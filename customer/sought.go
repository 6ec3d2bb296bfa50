package customer

import (
	"strconv"
	"strings"
	"unicode"
)

// Sought is what somebody who looks for a customer typed, or pasted from a letter, an order or a list: an address, a number, or words.
type Sought struct {
	Address Address // zero if none stands in it
	ID      int64   // 0 if it is no number alone
	Exact   bool    // the number was marked as one, "#12": it is nothing else
	Text    string  // what to search for: the address, or the words without what stood around them
}

// around are marks that stand beside words and are no part of them. Quotes of every language, since mail programs set them.
const around = "\"'“”„‟‘’‚‛«»‹›`´<>()[]{},;:"

// ParseSought reads what was typed. It refuses nothing: what is neither an address nor a number is words.
func ParseSought(s string) Sought {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r) && r != zwnj && r != zwj: // marks of direction, and breaks without width, come with what is copied
			return -1
		}
		return r
	}, s)
	// An address holds none of these, but "o'brien@shop.example" holds an apostrophe: of quotes only those at its ends go.
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || strings.ContainsRune("\"“”„‟«»‹›<>()[]{},;:", r) })
	for _, part := range parts {
		if at := strings.IndexByte(part, '@'); at > 0 {
			if query := strings.IndexByte(part[at:], '?'); query > 0 { // of a link to write to it
				part = part[:at+query]
			}
		}
		if a, err := ParseAddress(strings.Trim(part, around+".")); err == nil {
			return Sought{Address: a, Text: a.String()}
		}
	}
	var words []string
	for _, word := range strings.Fields(s) {
		if word = strings.Trim(word, around); word != "" {
			words = append(words, word)
		}
	}
	text := strings.Join(words, " ")
	for _, mark := range []string{"#", "№"} {
		if digits, marked := strings.CutPrefix(text, mark); marked {
			if id, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64); err == nil && id > 0 {
				return Sought{ID: id, Exact: true, Text: text}
			}
		}
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		id = 0
	}
	return Sought{ID: id, Text: text}
}

// Joiners without width, which words of some languages need.
const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)
