package shop

import (
	"bytes"
	"os"
	"testing"
)

// docs/configuration.md is made from the registry; "make docs" writes it anew.
func TestConfigurationPageIsCurrent(t *testing.T) {
	const page = "../docs/configuration.md"
	var want bytes.Buffer
	if err := WriteDocs(&want); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("REKEY_WRITE_DOCS") != "" {
		if err := os.WriteFile(page, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("docs/configuration.md is not what the registry says; run: make docs (%v)", err)
	}
}
