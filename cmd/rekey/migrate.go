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
