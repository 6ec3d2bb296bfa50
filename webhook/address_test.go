package webhook

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	const never, inside, public = "never", "inside", "public"
	for _, r := range []struct{ ip, kind, why string }{
		{"127.0.0.1", inside, "this machine"},
		{"127.8.9.10", inside, "all of 127/8 is this machine"},
		{"::1", inside, "this machine"},
		{"::ffff:127.0.0.1", inside, "an IPv4 address in IPv6 clothes"},
		{"10.0.0.1", inside, "RFC 1918"},
		{"172.16.0.1", inside, "RFC 1918"},
		{"172.31.255.255", inside, "RFC 1918"},
		{"192.168.1.1", inside, "RFC 1918"},
		{"100.64.0.1", inside, "shared by carriers, and by clouds for their own"},
		{"fd00::1", inside, "unique local"},
		{"169.254.169.254", never, "the metadata of clouds"},
		{"::ffff:169.254.169.254", never, "the same in IPv6 clothes"},
		{"fe80::1", never, "link-local"},
		{"fe80::1%eth0", never, "link-local with a zone"},
		{"fd00:ec2::254", inside, "the metadata of a cloud by IPv6 is in its private network"},
		{"0.0.0.0", never, "is this machine on many systems"},
		{"::", never, "is this machine on many systems"},
		{"::7f00:1", never, "IPv4-compatible, long deprecated"},
		{"64:ff9b::7f00:1", never, "NAT64 of 127.0.0.1"},
		{"2002:7f00:1::", never, "6to4 of 127.0.0.1"},
		{"2001:0:7f00:1::", never, "Teredo"},
		{"224.0.0.1", never, "multicast"},
		{"255.255.255.255", never, "broadcast"},
		{"ff02::1", never, "multicast"},
		{"192.0.2.1", never, "documentation"},
		{"8.8.8.8", public, "an ordinary address"},
		{"172.32.0.1", public, "just outside RFC 1918"},
		{"2606:4700::1111", public, "an ordinary address"},
	} {
		ip := netip.MustParseAddr(r.ip)
		if got := reachable(ip, false) == nil; got != (r.kind == public) {
			t.Errorf("%s (%s) is reachable: %t", r.ip, r.why, got)
		}
		if got := reachable(ip, true) == nil; got != (r.kind != never) {
			t.Errorf("%s (%s) is reachable where private addresses are allowed: %t", r.ip, r.why, got)
		}
	}
}

func TestWebhookAddressIsRefusedInWords(t *testing.T) {
	for _, r := range []struct {
		url, says      string
		plain, private bool
	}{
		{"", "must be a URL", true, true},
		{"erp.example/rekey", "must be a URL", true, true},
		{"ftp://erp.example", "https://", true, true},
		{"file:///etc/passwd", "must be a URL", true, true},
		{"http://erp.example", "--dev", false, true},
		{"https://user:pass@erp.example", "user name", true, true},
		{"https://erp.example/#x", "#", true, true},
		{"https://127.0.0.1/", "private", true, false},
		{"https://[::1]:8443/", "private", true, false},
		{"https://[::ffff:10.0.0.1]/", "private", true, false},
		{"https://169.254.169.254/latest", "nothing is sent to", true, true},
		{"https://erp.example/" + strings.Repeat("x", maxURL), "must be a URL", true, true},
		{"https://erp.example/hook?key=1", "", false, false},
		{"http://10.0.0.5/hook", "", true, true},
	} {
		err := checkURL(r.url, r.plain, r.private)
		if r.says == "" && err != nil || r.says != "" && (err == nil || !strings.Contains(err.Error(), r.says)) {
			t.Errorf("%q: %v, want %q", r.url, err, r.says)
		}
	}
}

// A private address behind a name, or one that is written out, is refused at the connection:
// the receiver below is there, and is not reached.
func TestNamesOfPrivateAddressesAreNotConnectedTo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		port := r.URL[strings.LastIndex(r.URL, ":"):]
		var hooks []Webhook
		for _, url := range []string{"http://localhost" + port, "http://127.0.0.1" + port} {
			w, _ := create(t, s, New{URL: url})
			hooks = append(hooks, w)
		}
		h.Set(shop.WebhookPrivateAddresses, "0")
		happen(h, created(h))
		deliver(t, s)
		for _, w := range hooks {
			if all := deliveries(t, s, w); all[0].State != mail.Deferred || !strings.Contains(all[0].Words, "private address") {
				t.Errorf("%s: %s, %s", w.URL, all[0].State, all[0].Words)
			}
		}
		if len(r.all()) != 0 {
			t.Errorf("a private address was connected to %d times", len(r.all()))
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		inside := listen(t)
		for _, status := range []int{301, 302, 303, 307, 308} {
			outside := httptest.NewServer(http.RedirectHandler(inside.URL, status))
			t.Cleanup(outside.Close)
			w, _ := create(t, s, New{URL: outside.URL, Types: []string{"customer.created"}})
			happen(h, created(h))
			deliver(t, s)
			if all := deliveries(t, s, w); all[0].State != mail.Deferred {
				t.Errorf("%d: %s, %s", status, all[0].State, all[0].Words)
			}
			if err := s.Delete(t.Context(), owner, w.ID, audit.Origin{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(inside.all()) != 0 {
			t.Errorf("a redirect led inside %d times", len(inside.all()))
		}
	})
}

func TestCertificateOfTheReceiverIsVerified(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		hits := 0
		r := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
		r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		r.StartTLS()
		t.Cleanup(r.Close)
		w, _ := create(t, s, New{URL: r.URL + "/services/T0/very-secret"})
		happen(h, created(h))
		deliver(t, s)
		all := deliveries(t, s, w)
		if all[0].State != mail.Deferred || hits != 0 || strings.Contains(all[0].Words, "very-secret") {
			t.Errorf("%s, %q, %d requests", all[0].State, all[0].Words, hits)
		}
		s.RootCAs = r.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		if err := s.Replay(t.Context(), owner, w.ID, all[0].ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		deliver(t, s)
		if hits != 1 {
			t.Errorf("%d requests with the right certificate", hits)
		}
	})
}

// Each webhook has a secret of its own, the same on every node with the key, and no table holds it.
func TestSecretsAreDerivedAndNotStored(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		_, one := create(t, s, New{URL: "https://a.example"})
		_, two := create(t, s, New{URL: "https://a.example"})
		if one.Equal(two) {
			t.Error("two webhooks share a secret")
		}
		bare := &Service{DB: d, Shop: h.Shop, Key: secret.Key{}}
		if _, _, err := bare.Create(t.Context(), owner, New{URL: "https://a.example", Types: names()}, audit.Origin{}); !fault.Is(err, fault.Conflict) {
			t.Errorf("without a key: %v", err)
		}
		if _, _, err := s.Create(t.Context(), owner, New{URL: "https://a.example", Types: []string{"customer.bought"}}, audit.Origin{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("an unknown event: %v", err)
		}
	})
}
