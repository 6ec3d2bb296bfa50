package limit

import (
	"context"
	"net/netip"

	"github.com/rekeyhq/rekey/db"
)

// siteShare is how many /64 the owner of an IPv6 /48 is worth. A /48 holds 65,536 of them and may be had for nothing, while
// providers of mobile phones put many strangers into one: so it has more than a client, and not 65,536 times as much.
const siteShare = 16

// TakeClient is Take for a client address: an IPv4 address, or the /64 that an IPv6 client owns, within a bound on the /48 that
// it may be a part of.
func TakeClient(ctx context.Context, tx *db.Tx, r Rule, ip netip.Addr) (Verdict, error) {
	return take(ctx, tx, clients(r, ip)...)
}

// DemandClient is Demand for a client address. Errors: fault Limited under "limit.client".
func DemandClient(ctx context.Context, tx *db.Tx, r Rule, ip netip.Addr, text string) error {
	v, err := TakeClient(ctx, tx, r, ip)
	return v.demanded(text, err)
}

// RefundClient takes back the latest hit of a client: what was counted beforehand turned out not to be what is limited.
func RefundClient(ctx context.Context, tx *db.Tx, r Rule, ip netip.Addr) error {
	for _, c := range clients(r, ip) {
		if err := c.refund(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// clients are the counters of a client address, always in this order, so that no two wait for each other.
func clients(r Rule, ip netip.Addr) []counter {
	ip = ip.Unmap().WithZone("")
	switch {
	case !ip.IsValid():
		return []counter{{r, "unknown"}}
	case ip.Is4():
		return []counter{{r, ip.String()}}
	}
	site := r
	site.Max, site.MinInterval = min(r.Max*siteShare, MaxPerWindow), 0
	return []counter{{r, network(ip, 64)}, {site, network(ip, 48)}}
}

func network(ip netip.Addr, bits int) string {
	return netip.PrefixFrom(ip, bits).Masked().String()
}
