// Package test runs the whole program: HTTP in, SMTP out, both engines, a real browser. It uses the program as its
// people do, by its commands, pages and letters, and imports nothing of it but the test databases.
//
// The browser is whatever Chromium the machine has; without one, or without axe-core, a test is skipped on a laptop
// and fails where CI=true. REKEY_TEST_PICTURES names a folder for pictures of the pages that failed tests ended on.
package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	status := m.Run()
	atEnd.run()
	os.Exit(status)
}

// leftovers are what several tests share and must be cleared away after the last one.
type leftovers struct {
	mu     sync.Mutex
	clears []func()
}

var atEnd leftovers

func (l *leftovers) add(clear func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clears = append(l.clears, clear)
}

func (l *leftovers) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, clear := range slices.Backward(l.clears) {
		clear()
	}
}

// binary is the program under test, built once per run by whoever needs it first.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rekey-test-")
	if err != nil {
		return "", err
	}
	atEnd.add(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "rekey")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", path, "../cmd/rekey").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})
