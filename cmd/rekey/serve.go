package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/secret"
)

// logging are the flags about the log on standard error.
type logging struct {
	LogLevel  string `default:"info" placeholder:"LEVEL" help:"Least important messages to log: debug, info, warn or error."`
	LogFormat string `default:"auto" enum:"auto,text,json" help:"text, json, or auto: text on a terminal."`
}

type serveCommand struct {
	place
	logging
	mailServer
	Listen           string        `default:"127.0.0.1:8080" help:"Address to listen on, for storefront, web API and console."`
	ConsoleListen    string        `placeholder:"ADDR" help:"Address of the console alone; it is not on --listen then."`
	MetricsListen    string        `placeholder:"ADDR" help:"Address of /metrics, for Prometheus."`
	MailboxListen    string        `placeholder:"ADDR" help:"Address of the mailbox, with --smtp mailbox (default: 127.0.0.1:8025)."`
	TrustedProxies   []string      `placeholder:"CIDR,…" help:"Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."`
	MailWorkers      int           `default:"4" help:"Letters under way at once."`
	HashMemory       uint32        `default:"19" placeholder:"MIB" help:"Memory of one password hash (Argon2id), in MiB."`
	HashTime         uint32        `default:"2" placeholder:"PASSES" help:"Passes of one password hash."`
	HashSlots        int           `default:"0" placeholder:"N" help:"Passwords hashed at once; 0 is the number of cores."`
	Drain            time.Duration `default:"0s" placeholder:"DURATION" help:"How long to go on serving once asked to stop, while /readyz says 503, so that a proxy which asks there turns to the other nodes first."`
	NoMigrate        bool          `help:"Leave the schema to rekey migrate."`
	ReplaceSecretKey bool          `help:"Go on with another key than the one the store remembers; links in letters on their way stop working."`
}

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, sh shell, known variables) error {
	config, err := c.config(sh)
	if err != nil {
		return err
	}
	config.Prepare = func(context.Context, *app.House, app.Addresses) error {
		for _, name := range known.unknown(os.Environ()) {
			config.Log.Warn("an environment variable belongs to no flag, so it does nothing", "variable", name)
		}
		return nil
	}
	return app.Run(ctx, config)
}

func (c *serveCommand) config(sh shell) (app.Config, error) {
	log, err := app.NewLog(sh.err, c.LogFormat, c.LogLevel)
	if err != nil {
		return app.Config{}, err
	}
	proxies, err := app.ParseProxies(c.TrustedProxies)
	if err != nil {
		return app.Config{}, err
	}
	if c.SMTP == "" && c.Dev {
		c.SMTP = app.Mailbox
	}
	switch {
	case c.SMTP != app.Mailbox && c.MailboxListen != "":
		return app.Config{}, &usageError{"--mailbox-listen is of use with --smtp mailbox only"}
	case c.MailboxListen == "":
		c.MailboxListen = mailboxBeside(c.Listen)
	}
	return app.Config{
		Place: c.at(), Listen: c.Listen, ConsoleListen: c.ConsoleListen, MetricsListen: c.MetricsListen, MailboxListen: c.MailboxListen,
		SMTP: c.SMTP, SMTPHelo: c.SMTPHelo, DKIM: c.DKIM, MailWorkers: c.MailWorkers, TrustedProxies: proxies,
		Hash:      secret.Params{Memory: c.HashMemory * 1024, Time: c.HashTime, Threads: secret.DefaultParams.Threads},
		HashSlots: c.HashSlots, Drain: c.Drain, NoMigrate: c.NoMigrate, ReplaceKey: c.ReplaceSecretKey,
		Version: version(), Log: log, Out: sh.out,
	}, nil
}

// mailboxBeside is the mailbox's default: where people look for one, or any port when the server takes any.
func mailboxBeside(listen string) string {
	if strings.HasSuffix(listen, ":0") {
		return "127.0.0.1:0"
	}
	return "127.0.0.1:8025"
}

// variables are the environment variables of all flags.
type variables map[string]bool

func (v variables) collect(n *kong.Node) {
	for _, flag := range n.Flags {
		for _, name := range flag.Envs {
			v[name] = true
		}
	}
	for _, child := range n.Children {
		v.collect(child)
	}
}

// unknown lists those that look like ours and are no flag's: a mistyped one would be ignored in silence.
func (v variables) unknown(environment []string) []string {
	var names []string
	for _, pair := range environment {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "REKEY_") && !v[name] {
			names = append(names, name)
		}
	}
	return names
}
