package mail

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/secret"
)

// Limits of what a composer may hand over. They are far above any real letter; they keep a poisoned row from filling
// a mail server.
const (
	maxField     = 2000 // bytes in one sentence, name or value
	maxSentences = 20   // paragraphs, facts, footer lines: each list
	maxURL       = 900  // bytes: a link stays on one line of at most 998 (RFC 5322 §2.1.1)
)

// ErrMalformed says that a letter's content can never be sent as it is: a control character, an address that is none,
// an oversized field. Such a letter is set aside at once, because composing it again would give the same.
var ErrMalformed = errors.New("the letter is malformed")

// errNoSender says that the store view has no sender address yet. That is for the operator to mend, so the letter waits.
var errNoSender = errors.New("the store view has no sender address")

// Address is one mailbox, with the name that it is shown under ("" for none).
type Address struct{ Name, Email string }

// Letterhead is the store view as a letter shows it. All words are already in the reader's language: this package has
// no catalogue, so that a letter's language is decided in one place, by its composer.
type Letterhead struct {
	Lang      string // BCP 47, for <html lang> and Content-Language: "fr"
	StoreName string
	LogoText  string // on top, in the accent colour; "" shows StoreName
	Accent    string // "#rrggbb"

	SenderName, SenderEmail    string
	SupportEmail, SupportPhone string // "" leaves it out; a reply goes to SupportEmail
	BaseURL                    string // the storefront, shown in the footer; "" leaves it out

	LinkHint string   // above the link in full: "If the button does not work, copy this address into your browser:"
	Footer   []string // below the store's name: "Questions? Write to us or call."
}

// Button is the one thing to do. The layout also shows URL in full below it.
type Button struct {
	Label string
	URL   secret.Text // absolute http or https; from the store view's base URL, never from a request
}

// Code is what the reader types elsewhere. The layout sets it large, below the button if there is one.
type Code struct {
	Label string // "Or type this code on the page where you asked:"
	Text  secret.Text
}

// Fact is one row of the table of what is known: {"When", "Tuesday 24 November 2026, 15:40 (Paris)"}.
type Fact struct{ Label, Value string }

// Whence are the facts of where an act came from: the "browser" and the "place" that a letter's data keep of an audit.Origin.
func Whence(l *lang.Lang, data map[string]string) []Fact {
	known := func(said string) string {
		if said == "" {
			return l.T("letter.fact.unknown")
		}
		return said
	}
	return []Fact{
		{Label: l.T("letter.fact.browser"), Value: known(l.Browser(data["browser"]))},
		{Label: l.T("letter.fact.place"), Value: known(data["place"])},
	}
}

// Content is a letter before it is laid out: plain sentences in the order in which they are read.
type Content struct {
	Head Letterhead
	To   Address

	Subject   string // without alarm: "Reset your Maison Lune password"
	Preheader string // what a list of letters shows after the subject; "" for none
	Title     string // the heading; "" for none
	Greeting  string // "Hello Camille,"

	Paragraphs []string // why, in one sentence each
	Facts      []Fact   // what happened, when and from where
	Button     *Button  // nil when there is nothing to do
	Code       *Code    // nil when there is nothing to type
	After      []string // below the link: "The link is valid until Tuesday 24 November 2026, 15:40 (Paris)."
	NotYou     string   // "If you did not ask for this, …"; set apart from the rest
	Object     *Button  // below NotYou, as a link: "It wasn't me"; nil for none
	Why        string   // footer: "You get this letter because someone asked for …"

	Forget bool // nothing is kept of whom it went to: the account is deleted
}

// check refuses whatever must not reach the wire. It names the field and never quotes the value, which may be personal.
func (c Content) check() error {
	if c.Head.SenderEmail == "" {
		return errNoSender
	}
	for _, f := range c.fields() {
		if err := checkText(f.name, f.value); err != nil {
			return err
		}
	}
	for _, l := range c.lists() {
		if len(l.values) > maxSentences {
			return malformed(l.name, "has more than %d entries", maxSentences)
		}
		for _, v := range l.values {
			if err := checkText(l.name, v); err != nil {
				return err
			}
		}
	}
	if c.Subject == "" {
		return malformed("subject", "is empty")
	}
	for _, b := range c.buttons() {
		if err := checkLink(b.URL.Reveal()); err != nil {
			return err
		}
	}
	if c.Head.SupportEmail != "" {
		if err := checkEmail("support address", c.Head.SupportEmail); err != nil {
			return err
		}
	}
	return errors.Join(checkEmail("sender", c.Head.SenderEmail), checkEmail("recipient", c.To.Email))
}

type field struct{ name, value string }

func (c Content) fields() []field {
	h := c.Head
	all := []field{
		{"language", h.Lang}, {"store name", h.StoreName}, {"logo text", h.LogoText}, {"accent", h.Accent},
		{"sender name", h.SenderName}, {"sender", h.SenderEmail},
		{"support address", h.SupportEmail}, {"support phone", h.SupportPhone}, {"base URL", h.BaseURL},
		{"link hint", h.LinkHint}, {"recipient name", c.To.Name}, {"recipient", c.To.Email},
		{"subject", c.Subject}, {"preheader", c.Preheader}, {"title", c.Title}, {"greeting", c.Greeting},
		{"not you", c.NotYou}, {"why", c.Why},
	}
	for _, b := range c.buttons() {
		all = append(all, field{"button", b.Label})
	}
	if c.Code != nil {
		all = append(all, field{"code", c.Code.Label}, field{"code", c.Code.Text.Reveal()})
	}
	for _, f := range c.Facts {
		all = append(all, field{"fact", f.Label}, field{"fact", f.Value})
	}
	return all
}

func (c Content) buttons() (all []*Button) {
	for _, b := range []*Button{c.Button, c.Object} {
		if b != nil {
			all = append(all, b)
		}
	}
	return all
}

type list struct {
	name   string
	values []string
}

func (c Content) lists() []list {
	return []list{
		{"paragraph", c.Paragraphs}, {"sentence after the link", c.After}, {"footer", c.Head.Footer},
		{"fact", make([]string, len(c.Facts))}, // the texts are among the fields; here only their number counts
	}
}

// checkText allows one line of valid UTF-8. Control characters are refused everywhere, not only in headers: there is no
// sentence that needs one, and one rule cannot be forgotten for a new field.
func checkText(name, s string) error {
	switch {
	case len(s) > maxField:
		return malformed(name, "is longer than %d bytes", maxField)
	case !utf8.ValidString(s):
		return malformed(name, "is not valid UTF-8")
	case strings.ContainsFunc(s, isControl):
		return malformed(name, "holds a control character")
	}
	return nil
}

// isControl is Unicode's controls (CR, LF and NUL among them) and its two line separators, which some readers break at.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

func checkLink(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return malformed("link", "is not an absolute web address") // err would quote the link
	case len(raw) > maxURL:
		return malformed("link", "is longer than %d bytes", maxURL)
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`", r) }):
		return malformed("link", "holds a character that must be escaped")
	}
	return nil
}

func malformed(name, format string, args ...any) error {
	return fmt.Errorf("%w: its %s %s", ErrMalformed, name, fmt.Sprintf(format, args...))
}
