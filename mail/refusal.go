package mail

import (
	"context"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// Everybody is the website of a Refusal that concerns all of them.
const Everybody int64 = -1

// Refusal is what a mail server does not take at the moment: from one website, or from anybody. Emails that it concerns wait. One
// of them at a time finds out whether the server takes it again, after growing pauses; then all of them go.
type Refusal struct {
	Server    string // host:port
	WebsiteID int64  // Everybody, or the website whose emails are not taken
	Reason    Reason
	Words     string // the server's own, or ours
	Since     time.Time
	Tries     int       // answered like this in a row
	NextAt    time.Time // when it is asked again

	account string // the row's key
}

const (
	firstAsked   = time.Second
	longestAsked = time.Minute
	longestSign  = 5 * time.Minute // for SignIn: many wrong tries lock accounts, and addresses out
	// forgotten is when a refusal has been asked about by nobody for so long that the node which met it is gone.
	forgotten = 15 * time.Minute
)

// pause grows with the tries.
func (r Refusal) pause() time.Duration {
	longest := longestAsked
	if r.Reason == SignIn {
		longest = longestSign
	}
	p := firstAsked
	for range r.Tries - 1 {
		if p *= 2; p >= longest {
			return longest
		}
	}
	return p
}

// account names the mail server and the user in the table: with another user name the same server is another one.
func (t *Transport) account() string {
	if t == nil {
		return ""
	}
	return t.User + "@" + t.Server()
}

// Refusals lists what mail servers do not take now, of any node, those that concern everybody first.
func Refusals(ctx context.Context, tx *db.Tx) ([]Refusal, error) { return refusalsOf(ctx, tx, "") }

// refusalsOf lists those of one account, or of all for "".
func refusalsOf(ctx context.Context, tx *db.Tx, account string) ([]Refusal, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT server, website_id, reason, words, since, tries, next_at FROM mail_refusals
		WHERE (server = $1 OR $1 = '') AND next_at > $2 ORDER BY website_id, server`, account, db.Micro(now.Add(-forgotten)))
	return db.Collect(rows, err, func(row db.Scanner) (r Refusal, err error) {
		err = row.Scan(&r.account, &r.WebsiteID, &r.Reason, &r.Words, db.IntoTime(&r.Since), &r.Tries, db.IntoTime(&r.NextAt))
		r.Server = r.account[strings.LastIndexByte(r.account, '@')+1:]
		return r, err
	})
}

// noteRefusal records that the mail server does not take emails of a website, or of anybody. Only who was sent to ask makes the pauses
// grow: what was under way beside it tells nothing new. first tells whether nobody knew.
func noteRefusal(ctx context.Context, tx *db.Tx, now time.Time, account string, asked bool, r Refusal) (first bool, err error) {
	err = tx.Row(ctx, `SELECT tries FROM mail_refusals WHERE server = $1 AND website_id = $2 AND next_at > $3`,
		account, r.WebsiteID, db.Micro(now.Add(-forgotten))).Scan(&r.Tries)
	first = db.IsNoRows(err)
	switch {
	case err != nil && !first:
		return false, err
	case !first && !asked:
		return false, nil
	}
	r.Tries++
	_, err = tx.Exec(ctx, `INSERT INTO mail_refusals (server, website_id, reason, words, since, tries, next_at) VALUES ($1,$2,$3,$4,$5,$6,$7)
		ON CONFLICT (server, website_id) DO UPDATE SET reason = excluded.reason, words = excluded.words, tries = excluded.tries,
		next_at = excluded.next_at, since = CASE WHEN excluded.tries = 1 THEN excluded.since ELSE mail_refusals.since END`,
		account, r.WebsiteID, string(r.Reason), r.Words, db.Micro(now), r.Tries, db.Micro(now.Add(r.pause())))
	return first, err
}

// lift ends the refusals that an answer of the mail server has disproved: those of the website, and of everybody. What waited for
// that goes at once. A refusal that was met once only was about one email, which keeps its own pauses.
func lift(ctx context.Context, tx *db.Tx, now time.Time, account string, website int64) (lifted bool, err error) {
	rows, err := tx.Query(ctx, `DELETE FROM mail_refusals WHERE server = $1 AND website_id IN ($2, $3) RETURNING website_id, tries`,
		account, website, Everybody)
	gone, err := db.Collect(rows, err, func(row db.Scanner) (r Refusal, err error) {
		err = row.Scan(&r.WebsiteID, &r.Tries)
		return r, err
	})
	for _, r := range gone {
		if r.Tries > 1 && err == nil {
			err = release(ctx, tx, now, r.WebsiteID)
		}
	}
	return len(gone) > 0, err
}

// release makes what the mail server refused due at once: of a website, or of Everybody.
func release(ctx context.Context, tx *db.Tx, now time.Time, website int64) error {
	_, err := tx.Exec(ctx, releaseQuery, db.Micro(now), Post, website, Everybody)
	return err
}

const releaseQuery = `UPDATE letters SET next_at = $1 WHERE settled_at IS NULL AND cause <> '' AND lane = $2 AND lease IS NULL
	AND next_at > $1 AND (website_id = $3 OR $3 = $4)`

// probe claims the one email that asks whether a refusal still holds, whatever its own pause: one that nobody has tried yet before
// those that were refused, so that a single email which is never taken holds nobody up. Without any the connection itself is
// tried; a refusal of a website without emails is over.
func (w *Worker) probe(ctx context.Context, tx *db.Tx, c claim, now time.Time, r Refusal, all []pile, claims []claim) ([]claim, error) {
	account := w.Transport.account()
	n, err := tx.Exec(ctx, `UPDATE mail_refusals SET next_at = $3 WHERE server = $1 AND website_id = $2 AND next_at <= $4`,
		account, r.WebsiteID, db.Micro(now.Add(w.lease().life)), db.Micro(now))
	if err != nil || n == 0 {
		return claims, err
	}
	c.asks, c.about, c.account = true, r.WebsiteID, account
	for _, condition := range []string{untried, refusedSoFar} {
		for _, from := range all {
			if r.WebsiteID != Everybody && r.WebsiteID != from.website {
				continue
			}
			id, found, err := w.claim(ctx, tx, c, now, from, condition)
			if err != nil {
				return claims, err
			}
			if found {
				return append(claims, c.of(id)), nil
			}
		}
	}
	if r.WebsiteID == Everybody {
		return append(claims, c), nil
	}
	_, err = tx.Exec(ctx, `DELETE FROM mail_refusals WHERE server = $1 AND website_id = $2`, account, r.WebsiteID)
	return claims, err
}

// askAgain sets when the mail server is asked next: at once, for an email that never reached it; later, while one is under way.
func askAgain(ctx context.Context, tx *db.Tx, at time.Time, account string, website int64) error {
	_, err := tx.Exec(ctx, `UPDATE mail_refusals SET next_at = $3 WHERE server = $1 AND website_id = $2`, account, website, db.Micro(at))
	return err
}
