package audit

import (
	"bytes"
	"context"
	"slices"

	"github.com/rekeyhq/rekey/db"
)

// remember keeps entries as news in the transaction that records them, if anybody listens. News are rows that are taken
// away once they were told, and not a mark that moves over the ids: entries commit in another order than their ids were
// made in, so that a mark would pass over those that came late.
func remember(ctx context.Context, tx *db.Tx, ids []any) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_news (id) SELECT id FROM audit WHERE id IN (`+db.Marks(1, len(ids))+`)
		AND EXISTS (SELECT 1 FROM webhook_listeners)`, ids...)
	return err
}

// HasNews tells whether there is anything to take. It is a read, so that quiet times cost no write.
func HasNews(ctx context.Context, tx *db.Tx) (bool, error) {
	var one int
	err := tx.Row(ctx, `SELECT 1 FROM audit_news LIMIT 1`).Scan(&one)
	if db.IsNoRows(err) {
		return false, nil
	}
	return err == nil, err
}

// TakeNews returns up to most entries that nobody has been told of, oldest first. They are news no longer when tx commits,
// and still news if it does not; nodes that take at the same time take different ones.
func TakeNews(ctx context.Context, tx *db.Tx, most int) ([]Entry, error) {
	rows, err := tx.Query(ctx, `WITH news AS MATERIALIZED (SELECT id FROM audit_news ORDER BY id LIMIT $1`+tx.SkipLocked()+`)
		DELETE FROM audit_news WHERE id IN (SELECT id FROM news) RETURNING id`, most)
	ids, err := db.Collect(rows, err, func(row db.Scanner) (id db.ID, err error) {
		err = row.Scan(&id)
		return id, err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ids, func(a, b db.ID) int { return bytes.Compare(a[:], b[:]) })
	entries := make([]Entry, 0, len(ids))
	for _, id := range ids {
		e, err := scan(tx.Row(ctx, `SELECT `+columns+` FROM audit WHERE id = $1`, id))
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}
