package main

import (
	"context"
	"fmt"

	"github.com/rekeyhq/rekey/app"
)

// place are the flags that say where the store lives.
type place struct {
	Data          string `placeholder:"DIR" help:"Folder of the store: its embedded database and its key."`
	Database      string `placeholder:"URL" help:"sqlite:PATH or postgres://user:password@host/name; the default is a file in --data."`
	Connections   int    `name:"database-connections" placeholder:"N" help:"Connections to PostgreSQL that this process takes at most; the default follows the cores and what the server allows."`
	Durability    string `name:"database-durability" enum:"server,provider" default:"server" help:"provider: whoever runs PostgreSQL keeps what was written although it reports fsync=off, as Neon and Aurora do (${enum})."`
	SecretKeyFile string `placeholder:"FILE" help:"File with the store's secret key; needed by serve with PostgreSQL."`
	AcceptKeyFile string `name:"accept-secret-key-file" placeholder:"FILE" help:"File with another secret key that is accepted beside it while the store changes its key: the next one, or the former for 7 days after."`
	Breached      string `name:"breached-passwords" placeholder:"FILE" help:"List of breached passwords, as rekey passwords import makes it; the default is breached.passwords in --data."`
	Dev           bool   `help:"Development: allow plain-http base URLs."`
}

// Validate is called by the parser.
func (p place) Validate() error {
	if p.Data == "" && p.Database == "" {
		return &usageError{"say where the store lives: --data DIR, or --database postgres://… (or REKEY_DATA, REKEY_DATABASE)"}
	}
	if p.Connections != 0 && p.Connections < app.LeastConnections {
		return &usageError{fmt.Sprintf("--database-connections must be at least %d", app.LeastConnections)}
	}
	return nil
}

func (p place) at() app.Place {
	return app.Place{Data: p.Data, Database: p.Database, Connections: p.Connections, TrustProvider: p.Durability == "provider",
		SecretKeyFile: p.SecretKeyFile, AcceptKeyFile: p.AcceptKeyFile, Breached: p.Breached, Dev: p.Dev}
}

// read opens a store that must be there.
func (p place) read(ctx context.Context, f func(*app.House) error) error {
	return p.open(ctx, app.Opening{}, f)
}

// change opens a store, made if there is none yet: an administrator may be created before the first start.
func (p place) change(ctx context.Context, f func(*app.House) error) error {
	return p.open(ctx, app.Opening{Make: true}, f)
}

func (p place) open(ctx context.Context, o app.Opening, f func(*app.House) error) error {
	house, err := p.at().Open(ctx, o)
	if err != nil {
		return err
	}
	defer house.Close()
	if p.Dev {
		// In development a server lends store views its own address. Which one that is does not matter here: only the
		// server writes letters.
		house.Shop.DevBaseURL = "http://localhost"
	}
	return house.Explain(f(house))
}
