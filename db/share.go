package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rekeyhq/rekey/fair"
)

const (
	reserved    = 8    // of so many connections one, at least one, is kept for administrators, and one for the house's own work
	waitingMost = 1024 // callers of one website who wait for a connection; more is refused as ErrUnavailable
)

// share keeps some of so many connections for administrators and some for the house (letters, webhooks, sweeping), and lets
// visitors take turns with the rest. One website holds no more than three quarters of that: if all its statements hang, the
// others go on.
func (d *DB) share(connections int) {
	kept := max(1, connections/reserved)
	visitors := max(1, connections-2*kept)
	d.guests = fair.NewGate(visitors, max(1, visitors*3/4), waitingMost)
	d.staff = fair.NewGate(kept, kept, waitingMost)
}

// enter waits for the caller's turn to take a connection. The house's own workers are few and need none.
func (d *DB) enter(ctx context.Context) (leave func(), err error) {
	switch fair.Party(ctx) {
	case fair.House:
		return func() {}, nil
	case fair.Staff:
		return d.staff.Enter(ctx)
	}
	return d.guests.Enter(ctx)
}

// held is a connection that is somebody's turn too; Close gives both back.
type held struct {
	*sql.Conn
	leave func()
}

func (h held) Close() {
	h.Conn.Close()
	h.leave()
}

// begin takes a connection and begins a transaction on it. A connection may have died while it waited in the pool: nothing
// was asked of it yet, so the next one is taken.
func (d *DB) begin(ctx context.Context, pool *sql.DB, o *sql.TxOptions) (held, *sql.Tx, error) {
	for try := 1; ; try++ {
		conn, err := d.conn(ctx, pool)
		if err != nil {
			return held{}, nil, err
		}
		t, err := conn.BeginTx(ctx, o)
		if err == nil {
			return conn, t, nil
		}
		conn.Close()
		if ctx.Err() != nil || !broken(err) || try > pool.Stats().MaxOpenConnections {
			return held{}, nil, err
		}
	}
}

// fullPause is how long to wait before asking again a server that has no connection left; one of ours may come back meanwhile.
const fullPause = 25 * time.Millisecond

// patiently does f again while the server has no connection left, no longer than AcquireTimeout.
func patiently(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, AcquireTimeout)
	defer cancel()
	var refused error
	for {
		err := f()
		switch {
		case full(err):
			refused = err
		case refused != nil && errors.Is(err, context.DeadlineExceeded):
			return refused // the deadline came in the middle of the next try
		default:
			return err
		}
		select {
		case <-time.After(fullPause + rand.N(fullPause)):
		case <-ctx.Done():
			return err
		}
	}
}

var errNoneCame = errors.New("no connection")

// conn waits for the caller's turn and for a connection, no longer than AcquireTimeout in all.
func (d *DB) conn(ctx context.Context, pool *sql.DB) (held, error) {
	wait, cancel := context.WithTimeout(ctx, AcquireTimeout)
	defer cancel()
	leave, err := d.enter(wait)
	if err == nil {
		var conn *sql.Conn
		err = patiently(wait, func() (err error) {
			conn, err = pool.Conn(wait)
			return err
		})
		if err == nil {
			return held{conn, leave}, nil
		}
		leave()
	}
	switch {
	case errors.Is(err, fair.ErrFull):
		return held{}, fmt.Errorf("%w: %d callers wait for a connection", ErrUnavailable, waitingMost)
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && !full(err):
		return held{}, fmt.Errorf("%w: %w within %s", ErrUnavailable, errNoneCame, AcquireTimeout)
	}
	return held{}, d.name(err)
}
