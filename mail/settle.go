package mail

import (
	"context"
	"regexp"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// outcome is what came of one try.
type outcome struct {
	state     State // Deferred, Unwritten or an end
	words     string
	server    string
	recipient string

	website int64   // of the email
	account string  // the mail server's, where it was spoken to; "" elsewhere
	refusal verdict // blame ours or ofServer: the mail server takes none of these now
	proved  bool    // the mail server took it, or judged this very email: it can be talked to
	told    bool    // the history ends with the same words already
}

// refuses tells whether the outcome is about more than this email.
func (o outcome) refuses() bool { return o.refusal.blame >= ours }

// without takes an address out of what a mail server said: they quote it.
func without(words, email string) string {
	return regexp.MustCompile("(?i)"+regexp.QuoteMeta(email)).ReplaceAllString(words, "…")
}

// about is the website that a refusal concerns.
func (o outcome) about() int64 {
	if o.refusal.blame == ofServer {
		return Everybody
	}
	return o.website
}

// inTime is what a history ends with when the time of an email is over.
const inTime = "It could not be handed over in time."

// maxUnwritten is the number of times that a composer may fail before its email is set aside.
const maxUnwritten = 4

// settled is what settle has done.
type settled struct {
	kept    State // that the email is in now; "" when the lease had run out and somebody else decides
	refused bool  // a refusal of the mail server that nobody knew of
	lifted  bool  // one that is over
}

// settle records the outcome of a claimed email and gives the claim back.
func settle(ctx context.Context, d *db.DB, c claim, attempts int, o outcome) (done settled, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		done = settled{}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if err := learn(ctx, tx, now, c, o, &done); err != nil {
			return err
		}
		state, event := o.state, o.state
		if o.state == Unwritten {
			if state, err = afterUnwritten(ctx, tx, c.letter); err != nil {
				return err
			}
		}
		query := `UPDATE letters SET state = $3, last_words = $4, recipient = CASE WHEN $5 = '' THEN recipient ELSE $5 END,
			lease = NULL, lease_until = NULL, cause = $7, `
		args := []any{c.letter, c.lease, string(state), o.words, o.recipient, db.Micro(now), ""}
		switch {
		case state == Deferred:
			// The last try is not after the end: then the email is claimed once more and found expired.
			query += `next_at = CASE WHEN expires_at < $6 THEN expires_at ELSE $6 END`
			args[5] = db.Micro(now.Add(pause(attempts)))
			if o.refuses() {
				args[6] = string(o.refusal.reason)
			}
		case canGoAgain(state):
			query += `next_at = $6, settled_at = $6, data = CASE WHEN lane = '' AND expires_at > $6 THEN data ELSE '' END`
		default:
			query += `next_at = $6, settled_at = $6, data = ''`
		}
		n, err := tx.Exec(ctx, query+` WHERE id = $1 AND lease = $2`, args...)
		if err != nil || n == 0 {
			return err
		}
		done.kept = state
		if event == Unwritten && state == SetAside {
			event = SetAside
		}
		if o.told {
			return nil
		}
		return addEvent(ctx, tx, c.letter, Event{At: now, State: event, Words: o.words, Server: o.server})
	})
	return done, err
}

// learn keeps what the outcome says about the mail server.
func learn(ctx context.Context, tx *db.Tx, now time.Time, c claim, o outcome, done *settled) (err error) {
	switch {
	case o.refuses():
		asked := c.asks && (c.about == Everybody || c.about == o.about())
		done.refused, err = noteRefusal(ctx, tx, now, o.account, asked, Refusal{WebsiteID: o.about(), Reason: o.refusal.reason, Words: o.words})
		if err == nil && c.asks && c.about == Everybody && o.about() != Everybody { // it can be talked to, and has another wish
			_, err = tx.Exec(ctx, `DELETE FROM mail_refusals WHERE server = $1 AND website_id = $2`, o.account, Everybody)
		}
	case o.proved:
		done.lifted, err = lift(ctx, tx, now, o.account, o.website)
	case c.asks:
		err = askAgain(ctx, tx, now, c.account, c.about)
	}
	return err
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
