package token_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// What one check of a token costs must not grow with the store. Run: go test -bench Check -run ^$ ./token
func BenchmarkCheck(b *testing.B) {
	for _, engine := range dbtest.Engines() {
		for _, customers := range []int{100, 20_000, 200_000} {
			b.Run(fmt.Sprintf("%s/customers-%d", engine, customers), func(b *testing.B) {
				d := dbtest.Open(b, engine)
				h := fixture.Furnish(b, d)
				bearer := holder(h, customers)
				for b.Loop() {
					if _, err := h.Tokens.Check(context.Background(), bearer); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// holder fills a store with customers and gives the token of one of them.
func holder(h *fixture.House, customers int) (made secret.Text) {
	v, c := h.View("lune_en"), h.Customer("lune_en", "camille@lune.test")
	h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
		if _, err = tx.Exec(ctx, `INSERT INTO customers (website_id, store_view_id, email, email_canon, firstname, lastname, search, created_at, updated_at)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			SELECT website_id, store_view_id, 'c' || i || '@lune.test', 'c' || i || '@lune.test', firstname, lastname, '', created_at, updated_at
			FROM n, customers WHERE id = $2`, customers, c.ID); err != nil {
			return err
		}
		made, err = token.Issue(ctx, tx, v, c, "an app", 0, fixture.Origin)
		return err
	})
	return made
}
