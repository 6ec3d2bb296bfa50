package test

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// eventually asks again and again until f is content, for what happens in another process and cannot be waited for
// otherwise. It gives f's last error when the time is over.
func eventually(within time.Duration, f func() error) error {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("not within %v: %w", within, err)
		}
	}
}

// complete tells whether this run must leave nothing out, as on the build machine.
func complete() bool { return os.Getenv("CI") == "true" }

// beside is whole for a test that others may run beside: all but those that measure what a shopper waits for.
func beside(t *testing.T) {
	t.Helper()
	whole(t)
	t.Parallel()
}

// whole skips tests of the whole program in the fast loop.
func whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the whole program is not part of the fast loop")
	}
}
