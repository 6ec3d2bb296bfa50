package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// shape is what the parameter fields= asks for: the members of objects, each with the shape of what is inside. A nil shape is
// everything.
type shape map[string]shape

const (
	maxFields      = 2000 // bytes of the parameter
	maxShapeNested = 8
)

// projection reads the parameter fields=, Commerce's way to ask for some members only: items[id,email],total_count.
func projection(r *http.Request) (shape, error) {
	if !strings.Contains(r.URL.RawQuery, "fields=") {
		return nil, nil
	}
	given, err := query(r)
	if err != nil {
		return nil, err
	}
	text := given.Get("fields")
	if !given.Has("fields") {
		return nil, nil
	}
	wanted, rest, ok := readShape(text, 0)
	if !ok || rest != "" || len(text) > maxFields {
		return nil, invalidValue("fields", text)
	}
	return wanted, nil
}

// readShape reads a list of names up to the bracket that closes it, which it leaves in rest.
func readShape(text string, depth int) (wanted shape, rest string, ok bool) {
	if depth > maxShapeNested {
		return nil, "", false
	}
	wanted = shape{}
	for {
		end := strings.IndexAny(text, ",[]")
		if end < 0 {
			end = len(text)
		}
		name := strings.TrimSpace(text[:end])
		if text = text[end:]; name == "" {
			return nil, "", false
		}
		wanted[name] = nil
		if strings.HasPrefix(text, "[") {
			inside, after, ok := readShape(text[1:], depth+1)
			if !ok || !strings.HasPrefix(after, "]") {
				return nil, "", false
			}
			wanted[name], text = inside, after[1:]
		}
		if !strings.HasPrefix(text, ",") {
			return wanted, text, depth == 0 && text == "" || depth > 0 && strings.HasPrefix(text, "]")
		}
		text = text[1:]
	}
}

// of is an answer with the members that are asked for, in their order. A list is the list of what is left of its items;
// what is neither object nor list stays.
func (s shape) of(answer any) (any, error) {
	if s == nil {
		return answer, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil {
		return nil, err
	}
	var left bytes.Buffer
	err := s.keep(&left, bytes.TrimSpace(b.Bytes()))
	return json.RawMessage(left.Bytes()), err
}

func (s shape) keep(to *bytes.Buffer, raw json.RawMessage) error {
	if s == nil || len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		to.Write(raw)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return err
	}
	to.WriteByte(raw[0])
	first := true
	for d.More() {
		inside, name := s, ""
		if raw[0] == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name = key.(string) // d stands inside an object
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if raw[0] == '{' {
			wanted, ok := s[name]
			if !ok {
				continue
			}
			inside = wanted
		}
		if !first {
			to.WriteByte(',')
		}
		first = false
		if raw[0] == '{' {
			key, err := json.Marshal(name)
			if err != nil {
				return err
			}
			to.Write(key)
			to.WriteByte(':')
		}
		if err := inside.keep(to, value); err != nil {
			return err
		}
	}
	to.WriteByte(map[byte]byte{'{': '}', '[': ']'}[raw[0]])
	return nil
}
