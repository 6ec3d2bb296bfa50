package puzzle

import (
	"context"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/shop"
)

// An attack is judged by what the audit of all nodes says about the last window: more of something than the setting
// allows, and more than a multiple of what is usual. It is over when for the length of a calm neither half as much has
// happened nor half as many forms without a proof were refused.
const (
	window    = 10 * time.Minute
	calm      = 10 * time.Minute
	lookAgain = time.Minute // while it lasts
	multiple  = 5
	usualSpan = 7 * 24 * time.Hour
	remeasure = time.Hour
)

// Cause is what there was too much of.
type Cause string

// The causes of an alarm.
const (
	Resets   Cause = "resets"
	Accounts Cause = "accounts"
	Failures Cause = "failed sign-ins"
)

// signals are what is watched.
var signals = [...]struct {
	cause   Cause
	setting string
	actions []string
}{
	{Resets, shop.ProtectionResets, []string{audit.ResetRequested, audit.SignInCodeRequested}},
	{Accounts, shop.ProtectionResets, []string{audit.Registered}},
	{Failures, shop.ProtectionFailures, []string{audit.SignInFailed, audit.SignInLocked, audit.CodeRefused}},
}

// Alarm is the standing of one website.
type Alarm struct {
	WebsiteID int64
	Cause     Cause
	Since     time.Time // zero: nothing is going on
	Until     time.Time // when it will be over, if nothing more happens

	usual    [len(signals)]int // per window
	measured time.Time
}

func (a Alarm) on(now time.Time) bool { return a.Until.After(now) }

const alarmColumns = "website_id, cause, since, until, usual_resets, usual_accounts, usual_failures, measured_at"

func scanAlarm(row db.Scanner) (a Alarm, err error) {
	err = row.Scan(&a.WebsiteID, &a.Cause, db.IntoTime(&a.Since), db.IntoTime(&a.Until), &a.usual[0], &a.usual[1], &a.usual[2], db.IntoTime(&a.measured))
	return a, err
}

func readAlarm(ctx context.Context, tx *db.Tx, websiteID int64, lock string) (Alarm, error) {
	a, err := scanAlarm(tx.Row(ctx, "SELECT "+alarmColumns+" FROM alarms WHERE website_id = $1"+lock, websiteID))
	if db.IsNoRows(err) {
		return Alarm{WebsiteID: websiteID}, nil
	}
	return a, err
}

// Alarms lists the websites that are under attack now.
func Alarms(ctx context.Context, tx *db.Tx) ([]Alarm, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT "+alarmColumns+" FROM alarms WHERE until > $1 ORDER BY website_id", db.Micro(now))
	return db.Collect(rows, err, scanAlarm)
}

// protected tells whether proofs are asked for at a website. Pages ask this; watch judges.
func (s *Service) protected(ctx context.Context, v *shop.View) (now time.Time, on bool, err error) {
	mode := v.Text(shop.ProtectionMode)
	if mode == shop.ProtectionNever {
		return now, false, nil
	}
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		if now, err = tx.Now(ctx); err != nil || mode == shop.ProtectionAlways {
			return err
		}
		a, err := readAlarm(ctx, tx, v.WebsiteID, "")
		on = a.on(now)
		return err
	})
	return now, on || mode == shop.ProtectionAlways, err
}

// watch is protected for a form that was sent: it also judges whether the alarm is to be raised, kept up or ended.
func (s *Service) watch(ctx context.Context, v *shop.View) (now time.Time, on bool, err error) {
	if v.Text(shop.ProtectionMode) != shop.ProtectionAuto {
		return s.protected(ctx, v)
	}
	var a Alarm
	var cause Cause
	var known time.Time
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		if now, err = tx.Now(ctx); err != nil {
			return err
		}
		if a, err = readAlarm(ctx, tx, v.WebsiteID, ""); err != nil || a.Until.After(now.Add(calm-lookAgain)) {
			known = a.measured
			return err // looked at a moment ago
		}
		known = a.measured
		cause, err = a.judge(ctx, tx, v, now)
		return err
	})
	if err != nil {
		return now, false, err
	}
	over := !a.on(now) && !a.Since.IsZero()
	if cause != "" || over || a.measured.After(known) {
		err = s.DB.Write(ctx, func(tx *db.Tx) error { return a.settle(ctx, tx, v, cause, now) })
	}
	return now, cause != "" || a.on(now), err
}

// judge names what there is too much of, "" for nothing. It measures what is usual when that decides, at most once an hour.
func (a *Alarm) judge(ctx context.Context, tx *db.Tx, v *shop.View, now time.Time) (Cause, error) {
	for i, signal := range signals {
		floor := v.Int(signal.setting)
		most := floor
		if a.on(now) {
			most /= 2
		}
		n, err := frequency(ctx, tx, v, signal.actions, now.Add(-window), now, most)
		if err != nil {
			return "", err
		}
		if n <= most {
			continue
		}
		if !a.on(now) && now.Sub(a.measured) > remeasure { // an attack must not become what is usual
			if err := a.measure(ctx, tx, v, now); err != nil {
				return "", err
			}
		}
		if usual := multiple * a.usual[i]; usual > floor {
			if most = usual; a.on(now) {
				most /= 2
			}
			if n, err = frequency(ctx, tx, v, signal.actions, now.Add(-window), now, most); err != nil {
				return "", err
			}
		}
		if n > most {
			return signal.cause, nil
		}
	}
	if !a.on(now) {
		return "", nil
	}
	verdict, err := limit.Peek(ctx, tx, pressure(v), v.Website.Code)
	if err == nil && !verdict.Allowed {
		return a.Cause, nil
	}
	return "", err
}

// frequency counts up to one more than most.
func frequency(ctx context.Context, tx *db.Tx, v *shop.View, actions []string, from, to time.Time, most int) (sum int, err error) {
	for _, action := range actions {
		n, err := audit.Frequency(ctx, tx, v.WebsiteID, action, from, to.Add(time.Microsecond), most+1)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// measure takes the averages of the last days, without the last two windows: what goes on now is what is judged.
func (a *Alarm) measure(ctx context.Context, tx *db.Tx, v *shop.View, now time.Time) error {
	for i, signal := range signals {
		n, err := frequency(ctx, tx, v, signal.actions, now.Add(-usualSpan), now.Add(-2*window), 10_000_000)
		if err != nil {
			return err
		}
		windows := int((usualSpan - 2*window) / window)
		a.usual[i] = (n + windows - 1) / windows
	}
	a.measured = now
	return nil
}

// settle writes what was judged. Who of many at once turns the alarm on or off records it.
func (a Alarm) settle(ctx context.Context, tx *db.Tx, v *shop.View, cause Cause, now time.Time) error {
	if _, err := tx.Exec(ctx, "INSERT INTO alarms (website_id) VALUES ($1) ON CONFLICT (website_id) DO NOTHING", v.WebsiteID); err != nil {
		return err
	}
	stands, err := readAlarm(ctx, tx, v.WebsiteID, tx.ForUpdate())
	if err != nil {
		return err
	}
	entry := audit.Entry{Actor: audit.Actor{Kind: audit.System}, Subject: string(cause), WebsiteID: v.WebsiteID}
	switch {
	case cause != "" && stands.on(now):
		stands.Until = now.Add(calm)
	case cause != "":
		stands.Cause, stands.Since, stands.Until = cause, now, now.Add(calm)
		entry.Action, entry.Detail = audit.ProtectionStarted, map[string]string{"usual": strconv.Itoa(a.usual[indexOf(cause)])}
	case !stands.on(now) && !stands.Since.IsZero():
		entry.Action, entry.Subject = audit.ProtectionEnded, string(stands.Cause)
		entry.Detail = map[string]string{"since": stands.Since.Format(time.RFC3339), "until": stands.Until.Format(time.RFC3339)}
		stands.Since, stands.Until = time.Time{}, time.Time{}
	}
	_, err = tx.Exec(ctx, `UPDATE alarms SET cause = $2, since = $3, until = $4, usual_resets = $5, usual_accounts = $6,
		usual_failures = $7, measured_at = $8 WHERE website_id = $1`, v.WebsiteID, stands.Cause, db.Micro(stands.Since), db.Micro(stands.Until),
		a.usual[0], a.usual[1], a.usual[2], db.Micro(a.measured))
	if err != nil || entry.Action == "" {
		return err
	}
	return audit.Record(ctx, tx, entry)
}

func indexOf(c Cause) int {
	for i, signal := range signals {
		if signal.cause == c {
			return i
		}
	}
	return 0
}

// pressure counts the forms that are refused for want of a proof: while they keep coming, the attack is not over.
func pressure(v *shop.View) limit.Rule {
	return limit.Rule{Name: "unproven", Max: max(1, min(v.Int(shop.ProtectionResets), v.Int(shop.ProtectionFailures))/2), Window: window}
}

// press counts one. It looks first: once there are enough, a flood costs no more writes.
func (s *Service) press(ctx context.Context, v *shop.View) error {
	var full bool
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		verdict, err := limit.Peek(ctx, tx, pressure(v), v.Website.Code)
		full = !verdict.Allowed
		return err
	})
	if err != nil || full {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := limit.Take(ctx, tx, pressure(v), v.Website.Code)
		return err
	})
}
