package incident

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
)

// reportPage is how many lines one read of a report brings: a report of a million does not hold a snapshot all the while.
const reportPage = 5_000

// WriteReport writes the whole report: as CSV with a heading, or as one JSON object a line. Errors: fault Forbidden,
// NotFound; those of w.
func (s *Service) WriteReport(ctx context.Context, permit admin.Permit, id int64, w io.Writer, asJSON bool) error {
	table, lines := csv.NewWriter(w), json.NewEncoder(w)
	if !asJSON {
		if err := table.Write([]string{"customer_id", "treated_at", "sessions", "tokens", "password", "letter", "words"}); err != nil {
			return err
		}
	}
	for after := int64(0); ; {
		var page []Line
		err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
			page, err = Report(ctx, tx, permit, id, after, reportPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, l := range page {
			if asJSON {
				err = lines.Encode(l)
			} else {
				err = table.Write(l.cells())
			}
			if err != nil {
				return err
			}
			after = l.CustomerID
		}
		if len(page) < reportPage {
			table.Flush()
			return table.Error()
		}
	}
}

// cells are numbers and words of the house's own: no cell can begin a formula.
func (l Line) cells() []string {
	at, password := "", ""
	if l.TreatedAt != nil {
		at = l.TreatedAt.UTC().Format(time.RFC3339)
	}
	if l.Password {
		password = "void"
	}
	return []string{strconv.FormatInt(l.CustomerID, 10), at, strconv.FormatInt(l.Sessions, 10), strconv.FormatInt(l.Tokens, 10), password, l.Letter, l.Words}
}
