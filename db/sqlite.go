package db

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // driver "sqlite"
)

type engine uint8

const (
	sqliteEngine engine = iota
	postgresEngine
)

func (d *DB) openSQLite(path string, o Options) error {
	if path == "" {
		return fmt.Errorf("sqlite: names no file")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("the folder of the database cannot be used: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", filepath.Dir(path))
	}
	d.engine, d.path = sqliteEngine, path

	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("the database file cannot be opened: %s is a folder", path)
	case err == nil: // SQLite would not say why
		if err := syscall.Access(path, mayReadAndWrite); err != nil {
			return fmt.Errorf("the database file cannot be opened: %s: %w", path, err)
		}
	}
	// An empty file is made and turned to WAL by one process alone: SQLite does not wait for another that does the same.
	if err != nil || info.Size() == 0 {
		lock, err := lockFile(d.migrating(), syscall.LOCK_EX)
		if err != nil {
			return fmt.Errorf("the database file cannot be made: %w", err)
		}
		defer lock.Close()
		if err := makePrivate(path); err != nil {
			return fmt.Errorf("the database file cannot be made: %w", err)
		}
	}

	dsn := func(more url.Values) string {
		q := url.Values{"_pragma": {
			"busy_timeout(5000)", // other processes (the command line) write too
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"foreign_keys(ON)",
			"cache_size(-16000)",
		}}
		for k, v := range more {
			q[k] = append(q[k], v...)
		}
		return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	}
	if d.write, err = sql.Open("sqlite", dsn(url.Values{"_txlock": {"immediate"}})); err != nil {
		return err
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn(url.Values{"_pragma": {"query_only(ON)"}})); err != nil {
		return err
	}
	readers := o.MaxConns
	if readers <= 0 {
		readers = max(8, 2*runtime.GOMAXPROCS(0))
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	d.share(readers)
	return d.name(d.write.Ping())
}

// ClaimServing makes this process the one that serves a SQLite file. A second one is refused in plain words; other
// processes may still open the database to administer it. On PostgreSQL any number of nodes may serve; alone is false
// there, and otherwise says that no other server lives.
func (d *DB) ClaimServing() (release func(), alone bool, err error) {
	if d.engine != sqliteEngine {
		return func() {}, false, nil
	}
	for try := 1; ; try++ {
		f, err := lockFile(d.serving(), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			d.serves.Store(true)
			return func() { d.serves.Store(false); f.Close() }, true, nil
		}
		if try == claimTries {
			return nil, false, fmt.Errorf("another server is already running on %s", d.path)
		}
		time.Sleep(claimPause)
	}
}

// A command that looks whether somebody serves holds the lock for a moment, so a server tries more than once.
const (
	claimTries = 3
	claimPause = 20 * time.Millisecond
)

// isGuest tells whether another process serves the database of this one.
func (d *DB) isGuest() bool {
	if d.serves.Load() {
		return false
	}
	f, err := os.Open(d.serving()) // not made where nobody has served yet: it would be this user's
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// serving names the file that the server holds while it lives.
func (d *DB) serving() string { return d.path + ".serving" }

// mayReadAndWrite is R_OK|W_OK of access(2).
const mayReadAndWrite = 4 | 2

// makePrivate makes the file, readable by nobody else: it will hold password hashes. One that exists is not opened, for
// closing it would take away the locks that this process holds on it already (fcntl(2)).
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// migrating names the file that is locked while the database is made or its schema changes.
func (d *DB) migrating() string { return d.path + ".migrating" }

// lockFile opens path and locks it for this process; the lock ends with the file or the process, however it dies.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
