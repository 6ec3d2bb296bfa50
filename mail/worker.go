package mail

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

const (
	poll           = 250 * time.Millisecond // how long a letter may wait unseen, when nobody calls Wake
	afterTrouble   = 2 * time.Second        // between looks at a database that does not answer
	grace          = 10 * time.Second       // what a letter under way gets to finish when the node stops
	settleLimit    = 30 * time.Second       // how long an outcome is held on to while the database does not answer
	defaultWorkers = 4
	handsToKeepOne = 3                // with so many, one is kept for what a person waits for
	crowdedFor     = 5 * time.Second  // how long a hand rests whose connection was one too many
	knockLimit     = 25 * time.Second // to try the mail server without an email; less than a lease
)

// Worker moves letters from the queue to the mail server, or what waits in a lane of its own to wherever its Carrier brings
// it. Fill the exported fields before the first call.
type Worker struct {
	DB        *db.DB
	Composers map[string]Composer // by Note.Kind
	Transport *Transport
	Lane      string  // Post, or the lane that Carry delivers
	Carry     Carrier // instead of Composers and Transport, on another lane
	Workers   int     // letters under way at once, each over a connection of its own; 0 means 4
	Log       *slog.Logger

	// Observe, if set, is told of each try when its outcome is recorded: the kind of the letter and the state that it is
	// in now. Metrics count with it; it must be quick and safe for concurrent use.
	Observe func(kind string, state State)

	times      leaseTimes         // zero: the defaults; tests shorten them
	served     map[Priority]int64 // the website that had its turn last
	open       atomic.Int64       // connections to the mail server
	lastSender atomic.Pointer[string]
	ready      sync.Once
	wake       chan struct{}
	lastHandOn atomic.Int64 // unix microseconds
}

// Wake makes a running worker look at the queue now. It never blocks; call it after the commit that queued a letter.
func (w *Worker) Wake() {
	select {
	case w.bell() <- struct{}{}:
	default: // it is awake already
	}
}

func (w *Worker) bell() chan struct{} {
	w.ready.Do(func() { w.wake = make(chan struct{}, 1) })
	return w.wake
}

// LastHandOver is when this node last handed a letter over, by the node's own clock; zero when it never has.
func (w *Worker) LastHandOver() time.Time {
	if us := w.lastHandOn.Load(); us != 0 {
		return time.UnixMicro(us).UTC()
	}
	return time.Time{}
}

// Run works until ctx ends, then lets the letters under way finish for a few seconds. It survives every failure of the
// database and of the mail server, and returns nil.
func (w *Worker) Run(ctx context.Context) error {
	n := w.Workers
	if n <= 0 {
		n = defaultWorkers
	}
	// What is under way outlives ctx by grace: a letter that is cut off after its final dot would arrive twice.
	attempts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, stop)
		context.AfterFunc(attempts, func() { timer.Stop() })
	})()

	claims := make(chan claim)
	free := make(chan struct{}, n)
	var working sync.WaitGroup
	for range n {
		free <- struct{}{}
		working.Go(func() { w.serve(attempts, claims, free) })
	}
	w.dispatch(ctx, claims, free)
	close(claims)
	working.Wait()
	return nil
}

// dispatch claims as many letters as there are free hands, so that none waits behind a slow one.
func (w *Worker) dispatch(ctx context.Context, claims chan<- claim, free chan struct{}) {
	kept := 0
	if w.Carry == nil && cap(free) >= handsToKeepOne {
		kept = 1
	}
	for ctx.Err() == nil {
		hands := gather(ctx, free)
		if hands == 0 {
			return
		}
		taken, err := w.take(context.WithoutCancel(ctx), hands, kept) // a claim that is broken off would wait for its lease
		for range hands - len(taken) {
			free <- struct{}{}
		}
		for _, c := range taken {
			claims <- c // a hand is free for each
		}
		switch {
		case err != nil && ctx.Err() == nil:
			w.Log.Warn("the mail queue cannot be read", "error", err)
			w.rest(ctx, afterTrouble)
		case len(taken) < hands:
			w.rest(ctx, poll)
		}
	}
}

// gather waits for one free hand and takes those that are free with it.
func gather(ctx context.Context, free <-chan struct{}) (hands int) {
	select {
	case <-free:
		hands = 1
	case <-ctx.Done():
		return 0
	}
	for {
		select {
		case <-free:
			hands++
		default:
			return hands
		}
	}
}

func (w *Worker) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.bell():
	case <-ctx.Done():
	}
}

// pause waits, without an end by Wake.
func (w *Worker) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// serve works off claims over one connection, which it closes when nothing came for a while.
func (w *Worker) serve(ctx context.Context, claims <-chan claim, free chan<- struct{}) {
	line := &line{worker: w}
	defer line.hangUp()
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		select {
		case c, ok := <-claims:
			if !ok {
				return
			}
			w.attempt(ctx, line, c)
			if line.crowded {
				w.pause(ctx, crowdedFor)
			}
			free <- struct{}{}
			idle.Reset(idleAfter)
		case <-idle.C:
			line.hangUp()
		}
	}
}

// Drain tries every letter that is due now, once each, one after the other, and returns how many it tried. Tests and
// commands call it; a server calls Run.
func (w *Worker) Drain(ctx context.Context) (tried int, err error) {
	line := &line{worker: w}
	defer line.hangUp()
	for {
		taken, err := w.take(ctx, 1, 0)
		if err != nil || len(taken) == 0 {
			return tried, err
		}
		w.attempt(ctx, line, taken[0])
		tried++
	}
}

// attempt tries one claimed letter and records what came of it.
func (w *Worker) attempt(ctx context.Context, line *line, c claim) {
	if c.letter == (db.ID{}) {
		w.knock(ctx, line, c)
		return
	}
	trying, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	defer w.hold(c, cancel)()
	l, now, ok, err := held(trying, w.DB, c)
	var o outcome
	switch {
	case errors.Is(err, db.ErrUnavailable) || trying.Err() != nil:
		return // nothing can be recorded either; the lease runs out and the letter is claimed again
	case err != nil:
		w.Log.Error("a letter cannot be read", "letter", c.letter, "error", err)
		o = outcome{state: SetAside, words: "The letter's row cannot be read."}
	case !ok:
		return
	case l.unreadable:
		o = outcome{state: SetAside, words: "The letter's data cannot be read."}
	case !now.Before(l.ExpiresAt):
		o = outcome{state: Expired, words: inTime}
	case w.Carry != nil:
		o = w.carry(trying, l)
	default:
		o = w.try(trying, line, l)
	}
	w.record(ctx, c, l, o)
}

// try composes and sends.
func (w *Worker) try(ctx context.Context, line *line, l Letter) outcome {
	content, err := w.compose(ctx, l)
	if err != nil {
		return w.unwritten(ctx, l, err)
	}
	m, err := newMessage(l.ID, l.CreatedAt, content)
	if err == nil {
		m, err = w.Transport.sign(m)
	}
	switch {
	case errors.Is(err, ErrMalformed):
		return outcome{state: SetAside, words: clean("It must not be sent: " + err.Error() + ".")}
	case errors.Is(err, errNoSender):
		return outcome{state: Deferred, words: "The store view has no sender address; give it one."}
	case err != nil:
		return w.unwritten(ctx, l, err)
	}
	o := outcome{recipient: content.To.Email, server: w.Transport.Server(), website: l.WebsiteID, account: w.Transport.account()}
	o.words, err = line.send(ctx, m)
	var failed *sendError
	switch {
	case err == nil:
		o.state, o.proved = HandedOver, true
	case ctx.Err() != nil:
		o.state, o.words = Deferred, "The try was broken off, because it took too long, the server was stopped, or the lease on the letter was lost."
	case errors.As(err, &failed):
		o.state, o.words, o.refusal, o.proved = Deferred, failed.words, failed.verdict, failed.answered
		if failed.blame == mailbox {
			o.state = Refused
		}
		o.told = o.refuses() && l.Cause == failed.reason && l.LastWords == o.words
	default:
		o.state, o.words = Deferred, clean(err.Error())
	}
	if content.Forget {
		o.recipient, o.words = "", without(o.words, content.To.Email)
	}
	return o
}

// unwritten judges a composer's error. What is about the house and not about the letter does not count against it.
func (w *Worker) unwritten(ctx context.Context, l Letter, err error) outcome {
	var not *notNeeded
	switch {
	case errors.As(err, &not):
		return outcome{state: Unneeded, words: clean(not.reason)}
	case errors.Is(err, db.ErrUnavailable), errors.Is(err, secret.ErrBusy), ctx.Err() != nil:
		return outcome{state: Deferred, words: "The house was too busy to write it."}
	}
	if f, ok := fault.As(err); ok && f.Kind == fault.Conflict { // a setting that the operator has to give first
		return outcome{state: Deferred, words: clean(f.Text)}
	}
	w.Log.Error("a letter cannot be composed", "letter", l.ID, "kind", l.Kind, "attempt", l.Attempts, "error", err)
	return outcome{state: Unwritten, words: "It could not be composed; the log says why, under this letter's id."}
}

// record settles the letter, and holds on to the outcome for a while when the database does not answer: a letter that was
// handed over and not recorded would be sent again.
func (w *Worker) record(ctx context.Context, c claim, l Letter, o outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	if o.state == HandedOver {
		w.lastHandOn.Store(time.Now().UnixMicro())
	}
	done, err := settle(ctx, w.DB, c, l.Attempts, o)
	for wait := 100 * time.Millisecond; errors.Is(err, db.ErrUnavailable) && ctx.Err() == nil; wait = min(2*wait, time.Second) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		done, err = settle(ctx, w.DB, c, l.Attempts, o)
	}
	w.tell(done, o)
	kept := done.kept
	if done.lifted {
		w.Wake()
	}
	switch {
	case err != nil:
		w.Log.Error("the outcome of a letter cannot be recorded", "letter", c.letter, "outcome", o.state, "error", err)
	case kept == "":
		w.Log.Warn("a letter's lease ran out before its outcome was recorded", "letter", c.letter, "outcome", o.state)
	default:
		w.Log.Info("letter", "letter", c.letter, "kind", l.Kind, "state", kept, "attempt", l.Attempts)
	}
	if w.Observe != nil && err == nil && kept != "" {
		w.Observe(l.Kind, kept)
	}
}
