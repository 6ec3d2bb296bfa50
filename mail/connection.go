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
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wneessen/go-mail/smtp"
)

const (
	idleAfter     = 30 * time.Second // an unused connection is closed: servers drop them after a few minutes anyway
	perConnection = 100              // letters over one connection; some servers count
	maxWords      = 500              // bytes of the mail server's words that are kept
)

// sendError says why a letter was not handed over.
type sendError struct {
	permanent bool   // this letter will never be taken
	server    bool   // it is about the mail server, not about the letter: the operator reads it in the log
	broken    bool   // the conversation cannot go on
	words     string // the server's, or ours; one line, no control characters
	cause     error
}

func (e *sendError) Error() string { return e.words }
func (e *sendError) Unwrap() error { return e.cause }

// trouble is a failure that is about the mail server: it is tried again whatever the code, because a wrong password or a
// closed port says nothing about the letter.
func trouble(cause error, format string, args ...any) *sendError {
	words := fmt.Sprintf(format, args...)
	if cause != nil {
		words += ": " + cause.Error()
	}
	return &sendError{words: clean(words), server: true, broken: true, cause: cause}
}

// answer judges what the server said to a command about this letter. The reply is looked for with errors.As: libraries
// wrap it, and a wrong guess would retry a refusal for a day or give up a greylisted letter.
func (t *Transport) answer(verb string, err error) *sendError {
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		return trouble(err, "%s did not answer %s", t.Server(), verb)
	}
	e := &sendError{words: clean(fmt.Sprintf("%d %s", reply.Code, reply.Msg)), cause: err}
	switch reply.Code {
	case 503, 530, 534, 535, 538: // bad sequence; sign in first: ours to mend, not a word about the letter
		e.server, e.broken = true, true
	case 421: // closing down
		e.broken = true
	default:
		e.permanent = reply.Code/100 == 5
	}
	return e
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

// connection is one open conversation with the mail server, used by one worker at a time.
type connection struct {
	transport *Transport
	net       net.Conn
	client    *smtp.Client
	sent      int
	usedAt    time.Time
}

// dial opens a connection as far as it may speak about letters: greeted, encrypted as configured, signed in.
func (t *Transport) dial(ctx context.Context) (*connection, error) {
	limits := t.times()
	dialCtx, cancel := context.WithTimeout(ctx, limits.dial)
	defer cancel()
	var conn net.Conn
	var err error
	if t.Security == Implicit {
		conn, err = (&tls.Dialer{Config: t.tls()}).DialContext(dialCtx, "tcp", t.Server())
	} else {
		conn, err = (&net.Dialer{}).DialContext(dialCtx, "tcp", t.Server())
	}
	if err != nil {
		return nil, trouble(err, "could not connect to %s", t.Server())
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // the library's reads know deadlines, not contexts
	defer stop()
	c := &connection{transport: t, net: conn, usedAt: time.Now()}
	if err := c.greet(limits); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *connection) greet(limits timeLimits) error {
	t := c.transport
	c.net.SetDeadline(time.Now().Add(limits.greet)) // fails only on a closed connection, as the next read does
	client, err := smtp.NewClient(c.net, t.Host)
	if err != nil {
		return trouble(err, "%s did not greet", t.Server())
	}
	c.client = client
	c.within(limits.greet)
	if err := client.Hello(t.helo()); err != nil {
		return trouble(err, "%s did not accept our greeting", t.Server())
	}
	if err := c.encrypt(limits); err != nil {
		return err
	}
	return c.signIn(limits)
}

func (c *connection) encrypt(limits timeLimits) error {
	t := c.transport
	offered, _ := c.client.Extension("STARTTLS")
	switch {
	case t.Security == Implicit || t.Security == Never:
		return nil
	case !offered && t.Security == Optional:
		return nil
	case !offered:
		return trouble(nil, "%s does not offer STARTTLS, which is required; nothing was sent in clear", t.Server())
	}
	c.within(limits.greet)
	if err := c.client.StartTLS(t.tls()); err != nil {
		return trouble(err, "TLS with %s failed; nothing was sent in clear", t.Server())
	}
	return nil
}

func (c *connection) signIn(limits timeLimits) error {
	t := c.transport
	if t.User == "" {
		return nil
	}
	_, encrypted := c.client.TLSConnectionState()
	if !encrypted && !t.loopback() {
		return trouble(nil, "%s offers no TLS; the user name and password were not sent in clear", t.Server())
	}
	_, mechanisms := c.client.Extension("AUTH")
	auth := t.auth(strings.Fields(strings.ToUpper(mechanisms)))
	if auth == nil {
		return trouble(nil, "%s offers no way to sign in that we know (PLAIN, LOGIN, SCRAM-SHA-256, CRAM-MD5)", t.Server())
	}
	c.within(limits.greet)
	if err := c.client.Auth(auth); err != nil {
		return trouble(err, "%s did not accept the user name and password", t.Server())
	}
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
// be closed; else fresh makes it ready for the next letter.
func (c *connection) send(ctx context.Context, m message) (words string, err error) {
	t, limits := c.transport, c.transport.times()
	stop := context.AfterFunc(ctx, func() { c.net.Close() })
	defer stop()
	defer func() { c.sent, c.usedAt = c.sent+1, time.Now() }()
	if offered, _ := c.client.Extension("SMTPUTF8"); m.utf8 && !offered {
		return "", &sendError{permanent: true, words: t.Server() + " does not take addresses with letters outside ASCII (SMTPUTF8)"}
	}
	c.client.SkipSMTPUTF8(!m.utf8) // asked for without need, it can make the next server refuse an ordinary letter
	c.within(limits.command)
	if err := c.client.Mail("<" + m.from + ">"); err != nil {
		return "", t.answer("MAIL", err)
	}
	c.within(limits.command)
	if err := c.client.Rcpt("<" + m.to + ">"); err != nil {
		return "", t.answer("RCPT", err)
	}
	c.within(limits.command)
	body, err := c.client.Data()
	if err != nil {
		return "", t.answer("DATA", err)
	}
	c.within(limits.write)
	if _, err := body.Write(m.raw); err != nil {
		return "", trouble(err, "the connection to %s broke while the letter was being written", t.Server())
	}
	c.within(limits.accept)
	if err := body.Close(); err != nil {
		return "", t.answer("the end of the letter", err)
	}
	if said, ok := body.(*smtp.DataCloser); ok {
		words = clean("250 " + said.ServerResponse())
	}
	return words, nil
}

// fresh tells whether the connection can carry another letter: RSET is the only way to know.
func (c *connection) fresh(ctx context.Context) bool {
	if c.sent >= perConnection || time.Since(c.usedAt) > idleAfter {
		return false
	}
	stop := context.AfterFunc(ctx, func() { c.net.Close() })
	defer stop()
	c.within(c.transport.times().command)
	return c.client.Reset() == nil
}

// close says goodbye where that is quick, and closes in any case.
func (c *connection) close() {
	c.within(time.Second)
	_ = c.client.Quit()
	c.net.Close()
}
