package db

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"modernc.org/sqlite"
)

// letters that Unicode does not take apart, as people type them who have no such key.
var plainer = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ħ", "h", "ı", "i", "æ", "ae", "œ", "oe")

// Fold is a text as searches compare it: neither letter case nor accents count, as in the collations of MySQL. Statements
// say it of a column as folded(column), on both engines.
func Fold(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	apart := strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
	return plainer.Replace(cases.Fold().String(norm.NFKC.String(apart)))
}

// PostgreSQL has folded from a migration; SQLite is given it here.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("folded", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		switch text := args[0].(type) {
		case nil:
			return nil, nil
		case string:
			return Fold(text), nil
		}
		return nil, fmt.Errorf("folded: %T is no text", args[0])
	})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
