package console_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/console"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/webhook"
)

var (
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
	nothing     = strings.Repeat("0", 26) // an id that is nobody's
	madeApp     = regexp.MustCompile(`app_[a-z0-9]{26}`)
)

// belongings are what the website nord has, by the address of its page: the name of one of them, and a name of nothing.
func (h *house) belongings(boss *desk) map[string][2]string {
	h.t.Helper()
	theirs := h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
	h.token(theirs, "Till")
	h.session(theirs)
	boss.act(at(theirs.ID, "reset-password"))
	theirAdmin, err := h.admins.Create(context.Background(), admin.CommandLine(admin.ManageAdmins), admin.New{Username: "nora", Email: "nora@nord.example",
		Role: admin.Owner, WebsiteID: h.nord, Password: secret.NewText(bossWord)}, audit.Origin{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(func(ctx context.Context, tx *db.Tx) error {
		return shop.Set(ctx, tx, shop.WebhookPrivateAddresses, "1", shop.Scope{Kind: shop.Default})
	})
	if got := boss.post("/admin/webhooks", append(everyEvent(), "url", "https://hooks.nord.example/x", "website", "nord")...); got.status != http.StatusCreated {
		h.t.Fatalf("a webhook gives %d: %s", got.status, got.text())
	}
	var hook db.ID
	h.write(func(ctx context.Context, tx *db.Tx) error {
		all, err := webhook.List(ctx, tx, mustAllow(h.t))
		if err == nil {
			hook = all[0].ID
		}
		return err
	})
	app := boss.post("/admin/clients", "name", "Nord App", "website", "nord", "kind", "confidential", "redirect_uris", "https://app.example/back")
	boss.act("/admin/integrations", "name", "ERP", "grant.customers.view", "on", "current_password", bossWord)
	incident := boss.upload("/admin/incidents", "", "name", "a leak in the north", "website", "nord")
	phone := h.passkey(theirs, "Phone").String()
	passkey := db.NewID()
	h.write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO admin_passkeys (id, admin_id, rp_id, credential_id, user_handle, public_key, sign_count, synced, name, created_at)
			VALUES ($1, $2, 'nord.example', $3, $3, $3, 0, FALSE, 'Key ring', 0)`, passkey, theirAdmin.ID, []byte("credential"))
		return err
	})
	number := func(n int64) string { return fmt.Sprint(n) }
	return map[string][2]string{
		"/admin/customers/":        {number(theirs.ID), "999"},
		"{passkey}":                {phone, phone}, // of that customer, behind another's name as well
		"/admin/letters/":          {h.letters()[0].ID.String(), nothing},
		"/admin/stores/websites/":  {number(h.nord), "999"},
		"/admin/stores/views/":     {number(h.snapshot().ViewsOf(h.nord)[0].ID), "999"},
		"/admin/administrators/":   {number(theirAdmin.ID), "999"},
		"/admin/webhooks/":         {hook.String(), nothing},
		"/admin/incidents/":        {strings.TrimPrefix(incident.location, "/admin/incidents/"), "999"},
		"/admin/account/passkeys/": {passkey.String(), nothing},
		"/admin/integrations/":     {"1", "999"}, // they reach every website, so they are no single one's
		"/admin/clients/":          {madeApp.FindString(app.body), "app_" + nothing},
	}
}

func mustAllow(t *testing.T) admin.Permit {
	t.Helper()
	return admin.CommandLine(webhook.Right)
}

// Every route that names something, asked by the owner of one website for what is another's: the answer is the one to a name
// of nothing, and nothing has happened. The routes are the router's own, so a new one cannot be left out.
func TestAdministratorOfOneWebsiteCannotNameAnythingOfAnother(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		boss := h.at("ines", admin.Owner, 0)
		have := h.belongings(boss)
		desk := h.at("lea", admin.Owner, 1)
		before := h.everything()
		named := 0
		for _, r := range console.Routes() {
			method, path := r.Method, r.Path
			if !placeholder.MatchString(path) || strings.Contains(path, "/assets/") {
				continue
			}
			prefix := path[:strings.Index(path, "{")]
			names, ok := have[prefix]
			if !ok {
				t.Errorf("%s %s names something; say in belongings what, so that this test asks for another website's", method, path)
				continue
			}
			ask := func(name string) page {
				address := placeholder.ReplaceAllString(strings.NewReplacer("{delivery}", nothing, "{passkey}", have["{passkey}"][0], "{report}", "report.csv").Replace(path), name)
				if method == http.MethodGet {
					return desk.get(address)
				}
				return desk.post(address, "sessions", "on", "name", "Mine", "code", "mine", "redirect_uris", "https://evil.example/", "base_url", "https://evil.example/",
					"locale", "en_US", "current_password", bossWord)
			}
			theirs, unknown := ask(names[0]), ask(names[1])
			if theirs.status != http.StatusNotFound || theirs.status != unknown.status ||
				strings.ReplaceAll(theirs.text(), names[0], "NAME") != strings.ReplaceAll(unknown.text(), names[1], "NAME") {
				t.Errorf("%s %s: another website's gives %d %q, nothing %d %q", method, path, theirs.status, theirs.text(), unknown.status, unknown.text())
			}
			named++
		}
		if after := h.everything(); after != before {
			t.Errorf("something was done: %s before, %s after", before, after)
		}
		t.Logf("%d routes", named)
	})
}

// everything counts what an act would add to, take away or change.
func (h *house) everything() (state string) {
	h.t.Helper()
	h.write(func(ctx context.Context, tx *db.Tx) error {
		for _, count := range []string{`SELECT COUNT(*) FROM audit`, `SELECT COUNT(*) FROM letters`, `SELECT SUM(token_generation + session_generation) FROM customers`,
			`SELECT COUNT(*) FROM webhooks`, `SELECT COUNT(*) FROM admin_passkeys`, `SELECT COUNT(*) FROM passkeys`, `SELECT COUNT(*) FROM integrations`, `SELECT COUNT(*) FROM oauth2_clients`, `SELECT version FROM shop_version`,
			`SELECT SUM(session_generation) FROM admins`} {
			var n int64
			if err := tx.Row(ctx, count).Scan(&n); err != nil {
				return err
			}
			state += fmt.Sprint(n, " ")
		}
		return nil
	})
	return state
}
