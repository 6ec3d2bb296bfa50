package main

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
)

type customerData struct {
	place
	who
}

// Run writes it.
func (c *customerData) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		all, err := h.Recovery.DataOf(ctx, one)
		if err != nil {
			return err
		}
		return all.Write(sh.out)
	})
}

type customerErase struct {
	place
	who
}

// Run erases the customer.
func (c *customerErase) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		if err := h.Customers.Delete(ctx, admin.CommandLine(admin.DeleteCustomers), one.ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Customer %d was erased; the number stays, for what refers to it.\n", one.ID)
		return nil
	})
}
