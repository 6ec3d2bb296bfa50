// Package demo is the main job with nothing to set up: two stores, some hundred customers with a past, an integration that
// holds tokens, administrators, and a mailbox.
//
// Promises:
//   - It never touches a store that is not a demo, and a demo is never served as a store: "rekey serve" refuses it.
//   - What it shows was made by the use cases themselves, with a clock that walks through the past; nothing is written
//     into a table by hand.
//   - It is the same each time: the people come from a generator with a fixed seed.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
)

// Options of Run.
type Options struct {
	Listen        string // "" is defaultListen, or a free port when that is taken
	MailboxListen string // "" is defaultMailbox, or a free port when that is taken
	Data          string // "" is a fresh temporary folder, removed at the end
	Version       string
	Log           *slog.Logger
	Out           io.Writer
}

// Where people look for a demo.
const (
	defaultListen  = "127.0.0.1:8080"
	defaultMailbox = "127.0.0.1:8025"
	freePort       = "127.0.0.1:0"
)

// How far the making of the demo has come, as the store remembers it.
const (
	begun = "begun"
	ready = "ready"
)

// Run makes the demo, or takes up the one in o.Data, and serves it until ctx ends.
func Run(ctx context.Context, o Options) error {
	data := o.Data
	if data == "" {
		folder, err := os.MkdirTemp("", "rekey-demo-")
		if err != nil {
			return fmt.Errorf("no temporary folder can be made: %w", err)
		}
		defer os.RemoveAll(folder)
		data = folder
	}
	return app.Run(ctx, app.Config{
		Place:         app.Place{Data: data, Dev: true},
		Listen:        listenOn(o.Listen, defaultListen),
		MailboxListen: mailboxAddress(o),
		SMTP:          app.Mailbox,
		Version:       o.Version,
		Log:           o.Log,
		Demo:          true,
		Prepare:       furnish,
		Announce: func(at app.Addresses) {
			announce(o.Out, at, o.Data)
		},
	})
}

// listenOn gives what was asked for, else where people look; a demo does not fail because another program has that port.
func listenOn(asked, usual string) string {
	if asked != "" {
		return asked
	}
	probe, err := net.Listen("tcp", usual)
	if err != nil {
		return freePort
	}
	probe.Close()
	return usual
}

// mailboxAddress is the mailbox's, on a free port where the store was asked for on one.
func mailboxAddress(o Options) string {
	if _, port, err := net.SplitHostPort(o.Listen); err == nil && port == "0" {
		return listenOn(o.MailboxListen, freePort)
	}
	return listenOn(o.MailboxListen, defaultMailbox)
}

// furnish makes the stores and their past, or only their addresses when they are there.
func furnish(ctx context.Context, h *app.House, at app.Addresses) error {
	state, err := h.Demo(ctx)
	if err != nil {
		return err
	}
	switch state {
	case ready:
		return readdress(ctx, h, at)
	case begun:
		return fmt.Errorf("the demo in %s was broken off while it was being made; delete that folder and start again", h.Data)
	}
	if err := refuseUsed(ctx, h); err != nil {
		return err
	}
	if err := h.SetDemo(ctx, begun); err != nil {
		return err
	}
	if err := readdress(ctx, h, at); err != nil {
		return err
	}
	if err := makePast(ctx, h); err != nil {
		return err
	}
	return h.SetDemo(ctx, ready)
}

// refuseUsed keeps the demo out of a store that somebody uses.
func refuseUsed(ctx context.Context, h *app.House) error {
	return h.DB.Read(ctx, func(tx *db.Tx) error {
		page, err := customer.Search(ctx, tx, customer.Query{Limit: 1})
		if err != nil {
			return err
		}
		admins, err := admin.List(ctx, tx)
		if err != nil {
			return err
		}
		if page.Total > 0 || len(admins) > 0 {
			return errors.New("this folder holds a store that is in use; choose another --data for the demo")
		}
		return nil
	})
}
