package mail

import (
	"strings"
	"unicode"
)

// checkEmail is the last gate before an SMTP command is written from s, not the rule of who may register (that one is
// customer.ParseAddress, and stricter). It keeps out everything that could end a command, add a route or name a
// second mailbox (RFC 5321 §4.1.2).
func checkEmail(name, s string) error {
	local, domain, _ := strings.Cut(s, "@")
	switch {
	case local == "" || domain == "" || strings.Contains(domain, "@"):
		return malformed(name, "is not one mailbox")
	case len(s) > 254 || len(local) > 64:
		return malformed(name, "is too long for a mailbox")
	case strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || isControl(r) || strings.ContainsRune(`()<>[]:;\,"`, r)
	}):
		return malformed(name, "holds a character that no mailbox has")
	case hasEmptyAtom(local) || hasEmptyAtom(domain):
		return malformed(name, "has an empty part beside a dot")
	}
	return nil
}

// hasEmptyAtom tells whether s is no dot-atom (RFC 5322 §3.2.3): the header around such an address could not be read again.
func hasEmptyAtom(s string) bool {
	return strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.Contains(s, "..")
}

// isASCII tells whether a mailbox can be named without SMTPUTF8 (RFC 6531).
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

func domainOf(email string) string { return email[strings.LastIndexByte(email, '@')+1:] }
