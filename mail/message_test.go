package mail

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"pgregory.net/rapid"
)

var created = time.Date(2026, time.November, 24, 14, 40, 0, 0, time.UTC)

func mustMessage(t *testing.T, c Content) message {
	t.Helper()
	m, err := newMessage(db.NewID(), created, c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// parts reads a message as a mail program does.
func parts(t *testing.T, raw []byte) (header netmail.Header, text, html string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %q: %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	var bodies []string
	for _, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
		p, err := r.NextRawPart()
		if err != nil || p.Header.Get("Content-Type") != want {
			t.Fatalf("part %q, want %q (the last one is preferred): %v", p.Header.Get("Content-Type"), want, err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	if _, err := r.NextRawPart(); !errors.Is(err, io.EOF) {
		t.Fatalf("more than two parts: %v", err)
	}
	return m.Header, bodies[0], bodies[1]
}

func TestHeadersSayWhoAndWhatAndNoMore(t *testing.T) {
	m := mustMessage(t, letterTo("zoe@example.com"))
	h, _, _ := parts(t, m.raw)
	from, err := h.AddressList("From")
	if err != nil || len(from) != 1 || *from[0] != (netmail.Address{Name: "Maison Lune – Café", Address: "shop@shop.example"}) {
		t.Errorf("From %v, %v", from, err)
	}
	to, err := h.AddressList("To")
	if err != nil || len(to) != 1 || *to[0] != (netmail.Address{Name: "Zoé Müller", Address: "zoe@example.com"}) {
		t.Errorf("To %v, %v", to, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != "Réinitialiser votre mot de passe Maison Lune" || !isASCII(h.Get("Subject")) {
		t.Errorf("Subject %q: %q, %v", h.Get("Subject"), subject, err)
	}
	if date, err := h.Date(); err != nil || !date.Equal(created) {
		t.Errorf("Date %v, %v", date, err)
	}
	want := map[string]bool{"From": true, "To": true, "Reply-To": true, "Subject": true, "Date": true, "Message-Id": true,
		"Auto-Submitted": true, "Content-Language": true, "Mime-Version": true, "Content-Type": true}
	for name, values := range h {
		if !want[name] || len(values) != 1 {
			t.Errorf("header %s, %d times: no Bcc, no List-Unsubscribe, no name of a program", name, len(values))
		}
	}
	if h.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("Auto-Submitted %q", h.Get("Auto-Submitted"))
	}
}

func TestLinkStandsOnOneUnbrokenLineOfTheTextTwin(t *testing.T) {
	_, text, html := parts(t, mustMessage(t, letterTo("zoe@example.com")).raw)
	lines := 0
	for line := range strings.SplitSeq(text, "\r\n") {
		if line == testLink {
			lines++
		} else if strings.Contains(line, "token") || len([]rune(line)) > textWidth {
			t.Errorf("line %q", line)
		}
	}
	if lines != 1 || strings.Count(text, "https://") != 1 {
		t.Errorf("the link stands on %d lines of\n%s", lines, text)
	}
	shown := regexp.MustCompile(`>`+regexp.QuoteMeta(testLink)+`<`).FindAllString(html, -1)
	buttons := strings.Count(html, `href="`+testLink+`"`)
	if len(shown) != 1 || buttons != 2 {
		t.Errorf("the link is shown %d times and behind %d places, want once in full and behind the button and itself", len(shown), buttons)
	}
}

func TestTextTwinSaysTheSame(t *testing.T) {
	c := letterTo("zoe@example.com")
	_, text, html := parts(t, mustMessage(t, c).raw)
	flat := strings.Join(strings.Split(strings.ReplaceAll(text, "\r\n", " "), "  "), " ")
	for _, s := range append(append([]string{c.Title, c.Greeting, c.NotYou, c.Why, c.Button.Label, c.Head.StoreName, c.Head.SupportEmail},
		c.Paragraphs...), append(c.After, c.Facts[0].Value, c.Head.Footer[0])...) {
		if !strings.Contains(flat, s) {
			t.Errorf("the text twin lacks %q", s)
		}
		if !strings.Contains(html, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
}

func TestLetterAsksNobodyElse(t *testing.T) {
	_, _, html := parts(t, mustMessage(t, letterTo("zoe@example.com")).raw)
	for _, banned := range []string{"<img", "<script", "<link", "<iframe", "src=", "url(", "@import", "@font-face", "background=\"http"} {
		if strings.Contains(strings.ToLower(html), banned) {
			t.Errorf("the page holds %s", banned)
		}
	}
	for _, href := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if !strings.HasPrefix(href[1], "https://shop.example/") && href[1] != "mailto:care@shop.example" {
			t.Errorf("a link leads to %s", href[1])
		}
	}
}

func TestMarkupInNamesIsOnlyText(t *testing.T) {
	c := letterTo("zoe@example.com")
	c.Greeting = `Hello <img src=x onerror=alert(1)> "Zoé" & {{.}},`
	_, text, html := parts(t, mustMessage(t, c).raw)
	if strings.Contains(html, "<img") || !strings.Contains(html, "&lt;img") {
		t.Error("a name became markup")
	}
	if !strings.Contains(text, `Hello <img src=x onerror=alert(1)> "Zoé" & {{.}},`) {
		t.Error("the text twin changed the name")
	}
}

func TestOnlyTheStoresOwnAddressesBecomeLinks(t *testing.T) {
	c := letterTo("zoe@example.com")
	c.Head.SupportPhone = "+33 1 40 00 00 00"
	c.After = []string{"Ask again: https://shop.example/fr/customer/account/forgotpassword."}
	c.NotYou = "Write to care@shop.example, call +33 1 40 00 00 00, not https://shop.example/fr.evil.test or https://evil.test <b>."
	html, text, err := Render(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`href="https://shop.example/fr/customer/account/forgotpassword"`, `</a>.</p>`, `href="mailto:care@shop.example"`,
		`white-space:nowrap">+33 1 40 00 00 00</span>`, `not https://shop.example/fr.evil.test or https://evil.test &lt;b&gt;.`} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if !strings.Contains(text, "+33\u00a01\u00a040\u00a000\u00a000\u00a000") {
		t.Error("the text twin breaks the phone number")
	}
}

func TestLanguageAndDirectionAreDeclared(t *testing.T) {
	for tag, dir := range map[string]string{"fr": "ltr", "de-AT": "ltr", "ar": "rtl", "he-IL": "rtl", "": "ltr"} {
		c := letterTo("zoe@example.com")
		c.Head.Lang = tag
		html, _, err := Render(c)
		if err != nil || !strings.Contains(html, fmt.Sprintf(`<html lang=%q dir=%q>`, tag, dir)) {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

// Each text of a letter is tried with each character that could end a line or a string, on a real connection.
func TestNoControlCharactersOnTheWire(t *testing.T) {
	places := map[string]func(c *Content, s string){
		"sender name":     func(c *Content, s string) { c.Head.SenderName += s },
		"sender":          func(c *Content, s string) { c.Head.SenderEmail += s },
		"recipient name":  func(c *Content, s string) { c.To.Name += s },
		"recipient":       func(c *Content, s string) { c.To.Email += s },
		"subject":         func(c *Content, s string) { c.Subject += s },
		"support address": func(c *Content, s string) { c.Head.SupportEmail += s },
		"store name":      func(c *Content, s string) { c.Head.StoreName += s },
		"language":        func(c *Content, s string) { c.Head.Lang += s },
		"greeting":        func(c *Content, s string) { c.Greeting += s },
		"paragraph":       func(c *Content, s string) { c.Paragraphs[0] += s },
		"fact":            func(c *Content, s string) { c.Facts[0].Value += s },
		"footer":          func(c *Content, s string) { c.Head.Footer[0] += s },
		"link":            func(c *Content, s string) { c.Button.URL = secret.NewText(testLink + s) },
		"accent":          func(c *Content, s string) { c.Head.Accent += s },
	}
	s := startServer(t, withUTF8)
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		w := post(d, s.transport(t))
		for place, spoil := range places {
			for _, bad := range []string{"\r", "\n", "\x00", "\r\nBcc: evil@example.com", "\r\n.\r\nMAIL FROM:<evil@example.com>",
				"\u0085", "\u2028", "\x7f", "\xff"} {
				_, before := s.count()
				w.Composers["test"] = func(_ context.Context, _ Letter) (Content, error) {
					c := letterTo("zoe@example.com")
					spoil(&c, bad)
					return c, nil
				}
				id := enqueue(t, d, Note{})
				drain(t, w, 1)
				l := get(t, d, id)
				if _, after := s.count(); l.State != SetAside || after != before {
					t.Errorf("%s with %q: %s, and MAIL was said %d times", place, bad, l.State, after-before)
				}
				if strings.ContainsFunc(l.LastWords, isControl) {
					t.Errorf("%s with %q: kept words %q", place, bad, l.LastWords)
				}
			}
		}
	})
}

// Whatever the texts are: a letter is refused, or it has one sender, one recipient and clean lines.
func TestAnyContentIsRefusedOrWellFormed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		printable := rapid.StringOf(rapid.RuneFrom([]rune(`ab \"<>@=?,;:()`), unicode.L, unicode.M, unicode.P, unicode.S, unicode.Zs))
		anything := rapid.OneOf(printable, printable, printable, printable, rapid.String())
		mailbox := rapid.OneOf(rapid.Just("zoe@example.com"), rapid.StringMatching(`[a-zé.'+<>"(),;: -]{1,12}@[a-zü.-]{1,12}`), anything)
		c := letterTo(mailbox.Draw(r, "to"))
		c.To.Name, c.Subject, c.Greeting = anything.Draw(r, "name"), anything.Draw(r, "subject"), anything.Draw(r, "greeting")
		c.Head.SenderName, c.Paragraphs = anything.Draw(r, "sender"), []string{anything.Draw(r, "paragraph")}
		m, err := newMessage(db.NewID(), created, c)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				r.Fatalf("refused for another reason: %v", err)
			}
			return
		}
		if strings.ContainsAny(m.to, "<> \r\n,;") || strings.Count(m.to, "@") != 1 {
			r.Fatalf("RCPT TO:<%s>", m.to)
		}
		parsed, err := netmail.ReadMessage(bytes.NewReader(m.raw))
		if err != nil {
			r.Fatal(err)
		}
		to, err := parsed.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != m.to || to[0].Name != c.To.Name {
			r.Fatalf("To: %q for %q: %v, %v", parsed.Header.Get("To"), c.To.Name, to, err)
		}
		checkHeaderLines(r, m.raw)
		if len(parsed.Header["Bcc"])+len(parsed.Header["Cc"]) != 0 || len(parsed.Header["To"]) != 1 {
			r.Fatalf("headers %v", parsed.Header)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
		if err != nil || strings.TrimSpace(subject) != strings.TrimSpace(c.Subject) {
			r.Fatalf("Subject %q became %q: %v", c.Subject, subject, err)
		}
	})
}

// checkHeaderLines holds what RFC 5322 §2.1.1 and RFC 2047 §2 say of the lines of a header, and that none is empty on its first line.
func checkHeaderLines(t interface{ Fatalf(string, ...any) }, raw []byte) {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range strings.SplitSeq(string(head), "\r\n") {
		_, value, _ := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "" || line[0] != ' ' && line[0] != '\t' && strings.TrimSpace(value) == "":
			t.Fatalf("an empty line of a header: %q in\n%s", line, head)
		case len(line) > headerLine && (strings.Contains(line, "=?") || strings.Contains(strings.TrimSpace(value), " ")):
			t.Fatalf("a line of %d bytes that could be shorter: %s", len(line), line)
		case !isASCII(line) && !strings.Contains(line, "@"):
			t.Fatalf("a line outside of ASCII: %s", line)
		}
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, "=?") && len(word) > wordLength {
				t.Fatalf("an encoded word of %d bytes: %s", len(word), word)
			}
		}
	}
}

// Names and subjects come in every length and script; whoever reads line by line finds each on the line of its header.
func TestLongNamesFoldLegally(t *testing.T) {
	for _, name := range []string{"Lune", "Maison Lune – Café", "Boutique Élégante de la Maison Lune et de ses étoiles filantes à Châteauneuf-du-Pape – Vêtements",
		"株式会社株式会社株式会社株式会社株式会社株式会社株式会社株式会社", "Иван Александрович Константинопольский-Преображенский", strings.Repeat("😀", 40),
		`A "quoted" \ name, with (all) that <syntax> has; of a very long shop in a very long street`, "=?utf-8?q?not_encoded?=", " two  spaces ",
		strings.Repeat("a", 200), "مؤسسة القمر للتجارة الإلكترونية والملابس الفاخرة", "e\u0301" + strings.Repeat("e\u0301", 60)} {
		c := letterTo("zoe@example.com")
		c.Head.SenderName, c.To.Name, c.Subject, c.Head.StoreName = name, name, name, name
		m := mustMessage(t, c)
		checkHeaderLines(t, m.raw)
		h, _, _ := parts(t, m.raw)
		for _, header := range []string{"From", "To", "Reply-To"} {
			if got, err := h.AddressList(header); err != nil || len(got) != 1 || got[0].Name != name {
				t.Errorf("%s for %q: %v, %v", header, name, got, err)
			}
		}
		if subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject")); err != nil || subject != name {
			t.Errorf("the subject %q became %q: %v", name, subject, err)
		}
	}
}

func TestColoursCanBeRead(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		accent := colour{rapid.Byte().Draw(r, "r"), rapid.Byte().Draw(r, "g"), rapid.Byte().Draw(r, "b")}
		if parseColour(accent.String()) != accent {
			r.Fatalf("%s is read as %s", accent, parseColour(accent.String()))
		}
		if c := contrast(accent.on(), accent); c < readable {
			r.Fatalf("text on a button of %s has %.2f", accent, c)
		}
		for _, paper := range []colour{paperLight, paperDark} {
			if c := contrast(accent.against(paper), paper); c < readable {
				r.Fatalf("%s as text on %s has %.2f", accent, paper, c)
			}
		}
	})
	for grey := range 256 { // the middle greys are the hardest
		c := colour{uint8(grey), uint8(grey), uint8(grey)}
		if contrast(c.on(), c) < readable {
			t.Errorf("text on %s has %.2f", c, contrast(c.on(), c))
		}
	}
	for _, bad := range []string{"", "#", "red", "#12345", "#12345g", "123456", "#+12345"} {
		if parseColour(bad) != quietBlue {
			t.Errorf("%q is read as %s", bad, parseColour(bad))
		}
	}
}

func TestDKIMSignaturesVerify(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]string{
		"r._domainkey.shop.example": "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)),
		"e._domainkey.shop.example": "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public),
	}
	transport := &Transport{DKIM: []DKIM{{"shop.example", "r", parsedKey(t, rsaKey)}, {"Shop.Example", "e", parsedKey(t, edKey)},
		{"other.example", "r", rsaKey}}}
	m, err := transport.sign(mustMessage(t, letterTo("zoe@example.com")))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkWire(m.raw); err != nil {
		t.Error(err)
	}
	verified, err := dkim.VerifyWithOptions(bytes.NewReader(m.raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		return []string{records[name]}, nil
	}})
	if err != nil || len(verified) != 2 {
		t.Fatalf("%d signatures, want two; a foreign domain's helps nobody: %v", len(verified), err)
	}
	for _, v := range verified {
		if v.Err != nil {
			t.Errorf("%s: %v", v.Domain, v.Err)
		}
	}
}

func parsedKey(t *testing.T, key crypto.Signer) crypto.Signer {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseDKIMKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// What the header writes is read again by every relay on the way: RFC 5322 §3.2.3 knows no empty atom, on neither side of the @.
func TestAnAddressWithAnEmptyPartIsNotWritten(t *testing.T) {
	for _, email := range []string{".zoe@example.com", "zoe.@example.com", "zoe..m@example.com", ".@-", "zoe@.example.com", "zoe@example.com.", "zoe@example..com"} {
		if _, err := newMessage(db.NewID(), created, letterTo(email)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", email, err)
		}
	}
}
