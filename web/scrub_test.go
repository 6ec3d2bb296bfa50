package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Promise: whatever a request says, in whatever place and form, and however an error or a panic repeats it, no line of the log has it.
func TestNoErrorRepeatsARequestInTheLog(t *testing.T) {
	const marker = `hunter2 "é<&\`
	quoted, _ := json.Marshal(marker)
	requests := map[string]func() *http.Request{
		"path":       func() *http.Request { return httptest.NewRequest("GET", "/x/"+url.PathEscape(marker)+"/y", nil) },
		"query":      func() *http.Request { return httptest.NewRequest("GET", "/x?token="+url.QueryEscape(marker), nil) },
		"query name": func() *http.Request { return httptest.NewRequest("GET", "/x?"+url.QueryEscape(marker)+"=1", nil) },
		"header": func() *http.Request {
			r := httptest.NewRequest("GET", "/x", nil)
			r.Header.Set("Authorization", "Bearer "+marker)
			return r
		},
		"cookie": func() *http.Request {
			r := httptest.NewRequest("GET", "/x", nil)
			r.Header.Set("Cookie", "a=b; rekey-session-base="+marker)
			return r
		},
		"form": func() *http.Request {
			return httptest.NewRequest("POST", "/x", strings.NewReader(url.Values{"password": {marker}}.Encode()))
		},
		"JSON": func() *http.Request {
			return httptest.NewRequest("POST", "/x", strings.NewReader(`{"a":[{"b":`+string(quoted)+`}]}`))
		},
		"JSON name": func() *http.Request {
			return httptest.NewRequest("POST", "/x", strings.NewReader(`{`+string(quoted)+`:1}`))
		},
		"GraphQL literal": func() *http.Request {
			return httptest.NewRequest("POST", "/x", strings.NewReader(`{"query":"{a(b:[\"hunter2\"])}"}`))
		},
		"plain": func() *http.Request { return httptest.NewRequest("POST", "/x", strings.NewReader("hunter2")) },
	}
	errs := map[string]func(said string) error{
		"plain":  func(said string) error { return errors.New("cannot read " + said) },
		"quoted": func(said string) error { return fmt.Errorf("cannot read %q", said) },
		"Go": func(said string) error {
			return fmt.Errorf("could not unmarshal %#v", []any{map[string]any{"x": said}})
		},
		"ASCII": func(said string) error { return fmt.Errorf("cannot read %+q", said) },
		"URL": func(said string) error {
			return &url.Error{Op: "Get", URL: "https://x.test/?a=" + url.QueryEscape(said), Err: io.EOF}
		},
		"panic": func(said string) error { panic(said) },
	}
	for from, request := range requests {
		for how, fails := range errs {
			var log bytes.Buffer
			logger := slog.New(slog.NewJSONHandler(&log, nil))
			door := Door{Log: logger, Fail: PlainPage}
			stack := Stack{Log: logger}
			stack.Wrap(door.Handle(func(_ http.ResponseWriter, r *http.Request) error {
				_, _ = io.ReadAll(r.Body) // what cannot be read was not said
				return fails(marker)
			})).ServeHTTP(httptest.NewRecorder(), request())
			if !strings.Contains(log.String(), "request failed") || strings.Contains(log.String(), "hunter2") {
				t.Errorf("%s, %s:\n%s", from, how, &log)
			}
			if log.Len() > 20_000 {
				t.Errorf("%s, %s: a line of %d bytes", from, how, log.Len())
			}
		}
	}
}
