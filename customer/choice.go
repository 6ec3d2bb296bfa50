package customer

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// Choice says which customers a measure is for. Every field that is set narrows; the zero Choice is everybody.
type Choice struct {
	WebsiteIDs             []int64      `json:"websites,omitempty"` // nil for all
	SeenFrom, SeenTo       time.Time    `json:",omitzero"`          // of the last sign-in
	CreatedFrom, CreatedTo time.Time    `json:",omitzero"`
	Network                netip.Prefix `json:"network,omitzero"` // that the last sign-in came from
	// HashedOtherwise is the beginning that hashes made with today's parameters have: who has another one is chosen.
	HashedOtherwise string      `json:",omitempty"`
	Where           []Predicate `json:"-"` // written by the owners of the tables that they read
}

// Everybody tells whether nothing but the website narrows the choice.
func (c Choice) Everybody() bool {
	return c.SeenFrom.IsZero() && c.SeenTo.IsZero() && c.CreatedFrom.IsZero() && c.CreatedTo.IsZero() && !c.Network.IsValid() &&
		c.HashedOtherwise == "" && len(c.Where) == 0
}

func (c Choice) builder() builder {
	b := builder{}
	b.filters(Query{WebsiteIDs: c.WebsiteIDs, CreatedFrom: c.CreatedFrom, CreatedTo: c.CreatedTo, Where: c.Where}, time.Time{})
	if !c.SeenFrom.IsZero() {
		b.add("last_sign_in_at >= ?", db.Micro(c.SeenFrom))
	}
	if !c.SeenTo.IsZero() {
		b.add("last_sign_in_at < ?", db.Micro(c.SeenTo))
	}
	if c.Network.IsValid() {
		first, last := ends(c.Network)
		b.add("last_sign_in_from BETWEEN ? AND ?", first, last)
	}
	if c.HashedOtherwise != "" {
		b.add("SUBSTR(password_hash, 1, "+strconv.Itoa(len(c.HashedOtherwise))+") <> ?", c.HashedOtherwise)
	}
	return b
}

// CountChosen tells exactly how many a choice covers now. It reads every customer that an index does not leave out.
func CountChosen(ctx context.Context, tx *db.Tx, c Choice) (n int64, err error) {
	b := c.builder()
	err = tx.Row(ctx, "SELECT COUNT(*) FROM customers"+b.where(), b.args...).Scan(&n)
	return n, err
}

// Chosen looks at the next customers from after (not included) to ceiling, window of them in the order of their numbers, and
// returns those of a choice and the number that it has come to; 0 when nobody is left. The window bounds what one call costs,
// however few of many are meant.
func Chosen(ctx context.Context, tx *db.Tx, c Choice, after, ceiling int64, window int) (ids []int64, reached int64, err error) {
	next := "SELECT * FROM customers WHERE id > " + strconv.FormatInt(after, 10) + " AND id <= " + strconv.FormatInt(ceiling, 10) +
		" ORDER BY id LIMIT " + strconv.Itoa(window)
	err = tx.Row(ctx, "SELECT COALESCE(MAX(id), 0) FROM ("+strings.Replace(next, "*", "id", 1)+") AS looked_at").Scan(&reached)
	if err != nil || reached == 0 {
		return nil, 0, err
	}
	b := c.builder()
	rows, err := tx.Query(ctx, "SELECT id FROM ("+next+") AS customers"+b.where()+" ORDER BY id", b.args...)
	ids, err = db.Collect(rows, err, func(row db.Scanner) (id int64, err error) {
		err = row.Scan(&id)
		return id, err
	})
	return ids, reached, err
}

// Newest is the highest number of a customer.
func Newest(ctx context.Context, tx *db.Tx) (id int64, err error) {
	err = tx.Row(ctx, "SELECT COALESCE(MAX(id), 0) FROM customers").Scan(&id)
	return id, err
}

// ParseNetwork reads a network as people write it: 203.0.113.0/24, 2001:db8::/32, or one address. Errors: fault Invalid on
// "network".
func ParseNetwork(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return p, fault.Refuse("network", "malformed", "Write a network such as 203.0.113.0/24 or 2001:db8::/32, or one address.", nil)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return p.Masked(), nil
}

// wide is an address as 16 bytes, so that networks are ranges; nil for none.
func wide(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	b := a.As16()
	return b[:]
}

// ends are the first and the last address of a network.
func ends(p netip.Prefix) (first, last []byte) {
	a := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	z := a
	for i := bits; i < 128; i++ {
		a[i/8] &^= 0x80 >> (i % 8)
		z[i/8] |= 0x80 >> (i % 8)
	}
	return a[:], z[:]
}

// Cut ends, in one write a website, everything of the given kinds that was issued there up to now, whoever holds it.
type Cut struct{ Sessions, Tokens, Links bool }

// Make makes the cut. It reaches every node before it returns: each check of a session, token or link compares.
func (c Cut) Make(ctx context.Context, tx *db.Tx, websiteIDs ...int64) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	at := func(on bool) int64 {
		if on {
			return now.UnixMicro()
		}
		return 0
	}
	for _, id := range websiteIDs {
		_, err := tx.Exec(ctx, `INSERT INTO cutoffs (website_id, sessions, tokens, links) VALUES ($1, $2, $3, $4)
			ON CONFLICT (website_id) DO UPDATE SET
				sessions = CASE WHEN excluded.sessions > cutoffs.sessions THEN excluded.sessions ELSE cutoffs.sessions END,
				tokens = CASE WHEN excluded.tokens > cutoffs.tokens THEN excluded.tokens ELSE cutoffs.tokens END,
				links = CASE WHEN excluded.links > cutoffs.links THEN excluded.links ELSE cutoffs.links END`,
			id, at(c.Sessions), at(c.Tokens), at(c.Links))
		if err != nil {
			return err
		}
	}
	return nil
}
