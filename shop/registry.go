package shop

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is what a setting's value means.
type Type uint8

// The types of setting.
const (
	Number     Type = iota // a whole number
	Time                   // a length of time: a number in the setting's unit, or a duration such as 90s
	YesNo                  // 1 or 0
	Choice                 // one of the setting's options
	WebAddress             // where something is reached, https; or nothing
)

// ScopeMask is the scopes at which a setting may be set.
type ScopeMask uint8

// The scopes, as Commerce combines them.
const (
	ScopeDefault ScopeMask = 1 << iota
	ScopeWebsites
	ScopeStores

	untilWebsites = ScopeDefault | ScopeWebsites
	everywhere    = untilWebsites | ScopeStores
)

// Has reports whether a setting may be set at a kind of scope.
func (m ScopeMask) Has(kind string) bool {
	switch kind {
	case Default:
		return m&ScopeDefault != 0
	case Websites:
		return m&ScopeWebsites != 0
	case Stores:
		return m&ScopeStores != 0
	default:
		return false
	}
}

// Kinds lists the scopes from the general to the particular.
func (m ScopeMask) Kinds() []string {
	return slices.DeleteFunc([]string{Default, Websites, Stores}, func(kind string) bool { return !m.Has(kind) })
}

// Option is one allowed value of a choice.
type Option struct{ Value, Label string }

// Setting describes one setting: everything that a page, a command or the documentation says about it.
type Setting struct {
	Path    string // as in Adobe Commerce where it has the setting
	Label   string
	Help    string
	Section string // the page of the console: "Customer Configuration"
	Group   string // the part of the page: "Password Options"
	Type    Type
	Unit    string // of a number or a time: "minutes"; "" where it counts things
	Default string
	Options []Option // of a Choice
	Scopes  ScopeMask
	Min     int64 // smallest value; for a time in nanoseconds
	Max     int64 // largest value; for a time in nanoseconds
}

// Registry lists every setting, in the order in which the console shows them.
func Registry() []Setting { return slices.Clone(registry) }

// Find gives the setting of a path.
func Find(path string) (Setting, bool) {
	for i := range registry {
		if registry[i].Path == path {
			return registry[i], true
		}
	}
	return Setting{}, false
}

// units are the units of time that Commerce uses.
var units = map[string]time.Duration{
	"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour,
}

// Show writes a value for people: "24 hours", "By IP and Email", "Yes".
func (s Setting) Show(text string) string {
	switch s.Type {
	case YesNo:
		if text == "1" {
			return "Yes"
		}
		return "No"
	case Choice:
		for _, option := range s.Options {
			if option.Value == text {
				return option.Label
			}
		}
	case Time:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return counted(n, s.Unit)
		}
	case WebAddress:
		if text == "" {
			return "not set"
		}
	case Number:
		if n, err := strconv.Atoi(text); err == nil && s.Unit != "" {
			return counted(float64(n), s.Unit)
		}
	}
	return text
}

// counted writes "1 hour" and "24 hours".
func counted(n float64, unit string) string {
	if n == 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + " " + unit
}

// value is the meaning of a text that was parsed before, when it was set or loaded.
func (s Setting) value(text string, origin Scope) value {
	v, err := s.parse(text)
	if err != nil {
		panic("shop: " + err.Error())
	}
	v.origin = origin
	return v
}

// parse reads a value and refuses one that the setting does not allow, in words that name the setting and the bound.
func (s Setting) parse(text string) (value, error) {
	text = strings.TrimSpace(text)
	switch s.Type {
	case Number:
		return s.parseNumber(text)
	case Time:
		return s.parseTime(text)
	case YesNo:
		return s.parseYesNo(text)
	case WebAddress:
		return s.parseWebAddress(text)
	default:
		return s.parseChoice(text)
	}
}

func (s Setting) parseNumber(text string) (value, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return value{}, s.refuse("takes a whole number from %d to %d, not %q", s.Min, s.Max, text)
	}
	if n < s.Min || n > s.Max {
		return value{}, s.refuse("must be from %d to %d; %d is outside", s.Min, s.Max, n)
	}
	return value{text: strconv.FormatInt(n, 10), number: int(n)}, nil
}

func (s Setting) parseTime(text string) (value, error) {
	d, err := time.ParseDuration(text)
	if n, plain := strconv.ParseFloat(text, 64); plain == nil {
		d, err = scale(n, units[s.Unit])
	}
	if err != nil {
		return value{}, s.refuse("takes a number of %s or a duration such as 90s or 30m, not %q", s.Unit, text)
	}
	if d < time.Duration(s.Min) {
		if s.Min > 0 && d <= 0 {
			return value{}, s.refuse("must be more than zero; the least is %s", s.bound(s.Min))
		}
		return value{}, s.refuse("must be at least %s; %s is less", s.bound(s.Min), s.Show(text))
	}
	if d > time.Duration(s.Max) {
		return value{}, s.refuse("must be at most %s; %s is more", s.bound(s.Max), s.Show(text))
	}
	return value{text: text, duration: d}, nil
}

// scale multiplies a plain number by its unit and refuses what time.Duration cannot hold.
func scale(n float64, unit time.Duration) (time.Duration, error) {
	d := n * float64(unit)
	if math.IsNaN(d) || math.Abs(d) > float64(math.MaxInt64/2) {
		return 0, strconv.ErrRange
	}
	return time.Duration(d).Round(time.Millisecond), nil
}

// bound writes a limit of a time in the setting's unit, or in seconds where that unit would need a fraction.
func (s Setting) bound(limit int64) string {
	unit := s.Unit
	if limit%int64(units[unit]) != 0 {
		unit = "seconds"
	}
	return counted(float64(limit)/float64(units[unit]), unit)
}

func (s Setting) parseYesNo(text string) (value, error) {
	switch strings.ToLower(text) {
	case "1", "yes", "true", "on":
		return value{text: "1", yes: true}, nil
	case "0", "no", "false", "off":
		return value{text: "0"}, nil
	default:
		return value{}, s.refuse("takes 1 (yes) or 0 (no), not %q", text)
	}
}

func (s Setting) parseChoice(text string) (value, error) {
	allowed := make([]string, len(s.Options))
	for i, option := range s.Options {
		if strings.EqualFold(text, option.Value) || strings.EqualFold(text, option.Label) {
			return value{text: option.Value}, nil
		}
		allowed[i] = fmt.Sprintf("%s (%s)", option.Value, option.Label)
	}
	return value{}, s.refuse("takes one of %s, not %q", strings.Join(allowed, ", "), text)
}

// parseWebAddress reads what letters' links are built on. Plain http is for a machine's own browser only.
func (s Setting) parseWebAddress(text string) (value, error) {
	if text == "" {
		return value{}, nil
	}
	b, err := parseBaseURL(text)
	if err != nil {
		return value{}, s.refuse("%s", err)
	}
	if ip := net.ParseIP(b.host); b.scheme != "https" && b.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return value{}, s.refuse("must begin with https://; plain http is for this machine only")
	}
	return value{text: b.String()}, nil
}

// refuse begins with the setting's label and path, so that the sentence stands alone in a terminal.
func (s Setting) refuse(format string, args ...any) error {
	return refuse("value", "%s (%s) %s.", s.Label, s.Path, fmt.Sprintf(format, args...))
}
