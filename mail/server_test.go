package mail

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// server is a real mail server that does what a test tells it to.
type server struct {
	addr  string
	roots *x509.CertPool // the authority of its certificate
	der   []byte         // the certificate

	// Answers to commands; nil accepts. They may block, to be slow.
	onMail, onRcpt func(address string) error
	onData         func(to string, body []byte) error
	onCut          func(to string) bool // takes the letter, then cuts the connection instead of answering
	password       string
	full           bool // greets with "too many connections"

	mu          sync.Mutex
	connections int
	mails       []string // addresses in MAIL FROM
	got         []received
	wire        bytes.Buffer // every byte that reached it in clear
}

type received struct {
	from, to string
	utf8     bool
	body     []byte
	helo     string
	ret, id  string // what a bounce is to carry: RET and ENVID
}

type serverOption func(*server, *smtp.Server)

func withTLS(s *server, srv *smtp.Server) { srv.TLSConfig = s.certificate() }
func withUTF8(_ *server, srv *smtp.Server) {
	srv.EnableSMTPUTF8 = true
}
func withDSN(_ *server, srv *smtp.Server) { srv.EnableDSN = true }
func withPassword(password string) serverOption {
	return func(s *server, srv *smtp.Server) { s.password, srv.AllowInsecureAuth = password, true }
}

func startServer(t *testing.T, options ...serverOption) *server {
	t.Helper()
	s := &server{}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.connections++
		if s.full {
			return nil, &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many connections"}
		}
		return &session{server: s, conn: c}, nil
	}))
	srv.Domain = "mx.test"
	srv.ErrorLog = log.New(io.Discard, "", 0)
	for _, o := range options {
		o(s, srv)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(recorder{listener, s}) }()
	t.Cleanup(func() {
		srv.Close()
		listener.Close() // for a server that had not begun to serve
		if err := <-done; err != nil {
			t.Errorf("mail server: %v", err)
		}
	})
	return s
}

// transport reaches the server in clear, as a loopback host may be.
func (s *server) transport(t *testing.T) *Transport {
	return parse(t, "smtp://"+s.addr+"?starttls=never")
}

func parse(t *testing.T, address string) *Transport {
	t.Helper()
	transport, err := ParseSMTP(address)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

func (s *server) letters() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

func (s *server) count() (connections, mails int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections, len(s.mails)
}

// certificate makes a self-signed one for 127.0.0.1; only those who hold roots trust it.
func (s *server) certificate() *tls.Config {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.test"}, IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	s.roots, s.der = x509.NewCertPool(), der
	s.roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
}

type session struct {
	server *server
	conn   *smtp.Conn
	from   string
	to     string
	utf8   bool
	ret    string
	id     string
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, from)
	s.server.mu.Unlock()
	s.from, s.utf8, s.ret, s.id = from, o.UTF8, string(o.Return), o.EnvelopeID
	if s.server.onMail != nil {
		return s.server.onMail(from)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.server.onRcpt != nil {
		return s.server.onRcpt(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.server.onData != nil {
		if err := s.server.onData(s.to, body); err != nil {
			return err
		}
	}
	s.server.mu.Lock()
	s.server.got = append(s.server.got, received{s.from, s.to, s.utf8, body, s.conn.Hostname(), s.ret, s.id})
	s.server.mu.Unlock()
	if s.server.onCut != nil && s.server.onCut(s.to) {
		s.conn.Conn().Close()
		return errors.New("cut")
	}
	return nil
}

func (s *session) AuthMechanisms() []string {
	if s.server.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "shop" || password != s.server.password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func reply(code int, words string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: words}
}

// recorder keeps the bytes that reach the server.
type recorder struct {
	net.Listener
	server *server
}

func (r recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recorded{c, r.server}, nil
}

type recorded struct {
	net.Conn
	server *server
}

func (r recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	r.server.wire.Write(b[:n])
	return n, err
}

// within waits for a signal, and fails the test when none comes.
func within[T any](t *testing.T, signal <-chan T, what string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // t.Context() has ended in a cleanup
	defer cancel()
	select {
	case v := <-signal:
		return v
	case <-ctx.Done():
		t.Fatal("timed out waiting for " + what)
		panic("unreachable")
	}
}
