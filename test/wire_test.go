package test

import (
	"bytes"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// wire is the line between a node and PostgreSQL, which a test holds and cuts.
type wire struct {
	t        *testing.T
	listener net.Listener
	to       string // the server: a folder with its socket, or host:port
	url      string // of the database, through the wire

	mu   sync.Mutex
	open map[net.Conn]bool
	held chan struct{} // nothing passes until it is closed; nil: everything does
	// commits is asked what to do with each COMMIT, with the statements of its transaction; nil: it passes.
	commits func(statements []byte) fate
}

// fate is what becomes of a COMMIT.
type fate int

const (
	passes     fate = iota
	neverSent       // the line breaks before it
	cutAtOnce       // it is sent, and the line breaks
	unanswered      // it is sent and done, and the line breaks before the node hears of it
)

// theCommit is the message that asks to commit: a simple query of eleven bytes.
var theCommit = []byte("Q\x00\x00\x00\x0bcommit\x00")

// newWire puts a line in front of the database at this address.
func newWire(t *testing.T, database string) *wire {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, open: map[net.Conn]bool{}, to: u.Host}
	if folder := u.Query().Get("host"); folder != "" {
		w.to = folder + "/.s.PGSQL.5432"
	}
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	// Statements travel as text each time, so that a transaction can be told by what it says.
	w.url = "postgres://postgres@" + w.listener.Addr().String() + u.Path + "?sslmode=disable&default_query_exec_mode=cache_describe"
	go w.accept()
	t.Cleanup(func() {
		w.listener.Close()
		w.pass()
		w.cut()
	})
	return w
}

func (w *wire) accept() {
	for {
		node, err := w.listener.Accept()
		if err != nil {
			return // closed
		}
		network := "tcp"
		if strings.HasPrefix(w.to, "/") {
			network = "unix"
		}
		server, err := net.Dial(network, w.to)
		if err != nil {
			node.Close()
			continue
		}
		w.mu.Lock()
		w.open[node], w.open[server] = true, true
		w.mu.Unlock()
		c := &carried{wire: w, node: node, server: server}
		go c.forth()
		go c.back()
	}
}

// hold lets nothing pass, in either direction, as a server that is frozen or very slow.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held == nil {
		w.held = make(chan struct{})
	}
}

// pass ends a hold.
func (w *wire) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held != nil {
		close(w.held)
		w.held = nil
	}
}

// cut breaks every connection.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		c.Close()
	}
	clear(w.open)
}

// atCommit decides over the COMMITs to come.
func (w *wire) atCommit(f func(statements []byte) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits = f
}

// wait waits while the wire is held.
func (w *wire) wait() {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if held != nil {
		<-held
	}
}

// carried is one connection.
type carried struct {
	wire         *wire
	node, server net.Conn

	mu    sync.Mutex
	mute  bool // what the server says reaches nobody: the line breaks instead
	since []byte
}

func (c *carried) close() {
	c.node.Close()
	c.server.Close()
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	delete(c.wire.open, c.node)
	delete(c.wire.open, c.server)
}

// forth carries what the node sends. The driver sends a COMMIT in a message of its own.
func (c *carried) forth() {
	defer c.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.node.Read(buffer)
		if err != nil {
			return
		}
		c.wire.wait()
		what := passes
		if bytes.Equal(buffer[:n], theCommit) {
			what = c.judge()
		} else {
			c.since = append(c.since, buffer[:n]...)
		}
		if what == neverSent {
			return
		}
		if what == unanswered {
			c.mu.Lock()
			c.mute = true
			c.mu.Unlock()
		}
		if _, err := c.server.Write(buffer[:n]); err != nil || what == cutAtOnce {
			return
		}
	}
}

func (c *carried) judge() fate {
	c.wire.mu.Lock()
	f := c.wire.commits
	c.wire.mu.Unlock()
	said := c.since
	c.since = nil
	if f == nil {
		return passes
	}
	return f(said)
}

// back carries what the server answers.
func (c *carried) back() {
	defer c.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil {
			return
		}
		c.wire.wait()
		c.mu.Lock()
		mute := c.mute
		c.mu.Unlock()
		if mute {
			return
		}
		if _, err := c.node.Write(buffer[:n]); err != nil {
			return
		}
	}
}
