package test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// delivery bounds how long a letter may take from the request to the post office. It covers the first retry of a
// refused letter, which comes after some five seconds, with jitter.
const delivery = 30 * time.Second

// post is a real SMTP server: the post office that the store hands its letters to. It answers as it is told and keeps
// what it accepted.
type post struct {
	t        *testing.T
	server   *smtp.Server // nil while it is closed
	served   chan error
	addr     string
	starttls string // how it must be reached: never, or required once it has a certificate

	mu      sync.Mutex
	kept    []letter
	answer  func(l letter, try int) *smtp.SMTPError // nil: everything is welcome
	cut     bool                                    // it takes letters and hangs up instead of saying so
	greet   func() error                            // asked for each connection
	taken   func(l letter, said bool)               // told of each letter twice: when it is kept, and when the sender was told so
	tries   map[string]int                          // deliveries attempted, by recipient
	changed chan struct{}                           // closed and replaced when something arrived
}

// letter is one accepted message.
type letter struct {
	t          *testing.T
	from, to   string // of the envelope
	header     mail.Header
	subject    string
	text, html string
	raw        string
}

func newPost(t *testing.T) *post {
	t.Helper()
	p := &post{t: t, tries: map[string]int{}, changed: make(chan struct{}), starttls: "never"}
	listener := listenAnywhere(t)
	p.addr = listener.Addr().String()
	p.serve(listener, nil)
	t.Cleanup(p.close)
	return p
}

// open begins to take letters again after close, at the same address, with STARTTLS if there is a certificate.
func (p *post) open(certificate *tls.Config) {
	p.t.Helper()
	var listener net.Listener
	err := eventually(patience, func() (err error) { // a program that just starts may hold the closed socket until it is loaded
		listener, err = net.Listen("tcp", p.addr)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.serve(listener, certificate)
}

func (p *post) serve(listener net.Listener, certificate *tls.Config) {
	p.server = smtp.NewServer(p)
	p.server.Domain = "post.example"
	p.server.EnableSMTPUTF8 = true
	p.server.TLSConfig = certificate
	p.server.ErrorLog = log.New(io.Discard, "", 0) // what goes wrong here is wanted
	served := make(chan error, 1)
	p.served = served
	server := p.server
	go func() { served <- server.Serve(listener) }()
}

// close hangs up and is not there any more.
func (p *post) close() {
	p.t.Helper()
	if p.server == nil {
		return
	}
	p.server.Close()
	if err := <-p.served; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		p.t.Errorf("the SMTP server ended: %v", err)
	}
	p.server = nil
}

// url is the value of --smtp that leads here.
func (p *post) url() string { return "smtp://" + p.addr + "?starttls=" + p.starttls }

// answering makes the post office answer each letter with what f says; nil accepts it. try counts the deliveries to
// that recipient, from 1. Letters are shown to f one at a time.
func (p *post) answering(f func(l letter, try int) *smtp.SMTPError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

// cutting makes the post office hang up on each letter that it takes, instead of saying so.
func (p *post) cutting(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = on
}

// greeting makes it answer the greeting of each connection with what f says, and hangs up on those that it has.
func (p *post) greeting(f func() error) {
	p.t.Helper()
	p.hold(f)
	p.close()
	p.open(nil)
}

// hold is greeting for connections that are still to come.
func (p *post) hold(f func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.greet = f
}

// letters are the accepted letters to a recipient in the order of their arrival.
func (p *post) letters(to string) []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []letter
	for _, l := range p.kept {
		if l.to == to {
			found = append(found, l)
		}
	}
	return found
}

// wait gives the nth letter to a recipient, from 1, as soon as it is there.
func (p *post) wait(to string, n int) letter {
	p.t.Helper()
	deadline := time.After(delivery)
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if found := p.letters(to); len(found) >= n {
			return found[n-1]
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("letter %d to %s did not come within %v; %d came", n, to, delivery, len(p.letters(to)))
		}
	}
}

// all are the accepted letters in the order of their arrival.
func (p *post) all() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

// total is the number of accepted letters.
func (p *post) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept)
}

// NewSession is called by the SMTP server for each connection.
func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) {
	p.mu.Lock()
	greet := p.greet
	p.mu.Unlock()
	if greet != nil {
		if err := greet(); err != nil {
			return nil, err
		}
	}
	return &postSession{post: p, conn: c}, nil
}

type postSession struct {
	post     *post
	conn     *smtp.Conn
	from, to string
	kept     *letter // whose sender is about to be told
}

// Reset is called by the SMTP server when its answer to a letter is written.
func (s *postSession) Reset() {
	s.from, s.to = "", ""
	if l := s.kept; l != nil {
		s.kept = nil
		s.post.tellTaken(*l, true)
	}
}

func (s *postSession) Logout() error                               { return nil }
func (s *postSession) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = to; return nil }

func (s *postSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l, err := parseLetter(raw)
	if err != nil {
		s.post.t.Errorf("a letter to %s cannot be read: %v\n%s", s.to, err, raw)
		return &smtp.SMTPError{Code: 554, Message: err.Error()}
	}
	l.t, l.from, l.to = s.post.t, s.from, s.to

	if err := s.keep(l); err != nil {
		return err
	}
	s.post.tellTaken(l, false)
	s.kept = &l
	return nil
}

// taking makes the post office tell f of each letter, on the sender's connection: in between, the sender waits.
func (p *post) taking(f func(l letter, said bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = f
}

func (p *post) tellTaken(l letter, said bool) {
	p.mu.Lock()
	f := p.taken
	p.mu.Unlock()
	if f != nil {
		f(l, said)
	}
}

func (s *postSession) keep(l letter) error {
	p := s.post
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries[s.to]++
	if p.answer != nil {
		if refusal := p.answer(l, p.tries[s.to]); refusal != nil {
			return refusal
		}
	}
	p.kept = append(p.kept, l)
	close(p.changed)
	p.changed = make(chan struct{})
	if p.cut {
		s.conn.Conn().Close()
		return errors.New("cut")
	}
	return nil
}

func parseLetter(raw []byte) (letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return letter{}, err
	}
	l := letter{header: m.Header, raw: string(raw)}
	if l.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return letter{}, err
	}
	err = l.read(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return l, err
}

// read takes in one part of a letter, and the parts within it.
func (l *letter) read(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("content type %q: %w", contentType, err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := l.read(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	switch kind {
	case "text/plain":
		l.text = string(text)
	case "text/html":
		l.html = string(text)
	}
	return err
}

var recoveryLink = regexp.MustCompile(`https?://[^\s"<>]+/customer/account/createpassword\?token=[A-Za-z0-9_-]+`)

// link is the recovery link of the letter; both twins must have it, and only that one.
func (l letter) link() string {
	l.t.Helper()
	inText, inHTML := recoveryLink.FindAllString(l.text, -1), recoveryLink.FindAllString(l.html, -1)
	if len(inText) == 0 || len(inHTML) == 0 {
		l.t.Fatalf("no recovery link in the letter %q:\n%s", l.subject, l.raw)
	}
	for _, other := range append(inText, inHTML...) {
		if other != inText[0] {
			l.t.Errorf("the letter has two links: %s and %s", inText[0], other)
		}
	}
	return inText[0]
}

// secret is what makes the link of the letter work.
func (l letter) secret() string {
	l.t.Helper()
	u, err := url.Parse(l.link())
	if err != nil {
		l.t.Fatal(err)
	}
	return u.Query().Get("token")
}
