package signin

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// MaxSessions is how many signed-in browsers one account may have; the longest unused one makes room.
	MaxSessions = 50
	// seenEvery bounds how often using a session writes to the database.
	seenEvery = 5 * time.Minute
)

// Session is one signed-in browser.
type Session struct {
	ID                               db.ID
	CustomerID, ViewID               int64
	CreatedAt, LastSeenAt, ExpiresAt time.Time
	Place, Browser                   string
	Current                          bool // the one that asks
	passwordProven, passkeyProven    time.Time
}

// Opened is a session just begun; Secret goes into the cookie and nowhere else.
type Opened struct {
	Secret   secret.Text
	Life     time.Duration // from now, by whichever clock
	Customer customer.Customer
	TookOver bool // whatever somebody else had who made the account has ended with it
}

// Signed is who a cookie stands for.
type Signed struct {
	Customer  customer.Customer
	Session   Session
	Proven    bool // they showed a password or a passkey in this session within ProofLife
	Again     bool // and once more after signing in
	ByPasskey bool // a passkey
}

// SignIn checks the password and begins a session. Errors: those of Prove.
func (s *Service) SignIn(ctx context.Context, v *shop.View, email string, password secret.Text, o audit.Origin) (Opened, error) {
	proof, err := s.Prove(ctx, v, email, password, o)
	if err != nil {
		return Opened{}, err
	}
	var opened Opened
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := proof.Accept(ctx, tx); err != nil {
			return err
		}
		opened, err = begin(ctx, tx, v, proof.Customer, byPassword, o)
		return err
	})
	return opened, err
}

// Begin is Open in a transaction of its own.
func (s *Service) Begin(ctx context.Context, v *shop.View, c customer.Customer, o audit.Origin) (opened Opened, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		opened, err = Open(ctx, tx, v, c, o)
		return err
	})
	return opened, err
}

// Open begins a session for a customer whose right to it was shown in this journey: by the password, or by having just
// made the account. It is issued under the generation that c was read with.
func Open(ctx context.Context, tx *db.Tx, v *shop.View, c customer.Customer, o audit.Origin) (Opened, error) {
	return begin(ctx, tx, v, c, "", o)
}

func begin(ctx context.Context, tx *db.Tx, v *shop.View, c customer.Customer, how string, o audit.Origin) (Opened, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return Opened{}, err
	}
	opened := Opened{Secret: secret.Random(), Life: v.Duration(shop.SessionLifetime), Customer: c}
	proven := map[string]time.Time{how: now}
	_, err = tx.Exec(ctx, `INSERT INTO sessions (id, secret_hash, customer_id, store_view_id, generation, created_at, last_seen_at,
		expires_at, place, browser, password_proven_at, passkey_proven_at) VALUES ($1,$2,$3,$4,$5,$6,$6,$7,$8,$9,$10,$11)`, db.NewID(),
		secret.Digest(opened.Secret), c.ID, v.ID, c.SessionGeneration, db.Micro(now), db.Micro(now.Add(opened.Life)), o.Place(), o.Browser(),
		db.Micro(proven[byPassword]), db.Micro(proven[byPasskey]))
	if err != nil {
		return Opened{}, err
	}
	// Also drops sessions that an older generation or their age has ended.
	_, err = tx.Exec(ctx, `DELETE FROM sessions WHERE customer_id = $1 AND (generation < $2 OR expires_at <= $3 OR id IN
		(SELECT id FROM sessions WHERE customer_id = $1 ORDER BY last_seen_at DESC, id DESC LIMIT 1000 OFFSET $4))`,
		c.ID, c.SessionGeneration, db.Micro(now), MaxSessions)
	if err != nil {
		return Opened{}, err
	}
	if err := customer.SignedIn(ctx, tx, c.ID, now, o.IP); err != nil {
		return Opened{}, err
	}
	e := audit.Entry{Action: audit.SessionStarted, Actor: c.Actor(), CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o}
	if how == byPasskey {
		e.Detail = map[string]string{"with": how}
	}
	return opened, audit.Record(ctx, tx, e)
}

// live is the condition for a session to be worth anything; $1 is now, $2 the moment since when it must have been seen.
const live = customer.SessionStands + " AND " + inTime

const inTime = "expires_at > $1 AND last_seen_at > $2"

const columns = "id, customer_id, store_view_id, created_at, last_seen_at, expires_at, place, browser, password_proven_at, passkey_proven_at"

func scan(row db.Scanner) (Session, error) {
	var s Session
	err := row.Scan(&s.ID, &s.CustomerID, &s.ViewID, db.IntoTime(&s.CreatedAt), db.IntoTime(&s.LastSeenAt),
		db.IntoTime(&s.ExpiresAt), &s.Place, &s.Browser, db.IntoTime(&s.passwordProven), db.IntoTime(&s.passkeyProven))
	return s, err
}

func signedOut() error { return fault.New(fault.Unauthenticated, "signin.required", "Please sign in.") }

// Still refuses, in the transaction of what it is for, a session that was ended since it was checked: what is given out for it must
// not outlive it. Errors: fault Unauthenticated.
func Still(ctx context.Context, tx *db.Tx, who Signed) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	var one int
	err = tx.Row(ctx, "SELECT 1 FROM sessions WHERE id = $3 AND "+live, db.Micro(now), int64(0), who.Session.ID).Scan(&one)
	if db.IsNoRows(err) {
		return signedOut()
	}
	return err
}

// Check returns who a cookie stands for. A cookie of another website stands for nobody. Errors: fault Unauthenticated.
func (s *Service) Check(ctx context.Context, v *shop.View, cookie secret.Text) (Signed, error) {
	if !secret.WellFormed(cookie) {
		return Signed{}, signedOut()
	}
	var who Signed
	var touch time.Time
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		who.Session, err = scan(tx.Row(ctx, "SELECT "+columns+" FROM sessions WHERE secret_hash = $3 AND "+live, db.Micro(now),
			db.Micro(now.Add(-v.Duration(shop.SessionIdle))), secret.Digest(cookie)))
		if db.IsNoRows(err) {
			return signedOut()
		}
		if err != nil {
			return err
		}
		if who.Customer, err = customer.Find(ctx, tx, who.Session.CustomerID); err != nil {
			return err
		}
		if who.Customer.WebsiteID != v.WebsiteID {
			return signedOut()
		}
		who.Session.Current = true
		since := now.Add(-ProofLife)
		last := who.Session.passkeyProven
		who.ByPasskey = last.After(since)
		if last.Before(who.Session.passwordProven) {
			last = who.Session.passwordProven
		}
		who.Proven = last.After(since)
		who.Again = who.Proven && last.After(who.Session.CreatedAt)
		if now.Sub(who.Session.LastSeenAt) >= min(seenEvery, v.Duration(shop.SessionIdle)/4) {
			touch = now
		}
		return nil
	})
	if err != nil {
		return Signed{}, err
	}
	if touch.IsZero() {
		return who, nil
	}
	return who, s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE sessions SET last_seen_at = $2 WHERE id = $1", who.Session.ID, db.Micro(touch))
		return err
	})
}

// SignOut ends the session behind a cookie on every node before it returns. A cookie that is worth nothing is no error.
func (s *Service) SignOut(ctx context.Context, v *shop.View, cookie secret.Text, o audit.Origin) error {
	who, err := s.Check(ctx, v, cookie)
	if fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.End(ctx, who, who.Session.ID, o)
}

// End ends one of the customer's own sessions: the one that asks at any time, another only when its owner has shown a moment
// ago who they are (ASVS 7.5.2). Errors: fault Forbidden, NotFound.
func (s *Service) End(ctx context.Context, who Signed, id db.ID, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if id != who.Session.ID {
			if err := mustBeProven(ctx, tx, who); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, "DELETE FROM sessions WHERE id = $1 AND customer_id = $2", id, who.Customer.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.NotFound, "session.not_found", "This browser was signed out already.")
		}
		return audit.Record(ctx, tx, ended(who.Customer, audit.SessionEnded, o, n))
	})
}

// EndOthers ends every session of the customer but the one that asks, whose owner must have shown a moment ago who they are,
// and tells how many. Errors: fault Forbidden.
func (s *Service) EndOthers(ctx context.Context, who Signed, o audit.Origin) (n int64, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := mustBeProven(ctx, tx, who); err != nil {
			return err
		}
		n, err = KeepOnly(ctx, tx, who)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, ended(who.Customer, audit.SessionsEnded, o, n))
	})
	return n, err
}

// KeepOnly ends every session of the customer but the given one: the generation is raised, and the one that stays is
// moved under the new generation. If it is dead already it stays dead.
func KeepOnly(ctx context.Context, tx *db.Tx, who Signed) (n int64, err error) {
	n, err = Count(ctx, tx, who.Customer.ID)
	if err != nil {
		return 0, err
	}
	generation, err := customer.EndSessions(ctx, tx, who.Customer.ID)
	if err != nil {
		return 0, err
	}
	kept, err := tx.Exec(ctx, "UPDATE sessions SET generation = $3 WHERE id = $1 AND customer_id = $2 AND generation = $3 - 1",
		who.Session.ID, who.Customer.ID, generation)
	return max(0, n-kept), err
}

// EndAll ends every session of a customer in the caller's transaction, and tells how many there were.
func EndAll(ctx context.Context, tx *db.Tx, customerID int64) (n int64, err error) {
	if n, err = Count(ctx, tx, customerID); err != nil {
		return 0, err
	}
	_, err = customer.EndSessions(ctx, tx, customerID)
	return n, err
}

// Count tells how many sessions of a customer are alive, whatever their idle time.
func Count(ctx context.Context, tx *db.Tx, customerID int64) (n int64, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	err = tx.Row(ctx, "SELECT COUNT(*) FROM sessions WHERE customer_id = $3 AND "+live, db.Micro(now), int64(0), customerID).Scan(&n)
	return n, err
}

// CountMany is Count for many customers. With cut, those that a cut of their whole website at
// that moment has just ended.
func CountMany(ctx context.Context, tx *db.Tx, ids []int64, cut time.Time) (map[int64]int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	alive := live
	if !cut.IsZero() {
		alive = fmt.Sprintf("%s AND created_at <= %d AND %s", customer.SessionAgrees, cut.UnixMicro(), inTime)
	}
	return db.Counts(tx.Query(ctx, "SELECT customer_id, COUNT(*) FROM sessions WHERE "+alive+
		" AND customer_id IN ("+db.Marks(3, len(ids))+") GROUP BY customer_id", append([]any{db.Micro(now), int64(0)}, db.Args(ids)...)...))
}

// List returns the living sessions of a customer, the one in use last first. current is the one that asks, if any.
func List(ctx context.Context, tx *db.Tx, customerID int64, current db.ID) ([]Session, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM sessions WHERE customer_id = $3 AND "+live+" ORDER BY last_seen_at DESC, id", db.Micro(now), int64(0), customerID)
	all, err := db.Collect(rows, err, scan)
	for i := range all {
		all[i].Current = all[i].ID == current
	}
	return all, err
}

// Sweep deletes sessions that their age has ended, at most most of them.
func Sweep(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2`+tx.SkipLocked()+`)`,
		db.Micro(now), most)
}

// Erase deletes what is kept of a customer's sessions, the places and the browsers, and of their passkeys.
func Erase(ctx context.Context, tx *db.Tx, customerID int64) error {
	if _, err := DropPasskeys(ctx, tx, customerID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM sessions WHERE customer_id = $1", customerID)
	return err
}

func ended(c customer.Customer, action string, o audit.Origin, n int64) audit.Entry {
	return audit.Entry{Action: action, Actor: c.Actor(), CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID,
		Origin: o, Detail: map[string]string{"sessions": strconv.FormatInt(n, 10)}}
}
