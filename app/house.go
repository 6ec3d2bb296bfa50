package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/secret/breached"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/webhook"
)

// databaseFile is the name of the embedded database in the data folder.
const databaseFile = "rekey.db"

// LeastConnections is the fewest that --database-connections may say: visitors, administrators and the house's own work share them.
const LeastConnections = db.LeastConns

// Place says where a store lives.
type Place struct {
	Data          string // the folder of the embedded database and of the key
	Database      string // "sqlite:PATH" or "postgres://…"; "" is databaseFile in Data
	Connections   int    // to the database, at most; 0 is what db thinks right
	TrustProvider bool   // whoever runs PostgreSQL keeps what was written although it says otherwise
	SecretKeyFile string // "" is keyFile in Data, with SQLite only
	AcceptKeyFile string // file of another key, accepted beside it: the next one, or the former; "" is none
	Breached      string // file of the list of breached passwords; "" is breachedFile in Data, if there is a Data
	Dev           bool   // plain-http base URLs are allowed
}

// String names the place without its credentials.
func (p Place) String() string {
	if p.Database != "" {
		return db.Redact(p.Database)
	}
	return p.Data
}

func (p *Place) check() error {
	switch {
	case p.Database == "" && p.Data == "":
		return errors.New("say where the store lives: --data DIR, or --database postgres://…")
	case p.Database == "":
		p.Database = "sqlite:" + filepath.Join(p.Data, databaseFile)
	case !p.embedded() && !strings.HasPrefix(p.Database, "postgres://") && !strings.HasPrefix(p.Database, "postgresql://"):
		return fmt.Errorf("--database must be sqlite:PATH or postgres://user:password@host/name, not %q", db.Redact(p.Database))
	case p.Data == "" && p.embedded():
		p.Data = filepath.Dir(p.file())
	}
	if p.embedded() && p.TrustProvider {
		return errors.New("--database-durability=provider is about PostgreSQL; this store's database is a file")
	}
	if p.embedded() && p.file() == "" {
		return errors.New("--database sqlite: names no file; write sqlite:PATH")
	}
	return nil
}

// embedded tells whether the store's database is a file of its own. Only where the key lives and who makes the folder
// hang on it; what is in the database never does.
func (p Place) embedded() bool { return strings.HasPrefix(p.Database, "sqlite:") }

func (p Place) file() string { return strings.TrimPrefix(p.Database, "sqlite:") }

// House is an open store: its database and the services of every floor below the doors.
type House struct {
	Place
	DB        *db.DB
	Key       secret.Key // zero where only a command runs that needs none
	Shop      *shop.Shop
	Hasher    *secret.Hasher
	Customers *customer.Service
	Admins    *admin.Service
	SignIn    *signin.Service
	Tokens    *token.Service
	Recovery  *recovery.Service
	Webhooks  *webhook.Service
	Incidents *incident.Service
	Puzzles   *puzzle.Service
}

// Opening says how to open a Place.
type Opening struct {
	Make       bool // make the folder and the database where there are none, and bring the schema up to date
	Serve      bool // a key is needed: made with SQLite where there is none, demanded with PostgreSQL
	ReplaceKey bool // the key need not be the remembered one
	Hash       secret.Params
	HashSlots  int
	Clock      func() time.Time // nil: the engine's
	Log        *slog.Logger     // hears what goes wrong after the start; nil: nobody does
}

// Open opens a store. Its errors are sentences for the operator.
func (p Place) Open(ctx context.Context, o Opening) (*House, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := p.prepare(o.Make); err != nil {
		return nil, err
	}
	// The key is looked at first: without one there is nothing to start, and nothing has been made yet.
	key, err := p.readKey()
	if err != nil {
		return nil, err
	}
	if o.Serve && key.IsZero() && !p.embedded() {
		return nil, errors.New("with PostgreSQL the secret key must be given: --secret-key-file FILE, the same on every node (make one with: openssl rand -base64 32)")
	}
	beside, err := p.readBeside()
	if err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, p.Database, db.Options{NoMigrate: !o.Make, Clock: o.Clock, MaxConns: p.Connections, TrustProvider: p.TrustProvider})
	if err != nil {
		return nil, p.Explain(err)
	}
	if key, err = p.settleKey(ctx, d, key, beside, o); err != nil {
		d.Close()
		return nil, p.Explain(err)
	}
	return p.furnish(d, key, o), nil
}

// prepare makes the folder, or insists that the store is there.
func (p Place) prepare(mayMake bool) error {
	if !p.embedded() {
		return nil
	}
	_, err := os.Stat(p.file())
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the database file cannot be used: %w", err)
	case !mayMake:
		return fmt.Errorf("there is no store in %s yet; rekey migrate makes one, and so does rekey serve", filepath.Dir(p.file()))
	}
	for _, folder := range []string{p.Data, filepath.Dir(p.file())} {
		// The folder holds password hashes and the key: nobody else needs to look into it.
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("the data folder cannot be made: %w", err)
		}
	}
	return nil
}

func (p Place) furnish(d *db.DB, key secret.Key, o Opening) *House {
	if o.Hash == (secret.Params{}) {
		o.Hash = secret.DefaultParams
	}
	h := &House{Place: p, DB: d, Key: key, Hasher: secret.NewHasher(o.Hash, o.HashSlots)}
	h.Shop = &shop.Shop{DB: d, AllowHTTP: p.Dev}
	if path := p.breachedPath(); path != "" {
		h.Shop.Breached = breached.At(path, o.Log)
	}
	h.Customers = &customer.Service{DB: d, Shop: h.Shop, Hasher: h.Hasher, Key: key, TokensEnded: token.QueueLogouts,
		Disowned: recovery.EndMaker, Erased: recovery.Erase}
	h.Admins = &admin.Service{DB: d, Shop: h.Shop, Hasher: h.Hasher, Key: key}
	h.SignIn = &signin.Service{DB: d, Shop: h.Shop, Hasher: h.Hasher, Key: key}
	h.Tokens = &token.Service{DB: d, SignIn: h.SignIn, Shop: h.Shop, Key: key}
	h.Recovery = &recovery.Service{DB: d, Shop: h.Shop, Hasher: h.Hasher, Key: key, SignIn: h.SignIn, Customers: h.Customers}
	h.Webhooks = &webhook.Service{DB: d, Shop: h.Shop, Key: key}
	h.Incidents = &incident.Service{DB: d, Shop: h.Shop, Hasher: h.Hasher, Recovery: h.Recovery}
	h.Puzzles = &puzzle.Service{DB: d, Key: key}
	return h
}

// Close closes the database, after the writes that are under way.
func (h *House) Close() error {
	h.Shop.Breached.Close()
	return h.DB.Close()
}

// demoRow is the row of installation that a demo's store has; its value is how far its making has come.
const demoRow = "demo"

// SetDemo remembers that this store is a demo, and how far its making has come.
func (h *House) SetDemo(ctx context.Context, state string) error {
	return h.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO installation (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, demoRow, []byte(state))
		return err
	})
}

// Demo gives the state that SetDemo remembered, "" for a store that is no demo.
func (h *House) Demo(ctx context.Context) (string, error) {
	var state []byte
	err := h.DB.Read(ctx, func(tx *db.Tx) error {
		err := tx.Row(ctx, `SELECT value FROM installation WHERE name = $1`, demoRow).Scan(&state)
		if db.IsNoRows(err) {
			return nil
		}
		return err
	})
	return string(state), err
}
