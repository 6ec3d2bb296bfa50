package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	// shortest is how long a value of a request has to be to be looked for in a log line: shorter ones are part of every word.
	shortest = 4
	// maxErrorText is how many bytes of an error one line of the log has.
	maxErrorText = 2000
	// scrubbed stands where a value of the request stood.
	scrubbed = "[…]"
)

// heard is a body that remembers what was read of it, up to MaxBody: an error may repeat any of it.
type heard struct {
	io.ReadCloser
	said bytes.Buffer
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.said.Write(p[:min(n, MaxBody-h.said.Len())])
	return n, err
}

// Scrub is the text of an error as a log may have it: without anything that the request said, since that may be a password or the
// secret of a link. Libraries quote what they could not read.
func Scrub(r *http.Request, err error) string {
	text := err.Error()
	for _, value := range sayings(r) {
		for _, form := range []string{value, inner(strconv.Quote(value)), inner(strconv.QuoteToASCII(value)), url.QueryEscape(value), url.PathEscape(value)} {
			text = strings.ReplaceAll(text, form, scrubbed)
		}
	}
	return cut(text, maxErrorText)
}

// sayings are the values of a request, the longest first.
func sayings(r *http.Request) []string {
	var all []string
	add := func(values ...string) {
		for _, v := range values {
			if len(v) >= shortest {
				all = append(all, v)
			}
		}
	}
	add(r.URL.Path, r.URL.RawQuery)
	add(strings.FieldsFunc(r.URL.Path, func(c rune) bool { return strings.ContainsRune("/:@", c) })...)
	for _, values := range r.Header {
		for _, v := range values {
			add(v)
			add(strings.FieldsFunc(v, func(c rune) bool { return strings.ContainsRune(` ,;="`, c) })...)
		}
	}
	forms := []string{r.URL.RawQuery}
	if v := visitOf(r.Context()); v.body != nil {
		body := v.body.said.String()
		forms = append(forms, body)
		add(body)
		var document any
		if json.Unmarshal([]byte(body), &document) == nil {
			leaves(document, add)
		}
		// A GraphQL document, a form with a file, and what is neither: word for word.
		add(strings.FieldsFunc(body, func(c rune) bool { return c <= ' ' || strings.ContainsRune(`"'&=,;:(){}[]<>\`, c) })...)
	}
	for _, form := range forms {
		values, _ := url.ParseQuery(form) // what it could read counts
		for name, v := range values {
			add(name)
			add(v...)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// leaves are the texts and numbers of a JSON document, and the names in it.
func leaves(value any, add func(...string)) {
	switch v := value.(type) {
	case string:
		add(v)
		add(strings.FieldsFunc(v, func(c rune) bool { return c <= ' ' || strings.ContainsRune(`"(){}[]:,`, c) })...)
	case float64:
		add(strconv.FormatFloat(v, 'f', -1, 64), strconv.FormatFloat(v, 'g', -1, 64))
	case []any:
		for _, one := range v {
			leaves(one, add)
		}
	case map[string]any:
		for name, one := range v {
			add(name)
			leaves(one, add)
		}
	}
}

// inner is a quoted text without its quotation marks.
func inner(quoted string) string { return quoted[1 : len(quoted)-1] }
