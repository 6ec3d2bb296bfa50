package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret/breached"
	"github.com/rekeyhq/rekey/shop"
)

const (
	breachedFile = "breached.passwords" // in the data folder
	breachedRow  = "breached_passwords" // of installation: the digest of the list that was imported last
)

func (p Place) breachedPath() string {
	switch {
	case p.Breached != "":
		return p.Breached
	case p.Data != "":
		return filepath.Join(p.Data, breachedFile)
	}
	return ""
}

// ImportBreached makes a list of breached passwords and remembers which one the store has: a node that lacks it then says
// so. Servers that read the same file take it without a restart.
func (h *House) ImportBreached(ctx context.Context, r io.Reader, o breached.Order, progress func(lines int64, built float64)) (breached.Report, error) {
	path := h.breachedPath()
	if path == "" {
		return breached.Report{}, errors.New("say where the list goes: --breached-passwords FILE, the same flag that rekey serve has")
	}
	o.Made = time.Now().UTC()
	report, err := breached.Import(ctx, r, path, o, progress)
	if err != nil {
		return report, err
	}
	return report, h.rememberBreached(ctx, report.Digest, audit.Entry{Action: audit.BreachedImported,
		Detail: map[string]string{"passwords": strconv.FormatInt(report.Passwords, 10), "digest": report.Digest}})
}

// ForgetBreached makes the store one without a list. The file is the caller's to remove.
func (h *House) ForgetBreached(ctx context.Context) error {
	return h.rememberBreached(ctx, "", audit.Entry{Action: audit.BreachedRemoved})
}

func (h *House) rememberBreached(ctx context.Context, digest string, e audit.Entry) error {
	e.Actor = audit.Actor{Kind: audit.Command, Name: "command line"}
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, breachedRow, []byte(digest))
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, e)
	})
}

// BreachedDigest tells which list was imported last, on whichever node; "" for none.
func (h *House) BreachedDigest(ctx context.Context) (string, error) {
	var digest []byte
	err := h.DB.Read(ctx, func(tx *db.Tx) error {
		err := tx.Row(ctx, `SELECT value FROM installation WHERE name = $1`, breachedRow).Scan(&digest)
		if db.IsNoRows(err) {
			return nil
		}
		return err
	})
	return string(digest), err
}

// checkBreached looks at this node's list, all of it. What is missing or damaged stops the start where some website
// refuses breached passwords, and is a warning where they are only advised against.
func (s *server) checkBreached(ctx context.Context, stores *shop.Snapshot) error {
	imported, err := s.house.BreachedDigest(ctx)
	if err != nil {
		return s.Place.Explain(err)
	}
	list := s.house.Shop.Breached
	facts, err := list.Facts()
	if err == nil {
		err = list.Verify()
	}
	switch {
	case errors.Is(err, breached.ErrNone) && imported == "":
		return nil // shop.Check says where one would help
	case errors.Is(err, breached.ErrNone):
		err = fmt.Errorf("the list of breached passwords is missing on this node, although this store has one: copy its file to %s, or name it with --breached-passwords, or give it up with rekey passwords remove",
			or(s.breachedPath(), "this machine"))
	case err == nil && imported != "" && imported != facts.Digest:
		s.Log.Warn("this node's list of breached passwords is not the one that was imported last", "file", list.Path(), "made", facts.Made,
			"remedy", "copy the file from the node on which rekey passwords import ran")
	}
	if err == nil {
		return nil
	}
	if slices.ContainsFunc(stores.Websites(), func(w *shop.Website) bool { return w.Text(shop.CommonPasswords) == shop.CommonPasswordsEnforce }) {
		return err
	}
	s.Log.Warn("breached passwords are not advised against", "error", err)
	return nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
