package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/cmd/rekey/oracle"
	"github.com/rekeyhq/rekey/input"
)

type auditCommands struct {
	Oracle auditOracle `cmd:"" help:"Ask an installation of your own whether its answers tell who is a customer."`
}

type auditOracle struct {
	listing
	URL           string        `name:"url" required:"" placeholder:"BASE" help:"Base URL of the store view to ask."`
	Known         string        `required:"" placeholder:"FILE" help:"Addresses of customers there, one a line, or a CSV file such as customer export writes; - is standard input."`
	UnknownDomain string        `default:"audit.invalid" help:"Domain of the made-up addresses that are nobody's."`
	Requests      int           `default:"1000" help:"Requests for customers to each page, and as many for nobody."`
	Paths         []string      `default:"forgot,sign-in,create,sign-in-letter" help:"Pages to ask: forgot, sign-in, create, sign-in-letter (signing in by letter, where the store offers it)."`
	Pause         time.Duration `help:"Time between two requests, such as 100ms, where limits must stay as they are."`
	Yes           bool          `help:"Send them. Without it the command says what it would do."`
}

// Run asks every page and gives the verdict.
func (c *auditOracle) Run(ctx context.Context, sh shell) error {
	pages, err := c.pages()
	if err != nil {
		return err
	}
	known, err := c.addresses(ctx, sh)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	asking := oracle.Asking{Base: c.URL, Known: known, Domain: c.UnknownDomain, N: c.Requests, Pause: c.Pause, Client: client}
	if c.Yes {
		if pages, err = offered(ctx, asking, pages); err != nil {
			return err
		}
	}
	total := 2 * c.Requests * len(pages)
	if !c.Yes {
		return &usageError{fmt.Sprintf("this would send up to %d requests to %s, and its letters to up to %d customers; "+
			"say --yes to do it, best at a quiet hour and with the limits by client address switched off for as long",
			total, c.URL, len(known))}
	}
	progress := newProgress(sh, fmt.Sprintf("of %d requests", total))
	defer progress.end()
	verdicts := []oracle.Verdict{}
	for i, p := range pages {
		asking.Done = func(sent int) { progress.to(2*c.Requests*i + sent) }
		v, err := asking.Run(ctx, p)
		if err != nil {
			return err
		}
		verdicts = append(verdicts, v)
	}
	progress.end()
	return c.tell(sh, pages, verdicts)
}

// offered leaves out what the store does not offer; it is an error when nothing is left.
func offered(ctx context.Context, a oracle.Asking, pages []oracle.Page) (there []oracle.Page, err error) {
	for _, p := range pages {
		has, err := a.Offers(ctx, p)
		if err != nil {
			return nil, err
		}
		if has {
			there = append(there, p)
		}
	}
	if len(there) == 0 {
		return nil, fmt.Errorf("the store view at %s does not offer %s", a.Base, pages[0].Name)
	}
	return there, nil
}

// tell writes the verdicts. Its error is what makes the exit status say no.
func (c *auditOracle) tell(sh shell, pages []oracle.Page, verdicts []oracle.Verdict) error {
	if c.JSON {
		if err := sh.writeJSON(verdicts); err != nil {
			return err
		}
	} else if err := show(sh, verdicts); err != nil {
		return err
	}
	var loud []error
	for i, v := range verdicts {
		switch {
		case !v.Measured:
			way := "set customer/protection/mode to never for as long, or use --pause"
			if limit := pages[i].Limit; limit != "" {
				way = "set " + limit + " to 0 and customer/protection/mode to never for as long, or use --pause"
			}
			loud = append(loud, fmt.Errorf("%s: limits answered %d of %d times, so that nothing can be said; %s", v.Page, v.Limited, 2*c.Requests, way))
		case !v.Silent:
			loud = append(loud, fmt.Errorf("%s: customers can be told from nobody", v.Page))
		}
	}
	return errors.Join(loud...)
}

func show(sh shell, verdicts []oracle.Verdict) error {
	t := newTable(sh.out, "PAGE", "VERDICT", "AUC", "SILENT WITHIN", "CUSTOMERS", "NOBODY", "COMPARED", "LEFT OUT")
	for _, v := range verdicts {
		if !v.Measured {
			t.row(v.Page, "not measured", "", "", "", "", fmt.Sprint(v.Known+v.Unknown), fmt.Sprint(v.Limited))
			continue
		}
		word := "silent"
		if !v.Silent {
			word = "TELLS"
		}
		t.row(v.Page, word, fmt.Sprintf("%.3f", v.AUC), fmt.Sprintf("0.5 ± %.3f", v.Margin), fmt.Sprintf("%.2f ms", v.MedianKnown),
			fmt.Sprintf("%.2f ms", v.MedianUnknown), fmt.Sprint(v.Known+v.Unknown), fmt.Sprint(v.Limited))
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, v := range verdicts {
		for _, d := range v.Differences {
			fmt.Fprintln(sh.out, v.Page+": "+d)
		}
	}
	return nil
}

// pages are those that were chosen.
func (c *auditOracle) pages() (chosen []oracle.Page, err error) {
	if c.Requests < oracle.MinRequests || c.Requests > oracle.MaxRequests {
		return nil, &usageError{fmt.Sprintf("--requests must be %d to %d", oracle.MinRequests, oracle.MaxRequests)}
	}
	for _, p := range oracle.Pages() {
		if slices.Contains(c.Paths, p.Name) {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) != len(c.Paths) || len(chosen) == 0 {
		return nil, &usageError{"--paths takes forgot, sign-in, create and sign-in-letter"}
	}
	return chosen, nil
}

// maxKnown is how many bytes the list of --known may have: a million lines and more.
const maxKnown = 64 << 20

// addresses reads the list.
func (c *auditOracle) addresses(ctx context.Context, sh shell) ([]string, error) {
	in, done, err := sh.open(ctx, c.Known)
	if err != nil {
		return nil, fmt.Errorf("the list of --known: %w", err)
	}
	defer done()
	text, err := input.ReadAll(in, maxKnown)
	if err != nil {
		return nil, fmt.Errorf("the list of --known cannot be read: %w", err)
	}
	var known []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimRight(line, "\r\n"), ",")
		if i := slices.IndexFunc(cells, func(cell string) bool { return strings.Contains(cell, "@") }); i >= 0 {
			known = append(known, strings.Trim(cells[i], "\" "))
		}
	}
	if len(known) == 0 {
		return nil, errors.New("the list of --known holds no address")
	}
	return known, nil
}
