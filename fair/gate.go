// Package fair shares what is scarce (slots to hash in, connections to the database) between the websites that ask for it,
// so that the flood of one leaves the others their turn.
//
// Promises:
//   - What is free goes round: among parties that wait, none gets a second slot before each of the others had one.
//   - One party holds no more than its bound, and has no more than its bound waiting, however much it asks for.
//   - Whoever gives up waiting leaves no slot behind.
package fair

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrFull says that as many of the caller's party wait already as may.
var ErrFull = errors.New("too many are waiting already")

// Parties that are no website; websites have their ids, which are positive.
const (
	House     int64 = 0  // the house itself: its workers, its commands
	Strangers int64 = -1 // visitors at an address of no website
	Staff     int64 = -2 // administrators in the console
)

type partyKey struct{}

// For gives ctx the party on whose behalf it asks.
func For(ctx context.Context, party int64) context.Context {
	return context.WithValue(ctx, partyKey{}, party)
}

// Party is the one on whose behalf ctx asks: the house, unless For said otherwise.
func Party(ctx context.Context) int64 {
	party, _ := ctx.Value(partyKey{}).(int64)
	return party
}

// Gate hands out slots. It is safe for concurrent use.
type Gate struct {
	most    int // slots of one party at once
	waiting int // callers of one party who wait

	mu    sync.Mutex
	free  int
	waits struct {
		count int64
		time  time.Duration
	}
	lines map[int64]*line
	turns []int64 // the parties with somebody waiting; the first is next
}

// line is what a party holds and who waits for it, in order of arrival.
type line struct {
	holds int
	waits []chan struct{}
}

// NewGate makes a gate of so many slots, of which one party has at most so many at once, with at most so many more of its
// callers waiting.
func NewGate(slots, most, waiting int) *Gate {
	return &Gate{free: slots, most: most, waiting: waiting, lines: map[int64]*line{}}
}

// Enter waits for a slot; leave gives it back, once. Errors: ErrFull, or ctx's while waiting.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	party := Party(ctx)
	turn, err := g.queue(party)
	if err != nil {
		return nil, err
	}
	select {
	case <-turn: // at once, as a rule
		return func() { g.leave(party) }, nil
	default:
	}
	defer g.waited(time.Now())
	select {
	case <-turn:
	case <-ctx.Done():
		if !g.giveUp(party, turn) {
			g.leave(party) // its turn came in the same moment
		}
		return nil, ctx.Err()
	}
	return func() { g.leave(party) }, nil
}

// Waits tells how many callers had to wait so far, and how long in all.
func (g *Gate) Waits() (count int64, waited time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waits.count, g.waits.time
}

func (g *Gate) waited(since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waits.count++
	g.waits.time += time.Since(since)
}

// queue puts a caller into its party's line. The channel is closed when its turn has come, which may be at once.
func (g *Gate) queue(party int64) (turn chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[party]
	if l == nil {
		l = &line{}
		g.lines[party] = l
	}
	free := g.free > 0 && l.holds < g.most
	if !free && len(l.waits) >= g.waiting {
		return nil, ErrFull
	}
	turn = make(chan struct{})
	l.waits = append(l.waits, turn)
	if len(l.waits) == 1 {
		g.turns = append(g.turns, party)
	}
	g.hand()
	return turn, nil
}

// hand gives free slots to those whose turn it is. A party at its bound is passed over and keeps its place.
func (g *Gate) hand() {
	for i := 0; g.free > 0 && i < len(g.turns); {
		party := g.turns[i]
		l := g.lines[party]
		if l.holds >= g.most {
			i++
			continue
		}
		close(l.waits[0])
		l.waits = l.waits[1:]
		l.holds++
		g.free--
		g.turns = slices.Delete(g.turns, i, i+1)
		if len(l.waits) > 0 {
			g.turns = append(g.turns, party)
		}
	}
}

func (g *Gate) leave(party int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[party]
	l.holds--
	g.free++
	g.hand()
	g.forget(party, l)
}

// giveUp takes a caller out of its line; false when its turn has come before.
func (g *Gate) giveUp(party int64, turn chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.lines[party]
	i := slices.Index(l.waits, turn)
	if i < 0 {
		return false
	}
	l.waits = slices.Delete(l.waits, i, i+1)
	if len(l.waits) == 0 {
		g.turns = slices.DeleteFunc(g.turns, func(p int64) bool { return p == party })
	}
	g.forget(party, l)
	return true
}

// forget drops the line of a party that neither holds nor waits.
func (g *Gate) forget(party int64, l *line) {
	if l.holds == 0 && len(l.waits) == 0 {
		delete(g.lines, party)
	}
}
