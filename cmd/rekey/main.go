// Command rekey is the whole program: the server, the demo, and what its operator types.
//
// Promises:
//   - Exit 0: done. Exit 1: it did not work, and one plain sentence per reason stands on standard error. Exit 2: the
//     command itself was wrong.
//   - Every flag has an environment variable, REKEY_ and its name; a flag wins over its variable.
//   - Every listing has --json, whose names stay.
//   - No password is ever an argument, where other users of the machine could read it: it comes from standard input.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/rekeyhq/rekey/fault"
)

// Exit statuses.
const (
	done = iota
	failed
	wrongUsage
)

// commands is the command line, in the order in which the help shows it.
type commands struct {
	Demo        demoCommand         `cmd:"" help:"Try everything: two stores, a console and a mailbox, with nothing to set up."`
	Serve       serveCommand        `cmd:"" help:"Run the server."`
	Admin       adminCommands       `cmd:"" help:"Administrators."`
	Website     websiteCommands     `cmd:"" help:"Websites: the scope of a customer's account."`
	StoreView   viewCommands        `cmd:"" help:"Store views: a language, an address and a look of a website."`
	Customer    customerCommands    `cmd:"" help:"Customers."`
	OauthClient clientCommands      `cmd:"" name:"oauth-client" help:"Apps that customers connect by OAuth 2.1 or OpenID Connect."`
	Webhook     webhookCommands     `cmd:"" help:"Webhooks: programs that are told what happens."`
	Integration integrationCommands `cmd:"" help:"Integrations: programs that act for the store."`
	Audit       auditCommands       `cmd:"" help:"Look at an installation from outside."`
	Incident    incidentCommands    `cmd:"" help:"Breach day: many customers at once are signed out, must choose a new password, are told."`
	Passwords   passwordsCommands   `cmd:"" help:"The list of breached passwords, which new ones are compared with."`
	Mail        mailCommands        `cmd:"" help:"The mail server, and emails that wait or were refused."`
	Config      configCommands      `cmd:"" help:"Settings, by the paths of Adobe Commerce."`
	Key         keyCommands         `cmd:"" help:"The secret key that links are made with."`
	Restored    restoredCommand     `cmd:"" help:"After a backup was restored: end what was issued before, so that nothing that was used since works again."`
	Migrate     migrateCommand      `cmd:"" help:"Bring the database's schema up to date, or make a new store."`
	Version     versionCommand      `cmd:"" help:"Tell the version."`
	Healthcheck healthCommand       `cmd:"" help:"Ask a running server whether it is well; for containers and scripts."`
}

// shell is where a command reads and writes.
type shell struct {
	in       io.Reader
	out, err io.Writer
}

// open gives the file that a command reads; - is standard input. A pipe that nobody writes to is waited for, and both waiting for it
// and reading from it end with ctx.
func (sh shell) open(ctx context.Context, name string) (r io.Reader, done func(), err error) {
	in, give := io.Pipe()
	opened := make(chan error, 1)
	go func() {
		from := sh.in
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				opened <- err
				return
			}
			defer f.Close()
			from = f
		}
		opened <- nil
		_, err := io.Copy(give, from)
		give.CloseWithError(err)
	}()
	select {
	case err = <-opened:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { give.CloseWithError(ctx.Err()) })
	return in, func() { stop(); in.Close() }, nil
}

func main() {
	os.Exit(run(os.Args[1:], shell{os.Stdin, os.Stdout, os.Stderr}))
}

// run does what the arguments say and gives the exit status.
func run(args []string, sh shell) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	helped := -1 // the status that showing help ends with
	parser, err := kong.New(&commands{},
		kong.Name("rekey"),
		kong.Description("Customer accounts and password recovery for online stores."),
		kong.DefaultEnvars("REKEY"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(sh.out, sh.err),
		kong.Exit(func(status int) { helped = status; panic(exit{}) }),
		kong.Bind(sh),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return complain(sh, failed, err)
	}
	if len(args) == 0 {
		return complain(sh, wrongUsage, errors.New("say what to do, such as: rekey demo"))
	}
	known := variables{}
	known.collect(parser.Model.Node)
	command, err := parse(parser, args)
	switch {
	case helped >= 0:
		return helped
	case err != nil:
		return complain(sh, wrongUsage, err)
	}
	if err := command.Run(known); err != nil {
		var usage *usageError
		if errors.As(err, &usage) {
			return complain(sh, wrongUsage, err)
		}
		return complain(sh, failed, err)
	}
	return done
}

// exit carries kong's wish to end (after --help) up to run.
type exit struct{}

func parse(parser *kong.Kong, args []string) (command *kong.Context, err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(exit); !ok {
				panic(p)
			}
		}
	}()
	return parser.Parse(args)
}

// usageError is a command that was wrong in itself.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// complain writes one sentence per reason.
func complain(sh shell, status int, err error) int {
	for _, sentence := range sentences(err) {
		fmt.Fprintln(sh.err, "rekey: "+sentence)
	}
	if status == wrongUsage {
		fmt.Fprintln(sh.err, "Try: rekey --help")
	}
	return status
}

// sentences takes an error apart into what its reader can act upon.
func sentences(err error) []string {
	var texts []string
	for _, f := range fault.List(err) {
		text := f.Text
		if !f.RetryAt.IsZero() {
			text += " The next is allowed at " + clock(f.RetryAt) + "."
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		texts = append(texts, strings.ReplaceAll(strings.Join(strings.Fields(err.Error()), " "), context.Canceled.Error(), "it was told to stop"))
	}
	return texts
}
