package main

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/app"
)

type migrateCommand struct{ place }

// Run brings the schema up to date.
func (c *migrateCommand) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		current, _, err := h.DB.Version(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "The schema of %s is up to date, at version %d.\n", h.Place, current)
		return nil
	})
}

type restoredCommand struct{ place }

// Run ends what a backup has brought back to life.
func (c *restoredCommand) Run(ctx context.Context, sh shell) error {
	return c.change(ctx, func(h *app.House) error {
		if err := h.Restored(ctx); err != nil {
			return err
		}
		fmt.Fprintln(sh.out, "Every session, token, link and code that was issued before has ended, for customers and administrators.")
		return nil
	})
}
