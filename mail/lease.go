package mail

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// leaseTimes are the two durations of a lease. A lease is what a crash costs the letter under way, so it is short, and who
// is at work renews it: a slow mail server may take its minutes, and is never mistaken for a dead worker. It is longer
// than the failover of a database (some twenty seconds), so that an outcome can still be recorded after one.
type leaseTimes struct {
	life time.Duration // how long others leave the letter alone after the last sign of life
	beat time.Duration // between signs of life
}

var defaultLease = leaseTimes{life: 30 * time.Second, beat: 5 * time.Second}

// claim is the right of one worker to one letter, until the lease ends.
type claim struct {
	letter db.ID // zero: there is none, and the mail server itself is tried
	lease  db.ID
	asked  time.Time // by the node's own clock, before the database was asked: the lease ends no earlier than a life later

	asks    bool   // whether a Refusal still holds; nobody else asks meanwhile
	about   int64  // its website
	account string // its mail server
}

func (c claim) of(letter db.ID) claim {
	c.letter = letter
	return c
}

func (w *Worker) lease() leaseTimes {
	if w.times == (leaseTimes{}) {
		return defaultLease
	}
	return w.times
}

// hold renews a claim until stop is called. When the claim is somebody else's, or this node could not renew it and others
// are about to take it, lost is called: two workers must not speak about one letter.
func (w *Worker) hold(c claim, lost func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		lease := w.lease()
		tick := time.NewTicker(lease.beat)
		defer tick.Stop()
		for until := c.asked.Add(lease.life - lease.beat); ; {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			asked := time.Now()
			ctx, cancel := context.WithDeadline(context.Background(), until)
			ours, err := renew(ctx, w.DB, c, lease.life)
			cancel()
			switch {
			case err == nil && ours:
				until = asked.Add(lease.life - lease.beat)
			case err == nil, !time.Now().Before(until):
				lost()
				return
			}
		}
	}()
	return func() { close(done) }
}

// renew moves the end of a lease. ours is false when the letter is not ours any more: settled, or claimed by another.
func renew(ctx context.Context, d *db.DB, c claim, life time.Duration) (ours bool, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE letters SET lease_until = $3, next_at = $3 WHERE id = $1 AND lease = $2`,
			c.letter, c.lease, db.Micro(now.Add(life)))
		if ours = n == 1; err == nil && ours && c.asks {
			err = askAgain(ctx, tx, now.Add(life), c.account, c.about)
		}
		return err
	})
	return ours, err
}

// EndLeases makes the letters under way due at once. A server that knows itself to be the only one calls it before its
// workers start: whoever held them has died, and nobody needs to wait until the leases run out.
func EndLeases(ctx context.Context, tx *db.Tx) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE letters SET state = $1, next_at = $2, lease = NULL, lease_until = NULL
		WHERE settled_at IS NULL AND lease IS NOT NULL`, string(Deferred), db.Micro(now))
	return err
}
