package mail

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// canGoAgain tells whether an email that ended in a state may be sent again. What is needed to compose it is kept for that, for as
// long as what it says is true.
func canGoAgain(s State) bool { return s == Refused || s == SetAside }

// Again tells whether Retry would do something about the email: send it again, or try it now.
func (l Letter) Again() bool {
	if l.Lane != Post {
		return false
	}
	return l.SettledAt.IsZero() && l.State != Sending || canGoAgain(l.State) && l.hasData
}

// Retried is what a Retry has done.
type Retried struct {
	Tried int64 // that waited, and are due now
	Sent  int64 // that had ended, and are sent again
}

// Retry sends an email again that was refused or set aside, or tries one now that waits. Whatever the mail server last refused, it
// is asked again at once. Errors: fault NotFound; Conflict when its time is over, or when it has arrived.
func Retry(ctx context.Context, tx *db.Tx, id db.ID, by string) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	l, err := Get(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case l.Lane != Post:
		return fault.New(fault.NotFound, "letter.unknown", "There is no such letter.")
	case l.State == Sending:
		return fault.New(fault.Conflict, "letter.under_way", "This email is being sent right now.")
	case l.SettledAt.IsZero():
		if _, err := tx.Exec(ctx, `UPDATE letters SET next_at = $2 WHERE id = $1 AND lease IS NULL AND next_at > $2`, id, db.Micro(now)); err != nil {
			return err
		}
		return askNow(ctx, tx, l.WebsiteID)
	case !canGoAgain(l.State):
		return fault.New(fault.Conflict, "letter.ended", "Only an email that was refused or set aside can be sent again.")
	case !now.Before(l.ExpiresAt) || !l.hasData:
		return fault.New(fault.Conflict, "letter.over", "The time of this email is over: its link has expired, or it was answered for. Let a new one be asked for.")
	}
	if err := queueAgain(ctx, tx, []any{id}, by); err != nil {
		return err
	}
	return askNow(ctx, tx, l.WebsiteID)
}

// RetryWaiting makes everything of a website that waits due at once, or of Everybody, and asks the mail server again.
func RetryWaiting(ctx context.Context, tx *db.Tx, website int64) (tried int64, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	tried, err = tx.Exec(ctx, `UPDATE letters SET next_at = $1 WHERE settled_at IS NULL AND lane = $2 AND lease IS NULL AND (next_at > $1 OR cause <> '')
		AND (website_id = $3 OR $3 = $4)`, db.Micro(now), Post, website, Everybody)
	if err != nil {
		return 0, err
	}
	return tried, askNow(ctx, tx, website)
}

// RetryEnded sends emails of a website again, or of Everybody, that were refused or set aside and whose time is not over: at most
// most of them, and tells how many.
func RetryEnded(ctx context.Context, tx *db.Tx, website int64, most int, by string) (sent int64, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := tx.Query(ctx, `SELECT id FROM letters WHERE data <> '' AND expires_at > $1 AND settled_at IS NOT NULL AND state IN ($2, $3) AND lane = $4
		AND (website_id = $5 OR $5 = $6) ORDER BY expires_at LIMIT $7`+tx.SkipLocked(),
		db.Micro(now), string(Refused), string(SetAside), Post, website, Everybody, most)
	ids, err := db.Collect(rows, err, anyID)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return int64(len(ids)), queueAgain(ctx, tx, ids, by)
}

// queueAgain puts emails that had ended back into the queue.
func queueAgain(ctx context.Context, tx *db.Tx, ids []any, by string) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	args := append(slices.Clone(ids), db.Micro(now), string(Queued))
	at, state := "$"+strconv.Itoa(len(ids)+1), "$"+strconv.Itoa(len(ids)+2)
	if _, err := tx.Exec(ctx, `UPDATE letters SET state = `+state+`, settled_at = NULL, attempts = 0, cause = '', next_at = `+at+`
		WHERE settled_at IS NOT NULL AND id`+in(ids), args...); err != nil {
		return err
	}
	for _, id := range ids {
		if err := addEvent(ctx, tx, id.(db.ID), Event{At: now, State: Queued, Words: "Sent again by " + by + "."}); err != nil {
			return err
		}
	}
	return nil
}

// askNow ends the pauses before the mail server is asked again about a website, and about everybody.
func askNow(ctx context.Context, tx *db.Tx, website int64) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE mail_refusals SET next_at = $1 WHERE next_at > $1 AND (website_id IN ($2, $3) OR $2 = $3)`, db.Micro(now), website, Everybody)
	return err
}

// in is " IN ($1, $2, …)".
func in(ids []any) string {
	marks := make([]string, len(ids))
	for i := range ids {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	return " IN (" + strings.Join(marks, ", ") + ")"
}

func anyID(row db.Scanner) (any, error) {
	var one db.ID
	err := row.Scan(&one)
	return one, err
}
