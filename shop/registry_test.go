package shop

import (
	"strings"
	"testing"
	"time"
)

// TestEverySettingIsComplete: the console, the command line and the documentation show whatever the registry holds.
func TestEverySettingIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Registry() {
		if seen[s.Path] {
			t.Errorf("%s is there twice", s.Path)
		}
		seen[s.Path] = true
		if s.Label == "" || s.Help == "" || s.Section == "" || s.Group == "" || len(s.Scopes.Kinds()) == 0 || !s.Scopes.Has(Default) {
			t.Errorf("%s lacks a label, a help, a place or a scope", s.Path)
		}
		if !strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: the help is no sentence: %q", s.Path, s.Help)
		}
		if _, err := s.parse(s.Default); err != nil {
			t.Errorf("%s refuses its own default: %v", s.Path, err)
		}
		if s.Type == Time && units[s.Unit] == 0 {
			t.Errorf("%s has the unit %q", s.Path, s.Unit)
		}
	}
}

// TestDefaultsAreTheHelpPages: six characters, no white space, 24 hours, five an hour, ten minutes between two.
func TestDefaultsAreTheHelpPages(t *testing.T) {
	for path, want := range map[string]string{
		PasswordPreset: "commerce", ResetProtectionType: "1", MaxResetRequests: "5", MinTimeBetweenResets: "10",
		LinkExpirationPeriod: "24", RequiredCharacterClasses: "1", MinimumPasswordLength: "6", AllowWhiteSpace: "0",
		LockoutFailures: "10", LockoutThreshold: "10", MaxRequestsPerClient: "40", CustomerTokenLifetime: "1",
		AdminLockoutFailures: "6", AdminLockoutThreshold: "30", AdminSessionLifetime: "900",
	} {
		if s, ok := Find(path); !ok || s.Default != want {
			t.Errorf("%s has the default %q, want %q", path, s.Default, want)
		}
	}
}

func TestPresetsSupplyOnlyWhatSettingsAccept(t *testing.T) {
	for _, preset := range Presets() {
		for path, text := range preset.Defaults {
			s, ok := Find(path)
			if !ok {
				t.Errorf("%s supplies %s, which does not exist", preset.Code, path)
				continue
			}
			if _, err := s.parse(text); err != nil {
				t.Errorf("%s: %v", preset.Code, err)
			}
		}
	}
}

func TestShowSpeaksToPeople(t *testing.T) {
	for _, r := range []struct{ path, text, want string }{
		{LinkExpirationPeriod, "24", "24 hours"},
		{LinkExpirationPeriod, "1", "1 hour"},
		{LinkExpirationPeriod, "0.5", "0.5 hours"},
		{LinkExpirationPeriod, "90s", "90s"},
		{MinimumPasswordLength, "6", "6 characters"},
		{MaxResetRequests, "5", "5"},
		{ResetProtectionType, "1", "By IP and Email"},
		{RequireConfirmation, "0", "No"},
	} {
		s, _ := Find(r.path)
		if got := s.Show(r.text); got != r.want {
			t.Errorf("%s %s: %q, want %q", r.path, r.text, got, r.want)
		}
	}
}

func TestAskingForAnotherTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a time was read as a number")
		}
	}()
	inForce{map[string]value{LinkExpirationPeriod: {duration: time.Hour}}}.Int(LinkExpirationPeriod)
}

func TestContrastIsWCAGs(t *testing.T) {
	for _, r := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21}, {"#777777", "#ffffff", 4.48}, {"#ff0000", "#ffffff", 4.00}, {"#123456", "#123456", 1},
	} {
		if got := contrast(mustColour(r.a), mustColour(r.b)); got < r.want-0.01 || got > r.want+0.01 {
			t.Errorf("%s on %s: %.2f, want %.2f", r.a, r.b, got, r.want)
		}
	}
}

// TestEveryAcceptedAccentCanBeRead goes through the colours in steps, and holds that a refused one has a neighbour to offer.
func TestEveryAcceptedAccentCanBeRead(t *testing.T) {
	accepted := 0
	for r := 0.0; r < 256; r += 17 {
		for g := 0.0; g < 256; g += 17 {
			for b := 0.0; b < 256; b += 17 {
				accent := colour{r, g, b}
				if accentFault(accent) != "" {
					accent = usableNear(accent)
				} else {
					accepted++
				}
				if why := accentFault(accent); why != "" {
					t.Fatalf("%s is offered and %s", accent, why)
				}
				text := mustColour(onAccent(accent.String()))
				if contrast(text, accent) < textContrast {
					t.Errorf("text on %s cannot be read", accent)
				}
			}
		}
	}
	if accepted == 0 || accentFault(mustColour(DefaultAccent)) != "" {
		t.Errorf("%d colours can be used, and the default accent: %s", accepted, accentFault(mustColour(DefaultAccent)))
	}
	if onAccent("#ffe066") != "#000000" || onAccent("#101060") != "#ffffff" {
		t.Error("text is black on light accents and white on dark ones")
	}
}
