package mail

import (
	"bytes"
	"embed"
	"fmt"
	html "html/template"
	"net/url"
	"strings"
	text "text/template"
	"unicode/utf8"
)

//go:embed layout/letter.html layout/letter.txt
var layoutFiles embed.FS

var (
	htmlLayout = html.Must(html.New("letter.html").Funcs(html.FuncMap{"alive": func(s sheet, text string) html.HTML { return s.alive(text) }}).
			ParseFS(layoutFiles, "layout/letter.html"))
	textLayout = text.Must(text.New("letter.txt").Funcs(text.FuncMap{"wrap": func(s sheet, text string) string { return wrap(s.whole(text)) }, "table": table}).
			ParseFS(layoutFiles, "layout/letter.txt"))
)

const (
	font      = `-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif`
	textWidth = 72 // columns of the text twin
)

// padding keeps a list of letters from showing the letter's first words after a short preheader.
var padding = html.HTML(strings.Repeat("&zwnj;&nbsp;", 60))

// palette is the accent in one colour scheme. Fill carries the button; Accent is the same hue, moved until it can be read as text.
type palette struct{ Paper, Accent, OnAccent, Fill, OnFill html.CSS }

func newPalette(accent, paper colour) palette {
	legible := accent.against(paper)
	css := func(c colour) html.CSS { return html.CSS(c.String()) } // six hex digits: nothing to escape
	return palette{Paper: css(paper), Accent: css(legible), OnAccent: css(legible.on()), Fill: css(accent), OnFill: css(accent.on())}
}

// sheet is what both layouts read.
type sheet struct {
	Content
	Link        string // the button's link, revealed
	Typed       string // the code, revealed
	Objection   string // Object's link, revealed
	Logo        string
	Site        string // the base URL without its scheme
	Contact     string // "" when the footer's own sentences say it
	Dir         string
	Font        html.CSS
	Padding     html.HTML
	Light, Dark palette
}

// Render lays a letter out as HTML and as its text twin. It is what is sent, and what a screenshot shows. The error
// wraps ErrMalformed when the content can never be sent.
func Render(c Content) (htmlPart, textPart string, err error) {
	if err := c.check(); err != nil {
		return "", "", err
	}
	accent := parseColour(c.Head.Accent)
	s := sheet{
		Content: c, Logo: c.Head.LogoText, Site: site(c.Head.BaseURL), Dir: direction(c.Head.Lang), Font: font, Padding: padding,
		Light: newPalette(accent, paperLight), Dark: newPalette(accent, paperDark),
	}
	if said := strings.Join(c.Head.Footer, " "); !mentions(said, c.Head.SupportEmail) && !mentions(said, c.Head.SupportPhone) {
		s.Contact = strings.Join(present(c.Head.SupportEmail, c.Head.SupportPhone), " · ")
	}
	if s.Logo == "" {
		s.Logo = c.Head.StoreName
	}
	if c.Button != nil {
		s.Link = c.Button.URL.Reveal()
	}
	if c.Code != nil {
		s.Typed = c.Code.Text.Reveal()
	}
	if c.Object != nil {
		s.Objection = c.Object.URL.Reveal()
	}
	var h, t bytes.Buffer
	if err := htmlLayout.ExecuteTemplate(&h, "letter.html", s); err != nil {
		return "", "", fmt.Errorf("lay out the letter: %w", err)
	}
	if err := textLayout.ExecuteTemplate(&t, "letter.txt", s); err != nil {
		return "", "", fmt.Errorf("lay out the text twin: %w", err)
	}
	return h.String(), strings.TrimSpace(t.String()) + "\n", nil
}

// alive makes the support address and the storefront's own addresses in a sentence clickable, and keeps the phone number on
// one line. Nothing else becomes a link, whatever a name holds. Each piece is escaped here, so that the result may be trusted.
func (s sheet) alive(sentence string) html.HTML {
	escaped := html.HTMLEscapeString(sentence)
	if phone := html.HTMLEscapeString(s.Head.SupportPhone); phone != "" {
		escaped = strings.ReplaceAll(escaped, phone, `<span dir="ltr" style="white-space:nowrap">`+phone+`</span>`)
	}
	if email := html.HTMLEscapeString(s.Head.SupportEmail); email != "" {
		escaped = strings.ReplaceAll(escaped, email, `<a dir="ltr" href="mailto:`+email+`" style="color:inherit;text-decoration:underline">`+email+`</a>`)
	}
	if s.Head.BaseURL == "" {
		return html.HTML(escaped)
	}
	words, base := strings.Split(escaped, " "), html.HTMLEscapeString(s.Head.BaseURL)
	for i, w := range words {
		// The slash matters: https://shop.example must not vouch for https://shop.example.evil.test.
		if address := strings.TrimRight(w, ".,;:!?"); strings.HasPrefix(address+"/", base+"/") {
			words[i] = `<a class="accent" dir="ltr" href="` + address + `" target="_blank" rel="noopener noreferrer" style="color:` +
				string(s.Light.Accent) + `;word-break:break-all">` + address + `</a>` + w[len(address):]
		}
	}
	return html.HTML(strings.Join(words, " "))
}

// whole keeps the phone number on one line of the text twin.
func (s sheet) whole(sentence string) string {
	phone := s.Head.SupportPhone
	if phone == "" {
		return sentence
	}
	return strings.ReplaceAll(sentence, phone, strings.ReplaceAll(phone, " ", "\u00a0"))
}

func mentions(text, what string) bool { return what != "" && strings.Contains(text, what) }

func present(values ...string) []string {
	var all []string
	for _, v := range values {
		if v != "" {
			all = append(all, v)
		}
	}
	return all
}

func site(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return baseURL
	}
	return u.Host + strings.TrimSuffix(u.Path, "/")
}

// direction is the writing direction of a language (its primary subtag).
func direction(tag string) string {
	primary, _, _ := strings.Cut(tag, "-")
	switch primary {
	case "ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi":
		return "rtl"
	}
	return "ltr"
}

// wrap breaks a sentence at spaces. A no-break space is none, so French punctuation stays with its word.
func wrap(s string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Split(s, " ") {
		width := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+width > textWidth:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}

// table sets facts in two columns, which needs no colon and so no language's rule about one.
func table(facts []Fact) string {
	width := 0
	for _, f := range facts {
		width = max(width, utf8.RuneCountInString(f.Label))
	}
	lines := make([]string, len(facts))
	for i, f := range facts {
		lines[i] = f.Label + strings.Repeat(" ", width-utf8.RuneCountInString(f.Label)+2) + f.Value
	}
	return strings.Join(lines, "\n")
}
