package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"golang.org/x/net/netutil"
)

// Addresses are where the server listens, as base URLs without a slash at the end; "" where it does not.
type Addresses struct {
	Storefront, Console, Metrics, Mailbox string
}

// Announce writes one aligned line per address.
func (a Addresses) Announce(w io.Writer) {
	for _, line := range []struct{ what, address string }{
		{"Storefront", a.Storefront}, {"Console", a.Console}, {"Mailbox", a.Mailbox}, {"Metrics", a.Metrics},
	} {
		if line.address != "" {
			fmt.Fprintf(w, "%-12s%s\n", line.what, line.address)
		}
	}
}

// listeners are the bound addresses, nil where there is none.
type listeners struct {
	main, console, metrics, mailbox net.Listener
}

func (l listeners) close() {
	for _, one := range []net.Listener{l.main, l.console, l.metrics, l.mailbox} {
		if one != nil {
			one.Close() // it may be closed already
		}
	}
}

// wanted is one address to listen on.
type wanted struct{ flag, address string }

const (
	listenFlag  = "--listen"
	consoleFlag = "--console-listen"
	metricsFlag = "--metrics-listen"
	mailboxFlag = "--mailbox-listen"
)

func (c *Config) wanted() []wanted {
	all := []wanted{{listenFlag, c.Listen}}
	if c.ConsoleListen != "" {
		all = append(all, wanted{consoleFlag, c.ConsoleListen})
	}
	if c.MetricsListen != "" {
		all = append(all, wanted{metricsFlag, c.MetricsListen})
	}
	if c.SMTP == Mailbox {
		all = append(all, wanted{mailboxFlag, c.MailboxListen})
	}
	return all
}

// listen binds every address before anything else is begun: a port that is in use is the commonest slip.
func (c *Config) listen() (l listeners, at Addresses, err error) {
	for _, w := range c.wanted() {
		bound, bindErr := net.Listen("tcp", w.address)
		if bindErr != nil {
			l.close()
			return listeners{}, Addresses{}, explainListen(w, bindErr)
		}
		base := baseOf(w.address, bound)
		bound = netutil.LimitListener(bound, mostClients())
		switch w.flag {
		case listenFlag:
			l.main, at.Storefront = bound, base
		case consoleFlag:
			l.console, at.Console = bound, base+"/admin"
		case metricsFlag:
			l.metrics, at.Metrics = bound, base+"/metrics"
		case mailboxFlag:
			l.mailbox, at.Mailbox = bound, base
		}
	}
	if at.Console == "" {
		at.Console = at.Storefront + "/admin"
	}
	return l, at, nil
}

const (
	maxClients = 8192 // connections of one listener; beyond, they wait in the kernel until one ends, which takes seconds
	ownFiles   = 96   // descriptors that clients cannot take from the database, the mail and the listeners
)

// mostClients is how many connections a listener may have at once under the limits that this process runs with.
func mostClients() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return maxClients
	}
	return int(min(maxClients, max(files.Cur, 2*ownFiles)-ownFiles))
}

func explainListen(w wanted, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		host, _, _ := net.SplitHostPort(w.address)
		return fmt.Errorf("another program already listens on %s; stop it, or choose another address with %s (%s takes a free port)",
			w.address, w.flag, net.JoinHostPort(host, "0"))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s may not be used by this user; choose a port above 1023 with %s", w.address, w.flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this machine; choose another with %s", w.address, w.flag)
	}
	return fmt.Errorf("%s %s cannot be used: %w", w.flag, w.address, err)
}

// baseOf writes the address as a browser on this machine reaches it.
func baseOf(asked string, bound net.Listener) string {
	host, _, _ := net.SplitHostPort(asked) // checkListens has read it
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	_, port, _ := net.SplitHostPort(bound.Addr().String())
	return "http://" + strings.TrimSuffix(net.JoinHostPort(host, port), ":80")
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
