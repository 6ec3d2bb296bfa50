package shop

import (
	"context"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// CreateWebsite adds a website without store views and gives its id. The errors are fault.Invalid with the fields
// "code" and "name", joined, or fault.Conflict when the code is taken.
func CreateWebsite(ctx context.Context, tx *db.Tx, code, name string) (int64, error) {
	var c checks
	code, name = c.code("website", code), c.label("name", "name of the website", name, true)
	if err := c.err(); err != nil {
		return 0, err
	}
	if err := free(ctx, tx, conflict("code", "There is already a website %q.", code),
		`SELECT COUNT(*) FROM websites WHERE code = $1`, code); err != nil {
		return 0, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	var id int64
	err = tx.Row(ctx, `INSERT INTO websites (code, name, created_at) VALUES ($1, $2, $3) RETURNING id`,
		code, name, db.Micro(now)).Scan(&id)
	if err != nil {
		return 0, taken(err, "code", "There is already a website %q.", code)
	}
	return id, changed(ctx, tx)
}

// RenameWebsite changes the name of a website; its code is for ever. The errors are fault.NotFound and fault.Invalid
// with the field "name".
func RenameWebsite(ctx context.Context, tx *db.Tx, id int64, name string) error {
	var c checks
	name = c.label("name", "name of the website", name, true)
	if err := c.err(); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE websites SET name = $1 WHERE id = $2`, name, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.NotFound, "not_found", "There is no such website.")
	}
	return changed(ctx, tx)
}

// ViewFields are what an administrator enters about a store view. Empty texts mean "none", save where noted.
type ViewFields struct {
	Name         string
	Locale       string // "fr_FR"
	TimeZone     string // IANA name; empty means UTC
	BaseURL      string // empty until the store has an address
	Accent       string // "#rrggbb"; empty means DefaultAccent
	LogoText     string
	SenderName   string
	SenderEmail  string
	SupportEmail string
	SupportPhone string
	Position     int
}

// Fields are the view's fields as they are stored, to be changed and given to UpdateView.
func (v *View) Fields() ViewFields {
	f := ViewFields{
		Name: v.Name, Locale: v.Locale, TimeZone: v.TimeZone, BaseURL: v.BaseURL, Accent: v.Accent, LogoText: v.LogoText,
		SenderName: v.SenderName, SenderEmail: v.SenderEmail, SupportEmail: v.SupportEmail, SupportPhone: v.SupportPhone,
		Position: v.Position,
	}
	if v.LentBaseURL {
		f.BaseURL = "" // what development lends must not become the store's address
	}
	return f
}

// CreateView adds a store view to a website and gives its id. The errors are fault.Invalid, joined, each with the field
// that it is about ("code", "locale", "base_url", "accent", …), or fault.Conflict when the code or the base URL is
// another view's.
func (s *Shop) CreateView(ctx context.Context, tx *db.Tx, websiteID int64, code string, fields ViewFields) (int64, error) {
	var c checks
	code = c.code("store view", code)
	fields = c.fields(fields, s.AllowHTTP)
	if err := c.err(); err != nil {
		return 0, err
	}
	var websites int
	if err := tx.Row(ctx, `SELECT COUNT(*) FROM websites WHERE id = $1`, websiteID).Scan(&websites); err != nil {
		return 0, err
	}
	if websites == 0 {
		return 0, refuse("website", "There is no such website. Create it first.")
	}
	if err := free(ctx, tx, conflict("code", "There is already a store view %q.", code),
		`SELECT COUNT(*) FROM store_views WHERE code = $1`, code); err != nil {
		return 0, err
	}
	if err := baseURLFree(ctx, tx, fields.BaseURL, 0); err != nil {
		return 0, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	var id int64
	err = tx.Row(ctx, `INSERT INTO store_views (website_id, code, name, locale, time_zone, base_url, accent, logo_text,
			sender_name, sender_email, support_email, support_phone, position, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id`,
		websiteID, code, fields.Name, fields.Locale, fields.TimeZone, fields.BaseURL, fields.Accent, fields.LogoText,
		fields.SenderName, fields.SenderEmail, fields.SupportEmail, fields.SupportPhone, fields.Position, db.Micro(now)).Scan(&id)
	if err != nil {
		return 0, taken(err, "code", "There is already a store view %q, or one with the base URL %s.", code, fields.BaseURL)
	}
	return id, changed(ctx, tx)
}

// UpdateView replaces the fields of a store view; its code and website are for ever. The errors are those of CreateView,
// and fault.NotFound.
func (s *Shop) UpdateView(ctx context.Context, tx *db.Tx, id int64, fields ViewFields) error {
	var c checks
	fields = c.fields(fields, s.AllowHTTP)
	if err := c.err(); err != nil {
		return err
	}
	if err := baseURLFree(ctx, tx, fields.BaseURL, id); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE store_views SET name = $1, locale = $2, time_zone = $3, base_url = $4, accent = $5,
			logo_text = $6, sender_name = $7, sender_email = $8, support_email = $9, support_phone = $10, position = $11
		WHERE id = $12`,
		fields.Name, fields.Locale, fields.TimeZone, fields.BaseURL, fields.Accent, fields.LogoText,
		fields.SenderName, fields.SenderEmail, fields.SupportEmail, fields.SupportPhone, fields.Position, id)
	if err != nil {
		return taken(err, "base_url", "Another store view has the base URL %s.", fields.BaseURL)
	}
	if n == 0 {
		return fault.New(fault.NotFound, "not_found", "There is no such store view.")
	}
	return changed(ctx, tx)
}

func baseURLFree(ctx context.Context, tx *db.Tx, base string, except int64) error {
	if base == "" {
		return nil
	}
	return free(ctx, tx, conflict("base_url", "Another store view has the base URL %s. Give each its own host or path.", base),
		`SELECT COUNT(*) FROM store_views WHERE base_url = $1 AND id <> $2`, base, except)
}

// free refuses a value that another row has. It is asked before the write because a failed statement spoils a
// transaction on PostgreSQL; a race between two writers is left to the unique index, and to taken.
func free(ctx context.Context, tx *db.Tx, refusal error, query string, args ...any) error {
	var others int
	if err := tx.Row(ctx, query, args...).Scan(&others); err != nil {
		return err
	}
	if others > 0 {
		return refusal
	}
	return nil
}

// taken turns the unique index's answer into a refusal.
func taken(err error, field, format string, args ...any) error {
	if !db.IsUnique(err) {
		return err
	}
	return conflict(field, format, args...)
}

func conflict(field, format string, args ...any) error {
	refusal := refuse(field, format, args...)
	refusal.Kind = fault.Conflict
	return refusal
}
