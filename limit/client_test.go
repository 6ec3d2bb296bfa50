package limit_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/limit"
)

func takeClient(t *testing.T, d *db.DB, r limit.Rule, ip netip.Addr) limit.Verdict {
	t.Helper()
	var v limit.Verdict
	ctx := context.Background()
	err := d.Write(ctx, func(tx *db.Tx) (err error) {
		v, err = limit.TakeClient(ctx, tx, r, ip)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return v
}

// inSite is an address of the i-th of the networks of one IPv6 site.
func inSite(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::7", i)) }

func TestWhatOneClientIs(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		for i, row := range []struct {
			one, other string
			same       bool
			why        string
		}{
			{"203.0.113.7", "203.0.113.7", true, "an IPv4 address is a client"},
			{"203.0.113.7", "203.0.113.8", false, "its neighbour is another"},
			{"203.0.113.7", "::ffff:203.0.113.7", true, "IPv4 in IPv6 clothes"},
			{"2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", true, "IPv6: a client owns its /64"},
			{"2001:db8:1:2::1", "2001:db8:1:3::1", false, "the /64 beside it"},
			{"2001:db8:1:2::1", "2001:db8:2:2::1", false, "another site"},
			{"fe80::1%eth0", "fe80::2%eth1", true, "a zone is the host's own business"},
			{"", "", true, "clients without an address are one"},
		} {
			rule := limit.Rule{Name: fmt.Sprint(i), Max: 1, Window: time.Hour}
			one, _ := netip.ParseAddr(row.one) // "" is none
			other, _ := netip.ParseAddr(row.other)
			if !takeClient(t, d, rule, one).Allowed {
				t.Errorf("%s: the first is refused", row.why)
			}
			if takeClient(t, d, rule, other).Allowed == row.same {
				t.Errorf("%s: %s and %s count as one: %v, want %v", row.why, row.one, row.other, !row.same, row.same)
			}
		}
	})
}

// Promise: a /48 holds 65,536 clients and belongs to one; it gets what sixteen of them may, exactly, over concurrency and nodes.
func TestAnIPv6SiteGetsNoMoreThanSixteenClients(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		rule := limit.Rule{Name: "r", Max: 2, Window: time.Hour}
		var site, others atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			node := []*db.DB{a, b}[i%2]
			wg.Go(func() {
				if takeClient(t, node, rule, inSite(i)).Allowed {
					site.Add(1)
				}
			})
			wg.Go(func() {
				if takeClient(t, node, rule, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})).Allowed {
					others.Add(1)
				}
			})
		}
		wg.Wait()
		if site.Load() != 32 || others.Load() != 60 {
			t.Errorf("60 networks of one site were allowed %d, want 32; 60 IPv4 addresses %d, want 60", site.Load(), others.Load())
		}
	})
}

// The window of a site slides as any other, and what it refuses is counted nowhere.
func TestARefusalOfASiteCountsNothing(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		rule, start := limit.Rule{Name: "r", Max: 2, Window: time.Hour}, clock.Now()
		for i := range 32 {
			if !takeClient(t, d, rule, inSite(i)).Allowed {
				t.Fatalf("the %dth is refused", i+1)
			}
		}
		clock.Set(start.Add(30 * time.Minute))
		for range 5 {
			if v := takeClient(t, d, rule, inSite(99)); v.Allowed || !v.NextAt.Equal(start.Add(time.Hour)) {
				t.Errorf("%+v; want a refusal until the first is an hour old", v)
			}
		}
		clock.Set(start.Add(time.Hour))
		for i, want := range []bool{true, true, false} {
			if v := takeClient(t, d, rule, inSite(99)); v.Allowed != want {
				t.Errorf("try %d an hour later: allowed %v, want %v", i+1, v.Allowed, want)
			}
		}
	})
}

func TestRefundGivesOneBack(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		rule := limit.Rule{Name: "r", Max: 1, Window: time.Hour}
		ctx := context.Background()
		for i := range 40 {
			if !takeClient(t, d, rule, inSite(i%2)).Allowed {
				t.Fatal("was refused although all before were given back, to the client and to its site")
			}
			if err := d.Write(ctx, func(tx *db.Tx) error { return limit.RefundClient(ctx, tx, rule, inSite(i%2)) }); err != nil {
				t.Fatal(err)
			}
		}
	})
}
