// Package admin knows the store's administrators and what they may do. It owns the tables admins, admin_sessions,
// admin_codes, admin_links and admin_passkeys.
//
// Promises:
//   - A Permit is made by Allow and CommandLine only, and the use cases that need one demand it as a parameter: a new
//     door cannot forget to ask.
//   - An administrator of one website cannot name what belongs to another: to them it does not exist.
//   - Signing in is bounded and answers alike for a wrong, an unknown, a disabled and a locked name.
//   - With a second factor, the password alone opens nothing: its session is half a session, which no Check accepts, and a
//     token of the web API is not issued for it. A code counts once, and so does a passkey's answer.
//   - Asking for a new password looks nobody up: every name gets the same answer. The letter's link is derived and rests nowhere,
//     works once, and changes the password only: the second factor is asked for as before.
//   - A new password keeps to the rules of customers' at their strictest, in every door: long enough, not common, breached, made of
//     the administrator's own names or easily guessed.
//   - Whoever's password or second factor changes is told by letter.
//   - Whoever is disabled or deleted is out at once, everywhere, and no link or token of theirs leads back. An owner of all websites
//     is always left.
//   - A new address is an administrator's once an email to it was answered.
//   - A session ends by itself, after a time without use and after a day at the latest; a new password ends them all.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Admin is one administrator.
type Admin struct {
	ID                      int64
	Username, Email, Name   string
	Role                    string
	WebsiteID               int64 // the only website they administer, 0 for all
	Active                  bool
	CreatedAt, LastSignInAt time.Time
	SecondFactor            bool // one is set up
	MustEnrol               bool // the store demands one, and none is set up; filled by Check
	hash                    string
	generation              int64
	Passkeys                int64
	totp                    []byte // sealed
}

// HasCode tells whether an app's code is a second factor of the administrator.
func (a Admin) HasCode() bool { return a.totp != nil }

// Service holds what the administrators' journeys need.
type Service struct {
	DB     *db.DB
	Shop   *shop.Shop
	Hasher *secret.Hasher
	Key    secret.Key // seals second factors
}

// Stands is the condition for what was issued to an administrator to be worth anything, but for the clock and its own state: on a
// row with the columns admin_id and generation.
const Stands = "EXISTS (SELECT 1 FROM admin_standing a WHERE a.id = admin_id AND a.active AND a.session_generation = generation)"

const columns = "id, username, email, name, role, website_id, active, password_hash, session_generation, created_at, last_sign_in_at, totp, passkeys"

func scan(row db.Scanner) (Admin, error) {
	var a Admin
	err := row.Scan(&a.ID, &a.Username, &a.Email, &a.Name, &a.Role, db.IntoInt(&a.WebsiteID), &a.Active, &a.hash,
		&a.generation, db.IntoTime(&a.CreatedAt), db.IntoTime(&a.LastSignInAt), &a.totp, &a.Passkeys)
	a.SecondFactor = a.HasCode() || a.Passkeys > 0
	if db.IsNoRows(err) {
		return Admin{}, noSuch()
	}
	return a, err
}

// New is what an administrator is made of.
type New struct {
	Username, Email, Name, Role string
	WebsiteID                   int64
	Password                    secret.Text
}

// longestFullName is how many characters the full name of an administrator may have.
const longestFullName = 100

var username = regexp.MustCompile(`^[A-Za-z0-9._@+-]{2,64}$`)

func (n New) check() error {
	var errs []error
	if !username.MatchString(n.Username) {
		errs = append(errs, fault.Refuse("username", "malformed", "A user name has 2 to 64 letters, digits or . _ @ + -", nil))
	}
	return errors.Join(append(errs, checkEmail(n.Email), checkName(n.Name), checkRole(n.Role))...)
}

func checkEmail(email string) error {
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email {
		return fault.Refuse("email", "email.malformed", "The e-mail address of the administrator is not valid.", nil)
	}
	return nil
}

// checkName refuses a name that could be more than a name where it stands in emails.
func checkName(name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > longestFullName || strings.ContainsFunc(name, unicode.IsControl) {
		return fault.Refuse("name", "name.invalid", fmt.Sprintf("A name is one line of at most %d characters.", longestFullName), nil)
	}
	return nil
}

func checkRole(name string) error {
	if _, ok := role(name); !ok {
		return fault.Refuse("role", "malformed", fmt.Sprintf("There is no role %q; the roles are %s.", name, strings.Join(roleNames(), ", ")), nil)
	}
	return nil
}

func noSuch() error { return fault.New(fault.NotFound, "not_found", "There is no such administrator.") }

func tooFar() error {
	return fault.New(fault.Forbidden, "forbidden", "Your role does not allow this. Ask an administrator who may.")
}

// Create makes an administrator. Errors: fault Invalid; Conflict when the name is taken; Forbidden for more websites than
// the permit covers.
func (s *Service) Create(ctx context.Context, permit Permit, n New, o audit.Origin) (Admin, error) {
	if err := permit.Need(ManageAdmins); err != nil {
		return Admin{}, err
	}
	if !permit.Covers(n.WebsiteID) {
		return Admin{}, tooFar()
	}
	if n.Role == "" {
		n.Role = Owner
	}
	if err := errors.Join(n.check(), s.judge(ctx, Admin{Username: n.Username, Email: n.Email, Name: n.Name}, n.Password, n.Password)); err != nil {
		return Admin{}, err
	}
	hash, err := s.Hasher.Hash(ctx, n.Password)
	if err != nil {
		return Admin{}, err
	}
	var made Admin
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		made, err = scan(tx.Row(ctx, `INSERT INTO admins (username, username_canon, email, name, role, website_id, password_hash, created_at)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT DO NOTHING RETURNING `+columns,
			n.Username, strings.ToLower(n.Username), n.Email, n.Name, n.Role, db.NullInt(n.WebsiteID), hash, db.Micro(now)))
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.Conflict, "admin.exists", fmt.Sprintf("There is an administrator %q already.", n.Username))
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.AdminCreated, Actor: permit.Actor(), Subject: n.Username, WebsiteID: n.WebsiteID, Origin: o,
			Detail: map[string]string{"role": n.Role}})
	})
	return made, err
}

// SetPassword gives an administrator a new password, ends every session and link of theirs, and tells them. The second factor
// stays. Errors: fault Invalid, NotFound, Forbidden.
func (s *Service) SetPassword(ctx context.Context, permit Permit, name string, password secret.Text) error {
	if err := permit.Need(ManageAdmins); err != nil {
		return err
	}
	who, err := s.ByName(ctx, name)
	if err != nil {
		return err
	}
	if err := s.judge(ctx, who, password, password); err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.alter(ctx, permit, who.ID, audit.Origin{}, func(tx *db.Tx, who Admin) (audit.Entry, error) {
		if _, err := tx.Exec(ctx, "UPDATE admins SET password_hash = $2, session_generation = session_generation + 1 WHERE id = $1", who.ID, hash); err != nil {
			return audit.Entry{}, err
		}
		if err := forgive(ctx, tx, who.Username); err != nil {
			return audit.Entry{}, err
		}
		return s.changed(ctx, tx, who, "password", audit.Origin{})
	})
}

func roleNames() []string {
	var names []string
	for _, r := range Roles() {
		names = append(names, r.Name)
	}
	return slices.Clip(names)
}
