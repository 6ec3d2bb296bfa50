// Command withpostgres runs another command beside a PostgreSQL server of its own, whose address it passes in
// REKEY_TEST_POSTGRES. It ends with that command's exit status; the server is gone afterwards, however it ends.
//
//	go run ./test/withpostgres go test ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withpostgres COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

func run(command []string) (status int, err error) {
	server, err := throwaway.Start(context.Background())
	if err != nil {
		return 0, err
	}
	defer server.Stop()

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "REKEY_TEST_POSTGRES="+server.URL)
	// The command hears Ctrl-C itself, being in the same group; a plain kill is handed on. Either way this
	// process stays until the command has ended, so that the server outlives it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	go func() {
		for sig := range signals {
			if sig == syscall.SIGTERM {
				cmd.Process.Signal(sig) // the command may have ended just now, which is as good
			}
		}
	}()
	err = cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil // -1: ended by a signal
	}
	return 0, err
}
