package db

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Group commit: SQLite has one writer, and a durable commit costs an fsync. While one commit is on its way to the disk
// the next closures gather; the writer then runs them all in one transaction, each in its own savepoint, and answers
// them after the commit. A lone writer waits for nobody.
//
// Between processes SQLite gives no turns: who waits looks again from time to time, and finds the database taken by whoever
// never pauses. The command line therefore rests after each transaction as long as it held the database, while a server lives.

const (
	groupMax   = 64   // closures in one transaction: bounds how long the first waits for the last
	groupQueue = 1024 // closures waiting; more is refused as ErrUnavailable
)

type job struct {
	ctx   context.Context
	f     func(*Tx) error
	state atomic.Int32 // 0 waiting, 1 running, 2 given up by its caller
	err   error
	panic any
	done  chan struct{}
}

type group struct {
	db   *DB
	jobs chan *job
	quit chan struct{}
	held time.Duration // by the newest transaction
	once sync.Once
	over sync.WaitGroup
}

func startGroup(d *DB) *group {
	g := &group{db: d, jobs: make(chan *job, groupQueue), quit: make(chan struct{})}
	g.over.Add(1)
	go g.loop()
	return g
}

// stop ends the writer after the closures that already wait.
func (g *group) stop() {
	g.once.Do(func() { close(g.quit) })
	g.over.Wait()
}

func (g *group) do(ctx context.Context, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case <-g.quit:
		return fmt.Errorf("%w: it is being closed", ErrUnavailable)
	case g.jobs <- j:
	default:
		return fmt.Errorf("%w: %d writes are waiting", ErrUnavailable, groupQueue)
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(0, 2) {
			return ctx.Err() // never started, never will
		}
		<-j.done // started: the answer is what really happened
	case <-g.closed():
		if j.state.CompareAndSwap(0, 2) {
			return fmt.Errorf("%w: it is being closed", ErrUnavailable)
		}
		<-j.done
	}
	if j.panic != nil {
		panic(j.panic)
	}
	return j.err
}

// closed is closed once the writer has ended.
func (g *group) closed() <-chan struct{} { return g.quit }

func (g *group) loop() {
	defer g.over.Done()
	for {
		select {
		case j := <-g.jobs:
			g.commit(g.gather(j))
			g.yield()
		case <-g.quit:
			for { // those that were accepted before the end are still served
				select {
				case j := <-g.jobs:
					g.commit(g.gather(j))
				default:
					return
				}
			}
		}
	}
}

// yield leaves the database to the server of another process.
func (g *group) yield() {
	if g.held == 0 || !g.db.isGuest() {
		return
	}
	select {
	case <-time.After(g.held):
	case <-g.quit:
	}
}

// gather takes the closures that wait right now and claims them.
func (g *group) gather(first *job) []*job {
	var batch []*job
	claim := func(j *job) {
		if j.ctx.Err() == nil && j.state.CompareAndSwap(0, 1) {
			batch = append(batch, j)
			return
		}
		if j.state.CompareAndSwap(0, 2) {
			j.err = j.ctx.Err()
		}
		close(j.done)
	}
	claim(first)
	for len(batch) < groupMax {
		select {
		case j := <-g.jobs:
			claim(j)
			continue
		default:
		}
		break
	}
	return batch
}

func (g *group) commit(batch []*job) {
	if g.held = 0; len(batch) == 0 {
		return
	}
	err := g.run(batch)
	for _, j := range batch {
		if err != nil { // the transaction is gone, and with it what each closure did
			j.err, j.panic = err, nil
		}
		close(j.done)
	}
}

func (g *group) run(batch []*job) error {
	ctx := context.Background()
	t, err := g.db.write.BeginTx(ctx, nil)
	if err != nil {
		return g.db.name(err)
	}
	began := time.Now()
	defer func() {
		t.Rollback() // after a commit it does nothing
		g.held = time.Since(began)
	}()
	kept := 0
	for _, j := range batch {
		if _, err := t.ExecContext(ctx, "SAVEPOINT one"); err != nil {
			return g.db.name(err)
		}
		j.run(&Tx{tx: t, db: g.db})
		if j.err != nil || j.panic != nil {
			if _, err := t.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
				// SQLite has already given up the whole transaction (disk full, I/O error).
				return g.db.name(fmt.Errorf("%w (after: %v)", err, j.err))
			}
			j.err = g.db.name(j.err)
		} else {
			kept++
		}
		if _, err := t.ExecContext(ctx, "RELEASE one"); err != nil {
			return g.db.name(err)
		}
	}
	if kept == 0 {
		return nil
	}
	if err := g.db.commit(t); err != nil {
		return g.db.name(err)
	}
	return nil
}

// run calls the closure; its panic belongs to its caller, not to the writer that serves everybody.
func (j *job) run(tx *Tx) {
	defer func() {
		if p := recover(); p != nil {
			j.panic = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
		}
	}()
	j.err = j.f(tx)
}
