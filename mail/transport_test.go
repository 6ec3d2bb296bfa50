package mail

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
)

func TestAddressOfTheMailServer(t *testing.T) {
	for _, c := range []struct{ address, want, why string }{
		{"smtp://mail.example.com", "mail.example.com:587 (required)", "TLS is required unless said otherwise"},
		{"smtp://u:p%40ss@mail.example.com:25", "mail.example.com:25 (required)", "credentials are not shown"},
		{"smtp://mail.example.com?starttls=required", "mail.example.com:587 (required)", "said explicitly"},
		{"smtp://mail.example.com:2525?starttls=optional", "mail.example.com:2525 (optional)", ""},
		{"smtps://u:p@mail.example.com", "mail.example.com:465 (implicit)", ""},
		{"smtp://localhost:1025?starttls=never", "localhost:1025 (never)", "a loopback host"},
		{"smtp://127.0.0.9:1025?starttls=never", "127.0.0.9:1025 (never)", "a loopback host"},
		{"smtp://[::1]:1025?starttls=never", "[::1]:1025 (never)", "a loopback host"},
	} {
		transport, err := ParseSMTP(c.address)
		if err != nil || transport.String() != c.want {
			t.Errorf("%s (%s): %v, %v", c.address, c.why, transport, err)
		}
	}
	for _, c := range []struct{ address, says, why string }{
		{"smtp://mail.example.com?starttls=never", "only for this machine", "letters carry links"},
		{"smtp://localhost.example.com?starttls=never", "only for this machine", "a name that only begins like loopback"},
		{"smtp://128.0.0.1?starttls=never", "only for this machine", "one off"},
		{"smtps://mail.example.com?starttls=never", "smtps://", "contradicts itself"},
		{"smtp://mail.example.com?starttls=maybe", "required, optional or never", "no such value"},
		{"smtp://mail.example.com?starttls=required&starttls=never", "one option", "twice"},
		{"smtp://mail.example.com?tls=off", "one option", "no such option"},
		{"smtp://u:hunter2/x@mail.example.com", "", "a password that needs escaping"},
		{"smtp://u:hunter2%zz@mail.example.com", "percent-encoded", "a password with a bad escape"},
		{"smtp://:hunter2@mail.example.com", "no user name", "half of the credentials"},
		{"smtp://u:hunter2@", "smtp://user:password@host:port", "no host"},
		{"smtp://u:hunter2@mail.example.com:99999", "", "no such port"},
		{"smtp://u:hunter2@mail.example.com/path", "smtp://user:password@host:port", "a path"},
		{"http://u:hunter2@mail.example.com", "smtp://", "another protocol"},
		{"mail.example.com:587", "", "no scheme"},
		{"", "smtp://", "nothing"},
	} {
		_, err := ParseSMTP(c.address)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s (%s): %v", c.address, c.why, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", c.address, err)
		}
	}
}

func TestTLSIsNeverStripped(t *testing.T) {
	trust := func(s *server, transport *Transport) { transport.RootCAs = s.roots }
	distrust := func(_ *server, transport *Transport) { transport.RootCAs = x509.NewCertPool() }
	for _, c := range []struct {
		why     string
		tls     bool // the server offers STARTTLS
		options string
		set     func(*server, *Transport)
		sent    bool
		words   string
	}{
		{"the ordinary case", true, "", trust, true, ""},
		{"somebody strips STARTTLS", false, "", trust, false, "does not offer STARTTLS"},
		{"a certificate of nobody we trust", true, "", distrust, false, "failed to verify certificate"},
		{"optional is no reason to trust anybody", true, "?starttls=optional", distrust, false, "failed to verify certificate"},
		{"optional, and it is offered", true, "?starttls=optional", trust, true, ""},
		{"optional, and it is not offered", false, "?starttls=optional", trust, true, ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				var options []serverOption
				if c.tls {
					options = append(options, withTLS)
				}
				s := startServer(t, options...)
				transport := parse(t, "smtp://"+s.addr+c.options)
				c.set(s, transport)
				id := enqueue(t, d, to("zoe@example.com"))
				drain(t, post(d, transport), 1)
				l := get(t, d, id)
				if c.sent != (l.State == HandedOver) || !strings.Contains(l.LastWords, c.words) {
					t.Errorf("%s: %s", l.State, l.LastWords)
				}
				if _, mails := s.count(); !c.sent && (l.State != Deferred || mails != 0) {
					t.Errorf("%s, and %d MAIL commands", l.State, mails)
				}
				if clear := s.wire.String(); (c.tls || !c.sent) && strings.Contains(clear, "zoe") {
					t.Errorf("in clear on the wire: %s", clear)
				}
			})
		})
	}
}

func TestImplicitTLSIsVerified(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		for _, trusted := range []bool{true, false} {
			s := &server{}
			config := s.certificate()
			srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
			listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
			if err != nil {
				t.Fatal(err)
			}
			srv.ErrorLog = discard{}
			go srv.Serve(listener)
			t.Cleanup(func() { srv.Close() })
			transport := parse(t, "smtps://"+listener.Addr().String())
			transport.RootCAs = x509.NewCertPool()
			if trusted {
				transport.RootCAs = s.roots
			}
			id := enqueue(t, d, to("zoe@example.com"))
			drain(t, post(d, transport), 1)
			if l := get(t, d, id); trusted != (l.State == HandedOver) || len(s.letters()) == 1 != trusted {
				t.Errorf("trusted %v: %s, %s", trusted, l.State, l.LastWords)
			}
		}
	})
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func TestWrongPasswordKeepsTheLetter(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t, withTLS, withPassword("correct horse"))
		transport := parse(t, "smtp://shop:wrong@"+s.addr)
		transport.RootCAs = s.roots
		id := enqueue(t, d, to("zoe@example.com"))
		drain(t, post(d, transport), 1)
		l := get(t, d, id)
		if l.State != Deferred || !strings.Contains(l.LastWords, "did not accept the user name and password") {
			t.Errorf("%s: %s", l.State, l.LastWords)
		}
		clock.Advance(time.Minute)
		transport = parse(t, "smtp://shop:correct%20horse@"+s.addr)
		transport.RootCAs = s.roots
		drain(t, post(d, transport), 1)
		if l := get(t, d, id); l.State != HandedOver {
			t.Errorf("%s: %s", l.State, l.LastWords)
		}
	})
}

func TestConnectionIsReusedAndReopened(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		s := startServer(t)
		w := post(d, s.transport(t))
		for range 5 {
			enqueue(t, d, to("zoe@example.com"))
		}
		s.onCut = func(string) bool { return len(s.letters()) == 3 }
		drain(t, w, 5)
		if connections, mails := s.count(); connections != 2 || mails != 5 {
			t.Errorf("%d letters over %d connections, with one cut after the third", mails, connections)
		}
	})
}

func TestSilentServerTimesOut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and never greets
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	transport := parse(t, "smtp://"+listener.Addr().String()+"?starttls=never")
	short := 30 * time.Millisecond
	transport.limits = timeLimits{short, short, short, short, short}
	if _, err := transport.dial(t.Context()); err == nil || !strings.Contains(err.Error(), "did not greet") {
		t.Errorf("got %v", err)
	}
}

func TestNonASCIIMailboxNeedsSMTPUTF8(t *testing.T) {
	for _, c := range []struct {
		why, address, rcpt string
		server             []serverOption
		state              State
	}{
		{"without SMTPUTF8 it can never arrive", "josé@example.com", "", nil, Refused},
		{"with SMTPUTF8 it goes as it is", "josé@example.com", "josé@example.com", []serverOption{withUTF8}, HandedOver},
		{"a domain has an ASCII form that every server takes", "jose@münchen.example", "jose@xn--mnchen-3ya.example", nil, HandedOver},
	} {
		t.Run(c.why, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
				s := startServer(t, c.server...)
				id := enqueue(t, d, to(c.address))
				drain(t, post(d, s.transport(t)), 1)
				if l := get(t, d, id); l.State != c.state || l.LastWords == "" {
					t.Errorf("%s: %s", l.State, l.LastWords)
				}
				if got := s.letters(); c.rcpt != "" && (len(got) != 1 || got[0].to != c.rcpt || got[0].utf8 == isASCII(c.address) && strings.HasPrefix(c.address, "josé")) {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
}
