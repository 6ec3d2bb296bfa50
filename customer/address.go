package customer

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/rekeyhq/rekey/fault"
)

// Lengths of an address in bytes (RFC 5321 §4.5.3.1, and the 254 that follow from the path's 256).
const (
	MaxAddress      = 254
	maxLocal        = 64
	maxDomain       = 255
	maxDomainLabel  = 63
	specials        = "()<>[]:;\\,\"@ "
	routing         = "%!" // source routes of old: a relay might forward such an address elsewhere
	encodedWordMark = "=?" // RFC 2047: some mailers decode it inside an address
)

// Address is a mail address that has passed ParseAddress. It is compared by its canonical form only:
// the domain as lower-case A-labels (IDNA 2008), ASCII letters of the local part in lower case, anything else of the
// local part as NFC and never folded, so that no look-alike (K for the Kelvin sign, ı for i) opens another's account.
type Address struct{ typed, canonical string }

// ParseAddress accepts one plain address, local@domain, and refuses everything that two programs could read
// differently: quoting, comments, routes, literals, encoded words, control characters. Errors: fault Invalid on "email".
func ParseAddress(s string) (Address, error) {
	s = strings.TrimFunc(s, isBlank) // pasted with blanks around it; inside there are none
	if s == "" {
		return Address{}, fault.Refuse("email", "email.required", "Please enter your email.", nil)
	}
	if len(s) > MaxAddress {
		return Address{}, fault.Refuse("email", "email.too_long",
			fmt.Sprintf("The email address may have at most %d characters.", MaxAddress), map[string]any{"Max": MaxAddress})
	}
	malformed := fault.Refuse("email", "email.malformed", "The email address is incorrect. Verify the email address and try again.", nil)
	if !utf8.ValidString(s) {
		return Address{}, malformed
	}
	local, domain, found := strings.Cut(s, "@")
	if !found || !validLocal(local) || len(domain) > maxDomain || strings.ContainsAny(domain, specials+routing) {
		return Address{}, malformed
	}
	ascii, err := lookup.ToASCII(domain)
	again, unstable := lookup.ToASCII(ascii) // what is kept is read again, and has to come out as it went in
	if err != nil || unstable != nil || again != ascii || !strings.Contains(ascii, ".") || strings.HasSuffix(ascii, ".") || len(ascii)+len(local)+1 > MaxAddress {
		return Address{}, malformed
	}
	labels := strings.Split(ascii, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxDomainLabel {
			return Address{}, malformed
		}
	}
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil { // an IP address written without brackets
		return Address{}, malformed
	}
	local = norm.NFC.String(local)
	return Address{typed: local + "@" + domain, canonical: lowerASCII(local) + "@" + strings.ToLower(ascii)}, nil
}

// isBlank tells what mail programs and office documents leave around an address that is copied: Unicode's white space, and what has no width.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff", r)
}

var lookup = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true))

func validLocal(local string) bool {
	if local == "" || len(local) > maxLocal || strings.Contains(local, encodedWordMark) ||
		strings.ContainsAny(local, specials+routing) ||
		strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return false
	}
	for _, r := range local {
		if unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// String is the address as it was typed, to send letters to once it is a customer's.
func (a Address) String() string { return a.typed }

// Canonical is the form that is compared and unique within a website.
func (a Address) Canonical() string { return a.canonical }

// IsZero tells whether there is no address.
func (a Address) IsZero() bool { return a.canonical == "" }

// Key identifies the address within a website without showing it: what limits and the audit keep of an address that
// nobody has looked up.
func (a Address) Key(websiteID int64) []byte {
	sum := sha256.Sum256([]byte(strconv.FormatInt(websiteID, 10) + "\x00" + a.canonical))
	return sum[:]
}

// Masked shows enough to recognise one's own address: "c…e@example.com".
func (a Address) Masked() string {
	local, domain, _ := strings.Cut(a.typed, "@")
	runes := []rune(local)
	if len(runes) < 3 {
		return string(runes[:1]) + "…@" + domain
	}
	return string(runes[0]) + "…" + string(runes[len(runes)-1]) + "@" + domain
}
