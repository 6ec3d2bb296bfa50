package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rekey": main})
}

// TestCommandLine runs the scripts in testdata: each is a session at a shell, with what must be read there. The program's own
// ports are taken meanwhile, as they are where a developer looks at a demo.
func TestCommandLine(t *testing.T) {
	for _, taken := range []string{"127.0.0.1:8080", "127.0.0.1:8025"} {
		if l, err := net.Listen("tcp", taken); err == nil { // otherwise somebody else has it, which is as good
			t.Cleanup(func() { l.Close() })
		}
	}
	closed := closedAddress(t)
	testscript.Run(t, testscript.Params{
		Dir:  "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"FREE", "OTHER"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			env.Setenv("CLOSED", closed)
			env.Setenv("REKEY_DATA", env.WorkDir+"/store")
			return nil
		},
	})
}

// exits runs a command that must end with the given status: "exits 2 rekey serve --nonsense".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARGUMENT …]")
	}
	var ended *exec.ExitError
	err := ts.Exec(args[1], args[2:]...)
	switch {
	case !errors.As(err, &ended):
		ts.Fatalf("it did not fail: %v", err)
	case strconv.Itoa(ended.ExitCode()) != args[0]:
		ts.Fatalf("it ended with %d, not %s", ended.ExitCode(), args[0])
	}
}

// freeAddress is an address that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// closedAddress is one that is held and on which nobody listens, so that nobody else will.
func closedAddress(t *testing.T) string {
	t.Helper()
	held, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(held) })
	if err := syscall.Bind(held, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(held)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

func TestSentencesAreSingleLines(t *testing.T) {
	rows := []struct {
		err  error
		want []string
		why  string
	}{
		{fmt.Errorf("one\n  two"), []string{"one two"}, "a library's error over several lines is one sentence"},
	}
	for _, r := range rows {
		if got := sentences(r.err); fmt.Sprint(got) != fmt.Sprint(r.want) {
			t.Errorf("%s: %q, want %q", r.why, got, r.want)
		}
	}
}

func TestMistypedVariablesAreNoticed(t *testing.T) {
	known := variables{"REKEY_SMTP": true}
	got := known.unknown([]string{"REKEY_SMTP=x", "REKEY_SMPT=x", "HOME=/", "REKEYED=1"})
	if fmt.Sprint(got) != "[REKEY_SMPT]" {
		t.Errorf("unknown variables are %v, want only REKEY_SMPT", got)
	}
}

// A pipe that nobody writes to, and a standard input in which nothing comes, are waited for until the command is told to stop.
func TestACommandStopsWhileItWaitsForAFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	silent, _ := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := (shell{in: silent}).open(ctx, pipe); !errors.Is(err, context.Canceled) {
		t.Errorf("a pipe without a writer: %v", err)
	}
	ctx, stop = context.WithCancel(t.Context())
	file, done, err := shell{in: silent}.open(ctx, "-")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	stop()
	if _, err := file.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a silent standard input: %v", err)
	}
}
