package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/secret/breached"
)

type passwordsCommands struct {
	Import passwordsImport `cmd:"" help:"Make the list from a file: SHA-1 hashes as Have I Been Pwned publishes them, or one password in a line."`
	Show   passwordsShow   `cmd:"" help:"Tell about the list on this machine, and verify it."`
	Check  passwordsCheck  `cmd:"" help:"Tell whether a password, read from standard input, is on the list."`
	Remove passwordsRemove `cmd:"" help:"Give the list up."`
}

type passwordsImport struct {
	place
	listing
	File       string `arg:"" help:"Text file; - is standard input."`
	Form       string `default:"auto" enum:"auto,sha1,text" help:"What a line holds: sha1 (HASH or HASH:COUNT), text (a password), or auto: by the first line."`
	LeastCount int    `default:"0" placeholder:"N" help:"Take only hashes that were counted at least N times; the list gets smaller."`
}

type breachedRow struct {
	File      string    `json:"file"`
	Passwords int64     `json:"passwords"`
	Bytes     int64     `json:"bytes"`
	Made      time.Time `json:"made"`
	Least     int       `json:"least_count"`
	Digest    string    `json:"digest"`
	Current   bool      `json:"current"` // it is the one that was imported last
	False     float64   `json:"false_positives"`
}

func breachedFacts(path string, f breached.Facts, imported string) breachedRow {
	return breachedRow{File: path, Passwords: f.Passwords, Bytes: f.Size, Made: f.Made, Least: f.LeastCount, Digest: f.Digest,
		Current: f.Digest == imported, False: breached.FalsePositives}
}

// Run makes the list. The server may run meanwhile.
func (c *passwordsImport) Run(ctx context.Context, sh shell) error {
	file, done, err := sh.open(ctx, c.File)
	if err != nil {
		return err
	}
	defer done()
	return c.change(ctx, func(h *app.House) error {
		progress := newProgress(sh, "lines read")
		report, err := h.ImportBreached(ctx, file, breached.Order{Form: c.Form, LeastCount: c.LeastCount}, func(lines int64, built float64) {
			if built == 0 {
				progress.to(int(lines))
			} else {
				progress.say(fmt.Sprintf("%d lines read; building the list, %.0f %% …", lines, 100*built))
			}
		})
		progress.end()
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(struct {
				breachedRow
				Lines    int64 `json:"lines"`
				Skipped  int64 `json:"skipped"`
				Repeated int64 `json:"repeated"`
			}{breachedFacts(h.Shop.Breached.Path(), report.Facts, report.Digest), report.Lines, report.Skipped, report.Repeated})
		}
		fmt.Fprintf(sh.out, "%s read: %s on the list, %d passed over, %d repeated.\n%s takes %.1f MB. Servers that read this file use it within ten seconds.\n",
			count(report.Lines, "line"), count(report.Passwords, "password"), report.Skipped, report.Repeated,
			h.Shop.Breached.Path(), float64(report.Size)/1e6)
		return nil
	})
}

type passwordsShow struct {
	place
	listing
}

// Run tells about the list; it fails when there is none, or when it is damaged.
func (c *passwordsShow) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		imported, err := h.BreachedDigest(ctx)
		if err != nil {
			return err
		}
		facts, err := h.Shop.Breached.Facts()
		if err == nil {
			err = h.Shop.Breached.Verify()
		}
		if err != nil {
			return err
		}
		row := breachedFacts(h.Shop.Breached.Path(), facts, imported)
		if c.JSON {
			return sh.writeJSON(row)
		}
		t := newTable(sh.out)
		t.row("File", row.File)
		t.row("Passwords", fmt.Sprint(row.Passwords))
		if row.Least > 1 {
			t.row("Counted at least", fmt.Sprint(row.Least))
		}
		t.row("Size", fmt.Sprintf("%.1f MB", float64(row.Bytes)/1e6))
		t.row("Made", clock(row.Made))
		t.row("Digest", row.Digest)
		t.row("Imported last", yesNo(row.Current))
		t.row("Taken for one wrongly", fmt.Sprintf("1 password in %.0f", 1/row.False))
		return t.end()
	})
}

type passwordsCheck struct {
	place
	listing
}

// Run tells whether a password is on the list.
func (c *passwordsCheck) Run(ctx context.Context, sh shell) error {
	password, err := sh.readPassword()
	if err != nil {
		return err
	}
	return c.read(ctx, func(h *app.House) error {
		if _, err := h.Shop.Breached.Facts(); err != nil {
			return err
		}
		found, err := h.Shop.Breached.Has(password.Reveal())
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(map[string]bool{"breached": found})
		}
		if found {
			fmt.Fprintln(sh.out, "This password is on the list.")
		} else {
			fmt.Fprintln(sh.out, "This password is not on the list.")
		}
		return nil
	})
}

type passwordsRemove struct{ place }

// Run forgets the list, and removes its file from this machine.
func (c *passwordsRemove) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		if err := h.ForgetBreached(ctx); err != nil {
			return err
		}
		path := h.Shop.Breached.Path()
		if path != "" {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("the list cannot be removed: %w", err)
			}
		}
		fmt.Fprintln(sh.out, "The list of breached passwords was given up. Servers that run go on with it until they are started again.")
		return nil
	})
}
