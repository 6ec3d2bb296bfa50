// Package throwaway starts a PostgreSQL server that nobody has to clean up after.
//
// What a reviewer may hold it to:
//   - The server and its files are gone when Stop was called, and also when the process that called Start has
//     ended in any other way: a failed test, Ctrl-C, kill -9.
//   - It listens on a Unix socket in its own folder and nowhere else, so that runs side by side cannot meet.
//   - It can be killed like a real one (Crash), and starts again on what had reached its files (Restart).
//   - It is as durable as a real one (fsync and synchronous_commit stay on), because the product refuses a server
//     that is not. It is quick because its files rest in memory where the system offers that.
//
// It needs the server's programs (Debian: apt install postgresql) and, for root, the account "postgres", as
// PostgreSQL refuses to run as root.
package throwaway

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx", to see when the server answers
)

// ErrNotInstalled says that this machine has no PostgreSQL server to start.
var ErrNotInstalled = errors.New("PostgreSQL's server programs are not installed (Debian: apt install postgresql)")

// patience bounds how long a server may take to accept its first connection.
const patience = 30 * time.Second

// keeper runs the server until its own standard input ends, then removes the folder. Its input is a pipe whose
// other end only this process holds: the kernel closes it however the process ends. A line there starts the server anew.
const keeper = `
start() {
	"$1/postgres" -D "$2/data" -k "$2" >>"$2/log" 2>&1 </dev/null &
	server=$!
}
start "$1" "$2"
while read -r _; do
	wait "$server" 2>/dev/null
	start "$1" "$2"
done
kill -QUIT "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$2"
`

// settings make the server small, quiet and without a use for the network. Nothing here weakens durability.
const settings = `
listen_addresses = ''
max_connections = 300
shared_buffers = 64MB
wal_level = minimal
max_wal_senders = 0
autovacuum_naptime = 1d
`

// Server is one running PostgreSQL server.
type Server struct {
	// URL connects as the superuser to the database "postgres".
	URL string

	dir   string
	alive io.WriteCloser // the keeper's input; closing it ends the server
	cmd   *exec.Cmd
}

// Start makes a new cluster and waits until it answers. It takes about two seconds. The error is ErrNotInstalled
// (errors.Is) when the machine has no server programs.
func Start(ctx context.Context) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := folder(account)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, URL: address(dir, "postgres")}
	if err := s.launch(ctx, bin, account); err != nil {
		s.Stop()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Stop ends the server at once and removes its files.
func (s *Server) Stop() {
	if s.alive == nil {
		return
	}
	s.alive.Close()
	s.cmd.Wait() // its exit status says only that it was told to stop
	s.alive = nil
}

// Crash kills every process of the server at once, as kill -9 does: without a word to a client or to the disk.
func (s *Server) Crash() error {
	data := filepath.Join(s.dir, "data")
	for {
		processes, err := filepath.Glob("/proc/[0-9]*/cwd") // each of the server's processes stays in the folder of the data
		if err != nil {
			return err
		}
		left := 0
		for _, link := range processes {
			if at, err := os.Readlink(link); err != nil || at != data {
				continue // somebody else's, or gone meanwhile
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			if err != nil {
				return err
			}
			left++
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		if left == 0 { // one that is dead has no folder any more
			return nil
		}
	}
}

// Restart starts the server again after Crash and waits until it answers. It recovers by its write-ahead log.
func (s *Server) Restart(ctx context.Context) error {
	if _, err := io.WriteString(s.alive, "again\n"); err != nil {
		return err
	}
	return s.answers(ctx)
}

func (s *Server) launch(ctx context.Context, bin string, account *syscall.Credential) error {
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(s.dir, "data"),
		"-U", "postgres", "-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	conf := filepath.Join(s.dir, "data", "postgresql.auto.conf")
	if err := os.WriteFile(conf, []byte(settings), 0o600); err != nil {
		return err
	}

	s.cmd = exec.Command("sh", "-c", keeper, "keeper", bin, s.dir)
	s.cmd.Dir = "/"
	// A group of its own: Ctrl-C reaches the tests, and the server leaves after them.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	alive, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.alive = alive
	return s.answers(ctx)
}

// answers waits for the first connection.
func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pool, err := sql.Open("pgx", s.URL)
	if err != nil {
		return err
	}
	defer pool.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = pool.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("PostgreSQL did not answer: %w: %s", err, bytes.TrimSpace(log))
		}
	}
}

// Database returns the address of another database on the same server. server is an address as in Server.URL or
// as an administrator writes it.
func Database(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("address of the PostgreSQL server: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func address(socketDir, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		RawQuery: url.Values{"host": {socketDir}, "sslmode": {"disable"}}.Encode()}
	return u.String()
}

// programs finds the folder of the server's programs. Debian keeps them out of PATH, one folder per version; the
// newest wins.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is constant and valid
	if len(found) > 0 {
		sort.Slice(found, func(i, j int) bool { return version(found[i]) > version(found[j]) })
		return filepath.Dir(found[0]), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrNotInstalled
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb)))) // a folder without a number sorts last
	return n
}

// unprivileged returns the account that the server runs under: nil for the one that runs the tests, "postgres"
// when that is root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: no account \"postgres\"", ErrNotInstalled)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// folder makes the server's folder. The path stays short, because a Unix socket's may have 107 bytes at most, and
// outside t.TempDir(), which the server's account could not enter.
func folder(account *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp(memory(), "rekey-pg-")
	if err != nil {
		return "", err
	}
	if account != nil {
		if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// memory returns a folder that rests in memory and has room, or "" for the usual temporary folder.
func memory() string {
	const dir, room = "/dev/shm", 2 << 30 // bytes; a container often has 64 MB there, which fills up
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return dir
}
