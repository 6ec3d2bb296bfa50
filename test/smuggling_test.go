package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

const smuggledHost = "shop.example.com" // as docs/operating.md calls it

// ambiguous is a request that two programs may read differently, with a whole second request hidden where one of them sees a body.
// In raw, {post} is a request line with the headers that every row has, {marker} the hidden request, {size} its length in
// hexadecimal, {length} the length of all that follows the headers, and {end} the end of a chunked body.
type ambiguous struct{ why, raw string }

// corpus is every way that is known to us. Whatever is read, at most one answer may come of it.
var corpus = []ambiguous{
	// Two lengths.
	{"CL.TE: the front counts, the back reads chunks", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"the same in the other order", "{post}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{marker}"},
	{"TE.CL: the front reads chunks, the back counts", "{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"a length of nothing before chunks", "{post}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"two lengths, the longer last", "{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"two lengths, the longer first", "{post}Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{marker}"},
	{"the same length twice, which says nothing new", "{post}Content-Length: {length}\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"two lengths in one line", "{post}Content-Length: {length}, 0\r\n\r\n{marker}"},
	{"two lengths in one line, the shorter first", "{post}Content-Length: 0, {length}\r\n\r\n{marker}"},
	{"a length with a sign", "{post}Content-Length: +{length}\r\n\r\n{marker}"},
	{"a length below nothing", "{post}Content-Length: -1\r\n\r\n{marker}"},
	{"a length in hexadecimal", "{post}Content-Length: 0x{length}\r\n\r\n{marker}"},
	{"a length beyond 64 bits", "{post}Content-Length: 18446744073709551616{length}\r\n\r\n{marker}"},
	{"a length that is nothing", "{post}Content-Length: \r\n\r\n{marker}"},
	{"a length with a word behind it", "{post}Content-Length: {length} bytes\r\n\r\n{marker}"},
	{"a length with an underscore, which some take for the dash", "{post}Content_Length: {length}\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"a GET with a body", "GET /customer/account/login HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},

	// TE.TE: one of the two must not see that there are chunks.
	{"an encoding that is none", "{post}Content-Length: {length}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{marker}"},
	{"chunked and something", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{marker}"},
	{"something and chunked", "{post}Content-Length: {length}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"identity, which is no encoding any more", "{post}Content-Length: {length}\r\nTransfer-Encoding: identity\r\n\r\n{marker}"},
	{"chunked twice", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"two encodings in two lines", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n{marker}"},
	{"two encodings in two lines, chunked last", "{post}Content-Length: {length}\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"in quotes", "{post}Content-Length: {length}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n{marker}"},
	{"in capitals", "{post}Content-Length: {length}\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n{marker}"},
	{"with a parameter", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n{marker}"},
	{"after a tab", "{post}Content-Length: {length}\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n{marker}"},
	{"after a vertical tab", "{post}Content-Length: {length}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{marker}"},
	{"before a form feed", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n{marker}"},
	{"before NUL", "{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n{marker}"},
	{"after a byte that is no text", "{post}Content-Length: {length}\r\nTransfer-Encoding: \xffchunked\r\n\r\n0\r\n\r\n{marker}"},
	{"an encoding in a version that has none", "POST /rest/V1/integration/customer/token HTTP/1.0\r\nHost: shop.example.com\r\nConnection: keep-alive\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},

	// The shape of a header.
	{"a space before the colon", "{post}Content-Length: {length}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"a space before the colon of the length", "{post}Content-Length : {length}\r\n\r\n{marker}"},
	{"a tab before the colon", "{post}Content-Length: {length}\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"NUL in the name", "{post}Content-Length: {length}\r\nTransfer-\x00Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"a header without a colon", "{post}Content-Length: {length}\r\nTransfer-Encoding\r\n\r\n{marker}"},
	{"a header without a name", "{post}Content-Length: {length}\r\n: chunked\r\n\r\n{marker}"},
	{"a header that goes on in the next line (obs-fold)", "{post}Content-Length: {length}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"a length that goes on in the next line", "{post}Content-Length:\r\n\t{length}\r\n\r\n{marker}"},
	{"a header that hides in the line before", "{post}Content-Length: {length}\r\nX-Fold: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"the first header is a continuation", "POST /rest/V1/integration/customer/token HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{marker}"},
	{"a line that ends with LF alone", "{post}Content-Length: {length}\r\nX-Line: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"a line that ends with CR alone", "{post}Content-Length: {length}\r\nX-Line: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{marker}"},
	{"headers that end with LF alone", "{post}Content-Length: {length}\n\n{marker}"},
	{"headers that end with CR LF CR", "{post}Content-Length: {length}\r\n\r{marker}"},

	// The shape of a chunk. The front sees the body end elsewhere than the back.
	{"a chunk's extension", "{post}Transfer-Encoding: chunked\r\n\r\n{size};a=b\r\n{marker}\r\n0\r\n\r\n"},
	{"an extension with LF in it", "{post}Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"an extension with CR in it", "{post}Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nxx\r\n{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"an extension as long as a book", "{post}Transfer-Encoding: chunked\r\n\r\n{size};{long}\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size with 0x", "{post}Transfer-Encoding: chunked\r\n\r\n0x{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size with a sign", "{post}Transfer-Encoding: chunked\r\n\r\n+{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size below nothing", "{post}Transfer-Encoding: chunked\r\n\r\n-1\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size beyond 64 bits", "{post}Transfer-Encoding: chunked\r\n\r\n10000000000000000{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size that is a minus in 64 bits", "{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size behind a space", "{post}Transfer-Encoding: chunked\r\n\r\n {size}\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size before a space", "{post}Transfer-Encoding: chunked\r\n\r\n{size} \r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk's size with an underscore", "{post}Transfer-Encoding: chunked\r\n\r\n0_{size}\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk without a size", "{post}Transfer-Encoding: chunked\r\n\r\n\r\n{marker}\r\n0\r\n\r\n"},
	{"a chunk that is longer than it says", "{post}Transfer-Encoding: chunked\r\n\r\n1\r\nxyz0\r\n\r\n{marker}"},
	{"a chunk that ends with LF alone", "{post}Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n{marker}"},
	{"a last chunk of many noughts", "{post}Transfer-Encoding: chunked\r\n\r\n0000000000000000000000\r\n\r\n{marker}"},
	{"a last chunk that ends with LF alone", "{post}Transfer-Encoding: chunked\r\n\r\n0\n\n{marker}"},
	{"a length in the trailer", "{post}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {size}\r\n\r\n{marker}"},

	// The first line, and whose request it is.
	{"an absolute address with another host", "GET http://elsewhere.example/customer/account/login HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"an absolute address, and another host in the header", "GET http://shop.example.com/customer/account/login HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"two hosts", "POST /rest/V1/integration/customer/token HTTP/1.1\r\nHost: shop.example.com\r\nHost: elsewhere.example\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"no host", "POST /rest/V1/integration/customer/token HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"a host with a path", "POST /rest/V1/integration/customer/token HTTP/1.1\r\nHost: shop.example.com/x\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"a host with a space", "POST /rest/V1/integration/customer/token HTTP/1.1\r\nHost: shop.example.com elsewhere\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"NUL in the address", "POST /rest/V1/\x00integration/customer/token HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"a space in the address", "POST /rest/V1/integration/customer/token x HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"a request inside of the address", "GET /customer/account/login%20HTTP/1.1%0d%0aX:%20y%0d%0a%0d%0a HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"a method with a space behind a blank line", "\r\n\r\n POST /rest/V1/integration/customer/token HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"HTTP/0.9, which has no headers", "GET /customer/account/login\r\n{marker}"},
	{"HTTP/1.2", "POST /rest/V1/integration/customer/token HTTP/1.2\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"no version of HTTP", "POST /rest/V1/integration/customer/token HTTP/1.1x\r\nHost: shop.example.com\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"an upgrade to HTTP/2 in the clear", "POST /rest/V1/integration/customer/token HTTP/1.1\r\nHost: shop.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
		"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: {length}\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{marker}"},
	{"HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{marker}"},
	{"a name that the proxy is told to drop", "{post}Connection: Content-Length\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"to be asked before the body", "{post}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n{marker}"},
	{"something else to be expected", "{post}Expect: 100-continue, x\r\nContent-Length: {length}\r\n\r\n{marker}"},
}

// TestNothingIsSmuggled sends requests that two programs may read differently to nginx, as docs/operating.md sets it up, in front of
// the program, and to the program itself. A request that is hidden in them is never acted upon, at most one answer comes, and who
// comes next is served. With connections that nginx keeps open and shares, which is not the documented way but a common one, it
// holds as well.
func TestNothingIsSmuggled(t *testing.T) {
	beside(t)
	nginx := findNginx(t)
	s := newStore(t, dbtest.SQLite, "--trusted-proxies", "127.0.0.1", "--log-level", "error")
	s.rekey("", "store-view", "set", "default", "--base-url", "https://"+smuggledHost)
	s.noLimits()
	s.rekey("", "config", "set", "customer/password/min_time_between_password_reset_requests", "0")
	node := strings.TrimPrefix(s.url, "http://")
	trust, certificate := selfSigned(t, smuggledHost)
	documented := documentedProxy(t)
	ways := []smuggler{{name: "the program itself", dial: func() (net.Conn, error) { return net.Dial("tcp", node) }}}
	for _, way := range []struct{ name, upstream, pass string }{
		{"nginx as documented", "", "proxy_pass http://" + node + ";"},
		{"nginx with connections kept open", "upstream rekey { server " + node + "; keepalive 8; }",
			"proxy_pass http://rekey; proxy_http_version 1.1; proxy_set_header Connection \"\";"},
	} {
		listen := "127.0.0.1:" + freePort(t)
		server := edited(t, documented, "listen 443 ssl;", "listen "+listen+" ssl;", "/etc/ssl/shop.example.com.crt", certificate+".crt",
			"/etc/ssl/shop.example.com.key", certificate+".key", "proxy_pass http://127.0.0.1:8080;", way.pass)
		log := runNginx(t, nginx, listen, way.upstream+"\n"+server)
		ways = append(ways, smuggler{way.name, log, func() (net.Conn, error) {
			return tls.Dial("tcp", listen, &tls.Config{RootCAs: trust, ServerName: smuggledHost})
		}})
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			asked := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'password_reset.requested'`)
			if got := way.send(t, marker("honest")+theEnd); fmt.Sprint(got) != "[303 200]" {
				t.Fatalf("the hidden request alone is answered by %v; the test shows nothing", got)
			}
			asked++
			var all sync.WaitGroup
			var seen atomic.Int64        // by the proxy: then nothing is hidden
			for i, row := range corpus { // at once, as some wait until the other side has lost its patience
				all.Go(func() {
					if way.smuggle(t, row, fmt.Sprintf("row%03d", i)) {
						seen.Add(1)
					}
				})
			}
			all.Wait()
			if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'password_reset.requested'`); n != asked+seen.Load() {
				t.Errorf("%d requests were acted upon, want %d", n, asked+seen.Load())
			}
			t.Logf("%d rows, %d of whose second requests the proxy saw", len(corpus), seen.Load())
		})
	}
}

// count asks the database for a number.
func (s *store) count(query string) (n int64) {
	s.t.Helper()
	s.tables(func(ctx context.Context, tx *db.Tx) error { return tx.Row(ctx, query).Scan(&n) })
	return n
}

// smuggler is a way to the program.
type smuggler struct {
	name string
	log  string // file with the first line of each request that the proxy has seen; "" without a proxy
	dial func() (net.Conn, error)
}

// marker is the request that is hidden: it asks for a letter.
func marker(name string) string {
	body := "email=" + name + "@example.com"
	return "POST /customer/account/forgotpasswordpost?" + name + " HTTP/1.1\r\nHost: " + smuggledHost +
		"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// theEnd follows each row: whoever reads it as a request answers and hangs up.
const theEnd = "GET /customer/account/login HTTP/1.1\r\nHost: " + smuggledHost + "\r\nConnection: close\r\n\r\n"

// smuggle sends one row and looks at the answers. It tells whether the second request was answered because the proxy, which
// reads the first as having ended before, has passed it on as a request of its own.
func (w smuggler) smuggle(t *testing.T, row ambiguous, name string) (seen bool) {
	hidden := marker(name)
	raw := strings.NewReplacer("{post}", "POST /rest/V1/integration/customer/token HTTP/1.1\r\nHost: "+smuggledHost+"\r\nContent-Type: application/json\r\n",
		"{marker}", hidden, "{size}", strconv.FormatInt(int64(len(hidden)), 16), "{long}", strings.Repeat("x", 20_000)).Replace(row.raw)
	headers := regexp.MustCompile(`^(?s:.+?\n\r?\n)`).FindString(raw)
	if !strings.Contains(headers, "{length}") { // they end in a way of their own
		headers = strings.TrimSuffix(raw, hidden)
	}
	raw = strings.ReplaceAll(raw, "{length}", strconv.Itoa(len(raw)-len(headers)))
	got := w.send(t, raw+theEnd)
	if len(got) == 3 && w.log != "" {
		err := eventually(patience, func() error {
			text, err := os.ReadFile(w.log)
			if seen = strings.Contains(string(text), "forgotpasswordpost?"+name+" "); err == nil && !seen {
				err = errors.New("the proxy has not seen it")
			}
			return err
		})
		if err == nil {
			got = slices.Delete(got, 1, 2)
		}
	}
	switch {
	case len(got) > 2, len(got) == 2 && got[1] != http.StatusOK:
		t.Errorf("%s: %v came", row.why, got)
	case len(got) > 0 && (got[0] == http.StatusSwitchingProtocols || got[0] == http.StatusInternalServerError):
		t.Errorf("%s: %d", row.why, got[0])
	}
	if got := w.send(t, theEnd); len(got) != 1 || got[0] != http.StatusOK {
		t.Errorf("%s: whoever comes next gets %v", row.why, got)
	}
	return seen
}

// send gives the status of each answer until the other side hangs up; 9 is one of HTTP/0.9, which has none.
func (w smuggler) send(t *testing.T, raw string) (statuses []int) {
	conn, err := w.dial()
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, raw) // the other side may have hung up already
	text, err := io.ReadAll(conn)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%.60q: nobody hangs up, after %.200q", raw, text)
	}
	answers := bufio.NewReader(bytes.NewReader(text))
	for {
		if head, err := answers.Peek(5); err != nil || string(head) != "HTTP/" {
			if len(head) > 0 {
				statuses = append(statuses, 9)
			}
			return statuses
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Errorf("%.60q: %v in %.200q", raw, err, text)
			return statuses
		}
		io.Copy(io.Discard, answer.Body) // what is cut off shows in the next answer
		if answer.StatusCode != http.StatusContinue {
			statuses = append(statuses, answer.StatusCode)
		}
	}
}

func findNginx(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if complete() {
		t.Fatal("nginx is not here")
	}
	t.Skip("nginx is not here; make test installs it")
	return ""
}

// documentedProxy is the server that docs/operating.md tells operators to write.
func documentedProxy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^    server \{\n(?:(?:     .*)?\n)*    \}\n`).Find(text)
	if found == nil {
		t.Fatal("docs/operating.md says no more how to set nginx up")
	}
	return string(found)
}

// edited puts what belongs to this machine into a text: pairs of old and new, each of which must be there.
func edited(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q is not in\n%s", pairs[i], text)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// runNginx starts nginx with these servers, waits until it listens, and gives the file where it notes each request.
func runNginx(t *testing.T, nginx, listen, servers string) (log string) {
	t.Helper()
	place := &throwaway.Place{Dir: t.TempDir()}
	conf := filepath.Join(place.Dir, "nginx.conf")
	log = filepath.Join(place.Dir, "requests")
	text := "daemon off;\nmaster_process off;\npid " + place.Dir + "/pid;\nevents { worker_connections 1000; }\nhttp {\nlog_format lines '$request ';\naccess_log " + log + " lines;\n" +
		"client_header_timeout 2s;\nclient_body_timeout 2s;\nkeepalive_timeout 2s;\nlingering_timeout 1s;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += kind + "_temp_path " + filepath.Join(place.Dir, kind) + ";\n"
	}
	if err := os.WriteFile(conf, []byte(text+servers+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := runDaemon(t, place, "log", nginx, "-p", place.Dir, "-c", conf, "-e", "stderr")
	err := eventually(starting, func() error {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("nginx: %v: %s", err, d.said())
	}
	return log
}

// selfSigned writes a certificate for a host into PATH.crt and PATH.key, and gives who trusts it.
func selfSigned(t *testing.T, host string) (trust *x509.CertPool, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "shop")
	trust = x509.NewCertPool()
	for end, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: made}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		text := pem.EncodeToMemory(block)
		trust.AppendCertsFromPEM(text) // which passes over the key
		if err := os.WriteFile(path+end, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return trust, path
}
