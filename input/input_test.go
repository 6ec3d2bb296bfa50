package input_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/input"
)

func TestWhatHasNoEndIsRefused(t *testing.T) {
	if _, err := input.ReadFile("/dev/zero", 100); err == nil || !strings.Contains(err.Error(), "more than 100 bytes") {
		t.Errorf("a device without end: %v", err)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for most, ok := range map[int64]bool{4: false, 5: true} {
		if text, err := input.ReadFile(path, most); (err == nil) != ok || ok && string(text) != "12345" {
			t.Errorf("5 bytes of at most %d: %q %v", most, text, err)
		}
	}
}
