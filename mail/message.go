package mail

import (
	"bytes"
	"fmt"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"github.com/rekeyhq/rekey/db"
)

// maxMessage bounds a whole message in bytes; mail programs cut off longer ones at about 100 KB of HTML.
const maxMessage = 256 << 10

// message is a letter as it goes over the wire.
type message struct {
	id       string // of the email, for bounces (ENVID)
	from, to string // of the envelope
	utf8     bool   // an address needs SMTPUTF8 (RFC 6531)
	raw      []byte // headers and body, CRLF line ends, before dot-stuffing
}

// newMessage renders c. Everything in it follows from the letter, so each try gives the same bytes. The Date is the
// letter's creation, not the try's: RFC 5322 §3.6.1 means the moment at which the letter was ready, it is the one that the
// reader remembers ("I asked at 15:40"), and a second copy after a lost answer stays recognisable as a copy.
func newMessage(id db.ID, created time.Time, c Content) (message, error) {
	htmlPart, textPart, err := Render(c)
	if err != nil {
		return message{}, err
	}
	from, err := wireAddress("sender", c.Head.SenderEmail)
	if err != nil {
		return message{}, err
	}
	to, err := wireAddress("recipient", c.To.Email)
	if err != nil {
		return message{}, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP), gomail.WithBoundary("rekey-"+id.String()))
	// These are written by our own hand: go-mail begins long names and subjects on a line below their header.
	head := "From: " + mailboxHeader("From", c.Head.SenderName, from) + "\r\nTo: " + mailboxHeader("To", c.To.Name, to) + "\r\n"
	if c.Head.SupportEmail != "" && c.Head.SupportEmail != c.Head.SenderEmail {
		reply, err := wireAddress("support address", c.Head.SupportEmail)
		if err != nil {
			return message{}, err
		}
		head += "Reply-To: " + mailboxHeader("Reply-To", c.Head.StoreName, reply) + "\r\n"
	}
	head += "Subject: " + textHeader("Subject", c.Subject) + "\r\n"
	m.SetMessageIDWithValue(messageID(id, from))
	m.SetDateWithValue(created)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no vacation notice in return
	if c.Head.Lang != "" {
		m.SetGenHeader("Content-Language", c.Head.Lang)
	}
	m.SetBodyString(gomail.TypeTextPlain, textPart)
	m.AddAlternativeString(gomail.TypeTextHTML, htmlPart)
	raw := bytes.NewBufferString(head)
	if _, err := m.WriteTo(raw); err != nil {
		return message{}, fmt.Errorf("write the message: %w", err)
	}
	msg := message{id: id.String(), from: from, to: to, utf8: !isASCII(from) || !isASCII(to), raw: raw.Bytes()}
	return msg, checkWire(msg.raw)
}

// messageID is the same at each try: the letter's id at the sender's domain.
func messageID(id db.ID, from string) string { return id.String() + "@" + domainOf(from) }

// wireAddress writes the domain in its ASCII form (RFC 5891), so that only a non-ASCII local part asks for SMTPUTF8.
func wireAddress(name, email string) (string, error) {
	domain := domainOf(email)
	if isASCII(domain) {
		return email, nil
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", malformed(name, "has a domain that cannot be looked up")
	}
	return email[:len(email)-len(domain)] + ascii, nil
}

// checkWire is the last look at the whole message, whatever built it: SMTP smuggling needs a bare CR or LF, and
// RFC 5321 §4.5.3.1.6 allows 1,000 bytes a line with its CRLF.
func checkWire(raw []byte) error {
	if len(raw) > maxMessage {
		return malformed("message", "is larger than %d bytes", maxMessage)
	}
	for _, line := range bytes.SplitAfter(raw, []byte("\r\n")) {
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if len(line) > 998 {
			return malformed("message", "has a line of %d bytes", len(line))
		}
		if bytes.ContainsAny(line, "\r\n\x00") {
			return malformed("message", "holds a bare CR, LF or NUL")
		}
	}
	return nil
}
