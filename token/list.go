package token

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
)

// Count tells how many tokens of a customer are alive.
func Count(ctx context.Context, tx *db.Tx, customerID int64) (n int64, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	err = tx.Row(ctx, "SELECT COUNT(*)"+from+" WHERE "+live+" AND t.customer_id = $2", db.Micro(now), customerID).Scan(&n)
	return n, err
}

// Counts is Count for the customers of one page of a list.
func Counts(ctx context.Context, tx *db.Tx, customerIDs []int64) (map[int64]int64, error) {
	counts := make(map[int64]int64, len(customerIDs))
	if len(customerIDs) == 0 {
		return counts, nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	args, marks := []any{db.Micro(now)}, make([]string, len(customerIDs))
	for i, id := range customerIDs {
		args = append(args, id)
		marks[i] = "$" + strconv.Itoa(i+2)
	}
	rows, err := tx.Query(ctx, "SELECT t.customer_id, COUNT(*)"+from+" WHERE "+live+" AND t.customer_id IN ("+strings.Join(marks, ",")+") GROUP BY t.customer_id", args...)
	_, err = db.Collect(rows, err, func(row db.Scanner) (int64, error) {
		var id, n int64
		err := row.Scan(&id, &n)
		counts[id] = n
		return n, err
	})
	return counts, err
}

// ListOf returns the living tokens of a customer, newest first.
func ListOf(ctx context.Context, tx *db.Tx, customerID int64) ([]Token, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT t.id, t.kind, t.customer_id, t.integration_id, t.holder, t.created_at, t.expires_at, t.last_used_at, t.place, t.family"+
		from+" WHERE "+live+" AND t.customer_id = $2 ORDER BY t.id DESC", db.Micro(now), customerID)
	return db.Collect(rows, err, func(row db.Scanner) (Token, error) {
		var t Token
		err := row.Scan(&t.ID, &t.Kind, &t.CustomerID, db.IntoInt(&t.IntegrationID), &t.Holder, db.IntoTime(&t.CreatedAt),
			db.IntoTime(&t.ExpiresAt), db.IntoTime(&t.LastUsedAt), &t.Place, &t.Family)
		return t, err
	})
}

// HeldBy narrows a choice of customers to those who have living tokens of an app; 0 is any holder.
func HeldBy(clientID int64, now time.Time) customer.Predicate {
	which := ""
	if clientID != 0 {
		which = " AND h.client_id = " + strconv.FormatInt(clientID, 10)
	}
	return customer.Predicate(fmt.Sprintf(
		"EXISTS (SELECT 1 FROM token_holders h WHERE h.customer_id = customers.id AND (h.expires_at IS NULL OR h.expires_at > %d)%s)",
		now.UnixMicro(), which))
}

// Holders narrows a customer search to those who have living tokens, or to those who have none.
func Holders(have bool, now time.Time) customer.Predicate {
	p := fmt.Sprintf("EXISTS (SELECT 1 FROM token_holders h WHERE h.customer_id = customers.id AND (h.expires_at IS NULL OR h.expires_at > %d))", now.UnixMicro())
	if !have {
		p = "NOT " + p
	}
	return customer.Predicate(p)
}

// Connection is what a person connected once: one token, or those that an app was given together.
type Connection struct {
	Token     // the one that lives longest, with the latest use of any
	Count int // of tokens
}

// Connections puts the tokens of a list together that come from one grant.
func Connections(all []Token) []Connection {
	var grants []Connection
	at := map[db.ID]int{}
	for _, t := range all {
		i, known := at[t.Family]
		if !known || t.Family.IsZero() {
			at[t.Family] = len(grants)
			grants = append(grants, Connection{t, 1})
			continue
		}
		g := &grants[i]
		used := g.LastUsedAt
		if t.LastUsedAt.After(used) {
			used = t.LastUsedAt
		}
		if t.ExpiresAt.After(g.ExpiresAt) {
			g.Token = t
		}
		g.LastUsedAt, g.Count = used, g.Count+1
	}
	return grants
}
