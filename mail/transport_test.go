package mail

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
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
	transport.limits = timeLimits{dial: short, silent: short, greet: short}
	if _, err := transport.dial(t.Context(), "shop.example"); err == nil || !strings.Contains(err.Error(), "did not greet") {
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

// A bounce goes to the store's mailbox. It names the email by its number, and brings the headers back, never the text: that holds a
// link which works.
func TestABounceIsAskedForWithoutTheLink(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		with, without := startServer(t, withDSN), startServer(t)
		for _, s := range []*server{with, without} {
			id := enqueue(t, d, to("zoe@example.com"))
			drain(t, post(d, s.transport(t)), 1)
			got := s.letters()
			if len(got) != 1 {
				t.Fatalf("%d emails", len(got))
			}
			head, _, _ := strings.Cut(string(got[0].body), "\r\n\r\n")
			if s == with && (got[0].ret != "HDRS" || got[0].id != id.String() || strings.Contains(head, "token")) {
				t.Errorf("a bounce carries %s of %s", got[0].ret, got[0].id)
			}
			if s == without && got[0].ret+got[0].id != "" {
				t.Errorf("a server that does not offer it is asked for %s of %s", got[0].ret, got[0].id)
			}
		}
	})
}

func TestTheNameInTheGreeting(t *testing.T) {
	for _, c := range []struct{ set, sender, want string }{
		{"", "shop.example", "shop.example"},
		{"mx.shop.example", "shop.example", "mx.shop.example"},
		{"", "4f1d2c3b", "[127.0.0.1]"},
		{"", "", "[127.0.0.1]"},
		{"", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
	} {
		s := startServer(t)
		transport := s.transport(t)
		transport.Helo = c.set
		conn, err := transport.dial(t.Context(), c.sender)
		if err != nil {
			t.Fatal(err)
		}
		m := mustMessage(t, letterTo("zoe@example.com"))
		if _, err := conn.send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		conn.close()
		if got := s.letters(); len(got) != 1 || got[0].helo != c.want {
			t.Errorf("%q and %q: %+v", c.set, c.sender, got[0].helo)
		}
	}
}

// smtp:// to a port that speaks TLS at once would wait for a greeting until the end of its patience, and smtps:// to one that does
// not fails with words that nobody understands.
func TestCrossedProtocolsAreExplained(t *testing.T) {
	s := startServer(t)
	_, err := parse(t, "smtps://"+s.addr).dial(t.Context(), "shop.example")
	var failed *sendError
	if !errors.As(err, &failed) || failed.reason != TLS || !strings.Contains(failed.words, "write smtp://") {
		t.Errorf("TLS to a plain port: %v", err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", s.certificate())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { conn.(*tls.Conn).Handshake() }()
		}
	}()
	transport := parse(t, "smtp://"+listener.Addr().String())
	transport.limits = timeLimits{dial: 20 * time.Second, silent: 10 * time.Millisecond, greet: time.Minute}
	_, err = transport.dial(t.Context(), "shop.example")
	if !errors.As(err, &failed) || failed.reason != TLS || !strings.Contains(failed.words, "write smtps://") {
		t.Errorf("plain to a TLS port: %v", err)
	}
}

// RFC 5321 §4.5.3.2: who hangs up earlier sends a second copy.
func TestTheTimeLimitsAreThoseOfTheStandard(t *testing.T) {
	for what, c := range map[string][2]time.Duration{
		"greeting": {defaultLimits.greet, 5 * time.Minute}, "MAIL and RCPT": {defaultLimits.command, 5 * time.Minute},
		"DATA": {defaultLimits.data, 2 * time.Minute}, "a block": {defaultLimits.block, 3 * time.Minute},
		"the final dot": {defaultLimits.accept, 10 * time.Minute},
	} {
		if c[0] < c[1] {
			t.Errorf("%s: %s, less than %s", what, c[0], c[1])
		}
	}
	l := defaultLimits
	if sum := l.dial + 3*l.greet + 3*l.command + l.data + l.block + l.accept; attemptLimit < sum {
		t.Errorf("a try may take %s, and its steps %s", attemptLimit, sum)
	}
}

func TestAnAuthorityOfOnesOwn(t *testing.T) {
	s := startServer(t, withTLS)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.der}), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := parse(t, "smtp://"+s.addr+"?ca="+file).dial(t.Context(), "shop.example")
	if err != nil {
		t.Fatal(err)
	}
	conn.close()
	if _, err := parse(t, "smtp://"+s.addr).dial(t.Context(), "shop.example"); err == nil {
		t.Error("without it the certificate is trusted")
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"smtp://mail.example.com?ca=/nowhere.pem", "smtps://mail.example.com?ca=" + empty} {
		if _, err := ParseSMTP(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
