package mail

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// pauses follow the first, second, … failed try. The first are short, because someone is waiting; later ones leave room for
// greylisting (commonly 5 minutes) and for an outage. The last one repeats until the email expires.
var pauses = []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

// pause is the wait after an email's nth try, with a fifth of jitter so that emails deferred together do not return together.
func pause(attempts int) time.Duration {
	p := pauses[min(max(attempts, 1), len(pauses))-1]
	return time.Duration(float64(p) * (0.8 + 0.4*rand.Float64()))
}

// pile is what waits of one website at one priority: the unit that takes turns.
type pile struct {
	priority Priority
	website  int64
	nextAt   time.Time // of its first email
}

// pilesQuery finds them by one look into the index for each, however many emails wait.
const pilesQuery = `WITH RECURSIVE pile (priority, website_id) AS (
			SELECT p.priority, (SELECT MIN(website_id) FROM letters WHERE settled_at IS NULL AND lane = $1 AND priority = p.priority)
			FROM (SELECT -1 AS priority UNION ALL SELECT 0 UNION ALL SELECT 1) p
			UNION ALL
			SELECT pile.priority, (SELECT MIN(website_id) FROM letters WHERE settled_at IS NULL AND lane = $1
				AND priority = pile.priority AND website_id > pile.website_id) FROM pile WHERE pile.website_id IS NOT NULL)
		SELECT priority, website_id, (SELECT MIN(next_at) FROM letters WHERE settled_at IS NULL AND lane = $1
			AND priority = pile.priority AND website_id = pile.website_id)
		FROM pile WHERE website_id IS NOT NULL ORDER BY priority, website_id`

func piles(ctx context.Context, tx *db.Tx, lane string) ([]pile, error) {
	rows, err := tx.Query(ctx, pilesQuery, lane)
	return db.Collect(rows, err, func(row db.Scanner) (p pile, err error) {
		err = row.Scan(&p.priority, &p.website, db.IntoTime(&p.nextAt))
		return p, err
	})
}

// plan is whose turn it is, and which refusals may be asked about.
type plan struct {
	turns []pile    // due, in the order of their turns
	all   []pile    // due or not
	ask   []Refusal // whose pause is over
}

// look reads what may be claimed. It is a read, so that an idle queue costs no write.
func (w *Worker) look(ctx context.Context) (p plan, err error) {
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		p = plan{}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		refused := map[int64]bool{}
		if w.Carry == nil {
			refusals, err := refusalsOf(ctx, tx, w.Transport.account())
			if err != nil {
				return err
			}
			for _, r := range refusals {
				refused[r.WebsiteID] = true
				if !now.Before(r.NextAt) {
					p.ask = append(p.ask, r)
				}
			}
		}
		if refused[Everybody] {
			p.ask = slices.DeleteFunc(p.ask, func(r Refusal) bool { return r.WebsiteID != Everybody })
			if len(p.ask) == 0 {
				return nil
			}
		}
		if p.all, err = piles(ctx, tx, w.Lane); err != nil {
			return err
		}
		p.all = w.inTurn(p.all)
		for _, one := range p.all {
			if !refused[Everybody] && !refused[one.website] && !now.Before(one.nextAt) {
				p.turns = append(p.turns, one)
			}
		}
		return nil
	})
	return p, err
}

// inTurn puts the website after the one that was served last in front, at each priority.
func (w *Worker) inTurn(all []pile) []pile {
	slices.SortStableFunc(all, func(a, b pile) int {
		last := w.served[a.priority]
		switch {
		case a.priority != b.priority:
			return int(a.priority) - int(b.priority)
		case (a.website > last) != (b.website > last):
			if a.website > last {
				return -1
			}
			return 1
		}
		return int(min(max(a.website-b.website, -1), 1))
	})
	return all
}

// take claims up to hands emails that are due: what a person waits for before all else, one of each website in turn, the longest
// due first. One hand is kept for what a person waits for, whatever fills the others. While an email is held, next_at is the end
// of its lease: one index finds new ones, deferred ones and those whose worker died.
func (w *Worker) take(ctx context.Context, hands, kept int) ([]claim, error) {
	p, err := w.look(ctx)
	if err != nil || len(p.turns)+len(p.ask) == 0 {
		return nil, err
	}
	var claims []claim
	base := claim{asked: time.Now(), lease: db.NewID()}
	served := maps.Clone(w.served)
	if served == nil {
		served = map[Priority]int64{}
	}
	err = w.DB.Write(ctx, func(tx *db.Tx) error {
		claims = nil
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		for _, r := range p.ask {
			if len(claims) < hands {
				if claims, err = w.probe(ctx, tx, base, now, r, p.all, claims); err != nil {
					return err
				}
			}
		}
		for turns := p.turns; len(turns) > 0; {
			var again []pile // where more may wait
			for _, turn := range turns {
				room := hands - len(claims)
				if turn.priority > Awaited {
					room -= kept
				}
				if turn.priority > turns[0].priority && len(again) > 0 {
					again = append(again, turn) // not before the more urgent ones are through
					continue
				}
				if room <= 0 {
					continue
				}
				id, found, err := w.claim(ctx, tx, base, now, turn, isDue)
				if err != nil {
					return err
				}
				if found {
					claims, again, served[turn.priority] = append(claims, base.of(id)), append(again, turn), turn.website
				}
			}
			turns = again
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.served = served
	return claims, nil
}

// What may be claimed of a pile; $4 is the moment.
const (
	isDue        = `next_at <= $4`
	untried      = `cause = '' AND next_at <= $4`
	refusedSoFar = `cause <> '' AND (next_at <= $4 OR lease IS NULL)`
)

// claimQuery claims one. The row is picked in a materialized table of its own: as a plain IN (SELECT … FOR UPDATE SKIP LOCKED)
// PostgreSQL may run the SELECT more than once and claim more than one.
func claimQuery(condition, skipLocked string) string {
	return `WITH due AS MATERIALIZED (
			SELECT id FROM letters WHERE settled_at IS NULL AND lane = $5 AND priority = $6 AND website_id = $7 AND ` + condition + `
			ORDER BY next_at LIMIT 1` + skipLocked + `)
		UPDATE letters SET state = $1, attempts = attempts + 1, lease = $2, lease_until = $3, next_at = $3
		WHERE id IN (SELECT id FROM due) RETURNING id`
}

// claim takes one email of a pile for which the condition holds.
func (w *Worker) claim(ctx context.Context, tx *db.Tx, c claim, now time.Time, from pile, condition string) (id db.ID, found bool, err error) {
	err = tx.Row(ctx, claimQuery(condition, tx.SkipLocked()),
		string(Sending), c.lease, db.Micro(now.Add(w.lease().life)), db.Micro(now), w.Lane, from.priority, from.website).Scan(&id)
	if db.IsNoRows(err) {
		return id, false, nil
	}
	return id, err == nil, err
}

// held reads a claimed email, and the moment. ok is false when the lease is no longer ours.
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
