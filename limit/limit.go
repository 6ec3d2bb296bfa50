// Package limit counts attempts. It owns the tables limits and lockouts.
//
// Promises:
//   - Exact: the row of a subject is locked by the statement that reads it, so that no two requests, on any number of
//     nodes, see the same count. Counts survive a restart; they commit with the journey that they belong to.
//   - A window slides: "five per hour" holds for every hour, not for a bucket that is refilled on the hour.
//   - Whoever owns many IPv6 networks gets no more for it than a few of them: a client counts in its /64 and in its /48.
//   - It does not know who is a customer: subjects are hashed, and unknown ones count and lock as known ones do.
package limit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// MaxPerWindow is the largest Rule.Max: each remembered hit takes eight bytes of its subject's row.
const MaxPerWindow = 10_000

// Rule is a limit on how often something may happen to one subject.
type Rule struct {
	Name        string        // tells the rules of one subject apart
	Max         int           // how many within Window; 0 is no limit
	Window      time.Duration // slides
	MinInterval time.Duration // between two; 0 is no limit
}

// Verdict is the answer to "now?".
type Verdict struct {
	Allowed bool
	NextAt  time.Time // when the next one will be allowed; the zero time when that is now
}

func (r Rule) off() bool { return r.Max <= 0 && r.MinInterval <= 0 }

// Take asks for one and, when it is allowed, counts it. A refusal is not counted: asking again costs nobody anything.
func Take(ctx context.Context, tx *db.Tx, r Rule, subject string) (Verdict, error) {
	return take(ctx, tx, counter{r, subject})
}

// counter is one row: a rule and whom it counts.
type counter struct {
	Rule
	subject string
}

// take asks all counters and counts in each of them, or in none.
func take(ctx context.Context, tx *db.Tx, counters ...counter) (Verdict, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return Verdict{}, err
	}
	var next time.Time
	all := make([][]int64, len(counters))
	for i, c := range counters {
		if c.off() {
			continue
		}
		var packed []byte
		// The upsert locks the row until the end of the transaction; whoever comes next waits and reads what we wrote.
		err := tx.Row(ctx, `INSERT INTO limits (key, hits, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at RETURNING hits`,
			c.key(), []byte{}, db.Micro(now.Add(max(c.Window, c.MinInterval)))).Scan(&packed)
		if err != nil {
			return Verdict{}, err
		}
		all[i] = c.within(unpack(packed), now)
		if own := c.next(all[i]); own.After(next) {
			next = own
		}
	}
	if next.After(now) {
		return Verdict{NextAt: next}, nil
	}
	for i, c := range counters {
		if c.off() {
			continue
		}
		if _, err := tx.Exec(ctx, "UPDATE limits SET hits = $2 WHERE key = $1", c.key(), pack(append(all[i], now.UnixMicro()))); err != nil {
			return Verdict{}, err
		}
	}
	return Verdict{Allowed: true}, nil
}

// Demand is Take for a limit that is said openly: what is not allowed is the fault, with the moment of the next one. As a
// refusal counts nothing, it may end the transaction. Errors: fault Limited under "limit.client".
func Demand(ctx context.Context, tx *db.Tx, r Rule, subject, text string) error {
	v, err := Take(ctx, tx, r, subject)
	return v.demanded(text, err)
}

// demanded is a verdict as an error.
func (v Verdict) demanded(text string, err error) error {
	if err == nil && !v.Allowed {
		err = fault.Until("limit.client", text, v.NextAt)
	}
	return err
}

// Peek answers without counting.
func Peek(ctx context.Context, tx *db.Tx, r Rule, subject string) (Verdict, error) {
	if r.off() {
		return Verdict{Allowed: true}, nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return Verdict{}, err
	}
	var packed []byte
	err = tx.Row(ctx, "SELECT hits FROM limits WHERE key = $1", counter{r, subject}.key()).Scan(&packed)
	if err != nil && !db.IsNoRows(err) {
		return Verdict{}, err
	}
	if next := r.next(r.within(unpack(packed), now)); next.After(now) {
		return Verdict{NextAt: next}, nil
	}
	return Verdict{Allowed: true}, nil
}

// refund takes back the latest hit.
func (c counter) refund(ctx context.Context, tx *db.Tx) error {
	if c.off() {
		return nil
	}
	var packed []byte
	err := tx.Row(ctx, "SELECT hits FROM limits WHERE key = $1"+tx.ForUpdate(), c.key()).Scan(&packed)
	if db.IsNoRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE limits SET hits = $2 WHERE key = $1", c.key(), packed[:max(0, len(packed)-8)])
	return err
}

// within drops the hits that no longer count. One that is further ahead than they count was made before the clock stepped back;
// it would keep its subject waiting for as long as the step.
func (r Rule) within(hits []int64, now time.Time) []int64 {
	long := max(r.Window, r.MinInterval)
	oldest, newest := now.Add(-long).UnixMicro(), now.Add(long).UnixMicro()
	return slices.DeleteFunc(hits, func(h int64) bool { return h <= oldest || h > newest })
}

// next is the first moment at which both the window and the interval allow one more.
func (r Rule) next(hits []int64) time.Time {
	var next time.Time
	if n := len(hits); n > 0 && r.MinInterval > 0 {
		next = time.UnixMicro(hits[n-1]).Add(r.MinInterval)
	}
	if r.Max > 0 && len(hits) >= r.Max {
		if free := time.UnixMicro(hits[len(hits)-r.Max]).Add(r.Window); free.After(next) {
			next = free
		}
	}
	return next.UTC()
}

// Sweep deletes rows that no longer say anything, at most max of them.
func Sweep(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE expires_at < $1 LIMIT $2`+
		tx.SkipLocked()+`)`, db.Micro(now), most)
}

func (c counter) key() []byte { return keyOf(c.Name, c.subject) }

// keyOf hides the subject (an address of a person, of a machine) and gives every row the same size.
func keyOf(name, subject string) []byte {
	sum := sha256.Sum256([]byte(name + "\x00" + subject))
	return sum[:]
}

func pack(hits []int64) []byte {
	b := make([]byte, 0, 8*len(hits))
	for _, h := range hits {
		b = binary.BigEndian.AppendUint64(b, uint64(h))
	}
	return b
}

func unpack(b []byte) []int64 {
	hits := make([]int64, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		hits = append(hits, int64(binary.BigEndian.Uint64(b)))
	}
	return hits
}
