package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the engine's migration files; both folders hold the same names.
func Migrations(engine string) (fs.FS, error) { return fs.Sub(migrations, "migrations/"+engine) }

func (d *DB) provider() (*goose.Provider, error) {
	name, dialect := "sqlite", goose.DialectSQLite3
	var options []goose.ProviderOption
	if d.engine == postgresEngine {
		name, dialect = "postgres", goose.DialectPostgres
		// Several nodes start at once: an advisory lock lets each migration be applied by exactly one of them.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := Migrations(name)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, d.write, files, options...)
}

// Migrate brings the schema up to date. Several processes may call it at once: each migration is applied once.
func (d *DB) Migrate(ctx context.Context) error {
	if d.engine == sqliteEngine {
		f, err := lockFile(d.migrating(), syscall.LOCK_EX)
		if err != nil {
			return fmt.Errorf("the schema cannot be locked: %w", err)
		}
		defer f.Close()
	}
	p, err := d.provider()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("the schema could not be brought up to date: %w", d.name(err))
	}
	return d.checkSchema(ctx)
}

// Version tells the schema's version and the one that this program knows.
func (d *DB) Version(ctx context.Context) (current, known int64, err error) {
	p, err := d.provider()
	if err != nil {
		return 0, 0, err
	}
	current, known, err = p.GetVersions(ctx)
	return current, known, d.name(err)
}

// checkSchema refuses a schema older than the program. A newer one is allowed: during an upgrade both versions run
// side by side, and migrations only expand.
func (d *DB) checkSchema(ctx context.Context) error {
	current, known, err := d.Version(ctx)
	if err != nil {
		return err
	}
	if current < known {
		return fmt.Errorf("the schema is at version %d and this program needs %d; run: rekey migrate", current, known)
	}
	return nil
}
