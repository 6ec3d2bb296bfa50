package test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memory is the most that a program has held in memory so far, in MB.
func (p *program) memory() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skipf("the memory of a process cannot be read here: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); n == 1 {
			return kilobytes / 1024
		}
	}
	p.t.Skip("the memory of a process cannot be read here")
	return 0
}

// TestHashFloodIsRefusedQuickly lets 500 clients sign in at once. A few are hashed, the others hear at once that the house is
// full; memory stays within what the slots take, who is signed in notices nothing, and who signs in to another website has
// their turn.
func TestHashFloodIsRefusedQuickly(t *testing.T) {
	whole(t)
	s := newStoreOn(t, "", "--log-level", "error", "--trusted-proxies", "127.0.0.1", "--hash-slots", "2")
	s.noLimits()
	s.customer(shopper, "Camille", "Durand", oldPassword)
	elsewhere := strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	s.rekey("", "website", "create", "--code", "nord", "--name", "Nord")
	s.rekey("", "store-view", "create", "--website", "nord", "--code", "nord_en", "--name", "English", "--locale", "en_US", "--base-url", elsewhere, "--dev")
	s.rekey(newPassword, "customer", "create", "--website", "nord", "--email", shopper, "--firstname", "Camille", "--lastname", "Durand", "--password-stdin")
	reader, neighbour := newCaller(s.url), newCaller(elsewhere)
	if got := reader.signIn(shopper, oldPassword); !got.worked() {
		t.Fatalf("signing in: %v", got)
	}
	if _, got := neighbour.token(shopper, newPassword); got.status != http.StatusOK {
		t.Fatalf("signing in to another website: %v", got)
	}
	before := s.node.memory()
	const crowd = 500
	answers := make(chan reply, crowd)
	var flood sync.WaitGroup
	for i := range crowd {
		flood.Go(func() {
			_, got := newCaller(s.url).token(numbered(i), "not-the-password")
			answers <- got
		})
	}
	over := make(chan struct{})
	go func() { flood.Wait(); close(over) }()
	var pages []time.Duration
	for done := false; !done; {
		select {
		case <-over:
			done = true
		default:
		}
		got := reader.account()
		if got.status != http.StatusOK {
			t.Errorf("meanwhile an account page gives %v", got)
		}
		pages = append(pages, got.took)
		if _, got := neighbour.token(shopper, newPassword); got.status != http.StatusOK {
			t.Errorf("meanwhile signing in to another website gives %v", got)
		}
	}
	close(answers)
	hashed, refused := 0, 0
	for got := range answers {
		switch {
		case got.status == http.StatusUnauthorized:
			hashed++
		case got.refuses() == nil:
			refused++
		default:
			t.Errorf("a sign-in gives %v: %.200s", got, got.body)
		}
	}
	slices.Sort(pages)
	after := s.node.memory()
	t.Logf("%d were hashed, %d refused; account pages took %v in the middle and %v at most; memory went from %d to %d MB",
		hashed, refused, pages[len(pages)/2].Round(time.Millisecond), pages[len(pages)-1].Round(time.Millisecond), before, after)
	if hashed == 0 || refused == 0 {
		t.Error("the flood was none")
	}
	if after-before > 192 { // two slots take 38; the collector of garbage lags behind
		t.Errorf("memory went from %d to %d MB", before, after)
	}
	if _, got := newCaller(s.url).token(shopper, oldPassword); got.status != http.StatusOK {
		t.Errorf("afterwards signing in gives %v", got)
	}
}

// TestSlowClientsAreHungUpOn opens connections that send their headers or their body a byte at a time, in make torture also
// some that ask for pages and never read them. They are closed by the server, and honest shoppers are served meanwhile; also where the process may open no more than 256 files.
func TestSlowClientsAreHungUpOn(t *testing.T) {
	whole(t)
	torture := os.Getenv("REKEY_TORTURE") != ""
	for _, row := range []struct {
		why, limits string
		sockets     int
	}{
		{"many of them", "", 10 * rounds(t, 40, 1)},
		{"more than files may be opened", "ulimit -n 256", 300},
	} {
		t.Run(row.why, func(t *testing.T) {
			t.Parallel()
			s := newStoreUnder(t, row.limits, "", "--log-level", "error", "--trusted-proxies", "127.0.0.1")
			address := strings.TrimPrefix(s.url, "http://")
			begun := time.Now()
			var closed atomic.Int64
			var sockets sync.WaitGroup
			for i := range row.sockets {
				head, reads := "GET /customer/account/login HTTP/1.1\r\nHost: "+address+"\r\nX-Slow: ", true
				switch {
				case row.limits == "" && torture && i%3 == 2:
					head, reads = strings.Repeat("GET /customer/account/login HTTP/1.1\r\nHost: "+address+"\r\n\r\n", 1000), false
				case i%2 == 1:
					head = "POST /customer/account/forgotpasswordpost HTTP/1.1\r\nHost: " + address +
						"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nemail="
				}
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				sockets.Go(func() {
					defer conn.Close()
					if trickle(conn, head, reads, begun.Add(45*time.Second)) {
						closed.Add(1)
					}
				})
			}
			var slowest time.Duration
			ended := make(chan struct{})
			go func() { sockets.Wait(); close(ended) }()
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for served := 0; ; served++ {
				got := newCaller(s.url).forgot("nobody@example.com")
				if !got.worked() {
					t.Errorf("meanwhile a shopper gets %v: %.200s", got, got.body)
				}
				slowest = max(slowest, got.took)
				select {
				case <-tick.C:
					continue
				case <-ended:
				}
				break
			}
			t.Logf("%d of %d sockets were closed by the server after %v; a shopper waited %v at most; %d MB", closed.Load(), row.sockets,
				time.Since(begun).Round(time.Second), slowest.Round(10*time.Millisecond), s.node.memory())
			if int(closed.Load()) != row.sockets {
				t.Errorf("%d of %d sockets were closed", closed.Load(), row.sockets)
			}
			if took := time.Since(begun); row.limits == "" && !torture && took > 25*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// trickle sends a beginning and then a byte now and then, and tells whether the other side hung up before the deadline.
func trickle(conn net.Conn, head string, reads bool, deadline time.Time) bool {
	conn.SetWriteDeadline(deadline)
	if _, err := io.WriteString(conn, head); err != nil {
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	gone := make(chan struct{})
	if reads {
		go func() {
			io.Copy(io.Discard, conn) // an answer may come first: 400 or 408
			close(gone)
		}()
	}
	byteTime := time.NewTicker(500 * time.Millisecond)
	defer byteTime.Stop()
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	for {
		select {
		case <-byteTime.C:
			if _, err := conn.Write([]byte("a")); err != nil {
				return true
			}
		case <-gone:
			return true
		case <-late.C:
			return false
		}
	}
}

// everyInput are the addresses that take a body.
var everyInput = []struct{ path, kind string }{
	{"/customer/account/forgotpasswordpost", "application/x-www-form-urlencoded"},
	{"/customer/account/loginpost", "application/x-www-form-urlencoded"},
	{"/customer/account/createpost", "application/x-www-form-urlencoded"},
	{"/customer/account/resetpasswordpost", "application/x-www-form-urlencoded"},
	{"/admin/login", "application/x-www-form-urlencoded"},
	{"/rest/V1/integration/customer/token", "application/json"},
	{"/rest/V1/customers", "application/json"},
	{"/graphql", "application/json"},
	{"/oauth/token/request", "application/x-www-form-urlencoded"},
	{"/oauth2/token", "application/x-www-form-urlencoded"},
}

// TestBodiesWithoutEndAreCutShort sends bodies that never end, and some that only promise to be huge.
func TestBodiesWithoutEndAreCutShort(t *testing.T) {
	beside(t)
	s := newStoreOn(t, "", quick...)
	s.noLimits()
	address := strings.TrimPrefix(s.url, "http://")
	before := s.node.memory()
	block := strings.Repeat("email=aaaaaaaaa&", 4096)
	for _, to := range everyInput {
		for _, how := range []string{"chunked", "promised"} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			head := "POST " + to.path + " HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: " + to.kind + "\r\nSec-Fetch-Site: same-origin\r\n"
			if how == "chunked" {
				fmt.Fprintf(conn, "%sTransfer-Encoding: chunked\r\n\r\n", head)
			} else {
				fmt.Fprintf(conn, "%sContent-Length: 1000000000\r\n\r\n", head)
			}
			first := make(chan int, 1)
			go func() {
				status := 0
				if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
					status = answer.StatusCode
				}
				first <- status
			}()
			conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
			sent := 0
			for err = nil; err == nil && sent < 256<<20; sent += len(block) {
				if how == "chunked" {
					_, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(block), block)
				} else {
					_, err = io.WriteString(conn, block)
				}
			}
			status := <-first
			conn.Close()
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || sent > 64<<20 {
				t.Errorf("%s %s: %d MB were taken, %v", how, to.path, sent>>20, err)
			}
			// The answer may be lost with the connection that is cut; where it arrives it says why.
			if status != 0 && (status < 400 || status >= 500) {
				t.Errorf("%s %s gives %d", how, to.path, status)
			}
		}
		// A body just above the limit is answered in full.
		got := newCaller(s.url).send(http.MethodPost, to.path, to.kind, strings.Repeat("a", 80<<10))
		if got.status != http.StatusRequestEntityTooLarge && !strings.HasPrefix(to.path, "/oauth/") { // which looks at the signature first
			t.Errorf("80 KB to %s give %v", to.path, got)
		}
		if got := newCaller(s.url).send(http.MethodPost, to.path, to.kind, "\x1f\x8b\x08\x00", "Content-Encoding", "gzip"); got.status < 400 || got.status >= 500 {
			t.Errorf("a packed body to %s gives %v", to.path, got)
		}
	}
	if after := s.node.memory(); after-before > 64 {
		t.Errorf("memory went from %d to %d MB", before, after)
	}
}

// TestVeryLongInputsCostNothing sends a million characters wherever something can be typed.
func TestVeryLongInputsCostNothing(t *testing.T) {
	beside(t)
	metrics := "127.0.0.1:" + freePort(t)
	s := newStoreOn(t, "", "--log-level", "info", "--trusted-proxies", "127.0.0.1", "--metrics-listen", metrics)
	s.noLimits()
	long := strings.Repeat("x", 1e6)
	hashes := func() string { return metric(t, metrics, "rekey_password_hashes_total") }
	before, saidBefore := hashes(), len(s.node.said())
	c := newCaller(s.url)
	for what, got := range map[string]reply{
		"an address":           c.forgot(long + "@example.com"),
		"a password":           c.signIn(shopper, long),
		"a name":               c.form("/customer/account/createpost", "firstname", long, "lastname", "x", "email", shopper, "password", newPassword, "password_confirmation", newPassword),
		"an address over JSON": c.send(http.MethodPost, "/rest/V1/integration/customer/token", "application/json", `{"username":"`+long+`","password":"x"}`),
		"a link":               c.get("/customer/account/createpassword?token=" + long),
		"a path":               c.get("/" + long),
		"a header":             c.get("/customer/account/login", "X-Long", long),
		"cookies":              c.get("/customer/account", "Cookie", strings.Repeat("c=d; ", 1e5)),
		"a bearer token":       c.get("/rest/V1/customers/me", "Authorization", "Bearer "+long),
		"a language":           c.get("/customer/account/login", "Accept-Language", strings.Repeat("fr,", 1e5)),
		"an admin's name":      c.form("/admin/login", "username", long, "password", "x"),
		"a search":             c.get("/admin/customers?q=" + long),
		"a query":              c.send(http.MethodPost, "/graphql", "application/json", `{"query":"{`+strings.Repeat("a ", 5e5)+`}"}`),
	} {
		hungUp := got.status == 0 && strings.Contains(got.body, "431 ") // an answer in the middle of the request
		if !hungUp && (got.status < 400 || got.status >= 500) {
			t.Errorf("%s of a million characters gives %v: %.100s", what, got, got.body)
		}
		if got.took > 3*time.Second {
			t.Errorf("%s of a million characters took %v", what, got.took)
		}
	}
	// What fits into a request and is still too long for its field.
	for what, got := range map[string]reply{
		"an address":      c.forgot(strings.Repeat("x", 5000) + "@example.com"),
		"a password":      c.signIn(shopper, strings.Repeat("x", 5000)),
		"a new password":  c.form("/customer/account/resetpasswordpost", "password", strings.Repeat("x", 5000), "password_confirmation", strings.Repeat("x", 5000)),
		"an admin's word": c.form("/admin/login", "username", boss, "password", strings.Repeat("x", 5000)),
	} {
		if got.status < 400 || got.status >= 500 {
			t.Errorf("%s of 5000 characters gives %v", what, got)
		}
	}
	if after := hashes(); after != before {
		t.Errorf("passwords hashed: %s before, %s after", before, after)
	}
	if said := s.node.said()[saidBefore:]; len(said) > 64<<10 || strings.Contains(said, "xxxxxxxxxxxxxxxx") {
		t.Errorf("the log grew by %d bytes", len(said))
	}
}

func metric(t *testing.T, metrics, name string) string {
	t.Helper()
	for line := range strings.Lines(newCaller("http://" + metrics).get("/metrics").body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no %s", name)
	return ""
}

// TestBytesThatAreNoTextAreRefused sends what is no text, and text that is meant to confuse, wherever something can be typed.
// None of it is an internal error on either engine, and what is no text is refused.
func TestBytesThatAreNoTextAreRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.noLimits()
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.administrator()
		in := newCaller(s.url)
		if got := in.signIn(shopper, oldPassword); !got.worked() {
			t.Fatalf("signing in: %v", got)
		}
		staff := newCaller(s.url)
		if got := staff.form("/admin/login", "username", boss, "password", bossWord); !got.worked() {
			t.Fatalf("signing in to the console: %v", got)
		}
		for _, row := range []nasty{
			{"a byte that is never part of UTF-8", "a\xffb", false},
			{"NUL", "a\x00b", false},
			{"an overlong slash", "a\xc0\xafb", false},
			{"half of a surrogate pair", "a\xed\xa0\x80b", false},
			{"cut off in the middle of a character", "a\xe2\x82", false},
			{"a byte order mark", "\ufeffa", true},
			{"an override of the direction", "a\u202eb", true},
			{"a line break", "a\r\nBcc: x@example.com", true},
			{"nothing but space", "\u2003", true},
			{"a wildcard and a quote", `%_'"\;--`, true},
		} {
			t.Run(row.why, func(t *testing.T) {
				for _, form := range []struct {
					as     *caller
					path   string
					fields string
				}{
					{in, "/customer/account/forgotpasswordpost", "email"},
					{newCaller(s.url), "/customer/account/loginpost", "login[username] login[password]"},
					{newCaller(s.url), "/customer/account/createpost", "firstname lastname email password password_confirmation"},
					{newCaller(s.url), "/customer/account/resetpasswordpost", "password password_confirmation"},
					{in, "/customer/account/editpost", "firstname lastname email current_password password password_confirmation"},
					{newCaller(s.url), "/admin/login", "username password"},
					{newCaller(s.url), "/oauth2/token", "grant_type code client_id client_secret redirect_uri refresh_token"},
				} {
					names := strings.Fields(form.fields)
					for _, hit := range names {
						var pairs []string
						for _, name := range names {
							value := "plain@example.com"
							if name == hit {
								value = row.bytes
							}
							pairs = append(pairs, name, value)
						}
						row.judge(t, form.path+" "+hit, form.as.form(form.path, pairs...), false)
					}
				}
				typed := url.QueryEscape(row.bytes)
				for path, as := range map[string]*caller{
					"/customer/account/login?next=":           newCaller(s.url),
					"/customer/account/createpassword?token=": newCaller(s.url),
					"/admin/customers?q=":                     staff,
					"/admin/letters?q=":                       staff,
					"/admin/audit?whom=":                      staff,
					"/admin/audit?what=":                      staff,
					"/admin/customers?website=":               staff,
					"/admin/customers?after=":                 staff,
					"/rest/V1/customers/search?searchCriteria[filterGroups][0][filters][0][field]=email&searchCriteria[filterGroups][0][filters][0][value]=": newCaller(s.url),
					"/oauth2/authorize?client_id=": newCaller(s.url),
				} {
					row.judge(t, path, as.get(path+typed), false)
				}
				escaped := strings.ReplaceAll(url.PathEscape(row.bytes), "+", "%20")
				for path, as := range map[string]*caller{
					"/customer/account/": newCaller(s.url), "/admin/customers/": staff, "/rest/V1/customers/": newCaller(s.url), "/rest/": newCaller(s.url), "/": newCaller(s.url),
				} {
					row.judge(t, path, as.get(path+escaped), false)
				}
				quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`, "\n", `\n`, "\x00", `\u0000`).Replace(row.bytes) + `"`
				for path, body := range map[string]string{
					"/rest/V1/integration/customer/token": `{"username":TEXT,"password":"x"}`,
					"/rest/V1/customers":                  `{"customer":{"email":"new@example.com","firstname":TEXT,"lastname":"x"},"password":"a-password-9"}`,
					"/rest/V1/integration/admin/token":    `{"username":"x","password":TEXT}`,
				} {
					row.judge(t, path, newCaller(s.url).send(http.MethodPost, path, "application/json", strings.ReplaceAll(body, "TEXT", quoted)), false)
				}
				query, _ := json.Marshal(`mutation($e: String!) { requestPasswordResetEmail(email: $e) }`)
				row.judgeGraph(t, newCaller(s.url).send(http.MethodPost, "/graphql", "application/json", `{"query":`+string(query)+`,"variables":{"e":`+quoted+`}}`))
				if strings.ContainsAny(row.bytes, "\r\n\x00") {
					return // the client itself sends no such header
				}
				for name, path := range map[string]string{"User-Agent": "/customer/account/login", "Accept-Language": "/customer/account/login", "Referer": "/customer/account/login",
					"Cookie": "/customer/account", "Authorization": "/rest/V1/customers/me", "Store": "/graphql", "X-Forwarded-For": "/customer/account/login", "X-Form-Key": "/customer/account/login"} {
					value := row.bytes
					switch name {
					case "Authorization":
						value = `OAuth oauth_consumer_key="` + value + `", oauth_token="` + value + `", oauth_signature_method="HMAC-SHA256", oauth_signature="x", oauth_timestamp="1", oauth_nonce="` + value + `"`
					case "Cookie":
						value = "rekey-session=" + value + "; rekey-link=" + value + "; rekey-notice=" + value
					}
					row.judge(t, name, newCaller(s.url).get(path, name, value), true)
				}
			})
		}
	})
}

// nasty is something that is typed to do harm.
type nasty struct {
	why, bytes string
	text       bool // it is one
}

// judge looks at the answer to it. In some places what is no text may be passed over, as if it were not there.
func (n nasty) judge(t *testing.T, where string, got reply, mayIgnore bool) {
	t.Helper()
	if got.status == 0 || got.status >= 500 {
		t.Errorf("%s gives %v: %.200s", where, got, got.body)
	}
	if !n.text && !mayIgnore && got.status < 400 {
		t.Errorf("%s takes what is no text: %v", where, got)
	}
}

// judgeGraph is judge for GraphQL, which says 200 to what it refuses.
func (n nasty) judgeGraph(t *testing.T, got reply) {
	t.Helper()
	refused := got.status >= 400 || strings.Contains(got.body, `"errors"`)
	if got.status == 0 || got.status >= 500 || strings.Contains(got.body, "Internal") || !n.text && !refused {
		t.Errorf("/graphql gives %v: %.200s", got, got.body)
	}
}
