package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wneessen/go-mail/smtp"
)

const (
	idleAfter     = 30 * time.Second // an unused connection is closed: servers drop them after a few minutes anyway
	perConnection = 100              // emails over one connection; some servers count
	maxWords      = 500              // bytes of the mail server's words that are kept
)

// sendError says why an email was not handed over, and what that means.
type sendError struct {
	verdict
	at       stage
	answered bool // the mail server said something about this email, so it can be talked to
	broken   bool // the conversation cannot go on
	closing  bool // it says that it is closing down
	words    string
	cause    error
}

func (e *sendError) Error() string { return e.words }
func (e *sendError) Unwrap() error { return e.cause }

// trouble is a failure without an answer to an email: the connection, its encryption, what is offered on it.
func trouble(at stage, reason Reason, cause error, format string, args ...any) *sendError {
	e := &sendError{verdict: verdict{ofServer, reason}, at: at, broken: true, words: fmt.Sprintf(format, args...), cause: cause}
	var reply *textproto.Error
	switch {
	case errors.As(cause, &reply):
		e.verdict, e.closing = judge(at, reply.Code, reply.Msg), reply.Code == 421
		e.words += fmt.Sprintf(": %d %s", reply.Code, reply.Msg)
	case errors.Is(cause, context.DeadlineExceeded) || isTimeout(cause):
		e.words += ": it took too long"
	case cause != nil:
		e.words += ": " + cause.Error()
	}
	e.words = clean(e.words)
	return e
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// answer judges what the server said about this email. The reply is looked for with errors.As: libraries wrap it, and a wrong
// guess would retry a refusal for a day or give up a greylisted email. A line that broke says nothing about the server: it may be
// this email that broke it, so it waits and the others go on.
func (t *Transport) answer(at stage, err error) *sendError {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		e := trouble(at, Unreachable, err, "%s did not answer %s", t.Server(), at)
		if at != fromWhom {
			e.blame = later
		}
		return e
	}
	v := judge(at, reply.Code, reply.Msg)
	return &sendError{verdict: v, at: at, answered: v.blame <= mailbox, broken: v.blame == ofServer, closing: reply.Code == 421,
		words: clean(fmt.Sprintf("%d %s", reply.Code, reply.Msg)), cause: err}
}

// clean makes words of a server fit for one line of a page: no control characters, valid UTF-8, not too long.
func clean(s string) string {
	space := func(r rune) bool { return isControl(r) || unicode.IsSpace(r) }
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), space), " ")
	if len(s) <= maxWords {
		return s
	}
	cut := maxWords
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Step is one step of a conversation, told to whoever listens in (Transport.Tell).
type Step struct {
	Name  string // "connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "the end of the email"
	Words string // what was answered
}

// connection is one open conversation with the mail server, used by one worker at a time.
type connection struct {
	transport *Transport
	net       net.Conn
	client    *smtp.Client
	sent      int
	usedAt    time.Time
}

// dial opens a connection as far as it may speak about emails: greeted, encrypted as configured, signed in. sender is the domain
// that we greet with where nothing else is set.
func (t *Transport) dial(ctx context.Context, sender string) (*connection, error) {
	limits := t.times()
	dialCtx, cancel := context.WithTimeout(ctx, limits.dial)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(dialCtx, "tcp", t.Server())
	if err != nil {
		return nil, trouble(connecting, Unreachable, err, "could not connect to %s", t.Server())
	}
	t.tell(connecting, "connected to "+conn.RemoteAddr().String())
	if t.Security == Implicit {
		encrypted := tls.Client(conn, t.tls())
		if err := encrypted.HandshakeContext(dialCtx); err != nil {
			conn.Close()
			return nil, t.crossedPlain(err)
		}
		conn = encrypted
		t.tell(encrypting, "encrypted from the first byte, "+tls.VersionName(encrypted.ConnectionState().Version))
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // the library's reads know deadlines, not contexts
	defer stop()
	c := &connection{transport: t, net: conn, usedAt: time.Now()}
	if err := c.greet(ctx, limits, sender); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// crossedPlain explains a TLS handshake that failed; a server that begins in clear is a usual mistake.
func (t *Transport) crossedPlain(err error) *sendError {
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) {
		return trouble(encrypting, TLS, nil, "%s does not speak TLS from the first byte: write smtp:// for it, which begins in clear and then demands STARTTLS", t.Server())
	}
	return trouble(encrypting, TLS, err, "TLS with %s failed; nothing was sent in clear", t.Server())
}

func (c *connection) greet(ctx context.Context, limits timeLimits, sender string) error {
	t := c.transport
	c.net.SetDeadline(time.Now().Add(limits.greet)) // fails only on a closed connection, as the next read does
	client, crossed, err := c.hear(ctx, limits)
	switch {
	case crossed:
		return trouble(greeting, TLS, nil, "%s speaks TLS from the first byte: write smtps:// for it", t.Server())
	case err != nil:
		return trouble(greeting, Unreachable, err, "%s did not greet", t.Server())
	}
	c.client = client
	c.within(limits.greet)
	name := t.greetAs(sender, c.net.LocalAddr())
	if err := client.Hello(name); err != nil {
		return trouble(hello, Unreachable, err, "%s did not accept our greeting as %s", t.Server(), name)
	}
	t.tell(hello, "greeted as "+name+", by "+clean(client.HelloResponse()))
	if err := c.encrypt(limits); err != nil {
		return err
	}
	return c.signIn(limits)
}

// hear reads the greeting. Who speaks TLS from the first byte waits for us as we wait for them, so after a silence we look.
func (c *connection) hear(ctx context.Context, limits timeLimits) (client *smtp.Client, crossed bool, err error) {
	if c.transport.Security == Implicit {
		client, err = smtp.NewClient(c.net, c.transport.Host)
		return client, false, err
	}
	var tlsSpoken atomic.Bool
	look, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(limits.silent, func() {
		if c.transport.speaksTLS(look, limits.dial) {
			tlsSpoken.Store(true)
			c.net.Close()
		}
	})
	defer timer.Stop()
	client, err = smtp.NewClient(c.net, c.transport.Host)
	return client, err != nil && tlsSpoken.Load(), err
}

// speaksTLS tries a handshake on a connection of its own. Whose certificate it is does not matter: nothing is sent.
func (t *Transport) speaksTLS(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	config := t.tls()
	met := false
	config.VerifyConnection = func(tls.ConnectionState) error { met = true; return nil }
	config.InsecureSkipVerify = true
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", t.Server())
	if err == nil {
		conn.Close()
	}
	return met
}

func (c *connection) encrypt(limits timeLimits) error {
	t := c.transport
	offered, _ := c.client.Extension("STARTTLS")
	switch {
	case t.Security == Implicit || t.Security == Never:
		return nil
	case !offered && t.Security == Optional:
		t.tell(encrypting, "not offered: what follows goes in clear")
		return nil
	case !offered:
		return trouble(encrypting, TLS, nil, "%s does not offer STARTTLS, which is required; nothing was sent in clear", t.Server())
	}
	c.within(limits.greet)
	if err := c.client.StartTLS(t.tls()); err != nil {
		return trouble(encrypting, TLS, err, "TLS with %s failed; nothing was sent in clear", t.Server())
	}
	if state, ok := c.client.TLSConnectionState(); ok {
		t.tell(encrypting, tls.VersionName(state.Version)+", with a certificate that is in order")
	}
	return nil
}

func (c *connection) signIn(limits timeLimits) error {
	t := c.transport
	if t.User == "" {
		t.tell(signingIn, "no user name was given")
		return nil
	}
	_, encrypted := c.client.TLSConnectionState()
	if !encrypted && !t.loopback() {
		return trouble(signingIn, TLS, nil, "%s offers no TLS; the user name and password were not sent in clear", t.Server())
	}
	_, mechanisms := c.client.Extension("AUTH")
	auth := t.auth(strings.Fields(strings.ToUpper(mechanisms)))
	if auth == nil {
		return trouble(signingIn, SignIn, nil, "%s offers no way to sign in that we know (PLAIN, LOGIN, SCRAM-SHA-256, CRAM-MD5)", t.Server())
	}
	c.within(limits.greet)
	if err := c.client.Auth(auth); err != nil {
		return trouble(signingIn, SignIn, err, "%s did not accept the user name and password", t.Server())
	}
	t.tell(signingIn, "signed in as "+t.User)
	return nil
}

// auth prefers what every server does well; over verified TLS the fancier mechanisms add nothing.
func (t *Transport) auth(offered []string) smtp.Auth {
	password := t.Password.Reveal()
	switch {
	case slices.Contains(offered, "PLAIN"):
		return smtp.PlainAuth("", t.User, password, t.Host, true) // signIn has made sure of TLS or loopback
	case slices.Contains(offered, "LOGIN"):
		return smtp.LoginAuth(t.User, password, t.Host, true)
	case slices.Contains(offered, "SCRAM-SHA-256"):
		return smtp.ScramSHA256Auth(t.User, password)
	case slices.Contains(offered, "CRAM-MD5"):
		return smtp.CRAMMD5Auth(t.User, password)
	}
	return nil
}

// within bounds the next step. A failure means a closed connection, which the step itself reports.
func (c *connection) within(d time.Duration) { _ = c.client.UpdateDeadline(d) }

// send hands over one message and returns the server's words, or a *sendError. When that is broken, the connection must
// be closed; else fresh makes it ready for the next email.
func (c *connection) send(ctx context.Context, m message) (words string, err error) {
	t, limits := c.transport, c.transport.times()
	stop := context.AfterFunc(ctx, func() { c.net.Close() })
	defer stop()
	defer func() { c.sent, c.usedAt = c.sent+1, time.Now() }()
	if offered, _ := c.client.Extension("SMTPUTF8"); m.utf8 && !offered {
		return "", &sendError{verdict: verdict{mailbox, ""}, answered: true, words: t.Server() + " does not take addresses with letters outside ASCII (SMTPUTF8)"}
	}
	for _, step := range []struct {
		at      stage
		command string
		code    int
		limit   time.Duration
	}{
		{fromWhom, "MAIL FROM:<" + m.from + ">" + c.mailOptions(m), 250, limits.command},
		{toWhom, "RCPT TO:<" + m.to + ">", 25, limits.command},
		{beginning, "DATA", 354, limits.data},
	} {
		words, err := c.command(step.command, step.code, step.limit)
		if err != nil {
			return "", t.answer(step.at, err)
		}
		t.tell(step.at, words)
	}
	c.within(limits.block)
	text := c.client.Text.DotWriter()
	if _, err := text.Write(m.raw); err != nil {
		e := trouble(finalDot, Unreachable, err, "the connection to %s broke while the email was being written", t.Server())
		e.blame = later
		return "", e
	}
	c.within(limits.accept)
	err = text.Close()
	if err == nil {
		words, err = c.reply(250)
	}
	if err != nil {
		return "", t.answer(finalDot, err)
	}
	t.tell(finalDot, words)
	return words, nil
}

// mailOptions asks for SMTPUTF8 only where an address needs it: asked for without need, it can make the next server refuse an
// ordinary email. Where bounces can be told what to carry (RFC 3461), they carry the headers only: the text holds a link that
// works. The id that comes back with one is the email's.
func (c *connection) mailOptions(m message) string {
	var options string
	if m.utf8 {
		options = " BODY=8BITMIME SMTPUTF8"
	}
	if offered, _ := c.client.Extension("DSN"); offered && m.id != "" {
		options += " RET=HDRS ENVID=" + m.id
	}
	return options
}

// command says one line and reads the answer. The addresses in it were checked by checkEmail.
func (c *connection) command(line string, expected int, limit time.Duration) (words string, err error) {
	c.within(limit)
	if err := c.client.Text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	return c.reply(expected)
}

func (c *connection) reply(expected int) (words string, err error) {
	code, said, err := c.client.Text.ReadResponse(expected)
	return clean(fmt.Sprintf("%d %s", code, said)), err
}

// fresh tells whether the connection can carry another email: RSET is the only way to know.
func (c *connection) fresh(ctx context.Context) bool {
	if c.sent >= perConnection || time.Since(c.usedAt) > idleAfter {
		return false
	}
	stop := context.AfterFunc(ctx, func() { c.net.Close() })
	defer stop()
	_, err := c.command("RSET", 250, c.transport.times().command)
	return err == nil
}

// close says goodbye where that is quick, and closes in any case.
func (c *connection) close() {
	c.within(time.Second)
	_ = c.client.Quit()
	c.net.Close()
}
