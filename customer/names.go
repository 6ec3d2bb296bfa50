package customer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/fault"
)

// MaxName is how many characters a first or last name may have.
const MaxName = 100

// checkName refuses names that are empty, too long, or that carry something other than a name into a letter.
func checkName(firstname, lastname string) error {
	return errors.Join(checkOneName("firstname", firstname), checkOneName("lastname", lastname))
}

func checkOneName(field, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fault.Refuse(field, "name.required", "Please enter a name.", nil)
	case utf8.RuneCountInString(name) > MaxName:
		return fault.Refuse(field, "name.too_long", fmt.Sprintf("A name may have at most %d characters.", MaxName), map[string]any{"Max": MaxName})
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl), strings.ContainsAny(name, "<>{}/\\@"):
		return fault.Refuse(field, "name.invalid", "The name contains characters that do not belong in a name.", nil)
	}
	return nil
}
