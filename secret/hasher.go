package secret

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/rekeyhq/rekey/fair"
)

// ErrBusy says that the gate and its queue are full; the caller answers 503 with Retry-After.
var ErrBusy = errors.New("too many passwords are being checked at once")

// queuePerSlot bounds how many callers of one website wait for each slot: at about 40 ms a hash, the last of them waits for
// about a third of a second while no other website is as busy, which is still an answer; more would only be a longer way to
// say "busy".
const queuePerSlot = 7

// Hasher hashes and checks passwords behind a gate. Each Argon2id run holds Params.Memory; the gate bounds how many run
// at once, whatever the number of requests; websites that ask at the same time take turns.
type Hasher struct {
	params Params
	gate   *fair.Gate
	runs   atomic.Int64
}

// NewHasher makes a gate of the given number of slots; 0 means the number of cores.
func NewHasher(p Params, slots int) *Hasher {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	return &Hasher{params: p, gate: fair.NewGate(slots, slots, slots*queuePerSlot)}
}

// Runs counts the hashes computed so far, for metrics and for tests that count them.
func (h *Hasher) Runs() int64 { return h.runs.Load() }

// Prefix is how every hash begins that is made with today's parameters.
func (h *Hasher) Prefix() string { return h.params.prefix() }

// Hash makes the stored form of a password with today's parameters. Errors: ErrBusy, or ctx's while queueing.
func (h *Hasher) Hash(ctx context.Context, password Text) (string, error) {
	var out string
	err := h.through(ctx, func() { out = h.params.hash(password) })
	return out, err
}

// Verify tells whether password is the one behind stored, and whether stored should be replaced by a hash with today's
// parameters. An empty stored hash costs the same work and is never right: the answer for an account that does not
// exist takes as long as for one that does.
func (h *Hasher) Verify(ctx context.Context, stored string, password Text) (ok, outdated bool, err error) {
	err = h.through(ctx, func() {
		if stored == "" {
			h.params.work(password)
			return
		}
		var cheap bool
		ok, outdated, cheap = h.params.verify(stored, password)
		if cheap {
			// An imported hash that costs less than today's would tell by time that the account exists.
			h.params.work(password)
		}
	})
	return ok, outdated, err
}

func (h *Hasher) through(ctx context.Context, work func()) error {
	leave, err := h.gate.Enter(ctx)
	if errors.Is(err, fair.ErrFull) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	// The slot is held until the hash ends even if the caller has gone: memory is bounded by slots, not by patience.
	defer leave()
	h.runs.Add(1)
	work()
	return nil
}
