package mail

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// composeLimit bounds one call of a composer.
const composeLimit = 30 * time.Second

// Composer makes the letter of a note. It is called at each try, on any node, and must give the same content for the same
// letter; it opens its own transactions. NotNeeded ends the letter without sending. A fault.Conflict (the store view has no
// base URL yet) lets the letter wait, with the fault's words in its history; any other error lets it be tried again a few
// times. Cancelling ctx ends the try.
type Composer func(ctx context.Context, l Letter) (Content, error)

type notNeeded struct{ reason string }

func (n *notNeeded) Error() string { return "the letter is not needed: " + n.reason }

// NotNeeded is what a composer returns when there is nothing to send. The reason is kept in the letter's history, in plain
// English: "no customer has this address".
func NotNeeded(reason string) error { return &notNeeded{reason} }

var errNoComposer = errors.New("no composer for this kind of letter")

// compose calls the composer of l, and turns its panic into an error: one bad letter must not end the worker of all.
func (w *Worker) compose(ctx context.Context, l Letter) (c Content, err error) {
	composer := w.Composers[l.Kind]
	if composer == nil {
		return Content{}, errNoComposer // a newer node may know the kind, so it is tried again like a failure
	}
	ctx, cancel := context.WithTimeout(ctx, composeLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the composer panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return composer(ctx, l)
}
