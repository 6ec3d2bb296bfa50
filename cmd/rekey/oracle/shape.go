package oracle

import (
	"encoding/base64"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// shapeOf is an answer without what differs by chance or repeats what was typed: everything else of it may be compared.
func shapeOf(answer *http.Response, body, email string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", answer.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		switch name {
		case "Date", "X-Request-Id", "Set-Cookie", "Content-Length": // the length of a body that repeats the address follows the address
			continue
		}
		for _, value := range answer.Header[name] {
			fmt.Fprintf(&b, "\n%s: %s", name, mask(value, email))
		}
	}
	for _, c := range answer.Cookies() {
		// A cookie may hold a notice for the next page, which is text behind its encoding; it is compared as text.
		if text, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil && len(c.Value) != secretLength {
			c.Value = string(text)
		}
		fmt.Fprintf(&b, "\ncookie %s=%s; %s %s %d %t %t %d %v", c.Name, mask(c.Value, email), c.Path, c.Domain, c.MaxAge, c.Secure, c.HttpOnly, c.SameSite, c.RawExpires)
	}
	return b.String() + "\n" + mask(body, email)
}

const (
	secretLength = 43 // 256 bits in base64url: form keys, secrets of cookies
	idLength     = 26 // a request's id
	ticketLength = 91 // what a browser is asked for a passkey, sealed: 68 bytes
)

var word = regexp.MustCompile(`[A-Za-z0-9_-]+`)

// mask leaves out the typed address, and words of the lengths that random values have.
func mask(text, email string) string {
	for _, typed := range []string{email, html.EscapeString(email), url.QueryEscape(email)} {
		text = strings.ReplaceAll(text, typed, "ADDRESS")
	}
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if len(w) == secretLength || len(w) == idLength || len(w) == ticketLength {
			return "*"
		}
		return w
	})
}

// shapes counts the answers of each shape, by who was asked for.
type shapes struct{ customers, nobody map[string]int }

// differences are those shapes that one kind of address got and the other never did, in words.
func (s shapes) differences() []string {
	var found []string
	tell := func(who string, these, those map[string]int) {
		usual := most(those)
		for _, shape := range slices.Sorted(maps.Keys(these)) {
			if those[shape] > 0 {
				continue
			}
			if len(found) == maxDifferences {
				found = append(found, "and more")
			}
			if len(found) > maxDifferences {
				return
			}
			here, there := apart(shape, usual)
			found = append(found, fmt.Sprintf("%d answers for %s only: %q, where others have %q", these[shape], who, here, there))
		}
	}
	tell("customers", s.customers, s.nobody)
	tell("nobody", s.nobody, s.customers)
	return found
}

const (
	maxDifferences = 4
	before, after  = 30, 60 // bytes that are shown around a difference
)

func most(counts map[string]int) (usual string) {
	for _, shape := range slices.Sorted(maps.Keys(counts)) {
		if usual == "" || counts[shape] > counts[usual] {
			usual = shape
		}
	}
	return usual
}

// apart shows where two texts part.
func apart(a, b string) (string, string) {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(i-before, 0)
	return a[from:min(i+after, len(a))], b[from:min(i+after, len(b))]
}
