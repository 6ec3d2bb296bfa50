package app

import (
	"context"
	"strings"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
)

// durabilityRow is the row of installation that says what keeps acknowledged writes, where that is not PostgreSQL itself.
const durabilityRow = "durability"

// noteDurability tells what the store relies on: the log at each start, the audit when it changes.
func (s *server) noteDurability(ctx context.Context) error {
	off := strings.Join(s.house.DB.Entrusted(), " and ")
	if off != "" {
		s.Log.Warn("PostgreSQL reports " + off + " as off; the store relies on --database-durability=provider")
	}
	return s.house.DB.Write(ctx, func(tx *db.Tx) error {
		var before []byte
		err := tx.Row(ctx, `SELECT value FROM installation WHERE name = $1`, durabilityRow).Scan(&before)
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		if string(before) == off {
			return nil
		}
		_, err = tx.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
			durabilityRow, []byte(off))
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.DurabilityChanged, Actor: audit.Actor{Kind: audit.Command}, Subject: "PostgreSQL",
			Detail: map[string]string{"old": keeper(string(before)), "new": keeper(off)}})
	})
}

// keeper names what keeps acknowledged writes.
func keeper(off string) string {
	if off == "" {
		return "the server"
	}
	return "its provider, with " + off + " off"
}
