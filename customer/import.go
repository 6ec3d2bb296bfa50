package customer

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	importBatch      = 500 // rows in one transaction
	maxImportMessage = 100 // refused rows that a report names; the rest is counted
	timeForm         = "2006-01-02 15:04:05"
)

// fields are the columns that Import reads, with the names that Adobe Commerce's customer export gives them.
var fields = map[string]string{
	"id": "id", "entity_id": "id", "email": "email", "firstname": "firstname", "lastname": "lastname",
	"website": "website", "_website": "website", "store_view": "store_view", "_store": "store_view",
	"password_hash": "password_hash", "created_at": "created_at", "confirmation": "confirmation", "confirmed": "confirmed",
}

// exportHeader is what Export writes and Import reads back. Password hashes are left out: an export travels.
var exportHeader = []string{"id", "email", "firstname", "lastname", "website", "store_view", "confirmed", "created_at", "last_sign_in_at"}

// ImportOptions of Import.
type ImportOptions struct{ DryRun bool }

// ImportReport tells what an import did, or would do.
type ImportReport struct {
	Read, Created, Known, Refused int
	WithPassword                  int      // of the created, those who keep theirs
	Problems                      []string // "line 7: …", the first maxImportMessage
}

// Import reads customers from CSV with a header line (RFC 4180): email, firstname, lastname and website at least; also
// store_view, id, password_hash (Argon2id, Adobe Commerce's, or a crypt string: customers keep their passwords),
// created_at and confirmed. Columns that it does not know are passed over. An address that its website has already is left as it is and
// counted, so that an import which broke off can simply be run again. A row that is refused names its line and the reason,
// and the others go on. progress hears the number of rows read, from time to time.
func (s *Service) Import(ctx context.Context, r io.Reader, o ImportOptions, progress func(done int)) (ImportReport, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return ImportReport{}, err
	}
	lines := csv.NewReader(r)
	lines.FieldsPerRecord = -1
	lines.ReuseRecord = false
	header, err := lines.Read()
	if err != nil {
		return ImportReport{}, fmt.Errorf("the file has no header line: %w", err)
	}
	at, err := columnsOf(header)
	if err != nil {
		return ImportReport{}, err
	}
	var report ImportReport
	var batch []New
	flush := func() error {
		if err := s.store(ctx, batch, o, &report); err != nil {
			return err
		}
		batch = batch[:0]
		if progress != nil {
			progress(report.Read)
		}
		return nil
	}
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return report, fmt.Errorf("the file cannot be read as CSV: %w", err)
		}
		report.Read++
		line, _ := lines.FieldPos(0)
		n, err := rowOf(snap, at, record)
		if err != nil {
			report.refuse(line, err)
			continue
		}
		if batch = append(batch, n); len(batch) == importBatch {
			if err := flush(); err != nil {
				return report, err
			}
		}
	}
	return report, flush()
}

func (r *ImportReport) refuse(line int, err error) {
	r.Refused++
	if len(r.Problems) < maxImportMessage {
		r.Problems = append(r.Problems, fmt.Sprintf("line %d: %s", line, strings.ReplaceAll(err.Error(), "\n", " ")))
	}
}

func columnsOf(header []string) (map[string]int, error) {
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if known, ok := fields[name]; ok {
			if _, twice := at[known]; !twice {
				at[known] = i
			}
		}
	}
	for _, needed := range []string{"email", "firstname", "lastname", "website"} {
		if _, ok := at[needed]; !ok {
			return nil, fmt.Errorf("the header has no column %q; needed are email, firstname, lastname and website", needed)
		}
	}
	return at, nil
}

func rowOf(snap *shop.Snapshot, at map[string]int, record []string) (New, error) {
	get := func(name string) string {
		if i, ok := at[name]; ok && i < len(record) {
			return record[i]
		}
		return ""
	}
	w, ok := snap.WebsiteByCode(get("website"))
	if !ok {
		return New{}, fmt.Errorf("there is no website %q", get("website"))
	}
	views := snap.ViewsOf(w.ID)
	if len(views) == 0 {
		return New{}, fmt.Errorf("website %q has no store view", w.Code)
	}
	v := views[0]
	if code := get("store_view"); code != "" {
		if v, ok = snap.ViewByCode(code); !ok || v.WebsiteID != w.ID {
			return New{}, fmt.Errorf("website %q has no store view %q", w.Code, code)
		}
	}
	address, err := ParseAddress(get("email"))
	if err != nil {
		return New{}, fmt.Errorf("%q: %w", get("email"), err)
	}
	n := New{WebsiteID: w.ID, ViewID: v.ID, Address: address, Firstname: strings.TrimSpace(get("firstname")), Lastname: strings.TrimSpace(get("lastname")), Hash: get("password_hash")}
	if err := checkName(n.Firstname, n.Lastname); err != nil {
		return New{}, err
	}
	if n.Hash, err = secret.Accept(n.Hash); err != nil {
		return New{}, err
	}
	if text := get("id"); text != "" {
		if n.ID, err = strconv.ParseInt(text, 10, 64); err != nil || n.ID < 1 {
			return New{}, fmt.Errorf("%q is no customer number", text)
		}
	}
	if text := get("created_at"); text != "" {
		if n.CreatedAt, err = time.Parse(timeForm, text); err != nil {
			return New{}, fmt.Errorf("%q is no moment such as %s", text, timeForm)
		}
	}
	// Commerce keeps the key of a pending confirmation; who has none is confirmed.
	if get("confirmation") == "" && get("confirmed") != "0" {
		n.ConfirmedAt = time.Now().UTC()
		if !n.CreatedAt.IsZero() {
			n.ConfirmedAt = n.CreatedAt
		}
	}
	return n, nil
}

func (s *Service) store(ctx context.Context, batch []New, o ImportOptions, report *ImportReport) error {
	if len(batch) == 0 {
		return nil
	}
	var made, known, kept int
	count := func(tx *db.Tx) error {
		made, known, kept = 0, 0, 0
		for _, n := range batch {
			if _, err := FindByAddress(ctx, tx, n.WebsiteID, n.Address); err == nil {
				known++
				continue
			} else if !fault.Is(err, fault.NotFound) {
				return err
			}
			if !o.DryRun {
				if _, err := Create(ctx, tx, n); fault.Is(err, fault.Conflict) {
					known++ // twice in the file, or its number is taken
					continue
				} else if err != nil {
					return err
				}
			}
			made++
			if n.Hash != "" {
				kept++
			}
		}
		if o.DryRun {
			return nil
		}
		if err := tx.Advance(ctx, "customers"); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomersImported, Actor: audit.Actor{Kind: audit.Command, Name: "command line"},
			Detail: map[string]string{"created": strconv.Itoa(made), "known": strconv.Itoa(known)}})
	}
	run := s.DB.Write
	if o.DryRun {
		run = s.DB.Read
	}
	if err := run(ctx, count); err != nil {
		return err
	}
	report.Created += made
	report.Known += known
	report.WithPassword += kept
	return nil
}

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
			if err := out.Write(exportRow(snap, c)); err != nil {
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

func exportRow(snap *shop.Snapshot, c Customer) []string {
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
	confirmed := "0"
	if c.Confirmed() {
		confirmed = "1"
	}
	return []string{strconv.FormatInt(c.ID, 10), plain(c.Email), plain(c.Firstname), plain(c.Lastname), website, view,
		confirmed, at(c.CreatedAt), at(c.LastSignInAt)}
}

// plain keeps a spreadsheet from running what a shopper typed.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
