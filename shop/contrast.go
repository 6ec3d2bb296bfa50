package shop

import (
	"fmt"
	"math"
	"strconv"
)

// The least favourable backgrounds of the storefront, in light (the page) and in dark (a card): the accent is measured against these,
// so a page may be lighter than the first and darker than the second.
const (
	LightBackground = "#f7f7f5"
	DarkBackground  = "#1a1b1e"
)

// DefaultAccent is the accent of a store view for which nobody has chosen one.
const DefaultAccent = "#2b6cb0"

// The contrasts that WCAG 2.2 asks of text (1.4.3) and of the edges of controls (1.4.11).
const (
	textContrast = 4.5
	edgeContrast = 3.0
)

type colour struct{ r, g, b float64 } // 0 to 255

// parseColour reads "#rrggbb".
func parseColour(text string) (colour, bool) {
	if len(text) != 7 || text[0] != '#' {
		return colour{}, false
	}
	n, err := strconv.ParseUint(text[1:], 16, 32)
	if err != nil {
		return colour{}, false
	}
	return colour{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

func mustColour(text string) colour {
	c, ok := parseColour(text)
	if !ok {
		panic("shop: no colour " + text)
	}
	return c
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c.r)), int(math.Round(c.g)), int(math.Round(c.b)))
}

// luminance is WCAG's relative luminance, 0 for black and 1 for white.
func (c colour) luminance() float64 {
	linear := func(channel float64) float64 {
		channel /= 255
		if channel <= 0.04045 {
			return channel / 12.92
		}
		return math.Pow((channel+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is WCAG's ratio of two colours, from 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// mix goes from c towards another colour; share is from 0 to 1.
func (c colour) mix(to colour, share float64) colour {
	return colour{c.r + (to.r-c.r)*share, c.g + (to.g-c.g)*share, c.b + (to.b-c.b)*share}
}

// onAccent is white where it can be read on the accent, else black.
func onAccent(accent string) string {
	c, ok := parseColour(accent)
	if ok && contrast(c, mustColour("#ffffff")) < textContrast {
		return "#000000"
	}
	return "#ffffff"
}

// accentFault says why an accent cannot be used, with the ratio that it reaches; "" when it can. Text on it is always
// readable, in black or in white; what can fail is to see the control on the page.
func accentFault(accent colour) string {
	for _, page := range []struct{ name, background string }{
		{"light", LightBackground}, {"dark", DarkBackground},
	} {
		if ratio := contrast(accent, mustColour(page.background)); ratio < edgeContrast {
			// Rounded down, so that 2.96 never reads as the 3.0 that it misses.
			return fmt.Sprintf("reaches only %.1f : 1 against a %s page, and controls need %.0f : 1 to be seen",
				math.Floor(ratio*10)/10, page.name, edgeContrast)
		}
	}
	text := contrast(accent, mustColour(onAccent(accent.String())))
	if text < textContrast {
		return fmt.Sprintf("leaves text on it at %.1f : 1, and text needs %.1f : 1 to be read", math.Floor(text*10)/10, textContrast)
	}
	return ""
}

// usableNear is the colour nearest to an unusable accent, on its way to white or to black, that can be used.
func usableNear(accent colour) colour {
	for share := 0.02; share < 1; share += 0.02 {
		for _, end := range []string{"#ffffff", "#000000"} {
			mixed := mustColour(accent.mix(mustColour(end), share).String())
			if accentFault(mixed) == "" {
				return mixed
			}
		}
	}
	return mustColour(DefaultAccent)
}
