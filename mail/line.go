package mail

import (
	"context"
	"errors"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// line is a hand's connection, opened when it is needed and opened anew when it went stale.
type line struct {
	worker  *Worker
	open    *connection
	crowded bool // the last call was one too many, while other hands' connections are open
}

func (l *line) send(ctx context.Context, m message) (string, error) {
	if l.open != nil && !l.open.fresh(ctx) {
		l.hangUp()
	}
	sender := domainOf(m.from)
	l.worker.lastSender.Store(&sender)
	kept := l.open != nil
	if err := l.call(ctx, sender); err != nil {
		return "", err
	}
	words, err := l.deliver(ctx, m)
	var failed *sendError
	if kept && errors.As(err, &failed) && (failed.closing || failed.at == fromWhom && failed.broken) && ctx.Err() == nil {
		// A kept connection ends at some time; that is no word about the email, which nobody has taken yet.
		if err := l.call(ctx, sender); err != nil {
			return "", err
		}
		words, err = l.deliver(ctx, m)
	}
	return words, err
}

func (l *line) deliver(ctx context.Context, m message) (string, error) {
	words, err := l.open.send(ctx, m)
	var failed *sendError
	if errors.As(err, &failed) && failed.broken {
		l.hangUp()
	}
	return words, err
}

// call opens the connection. When it is one more than the server likes, others of this node are open and go on; the email waits.
func (l *line) call(ctx context.Context, sender string) error {
	if l.crowded = false; l.open != nil {
		return nil
	}
	c, err := l.worker.Transport.dial(ctx, sender)
	if err == nil {
		l.open = c
		l.worker.open.Add(1)
		return nil
	}
	var failed *sendError
	if errors.As(err, &failed) && failed.reason == Busy && l.worker.open.Load() > 0 {
		failed.verdict, l.crowded = verdict{later, ""}, true
	}
	return err
}

func (l *line) hangUp() {
	if l.open != nil {
		l.open.close()
		l.open = nil
		l.worker.open.Add(-1)
	}
}

// knock tries the mail server without an email: there is none to ask with.
func (w *Worker) knock(ctx context.Context, line *line, c claim) {
	line.hangUp()
	done, o := w.ask(ctx, line, c, w.sender())
	w.tell(done, o)
}

// Try opens a connection to the mail server as far as signing in, and keeps whether it takes emails. A server calls it when it starts,
// so that whoever starts it reads what is wrong: a *Trouble. sender is the domain of a store view's sender.
func (w *Worker) Try(ctx context.Context, sender string) error {
	line := &line{worker: w}
	defer line.hangUp()
	_, o := w.ask(ctx, line, claim{}, sender)
	if o.refuses() {
		return &Trouble{Reason: o.refusal.reason, Words: o.words}
	}
	return ctx.Err()
}

// Trouble is what keeps a mail server from taking emails.
type Trouble struct {
	At     string // the step; "" where it is not known
	Reason Reason
	Words  string
}

func (t *Trouble) Error() string { return t.Words }

// ask opens the line and records what that tells.
func (w *Worker) ask(ctx context.Context, line *line, c claim, sender string) (done settled, o outcome) {
	w.lastSender.Store(&sender)
	call, cancel := context.WithTimeout(ctx, knockLimit)
	defer cancel()
	o = outcome{website: c.about, account: w.Transport.account(), proved: true}
	var failed *sendError
	if err := line.call(call, sender); errors.As(err, &failed) {
		o.proved, o.refusal, o.words = false, verdict{ofServer, failed.reason}, failed.words
	}
	err := w.DB.Write(ctx, func(tx *db.Tx) error {
		done = settled{}
		now, err := tx.Now(ctx)
		if err != nil || ctx.Err() != nil { // a server that is stopped learns nothing
			return err
		}
		return learn(ctx, tx, now, c, o, &done)
	})
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("what the mail server answered cannot be recorded", "error", err)
	}
	return done, o
}

func (w *Worker) sender() string {
	if s := w.lastSender.Load(); s != nil {
		return *s
	}
	return ""
}

// tell says in the log what is new about the mail server: once when it begins to refuse, once when it takes emails again. Its words
// name nobody where they are about everybody; those about one website may, so that they stay in the console.
func (w *Worker) tell(done settled, o outcome) {
	switch {
	case done.refused && o.refusal.blame == ofServer:
		w.Log.Warn("the mail server does not take letters", "server", o.account, "reason", o.refusal.reason, "words", o.words, "remedy", o.refusal.reason.Cure())
	case done.refused:
		w.Log.Warn("the mail server does not take letters of a website", "server", o.account, "website", o.website, "reason", o.refusal.reason, "remedy", o.refusal.reason.Cure())
	case done.lifted:
		w.Log.Info("the mail server takes letters again", "server", o.account)
	}
}

// Send hands one email over at once, past the queue: for who tries the mail server. The error is a *Trouble where it is about that, and
// the mail server's words otherwise. at is the moment that it is dated.
func (t *Transport) Send(ctx context.Context, at time.Time, c Content) error {
	m, err := newMessage(db.NewID(), at, c)
	if err == nil {
		m, err = t.sign(m)
	}
	if err != nil {
		return err
	}
	conn, err := t.dial(ctx, domainOf(m.from))
	if err == nil {
		defer conn.close()
		_, err = conn.send(ctx, m)
	}
	var failed *sendError
	if errors.As(err, &failed) && failed.reason != "" {
		return &Trouble{At: string(failed.at), Reason: failed.reason, Words: failed.words}
	}
	return err
}
