// Package web is the hall that every door opens into: what all pages and all APIs do in the same way.
//
// Promises:
//   - GET shows, POST acts. A request that another site made a browser send is refused before any door sees it: by
//     Sec-Fetch-Site or Origin, and by a form key bound to a cookie where a browser could send neither.
//   - Each answer carries the security headers, errors and redirects too, whoever wrote it.
//   - An error becomes a page or JSON in one place. What is not a fault is logged with its chain under the request id
//     and shown as one plain sentence.
//   - The access log holds no query string, no path as typed, no cookie and no client address: links, tokens and
//     people do not end up in log files.
//   - A form field is one scalar of valid UTF-8 without NUL, within a named limit, or the request is refused.
//   - The client address is the socket's, unless the socket belongs to a proxy that the operator declared.
//   - A page is rendered whole before its first byte is sent, so that a broken template is a clean 500.
//   - There is no state: nothing here outlives a request.
package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
)

// Limits of one request. They bound what an unknown visitor can make the house hold in memory.
const (
	MaxHeader = 32 << 10 // bytes of request line and headers; above it net/http answers 431
	MaxBody   = 64 << 10 // bytes of any body, of API documents too
	MaxForm   = 16 << 10 // bytes of a form's body
	MaxField  = 4 << 10  // bytes of one form field; the rules of the field itself are stricter
	MaxFields = 128      // fields of one form; the configuration has one a setting
)

// Time-outs of one connection. net/http has none by default, so that one slow client could hold a connection for ever.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	requestTimeout = 20 * time.Second // the context of the handler: waiting for a hash or for the database ends here
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
)

// NewServer makes an http.Server with time-outs and header limits. The caller listens, serves and shuts it down.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           unambiguous(h),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    MaxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// unambiguous lets a body in chunks be the last thing on its connection. net/http overlooks a Content-Length beside the chunks; a
// proxy that went by it would take for a body what we take for the next request. RFC 9112, 6.1: then the connection must be closed.
func unambiguous(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// visit is what the stack knows about one request. It travels in the context behind a pointer, so that the access log,
// which is written outermost, sees the route that was found innermost.
type visit struct {
	id     string
	route  string
	origin audit.Origin
	https  bool
	now    time.Time
	body   *heard // nil before anything may read it
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{now: time.Now()}
}

// RequestID names the request in the log, in the header X-Request-Id and on the page of an internal error.
func RequestID(r *http.Request) string { return visitOf(r.Context()).id }

// ClientOrigin is where the request comes from, as far as it can be trusted: see clientAddress.
func ClientOrigin(r *http.Request) audit.Origin { return visitOf(r.Context()).origin }

// HTTPS tells whether the browser speaks https: to this process, or to a declared proxy that says so.
func HTTPS(r *http.Request) bool { return visitOf(r.Context()).https }

// Now is the moment at which the request arrived. It is for words such as "3 minutes ago" only: what expires is judged
// by the clock of the database.
func Now(r *http.Request) time.Time { return visitOf(r.Context()).now }

// SetRoute names the route for the access log. Doors that do not use http.ServeMux call it; it must never be a path as
// typed.
func SetRoute(r *http.Request, route string) { visitOf(r.Context()).route = route }

// clientAddress is the address of the client: the peer of the socket unless that is a declared proxy; then the nearest
// address in X-Forwarded-For, read from the right, that is not one. What a client writes further left is never looked
// at, so that it cannot choose the address it is counted under.
func clientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, ok := parseAddress(r.RemoteAddr)
	if !ok || !within(peer, trusted) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client := peer
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseAddress(strings.TrimSpace(hops[i]))
		if !ok {
			break // a proxy of ours does not write this; the last address that we believe stands
		}
		client = hop
		if !within(hop, trusted) {
			break
		}
	}
	return client
}

// parseAddress reads "192.0.2.1", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]:443"; a zone is dropped, an IPv4 address
// in IPv6 clothes is undressed, so that one client has one spelling.
func parseAddress(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// isHTTPS believes X-Forwarded-Proto from a declared proxy only.
func isHTTPS(r *http.Request, trusted []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	peer, ok := parseAddress(r.RemoteAddr)
	return ok && within(peer, trusted) && r.Header.Get("X-Forwarded-Proto") == "https"
}

func newRequestID() string { return strings.ToLower(rand.Text()) }
