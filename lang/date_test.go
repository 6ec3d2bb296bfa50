package lang

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

func TestDateNamesItsZone(t *testing.T) {
	afternoon := time.Date(2026, 11, 24, 14, 40, 0, 0, time.UTC)
	for _, c := range []struct {
		why, locale, zone string
		at                time.Time
		want              string
	}{
		{"English", "en_US", "Europe/Paris", afternoon, "Tuesday 24 November 2026, 15:40 (Paris)"},
		{"French, no-break where a line must not end", "fr_FR", "Europe/Paris", afternoon, "mardi 24\u00a0novembre 2026 à 15\u00a0h\u00a040 (Paris)"},
		{"German", "de_DE", "Europe/Berlin", afternoon, "Dienstag, 24. November 2026, 15:40 Uhr (Berlin)"},
		{"a city with a name of its own", "de_AT", "Europe/Vienna", afternoon, "Dienstag, 24. November 2026, 15:40 Uhr (Wien)"},
		{"the same city in French", "fr_FR", "Europe/Vienna", afternoon, "mardi 24\u00a0novembre 2026 à 15\u00a0h\u00a040 (Vienne)"},
		{"a city of two words", "en_US", "America/New_York", afternoon, "Tuesday 24 November 2026, 09:40 (New York)"},
		{"three levels", "en_US", "America/Argentina/Buenos_Aires", afternoon, "Tuesday 24 November 2026, 11:40 (Buenos Aires)"},
		{"UTC", "en_US", "UTC", afternoon, "Tuesday 24 November 2026, 14:40 (UTC)"},
		{"a zone without a city", "en_US", "Etc/GMT+5", afternoon, "Tuesday 24 November 2026, 09:40 (UTC−5:00)"},
		{"the first of a month, an hour of one digit", "fr_FR", "Europe/Paris", time.Date(2026, 1, 1, 8, 5, 0, 0, time.UTC), "jeudi 1er\u00a0janvier 2026 à 9\u00a0h\u00a005 (Paris)"},
		{"summer time", "en_US", "Europe/Paris", time.Date(2026, 7, 14, 22, 30, 0, 0, time.UTC), "Wednesday 15 July 2026, 00:30 (Paris)"},
	} {
		if got := For(c.locale).Date(c.at, zone(t, c.zone)); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	if got := For("en").Date(afternoon, nil); got != "Tuesday 24 November 2026, 14:40 (UTC)" {
		t.Errorf("no zone: %q", got)
	}
}

func TestShortDate(t *testing.T) {
	at := time.Date(2026, 11, 24, 14, 40, 0, 0, time.UTC)
	for locale, want := range map[string]string{
		"en": "24 Nov 2026, 15:40", "fr": "24\u00a0nov. 2026, 15\u00a0h\u00a040", "de": "24. Nov. 2026, 15:40",
	} {
		if got := For(locale).ShortDate(at, zone(t, "Europe/Paris")); got != want {
			t.Errorf("%s: %q, want %q", locale, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 24, 14, 40, 0, 0, time.UTC)
	for _, c := range []struct {
		before time.Duration
		en, de string
		why    string
	}{
		{30 * time.Second, "just now", "gerade eben", ""},
		{time.Minute, "1 minute ago", "vor 1 Minute", ""},
		{3*time.Minute + 59*time.Second, "3 minutes ago", "vor 3 Minuten", ""},
		{2 * time.Hour, "2 hours ago", "vor 2 Stunden", ""},
		{48 * time.Hour, "2 days ago", "vor 2 Tagen", ""},
		{65 * 24 * time.Hour, "2 months ago", "vor 2 Monaten", ""},
		{800 * 24 * time.Hour, "2 years ago", "vor 2 Jahren", ""},
		{-61 * time.Second, "in 2 minutes", "in 2 Minuten", "who comes back in 1 minute would be early"},
		{-10 * time.Minute, "in 10 minutes", "in 10 Minuten", ""},
	} {
		if got := For("en").Ago(now.Add(-c.before), now); got != c.en {
			t.Errorf("%v before: %q, want %q %s", c.before, got, c.en, c.why)
		}
		if got := For("de").Ago(now.Add(-c.before), now); got != c.de {
			t.Errorf("%v before: %q, want %q %s", c.before, got, c.de, c.why)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "24 hours", 72 * time.Hour: "3 days", 90 * time.Second: "90 seconds",
		10 * time.Minute: "10 minutes", time.Hour: "1 hour", 90 * time.Minute: "90 minutes",
	} {
		if got := For("en").Span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
