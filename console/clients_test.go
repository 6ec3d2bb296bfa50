package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Promise: the secret of an app is shown once; an administrator of one website reaches no app of another.
func TestAppsAreMadeAndDeleted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		boss, other := h.at("ines", admin.Owner, 0), h.at("lea", admin.Owner, h.nord)
		boss.get("/admin/clients").shows(t, "No apps yet")
		fields := []string{"name", "Lune App", "website", "base", "kind", "confidential", "redirect_uris", "https://app.example/back https://app.example/b2"}
		if got := boss.post("/admin/clients", append(fields, "redirect_uris", "http://app.example/back")...); got.status == http.StatusOK {
			t.Errorf("a field twice: %d", got.status)
		}
		bad := boss.post("/admin/clients", "name", "Lune App", "website", "base", "kind", "public", "redirect_uris", "http://app.example/back")
		if bad.shows(t, "cannot be registered"); bad.status != http.StatusUnprocessableEntity {
			t.Errorf("plain http: %d", bad.status)
		}
		bad = boss.post("/admin/clients", "name", "Lune App", "website", "base", "kind", "public", "redirect_uris", "https://app.example/back",
			"backchannel_logout_uri", "http://app.example/logout")
		if bad.shows(t, "cannot be told of sign-outs"); bad.status != http.StatusUnprocessableEntity {
			t.Errorf("a plain logout URI: %d", bad.status)
		}
		made := boss.post("/admin/clients", append(fields, "backchannel_logout_uri", "https://app.example/logout")...)
		made.shows(t, "Client secret", "cannot be shown again")
		id := regexp.MustCompile(`app_[a-z0-9]{26}`).FindString(made.body)
		word := regexp.MustCompile(`<dd class="mono">([A-Za-z0-9_-]{43})</dd>`).FindStringSubmatch(made.body)
		if made.status != http.StatusOK || id == "" || word == nil {
			t.Fatalf("made: %d, id %q", made.status, id)
		}
		list := boss.get("/admin/clients")
		list.shows(t, "Lune App", "Confidential", id)
		list.hides(t, word[1])
		other.get("/admin/clients").hides(t, id)
		for _, status := range []int{other.get("/admin/clients/" + id + "/delete").status, other.post("/admin/clients/" + id + "/delete").status} {
			if status != http.StatusNotFound {
				t.Errorf("an app of another website: %d", status)
			}
		}
		if got := h.at("tom", "support", 0).get("/admin/clients"); got.status != http.StatusForbidden {
			t.Errorf("without the right: %d", got.status)
		}
		at := "/admin/clients/" + id
		for _, value := range []string{"https://app.example/back https://app.example/b2", "https://app.example/logout"} {
			if !strings.Contains(boss.get(at).body, `value="`+value+`"`) {
				t.Errorf("the form does not hold %s", value)
			}
		}
		for _, status := range []int{other.get(at).status, other.post(at, "name", "Mine", "redirect_uris", "https://evil.example/").status, other.post(at + "/secret").status} {
			if status != http.StatusNotFound {
				t.Errorf("an app of another website: %d", status)
			}
		}
		bad = boss.post(at, "name", "", "redirect_uris", "http://app.example/back", "logout_uris", "ftp://x", "backchannel_logout_uri", "http://x")
		bad.shows(t, "Give the app a name", `"http://app.example/back" cannot be registered`, `"ftp://x" cannot be registered`, "cannot be told of sign-outs") // all at once
		boss.act(at, "name", "Lune Two", "redirect_uris", "https://app.example/b3").shows(t, "The app was changed.", "Lune Two")
		renewed := boss.post(at + "/secret")
		renewed.shows(t, "the one before proves nothing any more")
		if renewed.status != http.StatusOK || strings.Contains(renewed.body, word[1]) || !regexp.MustCompile(`<dd class="mono">[A-Za-z0-9_-]{43}</dd>`).MatchString(renewed.body) {
			t.Errorf("another secret: %d", renewed.status)
		}
		boss.get("/admin/clients/"+id+"/delete").shows(t, "Delete Lune Two?")
		boss.act("/admin/clients/"+id+"/delete").shows(t, "The app was deleted.", "No apps yet")
		if len(h.recorded(audit.ClientCreated)) != 1 || len(h.recorded(audit.ClientDeleted)) != 1 {
			t.Error("the audit does not tell of it")
		}
	})
}
