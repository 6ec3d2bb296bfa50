package mail

import (
	"fmt"
	"strings"
)

const (
	headerLine = 76 // of a header, with the space that continues it: RFC 2047 §2 where words are encoded, and enough elsewhere
	wordLength = 75 // of an encoded word
)

// mailboxHeader writes a name and its address. The name is what people read, so it never begins on a line below its header: programs
// that read line by line would take the header for empty.
func mailboxHeader(header, name, address string) string {
	address = "<" + address + ">"
	if name == "" {
		return address
	}
	at := len(header) + 2
	if plain(name) {
		return foldAt(at, quoteName(name)+" "+address)
	}
	words := encodeWords(at, name)
	last := at + len(words)
	if i := strings.LastIndex(words, "\r\n"); i >= 0 {
		last = len(words) - i - 2
	}
	if last+1+len(address) > headerLine {
		words += "\r\n"
	}
	return words + " " + address
}

// textHeader writes a text.
func textHeader(header, text string) string {
	if plain(text) {
		return foldAt(len(header)+2, text)
	}
	return encodeWords(len(header)+2, text)
}

// plain tells whether a text may stand as it is: ASCII, nothing that reads like an encoded word, and single spaces between its words,
// since a line of spaces alone is none (RFC 5322 §3.2.2).
func plain(s string) bool {
	return isASCII(s) && !strings.Contains(s, "=?") && strings.TrimSpace(s) == s && !strings.Contains(s, "  ")
}

// quoteName is a quoted-string.
func quoteName(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// foldAt breaks a plain text before spaces, so that no line is longer than it must be; at is where it begins on the first line.
func foldAt(at int, s string) string {
	var b strings.Builder
	for i, word := range strings.Split(s, " ") {
		switch {
		case i == 0:
		case at+1+len(word) > headerLine:
			b.WriteString("\r\n ")
			at = 1
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}

// encodeWords writes a text as encoded words (RFC 2047 §4.2), one a line, none of which cuts a character in two.
func encodeWords(at int, s string) string {
	const begin, end = "=?UTF-8?q?", "?="
	var b, word strings.Builder
	room := min(headerLine-at, wordLength) - len(begin) - len(end)
	flush := func() {
		b.WriteString(begin + word.String() + end)
		word.Reset()
		room = wordLength - len(begin) - len(end)
	}
	for _, r := range s {
		character := encodeRune(r)
		if word.Len() > 0 && word.Len()+len(character) > room {
			flush()
			b.WriteString("\r\n ")
		}
		word.WriteString(character)
	}
	flush()
	return b.String()
}

// encodeRune writes what may stand in a name as it is (RFC 2047 §5 (3)), and the bytes of everything else.
func encodeRune(r rune) string {
	switch {
	case r == ' ':
		return "_"
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune("!*+-/", r):
		return string(r)
	}
	var b strings.Builder
	for _, c := range []byte(string(r)) {
		fmt.Fprintf(&b, "=%02X", c)
	}
	return b.String()
}
