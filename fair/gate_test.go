package fair_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rekeyhq/rekey/fair"
)

const flooding, calm int64 = 1, 2

// A flood of one website has every slot and a long line; whoever comes of another website is next.
func TestAFloodLeavesTheOthersTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := fair.NewGate(2, 2, 100)
		var mu sync.Mutex
		var order []int64
		ask := func(party int64) {
			go func() {
				leave, err := g.Enter(fair.For(t.Context(), party))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, party)
				mu.Unlock()
				defer leave()
			}()
			synctest.Wait()
		}
		var leaves []func()
		for range 2 {
			leave, err := g.Enter(fair.For(t.Context(), flooding))
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		for range 50 {
			ask(flooding)
		}
		ask(calm)
		ask(calm)
		leaves[0]()
		synctest.Wait()
		if at := slices.Index(order, calm); at > 1 {
			t.Errorf("the calm website came after %d of the flood", at)
		}
		if second := slices.Index(order[slices.Index(order, calm)+1:], calm); second > 1 {
			t.Errorf("its second caller came after %d more of the flood", second)
		}
		leaves[1]()
		synctest.Wait()
		if len(order) != 52 {
			t.Errorf("%d of 52 had their turn", len(order))
		}
		if count, _ := g.Waits(); count != 52 {
			t.Errorf("%d waits counted", count)
		}
	})
}

func TestOnePartyHoldsNoMoreThanItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := fair.NewGate(4, 3, 1)
		enter := func(ctx context.Context, party int64) error {
			_, err := g.Enter(fair.For(ctx, party))
			return err
		}
		for range 3 {
			if err := enter(t.Context(), flooding); err != nil {
				t.Fatal(err)
			}
		}
		impatient, giveUp := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() { gaveUp <- enter(impatient, flooding) }()
		synctest.Wait()
		if err := enter(t.Context(), flooding); !errors.Is(err, fair.ErrFull) {
			t.Errorf("the second who waits: %v", err)
		}
		if err := enter(t.Context(), calm); err != nil {
			t.Errorf("the slot beyond the bound is for others: %v", err)
		}
		giveUp()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Callers come, wait, give up and leave at random; in the end every slot is there again.
func TestNoSlotIsLost(t *testing.T) {
	const slots = 3
	g := fair.NewGate(slots, 2, 5)
	var all sync.WaitGroup
	for i := range 2_000 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(fair.For(context.Background(), int64(i%7)))
			if i%3 == 0 {
				go cancel()
			}
			defer cancel()
			if leave, err := g.Enter(ctx); err == nil {
				leave()
			}
		})
	}
	all.Wait()
	for i := range slots {
		if _, err := g.Enter(fair.For(context.Background(), int64(100+i))); err != nil {
			t.Error(fmt.Errorf("slot %d: %w", i, err))
		}
	}
}
