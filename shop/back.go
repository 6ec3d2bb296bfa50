package shop

import (
	"net/url"
	"strings"
	"unicode"
)

// maxBack is the length of an address to go back to, in bytes: it is kept in a cookie.
const maxBack = 2000

// Back reads the address of a page of the shop that a visitor is to be led back to. It is one only at the host of the store view or of the
// shop's address, and is written anew with the scheme, host and port that are configured: nothing of what was said decides where it
// leads but the path and what follows.
func (v *View) Back(said string) (to string, ok bool) {
	if len(said) > maxBack || strings.ContainsFunc(said, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f || r == '\\' }) {
		return "", false
	}
	u, err := url.Parse(said)
	if err != nil || defaultPorts[u.Scheme] == "" || u.Host == "" || u.Opaque != "" || u.User != nil {
		return "", false
	}
	for _, own := range []string{v.BaseURL, v.Address(ShopAddress)} {
		b, err := parseBaseURL(own)
		if own == "" || err != nil || !b.answersTo(u.Host) {
			continue
		}
		b.prefix = ""
		to = b.String() + "/" + strings.TrimPrefix(u.EscapedPath(), "/")
		if u.RawQuery != "" {
			to += "?" + u.RawQuery
		}
		return to, true
	}
	return "", false
}
