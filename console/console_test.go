package console_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

var everyPage = []string{"/admin/customers", "/admin/customers/1", "/admin/customers/1/force-sign-in", "/admin/letters", "/admin/audit", "/admin/configuration",
	"/admin/configuration?section=OAuth", "/admin/configuration?section=Admin", "/admin/stores", "/admin/stores/websites/new", "/admin/stores/websites/1",
	"/admin/stores/views/new?website=base", "/admin/stores/views/1", "/admin/administrators", "/admin/administrators/new", "/admin/integrations",
	"/admin/webhooks", "/admin/webhooks/new"}

func TestEveryPageAsksToSignInAndLeadsBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.customer(1, "camille@example.com", "Camille", "Durand")
		stranger := &desk{h, map[string]string{}}
		for _, path := range append(everyPage, "/admin", "/admin/nothing") {
			got := stranger.get(path)
			if got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/admin/login") {
				t.Errorf("GET %s gives %d to %q", path, got.status, got.location)
			}
		}
		got := stranger.post("/admin/customers/1/reset-password")
		if want := "/admin/login?next=%2Fadmin%2Fcustomers%2F1"; got.location != want {
			t.Errorf("an act leads to %q, want %q", got.location, want)
		}
		h.at("ines", admin.Owner, 0)
		form := stranger.get("/admin/login?next=" + url.QueryEscape("/admin/customers?q=cam&sort=name"))
		if !strings.Contains(form.body, `name="next" value="/admin/customers?q=cam&amp;sort=name"`) {
			t.Errorf("the form does not remember where to go:\n%s", form.body)
		}
		in := stranger.post("/admin/login", "username", "ines", "password", bossWord, "next", "/admin/customers?q=cam&sort=name")
		if in.location != "/admin/customers?q=cam&sort=name" {
			t.Errorf("signing in leads to %q", in.location)
		}
	})
}

func TestSigningInLeadsNowhereElse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.at("ines", admin.Owner, 0)
		for _, next := range []string{"https://evil.example/admin/", "//evil.example/admin/", "/\\evil.example", "/admin/..//evil.example", "/admin/../customer",
			"/administrator", "/admin/login", "/admin/logout", "javascript:alert(1)", "/admin/customers#x\r\nSet-Cookie: a=b", "/admin//customers"} {
			browser := &desk{h, map[string]string{}}
			if got := browser.post("/admin/login", "username", "ines", "password", bossWord, "next", next); got.location != "/admin/customers" {
				t.Errorf("next=%q leads to %q", next, got.location)
			}
		}
	})
}

func TestSignInAnswersAlikeForEveryReason(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.at("ines", admin.Owner, 0)
		var first string
		for _, name := range []string{"ines", "nobody"} {
			browser := &desk{h, map[string]string{"rekey-form": strings.Repeat("k", 43)}}
			got := browser.post("/admin/login", "username", name, "password", "wrong")
			if got.status != http.StatusUnprocessableEntity {
				t.Errorf("a refused sign-in gives %d", got.status)
			}
			got.hides(t, "wrong")
			body := strings.ReplaceAll(got.body, name, "?")
			if first == "" {
				first = body
			} else if body != first {
				t.Errorf("the answers differ:\n%s\n%s", first, body)
			}
		}
	})
}

func TestIdleSessionEnds(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		desk := h.at("ines", admin.Owner, 0)
		clock.Advance(16 * time.Minute)
		got := desk.get("/admin/letters?state=queued")
		if got.location != "/admin/login?next="+url.QueryEscape("/admin/letters?state=queued") {
			t.Fatalf("leads to %q", got.location)
		}
		desk.get(got.location).shows(t, "Please sign in.")
	})
}

func TestSignOutEndsTheSession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		ours := h.at("ines", admin.Owner, 0)
		stolen := &desk{h, maps.Clone(ours.cookies)}
		ours.act("/admin/logout").shows(t, "You are signed out.")
		if got := stolen.get("/admin/customers"); got.status != http.StatusSeeOther {
			t.Errorf("the cookie still works: %d", got.status)
		}
	})
}

func TestForeignMethodsAreRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		for _, row := range []struct{ method, path, allow string }{
			{"POST", "/admin/customers", "GET, HEAD"}, {"DELETE", "/admin/customers/1", "GET, HEAD"}, {"GET", "/admin/logout", "POST"},
			{"PUT", "/admin/configuration", "GET, HEAD, POST"}, {"POST", "/admin", "GET, HEAD"},
		} {
			r := httptest.NewRequest(row.method, row.path, nil)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			if got := desk.do(r); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != row.allow {
				t.Errorf("%s %s gives %d, Allow %q; want 405, %q", row.method, row.path, got.status, got.header.Get("Allow"), row.allow)
			}
		}
	})
}

func TestOtherSitesCannotAct(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		desk := h.at("ines", admin.Owner, 0)
		r := httptest.NewRequest(http.MethodPost, at(c.ID, "reset-password"), nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if got := desk.do(r); got.status != http.StatusForbidden || len(h.letters()) != 0 {
			t.Errorf("another site's form gives %d and %d letters", got.status, len(h.letters()))
		}
	})
}

// TestEveryPageIsWellMade holds what a reader with a screen reader, and the content security policy, need of every page.
func TestEveryPageIsWellMade(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		h.token(c, "Till")
		h.session(c)
		desk := h.at("ines", admin.Owner, 0)
		desk.act(at(c.ID, "reset-password"))
		inline := regexp.MustCompile(`(?i)\son[a-z]+=|\sstyle=|<style|<script>|javascript:`)
		control := regexp.MustCompile(`<(?:input|select)[^>]*\bid="([^"]+)"`)
		post := regexp.MustCompile(`(?s)<form[^>]*method="post".*?</form>`)
		for _, path := range append(everyPage, "/admin/letters/"+h.letters()[0].ID.String(), "/admin/customers?q=nobody-at-all") {
			got := desk.get(path)
			if got.status != http.StatusOK {
				t.Errorf("GET %s gives %d: %s", path, got.status, got.text())
				continue
			}
			if n := strings.Count(got.body, "<h1"); n != 1 {
				t.Errorf("%s has %d h1", path, n)
			}
			if found := inline.FindString(got.body); found != "" {
				t.Errorf("%s has %q, which the content security policy forbids", path, found)
			}
			for _, m := range control.FindAllStringSubmatch(got.body, -1) {
				if !strings.Contains(got.body, `<label for="`+m[1]+`"`) {
					t.Errorf("%s: the field %s has no label", path, m[1])
				}
			}
			for _, form := range post.FindAllString(got.body, -1) {
				if !strings.Contains(form, `name="form_key"`) {
					t.Errorf("%s: a form has no form key: %s", path, form)
				}
			}
		}
	})
}

func TestAssetsStaySmall(t *testing.T) {
	h := open(t, dbtest.Open(t, dbtest.SQLite), nil)
	desk := &desk{h, map[string]string{}}
	page := desk.get("/admin/login").body
	for _, name := range []string{"css", "js"} {
		at := regexp.MustCompile(`/admin/assets/console-[0-9a-f]+\.` + name).FindString(page)
		if got := desk.get(at); got.status != http.StatusOK || len(got.body) > 20<<10 || len(got.body) < 1<<10 {
			t.Errorf("%s: %d, %d bytes; at most 20 KB", at, got.status, len(got.body))
		}
	}
}

func TestConsoleSpeaksOfEveryAct(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.write(func(ctx context.Context, tx *db.Tx) error {
			for _, action := range audit.Actions() {
				if err := audit.Record(ctx, tx, audit.Entry{Action: action, Actor: audit.Actor{Kind: audit.System}, WebsiteID: 1, Subject: action}); err != nil {
					return err
				}
			}
			return nil
		})
		desk := h.at("ines", admin.Owner, 0)
		list := desk.get("/admin/audit")
		for _, action := range audit.Actions() {
			if strings.Contains(list.body, ">"+action+"</option>") {
				t.Errorf("the act %s has no name in words", action)
			}
			desk.get("/admin/audit?action="+action).shows(t, action) // one by one: there are more acts than a page has rows
		}
	})
}

func TestAuditFilters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		other := h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
		desk := h.at("ines", admin.Owner, 0)
		desk.act(at(c.ID, "reset-password"))
		desk.act(at(other.ID, "reset-password"))
		one := desk.get(fmt.Sprintf("/admin/audit?action=%s&customer=%d&actor=ines", audit.ResetSentByStore, c.ID))
		one.shows(t, "c…e@example.com", "password_reset.sent_by_store")
		one.hides(t, "j…s@example.com")
		for _, bad := range []string{"customer=x", "from=soon", "after=zzz", "action=nothing"} {
			if got := desk.get("/admin/audit?" + bad); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s gives %d, want 422", bad, got.status)
			}
		}
		scoped := h.at("lea", "manager", 1).get("/admin/audit")
		scoped.shows(t, "c…e@example.com")
		scoped.hides(t, "j…s@example.com", "Nordlicht")
	})
}

func TestAdministratorOfOneWebsiteMakesNoneOfAll(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("lea", admin.Owner, 1)
		for _, site := range []string{"", "nord"} {
			got := desk.post("/admin/administrators", "username", "eve", "email", "eve@lune.example", "role", "owner", "website", site, "password", bossWord)
			if got.status != http.StatusUnprocessableEntity {
				t.Errorf("an administrator of website %q is made: %d", site, got.status)
			}
			got.hides(t, bossWord)
		}
		common := desk.post("/admin/administrators", "username", "tom", "email", "tom@lune.example", "role", "support", "website", "base", "password", "password1234")
		common.shows(t, "There is a problem", "one of the first that others would try", "At least 12 characters")
		desk.act("/admin/administrators", "username", "tom", "email", "tom@lune.example", "role", "support", "website", "base", "password", bossWord).
			shows(t, "The administrator was created", "tom", "Customer support")
	})
}

func TestStoreViewIsRefusedAnAccentThatNobodySees(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		fields := []string{"name", "English", "locale", "en_US", "time_zone", "Europe/Paris", "base_url", "https://lune.example", "sender_email", "hello@lune.example", "position", "0"}
		bad := desk.post("/admin/stores/views/1", append(fields, "accent", "#ffff00")...)
		if bad.status != http.StatusUnprocessableEntity {
			t.Fatalf("yellow gives %d", bad.status)
		}
		bad.shows(t, "There is a problem", "#ffff00 reaches only")
		desk.act("/admin/stores/views/1", append(fields, "accent", "#1f7a6d")...).shows(t, "You saved the store view.")
		if v, _ := h.snapshot().View(1); v.Accent != "#1f7a6d" {
			t.Errorf("the accent is %s", v.Accent)
		}
		if entries := h.recorded(audit.ViewChanged); len(entries) != 1 || entries[0].Detail["accent"] != shop.DefaultAccent+" → #1f7a6d" || len(entries[0].Detail) != 1 {
			t.Errorf("the audit says %+v", entries)
		}
	})
}
