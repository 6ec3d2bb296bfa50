package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

// maxDepth is how deep objects and lists of a body may be nested; Commerce's deepest is seven.
const maxDepth = 32

// object is one JSON object, strictly read: its members by the normal form of their keys.
type object map[string]member

type member struct {
	key   string // as written
	value any    // string, json.Number, bool, nil, []any or object
}

// fields are the parameters of a call, read from its body. What cannot be read is remembered, so that the caller is told
// of all of it at once: ask for the fields first, then for err.
type fields struct {
	members object
	faults  []error
}

// body reads the request's body. Errors: faults and refusals with status 400, 413 or 415.
func (c *call) body() (*fields, error) {
	raw, err := readBody(c.r)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return &fields{}, nil // every field is missing then, and the answer says so
	}
	if err := checkMedia(c.r); err != nil {
		return nil, err
	}
	members, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return &fields{members: members}, nil
}

// readBody reads a body within its limit, without the white space around it.
func readBody(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, web.MaxBody+1))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || len(raw) > web.MaxBody {
		return nil, bodyTooLarge()
	}
	if err != nil {
		return nil, undecodable("The body broke off.")
	}
	return bytes.TrimSpace(raw), nil
}

// checkMedia demands JSON by name: a form of a foreign page can send JSON as text/plain without asking anybody.
func checkMedia(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(given)
	charset := strings.ToLower(params["charset"])
	if err != nil || media != "application/json" || charset != "" && charset != "utf-8" && charset != "utf8" {
		return unknownMedia(media)
	}
	return nil
}

// decode reads one JSON object. encoding/json alone would take the last of two equal keys, match keys in any letter case
// and put U+FFFD for what is no text; each of these lets two programs read two different requests (CVE-2023-7028).
func decode(raw []byte) (object, error) {
	switch {
	case !utf8.Valid(raw):
		return nil, undecodable("The body is not valid UTF-8.")
	case !json.Valid(raw):
		return nil, undecodable("The body is not one JSON document.")
	case hasLoneSurrogate(raw):
		return nil, undecodable("A character is escaped by half.")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	value, err := readValue(d, 0)
	if err != nil {
		return nil, err
	}
	o, ok := value.(object)
	if !ok {
		return nil, undecodable("The body is not a JSON object.")
	}
	return o, nil
}

func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, undecodable(fmt.Sprintf("The body is nested more than %d deep.", maxDepth))
	}
	t, err := d.Token()
	if err != nil {
		return nil, undecodable("The body is not one JSON document.")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return readObject(d, depth)
		}
		return readList(d, depth)
	case string:
		if strings.ContainsRune(t, 0) {
			return nil, undecodable("A text holds the character NUL.")
		}
	}
	return t, nil
}

func readObject(d *json.Decoder, depth int) (any, error) {
	o := object{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, undecodable("The body is not one JSON document.")
		}
		name := key.(string) // d stands inside an object of a valid document
		if _, twice := o[normal(name)]; twice {
			return nil, undecodable(fmt.Sprintf("The key %q is given more than once.", shown(name)))
		}
		value, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		o[normal(name)] = member{name, value}
	}
	_, err := d.Token()
	return o, err
}

func readList(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		value, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := d.Token()
	return list, err
}

// normal is what all spellings of a key have in common that some program might take for the same one.
func normal(key string) string {
	return strings.ToLower(strings.ToUpper(strings.ReplaceAll(key, "_", "")))
}

var innerCapital = regexp.MustCompile(`[A-Z]`)

// snake is the other spelling that Commerce takes: new_password for newPassword.
func snake(name string) string {
	return innerCapital.ReplaceAllStringFunc(name, func(c string) string { return "_" + strings.ToLower(c) })
}

// shown cuts what a client wrote to what an answer may repeat.
func shown(s string) string {
	const most = 40
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

var escape = regexp.MustCompile(`\\(u[0-9a-fA-F]{4}|.)`)

// hasLoneSurrogate finds a \ud800…\udfff that is not one half of a pair in valid JSON.
func hasLoneSurrogate(raw []byte) bool {
	highEnds := -1 // where a high half ended, so that a low one must begin there
	for _, at := range escape.FindAllIndex(raw, -1) {
		text := string(raw[at[0]+1 : at[1]])
		unit := uint64(0)
		if text[0] == 'u' {
			unit, _ = strconv.ParseUint(text[1:], 16, 16) // the pattern has four hexadecimal digits
		}
		isHigh, isLow := unit&0xfc00 == 0xd800, unit&0xfc00 == 0xdc00
		if isLow != (highEnds == at[0]) || highEnds >= 0 && !isLow {
			return true
		}
		highEnds = -1
		if isHigh {
			highEnds = at[1]
		}
	}
	return highEnds >= 0
}

// get finds a member by one of its two spellings; null is the same as missing, as for Commerce.
func (f *fields) get(name string) (value any, given bool) {
	m, ok := f.members[normal(name)]
	if !ok {
		return nil, false
	}
	if m.key != name && m.key != snake(name) {
		f.faults = append(f.faults, undecodable(fmt.Sprintf("The key %q is written %q.", shown(m.key), name)))
		return nil, false
	}
	return m.value, m.value != nil
}

// optional reads a text that may be missing.
func (f *fields) optional(name string) (text string, given bool) {
	before := len(f.faults)
	value, given := f.get(name)
	if !given {
		return "", len(f.faults) > before // a key that was refused is not missing as well
	}
	text, ok := value.(string)
	switch {
	case !ok:
		f.faults = append(f.faults, wrongType(name, value, "string"))
	case len(text) > web.MaxField:
		f.faults = append(f.faults, tooLong(name))
		text = ""
	}
	return text, true
}

// text reads a text that must be there and not be empty.
func (f *fields) text(name string) string {
	before := len(f.faults)
	text, _ := f.optional(name)
	if text == "" && len(f.faults) == before {
		f.faults = append(f.faults, required(name))
	}
	return text
}

// secret reads a text that must be there and does not print.
func (f *fields) secret(name string) secret.Text { return secret.NewText(f.text(name)) }

// object reads an object that must be there. Its own err tells what was wrong inside.
func (f *fields) object(name string) *fields {
	before := len(f.faults)
	value, given := f.get(name)
	members, ok := value.(object)
	switch {
	case !given && len(f.faults) == before:
		f.faults = append(f.faults, required(name))
	case given && !ok:
		f.faults = append(f.faults, wrongType(name, value, "object"))
	}
	return &fields{members: members}
}

// number reads a whole number that may be missing; clients written in PHP send it as a text.
func (f *fields) number(name string) (n int64, given bool) {
	value, given := f.get(name)
	if !given {
		return 0, false
	}
	digits, _ := value.(string)
	if number, ok := value.(json.Number); ok {
		digits = number.String()
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		f.faults = append(f.faults, wrongType(name, value, "int"))
	}
	return n, true
}

// or reads a text, or keeps the present one where there is none.
func (f *fields) or(name, present string) string {
	if text, given := f.optional(name); given {
		return text
	}
	return present
}

// refuseOthers refuses every member that is not among the known ones and says something. A client that sends back what it was
// given says nothing new.
func (f *fields) refuseOthers(known []string) {
	for _, key := range slices.Sorted(maps.Keys(f.members)) {
		m := f.members[key]
		isKnown := slices.ContainsFunc(known, func(name string) bool { return normal(name) == key })
		if !isKnown && !saysNothing(m.value) {
			f.faults = append(f.faults, fixed(shown(m.key)))
		}
	}
}

// saysNothing tells null, an empty list, or an object of such values. A false value says something: is_active, for one.
func saysNothing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case object:
		for _, m := range v {
			if !saysNothing(m.value) {
				return false
			}
		}
		return true
	}
	return false
}

// err is all that was wrong with the fields asked for.
func (f *fields) err() error { return errors.Join(f.faults...) }
