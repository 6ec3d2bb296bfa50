package mailbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"regexp"
	"strings"
	"testing"
	"time"
)

const link = "https://shop.example/customer/account/createpassword?token=q3Jd0x7v5fJw2nT8LrYcV1mKz9bQe4hUsA6PgXyRoIE"

func open(t *testing.T) *Mailbox {
	t.Helper()
	b, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// deliver sends a letter through SMTP and gives it back as the mailbox holds it.
func deliver(t *testing.T, b *Mailbox, to, subject string) *Letter {
	t.Helper()
	raw := strings.ReplaceAll(`From: =?utf-8?q?Caf=C3=A9?= <shop@shop.example>
To: <`+to+`>
Subject: `+subject+`
Message-ID: <1@shop.example>
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: quoted-printable

Caf=C3=A9 <b>
`+strings.ReplaceAll(link, "=", "=3D")+`
--x
Content-Type: text/html; charset=UTF-8

<!doctype html><html><head><title>t</title></head><body><script>alert(1)</script><a href="`+link+`">Go</a></body></html>
--x--
`, "\n", "\r\n")
	if err := smtp.SendMail(b.SMTPAddr(), nil, "shop@shop.example", []string{to}, []byte(raw)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l, err := b.Await(ctx, to, "")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func call(b *Mailbox, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:8025"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	return w
}

func TestLetterArrivesThroughSMTPAndIsShown(t *testing.T) {
	b := open(t)
	l := deliver(t, b, "zoe@example.com", "=?utf-8?q?R=C3=A9initialiser?=")
	if l.Subject != "Réinitialiser" || l.From != "Café <shop@shop.example>" || l.Text != "Café <b>\n"+link || !strings.Contains(l.HTML, ">Go</a>") {
		t.Errorf("read as %+v", l)
	}
	for path, want := range map[string]string{
		"/":                              `href="/messages/` + l.ID + `"`,
		"/messages/" + l.ID:              `sandbox="allow-popups allow-popups-to-escape-sandbox"`,
		"/messages/" + l.ID + "/text":    "Café &lt;b&gt;\n" + `<a href="` + link + `" target="_blank" rel="noopener noreferrer">`,
		"/messages/" + l.ID + "/source":  "Caf=C3=A9",
		"/messages/" + l.ID + "/frame":   `<base target="_blank">`,
		"/api/messages":                  `"subject":"Réinitialiser"`,
		"/api/messages/" + l.ID:          `"text":"Café <b>\n` + link,
		"/api/messages?to=max@gmail.com": `"messages":[]`,
	} {
		if w := call(b, "GET", path); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d, without %s in\n%s", path, w.Code, want, w.Body)
		}
	}
	if w := call(b, "GET", "/messages/nope"); w.Code != 404 {
		t.Errorf("an unknown letter: %d", w.Code)
	}
}

func TestLetterCannotRunOrLoadAnything(t *testing.T) {
	b := open(t)
	l := deliver(t, b, "zoe@example.com", "Hello")
	policy := call(b, "GET", "/messages/"+l.ID+"/frame").Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'") || strings.Contains(policy, "allow-scripts") ||
		strings.Contains(policy, "allow-same-origin") {
		t.Errorf("the letter's policy is %q", policy)
	}
	for _, path := range []string{"/", "/messages/" + l.ID, "/messages/" + l.ID + "/text"} {
		w := call(b, "GET", path)
		if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", path, p)
		}
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(w.Body.String())
		if style == nil || style[1] != string(mustRead("pages/style.css")) {
			t.Errorf("%s: its style is not the one that the policy names by hash", path)
		}
		if strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: a script", path)
		}
	}
}

func TestForeignWebsiteCannotReadOrClear(t *testing.T) {
	b := open(t)
	deliver(t, b, "zoe@example.com", "Hello")
	for host, code := range map[string]int{
		"127.0.0.1:8025": 200, "[::1]:8025": 200, "localhost:8025": 200, "192.168.1.5": 200, "mailbox.localhost": 200,
		"evil.example": 421, "127.0.0.1.evil.example:8025": 421, "localhost.evil.example": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/api/messages", nil)
		r.Host = host
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, r)
		if w.Code != code || (code != 200) == strings.Contains(w.Body.String(), "zoe") {
			t.Errorf("host %q: %d", host, w.Code)
		}
	}
	if w := call(b, "POST", "/clear", "Sec-Fetch-Site", "cross-site"); w.Code != 403 || len(b.Letters()) != 1 {
		t.Errorf("a foreign form: %d", w.Code)
	}
	if w := call(b, "GET", "/clear"); w.Code != 405 || len(b.Letters()) != 1 {
		t.Errorf("GET /clear: %d; GET shows, POST acts", w.Code)
	}
	if w := call(b, "POST", "/clear", "Sec-Fetch-Site", "same-origin"); w.Code != 303 || len(b.Letters()) != 0 {
		t.Errorf("our own form: %d", w.Code)
	}
}

func TestOnlyTheLastLettersAreKept(t *testing.T) {
	b := open(t)
	for i := range keep + 20 {
		b.add(&Letter{ID: fmt.Sprint(i), Raw: "x"})
	}
	if all := b.Letters(); len(all) != keep || all[0].ID != fmt.Sprint(keep+19) {
		t.Errorf("%d letters, newest %s", len(all), all[0].ID)
	}
	for range 100 {
		b.add(&Letter{Raw: strings.Repeat("x", maxMessage)})
	}
	if b.size > maxKept {
		t.Errorf("%d bytes are kept", b.size)
	}
}

func TestUnreadableLetterIsStillThere(t *testing.T) {
	for _, raw := range []string{"", "no header at all", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
		"Subject: =?bad\r\nContent-Type: ;;\r\n\r\n\xff", strings.Repeat("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", 50)} {
		l := &Letter{ID: "1", Raw: raw}
		l.read()
		b := open(t)
		b.add(l)
		for _, path := range []string{"/", "/messages/1", "/messages/1/source", "/messages/1/frame", "/api/messages/1"} {
			if w := call(b, "GET", path); w.Code != http.StatusOK {
				t.Errorf("%.20q: GET %s gave %d", raw, path, w.Code)
			}
		}
	}
}

func TestListForScriptsIsJSON(t *testing.T) {
	b := open(t)
	deliver(t, b, "max@example.com", "first")
	second := deliver(t, b, "zoe@example.com", "second")
	var got struct {
		Messages []struct {
			ID         string    `json:"id"`
			Subject    string    `json:"subject"`
			ReceivedAt time.Time `json:"received_at"`
		} `json:"messages"`
	}
	w := call(b, "GET", "/api/messages")
	if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&got); err != nil || len(got.Messages) != 2 ||
		got.Messages[0].ID != second.ID || got.Messages[1].Subject != "first" || got.Messages[0].ReceivedAt.IsZero() {
		t.Errorf("%v: %s", err, w.Body)
	}
	if w := call(b, "DELETE", "/api/messages"); w.Code != 204 || len(b.Letters()) != 0 {
		t.Errorf("DELETE: %d", w.Code)
	}
}
