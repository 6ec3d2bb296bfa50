package app

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/webhook"
)

const (
	cleanEvery = 10 * time.Minute // what has expired longer ago stays so, whatever the clock of the database does then
	cleanBatch = 500              // rows of one transaction: shoppers write in between
	cleanPause = 50 * time.Millisecond
	// forgetFailures is the age at which failed sign-ins are forgotten. NIST counts failures in a row without an end;
	// somebody who has not tried for so long is not guessing.
	forgetFailures = 180 * 24 * time.Hour
)

// sweep deletes, or ends for good, at most most rows that have done their work, and tells how many there were.
type sweep struct {
	what string
	rows sweeper
}

type sweeper = func(ctx context.Context, tx *db.Tx, most int) (int64, error)

// aged makes a sweeper of one that leaves what is younger than age.
func aged(age time.Duration, rows func(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error)) sweeper {
	return func(ctx context.Context, tx *db.Tx, most int) (int64, error) { return rows(ctx, tx, age, most) }
}

// sweeps lists what is ended or deleted, with the ages that are set now.
func sweeps(stores *shop.Snapshot) []sweep {
	letters := stores.Duration(shop.KeepLetters)
	return []sweep{
		{"limits", limit.Sweep},
		{"spent puzzles", puzzle.Sweep},
		{"lockouts", aged(forgetFailures, limit.SweepLocks)},
		{"sessions", signin.Sweep},
		{"passkey challenges", signin.SweepChallenges},
		{"tokens", token.Sweep},
		{"nonces of signed calls", token.SweepNonces},
		{"activations of integrations", token.SweepHandshakes},
		{"registrations", customer.SweepRegistrations},
		{"changes of addresses", customer.SweepEmailChanges},
		{"expired links of administrators", admin.EndExpired},
		{"expired links", recovery.EndExpired},
		{"administrators' links", aged(letters, admin.SweepLinks)},
		{"links", aged(letters, recovery.Sweep)},
		{"codes", recovery.SweepCodes},
		{"objections", aged(letters, recovery.SweepObjections)},
		{"deliveries", aged(letters, webhook.Sweep)},
		{"expired letters", mail.EndExpired},
		{"letters", aged(letters, mail.Sweep)},
		{"audit", aged(stores.Duration(shop.KeepAudit), audit.Sweep)},
	}
}

// keepClean sweeps every ten minutes. Nodes need no agreement: each takes rows that no other holds.
// observe is told how many rows went.
func (h *House) keepClean(ctx context.Context, log *slog.Logger, observe func(what string, rows int64)) {
	wait := time.NewTimer(rand.N(time.Minute)) // nodes that start together do not sweep together
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		h.cleanOnce(ctx, log, observe)
		wait.Reset(cleanEvery)
	}
}

func (h *House) cleanOnce(ctx context.Context, log *slog.Logger, observe func(what string, rows int64)) {
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		log.Warn("housekeeping failed; it is tried again within ten minutes", "error", err)
		return
	}
	if err := h.tendKey(ctx, log); err != nil && ctx.Err() == nil {
		log.Warn("the change of the secret key is not finished; it is tried again within ten minutes", "error", err)
	}
	for _, s := range sweeps(stores) {
		gone, err := h.sweep(ctx, s)
		observe(s.what, gone)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("housekeeping failed; it is tried again within ten minutes", "table", s.what, "error", err)
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
