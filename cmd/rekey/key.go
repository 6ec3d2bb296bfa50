package main

import (
	"context"

	"github.com/rekeyhq/rekey/app"
)

type keyCommands struct {
	Show keyShow `cmd:"" help:"Tell which secret keys the store knows, by fingerprint, and how long the former one is accepted."`
}

type keyShow struct {
	place
	listing
}

// Run shows the keys.
func (c *keyShow) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		s, err := h.KeyState(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(s)
		}
		t := newTable(sh.out)
		t.row("File", s.File)
		t.row("Key in it", s.Key)
		t.row("Accepted beside it", s.Accepted)
		t.row("Store makes links with", s.Store)
		t.row("Former key", s.Former)
		if s.AcceptedUntil != nil {
			t.row("Accepted until", clock(*s.AcceptedUntil))
		}
		return t.end()
	})
}
