package lang

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Date writes a moment in full, in the zone of the store view and with that zone named by its city:
// "Tuesday 24 November 2026, 15:40 (Paris)". A nil zone is UTC.
func (l *Lang) Date(t time.Time, zone *time.Location) string {
	return l.date("date.full", t, zone)
}

// ShortDate writes a moment for tables: "24 Nov 2026, 15:40". The zone is left out; a page shows Date where people can
// ask for it.
func (l *Lang) ShortDate(t time.Time, zone *time.Location) string {
	return l.date("date.short", t, zone)
}

func (l *Lang) date(key string, t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	month := strconv.Itoa(int(t.Month()))
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = l.T("date.first") // French writes "1er janvier"
	}
	return l.T(key,
		"Weekday", l.T("weekday."+strconv.Itoa(int(t.Weekday()))),
		"Day", day,
		"Month", l.T("month."+month),
		"MonthShort", l.T("month_short."+month),
		"Year", strconv.Itoa(t.Year()),
		"Hour", t.Hour(), "Minute", t.Minute(),
		"Zone", l.Zone(t))
}

// Zone names the zone of t as people call it: the city of the IANA name in this language ("Vienna", "Wien"), "UTC", or
// the offset where a zone has no city.
func (l *Lang) Zone(t time.Time) string {
	name := t.Location().String()
	if key := "city." + name; l.Has(key) {
		return l.T(key)
	}
	area, _, _ := strings.Cut(name, "/")
	if name != area && area != "Etc" {
		return strings.ReplaceAll(name[strings.LastIndex(name, "/")+1:], "_", " ")
	}
	_, offset := t.Zone()
	if offset == 0 {
		return "UTC"
	}
	sign := "+"
	if offset < 0 {
		sign, offset = "−", -offset
	}
	return fmt.Sprintf("UTC%s%d:%02d", sign, offset/3600, offset/60%60)
}

// Ago tells how long before now t was, in its largest unit: "3 minutes ago". A moment still to come reads "in 3
// minutes". Less than a minute is "just now".
func (l *Lang) Ago(t, now time.Time) string {
	key, distance := "ago.", now.Sub(t)
	if distance < 0 {
		// Waiting times are rounded up: who comes back "in 3 minutes" must not be early.
		key, distance = "in.", -distance+time.Minute-1
	}
	n, unit := largest(distance)
	if n == 0 {
		return l.T("ago.now")
	}
	return l.N(key+unit, n)
}

// largest expresses a distance in the largest unit that it fills, whole and rounded down; 0 for under a minute.
func largest(distance time.Duration) (n int, unit string) {
	const day = 24 * time.Hour
	switch {
	case distance < time.Hour:
		return int(distance / time.Minute), "minutes"
	case distance < day:
		return int(distance / time.Hour), "hours"
	case distance < 30*day:
		return int(distance / day), "days"
	case distance < 365*day:
		return int(distance / (30 * day)), "months"
	default:
		return int(distance / (365 * day)), "years"
	}
}

// Span writes a length of time in the largest unit that divides it: "24 hours", "10 minutes", "90 seconds".
func (l *Lang) Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return l.N("unit.days", int(d/day))
	case d >= time.Hour && d%time.Hour == 0:
		return l.N("unit.hours", int(d/time.Hour))
	case d >= time.Minute && d%time.Minute == 0:
		return l.N("unit.minutes", int(d/time.Minute))
	default:
		return l.N("unit.seconds", int(d/time.Second))
	}
}
