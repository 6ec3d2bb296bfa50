package password_test

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// OWASP ASVS 5.0 §6.2.4 asks for the 3,000 most used passwords that the store's other rules let through.
func TestEnoughCommonPasswordsAreKnown(t *testing.T) {
	text, err := os.ReadFile("guessed/passwords.txt")
	if err != nil {
		t.Fatal(err)
	}
	long := 0
	for p := range strings.Lines(string(text)) {
		if utf8.RuneCountInString(strings.TrimSpace(p)) >= 8 {
			long++
		}
	}
	if long < 3000 {
		t.Errorf("only %d of the common passwords have eight characters", long)
	}
}
