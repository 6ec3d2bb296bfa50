package admin

import (
	"context"
	"slices"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// Right is something that an administrator may be allowed to do.
type Right string

const (
	ViewCustomers   Right = "customers.view"
	EditCustomers   Right = "customers.edit"
	ResetPassword   Right = "customers.reset_password"
	ForceSignIn     Right = "customers.force_sign_in"
	UnlockCustomer  Right = "customers.unlock"
	ViewSettings    Right = "settings.view"
	EditSettings    Right = "settings.edit"
	ViewLetters     Right = "letters.view"
	ViewAudit       Right = "audit.view"
	EditStores      Right = "stores.edit"
	ManageAdmins    Right = "admins.manage"
	DeleteCustomers Right = "customers.delete"
	ManagePrograms  Right = "integrations.manage"
	RunIncidents    Right = "incidents.run"
	RemovePasskeys  Right = "customers.remove_passkeys"
	ResendEmails    Right = "emails.resend"
)

// Owner is the role that may do everything.
const Owner = "owner"

// Role is a named set of rights.
type Role struct {
	Name, Label string
	Rights      []Right
}

// Roles lists the roles, from all rights to the fewest.
func Roles() []Role {
	return []Role{
		{Owner, "Owner", []Right{ViewCustomers, EditCustomers, ResetPassword, ForceSignIn, UnlockCustomer, ViewSettings,
			EditSettings, ViewLetters, ViewAudit, EditStores, ManageAdmins, DeleteCustomers, ManagePrograms,
			RunIncidents, RemovePasskeys, ResendEmails}},
		{"manager", "Manager", []Right{ViewCustomers, EditCustomers, ResetPassword, ForceSignIn, UnlockCustomer, ViewSettings,
			EditSettings, ViewLetters, ViewAudit, EditStores, RemovePasskeys, ResendEmails}},
		{"support", "Customer support", []Right{ViewCustomers, ResetPassword, ForceSignIn, UnlockCustomer, ViewLetters, RemovePasskeys, ResendEmails}},
		{"viewer", "Viewer", []Right{ViewCustomers, ViewSettings, ViewLetters, ViewAudit}},
	}
}

func role(name string) (Role, bool) {
	i := slices.IndexFunc(Roles(), func(r Role) bool { return r.Name == name })
	if i < 0 {
		return Role{}, false
	}
	return Roles()[i], true
}

// Permit proves that somebody was allowed to use one right. Its fields are unexported, so that no other package makes one.
type Permit struct {
	right Right
	who   Admin
	actor audit.Actor
}

// Allow makes a Permit if the administrator's role has the right. Errors: fault Forbidden.
func Allow(who Admin, r Right) (Permit, error) {
	has, ok := role(who.Role)
	if !ok || !who.Active || who.ID == 0 || !slices.Contains(has.Rights, r) {
		return Permit{}, tooFar()
	}
	return Permit{right: r, who: who, actor: audit.Actor{Kind: audit.Store, ID: who.ID, Name: who.Username}}, nil
}

// Program is an integration that acts for the store, with the rights that an administrator granted it.
type Program struct {
	ID     int64
	Name   string
	Rights []Right
}

// AllowProgram makes a Permit if the integration was granted the right. Errors: fault Forbidden.
func AllowProgram(p Program, r Right) (Permit, error) {
	if p.ID == 0 || !slices.Contains(p.Rights, r) {
		return Permit{}, fault.New(fault.Forbidden, "forbidden", "This integration was not granted the right to do this.")
	}
	return Permit{right: r, actor: audit.Actor{Kind: audit.Integration, ID: p.ID, Name: p.Name}}, nil
}

// May tells whether Allow would give a Permit, for pages that leave out what cannot be done.
func May(who Admin, r Right) bool {
	_, err := Allow(who, r)
	return err == nil
}

// CommandLine makes a Permit for whoever runs the program on the machine: they own the data folder and the key.
func CommandLine(r Right) Permit {
	return Permit{right: r, actor: audit.Actor{Kind: audit.Command, Name: "command line"}}
}

// Actor is who the audit says it was.
func (p Permit) Actor() audit.Actor { return p.actor }

// Covers tells whether the permit reaches a website. What it does not reach is to be answered as if it did not exist.
func (p Permit) Covers(websiteID int64) bool {
	return p.who.WebsiteID == 0 || p.who.WebsiteID == websiteID
}

// Websites is the list that a search must be narrowed to, nil for all.
func (p Permit) Websites() []int64 {
	if p.who.WebsiteID == 0 {
		return nil
	}
	return []int64{p.who.WebsiteID}
}

// Write runs f in one transaction, with a last look at the permit: who was disabled, signed out or given other rights between
// asking and now does nothing more. Every use case that a permit is for writes by it. Errors: fault Forbidden; those of f.
func (p Permit) Write(ctx context.Context, d *db.DB, f func(tx *db.Tx) error) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		if err := p.still(ctx, tx); err != nil {
			return err
		}
		return f(tx)
	})
}

// still refuses a permit that has been overtaken: since it was made, its administrator was disabled or signed out, or was given
// another role or website.
func (p Permit) still(ctx context.Context, tx *db.Tx) error {
	if p.who.ID == 0 {
		return nil // the operator, or an integration whose token was checked a moment ago
	}
	now, err := scan(tx.Row(ctx, "SELECT "+columns+" FROM admins WHERE id = $1"+tx.ForShare(), p.who.ID))
	if err != nil {
		return err
	}
	if now.generation != p.who.generation || now.WebsiteID != p.who.WebsiteID {
		return fault.New(fault.Forbidden, "forbidden", "Your account was changed a moment ago. Sign in again.")
	}
	_, err = Allow(now, p.right)
	return err
}

// Need refuses a permit for another right than the one a use case asks for. Errors: fault Forbidden.
func (p Permit) Need(r Right) error {
	if p.right != r {
		return fault.New(fault.Forbidden, "forbidden", "This permit is for something else.")
	}
	return nil
}
