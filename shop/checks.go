package shop

import (
	"errors"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/rekeyhq/rekey/lang"
)

// checks gathers the refusals of one form, so that a person mends everything at once.
type checks struct{ refusals []error }

func (c *checks) err() error { return errors.Join(c.refusals...) }

func (c *checks) refuse(field, format string, args ...any) {
	c.refusals = append(c.refusals, refuse(field, format, args...))
}

const (
	maxCode  = 32
	maxLabel = 100 // characters; a name stands in headings and in the From of letters
	maxEmail = 254 // RFC 5321 §4.5.3.1.3
	maxPhone = 40
)

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// code checks the code of a website or store view; it stands in commands and in addresses of the web API.
func (c *checks) code(of, text string) string {
	text = strings.TrimSpace(text)
	switch {
	case !codePattern.MatchString(text) || len(text) > maxCode:
		c.refuse("code", "The code of a %s begins with a letter from a to z and goes on with a to z, 0 to 9 and _, at most %d; %q does not.", of, maxCode, text)
	case text == "all":
		// Commerce's /rest/all/V1 means every store view.
		c.refuse("code", `The code "all" stands for all store views in the web API. Choose another.`)
	}
	return text
}

// fields checks and tidies everything about a store view except its code.
func (c *checks) fields(f ViewFields, allowHTTP bool) ViewFields {
	f.Name = c.label("name", "name of the store view", f.Name, true)
	f.LogoText = c.label("logo_text", "logo text", f.LogoText, false)
	f.SenderName = c.label("sender_name", "sender's name", f.SenderName, false)
	f.Locale = c.locale(f.Locale)
	f.TimeZone = c.timeZone(f.TimeZone)
	f.BaseURL = c.baseURL(f.BaseURL, allowHTTP)
	f.Accent = c.accent(f.Accent)
	f.SenderEmail = c.email("sender_email", "sender's address", f.SenderEmail)
	f.SupportEmail = c.email("support_email", "support address", f.SupportEmail)
	f.SupportPhone = c.phone(f.SupportPhone)
	return f
}

// label checks one line of text that people read.
func (c *checks) label(field, what, text string, required bool) string {
	text = strings.TrimSpace(text)
	switch {
	case text == "" && required:
		c.refuse(field, "Please enter the %s.", what)
	case !oneLine(text):
		c.refuse(field, "The %s must be one line of ordinary text.", what)
	case utf8.RuneCountInString(text) > maxLabel:
		c.refuse(field, "The %s can have at most %d characters.", what, maxLabel)
	}
	return text
}

// oneLine refuses what could break out of a mail header or turn a line around: control and direction characters.
func oneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}

// locale checks that the catalogue speaks the language, and writes it as Commerce does: "fr_FR".
func (c *checks) locale(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		c.refuse("locale", "Please enter the locale, such as en_US or fr_FR.")
		return text
	}
	if !lang.Knows(text) {
		c.refuse("locale", "There are no pages and letters in the language of %q. There are: %s.", text, strings.Join(lang.Supported(), ", "))
		return text
	}
	tag := language.Make(text)
	base, _ := tag.Base()
	region, _ := tag.Region() // the most likely one where none was given
	return base.String() + "_" + region.String()
}

func (c *checks) timeZone(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return "UTC"
	}
	// "Local" would be another zone on each node.
	if _, err := time.LoadLocation(text); err != nil || text == "Local" {
		c.refuse("time_zone", "There is no time zone %q. Write it as Europe/Paris.", text)
	}
	return text
}

func (c *checks) baseURL(text string, allowHTTP bool) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	b, err := parseBaseURL(text)
	if err != nil {
		c.refuse("base_url", "The base URL %q %s.", text, err)
		return text
	}
	if b.scheme != "https" && !allowHTTP {
		c.refuse("base_url", "The base URL %q must begin with https://, because links to new passwords are built on it; plain http needs --dev.", text)
	}
	return b.String()
}

func (c *checks) accent(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return DefaultAccent
	}
	accent, ok := parseColour(text)
	if !ok {
		c.refuse("accent", "The accent colour is written as #rrggbb, such as %s; %q is not.", DefaultAccent, text)
		return text
	}
	if why := accentFault(accent); why != "" {
		c.refuse("accent", "The accent colour %s %s. Near to it, %s can be used.", text, why, usableNear(accent))
	}
	return text
}

// email checks an address of the store itself. It is stricter than the standard: such an address goes into the From of
// letters and must be beyond doubt.
func (c *checks) email(field, what, text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	address, err := mail.ParseAddress(text)
	ascii := !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
	local, domain, _ := strings.Cut(text, "@")
	if err != nil || !ascii || address.Address != text || len(text) > maxEmail || len(local) > 64 || !hostName.MatchString(strings.ToLower(domain)) {
		c.refuse(field, "The %s %q is not an email address such as shop@example.com.", what, text)
	}
	return text
}

func (c *checks) phone(text string) string {
	text = strings.TrimSpace(text)
	if !oneLine(text) || utf8.RuneCountInString(text) > maxPhone {
		c.refuse("support_phone", "The support phone number must be one line of at most %d characters.", maxPhone)
	}
	return text
}
