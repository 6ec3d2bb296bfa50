package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

var shownSecret = regexp.MustCompile(`<dd class="mono">([A-Za-z0-9_-]{43})</dd>`)

func TestAnIntegrationsSecretsAreShownOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		fields := []string{"name", "Atelier ERP", "email", "erp@atelier.example", "grant.customers.view", "on", "grant.customers.reset_password", "on"}
		for _, r := range []struct {
			why, words string
			change     []string
		}{
			{"without the password", "The password entered for the current user is invalid", nil},
			{"with another password", "The password entered for the current user is invalid", []string{"current_password", "wrong"}},
			{"with a plain callback", "must begin with https://", []string{"current_password", bossWord, "callback_url", "http://erp.example"}},
			{"without resources", "Choose at least one resource", []string{"current_password", bossWord, "grant.customers.view", "", "grant.customers.reset_password", ""}},
		} {
			got := desk.post("/admin/integrations", append(fields[:len(fields):len(fields)], r.change...)...)
			if got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", r.why, got.status)
			}
			got.shows(t, r.words)
			if strings.Contains(got.body, bossWord) {
				t.Errorf("%s: the password comes back", r.why)
			}
		}
		one := desk.act("/admin/integrations", append(fields, "current_password", bossWord)...)
		one.shows(t, "The integration was created.", "Inactive", "View and search customers", "Send password resets")
		one.hides(t, "Force sign-in")
		desk.get("/admin/integrations").shows(t, "Atelier ERP", "Inactive")
		desk.get("/admin/integrations/1/activate").shows(t, "Activate Atelier ERP?", "View and search customers", "shows its secrets, this once")

		shown := desk.post("/admin/integrations/1/activate")
		secrets := shownSecret.FindAllStringSubmatch(shown.body, -1)
		if shown.status != http.StatusOK || len(secrets) != 3 || shown.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("activating gives %d and %d secrets, Cache-Control %q: %s", shown.status, len(secrets), shown.header.Get("Cache-Control"), shown.text())
		}
		for _, path := range []string{"/admin/integrations", "/admin/integrations/1", "/admin/integrations/1/activate", "/admin/integrations/1/delete", "/admin/audit"} {
			got := desk.get(path)
			for _, s := range secrets {
				got.hides(t, s[1])
			}
		}
		desk.get("/admin/integrations/1").shows(t, "Active", "Reauthorize")
		desk.get("/admin/integrations/1/activate").shows(t, "stop working at once")
		again := shownSecret.FindAllStringSubmatch(desk.post("/admin/integrations/1/activate").body, -1)
		for i := range again {
			if again[i][1] == secrets[i][1] {
				t.Error("a secret has stayed")
			}
		}
		desk.get("/admin/integrations/1/edit").shows(t, "Edit Integration", "Atelier ERP", "Save Integration")
		change := []string{"name", "Atelier Two", "grant.customers.force_sign_in", "on"}
		if got := desk.post("/admin/integrations/1/edit", change...); got.status != http.StatusUnprocessableEntity {
			t.Errorf("changed without the password: %d", got.status)
		}
		after := desk.act("/admin/integrations/1/edit", append(change, "current_password", bossWord)...)
		after.shows(t, "The integration was changed.", "Atelier Two", "Active", "Force sign-in")
		after.hides(t, "Send password resets")
		desk.act("/admin/integrations/1/delete").shows(t, "The integration was deleted.", "No integrations yet")
		for action, want := range map[string]int{audit.IntegrationCreated: 1, audit.IntegrationActivated: 2, audit.IntegrationChanged: 1, audit.IntegrationDeleted: 1} {
			if got := len(h.recorded(action)); got != want {
				t.Errorf("the audit has %d of %s", got, action)
			}
		}
		if got := desk.get("/admin/integrations/1"); got.status != http.StatusNotFound {
			t.Errorf("the deleted one gives %d", got.status)
		}
	})
}

func TestActivatingTellsTheCallback(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.shop.AllowHTTP = true
		var told url.Values
		answer := http.StatusOK
		side := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			told = r.PostForm
			w.WriteHeader(answer)
		}))
		defer side.Close()
		desk := h.at("ines", admin.Owner, 0)
		desk.act("/admin/integrations", "name", "Till", "callback_url", side.URL+"/callback", "identity_url", side.URL+"/login?a=1",
			"grant.customers.view", "on", "current_password", bossWord).shows(t, "Integration not secure")
		got := desk.act("/admin/integrations/1/activate")
		got.shows(t, "The callback URL was told.", "Inactive", "identity link")
		if !strings.Contains(got.body, "/login?a=1&amp;oauth_consumer_key="+told.Get("oauth_consumer_key")+"&amp;success_call_back=") {
			t.Errorf("the identity link: %s", got.body)
		}
		for name := range told {
			if name != "oauth_consumer_key" && name != "store_base_url" {
				got.hides(t, told.Get(name))
			}
		}
		answer = http.StatusInternalServerError
		failed := desk.post("/admin/integrations/1/activate")
		if failed.status != http.StatusUnprocessableEntity {
			t.Errorf("a callback that fails gives %d", failed.status)
		}
		failed.shows(t, "it answered 500")
	})
}

func TestOnlyOwnersOfAllWebsitesManageIntegrations(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.at("ines", admin.Owner, 0).act("/admin/integrations", "name", "Till", "grant.customers.view", "on", "current_password", bossWord)
		for _, r := range []struct {
			name, role string
			website    int64
			want       int
		}{{"max", "manager", 0, http.StatusForbidden}, {"lea", admin.Owner, 1, http.StatusNotFound}} {
			desk := h.at(r.name, r.role, r.website)
			desk.get("/admin/customers").hides(t, "/admin/integrations")
			for _, path := range []string{"/admin/integrations", "/admin/integrations/new", "/admin/integrations/1", "/admin/integrations/1/activate", "/admin/integrations/1/delete"} {
				if got := desk.get(path); got.status != r.want {
					t.Errorf("%s: GET %s gives %d, want %d", r.name, path, got.status, r.want)
				}
			}
			for _, path := range []string{"/admin/integrations/1/activate", "/admin/integrations/1/delete"} {
				if got := desk.post(path); got.status != r.want {
					t.Errorf("%s: POST %s gives %d, want %d", r.name, path, got.status, r.want)
				}
			}
		}
	})
}
