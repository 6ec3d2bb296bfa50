package breached

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noProgress = func(int64, float64) {}

// made imports a text and opens the list.
func made(t testing.TB, text string, o Order) (*List, Report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	report, err := Import(t.Context(), strings.NewReader(text), path, o, noProgress)
	if err != nil {
		t.Fatal(err)
	}
	l := At(path, nil)
	t.Cleanup(l.Close)
	return l, report
}

func has(t testing.TB, l *List, password string) bool {
	t.Helper()
	found, err := l.Has(password)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryFormOfAListIsRead(t *testing.T) {
	hash := func(s string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(s))) }
	for _, row := range []struct {
		why, text string
		order     Order
		on, off   []string
		skipped   int64
	}{
		{"as Have I Been Pwned publishes it", hash("hunter2") + ":17\r\n" + hash("letmein") + ":3\r\n", Order{}, []string{"hunter2", "letmein"}, []string{"Hunter2", "hunter2 ", ""}, 0},
		{"only what was seen often", hash("hunter2") + ":17\n" + hash("letmein") + ":3\n", Order{LeastCount: 10}, []string{"hunter2"}, []string{"letmein"}, 1},
		{"hashes without counts, in small letters", strings.ToLower(hash("hunter2")) + "\n", Order{}, []string{"hunter2"}, []string{"letmein"}, 0},
		{"one password in a line", "hunter2\r\nlet me in\n\n", Order{}, []string{"hunter2", "let me in"}, []string{"letmein", "hunter2\r"}, 0},
		{"the last line has no end", "hunter2\nletmein", Order{}, []string{"hunter2", "letmein"}, nil, 0},
		{"a mark at the beginning", "\ufeffhunter2\n", Order{}, []string{"hunter2"}, nil, 0},
		{"decomposed, asked composed", "cafe\u0301-noir\n", Order{}, []string{"caf\u00e9-noir", "cafe\u0301-noir"}, []string{"cafe-noir"}, 0},
		{"what nobody can choose is passed over", "abc\xff\n" + strings.Repeat("x", 3*maxLine) + "\nhunter2\n", Order{}, []string{"hunter2"}, nil, 2},
		{"passwords that look like hashes", hash("x") + "\n", Order{Form: Text}, []string{hash("x")}, []string{"x"}, 0},
		{"twice is once", "hunter2\nhunter2\n", Order{}, []string{"hunter2"}, nil, 0},
	} {
		t.Run(row.why, func(t *testing.T) {
			l, report := made(t, row.text, row.order)
			for _, p := range row.on {
				if !has(t, l, p) {
					t.Errorf("%q is not found", p)
				}
			}
			for _, p := range row.off {
				if has(t, l, p) {
					t.Errorf("%q is found", p)
				}
			}
			if report.Skipped != row.skipped || report.Passwords+report.Repeated+report.Skipped != report.Lines-int64(strings.Count(row.text, "\n\n")) {
				t.Errorf("the report: %+v", report)
			}
		})
	}
}

func TestWhatIsNoListChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if _, err := Import(t.Context(), strings.NewReader("hunter2\n"), path, Order{}, noProgress); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		why, text, words string
		ctx              context.Context
	}{
		{"NTLM hashes", "32ED87BDB5FDC5E9CBA88547376818D4:3\n", "NTLM", t.Context()},
		{"nothing", "\n\n", "no password", t.Context()},
		{"a broken line among hashes", fmt.Sprintf("%X:1\n", sha1.Sum([]byte("x"))) + "rubbish\n", "line 2", t.Context()},
		{"it was stopped", strings.Repeat("abcdefgh\n", 2*tellEvery), "canceled", gone},
	} {
		if _, err := Import(row.ctx, strings.NewReader(row.text), path, Order{}, noProgress); err == nil || !strings.Contains(err.Error(), row.words) {
			t.Errorf("%s: %v", row.why, err)
		}
	}
	after, _ := os.ReadFile(path)
	left, _ := os.ReadDir(filepath.Dir(path))
	if !bytes.Equal(before, after) || len(left) != 1 {
		t.Errorf("the list changed, or something was left beside it: %v", left)
	}
}

// Many shards: everything that is on the list is found, and hardly anything else.
func TestNothingOnTheListIsMissed(t *testing.T) {
	const n = 300_000 // eight shards
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "word-%d\n", i)
	}
	l, report := made(t, text.String(), Order{Made: time.UnixMicro(1_700_000_000_000_000).UTC()})
	for i := 0; i < n; i += 97 {
		if !has(t, l, fmt.Sprintf("word-%d", i)) {
			t.Fatalf("word-%d is not found", i)
		}
	}
	wrong, tries := 0, 3000
	for i := range tries {
		if has(t, l, fmt.Sprintf("other-%d-%d", i, rand.Uint64())) {
			wrong++
		}
	}
	if wrong > 3 { // 0.05 are to be expected
		t.Errorf("%d of %d that are not on the list were found", wrong, tries)
	}
	if report.Passwords != n || l.current.bits != 3 || float64(report.Size)/n > 2.7 {
		t.Errorf("%+v in %d bits", report, l.current.bits)
	}
	facts, err := l.Facts()
	if err != nil || facts != report.Facts || l.Verify() != nil || len(facts.Digest) != 16 {
		t.Errorf("%+v, %v; imported %+v", facts, err, report.Facts)
	}
}

// F36: whatever happens to the file, it is either whole or said to be damaged.
func TestADamagedListIsNotUsed(t *testing.T) {
	l, _ := made(t, "hunter2\nletmein\n", Order{})
	whole, err := os.ReadFile(l.Path())
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		broken := bytes.Clone(whole)
		broken[at] ^= 0x40
		if judged(t, broken) == nil {
			t.Fatalf("byte %d was changed, and nobody noticed", at)
		}
	}
	for _, cut := range []int{0, 10, headSize - 1, headSize, len(whole) - 1} {
		if judged(t, whole[:cut]) == nil {
			t.Errorf("cut after %d bytes, and nobody noticed", cut)
		}
	}
	if err := judged(t, whole); err != nil {
		t.Error(err)
	}
}

func judged(t *testing.T, content []byte) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	l := At(path, nil)
	defer l.Close()
	if err := l.Verify(); err != nil {
		return err
	}
	_, err := l.Has("hunter2")
	return err
}

func TestANewListIsInForceWithoutARestart(t *testing.T) {
	now := time.Now()
	l := At(filepath.Join(t.TempDir(), "list"), nil)
	l.now = func() time.Time { return now }
	t.Cleanup(l.Close)
	put := func(text string) {
		t.Helper()
		if _, err := Import(t.Context(), strings.NewReader(text), l.Path(), Order{}, noProgress); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Facts(); !errors.Is(err, ErrNone) || has(t, l, "hunter2") {
		t.Fatalf("before the first: %v", err)
	}
	put("hunter2\n")
	if has(t, l, "hunter2") {
		t.Error("the file is looked at for every password")
	}
	now = now.Add(lookEvery)
	if !has(t, l, "hunter2") {
		t.Error("the first list is not in force")
	}
	put("letmein\n")
	now = now.Add(lookEvery)
	if !has(t, l, "letmein") || has(t, l, "hunter2") {
		t.Error("the second list is not in force")
	}
	if err := os.WriteFile(l.Path()+".new", []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(l.Path()+".new", l.Path()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if !has(t, l, "letmein") {
		t.Error("a damaged file took the place of a good one")
	}
	if err := os.Remove(l.Path()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if !has(t, l, "letmein") {
		t.Error("a file that went away weakened the rules")
	}
}

func BenchmarkHas(b *testing.B) {
	var text strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&text, "word-%d\n", i)
	}
	l, _ := made(b, text.String(), Order{})
	for b.Loop() {
		if _, err := l.Has("a password that is on no list"); err != nil {
			b.Fatal(err)
		}
	}
}
