// Package shop knows the stores of the installation: websites, store views and the settings in force for each.
//
// Promises:
//
//   - A setting that was changed is in force at once, on every node: each Load reads one row, the version, and reads
//     the rest again when it differs. A change and the rise of the version are one transaction.
//   - A Snapshot never changes. Whoever holds one sees websites, views and settings of one moment.
//   - Links are made from a store view's base URL and from nothing that a request says.
//   - What cannot work is refused when it is entered, in plain words and with the way out: an unknown path, a scope that
//     the setting does not have, a link time over the ceiling, an accent colour that nobody can read.
//   - The registry is the only description of a setting: the console, the command line, validation and the
//     documentation all read it.
//
// Scopes go from the particular to the general: store view ("stores"), website ("websites"), "default".
//
// It owns the tables websites, store_views, settings and shop_version. Who changed what is for the caller to record.
package shop

import (
	"context"
	"sync/atomic"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fair"
	"github.com/rekeyhq/rekey/outbound"
	"github.com/rekeyhq/rekey/secret/breached"
)

// Shop reads and changes the stores. Its fields are set before first use and not changed later.
type Shop struct {
	DB *db.DB

	// AllowHTTP lets base URLs be plain http, for development.
	AllowHTTP bool

	// DevBaseURL, when not empty, is lent to the first store view without a base URL of its own; further ones get
	// their code appended as a path, so that each can be reached.
	DevBaseURL string

	// Breached is the installation's list of breached passwords; nil knows none.
	Breached *breached.List

	// DevConsoleURL is where a console with a listen address of its own is, in development; else "".
	DevConsoleURL string

	cache atomic.Pointer[Snapshot]
}

// Load gives the stores and settings as they are committed now. It costs one indexed read unless something changed.
func (s *Shop) Load(ctx context.Context) (*Snapshot, error) {
	var snapshot *Snapshot
	err := s.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		snapshot, err = s.LoadIn(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Only what was read here is kept: a caller of LoadIn may be in a transaction that is rolled back, whose version
	// another change would then use again.
	s.cache.Store(snapshot)
	return snapshot, nil
}

// Party tells whose turn a request takes (package fair): the website's that its address belongs to. It goes by what was read
// last and asks the database nothing, which is good enough to share by and to nothing else.
func (s *Shop) Party(host, path string) int64 {
	if stores := s.cache.Load(); stores != nil {
		if view, _, ok := stores.ViewFor(host, path); ok {
			return view.Website.ID
		}
	}
	return fair.Strangers
}

// Outbound is where programs of the store may be told things, by the setting that allows the operator's own network.
func (s *Shop) Outbound(stores *Snapshot, setting string) outbound.Rules {
	return outbound.Rules{Plain: s.AllowHTTP, Inside: stores.Bool(setting), Setting: setting}
}

// StrictTransport is what an answer at an address says in Strict-Transport-Security, "" where the store leaves it to others. Like
// Party it asks the database nothing; whoever asks it when the answer is begun hears what the door has read.
func (s *Shop) StrictTransport(host, path string) string {
	stores := s.cache.Load()
	if stores == nil {
		return strictTransport[HSTSHost]
	}
	if view, _, ok := stores.ViewFor(host, path); ok {
		return strictTransport[view.Website.Text(HSTS)]
	}
	return strictTransport[stores.Text(HSTS)]
}

// strictTransport holds the words for each value of HSTS: a year.
var strictTransport = map[string]string{
	HSTSOff:        "",
	HSTSHost:       "max-age=31536000",
	HSTSSubdomains: "max-age=31536000; includeSubDomains",
}

// LoadIn is Load inside a transaction, whose own changes it sees.
func (s *Shop) LoadIn(ctx context.Context, tx *db.Tx) (*Snapshot, error) {
	var version int64
	if err := tx.Row(ctx, `SELECT version FROM shop_version WHERE id = 1`).Scan(&version); err != nil {
		return nil, err
	}
	if cached := s.cache.Load(); cached != nil && cached.version == version {
		return cached, nil
	}
	return s.read(ctx, tx, version)
}

// read builds a snapshot from the tables.
func (s *Shop) read(ctx context.Context, tx *db.Tx, version int64) (*Snapshot, error) {
	websites, err := readWebsites(ctx, tx)
	if err != nil {
		return nil, err
	}
	views, err := readViews(ctx, tx)
	if err != nil {
		return nil, err
	}
	explicit, err := readSettings(ctx, tx)
	if err != nil {
		return nil, err
	}
	s.lend(views)
	snapshot, err := newSnapshot(version, websites, views, explicit, s.Breached)
	if err == nil {
		snapshot.devConsole = s.DevConsoleURL
	}
	return snapshot, err
}

// lend gives views without a base URL one below DevBaseURL.
func (s *Shop) lend(views []*View) {
	if s.DevBaseURL == "" {
		return
	}
	taken := map[string]bool{}
	for _, v := range views {
		taken[v.BaseURL] = true
	}
	for _, v := range views {
		if v.BaseURL != "" {
			continue
		}
		v.BaseURL, v.LentBaseURL = s.DevBaseURL, true
		if taken[s.DevBaseURL] {
			v.BaseURL += "/" + v.Code
		}
		taken[v.BaseURL] = true
	}
}

func readWebsites(ctx context.Context, tx *db.Tx) ([]*Website, error) {
	rows, err := tx.Query(ctx, `SELECT id, code, name FROM websites ORDER BY id`)
	return db.Collect(rows, err, func(row db.Scanner) (*Website, error) {
		w := &Website{}
		err := row.Scan(&w.ID, &w.Code, &w.Name)
		return w, err
	})
}

const viewColumns = `id, website_id, code, name, locale, time_zone, base_url, accent, logo_text,
	sender_name, sender_email, support_email, support_phone, position`

func readViews(ctx context.Context, tx *db.Tx) ([]*View, error) {
	rows, err := tx.Query(ctx, `SELECT `+viewColumns+` FROM store_views ORDER BY website_id, position, id`)
	return db.Collect(rows, err, scanView)
}

func scanView(row db.Scanner) (*View, error) {
	v := &View{}
	return v, row.Scan(&v.ID, &v.WebsiteID, &v.Code, &v.Name, &v.Locale, &v.TimeZone, &v.BaseURL, &v.Accent, &v.LogoText,
		&v.SenderName, &v.SenderEmail, &v.SupportEmail, &v.SupportPhone, &v.Position)
}

func readSettings(ctx context.Context, tx *db.Tx) (map[entry]string, error) {
	type row struct {
		entry entry
		value string
	}
	rows, err := tx.Query(ctx, `SELECT path, scope, scope_id, value FROM settings`)
	all, err := db.Collect(rows, err, func(r db.Scanner) (row, error) {
		var one row
		return one, r.Scan(&one.entry.path, &one.entry.scope.Kind, &one.entry.scope.ID, &one.value)
	})
	if err != nil {
		return nil, err
	}
	explicit := make(map[entry]string, len(all))
	for _, one := range all {
		explicit[one.entry] = one.value
	}
	return explicit, nil
}

// changed raises the version, so that every node reads again. It belongs into the transaction of every change.
func changed(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE shop_version SET version = version + 1 WHERE id = 1`)
	return err
}
