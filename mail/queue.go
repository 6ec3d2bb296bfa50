package mail

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// pauses follow the first, second, … failed try. The first are short, because someone is waiting; later ones leave room for
// greylisting (commonly 5 minutes) and for an outage. The last one repeats until the letter expires.
var pauses = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

// pause is the wait after a letter's nth try, with a fifth of jitter so that letters deferred together do not return together.
func pause(attempts int) time.Duration {
	p := pauses[min(max(attempts, 1), len(pauses))-1]
	return time.Duration(float64(p) * (0.8 + 0.4*rand.Float64()))
}

// due tells whether there is anything to claim. It is a read, so that an idle queue costs no write.
func due(ctx context.Context, d *db.DB, lane string) (bool, error) {
	found := false
	err := d.Read(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		var one int
		err = tx.Row(ctx, `SELECT 1 FROM letters WHERE settled_at IS NULL AND lane = $1 AND next_at <= $2 LIMIT 1`,
			lane, db.Micro(now)).Scan(&one)
		if db.IsNoRows(err) {
			return nil
		}
		found = err == nil
		return err
	})
	return found, err
}

// take claims up to n letters of a lane that are due, the longest due first. While a letter is held, next_at is the end of its lease:
// one index finds new letters, deferred ones and those whose worker died, in one fair order.
func take(ctx context.Context, d *db.DB, lane string, n int, life time.Duration) ([]claim, error) {
	if found, err := due(ctx, d, lane); err != nil || !found {
		return nil, err
	}
	var claims []claim
	asked := time.Now()
	err := d.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		until, holder := now.Add(life), db.NewID()
		// The rows are picked in a materialized table of their own: as a plain IN (SELECT … FOR UPDATE SKIP LOCKED) PostgreSQL
		// may run the SELECT more than once and claim more than n.
		rows, err := tx.Query(ctx, `WITH due AS MATERIALIZED (
				SELECT id FROM letters WHERE settled_at IS NULL AND lane = $6 AND next_at <= $1 ORDER BY next_at LIMIT $2`+tx.SkipLocked()+`)
			UPDATE letters SET state = $3, attempts = attempts + 1, lease = $4, lease_until = $5, next_at = $5
			WHERE id IN (SELECT id FROM due) RETURNING id`,
			db.Micro(now), n, string(Sending), holder, db.Micro(until), lane)
		claims, err = db.Collect(rows, err, func(row db.Scanner) (claim, error) {
			c := claim{lease: holder, asked: asked}
			err := row.Scan(&c.letter)
			return c, err
		})
		return err
	})
	return claims, err
}

// held reads a claimed letter, and the moment. ok is false when the lease is no longer ours.
func held(ctx context.Context, d *db.DB, c claim) (l Letter, now time.Time, ok bool, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		if now, err = tx.Now(ctx); err != nil {
			return err
		}
		l, err = scanLetter(tx.Row(ctx, `SELECT `+columns+` FROM letters WHERE id = $1 AND lease = $2`, c.letter, c.lease))
		if db.IsNoRows(err) {
			return nil
		}
		ok = err == nil
		return err
	})
	return l, now, ok, err
}

// outcome is what came of one try.
type outcome struct {
	state     State // Deferred, Unwritten or an end
	words     string
	server    string
	recipient string
}

// maxUnwritten is the number of times that a composer may fail before its letter is set aside.
const maxUnwritten = 4

// settle records the outcome of a claimed letter and gives the claim back. kept is the state that the letter is in now;
// it is "" when the lease had run out and somebody else decides.
func settle(ctx context.Context, d *db.DB, c claim, attempts int, o outcome) (kept State, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		kept = ""
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		state, event := o.state, o.state
		if o.state == Unwritten {
			if state, err = afterUnwritten(ctx, tx, c.letter); err != nil {
				return err
			}
		}
		query := `UPDATE letters SET state = $3, last_words = $4, recipient = CASE WHEN $5 = '' THEN recipient ELSE $5 END,
			lease = NULL, lease_until = NULL, `
		args := []any{c.letter, c.lease, string(state), o.words, o.recipient}
		if state == Deferred {
			// The last try is not after the end: then the letter is claimed once more and found expired.
			query += `next_at = CASE WHEN expires_at < $6 THEN expires_at ELSE $6 END`
			args = append(args, db.Micro(now.Add(pause(attempts))))
		} else {
			query += `next_at = $6, settled_at = $6, data = ''`
			args = append(args, db.Micro(now))
		}
		n, err := tx.Exec(ctx, query+` WHERE id = $1 AND lease = $2`, args...)
		if err != nil || n == 0 {
			return err
		}
		kept = state
		if event == Unwritten && state == SetAside {
			event = SetAside
		}
		return addEvent(ctx, tx, c.letter, Event{At: now, State: event, Words: o.words, Server: o.server})
	})
	return kept, err
}

// afterUnwritten decides by the history, because attempts also counts tries that failed at the mail server.
func afterUnwritten(ctx context.Context, tx *db.Tx, letter db.ID) (State, error) {
	var before int
	err := tx.Row(ctx, `SELECT COUNT(*) FROM letter_events WHERE letter_id = $1 AND state = $2`, letter, string(Unwritten)).Scan(&before)
	if before+1 >= maxUnwritten {
		return SetAside, err
	}
	return Deferred, err
}

// Figures say how the queue of letters does. Other lanes are not in them: what a program does not take says nothing about
// this house.
type Figures struct {
	Depth     int64         // letters that have not ended
	Due       int64         // of these, letters that wait for a worker right now
	OldestDue time.Duration // how long the first of them has been waiting; grows when no worker moves
}

// Measure reads the queue's figures. It costs one pass over the letters that have not ended.
func Measure(ctx context.Context, tx *db.Tx) (Figures, error) {
	var f Figures
	now, err := tx.Now(ctx)
	if err != nil {
		return f, err
	}
	var oldest time.Time
	err = tx.Row(ctx, `SELECT COUNT(*), COUNT(CASE WHEN next_at <= $1 THEN 1 END), MIN(next_at) FROM letters WHERE settled_at IS NULL AND lane = $2`,
		db.Micro(now), Post).Scan(&f.Depth, &f.Due, db.IntoTime(&oldest))
	if err == nil && f.Due > 0 {
		f.OldestDue = now.Sub(oldest)
	}
	return f, err
}
