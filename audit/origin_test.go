package audit_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

func TestAPlaceIsRough(t *testing.T) {
	for _, row := range []struct{ ip, place, why string }{
		{"203.0.113.7", "203.0.113.x", "IPv4"},
		{"::ffff:203.0.113.7", "203.0.113.x", "IPv4 in IPv6 clothes"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:x", "IPv6"},
		{"fe80::1%eth0", "fe80:x", "a zone is the host's own business"},
	} {
		o := audit.Origin{IP: netip.MustParseAddr(row.ip)}
		if o.Place() != row.place {
			t.Errorf("%s: %s", row.why, o.Place())
		}
	}
	if place := (audit.Origin{}).Place(); place != "" {
		t.Errorf("nowhere is %q", place)
	}
}

// The header is written by the client and its words stand in letters: whatever is not known is not repeated.
func TestABrowserIsNamedInKnownWordsOnly(t *testing.T) {
	for ua, want := range map[string]string{
		"Mozilla/5.0 (Linux; Android 14; Pixel) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36": "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0":                                    "Firefox on Windows",
		"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0":                               "Edge on Windows",
		"curl/8.0": "curl",
		"Click http://evil.test/ to claim your prize \r\nBcc: x": "",
		"": "",
	} {
		if got := (audit.Origin{UserAgent: ua}).Browser(); got != want {
			t.Errorf("%q: %q, want %q", ua, got, want)
		}
	}
}

func TestTheAuditIsFilteredAndPaged(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		ctx := context.Background()
		err := d.Write(ctx, func(tx *db.Tx) error {
			for i := range 7 {
				e := audit.Entry{Action: audit.ResetRequested, Actor: audit.Actor{Kind: audit.Shopper}, WebsiteID: int64(1 + i%2), Detail: map[string]string{"n": "1"}}
				if i == 3 {
					e = audit.Entry{Action: audit.TokensRevoked, Actor: audit.Actor{Kind: audit.Store, ID: 9, Name: "ada"}, CustomerID: 4711}
				}
				if err := audit.Record(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		list := func(q audit.Query) (all []audit.Entry) {
			for {
				var next string
				err := d.Read(ctx, func(tx *db.Tx) (err error) {
					var page []audit.Entry
					page, next, err = audit.List(ctx, tx, q)
					all = append(all, page...)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if q.After = next; next == "" {
					return all
				}
			}
		}
		if n := len(list(audit.Query{Limit: 2})); n != 7 {
			t.Errorf("%d of 7, by pages of two", n)
		}
		for want, q := range map[int]audit.Query{1: {Action: audit.TokensRevoked, ActorName: "ada", CustomerID: 4711, Limit: 9}, 4: {WebsiteID: 1, Limit: 9}} {
			if got := list(q); len(got) != want {
				t.Errorf("%+v: %d, want %d", q, len(got), want)
			}
		}
	})
}
