package limit

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

const (
	// ConsecutiveCeiling is how many failures in a row a subject may ever have (NIST SP 800-63B-4 §3.2.2). After
	// that only Forgive helps: a reset by letter, or an administrator.
	ConsecutiveCeiling = 100
	// LongestPause bounds the doubling of pauses, so that a lock that somebody else caused ends by itself within a day.
	LongestPause = 24 * time.Hour
)

var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Lock is a lock-out: after so many failures in a row there is a pause, which doubles each time it comes again.
type Lock struct {
	Name     string
	Failures int           // in a row before a pause; 0 is no lock-out
	Pause    time.Duration // the first one
}

// Attempt is a reservation to check one password.
type Attempt struct {
	Locked     bool      // do not check; the answer is the one for a wrong password
	JustLocked bool      // this attempt is the last one before a pause: if it fails, the pause has begun
	Until      time.Time // end of the pause, if there is one
}

// Try reserves one attempt before the password is checked, as if it had failed; Forgive takes it back on success.
// Counting first makes the limit exact: of a hundred parallel tries no more than Failures reach the hash.
func Try(ctx context.Context, tx *db.Tx, l Lock, subject string) (Attempt, error) {
	if l.Failures <= 0 || l.Pause <= 0 {
		return Attempt{}, nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return Attempt{}, err
	}
	key := keyOf(l.Name, subject)
	var failures int64
	var until time.Time
	err = tx.Row(ctx, `INSERT INTO lockouts (key, failures, last_at) VALUES ($1, 0, $2)
		ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at RETURNING failures, locked_until`,
		key, db.Micro(now)).Scan(&failures, db.IntoTime(&until))
	if err != nil {
		return Attempt{}, err
	}
	// A pause that would last longer than twice its length was begun before the clock stepped back; it is over.
	if longest := now.Add(2 * l.length(int(failures))); until.After(now) && (failures >= ConsecutiveCeiling || !until.After(longest)) {
		return Attempt{Locked: true, Until: until}, nil
	}
	failures++
	a := Attempt{}
	if pause := l.pauseAfter(int(failures), now); !pause.IsZero() {
		a.JustLocked, a.Until = true, pause
	}
	_, err = tx.Exec(ctx, "UPDATE lockouts SET failures = $2, locked_until = $3 WHERE key = $1",
		key, failures, db.Micro(a.Until))
	return a, err
}

// pauseAfter tells until when the subject is locked once that many attempts in a row have failed.
func (l Lock) pauseAfter(failures int, now time.Time) time.Time {
	switch {
	case failures >= ConsecutiveCeiling:
		return forever
	case failures%l.Failures != 0:
		return time.Time{}
	}
	return now.Add(l.length(failures))
}

// length is how long the pause is that so many failures in a row have led to last.
func (l Lock) length(failures int) time.Duration {
	pause := l.Pause
	for round := 1; round < failures/l.Failures && pause < LongestPause; round++ {
		pause *= 2
	}
	return min(pause, max(LongestPause, l.Pause))
}

// Forgive forgets every failure of a subject: it has proved itself, or someone who may has vouched for it.
func Forgive(ctx context.Context, tx *db.Tx, lockName, subject string) error {
	_, err := tx.Exec(ctx, "DELETE FROM lockouts WHERE key = $1", keyOf(lockName, subject))
	return err
}

// SweepLocks forgets failures older than age whose pause is over, at most that many rows. NIST's ceiling is on failures
// in a row, so age is long.
func SweepLocks(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM lockouts WHERE key IN (SELECT key FROM lockouts
		WHERE last_at < $1 AND (locked_until IS NULL OR locked_until < $2) LIMIT $3`+tx.SkipLocked()+`)`,
		db.Micro(now.Add(-age)), db.Micro(now), most)
}
