package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// What is said to who manages administrators.
var (
	errLastOwner = fault.New(fault.Conflict, "admin.last_owner", "This is the last owner of all websites. Make somebody else an owner of all websites first.")
	errSelf      = fault.New(fault.Conflict, "admin.self", "This is your own account. Ask another owner to do this.")
)

// alter changes one administrator, in one transaction with the entry that act returns; one without an action says that there was
// nothing to change. Errors: fault Forbidden; NotFound, also for those whom the permit does not cover; Conflict where no owner of
// all websites would be left.
func (s *Service) alter(ctx context.Context, permit Permit, id int64, o audit.Origin, act func(tx *db.Tx, who Admin) (audit.Entry, error)) error {
	if err := permit.Need(ManageAdmins); err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		// One after the other: of two owners who disable each other at the same moment, one does. So the permit is looked at after that.
		if err := queueUp(ctx, tx); err != nil {
			return err
		}
		if err := permit.still(ctx, tx); err != nil {
			return err
		}
		who, err := Reach(ctx, tx, permit.Covers, id)
		if err != nil {
			return err
		}
		e, err := act(tx, who)
		if err != nil || e.Action == "" {
			return err
		}
		if err := s.ownerStays(ctx, tx, who); err != nil {
			return err
		}
		e.Actor, e.Subject, e.WebsiteID, e.Origin = permit.Actor(), who.Username, who.WebsiteID, o
		return audit.Record(ctx, tx, e)
	})
}

// queueUp locks the rows of all administrators, in one order.
func queueUp(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.Query(ctx, "SELECT id FROM admins ORDER BY id"+tx.ForUpdate())
	_, err = db.Collect(rows, err, func(row db.Scanner) (id int64, err error) { return id, row.Scan(&id) })
	return err
}

// ownerStays refuses to take the last one away who can do everything everywhere.
func (s *Service) ownerStays(ctx context.Context, tx *db.Tx, before Admin) error {
	if before.Role != Owner || before.WebsiteID != 0 || !before.Active {
		return nil
	}
	var left int
	err := tx.Row(ctx, "SELECT COUNT(*) FROM admins WHERE role = $1 AND website_id IS NULL AND active AND deleted_at IS NULL", Owner).Scan(&left)
	if err == nil && left == 0 {
		err = errLastOwner
	}
	return err
}

// Disable ends every session, link and token of an administrator at once, and lets them neither sign in nor ask for a new password
// until they are enabled. Errors: those of alter; fault Conflict for one's own account.
func (s *Service) Disable(ctx context.Context, permit Permit, id int64, o audit.Origin) error {
	return s.setActive(ctx, permit, id, false, audit.AdminDisabled, o)
}

// Enable lets an administrator sign in again. What was ended stays ended. Errors: those of alter.
func (s *Service) Enable(ctx context.Context, permit Permit, id int64, o audit.Origin) error {
	return s.setActive(ctx, permit, id, true, audit.AdminEnabled, o)
}

func (s *Service) setActive(ctx context.Context, permit Permit, id int64, active bool, action string, o audit.Origin) error {
	return s.alter(ctx, permit, id, o, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		switch {
		case who.Active == active:
			return audit.Entry{}, nil
		case permit.who.ID == id:
			return audit.Entry{}, errSelf
		}
		_, err := tx.Exec(ctx, "UPDATE admins SET active = $2, session_generation = session_generation + 1 WHERE id = $1", id, active)
		return audit.Entry{Action: action}, err
	})
}

// EndSessions ends every session, link and token of an administrator. Errors: those of alter.
func (s *Service) EndSessions(ctx context.Context, permit Permit, id int64, o audit.Origin) error {
	return s.alter(ctx, permit, id, o, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		_, err := tx.Exec(ctx, "UPDATE admins SET session_generation = session_generation + 1 WHERE id = $1", id)
		return audit.Entry{Action: audit.AdminSessionsEnded}, err
	})
}

// Delete forgets an administrator: name, address, password, second factors, sessions and links. Only the number stays, which the
// audit and tokens that are worth nothing any more point at; the user name is free again. Errors: those of Disable.
func (s *Service) Delete(ctx context.Context, permit Permit, id int64, o audit.Origin) error {
	return s.alter(ctx, permit, id, o, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		if permit.who.ID == id {
			return audit.Entry{}, errSelf
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return audit.Entry{}, err
		}
		// No user name begins with #.
		_, err = tx.Exec(ctx, `UPDATE admins SET deleted_at = $2, active = FALSE, session_generation = session_generation + 1, username = $3, username_canon = $3,
			email = '', name = '', password_hash = '', totp = NULL, totp_pending = NULL, passkeys = 0, passkey_pending = NULL WHERE id = $1`,
			id, db.Micro(now), "#"+strconv.FormatInt(id, 10))
		for _, table := range []string{"admin_sessions", "admin_codes", "admin_passkeys", "admin_links"} {
			if err == nil {
				_, err = tx.Exec(ctx, "DELETE FROM "+table+" WHERE admin_id = $1", id)
			}
		}
		return audit.Entry{Action: audit.AdminDeleted}, err
	})
}

// Changes are what may be changed about an administrator by somebody else; nil stays as it is.
type Changes struct {
	Name, Role *string
	WebsiteID  *int64 // 0 for all
}

// Update changes an administrator, and records old and new. What they are allowed holds from their next request on. Errors: those of
// alter; fault Invalid; Forbidden for more websites than the permit covers.
func (s *Service) Update(ctx context.Context, permit Permit, id int64, ch Changes, o audit.Origin) (changed bool, err error) {
	err = s.alter(ctx, permit, id, o, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		after := who
		if ch.Name != nil {
			after.Name = strings.TrimSpace(*ch.Name)
		}
		if ch.Role != nil {
			after.Role = *ch.Role
		}
		if ch.WebsiteID != nil {
			after.WebsiteID = *ch.WebsiteID
		}
		if err := errors.Join(checkName(after.Name), checkRole(after.Role)); err != nil {
			return audit.Entry{}, err
		}
		if !permit.Covers(after.WebsiteID) {
			return audit.Entry{}, tooFar()
		}
		detail, err := s.differences(ctx, tx, who, after)
		if err != nil || len(detail) == 0 {
			return audit.Entry{}, err
		}
		changed = true
		_, err = tx.Exec(ctx, "UPDATE admins SET name = $2, role = $3, website_id = $4 WHERE id = $1", id, after.Name, after.Role, db.NullInt(after.WebsiteID))
		return audit.Entry{Action: audit.AdminChanged, Detail: detail}, err
	})
	return changed && err == nil, err
}

// differences tells what changes, as the audit says it.
func (s *Service) differences(ctx context.Context, tx *db.Tx, before, after Admin) (map[string]string, error) {
	snap, err := s.Shop.LoadIn(ctx, tx)
	if err != nil {
		return nil, err
	}
	website := func(id int64) string {
		if w, ok := snap.Website(id); ok {
			return w.Code
		}
		return "all"
	}
	return audit.Changed(map[string][2]string{"name": {before.Name, after.Name}, "role": {before.Role, after.Role},
		"website": {website(before.WebsiteID), website(after.WebsiteID)}}), nil
}

// ByName finds an administrator, active or not. Errors: fault NotFound.
func (s *Service) ByName(ctx context.Context, name string) (who Admin, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		who, err = scan(tx.Row(ctx, "SELECT "+columns+" FROM admins WHERE username_canon = $1 AND deleted_at IS NULL", strings.ToLower(name)))
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "not_found", fmt.Sprintf("There is no administrator %q.", name))
		}
		return err
	})
	return who, err
}

// Find reads one administrator, active or not. Errors: fault NotFound.
func Find(ctx context.Context, tx *db.Tx, id int64) (Admin, error) {
	return scan(tx.Row(ctx, "SELECT "+columns+" FROM admins WHERE id = $1 AND deleted_at IS NULL", id))
}

// Reach is Find for somebody who may see some websites only: who is outside does not exist. covers is Permit.Covers. Errors: fault NotFound.
func Reach(ctx context.Context, tx *db.Tx, covers func(websiteID int64) bool, id int64) (Admin, error) {
	who, err := Find(ctx, tx, id)
	if err == nil && !covers(who.WebsiteID) {
		return Admin{}, noSuch()
	}
	return who, err
}

// List returns every administrator by name.
func List(ctx context.Context, tx *db.Tx) ([]Admin, error) {
	rows, err := tx.Query(ctx, "SELECT "+columns+" FROM admins WHERE deleted_at IS NULL ORDER BY username_canon")
	return db.Collect(rows, err, scan)
}
