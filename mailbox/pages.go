package mailbox

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed pages/list.html pages/letter.html pages/style.css
var files embed.FS

var (
	style = mustRead("pages/style.css")
	pages = template.Must(template.New("").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"when":   func(t time.Time) string { return t.Local().Format("2 Jan 2006, 15:04:05") },
		"exact":  func(t time.Time) string { return t.Format(time.RFC3339) },
		"linked": linked,
	}).ParseFS(files, "pages/*.html"))
)

func mustRead(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // embedded above
	}
	return string(b)
}

// Handler serves the mailbox's pages, on an address of its own.
func (b *Mailbox) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range b.routes() {
		mux.HandleFunc(pattern, handle)
	}
	return guarded(http.NewCrossOriginProtection().Handler(mux))
}

func (b *Mailbox) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /{$}":                  b.list,
		"GET /messages/{id}":        b.show("html"),
		"GET /messages/{id}/text":   b.show("text"),
		"GET /messages/{id}/source": b.show("source"),
		"GET /messages/{id}/frame":  b.frame,
		"POST /clear": func(w http.ResponseWriter, r *http.Request) {
			b.Clear()
			http.Redirect(w, r, "/", http.StatusSeeOther)
		},
		"GET /api/messages":      b.apiList,
		"GET /api/messages/{id}": b.apiLetter,
		"DELETE /api/messages": func(w http.ResponseWriter, _ *http.Request) {
			b.Clear()
			w.WriteHeader(http.StatusNoContent)
		},
	}
}

// contentPolicy lets a page use its own style and frame and nothing else. The style is part of the page and named by its hash.
var contentPolicy = "default-src 'none'; style-src '" + styleHash() + "'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// framePolicy is a letter's. The sandbox here holds even when the frame is opened by itself; a click may open a window.
const framePolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !namedByNumber(r.Host) {
			http.Error(w, "The mailbox answers only to an IP address or to localhost.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// namedByNumber keeps DNS rebinding out: a website can point a name of its own at this machine, but not an address.
func namedByNumber(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

func render(w http.ResponseWriter, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes()) // a failure means that the reader has left
}

func (b *Mailbox) list(w http.ResponseWriter, _ *http.Request) {
	render(w, "list.html", struct {
		Letters []*Letter
		Keep    int
	}{b.Letters(), keep})
}

func (b *Mailbox) show(view string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l, ok := b.letter(r.PathValue("id"))
		if !ok {
			gone(w)
			return
		}
		v := view
		if v == "html" && l.HTML == "" {
			v = "text"
		}
		newer, older := b.neighbours(l.ID)
		render(w, "letter.html", struct {
			*Letter
			View, Newer, Older string
		}{l, v, newer, older})
	}
}

func gone(w http.ResponseWriter) {
	http.Error(w, "There is no such letter; the mailbox was cleared, or newer ones took its place.", http.StatusNotFound)
}

func (b *Mailbox) neighbours(id string) (newer, older string) {
	all := b.Letters()
	i := slices.IndexFunc(all, func(l *Letter) bool { return l.ID == id })
	if i > 0 {
		newer = all[i-1].ID
	}
	if i >= 0 && i+1 < len(all) {
		older = all[i+1].ID
	}
	return newer, older
}

// frame is the letter's own page. A base target makes each link open a window of its own, out of the sandbox.
func (b *Mailbox) frame(w http.ResponseWriter, r *http.Request) {
	l, ok := b.letter(r.PathValue("id"))
	if !ok {
		gone(w)
		return
	}
	w.Header().Set("Content-Security-Policy", framePolicy)
	w.Header().Set("Cross-Origin-Opener-Policy", "unsafe-none") // a window opened from here is a stranger anyway (no-referrer, noopener)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page := l.HTML
	if head := strings.Index(page, "<head>"); head >= 0 {
		page = page[:head+len("<head>")] + `<base target="_blank">` + page[head+len("<head>"):]
	}
	w.Write([]byte(page)) // a failure means that the reader has left
}

var webAddress = regexp.MustCompile(`https?://[^\s<>"]+`)

// linked makes the web addresses of a text clickable. Everything is escaped here, so that the result may be trusted.
func linked(text string) template.HTML {
	var b strings.Builder
	end := 0
	for _, at := range webAddress.FindAllStringIndex(text, -1) {
		address := template.HTMLEscapeString(text[at[0]:at[1]])
		b.WriteString(template.HTMLEscapeString(text[end:at[0]]))
		b.WriteString(`<a href="` + address + `" target="_blank" rel="noopener noreferrer">` + address + `</a>`)
		end = at[1]
	}
	return template.HTML(b.String() + template.HTMLEscapeString(text[end:]))
}

type summary struct {
	ID         string    `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	From       string    `json:"from"`
	To         string    `json:"to"`
	Recipients []string  `json:"recipients"`
	Subject    string    `json:"subject"`
}

// apiList lists letters, newest first; ?to= leaves only those whose envelope names this address.
func (b *Mailbox) apiList(w http.ResponseWriter, r *http.Request) {
	list := []summary{} // an empty list is [], not null
	to := r.URL.Query().Get("to")
	for _, l := range b.Letters() {
		if to == "" || slices.Contains(l.Recipients, to) {
			list = append(list, summary{l.ID, l.ReceivedAt, l.From, l.To, l.Recipients, l.Subject})
		}
	}
	writeJSON(w, struct {
		Messages []summary `json:"messages"`
	}{list})
}

func (b *Mailbox) apiLetter(w http.ResponseWriter, r *http.Request) {
	l, ok := b.letter(r.PathValue("id"))
	if !ok {
		gone(w)
		return
	}
	writeJSON(w, l)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // it is read by scripts and nosniff; links stay readable
	e.Encode(v)            // a failure means that the reader has left
}
