package mailbox

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// read takes the letter apart as a mail program does. What cannot be read stays empty; the raw source is always there.
func (l *Letter) read() {
	m, err := mail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		l.Subject = "(not a readable letter)"
		return
	}
	l.From, l.To, l.Subject = decoded(m.Header.Get("From")), decoded(m.Header.Get("To")), decoded(m.Header.Get("Subject"))
	l.MessageID = strings.Trim(m.Header.Get("Message-ID"), "<>")
	l.readPart(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body, 0)
}

func decoded(s string) string {
	out, err := new(mime.WordDecoder).DecodeHeader(s)
	if err != nil {
		return s
	}
	return out
}

// maxDepth bounds parts within parts.
const maxDepth = 4

func (l *Letter) readPart(contentType, encoding string, body io.Reader, depth int) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && depth < maxDepth {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err != nil {
				return
			}
			l.readPart(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p, depth+1)
		}
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, _ := io.ReadAll(body) // a broken encoding still shows what came before it
	text := strings.ReplaceAll(strings.ToValidUTF8(string(b), "\ufffd"), "\r\n", "\n")
	switch {
	case kind == "text/html" && l.HTML == "":
		l.HTML = text
	case kind == "text/plain" && l.Text == "":
		l.Text = text
	}
}
