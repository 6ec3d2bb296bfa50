package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// Values are the fields of one form, each a single scalar.
type Values struct{ fields map[string]string }

// Get returns the field as typed, or "".
func (v Values) Get(field string) string { return v.fields[field] }

// Secret returns the field as a text that does not print.
func (v Values) Secret(field string) secret.Text { return secret.NewText(v.fields[field]) }

// Has tells whether the form sent the field at all; a checkbox that is not ticked is not sent.
func (v Values) Has(field string) bool { _, ok := v.fields[field]; return ok }

// Form reads the named fields from the body of a form post, never from the query string. Fields that are not named are
// ignored. Refused with a *Refusal (400, 413, 415): a body that is not one urlencoded form, a named field that is repeated,
// shaped like an array ("email[]", "email[0]") or differs in case only, invalid UTF-8, NUL, bodies above MaxForm.
// A field above MaxField is a fault about that field.
func Form(r *http.Request, fields ...string) (Values, error) {
	if !isForm(r) {
		return Values{}, &Refusal{Status: http.StatusUnsupportedMediaType, Key: "malformed", Text: "This address takes an ordinary form only."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxForm+1))
	if err != nil {
		return Values{}, bodyError(err)
	}
	if len(body) > MaxForm {
		return Values{}, errTooLarge
	}
	query := string(body)
	if strings.Count(query, "&") >= MaxFields {
		return Values{}, errTooLarge
	}
	parsed, err := url.ParseQuery(query)
	if err != nil {
		return Values{}, errMalformed
	}
	for key, values := range parsed {
		if !clean(key) || !clean(strings.Join(values, "")) {
			return Values{}, errMalformed
		}
	}
	out := Values{fields: make(map[string]string, len(fields))}
	var tooLong []error
	for _, name := range fields {
		value, sent, err := scalar(parsed, name)
		if err != nil {
			return Values{}, err
		}
		if len(value) > MaxField {
			tooLong = append(tooLong, fault.Refuse(name, "field.too_long", "This is too long. Please shorten it.", map[string]any{"Max": MaxField}))
			continue
		}
		if sent {
			out.fields[name] = value
		}
	}
	return out, errors.Join(tooLong...)
}

// scalar finds the one value of a field. Two values, or a second field that some other program would take for the same
// one, mean that somebody wants two readers to see two things (CVE-2023-7028 sent one reset link to two addresses).
func scalar(parsed url.Values, name string) (value string, sent bool, err error) {
	for key, values := range parsed {
		switch {
		case key == name && len(values) == 1:
			value, sent = values[0], true
		case key == name, strings.EqualFold(key, name), strings.HasPrefix(strings.ToLower(key), name+"["):
			return "", false, errMalformed
		}
	}
	return value, sent, nil
}

func clean(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// Peek reads one field of a form without judging the rest, and leaves the body for the handler. It is for what the house itself puts
// into its forms; "" where the body is no form.
func Peek(r *http.Request, field string) (string, error) {
	if !isForm(r) {
		return "", nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", bodyError(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return formValue(string(body), field), nil
}

func formValue(body, name string) string {
	for pair := range strings.SplitSeq(body, "&") {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			value, _ = url.QueryUnescape(value)
			return value
		}
	}
	return ""
}

var (
	errTooLarge = &Refusal{Status: http.StatusRequestEntityTooLarge, Key: "too_large",
		Text: "This is more than the form can take. Please send less."}
	errNoText    = &Refusal{Status: http.StatusBadRequest, Key: "malformed", Text: "The address is not valid UTF-8 text, so nothing was done."}
	errMalformed = &Refusal{Status: http.StatusBadRequest, Key: "malformed",
		Text: "This request could not be read, so nothing was done. Please fill in the form again."}
)

// bodyError tells a body that is too large from one that broke off.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return errMalformed
}

// cut shortens s to at most n bytes, on a rune's edge, and drops what is not text.
func cut(s string, n int) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, ""))
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
