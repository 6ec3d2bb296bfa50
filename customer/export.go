package customer

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
)

// exportHeader is what Export writes and Import reads back. Password hashes are left out: an export travels.
var exportHeader = []string{"id", "email", "firstname", "lastname", "website", "store_view", "confirmed", "created_at", "last_sign_in_at",
	"email_proven_at", "active", "group_id", "prefix", "middlename", "suffix", "dob", "gender", "taxvat", "is_subscribed", "custom_attributes"}

// Export writes every customer as CSV, by number, and tells how many. It holds no password hash and no secret. Text that
// a spreadsheet would take for a formula is preceded by an apostrophe (CWE-1236).
func (s *Service) Export(ctx context.Context, w io.Writer) (int, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return 0, err
	}
	out := csv.NewWriter(w)
	if err := out.Write(exportHeader); err != nil {
		return 0, err
	}
	total, cursor := 0, ""
	for {
		var page Page
		err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
			page, err = Search(ctx, tx, Query{Cursor: cursor, Limit: MaxPageSize})
			return err
		})
		if err != nil {
			return total, err
		}
		for _, c := range page.Customers {
			row, err := exportRow(snap, c)
			if err == nil {
				err = out.Write(row)
			}
			if err != nil {
				return total, err
			}
			total++
		}
		if cursor = page.Next; cursor == "" {
			out.Flush()
			return total, out.Error()
		}
	}
}

func exportRow(snap *shop.Snapshot, c Customer) ([]string, error) {
	var website, view string
	if w, ok := snap.Website(c.WebsiteID); ok {
		website = w.Code
	}
	if v, ok := snap.View(c.ViewID); ok {
		view = v.Code
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(timeForm)
	}
	custom, err := c.Profile.custom()
	if err != nil {
		return nil, err
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	row := []string{number(c.ID), c.Email, c.Firstname, c.Lastname, website, view, bit(c.Confirmed()), at(c.CreatedAt), at(c.LastSignInAt),
		at(c.ProvenAt), bit(c.Active), number(c.GroupID), c.Prefix, c.Middlename, c.Suffix, c.DateOfBirth, number(c.Gender), c.TaxVat, bit(c.Subscribed), custom}
	for i := range row {
		row[i] = protect(row[i])
	}
	return row, nil
}

func bit(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
