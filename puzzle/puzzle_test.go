package puzzle_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

var ctx = context.Background()

// from is a shopper in a network of their own.
func from(n int) audit.Origin {
	return audit.Origin{IP: netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})}
}

// protected is a house whose websites always ask, for as little work as can be set.
func protected(t *testing.T, d *db.DB) *fixture.House {
	h := fixture.Furnish(t, d)
	h.Set(shop.ProtectionMode, shop.ProtectionAlways)
	h.Set(shop.ProtectionDifficulty, shop.DifficultyLight)
	return h
}

func pose(t *testing.T, h *fixture.House, view string, f puzzle.Form, came string) *puzzle.Posed {
	t.Helper()
	p, err := h.Puzzles.Pose(ctx, h.View(view), f, came)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// solve does what the widget does.
func solve(t *testing.T, challenge string) map[string]any {
	t.Helper()
	var c struct {
		Parameters struct {
			Cost, KeyLength        int
			Nonce, Salt, KeyPrefix string
		}
	}
	var whole map[string]any
	if json.Unmarshal([]byte(challenge), &c) != nil || json.Unmarshal([]byte(challenge), &whole) != nil {
		t.Fatalf("no challenge: %s", challenge)
	}
	nonce, _ := hex.DecodeString(c.Parameters.Nonce)
	salt, _ := hex.DecodeString(c.Parameters.Salt)
	for counter := uint32(0); ; counter++ {
		key, err := pbkdf2.Key(sha256.New, string(binary.BigEndian.AppendUint32(nonce[:16:16], counter)), salt, c.Parameters.Cost, c.Parameters.KeyLength)
		if err != nil {
			t.Fatal(err)
		}
		if found := hex.EncodeToString(key); strings.HasPrefix(found, c.Parameters.KeyPrefix) {
			return map[string]any{"challenge": whole, "solution": map[string]any{"counter": counter, "derivedKey": found, "time": 12.3}}
		}
	}
}

func send(solution map[string]any) string {
	b, _ := json.Marshal(solution)
	return base64.StdEncoding.EncodeToString(b)
}

func TestCalmAsksForNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		for _, f := range []puzzle.Form{puzzle.SignIn, puzzle.Reset, puzzle.Account} {
			if p := pose(t, h, "lune_en", f, ""); p != nil {
				t.Errorf("%s carries %+v", f, p)
			}
			if proved, err := h.Puzzles.Admit(ctx, h.View("lune_en"), f, puzzle.Answer{}, from(1)); err != nil || proved {
				t.Errorf("%s: %v, %v", f, proved, err)
			}
		}
	})
}

// Promise: a proof is good once, for one form of one website, until it expires.
func TestAProofIsGoodOnceAndForItsFormOnly(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := protected(t, d)
		good := solve(t, pose(t, h, "lune_en", puzzle.Reset, "").Challenge)
		changed := func(change func(challenge, parameters, solution map[string]any)) string {
			var copied map[string]any
			b, _ := json.Marshal(good)
			_ = json.Unmarshal(b, &copied)
			challenge := copied["challenge"].(map[string]any)
			change(challenge, challenge["parameters"].(map[string]any), copied["solution"].(map[string]any))
			return send(copied)
		}
		rows := []struct {
			why, view, solution string
			form                puzzle.Form
			later               time.Duration
		}{
			{"nothing", "lune_en", "", puzzle.Reset, 0},
			{"no base64", "lune_en", "%%%", puzzle.Reset, 0},
			{"no JSON", "lune_en", base64.StdEncoding.EncodeToString([]byte("{")), puzzle.Reset, 0},
			{"too long", "lune_en", strings.Repeat("A", 64<<10), puzzle.Reset, 0},
			{"of another form", "lune_en", send(good), puzzle.SignIn, 0},
			{"of another website", "nord_en", send(good), puzzle.Reset, 0},
			{"less work than was asked for", "lune_en", changed(func(_, p, _ map[string]any) { p["cost"] = 1 }), puzzle.Reset, 0},
			{"another prefix", "lune_en", changed(func(_, p, _ map[string]any) { p["keyPrefix"] = "" }), puzzle.Reset, 0},
			{"a later end", "lune_en", changed(func(_, p, _ map[string]any) { p["data"] = map[string]any{"expires": 9999999999} }), puzzle.Reset, 0},
			{"another nonce", "lune_en", changed(func(_, p, _ map[string]any) { p["nonce"] = strings.Repeat("00", 16) }), puzzle.Reset, 0},
			{"no signature", "lune_en", changed(func(c, _, _ map[string]any) { delete(c, "signature") }), puzzle.Reset, 0},
			{"a key out of thin air", "lune_en", changed(func(_, _, s map[string]any) { s["derivedKey"] = strings.Repeat("00", 32) }), puzzle.Reset, 0},
			{"a counter out of thin air", "lune_en", changed(func(_, _, s map[string]any) { s["counter"] = 4294967295 }), puzzle.Reset, 0},
			{"work that would never end, not signed by us", "lune_en", changed(func(_, p, _ map[string]any) { p["cost"] = 2_000_000_000 }), puzzle.Reset, 0},
			{"expired", "lune_en", send(good), puzzle.Reset, time.Hour},
		}
		for _, r := range rows {
			clock.Advance(r.later)
			_, err := h.Puzzles.Admit(ctx, h.View(r.view), r.form, puzzle.Answer{Solution: r.solution}, from(1))
			if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || f.Field != puzzle.Field {
				t.Errorf("%s: %v", r.why, err)
			}
			clock.Advance(-r.later)
		}
		if proved, err := h.Puzzles.Admit(ctx, h.View("lune_fr"), puzzle.Reset, puzzle.Answer{Solution: send(good)}, from(1)); err != nil || !proved {
			t.Errorf("the good one, at another store view of its website: %v", err)
		}
		if _, err := h.Puzzles.Admit(ctx, h.View("lune_en"), puzzle.Reset, puzzle.Answer{Solution: send(good)}, from(1)); !fault.Is(err, fault.Invalid) {
			t.Errorf("the good one again: %v", err)
		}
		other := fixture.Open(t, d)
		other.Puzzles.Key = secret.RandomKey()
		foreign := solve(t, pose(t, other, "lune_en", puzzle.Reset, "").Challenge)
		if _, err := h.Puzzles.Admit(ctx, h.View("lune_en"), puzzle.Reset, puzzle.Answer{Solution: send(foreign)}, from(1)); !fault.Is(err, fault.Invalid) {
			t.Errorf("of another installation: %v", err)
		}
	})
}

// Promise: of many at once one wins, over two nodes; likewise for tickets.
func TestOneProofLetsOneFormIn(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		h, other := protected(t, a), fixture.Open(t, b)
		posed := pose(t, h, "lune_en", puzzle.SignIn, "")
		clock.Advance(posed.Wait)
		v := h.View("lune_en")
		for what, answer := range map[string]puzzle.Answer{
			"proof":  {Solution: send(solve(t, posed.Challenge))},
			"ticket": {Ticket: posed.Ticket},
		} {
			var won atomic.Int32
			var all sync.WaitGroup
			for i := range 20 {
				node := []*fixture.House{h, other}[i%2]
				all.Go(func() {
					if proved, err := node.Puzzles.Admit(ctx, v, puzzle.SignIn, answer, from(i)); proved {
						won.Add(1)
					} else if !fault.Is(err, fault.Invalid) {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("%d of 20 got in with one %s", won.Load(), what)
			}
		}
	})
}

// Promise: whoever cannot do the work waits instead; how often is limited by client, and sending early costs nothing.
func TestWaitingIsAWayAround(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := protected(t, d)
		h.Set(shop.ProtectionWaits, "2")
		v := h.View("lune_en")
		admit := func(f puzzle.Form, view, ticket string, o audit.Origin) error {
			_, err := h.Puzzles.Admit(ctx, h.View(view), f, puzzle.Answer{Ticket: ticket}, o)
			return err
		}
		first := pose(t, h, "lune_en", puzzle.Reset, "")
		if first.Wait != 30*time.Second {
			t.Errorf("to wait: %v", first.Wait)
		}
		clock.Advance(20 * time.Second)
		err := admit(puzzle.Reset, "lune_en", first.Ticket, from(1))
		if f, ok := fault.As(err); !ok || f.Args["Seconds"] != 10 {
			t.Errorf("too early: %v", err)
		}
		again := pose(t, h, "lune_en", puzzle.Reset, first.Ticket)
		if again.Ticket != first.Ticket || again.Wait != 10*time.Second {
			t.Errorf("sending early begins the wait anew: %v more", again.Wait)
		}
		clock.Advance(10 * time.Second)
		for _, r := range []struct {
			why, view, ticket string
			form              puzzle.Form
		}{
			{"of another form", "lune_en", first.Ticket, puzzle.SignIn},
			{"of another website", "nord_en", first.Ticket, puzzle.Reset},
			{"cut", "lune_en", first.Ticket[:40], puzzle.Reset},
			{"changed", "lune_en", "z" + first.Ticket[1:], puzzle.Reset},
			{"none", "lune_en", "", puzzle.Reset},
		} {
			if err := admit(r.form, r.view, r.ticket, from(1)); !fault.Is(err, fault.Invalid) {
				t.Errorf("a ticket %s: %v", r.why, err)
			}
		}
		if err := admit(puzzle.Reset, "lune_en", first.Ticket, from(1)); err != nil {
			t.Errorf("having waited: %v", err)
		}
		if err := admit(puzzle.Reset, "lune_en", first.Ticket, from(1)); !fault.Is(err, fault.Invalid) {
			t.Errorf("a second time: %v", err)
		}
		if next := pose(t, h, "lune_en", puzzle.Reset, first.Ticket); next.Ticket == first.Ticket {
			t.Error("a spent ticket is handed out again")
		}
		// Two an hour from one client, and no ticket is lost by the refusal.
		second, third := pose(t, h, "lune_en", puzzle.Reset, ""), pose(t, h, "lune_en", puzzle.Reset, "")
		clock.Advance(second.Wait)
		if err := admit(puzzle.Reset, "lune_en", second.Ticket, from(1)); err != nil {
			t.Error(err)
		}
		if err := admit(puzzle.Reset, "lune_en", third.Ticket, from(1)); !fault.Is(err, fault.Limited) {
			t.Errorf("the third in an hour: %v", err)
		}
		if err := admit(puzzle.Reset, "lune_en", third.Ticket, from(2)); err != nil {
			t.Errorf("from another network: %v", err)
		}
		if proved, err := h.Puzzles.Admit(ctx, v, puzzle.Reset, puzzle.Answer{Solution: send(solve(t, third.Challenge))}, from(1)); err != nil || !proved {
			t.Errorf("whoever has waited too often can still work: %v", err)
		}
		clock.Advance(2 * time.Hour)
		old := pose(t, h, "lune_en", puzzle.Reset, "")
		clock.Advance(old.Wait + time.Hour)
		if err := admit(puzzle.Reset, "lune_en", old.Ticket, from(1)); !fault.Is(err, fault.Invalid) {
			t.Errorf("a ticket that has expired: %v", err)
		}
	})
}

// A form whose proof was good and whose address was not is mended without a second proof, and once.
func TestWorkIsNotAskedForTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := protected(t, d)
		h.Set(shop.ProtectionWaits, "1")
		v := h.View("lune_en")
		for range 3 { // more than may wait
			owed, err := h.Puzzles.Owe(ctx, v, puzzle.Account)
			if err != nil || owed.Challenge != "" {
				t.Fatalf("%+v, %v", owed, err)
			}
			if proved, err := h.Puzzles.Admit(ctx, v, puzzle.Account, puzzle.Answer{Ticket: owed.Ticket}, from(1)); err != nil || !proved {
				t.Errorf("at once: %v", err)
			}
			if _, err := h.Puzzles.Admit(ctx, v, puzzle.Account, puzzle.Answer{Ticket: owed.Ticket}, from(1)); !fault.Is(err, fault.Invalid) {
				t.Errorf("twice: %v", err)
			}
		}
	})
}

func TestSpentPuzzlesAreForgottenWhenTheyHaveExpired(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := protected(t, d)
		owed, err := h.Puzzles.Owe(ctx, h.View("lune_en"), puzzle.Reset)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Puzzles.Admit(ctx, h.View("lune_en"), puzzle.Reset, puzzle.Answer{Ticket: owed.Ticket}, from(1)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{0, 0, 0, 0, 1, 0} { // two hours late: a clock that was ahead forgets nothing
			h.Write(func(ctx context.Context, tx *db.Tx) error {
				if n, err := puzzle.Sweep(ctx, tx, 10); err != nil || n != want {
					return fmt.Errorf("%d swept, want %d: %w", n, want, err)
				}
				return nil
			})
			clock.Advance(time.Hour + time.Second)
		}
	})
}
