package incident

import "time"

// Progress is how far an incident is, for people who wait.
type Progress struct {
	Done, Of int64         // of the present phase: customers looked at, treated, or written to
	PerHour  float64       // at the present pace; 0 while there is none yet
	Left     time.Duration // until the end of the phase at that pace; 0 when it is not known
	Letters  time.Duration // that queueing the letters which follow will take at the pace chosen
}

// Percent is Done of Of.
func (p Progress) Percent() int {
	if p.Of == 0 {
		return 0
	}
	return int(min(100, 100*p.Done/p.Of))
}

// Progress tells how far the incident was when it was read.
func (i Incident) Progress(now time.Time) Progress {
	p := Progress{}
	switch i.Phase {
	case Choosing:
		p.Done, p.Of = i.reached, i.ceiling
	case Treating:
		p.Done, p.Of = i.Treated, i.Chosen
	case Writing:
		p.Done, p.Of = i.Written, i.Treated
	case Over:
		p.Done, p.Of = i.Chosen, i.Chosen
		return p
	}
	if i.Measures.Letter && i.Phase != Writing {
		p.Letters = pace(i.Chosen, i.Measures.PerHour)
	}
	if i.State != Running || i.pacedAt.IsZero() {
		return p
	}
	since, did := now.Sub(i.pacedAt).Hours(), p.Done-i.pacedFrom
	switch {
	case i.Phase == Writing:
		// The first letters go at once, and a slow pace is between two of them most of the time: only where even the next letter
		// would come too late is the pace another one than was chosen.
		p.PerHour = float64(i.Measures.PerHour)
		if since > 0 {
			p.PerHour = min(p.PerHour, float64(did+1)/since)
		}
	case did > 0 && since > 0:
		p.PerHour = float64(did) / since
	}
	if p.PerHour > 0 {
		p.Left = time.Duration(float64(p.Of-p.Done) / p.PerHour * float64(time.Hour))
	}
	return p
}

// pace is how long n letters take.
func pace(n int64, perHour int) time.Duration {
	if perHour <= 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(perHour) * float64(time.Hour))
}

// LettersTake is how long queueing letters to so many customers takes.
func (m Measures) LettersTake(customers int64) time.Duration { return pace(customers, m.Pace()) }
