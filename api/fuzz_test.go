package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A body is refused, or it is one object that every other reader reads alike: each key once in whatever spelling, no text
// that was put in place of what is none.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{`{"email":"a@b.test"}`, `{"email":["a","b"]}`, `{"email":"a","Email":"b"}`, `{"email":"a","email":"b"}`, `{"e_mail":1,"email":2}`,
		`{"email":"a"}{}`, `{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\\ud800"}`, "{\"a\":\"\xff\"}", `{"a":"\u0000"}`, `[]`, `null`, `1e999`, "\ufeff{}",
		`{"\u017f":1,"s":2}`, `{"\u212a":1,"k":2}`, strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := decode(body)
		if err != nil {
			return
		}
		var plain map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&plain); err != nil {
			t.Fatalf("taken, although encoding/json does not: %v", err)
		}
		same(t, o, plain, bytes.Contains(body, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`)))
	})
}

func same(t *testing.T, o object, plain map[string]any, replaced bool) {
	t.Helper()
	if len(o) != len(plain) {
		t.Errorf("%d members; another reader has %d", len(o), len(plain))
	}
	var keys []string
	for _, m := range o {
		if slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, m.key) }) {
			t.Errorf("two spellings of %q were taken", m.key)
		}
		keys = append(keys, m.key)
		other, given := plain[m.key]
		if !given {
			t.Errorf("another reader has no %q", m.key)
		}
		sameValue(t, m.value, other, replaced)
	}
}

func sameValue(t *testing.T, ours, other any, replaced bool) {
	t.Helper()
	switch v := ours.(type) {
	case object:
		inner, ok := other.(map[string]any)
		if !ok {
			t.Fatalf("%v; another reader has %v", ours, other)
		}
		same(t, v, inner, replaced)
	case []any:
		inner, ok := other.([]any)
		if !ok || len(inner) != len(v) {
			t.Fatalf("%v; another reader has %v", ours, other)
		}
		for i := range v {
			sameValue(t, v[i], inner[i], replaced)
		}
	case string:
		if v != other || !utf8.ValidString(v) || strings.ContainsRune(v, 0) || strings.ContainsRune(v, utf8.RuneError) && !replaced {
			t.Errorf("%q; another reader has %q", v, other)
		}
	default:
		if ours != other {
			t.Errorf("%v; another reader has %v", ours, other)
		}
	}
}
