package mail

import (
	"context"
	"fmt"
	"runtime/debug"
)

// Carrier delivers what waits in a lane of its own. It is called at each try, on any node, outside of every transaction,
// and must send the same thing for the same letter. Its errors are judged as a Composer's are: NotNeeded ends the letter,
// a fault.Conflict lets it wait, any other is tried again a few times. Cancelling ctx ends the try.
type Carrier func(ctx context.Context, l Letter) (Receipt, error)

// Receipt is what came of carrying.
type Receipt struct {
	State     State  // HandedOver; Deferred, to be tried again; or Refused, which ends it
	Words     string // what was answered, or why nothing was; never a secret
	Server    string // host:port that answered; "" when nothing was reached
	Recipient string
}

// carry calls the carrier, and turns its panic into an error: one bad letter must not end the worker of all.
func (w *Worker) carry(ctx context.Context, l Letter) outcome {
	r, err := func() (r Receipt, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the carrier panicked: %v\n%s", p, debug.Stack())
			}
		}()
		return w.Carry(ctx, l)
	}()
	if err != nil {
		return w.unwritten(ctx, l, err)
	}
	if r.State != HandedOver && r.State != Refused {
		r.State = Deferred
	}
	return outcome{state: r.State, words: clean(r.Words), server: r.Server, recipient: r.Recipient}
}
