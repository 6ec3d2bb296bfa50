package customer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxRecord is how many bytes one line of an imported file may have, with the line breaks inside of its quotation marks.
const MaxRecord = 1 << 20

// formulas are the signs that begin a formula in a spreadsheet (CWE-1236).
const formulas = "=+-@\t\r"

// protect keeps a spreadsheet from running what a shopper typed; unprotect takes exactly that off again.
func protect(s string) string {
	if startsFormula(s) {
		return "'" + s
	}
	return s
}

func unprotect(s string) string {
	if bare, found := strings.CutPrefix(s, "'"); found && startsFormula(bare) {
		return bare
	}
	return s
}

func startsFormula(s string) bool {
	s = strings.TrimLeft(s, "'")
	return s != "" && strings.ContainsRune(formulas, rune(s[0]))
}

// sheet reads a table with a header line from CSV (RFC 4180), in UTF-8 with or without a mark at its beginning. Of a file without
// end it keeps MaxRecord in memory, and it stops when its context ends.
type sheet struct {
	lines  *csv.Reader
	source *bounded
	at     map[string]int
	last   int      // the line in which the newest record begins
	others []string // columns that the caller did not ask for, as the header writes them
}

// openSheet reads the header. names has every column that is of use, in small letters, with the name that record is asked with.
func openSheet(ctx context.Context, r io.Reader, names map[string]string) (*sheet, error) {
	source := &bounded{ctx: ctx, r: r, left: MaxRecord}
	start := bufio.NewReader(source)
	switch mark, _ := start.Peek(3); {
	case bytes.Equal(mark, []byte("\xef\xbb\xbf")):
		start.Discard(len(mark))
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return nil, errors.New("the file is in UTF-16; save it as “CSV UTF-8”")
	}
	s := &sheet{lines: csv.NewReader(start), source: source, at: map[string]int{}}
	s.lines.FieldsPerRecord = -1
	header, err := s.lines.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file has no header line")
	case err != nil:
		return nil, s.explain(err)
	}
	s.last = 1
	for i, name := range header {
		known, ok := names[strings.ToLower(strings.TrimSpace(name))]
		if _, twice := s.at[known]; !ok || twice {
			s.others = append(s.others, name)
			continue
		}
		s.at[known] = i
	}
	return s, nil
}

// need refuses a file without a column.
func (s *sheet) need(names ...string) error {
	for _, name := range names {
		if _, ok := s.at[name]; ok {
			continue
		}
		hint := ""
		if len(s.at) == 0 && slices.ContainsFunc(s.others, func(h string) bool { return strings.ContainsAny(h, ";\t") }) {
			hint = "; is the file separated by semicolons or tabs? Save it with commas"
		}
		return fmt.Errorf("the header has no column %q; needed are %s%s", name, strings.Join(names, ", "), hint)
	}
	return nil
}

// record is one line of a sheet.
type record struct {
	line   int // where it begins, from 1
	fields []string
	at     map[string]int
}

// next gives the next line. Errors: io.EOF at the end; a sentence for what cannot be read, which ends the file.
func (s *sheet) next() (record, error) {
	s.source.left = MaxRecord
	fields, err := s.lines.Read()
	if errors.Is(err, io.EOF) {
		return record{}, io.EOF
	}
	if err != nil {
		return record{}, s.explain(err)
	}
	s.last, _ = s.lines.FieldPos(0)
	return record{line: s.last, fields: fields, at: s.at}, nil
}

func (s *sheet) explain(err error) error {
	switch {
	case s.source.ctx.Err() != nil:
		return fmt.Errorf("stopped after line %d: %w", s.last, s.source.ctx.Err())
	case errors.Is(err, errLongRecord):
		return fmt.Errorf("after line %d comes one of more than %d bytes: is a quotation mark missing?", s.last, MaxRecord)
	}
	return fmt.Errorf("the file cannot be read as CSV: %w", err)
}

// text is a field as it stands, without what export adds to it.
func (r record) text(name string) string {
	if i, ok := r.at[name]; ok && i < len(r.fields) {
		return unprotect(r.fields[i])
	}
	return ""
}

// has tells whether the file has a column at all.
func (r record) has(name string) bool { _, ok := r.at[name]; return ok }

// value is a field in which databases write NULL for nothing.
func (r record) value(name string) string {
	text := strings.TrimSpace(r.text(name))
	if text == `\N` || strings.EqualFold(text, "null") {
		return ""
	}
	return text
}

// whole tells whether every byte of the line is text.
func (r record) whole() bool {
	return !slices.ContainsFunc(r.fields, func(f string) bool { return !utf8.ValidString(f) })
}

var errLongRecord = errors.New("the record is too long")

// bounded gives left bytes of r and no more until left is set anew.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		return 0, errLongRecord
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
