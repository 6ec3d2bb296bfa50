package incident

import (
	"testing"
	"time"
)

// What is said of the pace of letters is what was chosen, unless they come later than that.
func TestTheRateOfLettersIsTheOneThatWasChosen(t *testing.T) {
	begun := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for _, r := range []struct {
		why           string
		perHour       int
		from, written int64
		after         time.Duration
		rate          float64
		left          time.Duration
	}{
		{"the first letter goes at once", 600, 0, 1, 100 * time.Millisecond, 600, 999 * 6 * time.Second},
		{"a burst after two seconds", 3600, 0, 3, 2 * time.Second, 3600, 997 * time.Second},
		{"most of the time is between two letters", 1, 0, 1, 50 * time.Minute, 1, 999 * time.Hour},
		{"another node took over just after a letter", 1, 7, 8, 114 * time.Minute, 1, 992 * time.Hour},
		{"nothing yet since then", 60, 100, 100, time.Second, 60, 15 * time.Hour},
		{"the machine does not keep up", 100_000, 0, 499, 30 * time.Minute, 1000, 501 * 3600 * time.Millisecond},
	} {
		i := Incident{State: Running, Phase: Writing, Treated: 1000, Chosen: 1000, Written: r.written,
			Measures: Measures{Letter: true, PerHour: r.perHour}, pacedAt: begun, pacedFrom: r.from}
		p := i.Progress(begun.Add(r.after))
		if p.PerHour != r.rate || p.Left.Round(time.Second) != r.left.Round(time.Second) {
			t.Errorf("%s: %v an hour, %v left; want %v and %v", r.why, p.PerHour, p.Left, r.rate, r.left)
		}
	}
}
