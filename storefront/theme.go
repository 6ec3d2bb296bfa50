package storefront

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// Names of the two files that are made from a store view; their hash goes before the extension.
const (
	themeName = "theme.css"
	iconName  = "icon.svg"
)

// theme is the style sheet that holds the store view's accent: the policy of our pages allows no inline style. shop lets only
// accents through that are seen on a light and on a dark page as a control. Text needs more contrast (4.5 : 1), so that
// links keep the hue and move in lightness; a browser that cannot compute that writes them in the colour of text.
func theme(v *shop.View) []byte {
	if !isColour(v.Accent) {
		return nil
	}
	return fmt.Appendf(nil, `:root { --accent: %[1]s; --on-accent: %[2]s; --accent-text: var(--text); }
@supports (color: oklch(from red l c h)) {
  :root { --accent-text: oklch(from %[1]s min(l, 0.5) c h); }
  @media (prefers-color-scheme: dark) {
    :root { --accent-text: oklch(from %[1]s max(l, 0.72) c h); }
  }
}
`, v.Accent, v.OnAccent())
}

// icon is the first letter of the store's name on its accent.
func icon(v *shop.View) []byte {
	ground, ink := shop.DefaultAccent, "#ffffff"
	if isColour(v.Accent) {
		ground, ink = v.Accent, v.OnAccent()
	}
	first, _ := utf8.DecodeRuneInString(v.StoreName())
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="%s"/>`+
		`<text x="16" y="22.5" font-family="system-ui,sans-serif" font-size="19" font-weight="600" text-anchor="middle" fill="%s">%s</text></svg>`,
		ground, ink, html.EscapeString(strings.ToUpper(string(first))))
}

// isColour holds what goes into a style sheet to "#rrggbb", whatever the table says.
func isColour(s string) bool {
	return len(s) == 7 && s[0] == '#' && strings.Trim(s[1:], "0123456789abcdef") == ""
}

func (c *call) themeURL() string {
	return c.view.Path(assetPrefix + web.HashedName(themeName, theme(c.view)))
}

func (c *call) iconURL() string {
	return c.view.Path(assetPrefix + web.HashedName(iconName, icon(c.view)))
}

// asset serves the files of the door and the two of the store view. A page that was rendered before the view changed asks for
// the old name and gets today's content, which it then must not keep.
func (c *call) asset(name string) error {
	switch {
	case strings.HasPrefix(name, "theme-"):
		content := theme(c.view)
		web.ServeAsset(c.w, "text/css; charset=utf-8", content, name == web.HashedName(themeName, content))
	case strings.HasPrefix(name, "icon-"):
		content := icon(c.view)
		web.ServeAsset(c.w, "image/svg+xml", content, name == web.HashedName(iconName, content))
	default:
		return c.assets.Serve(c.w, c.r, c.path)
	}
	return nil
}
