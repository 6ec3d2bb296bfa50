package mail

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/input"
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
	Helo     string      // our name in EHLO; "" is the domain of the sender

	RootCAs *x509.CertPool // nil: the system's
	DKIM    []DKIM         // one signature each; none where the mail server signs

	Tell func(Step) // if set, is told each step of each conversation; for who looks at it, not for logs

	limits timeLimits // zero: the defaults; tests shorten them
}

// timeLimits bound each step at the mail server, as RFC 5321 §4.5.3.2 asks of whoever sends: a server may look into its own
// spam filters for minutes, and who hangs up before its answer sends a second copy. Workers are several, and one of them is
// always left to what a person waits for, so that a slow answer holds up its own email.
type timeLimits struct{ dial, silent, greet, command, data, block, accept time.Duration }

var defaultLimits = timeLimits{
	dial:    30 * time.Second, // TCP, and TLS where it comes first
	silent:  10 * time.Second, // without a greeting, before we look whether the port speaks TLS
	greet:   5 * time.Minute,  // the greeting, EHLO, STARTTLS and signing in: each
	command: 5 * time.Minute,  // MAIL, RCPT, RSET: each
	data:    2 * time.Minute,
	block:   3 * time.Minute,  // the text itself
	accept:  10 * time.Minute, // the answer after the final dot
}

// attemptLimit bounds a whole try, composing included; the lease is renewed meanwhile. It is more than the sum of the limits above.
const attemptLimit = 50 * time.Minute

// ParseSMTP reads smtp://user:pass@host:port?starttls=required|optional|never or smtps://user:pass@host:port, both with ca=FILE
// for an authority that this machine does not know. Its errors are sentences for the operator and never quote the address, which may hold a password.
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
		if name != "starttls" && name != "ca" || len(values) != 1 {
			return nil, refuse("may have one option starttls=required, optional or never, and one ca=FILE")
		}
	}
	if err := t.secure(u.Scheme, Security(query.Get("starttls")), query.Has("starttls")); err != nil {
		return nil, err
	}
	if query.Has("ca") {
		if t.RootCAs, err = authorities(query.Get("ca")); err != nil {
			return nil, err
		}
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

// authorities are those that this machine trusts, and those of the file.
func authorities(file string) (*x509.CertPool, error) {
	pem, err := input.ReadFile(file, input.MaxSecret)
	if err != nil {
		return nil, refuse("names a file of certificates with ca= that cannot be read")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any, such as a small container
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, refuse("names a file with ca= that holds no certificate in PEM")
	}
	return pool, nil
}

// greetAs is the name that we greet with: the one that was set, or the domain of the sender, which a mail server can look up; the
// name of a machine is often that of a container. Without any, it is the address that we come from (RFC 5321 §4.1.3).
func (t *Transport) greetAs(sender string, from net.Addr) string {
	for _, name := range []string{t.Helo, sender} {
		if IsHost(name) {
			return name
		}
	}
	ip := net.IPv4(127, 0, 0, 1)
	if tcp, ok := from.(*net.TCPAddr); ok {
		ip = tcp.IP
	}
	if ip.To4() == nil {
		return "[IPv6:" + ip.String() + "]"
	}
	return "[" + ip.String() + "]"
}

var hostForm = regexp.MustCompile(`^(?i)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)

// IsHost tells whether a name can stand in EHLO: letters, digits and hyphens, with a dot in it.
func IsHost(name string) bool { return len(name) <= 253 && hostForm.MatchString(name) }

func (t *Transport) tell(at stage, words string) {
	if t.Tell != nil {
		t.Tell(Step{Name: string(at), Words: words})
	}
}

// String shows the transport without its credentials.
func (t *Transport) String() string { return fmt.Sprintf("%s (%s)", t.Server(), t.Security) }
