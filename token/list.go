package token

import (
	"context"
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
	err = tx.Row(ctx, "SELECT COUNT(*) FROM tokens WHERE customer_id = $2 AND "+live, db.Micro(now), customerID).Scan(&n)
	return n, err
}

// ListOf returns the living tokens of a customer, newest first.
func ListOf(ctx context.Context, tx *db.Tx, customerID int64) ([]Token, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT id, kind, customer_id, integration_id, holder, created_at, expires_at, last_used_at, place, family
		FROM tokens WHERE customer_id = $2 AND `+live+" ORDER BY id DESC", db.Micro(now), customerID)
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
		which = " AND client_id = " + strconv.FormatInt(clientID, 10)
	}
	// The condition goes into a search of customers, whose arguments are its own.
	alive := strings.ReplaceAll(live, "$1", strconv.FormatInt(now.UnixMicro(), 10))
	return customer.Predicate("EXISTS (SELECT 1 FROM tokens WHERE customer_id = customers.id" + which + " AND " + alive + ")")
}

// Holders narrows a customer search to those who have living tokens, or to those who have none.
func Holders(have bool, now time.Time) customer.Predicate {
	if have {
		return HeldBy(0, now)
	}
	return "NOT " + HeldBy(0, now)
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
