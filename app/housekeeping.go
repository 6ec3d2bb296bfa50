package app

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

const (
	cleanEvery = time.Hour
	cleanBatch = 500 // rows of one transaction: shoppers write in between
	cleanPause = 50 * time.Millisecond
	// forgetFailures is the age at which failed sign-ins are forgotten. NIST counts failures in a row without an end;
	// somebody who has not tried for so long is not guessing.
	forgetFailures = 180 * 24 * time.Hour
)

// sweep deletes at most most rows that have done their work, and tells how many there were.
type sweep struct {
	what string
	rows func(ctx context.Context, tx *db.Tx, most int) (int64, error)
}

var sweeps = []sweep{
	{"limits", limit.Sweep},
	{"lockouts", func(ctx context.Context, tx *db.Tx, most int) (int64, error) {
		return limit.SweepLocks(ctx, tx, forgetFailures, most)
	}},
	{"sessions", signin.Sweep},
	{"tokens", token.Sweep},
	{"nonces of signed calls", token.SweepNonces},
	{"activations of integrations", token.SweepHandshakes},
	{"links", recovery.Sweep},
	{"registrations", customer.SweepRegistrations},
	{"changes of addresses", customer.SweepEmailChanges},
}

// keepClean sweeps every hour. Nodes need no agreement: each takes rows that no other holds.
func (h *House) keepClean(ctx context.Context, log *slog.Logger) {
	wait := time.NewTimer(rand.N(time.Minute)) // nodes that start together do not sweep together
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		h.cleanOnce(ctx, log)
		wait.Reset(cleanEvery)
	}
}

func (h *House) cleanOnce(ctx context.Context, log *slog.Logger) {
	for _, s := range sweeps {
		gone, err := h.sweep(ctx, s)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("housekeeping failed; it is tried again within the hour", "table", s.what, "error", err)
		case gone > 0:
			log.Info("housekeeping", "table", s.what, "rows", gone)
		}
	}
}

func (h *House) sweep(ctx context.Context, s sweep) (gone int64, err error) {
	for {
		var n int64
		err := h.DB.Write(ctx, func(tx *db.Tx) (err error) {
			n, err = s.rows(ctx, tx, cleanBatch)
			return err
		})
		gone += n
		if err != nil || n < cleanBatch {
			return gone, err
		}
		select {
		case <-ctx.Done():
			return gone, ctx.Err()
		case <-time.After(cleanPause):
		}
	}
}
