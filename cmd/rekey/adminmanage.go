package main

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
)

// colleague are the flags that name one administrator.
type colleague struct {
	place
	Username string `arg:"" help:"Name of the administrator."`
}

// act does something to the administrator and says so.
func (c colleague) act(ctx context.Context, sh shell, done string, do func(*admin.Service, context.Context, admin.Permit, int64, audit.Origin) error) error {
	return c.read(ctx, func(h *app.House) error {
		who, err := h.Admins.ByName(ctx, c.Username)
		if err != nil {
			return err
		}
		if err := do(h.Admins, ctx, admin.CommandLine(admin.ManageAdmins), who.ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Administrator %s %s.\n", who.Username, done)
		return nil
	})
}

type adminDisable struct{ colleague }

// Run disables the administrator.
func (c *adminDisable) Run(ctx context.Context, sh shell) error {
	return c.act(ctx, sh, "is disabled, and signed out everywhere", (*admin.Service).Disable)
}

type adminEnable struct{ colleague }

// Run enables the administrator.
func (c *adminEnable) Run(ctx context.Context, sh shell) error {
	return c.act(ctx, sh, "is enabled and can sign in again", (*admin.Service).Enable)
}

type adminDelete struct{ colleague }

// Run deletes the administrator.
func (c *adminDelete) Run(ctx context.Context, sh shell) error {
	return c.act(ctx, sh, "was deleted", (*admin.Service).Delete)
}

type adminEndSessions struct{ colleague }

// Run signs the administrator out everywhere.
func (c *adminEndSessions) Run(ctx context.Context, sh shell) error {
	return c.act(ctx, sh, "was signed out everywhere", (*admin.Service).EndSessions)
}

type adminSet struct {
	colleague
	Name    *string `help:"Full name."`
	Role    *string `help:"Role: owner, manager, support or viewer."`
	Website *string `placeholder:"CODE" help:"The only website that they administer; all for all."`
	Email   *string `help:"New e-mail address; it is used once the link in the email to it was followed."`
}

// Run changes the administrator.
func (c *adminSet) Run(ctx context.Context, sh shell) error {
	if c.Name == nil && c.Role == nil && c.Website == nil && c.Email == nil {
		return &usageError{"name at least one thing to change, such as --role support"}
	}
	return c.read(ctx, func(h *app.House) error {
		who, err := h.Admins.ByName(ctx, c.Username)
		if err != nil {
			return err
		}
		changes := admin.Changes{Name: c.Name, Role: c.Role}
		if c.Website != nil {
			var id int64
			if *c.Website != "all" {
				website, err := websiteNamed(ctx, h, *c.Website)
				if err != nil {
					return err
				}
				id = website.ID
			}
			changes.WebsiteID = &id
		}
		permit := admin.CommandLine(admin.ManageAdmins)
		changed, err := h.Admins.Update(ctx, permit, who.ID, changes, audit.Origin{})
		if err != nil {
			return err
		}
		if changed {
			fmt.Fprintf(sh.out, "Administrator %s was changed.\n", who.Username)
		}
		if c.Email != nil {
			if err := h.Admins.AskAddress(ctx, permit, who.ID, *c.Email, audit.Origin{}); err != nil {
				return err
			}
			fmt.Fprintf(sh.out, "An email with a link goes to %s. The address is used once that link was followed.\n", *c.Email)
		} else if !changed {
			fmt.Fprintln(sh.out, "Nothing was changed.")
		}
		return nil
	})
}
