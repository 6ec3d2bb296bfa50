// Package outbound calls the addresses that administrators gave the store: of webhooks, of apps that are told of sign-outs, of
// integrations.
//
// Promises:
//   - An address that can only be inside of the operator's own network is refused when it is given, with what would allow it.
//   - What a name turns out to be is judged again at each connection, after every look-up: no name leads inside.
//   - Nothing is sent to link-local addresses and the metadata of clouds, whatever is allowed.
//   - Redirects are not followed, and no proxy of the environment is used, which would look the name up itself.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	maxAddress   = 2000 // bytes
	maxHeader    = 16 << 10
	connectLimit = 5 * time.Second
)

// Rules are what the operator allows. The zero Rules allow https on the internet.
type Rules struct {
	Plain   bool   // http will do, for development
	Inside  bool   // the operator's own network will do
	Setting string // that allows Inside, for whoever is refused
}

// Refused is an address that nothing is sent to. Its words are for administrators.
type Refused struct{ why string }

func (e *Refused) Error() string { return e.why }

// Check refuses what can be known to be wrong before anything is sent, in words that go on behind "the address": "must begin with
// https://".
func (r Rules) Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || len(address) > maxAddress ||
		strings.ContainsFunc(address, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return errors.New("must be a URL such as https://erp.example/rekey")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https://")
	case u.Scheme == "http" && !r.Plain:
		return errors.New("must begin with https://; plain http is for development, with --dev")
	case u.User != nil:
		return errors.New("cannot hold a user name or a password")
	case strings.Contains(address, "#"):
		return errors.New("cannot hold a #")
	}
	if err := r.host(u.Hostname()); err != nil {
		return fmt.Errorf("is refused: %w", err)
	}
	return nil
}

// Client sends single requests to addresses that the rules allow, each of which has so long. roots are the authorities that certificates
// are verified with; nil: the system's.
func (r Rules) Client(within time.Duration, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: min(connectLimit, within),
		// Control sees the address that is about to be connected to: what a name was when somebody looked at it is no promise.
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return r.ip(to.Addr())
		}}
	return &http.Client{Timeout: within,
		Transport: &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialer.Timeout, ResponseHeaderTimeout: within, MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true},
		// A redirect is an answer that is not 2xx: whoever moves tells the store, and nobody is led elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
