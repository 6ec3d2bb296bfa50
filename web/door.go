package web

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// Handler answers a request, or returns the error that its door turns into an answer. It writes nothing before it can no
// longer fail.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Renderer writes the answer of a failure: a page or JSON, in the look of one door. Status-dependent headers such as
// Retry-After are already set; the renderer calls WriteHeader(f.Status).
type Renderer func(w http.ResponseWriter, r *http.Request, f Failure)

// Door turns Handlers into http.Handlers. Each door has one.
type Door struct {
	Log     *slog.Logger
	Fail    Renderer
	Invalid int // status of a refused field that the handler did not show in its form; 0: 422. JSON doors say 400
}

// Handle makes an http.Handler of h: its errors, and its panics, become the door's own answer.
func (d Door) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Pattern != "" {
			SetRoute(r, r.Pattern)
		}
		err := caught(func() error { return h(w, r) })
		if err == nil {
			return
		}
		if len(fault.List(err)) == 0 && !isRefusal(err) {
			logInternal(d.Log, r, err)
		}
		if began, ok := w.(interface{ Written() bool }); ok && began.Written() {
			panic(http.ErrAbortHandler)
		}
		f := newFailure(r, err)
		if d.Invalid != 0 && f.Kind == fault.Invalid && f.Status == http.StatusUnprocessableEntity {
			f.Status = d.Invalid
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		if f.allow != "" {
			w.Header().Set("Allow", f.allow)
		}
		d.Fail(w, r, f)
	})
}

// Refusal is an error of the request itself, before any rule of the store was asked: malformed, too large, foreign, no
// such page. Its texts, like a fault's, are meant to be shown.
type Refusal struct {
	Status int
	Key    string // message key under "error."
	Text   string // one plain English sentence
	Allow  string // for 405: the methods that the address knows
}

func (e *Refusal) Error() string { return e.Text }

func isRefusal(err error) bool {
	var e *Refusal
	return errors.As(err, &e)
}

// NoSuchPage is the answer to an address that the door does not know.
func NoSuchPage() error {
	return &Refusal{Status: http.StatusNotFound, Key: "not_found", Text: "There is no page at this address."}
}

// WrongMethod is the answer to an address that exists for other methods only.
func WrongMethod(allow string) error {
	return &Refusal{Status: http.StatusMethodNotAllowed, Key: "method", Allow: allow,
		Text: "This address does not answer to this kind of request."}
}

// Failure is an error, ready to be shown.
type Failure struct {
	Status     int
	Kind       fault.Kind
	Key        string         // message key, without "error."
	Text       string         // the sentence in English
	Args       map[string]any // of the message
	Faults     []*fault.Error // the single refusals, when there are any
	RetryAfter time.Duration  // when trying again can help; 0: not said
	RequestID  string         // to quote when asking for help

	allow string
}

// Internal tells whether the failure is the house's own, so that a page offers the request id.
func (f Failure) Internal() bool { return f.Status >= 500 }

// busyPause is what a client is asked to wait when the gate or the database is full.
const busyPause = 5 * time.Second

// newFailure is the one place that knows which error means which status.
func newFailure(r *http.Request, err error) Failure {
	f := Failure{RequestID: RequestID(r)}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		f.Status, f.Key, f.Text, f.Kind = refusal.Status, refusal.Key, refusal.Text, kindOfStatus(refusal.Status)
		f.allow = refusal.Allow
		return f
	}
	if faults := fault.List(err); len(faults) > 0 {
		first := faults[0]
		f.Kind, f.Key, f.Text, f.Args, f.Faults = first.Kind, first.Key, first.Text, first.Args, faults
		f.Status = statusOfKind(first.Kind)
		if !first.RetryAt.IsZero() {
			f.RetryAfter = max(first.RetryAt.Sub(Now(r)), time.Second)
		} else if first.Kind == fault.Busy {
			f.RetryAfter = busyPause
		}
		return f
	}
	if isBusy(err) {
		f.Status, f.Kind, f.RetryAfter = http.StatusServiceUnavailable, fault.Busy, busyPause
		f.Key, f.Text = "unavailable", "The store cannot be reached for the moment. Please try again in a few minutes."
		if errors.Is(err, secret.ErrBusy) {
			f.Key, f.Text = "busy", "Many people are signing in just now. Please try again in a few seconds."
		}
		return f
	}
	f.Status, f.Kind, f.Key = http.StatusInternalServerError, fault.Internal, "internal"
	f.Text = "Something went wrong on our side. Please try again; if it happens again, tell us this number: " + f.RequestID + "."
	f.Args = map[string]any{"RequestID": f.RequestID}
	return f
}

// isBusy tells whether err means that the house is full or cannot reach its database: trying again soon helps.
func isBusy(err error) bool {
	return errors.Is(err, db.ErrUnavailable) || errors.Is(err, secret.ErrBusy) || errors.Is(err, context.DeadlineExceeded)
}

func statusOfKind(k fault.Kind) int {
	switch k {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Expired:
		return http.StatusGone
	case fault.Conflict:
		return http.StatusConflict
	case fault.Busy:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func kindOfStatus(status int) fault.Kind {
	switch status {
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusForbidden:
		return fault.Forbidden
	}
	return fault.Invalid
}

var plainPage = template.Must(template.New("plain").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{{.Title}}</title></head>
<body><main><h1>{{.Title}}</h1><p>{{.Text}}</p></main></body></html>
`))

// PlainPage is the Renderer of last resort: a page that needs nothing but itself.
func PlainPage(w http.ResponseWriter, r *http.Request, f Failure) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(f.Status)
	data := struct {
		Failure
		Title string
	}{f, http.StatusText(f.Status)}
	_ = plainPage.Execute(w, data) // the client has gone: nobody is left to tell
}
