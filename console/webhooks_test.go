package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/webhook"
)

var whsec = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{43}=`)

// everyEvent ticks all boxes of the form.
func everyEvent() []string {
	var fields []string
	for _, t := range webhook.Types() {
		fields = append(fields, "event_"+strings.ReplaceAll(t.Name, ".", "_"), "on")
	}
	return fields
}

func TestWebhookSecretIsShownOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		desk.get("/admin/webhooks").shows(t, "No webhooks yet")
		bad := desk.post("/admin/webhooks", "url", "http://127.0.0.1/x", "website", "")
		if bad.status != http.StatusUnprocessableEntity {
			t.Fatalf("nothing to tell, by plain http: %d", bad.status)
		}
		bad.shows(t, "There is a problem", "choose at least one event")
		bad = desk.post("/admin/webhooks", append(everyEvent(), "url", "https://10.0.0.1/x", "website", "")...)
		bad.shows(t, "There is a problem", "is a private address")
		if !strings.Contains(bad.body, `value="https://10.0.0.1/x"`) {
			t.Error("what was typed is lost")
		}
		made := desk.post("/admin/webhooks", append(everyEvent(), "url", "https://erp.example/rekey", "website", "nord")...)
		key := whsec.FindString(strings.ReplaceAll(made.body, "&#43;", "+"))
		if made.status != http.StatusCreated || key == "" || made.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d, %q\n%s", made.status, made.header.Get("Cache-Control"), made.text())
		}
		list := desk.get("/admin/webhooks")
		list.shows(t, "erp.example", "Nordlicht", "Enabled", "All")
		address := regexp.MustCompile(`/admin/webhooks/[0-9a-z]{26}`).FindString(list.body)
		one := desk.get(address)
		one.shows(t, "https://erp.example/rekey", "Nothing was sent yet")
		for _, p := range []page{list, one, desk.get("/admin/audit")} {
			p.hides(t, "whsec_", key)
		}
		desk.act(address+"/disable").shows(t, "The webhook is disabled", "Disabled")
		desk.act(address+"/enable").shows(t, "The webhook is enabled", "Enabled")
		desk.get(address+"/delete").shows(t, "What waits for erp.example is not sent")
		desk.act(address+"/delete").shows(t, "The webhook was deleted", "No webhooks yet")
		if got := desk.get(address); got.status != http.StatusNotFound {
			t.Errorf("a deleted webhook gives %d", got.status)
		}
		for action, want := range map[string]int{audit.WebhookCreated: 1, audit.WebhookChanged: 2, audit.WebhookDeleted: 1} {
			if all := h.recorded(action); len(all) != want || all[0].Subject != "erp.example" || all[0].Actor.Name != "ines" {
				t.Errorf("%s is recorded as %+v", action, all)
			}
		}
	})
}

func TestEventIsReplayedFromTheConsole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		var ids []string
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the answer says nothing about it
			ids = append(ids, r.Header.Get("Webhook-Id"))
			if len(ids) == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
		}))
		t.Cleanup(receiver.Close)
		h.write(func(ctx context.Context, tx *db.Tx) error {
			return shop.Set(ctx, tx, shop.WebhookPrivateAddresses, "1", shop.Scope{Kind: shop.Default})
		})
		key, err := secret.NewKey([]byte(strings.Repeat("k", secret.KeyLength)))
		if err != nil {
			t.Fatal(err)
		}
		hooks := &webhook.Service{DB: d, Shop: &shop.Shop{DB: d, AllowHTTP: true}, Key: key}
		w, _, err := hooks.Create(t.Context(), admin.CommandLine(webhook.Right), webhook.New{URL: receiver.URL, Types: []string{"customer.locked"}}, audit.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		h.write(func(ctx context.Context, tx *db.Tx) error {
			return audit.Record(ctx, tx, audit.Entry{Action: audit.SignInLocked, Actor: audit.Actor{Kind: audit.Shopper}, WebsiteID: 1})
		})
		deliver := func() {
			t.Helper()
			if _, err := hooks.FanOut(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := hooks.Worker(slog.New(slog.DiscardHandler)).Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		deliver()
		desk := h.at("ines", admin.Owner, 0)
		address := "/admin/webhooks/" + w.ID.String()
		shown := desk.get(address)
		shown.shows(t, "customer.locked", "502 Bad Gateway", "Waiting to be tried again", "Replay")
		replay := regexp.MustCompile(address + `/deliveries/[0-9a-z]{26}/replay`).FindString(shown.body)
		for _, other := range []refused{{h.at("mia", "manager", 0), http.StatusForbidden}, {h.at("nord", admin.Owner, h.nord), http.StatusNotFound}} {
			if got := other.post(replay); got.status != other.want {
				t.Errorf("%s of another administrator gives %d", replay, got.status)
			}
		}
		desk.act(replay).shows(t, "The event is sent again, with the same id", "replay")
		deliver()
		desk.get(address).shows(t, "Handed over", "200 OK")
		if len(ids) != 2 || ids[0] != ids[1] {
			t.Errorf("told with the ids %v", ids)
		}
		// What goes to programs is no letter.
		desk.get("/admin/letters").shows(t, "No letters yet")
		delivery := strings.Split(replay, "/")[5]
		if got := desk.get("/admin/letters/" + delivery); got.status != http.StatusNotFound {
			t.Errorf("a delivery is shown as a letter: %d", got.status)
		}
	})
}

// refused is an administrator and the answer that they are to get.
type refused struct {
	*desk
	want int
}
