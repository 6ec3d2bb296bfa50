package breached

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxLine is the longest line that is read; no password of a store is as long.
const maxLine = 4096

// maxParts is how often a line may be that long before the source is refused: a file without end has no second line.
const maxParts = 256

// The forms of a source.
const (
	Auto = "auto" // by the first line
	SHA1 = "sha1" // SHA-1 in hexadecimal, with or without ":count", as Have I Been Pwned publishes them
	Text = "text" // one password in a line
)

// source reads keys, line by line.
type source struct {
	lines   *bufio.Reader
	form    string
	least   int
	line    int64 // lines read
	skipped int64 // of them, those that can be no password or were seen too rarely
}

var errNTLM = errors.New("these are NTLM hashes, from which no other hash can be made; get the SHA-1 ones")

// next gives the next key, io.EOF at the end.
func (s *source) next() (uint64, error) {
	for {
		text, err := s.read()
		if err != nil {
			return 0, err
		}
		if len(text) == 0 {
			continue
		}
		if s.form == Auto || s.form == "" {
			if s.form, err = formOf(text); err != nil {
				return 0, err
			}
		}
		if s.form == Text {
			if !utf8.Valid(text) || len(text) >= maxLine {
				s.skipped++ // nobody can choose it
				continue
			}
			return keyOfSum(sha1.Sum(norm.NFC.Bytes(text))), nil
		}
		sum, seen, err := parseHash(text)
		if err != nil {
			return 0, fmt.Errorf("line %d is no SHA-1 hash; say --form text if these are passwords", s.line)
		}
		if seen < s.least {
			s.skipped++
			continue
		}
		return keyOfSum(sum), nil
	}
}

// read gives a line without its end; of one that is too long, its beginning.
func (s *source) read() ([]byte, error) {
	text, err := s.lines.ReadSlice('\n')
	for parts := 1; errors.Is(err, bufio.ErrBufferFull); parts++ {
		if parts == maxParts {
			return nil, fmt.Errorf("line %d has more than %d bytes: this is no list of passwords", s.line+1, maxParts*maxLine)
		}
		_, err = s.lines.ReadSlice('\n')
		text = bytes.Repeat([]byte{'x'}, maxLine) // the buffer was used again; only the length counts
	}
	if err != nil && (err != io.EOF || len(text) == 0) {
		return nil, err
	}
	s.line++
	if s.line == 1 {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")), nil
}

// formOf judges a source by its first line.
func formOf(text []byte) (string, error) {
	if _, _, err := parseHash(text); err == nil {
		return SHA1, nil
	}
	if hash, _, counted := bytes.Cut(text, []byte(":")); counted && len(hash) == 32 {
		if _, err := hex.DecodeString(string(hash)); err == nil {
			return "", errNTLM
		}
	}
	return Text, nil
}

// parseHash reads "HASH" or "HASH:COUNT".
func parseHash(text []byte) (sum [sha1.Size]byte, seen int, err error) {
	hash, count, counted := bytes.Cut(text, []byte(":"))
	if len(hash) != hex.EncodedLen(sha1.Size) {
		return sum, 0, errors.New("another length")
	}
	if _, err := hex.Decode(sum[:], hash); err != nil {
		return sum, 0, err
	}
	if !counted {
		return sum, 1, nil
	}
	seen, err = strconv.Atoi(string(bytes.TrimSpace(count)))
	return sum, seen, err
}
