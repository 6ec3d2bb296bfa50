package customer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/test/fixture"
)

func search(t *testing.T, h *fixture.House, q customer.Query) (p customer.Page) {
	t.Helper()
	h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		p, err = customer.Search(ctx, tx, q)
		return err
	})
	return p
}

// Every order, forwards and back again, shows each customer exactly once.
func TestPagesNeitherSkipNorRepeat(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		for i := range 23 {
			h.Customer([]string{"lune_en", "nord_en"}[i%2], fmt.Sprintf("c%d@x.test", i))
			if i%4 == 0 {
				clock.Advance(time.Minute) // several share a moment, so that the id must decide
			}
		}
		for _, sort := range customer.Sorts() {
			for _, desc := range []bool{false, true} {
				q := customer.Query{Sort: sort, Desc: desc, Limit: 5}
				var forward []int64
				p := search(t, h, q)
				for pages := 1; ; pages++ {
					for _, c := range p.Customers {
						forward = append(forward, c.ID)
					}
					if p.Next == "" || pages > 10 {
						break
					}
					q.Cursor = p.Next
					p = search(t, h, q)
				}
				seen := map[int64]bool{}
				for _, id := range forward {
					seen[id] = true
				}
				if len(forward) != 23 || len(seen) != 23 {
					t.Fatalf("%s desc=%v: %d rows, %d customers", sort, desc, len(forward), len(seen))
				}
				back := len(p.Customers)
				for p.Prev != "" {
					q.Cursor = p.Prev
					p = search(t, h, q)
					back += len(p.Customers)
				}
				if back != 23 || p.Customers[0].ID != forward[0] {
					t.Errorf("%s desc=%v: going back showed %d and ended at %d", sort, desc, back, p.Customers[0].ID)
				}
			}
		}
	})
}

func TestSearchFindsPartsOfNamesAndAddresses(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		first := h.Customer("lune_en", "Zo\u00c9.percent@x.test")
		h.Customer("nord_en", "other@y.test")
		for _, row := range []struct {
			text string
			want int
			why  string
		}{
			{"percent", 1, "part of an address"}, {"CAMILLE", 2, "a first name, in capitals"}, {"more cam", 2, "parts of both names"},
			{"zo\u00e9", 1, "accents fold in Go, alike on both engines"}, {"%", 0, "a wildcard is a character"}, {"_", 0, "so is the other"},
			{fmt.Sprint(first.ID), 1, "the number"}, {"nobody", 0, "nothing"},
		} {
			if got := search(t, h, customer.Query{Text: row.text}); len(got.Customers) != row.want || got.Total != int64(row.want) {
				t.Errorf("%s (%q): %d found, want %d", row.why, row.text, len(got.Customers), row.want)
			}
		}
		yes := true
		if got := search(t, h, customer.Query{WebsiteIDs: []int64{first.WebsiteID}, Confirmed: &yes}); len(got.Customers) != 1 {
			t.Errorf("one website: %d", len(got.Customers))
		}
		if got := search(t, h, customer.Query{WebsiteIDs: []int64{}}); len(got.Customers) != 0 {
			t.Errorf("no website at all: %d", len(got.Customers))
		}
	})
}

// People type names without accents and in any letter case; the engines agree on it, for what older versions wrote too.
func TestSearchFoldsLetterCaseAndAccents(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		names := []string{"Schäfer", "Łukasz", "Sørensen", "Großmann", "Ægir", "Œuvrard", "Παπάς", "İnönü", "Ñandú", "Đorđević", "Йорданов", "김민준", "O’Brien", "Ｍｏｒｅａｕ"}
		ids := map[string]int64{}
		for i, name := range names {
			c := h.Customer("lune_en", fmt.Sprintf("c%d@x.test", i))
			ids[name] = c.ID
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE customers SET lastname = $2, search = $2 WHERE id = $1", c.ID, name)
				return err
			})
		}
		permit := admin.CommandLine(admin.ViewCustomers)
		for _, row := range []struct{ typed, name string }{
			{"schafer", "Schäfer"}, {"SCHÄFER", "Schäfer"}, {"schäfer", "Schäfer"}, {"Scha\u0308fer", "Schäfer"},
			{"lukasz", "Łukasz"}, {"ŁUKASZ", "Łukasz"}, {"SORENSEN", "Sørensen"}, {"SØRENSEN", "Sørensen"},
			{"grossmann", "Großmann"}, {"GROẞMANN", "Großmann"}, {"GROSSMANN", "Großmann"}, {"aegir", "Ægir"}, {"ægir", "Ægir"},
			{"oeuvrard", "Œuvrard"}, {"ŒUVRARD", "Œuvrard"}, {"ΠΑΠΑΣ", "Παπάς"}, {"παπας", "Παπάς"}, {"inonu", "İnönü"}, {"nandu", "Ñandú"},
			{"dordevic", "Đorđević"}, {"ĐORĐEVIĆ", "Đorđević"}, {"йорданов", "Йорданов"}, {"ЙОРДАНОВ", "Йорданов"}, {"김민준", "김민준"},
			{"moreau", "Ｍｏｒｅａｕ"},
		} {
			if got := search(t, h, customer.Query{Text: row.typed}); len(got.Customers) != 1 || got.Customers[0].ID != ids[row.name] {
				t.Errorf("the console's search for %q finds %d, want %s", row.typed, len(got.Customers), row.name)
			}
			for _, condition := range []customer.Condition{
				{Field: "lastname", Type: "eq", Value: row.typed}, {Field: "lastname", Type: "in", Value: "x," + row.typed},
				{Field: "lastname", Type: "like", Value: "%" + row.typed + "%"},
			} {
				found, err := h.Customers.FindBy(context.Background(), permit, customer.Criteria{Groups: [][]customer.Condition{{condition}}})
				if err != nil || found.Total != 1 || found.Customers[0].ID != ids[row.name] {
					t.Errorf("%+v: %d found, %v, want %s", condition, found.Total, err, row.name)
				}
			}
		}
		for _, value := range []string{"＼", "Schäfer＼", `Schäfer\`} {
			found, err := h.Customers.FindBy(context.Background(), permit, customer.Criteria{Groups: [][]customer.Condition{{{Field: "lastname", Type: "like", Value: value}}}})
			if err != nil || found.Total != 0 {
				t.Errorf("%q: %d found, %v: a backslash is itself, however it is written", value, found.Total, err)
			}
		}
	})
}
