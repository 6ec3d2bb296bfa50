package token

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// Integration is a program that holds tokens for customers.
type Integration struct {
	ID          int64
	Name, Email string
	CreatedAt   time.Time
	Customers   int64 // for whom it holds living tokens
}

// CreateIntegration stores an integration. Errors: fault Conflict when the name is taken.
func CreateIntegration(ctx context.Context, tx *db.Tx, name, email string) (Integration, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return Integration{}, err
	}
	i := Integration{Name: name, Email: email, CreatedAt: now}
	err = tx.Row(ctx, "INSERT INTO integrations (name, email, created_at) VALUES ($1,$2,$3) ON CONFLICT DO NOTHING RETURNING id",
		name, email, db.Micro(now)).Scan(&i.ID)
	if db.IsNoRows(err) {
		return Integration{}, fault.New(fault.Conflict, "integration.exists", "There is an integration of that name already.")
	}
	return i, err
}

// Integrations lists every integration with the number of customers for whom it holds living tokens.
func Integrations(ctx context.Context, tx *db.Tx) ([]Integration, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT i.id, i.name, i.email, i.created_at, (SELECT COUNT(DISTINCT t.customer_id)`+from+`
		WHERE `+live+` AND t.integration_id = i.id) FROM integrations i ORDER BY i.name`, db.Micro(now))
	return db.Collect(rows, err, func(row db.Scanner) (Integration, error) {
		var i Integration
		err := row.Scan(&i.ID, &i.Name, &i.Email, db.IntoTime(&i.CreatedAt), &i.Customers)
		return i, err
	})
}
