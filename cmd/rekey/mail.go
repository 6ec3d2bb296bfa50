package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
)

type mailCommands struct {
	Test  mailTest  `cmd:"" help:"Send a test email over the mail server, and tell each step, what the server answered and what to do about it."`
	Retry mailRetry `cmd:"" help:"Try emails now that wait, or send again what was refused or set aside."`
	DKIM  mailDKIM  `cmd:"" name:"dkim" help:"Show what a DKIM key needs in DNS; make the key if there is none."`
}

// mailServer are the flags about the mail server, those of serve and of mail test.
type mailServer struct {
	SMTP     string   `name:"smtp" placeholder:"URL" help:"Mail server, smtp://user:password@host:port?starttls=required|optional|never or smtps://…, both with ca=FILE for an authority of your own; or, with serve, mailbox: letters stay in this process and are shown on a page. Without one, letters wait for a node that has one; with --dev the default is mailbox."`
	SMTPHelo string   `name:"smtp-helo" placeholder:"HOST" help:"Our name in EHLO; the default is the domain of the sender, or the host of the base URL."`
	DKIM     []string `name:"dkim" sep:"," placeholder:"DOMAIN:SELECTOR:FILE" help:"Key that signs emails from this domain and below it; may be given several times. See rekey mail dkim."`
}

// stepLimit bounds a test: whoever waits for it has seen enough by then.
const stepLimit = 2 * time.Minute

type mailTest struct {
	place
	mailServer
	To        string `required:"" placeholder:"ADDRESS" help:"Where the email goes: an address that you can read."`
	StoreView string `placeholder:"CODE" help:"The store view that it comes from; the default is the first."`
}

// Run sends the email.
func (c *mailTest) Run(ctx context.Context, sh shell) error {
	if c.SMTP == "" || c.SMTP == app.Mailbox {
		return &usageError{"say over which mail server: --smtp URL, as serve has it (or REKEY_SMTP)"}
	}
	transport, err := app.MailServer{SMTP: c.SMTP, Helo: c.SMTPHelo, DKIM: c.DKIM}.Transport()
	if err != nil {
		return err
	}
	transport.Tell = func(s mail.Step) { fmt.Fprintf(sh.out, "%-22s ok    %s\n", s.Name, s.Words) }
	for _, key := range transport.DKIM {
		name, state := published(ctx, key)
		fmt.Fprintf(sh.out, "%-22s %-5s %s\n", "DKIM", map[bool]string{true: "ok", false: "look"}[state == ""], name+" "+state)
	}
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	err = c.read(ctx, func(h *app.House) error { return h.TestMail(ctx, transport, c.StoreView, c.To) })
	var trouble *mail.Trouble
	switch {
	case errors.As(err, &trouble):
		fmt.Fprintf(sh.out, "%-22s fails %s\n", trouble.At, trouble.Words)
		return fmt.Errorf("the mail server did not take the email. %s", trouble.Reason.Cure())
	case err != nil:
		return err
	}
	fmt.Fprintf(sh.out, "The mail server took the email to %s. Look whether it arrives, and in which folder.\n", c.To)
	return nil
}

// published says what is wrong with the record of a DKIM key in DNS, "" when nothing is.
func published(ctx context.Context, key mail.DKIM) (name, wrong string) {
	name, want, err := key.Record()
	if err != nil {
		return name, err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupTXT(ctx, name)
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
	_, want, _ = strings.Cut(squeeze(want), "p=")
	switch {
	case err != nil:
		return name, "is not in DNS: publish what rekey mail dkim shows"
	case !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(squeeze(s), want) }):
		return name, "holds another key in DNS: publish what rekey mail dkim shows"
	}
	return name, ""
}

type mailRetry struct {
	place
	ID  string `arg:"" optional:"" help:"Number of one email, as the console shows it. Without one, everything that waits is tried now."`
	All bool   `help:"Also send again what was refused or set aside and whose link has not expired."`
}

// Run makes emails due; a running server sends them.
func (c *mailRetry) Run(ctx context.Context, sh shell) error {
	permit := admin.CommandLine(admin.ResendEmails)
	if c.ID != "" && c.All {
		return &usageError{"give the number of one email, or --all"}
	}
	return c.read(ctx, func(h *app.House) error {
		if c.ID != "" {
			id, err := db.ParseID(c.ID)
			if err != nil {
				return fmt.Errorf("%q is not the number of an email", c.ID)
			}
			if err := h.Recovery.Resend(ctx, permit, id, audit.Origin{}); err != nil {
				return err
			}
			fmt.Fprintln(sh.out, "The email goes now, by a server that has --smtp.")
			return nil
		}
		done, err := h.Recovery.ResendAll(ctx, permit, c.All, audit.Origin{})
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Tried now: %d that had to wait. Sent again: %d that were refused or set aside.\n", done.Tried, done.Sent)
		return nil
	})
}

type mailDKIM struct {
	Key  string `arg:"" placeholder:"DOMAIN:SELECTOR:FILE" help:"The key, as --dkim has it."`
	Make string `enum:",rsa,ed25519" default:"" placeholder:"rsa|ed25519" help:"Make the key first, in a file that must not exist yet."`
}

// Run shows the record.
func (c *mailDKIM) Run(sh shell) error {
	if parts := strings.SplitN(c.Key, ":", 3); c.Make != "" && len(parts) == 3 {
		pem, err := mail.GenerateDKIMKey(c.Make)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(parts[2], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("the DKIM key cannot be made: %w", err)
		}
		_, err = f.Write(pem)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("the DKIM key cannot be written: %w", err)
		}
	}
	key, err := app.ReadDKIM(c.Key)
	if err != nil {
		return err
	}
	name, text, err := key.Record()
	if err != nil {
		return err
	}
	fmt.Fprintf(sh.out, "%s. IN TXT %s\n", name, quotedStrings(text))
	return nil
}

// quotedStrings cuts the text of a TXT record into strings of at most 255 bytes, which is how zone files have it.
func quotedStrings(text string) string {
	var parts []string
	for part := range slices.Chunk([]byte(text), 255) {
		parts = append(parts, `"`+string(part)+`"`)
	}
	return strings.Join(parts, " ")
}
