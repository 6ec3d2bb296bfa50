package mail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Support looks for one email among millions: whatever it is looked for by, an index answers.
func TestLettersAreFoundInAnIndex(t *testing.T) {
	explain := map[string]string{dbtest.SQLite: "EXPLAIN QUERY PLAN ", dbtest.Postgres: "EXPLAIN "}
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		d := dbtest.Open(t, engine)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i := range 3000 {
				id, err := Enqueue(t.Context(), tx, Note{Kind: "test", WebsiteID: int64(1 + i%40), ViewID: 1, CustomerID: int64(i), AddressKey: fmt.Append(nil, i)})
				if err != nil {
					return err
				}
				at := time.Now().Add(-time.Duration(i) * time.Hour)
				if _, err := tx.Exec(t.Context(), `UPDATE letters SET recipient = $2, state = $3, created_at = $4, settled_at = $4 WHERE id = $1`,
					id, fmt.Sprintf("c%d@example.com", i), string(HandedOver), db.Micro(at)); err != nil {
					return err
				}
			}
			_, err := tx.Exec(t.Context(), "ANALYZE letters")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		day := time.Now().Add(-1000 * time.Hour)
		for _, c := range []struct {
			q       Query
			indexes []string
		}{
			{Query{}, []string{"letters_created"}},
			{Query{State: Unneeded}, []string{"letters_state"}},
			{Query{WebsiteIDs: []int64{7}}, []string{"letters_website"}},
			{Query{From: day, Before: day.Add(24 * time.Hour)}, []string{"letters_created"}},
			{Query{To: &Addressee{Prefix: "C7@"}}, []string{"letters_recipient"}},
			{Query{To: &Addressee{Prefix: "C7@", AddressKeys: [][]byte{[]byte("7")}, CustomerIDs: []int64{7}}}, []string{"letters_recipient", "letters_address", "letters_customer"}},
		} {
			var plan []string
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				c.q.Limit = 50
				query, args, err := c.q.statement(tx)
				if err != nil {
					return err
				}
				rows, err := tx.Query(t.Context(), explain[engine]+query, args...)
				plan, err = db.Collect(rows, err, func(row db.Scanner) (line string, err error) {
					if engine == dbtest.SQLite {
						var id, parent, unused int
						err = row.Scan(&id, &parent, &unused, &line)
						return line, err
					}
					err = row.Scan(&line)
					return line, err
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			whole := strings.Join(plan, "\n")
			for _, index := range c.indexes {
				if !strings.Contains(whole, index) {
					t.Errorf("%+v does not look into %s:\n%s", c.q, index, whole)
				}
			}
			if strings.Contains(whole, "Seq Scan") {
				t.Errorf("%+v looks through all letters:\n%s", c.q, whole)
			}
		}
	})
}
