package mail

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// Security is how the connection to the mail server is protected.
type Security string

// The ways, as they are written in the address. A certificate is verified in all of them.
const (
	Required Security = "required" // STARTTLS or nothing is sent; the default
	Optional Security = "optional" // STARTTLS where it is offered; against listeners only, not against who strips it
	Never    Security = "never"    // in clear; loopback hosts only
	Implicit Security = "implicit" // TLS from the first byte: smtps://
)

// Transport is the mail server that letters are handed to. ParseSMTP makes it.
type Transport struct {
	Host     string
	Port     int
	Security Security
	User     string      // "" signs in nowhere
	Password secret.Text // sent over TLS or to a loopback host only
	Helo     string      // our name in EHLO; "" is the machine's name

	RootCAs *x509.CertPool // nil: the system's
	DKIM    []DKIM         // one signature each; none where the mail server signs

	limits timeLimits // zero: the defaults; tests shorten them
}

// timeLimits bound each step at the mail server. RFC 5321 §4.5.3.2 allows a server minutes; a relay that one pays for
// answers in less than a second, and a shopper is waiting.
type timeLimits struct{ dial, greet, command, write, accept time.Duration }

var defaultLimits = timeLimits{
	dial:    10 * time.Second, // TCP, and TLS where it comes first
	greet:   20 * time.Second, // banner, EHLO, STARTTLS and signing in: each
	command: 15 * time.Second, // MAIL, RCPT, DATA, RSET: each
	write:   30 * time.Second, // the message itself
	accept:  60 * time.Second, // the answer after the final dot, when the server scans
}

// attemptLimit bounds a whole try, composing included; the lease is renewed meanwhile.
const attemptLimit = 4 * time.Minute

// ParseSMTP reads smtp://user:pass@host:port?starttls=required|optional|never or smtps://user:pass@host:port. Its errors
// are sentences for the operator and never quote the address, which may hold a password.
func ParseSMTP(address string) (*Transport, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, refuse("cannot be read; characters such as / ? # @ in the password must be percent-encoded")
	}
	t := &Transport{Host: u.Hostname(), User: u.User.Username()}
	if password, ok := u.User.Password(); ok {
		t.Password = secret.NewText(password)
	}
	if t.Host == "" || (u.Path != "" && u.Path != "/") || u.Fragment != "" || u.Opaque != "" {
		return nil, refuse("must be smtp://user:password@host:port or smtps://user:password@host:port")
	}
	if t.User == "" && !t.Password.IsEmpty() {
		return nil, refuse("has a password but no user name")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, refuse("has an option that cannot be read")
	}
	for name, values := range query {
		if name != "starttls" || len(values) != 1 {
			return nil, refuse("may have one option, starttls=required, optional or never")
		}
	}
	if err := t.secure(u.Scheme, Security(query.Get("starttls")), query.Has("starttls")); err != nil {
		return nil, err
	}
	if u.Port() != "" {
		t.Port, err = strconv.Atoi(u.Port())
		if err != nil || t.Port < 1 || t.Port > 65535 {
			return nil, refuse("has a port that is not between 1 and 65535")
		}
	}
	return t, nil
}

func (t *Transport) secure(scheme string, starttls Security, given bool) error {
	switch scheme {
	case "smtps":
		if given {
			return refuse("cannot have starttls with smtps://, which is TLS from the first byte")
		}
		t.Security, t.Port = Implicit, 465
		return nil
	case "smtp":
		t.Security, t.Port = Required, 587
	default:
		return refuse("must begin with smtp:// or smtps://")
	}
	if !given {
		return nil
	}
	switch starttls {
	case Required, Optional:
	case Never:
		if !t.loopback() {
			return refuse("may have starttls=never only for this machine itself (127.0.0.1, ::1 or localhost), because letters carry links")
		}
	default:
		return refuse("may have starttls=required, optional or never")
	}
	t.Security = starttls
	return nil
}

func refuse(what string) error {
	return fault.Refuse("smtp", "smtp.address", "The address of the mail server "+what+".", nil)
}

// Server names the mail server in letters' histories: host:port, without credentials.
func (t *Transport) Server() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

func (t *Transport) loopback() bool {
	ip := net.ParseIP(t.Host)
	return t.Host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (t *Transport) tls() *tls.Config {
	return &tls.Config{ServerName: t.Host, RootCAs: t.RootCAs, MinVersion: tls.VersionTLS12}
}

func (t *Transport) times() timeLimits {
	if t.limits == (timeLimits{}) {
		return defaultLimits
	}
	return t.limits
}

// helo is the name that we greet with. A machine without a usable name greets as an address literal (RFC 5321 §4.1.3).
func (t *Transport) helo() string {
	name := t.Helo
	if name == "" {
		name, _ = os.Hostname() // without a name the check below fails
	}
	for _, r := range name {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '-' {
			name = ""
			break
		}
	}
	if name == "" {
		return "[127.0.0.1]"
	}
	return name
}

// String shows the transport without its credentials.
func (t *Transport) String() string { return fmt.Sprintf("%s (%s)", t.Server(), t.Security) }
