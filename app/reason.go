package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/rekeyhq/rekey/db"
)

// Explain turns "the database is unavailable", with its chain of causes, into one sentence that names the database and
// the innermost cause. Other errors stay as they are.
func (p Place) Explain(err error) error {
	if !errors.Is(err, db.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("the database %s cannot be used: %s", db.Redact(p.Database), cause(err))
}

// cause finds the words that say most.
func cause(err error) string {
	var server interface { // PostgreSQL's own answer
		error
		SQLState() string
	}
	var host *net.DNSError
	var network *net.OpError
	var system syscall.Errno
	switch {
	case errors.As(err, &server):
		text := strings.TrimPrefix(server.Error(), "FATAL: ")
		text, _, _ = strings.Cut(text, " (SQLSTATE")
		return text
	case errors.As(err, &host):
		return fmt.Sprintf("the host %s is not known", host.Name)
	case errors.As(err, &network) && errors.As(err, &system):
		return fmt.Sprintf("%s: %s", network.Addr, system)
	case errors.As(err, &system):
		return system.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	}
	text := err.Error()
	if cut := strings.TrimPrefix(text, db.ErrUnavailable.Error()+": "); cut != "" {
		text = cut
	}
	return strings.ReplaceAll(text, "\n", " ")
}
