package rekey_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// permitted are the licences under which something may become part of the program: those that ask for no more than that their
// text travels with it, and the MPL, whose files stay as they are.
var permitted = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "MPL-2.0", "Unlicense", "CC0-1.0"}

// part is something of others that is inside of the program.
type part struct{ name, version, licences string }

// docs/licences.md lists what is inside of the program and under which licence, and nothing is inside that may not be.
// "make docs" writes it again.
func TestLicencesAreListedAndPermitted(t *testing.T) {
	parts := append(modules(t), assets(t)...)
	var page strings.Builder
	page.WriteString("# Licences\n\nRekey is under the [Apache License 2.0](../LICENSE). This is what else is inside of the program, made from its module graph and from\n" +
		"what it embeds by `make docs`; a test fails when it is out of date, or when a licence is not one of " + strings.Join(permitted, ", ") + ".\n\n" +
		"| part | version | licence |\n|---|---|---|\n")
	for _, p := range parts {
		for _, licence := range strings.Split(p.licences, ", ") {
			if !slices.Contains(permitted, licence) {
				t.Errorf("%s is under %q, which is not permitted", p.name, p.licences)
			}
		}
		fmt.Fprintf(&page, "| %s | %s | %s |\n", p.name, p.version, p.licences)
	}
	const file = "docs/licences.md"
	if os.Getenv("REKEY_WRITE_DOCS") != "" {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if present, err := os.ReadFile(file); err != nil || !bytes.Equal(present, []byte(page.String())) {
		t.Errorf("%s is not what the module graph says (%v); make docs writes it", file, err)
	}
}

// modules are those that packages of the program come from, and Go itself.
func modules(t *testing.T) []part {
	t.Helper()
	command := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/rekey")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(strings.ReplaceAll(string(out), " ", "\x00"))
	slices.Sort(lines)
	parts := []part{{"Go's standard library", "", "BSD-3-Clause"}}
	for _, line := range slices.Compact(lines) {
		words := strings.Split(line, "\x00")
		parts = append(parts, part{words[0], words[1], licencesIn(t, words[2])})
	}
	return parts
}

// assets are what stands in folders of the repository with a licence of their own.
func assets(t *testing.T) (parts []part) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", ".cache", "bin", "screenshots", "node_modules"}, d.Name()):
			return fs.SkipDir
		case !d.IsDir() && licenceFile.MatchString(d.Name()) && name != "LICENSE":
			parts = append(parts, part{"what `" + name + "` stands beside", "", named(licencesOf(t, name))})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

var licenceFile = regexp.MustCompile(`(?i)(^|[-.])(un)?licen[sc]e(-[a-z0-9]+)*(\.(txt|md|rst))?$|^copying`)

// licencesIn names the licences in the files of a folder that are called so.
func licencesIn(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if !e.IsDir() && licenceFile.MatchString(e.Name()) {
			found = append(found, licencesOf(t, filepath.Join(dir, e.Name()))...)
		}
	}
	return named(found)
}

func licencesOf(t *testing.T, file string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range licensecheck.Scan(text).Match {
		if !m.IsURL {
			found = append(found, m.ID)
		}
	}
	return found
}

func named(found []string) string {
	if len(found) == 0 {
		return "unknown"
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), ", ")
}
