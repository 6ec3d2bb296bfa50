package test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/rekeyhq/rekey/db/dbtest/throwaway"
)

// newPlace gives a folder for servers of the test's own; they and it are gone when the test ends.
func newPlace(t *testing.T) *throwaway.Place {
	t.Helper()
	p, err := throwaway.NewPlace()
	if errors.Is(err, throwaway.ErrNotInstalled) && !complete() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Remove)
	return p
}

// daemon is a server that is no program of ours.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  string // file
}

// runDaemon starts a program in a place, under its account.
func runDaemon(t *testing.T, p *throwaway.Place, log, name string, args ...string) *daemon {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(p.Dir, log), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := &daemon{cmd: exec.Command(name, args...), done: make(chan struct{}), log: file.Name()}
	leaveWithUs(d.cmd)
	if d.cmd.SysProcAttr == nil {
		d.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	d.cmd.SysProcAttr.Credential = p.Account
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = p.Dir, file, file
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // as for our own program
		err := d.cmd.Start()
		started <- err
		if err == nil {
			d.cmd.Wait() // however it ends
		}
		close(d.done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	return d
}

func (d *daemon) kill() { d.end(syscall.SIGKILL) }

func (d *daemon) end(how syscall.Signal) {
	d.cmd.Process.Signal(how) // it may have ended already
	<-d.done
}

func (d *daemon) runs() bool {
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// said is the end of what it wrote.
func (d *daemon) said() string {
	text, _ := os.ReadFile(d.log)
	return string(text[max(0, len(text)-4000):])
}

// cluster is a PostgreSQL server that a test may hurt: it stops, starts again, and is told other settings.
type cluster struct {
	t     *testing.T
	place *throwaway.Place
	data  string
	port  string
	env   []string // variables of its own, as VAR=value
	*daemon
}

// newCluster makes and starts one in a folder of a place.
func newCluster(t *testing.T, place *throwaway.Place, folder string, settings ...string) *cluster {
	t.Helper()
	return newClusterIn(t, nil, place, folder, settings...)
}

// newClusterIn is newCluster with more variables in the server's environment.
func newClusterIn(t *testing.T, env []string, place *throwaway.Place, folder string, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, place: place, env: env, data: filepath.Join(place.Dir, folder, "data"), port: freePort(t)}
	c.run("initdb", "-D", c.data, "-U", "postgres", "-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=1")
	conf := "listen_addresses = '127.0.0.1'\nport = " + c.port + "\nunix_socket_directories = ''\nmax_connections = 60\nshared_buffers = 32MB\n" +
		"wal_level = minimal\nmax_wal_senders = 0\ndynamic_shared_memory_type = mmap\nmin_wal_size = 4MB\nmax_wal_size = 8MB\n"
	for _, s := range settings {
		conf += s + "\n"
	}
	if err := os.WriteFile(filepath.Join(c.data, "postgresql.auto.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	return c
}

// run runs a program of PostgreSQL to its end.
func (c *cluster) run(name string, args ...string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.place.Programs, name), args...)
	cmd.Dir = c.place.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.place.Account}
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", name, err, bytes.TrimSpace(out))
	}
}

// launch starts the server and does not wait for it.
func (c *cluster) launch() {
	c.t.Helper()
	c.daemon = runDaemon(c.t, c.place, "log", "env", append(slices.Clone(c.env), filepath.Join(c.place.Programs, "postgres"), "-D", c.data)...)
}

func (c *cluster) start() {
	c.t.Helper()
	c.launch()
	if err := eventually(starting, func() error { return c.exec("SELECT 1") }); err != nil {
		c.t.Fatalf("PostgreSQL: %v: %s", err, c.said())
	}
}

// restart is what an administrator's "restart" does: a fast shutdown, and the same server again.
func (c *cluster) restart() {
	c.t.Helper()
	c.end(syscall.SIGINT)
	c.start()
}

// exec runs statements as the superuser, each in its own transaction.
func (c *cluster) exec(statements ...string) error {
	d, err := sql.Open("pgx", c.url("postgres")+"&default_transaction_read_only=off")
	if err != nil {
		return err
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(context.Background(), starting)
	defer cancel()
	for _, s := range statements {
		if _, err := d.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// set changes settings of the running server.
func (c *cluster) set(settings ...string) {
	c.t.Helper()
	var statements []string
	for _, s := range settings {
		statements = append(statements, "ALTER SYSTEM SET "+s)
	}
	if err := c.exec(append(statements, "SELECT pg_reload_conf()")...); err != nil {
		c.t.Fatal(err)
	}
}

// database makes an empty one and gives its address.
func (c *cluster) database(name string) string {
	c.t.Helper()
	if err := c.exec("CREATE DATABASE " + name); err != nil {
		c.t.Fatal(err)
	}
	return c.url(name)
}

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%s/%s?sslmode=disable", c.port, database)
}

// Ports of servers that start again where they were. Linux gives none of these to whoever asks for any port, so that nobody
// takes one while its server is down.
const firstPort, lastPort = 20_000, 32_000

// freePort finds a port on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l := listenAnywhere(t)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String()) // it has one
	return port
}

// listenAnywhere listens on such a port.
func listenAnywhere(t *testing.T) net.Listener {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort))); err == nil {
			return l
		}
	}
	t.Fatal("no port is free")
	return nil
}

// lastRoom is what fill leaves, so that the disk becomes full while shoppers write.
const lastRoom = 192 << 10

// fill writes into a folder until its disk is all but full, and gives what makes room again.
func fill(t *testing.T, folder string) (free func()) {
	t.Helper()
	path := filepath.Join(folder, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		if _, err = f.Write(block); errors.Is(err, syscall.ENOSPC) && len(block) > 1 {
			block, err = block[:len(block)/2], nil
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if size, err := f.Seek(0, io.SeekEnd); err != nil || f.Truncate(max(0, size-lastRoom)) != nil {
		t.Fatalf("the filler has %d bytes, %v", size, err)
	}
	return func() { os.Remove(path) }
}

// smallDisk mounts a disk of a few megabytes at a folder. Only root may, and not in every container.
func smallDisk(folder, size string, owner *syscall.Credential) (unmount func(), err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "rekey-test", folder).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	if owner != nil {
		if err := os.Chown(folder, int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, err
		}
	}
	return func() { exec.Command("umount", "--lazy", folder).Run() }, nil
}
