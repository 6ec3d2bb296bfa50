package mail

import (
	"fmt"
	"math"
	"strconv"
)

// The letter's own colours. Dark ones are close to those that mail programs choose, so that a letter does not look pasted in.
var (
	paperLight = colour{0xff, 0xff, 0xff}
	paperDark  = colour{0x1c, 0x1c, 0x1e}
	black      = colour{0, 0, 0} // anything softer leaves some accents without a readable text
	white      = colour{0xff, 0xff, 0xff}
	quietBlue  = colour{0x1f, 0x4b, 0x99} // when a store view's accent cannot be read
)

// readable is the contrast of text to its ground that WCAG 2.2 SC 1.4.3 asks for.
const readable = 4.5

type colour struct{ r, g, b uint8 }

func parseColour(s string) colour {
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 32)
	if len(s) != 7 || s[0] != '#' || err != nil {
		return quietBlue
	}
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// on gives the text colour, nearly black or white, that reads better on c.
func (c colour) on() colour {
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}

// against changes how light c is, keeping its hue, until it can be read on ground; most accents stay as they are.
func (c colour) against(ground colour) colour {
	hue, saturation, lightness := c.hsl()
	far := 1.0
	if ground.on() == black {
		far = 0
	}
	for step := range 50 {
		moved := hsl(hue, saturation, lightness+(far-lightness)*float64(step)/50)
		if step == 0 {
			moved = c // untouched by rounding
		}
		if contrast(moved, ground) >= readable {
			return moved
		}
	}
	return ground.on()
}

// hsl gives hue in sixths of the circle, saturation and lightness from 0 to 1.
func (c colour) hsl() (hue, saturation, lightness float64) {
	r, g, b := float64(c.r)/255, float64(c.g)/255, float64(c.b)/255
	high, low := max(r, g, b), min(r, g, b)
	span := high - low
	lightness = (high + low) / 2
	if span == 0 {
		return 0, 0, lightness
	}
	saturation = span / (1 - math.Abs(2*lightness-1))
	switch high {
	case r:
		hue = math.Mod((g-b)/span+6, 6)
	case g:
		hue = (b-r)/span + 2
	default:
		hue = (r-g)/span + 4
	}
	return hue, saturation, lightness
}

func hsl(hue, saturation, lightness float64) colour {
	chroma := (1 - math.Abs(2*lightness-1)) * saturation
	part := func(offset float64) uint8 {
		h := math.Mod(hue+offset, 6)
		v := lightness + chroma*(max(-0.5, min(0.5, math.Abs(h-3)-1.5)))
		return uint8(math.Round(max(0, min(1, v)) * 255))
	}
	return colour{part(0), part(4), part(2)}
}

// luminance and contrast are WCAG 2.2's.
func (c colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}
