package webhook

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// What can only be inside of the store's network is refused when it is given, whoever is to be told there, with what would allow it.
func TestAddressesInsideAreRefusedWhenGiven(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		s := &Service{DB: d, Shop: h.Shop, Key: h.Key}
		site := h.View("lune_en").WebsiteID
		erp, err := h.Tokens.AddIntegration(t.Context(), owner, erpAt("", "ERP"), audit.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		lune := app(h, "")
		for name, door := range map[string]struct {
			setting string
			give    func(address string) error
		}{
			"webhook": {shop.WebhookPrivateAddresses, func(address string) error {
				_, _, err := s.Create(t.Context(), owner, New{URL: address, Types: names()}, audit.Origin{})
				return err
			}},
			"app": {shop.WebhookPrivateAddresses, func(address string) error {
				n := appAt(h, site, address)
				_, _, err := h.Tokens.CreateClient(t.Context(), owner, n, audit.Origin{})
				return err
			}},
			"app, changed": {shop.WebhookPrivateAddresses, func(address string) error {
				n := appAt(h, site, address)
				_, _, err := h.Tokens.ChangeClient(t.Context(), owner, lune.ClientID, n, false, audit.Origin{})
				return err
			}},
			"integration": {shop.PrivateCallbacks, func(address string) error {
				_, err := h.Tokens.AddIntegration(t.Context(), owner, erpAt(address, address), audit.Origin{})
				return err
			}},
			"integration, changed": {shop.PrivateCallbacks, func(address string) error {
				_, err := h.Tokens.ChangeIntegration(t.Context(), owner, erp.ID, erpAt(address, "ERP"), audit.Origin{})
				return err
			}},
		} {
			for _, address := range []string{"https://erp.local/told", "https://erp/told", "https://10.0.0.1/told", "https://[::ffff:7f00:1]/told"} {
				h.Set(door.setting, "0")
				if err := door.give(address); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "rekey config set "+door.setting+" 1") {
					t.Errorf("%s, %s: %v", name, address, err)
				}
				h.Set(door.setting, "1")
				if err := door.give(address); err != nil {
					t.Errorf("%s, %s, where the setting allows it: %v", name, address, err)
				}
			}
			if err := door.give("https://169.254.169.254/latest"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "nothing is sent to") {
				t.Errorf("%s, the metadata of clouds: %v", name, err)
			}
			if err := door.give("https://erp.example/told"); err != nil {
				t.Errorf("%s, an ordinary address: %v", name, err)
			}
		}
	})
}

func erpAt(callback, name string) token.NewIntegration {
	return token.NewIntegration{Name: name, CallbackURL: callback, Rights: []admin.Right{admin.ViewCustomers}}
}

// appAt is an app that is told of sign-outs at an address, as the doors make it.
func appAt(h *fixture.House, website int64, address string) token.NewClient {
	h.T.Helper()
	stores, err := h.Shop.Load(h.T.Context())
	if err != nil {
		h.T.Fatal(err)
	}
	return token.NewClient{WebsiteID: website, Name: "Lune App", RedirectURIs: []string{answersAt}, BackchannelURI: address,
		Told: h.Shop.Outbound(stores, shop.WebhookPrivateAddresses)}
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
