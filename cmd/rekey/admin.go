package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

type adminCommands struct {
	Create        adminCreate        `cmd:"" help:"Make an administrator."`
	List          adminList          `cmd:"" help:"List the administrators."`
	Set           adminSet           `cmd:"" help:"Change an administrator's role, website, name or address; what is not named stays."`
	Disable       adminDisable       `cmd:"" help:"Sign an administrator out everywhere and keep them out, until they are enabled."`
	Enable        adminEnable        `cmd:"" help:"Let a disabled administrator sign in again."`
	Delete        adminDelete        `cmd:"" help:"Forget an administrator; what the audit says of them stays."`
	EndSessions   adminEndSessions   `cmd:"" help:"Sign an administrator out everywhere."`
	ResetPassword adminResetPassword `cmd:"" help:"Give an administrator a new password and end their sessions."`
	ResetFactors  adminResetFactors  `cmd:"" help:"Take the second factor away from an administrator who has lost it, and end their sessions."`
}

type adminCreate struct {
	place
	Username      string `required:"" placeholder:"NAME" help:"Name to sign in with."`
	Email         string `required:"" help:"E-mail address."`
	Name          string `help:"Full name."`
	Role          string `default:"owner" help:"Role: owner, manager, support or viewer."`
	Website       string `placeholder:"CODE" help:"The only website that they administer; the default is all."`
	PasswordStdin bool   `help:"Read the password from standard input; otherwise one is made and shown once."`
}

// Run makes the administrator.
func (c *adminCreate) Run(ctx context.Context, sh shell) error {
	password, made, err := sh.passwordOrNew(c.PasswordStdin)
	if err != nil {
		return err
	}
	return c.change(ctx, func(h *app.House) error {
		n := admin.New{Username: c.Username, Email: c.Email, Name: c.Name, Role: c.Role, Password: password}
		if c.Website != "" {
			website, err := websiteNamed(ctx, h, c.Website)
			if err != nil {
				return err
			}
			n.WebsiteID = website.ID
		}
		a, err := h.Admins.Create(ctx, admin.CommandLine(admin.ManageAdmins), n, audit.Origin{})
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Administrator %s was created with the role %s.\n", a.Username, a.Role)
		if made {
			fmt.Fprintf(sh.out, "Password (shown this once): %s\n", password.Reveal())
		}
		return nil
	})
}

type adminList struct {
	place
	listing
}

// adminRow is one administrator as programs read it.
type adminRow struct {
	ID           int64      `json:"id"`
	Username     string     `json:"username"`
	Email        string     `json:"email"`
	Name         string     `json:"name"`
	Role         string     `json:"role"`
	Website      string     `json:"website"` // "" for all
	Active       bool       `json:"active"`
	CreatedAt    *time.Time `json:"created_at"`
	LastSignInAt *time.Time `json:"last_sign_in_at"`
}

// Run lists the administrators.
func (c *adminList) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		stores, err := h.Shop.Load(ctx)
		if err != nil {
			return err
		}
		var all []admin.Admin
		if err := h.DB.Read(ctx, func(tx *db.Tx) (err error) {
			all, err = admin.List(ctx, tx)
			return err
		}); err != nil {
			return err
		}
		rows := []adminRow{}
		for _, a := range all {
			rows = append(rows, adminRow{a.ID, a.Username, a.Email, a.Name, a.Role, websiteCode(stores, a.WebsiteID), a.Active,
				moment(a.CreatedAt), moment(a.LastSignInAt)})
		}
		if c.JSON {
			return sh.writeJSON(rows)
		}
		t := newTable(sh.out, "USERNAME", "EMAIL", "ROLE", "WEBSITE", "ACTIVE", "LAST SIGN-IN")
		for i, r := range rows {
			t.row(r.Username, r.Email, r.Role, r.Website, yesNo(r.Active), clock(all[i].LastSignInAt))
		}
		return t.end()
	})
}

type adminResetPassword struct {
	place
	Username      string `arg:"" help:"Name of the administrator."`
	PasswordStdin bool   `help:"Read the password from standard input; otherwise one is made and shown once."`
}

// Run sets the password.
func (c *adminResetPassword) Run(ctx context.Context, sh shell) error {
	password, made, err := sh.passwordOrNew(c.PasswordStdin)
	if err != nil {
		return err
	}
	return c.read(ctx, func(h *app.House) error {
		if err := h.Admins.SetPassword(ctx, admin.CommandLine(admin.ManageAdmins), c.Username, password); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Administrator %s has a new password; their sessions have ended.\n", c.Username)
		if made {
			fmt.Fprintf(sh.out, "Password (shown this once): %s\n", password.Reveal())
		}
		return nil
	})
}

type adminResetFactors struct {
	place
	Username string `arg:"" help:"Name of the administrator."`
}

// Run takes the second factor away.
func (c *adminResetFactors) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		if err := h.Admins.ResetFactors(ctx, admin.CommandLine(admin.ManageAdmins), c.Username, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Administrator %s has no second factor any more; their sessions have ended.\n", c.Username)
		return nil
	})
}

// websiteCode is the code of a website, "" for all of them.
func websiteCode(stores *shop.Snapshot, id int64) string {
	if w, ok := stores.Website(id); ok {
		return w.Code
	}
	return ""
}
