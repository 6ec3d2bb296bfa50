package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/customer"
)

type customerImport struct {
	place
	listing
	File   string `arg:"" help:"CSV file with a header line: email, firstname, lastname, website and more; - is standard input."`
	DryRun bool   `help:"Only tell what would be done."`
}

// Run reads the file.
func (c *customerImport) Run(ctx context.Context, sh shell) error {
	file, done, err := sh.open(ctx, c.File)
	if err != nil {
		return err
	}
	defer done()
	return c.change(ctx, func(h *app.House) error {
		progress := newProgress(sh, "customers")
		report, err := h.Customers.Import(ctx, file, customer.ImportOptions{DryRun: c.DryRun}, progress.to)
		progress.end()
		if err != nil && report.Read == 0 {
			return err
		}
		return errors.Join(err, c.tell(sh, report)) // what was done before the file broke off is done
	})
}

func (c *customerImport) tell(sh shell, r customer.ImportReport) error {
	for _, problem := range r.Problems {
		fmt.Fprintln(sh.err, problem)
	}
	if len(r.PassedOver) > 0 && !c.JSON {
		fmt.Fprintf(sh.err, "Columns passed over: %s.\n", strings.Join(r.PassedOver, ", "))
	}
	if c.JSON {
		if err := sh.writeJSON(map[string]any{"read": r.Read, "created": r.Created, "known": r.Known, "refused": r.Refused,
			"with_password": r.WithPassword, "dry_run": c.DryRun, "passed_over": r.PassedOver}); err != nil {
			return err
		}
	} else {
		verb := "were created"
		if c.DryRun {
			verb = "would be created"
		}
		fmt.Fprintf(sh.out, "%s read: %d %s (%d with their password), %d known already, %d refused.\n",
			count(int64(r.Read), "line"), r.Created, verb, r.WithPassword, r.Known, r.Refused)
	}
	if r.Refused > 0 {
		return fmt.Errorf("%s refused; mend them and run the import again, those that are in are left alone", wereRefused(r.Refused))
	}
	return nil
}

func wereRefused(n int) string {
	if n == 1 {
		return "1 line was"
	}
	return fmt.Sprintf("%d lines were", n)
}

type customerExport struct {
	place
	Output string `short:"o" placeholder:"FILE" help:"File to write, which must not exist; the default is standard output."`
}

// Run writes the customers.
func (c *customerExport) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		if c.Output == "" {
			_, err := h.Customers.Export(ctx, sh.out)
			return err
		}
		n, err := exportTo(ctx, h, c.Output)
		if err == nil {
			fmt.Fprintf(sh.out, "%s written to %s.\n", count(int64(n), "customer"), c.Output)
		}
		return err
	})
}

// exportTo writes a file that only its owner can read, whole or not at all.
func exportTo(ctx context.Context, h *app.House, path string) (n int, err error) {
	if _, err := os.Stat(path); err == nil {
		return 0, fmt.Errorf("%s exists already", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*") // 0600
	if err != nil {
		return 0, fmt.Errorf("the file cannot be written: %w", err)
	}
	defer os.Remove(f.Name())
	n, err = h.Customers.Export(ctx, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return n, err
	}
	return n, os.Rename(f.Name(), path)
}

// progress tells on a terminal how far a long job is, and how fast it goes.
type progress struct {
	w     io.Writer // nil where nobody watches
	what  string
	any   bool
	began time.Time
}

func newProgress(sh shell, what string) *progress {
	p := &progress{what: what, began: time.Now()}
	if app.IsTerminal(sh.err) {
		p.w = sh.err
	}
	return p
}

func (p *progress) to(n int) {
	if p.w != nil {
		p.any = true
		fmt.Fprintf(p.w, "\r\033[K%d %s, %.0f a second …", n, p.what, float64(n)/max(time.Since(p.began).Seconds(), 0.001))
	}
}

// say shows other words in the same line.
func (p *progress) say(words string) {
	if p.w != nil {
		p.any = true
		fmt.Fprint(p.w, "\r\033[K"+words)
	}
}

// end clears the line.
func (p *progress) end() {
	if p.any {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
