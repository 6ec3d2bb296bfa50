package main

import (
	"context"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/app/demo"
)

type demoCommand struct {
	logging
	Listen        string `placeholder:"ADDR" help:"Address to listen on (default: 127.0.0.1:8080, or a free port)."`
	MailboxListen string `placeholder:"ADDR" help:"Address of the mailbox (default: 127.0.0.1:8025, or a free port)."`
	Data          string `placeholder:"DIR" help:"Folder to keep the demo in; the default is a fresh temporary one."`
}

// Run runs the demo until it is told to stop.
func (c *demoCommand) Run(ctx context.Context, sh shell) error {
	if c.LogLevel == "info" {
		c.LogLevel = "warn" // the terminal belongs to the addresses and sign-ins
	}
	log, err := app.NewLog(sh.err, c.LogFormat, c.LogLevel)
	if err != nil {
		return err
	}
	return demo.Run(ctx, demo.Options{Listen: c.Listen, MailboxListen: c.MailboxListen, Data: c.Data, Version: version(), Log: log, Out: sh.out})
}
