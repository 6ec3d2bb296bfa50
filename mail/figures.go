package mail

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// Figures say how the queue of emails does. Other lanes are not in them: what a program does not take says nothing about
// this house.
type Figures struct {
	Depth     int64         // emails that have not ended
	Due       int64         // of these, emails that wait for a worker or for the mail server, not for a recipient's
	OldestDue time.Duration // since the first of those that are Due was queued
}

// Measure reads the queue's figures. It costs one pass over the emails that have not ended: for who looks now and then. What was put
// off for the sake of its recipient counts from the moment at which it is due again.
func Measure(ctx context.Context, tx *db.Tx) (Figures, error) {
	var f Figures
	now, err := tx.Now(ctx)
	if err != nil {
		return f, err
	}
	var oldest time.Time
	const fresh = `cause <> '' OR state = 'queued' OR state = 'sending' AND attempts = 1`
	err = tx.Row(ctx, `SELECT COUNT(*), COUNT(CASE WHEN next_at <= $1 OR `+fresh+` THEN 1 END),
		MIN(CASE WHEN `+fresh+` THEN created_at WHEN next_at <= $1 THEN next_at END)
		FROM letters WHERE settled_at IS NULL AND lane = $2`, db.Micro(now), Post).Scan(&f.Depth, &f.Due, db.IntoTime(&oldest))
	if err == nil && f.Due > 0 {
		f.OldestDue = max(now.Sub(oldest), 0)
	}
	return f, err
}

// recentEvents is how many of the last steps are looked at for one of a worker.
const recentEvents = 500

// Stuck tells whether emails have been due for longer than patience while no worker of any node has moved one. It costs a few looks
// into indexes, however long the queue is: a backlog that is being worked off is not stuck, and neither is one that the mail
// server refuses (Refusals).
func Stuck(ctx context.Context, tx *db.Tx, patience time.Duration) (bool, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return false, err
	}
	all, err := piles(ctx, tx, Post)
	due := false
	for _, one := range all {
		due = due || now.Sub(one.nextAt) > patience
	}
	if err != nil || !due {
		return false, err
	}
	var moved bool
	err = tx.Row(ctx, `SELECT COUNT(*) > 0 FROM (SELECT letter_id, state, at FROM letter_events ORDER BY id DESC LIMIT $1) e
		JOIN letters l ON l.id = e.letter_id WHERE e.state <> $2 AND e.at > $3 AND l.lane = $4`,
		recentEvents, string(Queued), db.Micro(now.Add(-patience)), Post).Scan(&moved)
	return !moved, err
}
