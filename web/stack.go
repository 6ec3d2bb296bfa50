package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/fault"
)

// contentSecurity is the policy of every page: nothing from elsewhere, nothing inline, no frame, no plug-in, no <base>.
// A door that must differ sets the header itself and says why.
const contentSecurity = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

// maxUserAgent cuts what is kept of a client's own description of itself.
const maxUserAgent = 400

// Stack is what stands around every door of one listener.
type Stack struct {
	Log     *slog.Logger
	Trusted []netip.Prefix   // proxies whose X-Forwarded-For and X-Forwarded-Proto are believed
	Fail    Renderer         // page of a refusal that no door has seen; nil: a plain page
	Clock   func() time.Time // nil: time.Now

	// HSTS, if set, gives Strict-Transport-Security for an address, "" for none. It is asked when the answer begins, so that
	// it knows what the door has read.
	HSTS func(host, path string) string

	// Uploads, if set, tells which requests may bring a form with a file, of up to MaxUpload.
	Uploads func(*http.Request) bool

	// Observe, if set, is told of each answer; metrics count with it. The route is a pattern, never a path as typed.
	Observe func(method, route string, status int, took time.Duration)
}

// Wrap puts the stack around h. From the outside in: request id and what is known of the client, security headers, access
// log, recovery of panics, body limit, cross-origin protection, form key.
func (s Stack) Wrap(h http.Handler) http.Handler {
	if s.Fail == nil {
		s.Fail = PlainPage
	}
	if s.Clock == nil {
		s.Clock = time.Now
	}
	protected := s.protect(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{
			id:     newRequestID(),
			now:    s.Clock(),
			https:  isHTTPS(r, s.Trusted),
			origin: audit.Origin{IP: clientAddress(r, s.Trusted), UserAgent: cut(r.UserAgent(), maxUserAgent)},
		}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), visitKey{}, v), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		rec := &recorder{ResponseWriter: w}
		if s.HSTS != nil {
			rec.hsts = func() string { return s.HSTS(r.Host, r.URL.Path) }
		}
		rec.Header().Set("X-Request-Id", v.id)
		Guard(rec.Header())

		began := time.Now()
		s.recovered(protected, rec, r)
		if !rec.Written() {
			rec.WriteHeader(http.StatusOK) // an answer of nothing is one too
		}
		s.Log.LogAttrs(ctx, slog.LevelInfo, "request",
			slog.String("id", v.id), slog.String("method", knownMethod(r.Method)), slog.String("route", v.route),
			slog.Int("status", rec.Status()), slog.Int64("bytes", rec.bytes), slog.Duration("took", time.Since(began)))
		if s.Observe != nil {
			s.Observe(knownMethod(r.Method), v.route, rec.Status(), time.Since(began))
		}
	})
}

// Guard sets the headers of every answer of the house. Handlers may override one, and say why.
func Guard(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurity)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// StrictTransport tells browsers to insist on https, in the words of a setting; "" says nothing, which leaves it to a proxy.
func StrictTransport(h http.Header, words string) {
	if words != "" {
		h.Set("Strict-Transport-Security", words)
	}
}

// recovered calls h and turns a panic into the answer of an internal error, when no answer has begun.
func (s Stack) recovered(h http.Handler, w *recorder, r *http.Request) {
	err := caught(func() error { h.ServeHTTP(w, r); return nil })
	if err == nil {
		return
	}
	logInternal(s.Log, r, err)
	if w.Written() {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	s.Fail(w, r, newFailure(r, err))
}

// panicked is a panic, caught: its words and where it happened. The stack trace holds addresses, not values.
type panicked struct {
	what  string
	stack []byte
}

func (p *panicked) Error() string { return "panic: " + p.what }

func caught(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = &panicked{what: fmt.Sprint(p), stack: debug.Stack()}
		}
	}()
	return f()
}

// protect refuses what another site made a browser send, addresses that hold no text, and bodies above the limit.
//
// http.CrossOriginProtection judges by Sec-Fetch-Site, then by Origin. Two cases are left to the form key: a browser that
// sends neither, and one that knows no Sec-Fetch-Site and writes "Origin: null", as all do under the policy
// "no-referrer" that our own pages carry.
func (s Stack) protect(h http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most := int64(MaxBody)
		if s.Uploads != nil && isUpload(r) && s.Uploads(r) {
			most = MaxUpload
		}
		said := &heard{ReadCloser: http.MaxBytesReader(w, r.Body, most)}
		visitOf(r.Context()).body, r.Body = said, said
		if !isText(r.URL) {
			s.Fail(w, r, newFailure(r, errNoText))
			return
		}
		if reads(r.Method) {
			h.ServeHTTP(w, r)
			return
		}
		var err error
		switch origin := r.Header.Get("Origin"); {
		case r.Header.Get("Sec-Fetch-Site") == "" && origin == "null",
			r.Header.Get("Sec-Fetch-Site") == "" && origin == "" && carriesOurCookie(r):
			err = checkFormKey(r)
		default:
			if cross.Check(r) != nil {
				err = errForeign
			}
		}
		if err != nil {
			s.Fail(w, r, newFailure(r, err))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isText tells whether an address, decoded, is valid UTF-8 without NUL: no door and no database has to wonder. A query
// that cannot be decoded is left to the doors.
func isText(u *url.URL) bool {
	if !clean(u.Path) {
		return false
	}
	if !strings.Contains(u.RawQuery, "%") {
		return clean(u.RawQuery)
	}
	for part := range strings.FieldsFuncSeq(u.RawQuery, func(c rune) bool { return c == '&' || c == '=' }) {
		if text, err := url.QueryUnescape(part); err == nil && !clean(text) {
			return false
		}
	}
	return true
}

func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// knownMethod keeps what a client made up out of the log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "other"
}

// checkFormKey compares the form key in the header X-Form-Key or in the body with the cookie that it is bound to. The body is
// put back for the handler.
func checkFormKey(r *http.Request) error {
	given := r.Header.Get("X-Form-Key")
	if given == "" {
		var err error
		if given, err = Peek(r, FormKeyField); err != nil {
			return err
		}
	}
	if given == "" && isUpload(r) {
		var read bytes.Buffer
		given = uploadKey(r.Header.Get("Content-Type"), io.TeeReader(r.Body, &read))
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(&read, r.Body), r.Body}
	}
	if !matchesFormKey(r, given) {
		return errFormKey
	}
	return nil
}

var (
	errForeign = &Refusal{Status: http.StatusForbidden, Key: "csrf",
		Text: "This request came from another site, so nothing was done. Open the page again and send the form from there."}
	errFormKey = &Refusal{Status: http.StatusForbidden, Key: "csrf",
		Text: "This form is out of date or your browser keeps no cookies, so nothing was done. Open the page again and send the form once more."}
)

// logInternal writes down what nobody is shown.
func logInternal(log *slog.Logger, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the client went away; there is nothing to mend
	}
	attrs := []slog.Attr{slog.String("id", RequestID(r)), slog.String("route", visitOf(r.Context()).route), slog.String("error", Scrub(r, err))}
	var p *panicked
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	level := slog.LevelError
	if fault.Is(err, fault.Busy) || isBusy(err) {
		level = slog.LevelWarn
	}
	log.LogAttrs(r.Context(), level, "request failed", attrs...)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	hsts   func() string // nil: nothing is said
}

func (w *recorder) WriteHeader(status int) {
	if !w.Written() {
		w.status = status
		if w.hsts != nil {
			StrictTransport(w.Header(), w.hsts())
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.Written() {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is beneath.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Written tells whether an answer has begun.
func (w *recorder) Written() bool { return w.status >= 200 }

// Status is what the client was, or will be, told.
func (w *recorder) Status() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
