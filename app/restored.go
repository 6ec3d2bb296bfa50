package app

import (
	"context"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
)

// Restored makes a store good that was brought back from a backup: what was used, ended or revoked after the backup was taken
// would be alive again. So everything that was issued up to now ends on every node, for customers and administrators alike:
// sessions, tokens, links, codes, and changes of addresses that are under way. Passwords and integrations are as the backup has
// them.
func (h *House) Restored(ctx context.Context) error {
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		return err
	}
	var websites []int64
	for _, w := range stores.Websites() {
		websites = append(websites, w.ID)
	}
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		if err := (customer.Cut{Sessions: true, Tokens: true, Links: true}).Make(ctx, tx, websites...); err != nil {
			return err
		}
		if err := customer.EndEmailChanges(ctx, tx); err != nil {
			return err
		}
		if err := admin.EndAll(ctx, tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.StoreRestored, Actor: audit.Actor{Kind: audit.System}})
	})
}
