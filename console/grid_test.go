package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

var (
	heads = regexp.MustCompile(`<th [^>]*?(?:aria-sort="([a-z]+)")?>(?:<a href="([^"]*)">)?([^<]*)`)
	next  = regexp.MustCompile(`rel="next" href="([^"]*)"`)
	prev  = regexp.MustCompile(`rel="prev" href="([^"]*)"`)
	cells = regexp.MustCompile(`class="c-email" title="([^"]*)"`)
)

func emails(p page) []string {
	var all []string
	for _, m := range cells.FindAllStringSubmatch(p.body, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

func link(t *testing.T, p page, re *regexp.Regexp) string {
	t.Helper()
	m := re.FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("no %s on the page:\n%s", re, p.text())
	}
	return html.UnescapeString(m[1])
}

func TestGridKeepsItsStateInTheURL(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		for i := range 120 {
			h.customer(1, fmt.Sprintf("c%03d@example.com", i), "Camille", fmt.Sprintf("Durand%03d", i))
		}
		h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
		desk := h.at("ines", admin.Owner, 0)
		first := desk.get("/admin/customers?q=camille&website=base&confirmed=yes&sort=email&dir=desc")
		first.shows(t, "120 customers match", "Clear the filters")
		if got := emails(first); len(got) != 50 || got[0] != "c119@example.com" {
			t.Fatalf("the first page has %d, from %v", len(got), got[:1])
		}
		for _, field := range []string{`name="q" type="search" value="camille"`, `<option value="base" selected>`, `<option value="yes" selected>`, `name="sort" value="email"`, `name="dir" value="desc"`} {
			if !strings.Contains(first.body, field) {
				t.Errorf("the form does not hold %s", field)
			}
		}
		second := desk.get(link(t, first, next))
		if got := emails(second); len(got) != 50 || got[0] != "c069@example.com" {
			t.Errorf("the second page begins with %v", got)
		}
		back := desk.get(link(t, second, prev))
		if fmt.Sprint(emails(back)) != fmt.Sprint(emails(first)) {
			t.Error("Previous does not lead back")
		}
		u, err := url.Parse(link(t, second, next))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"q": "camille", "website": "base", "confirmed": "yes", "sort": "email", "dir": "desc"} {
			if got := u.Query().Get(name); got != want {
				t.Errorf("the address of the next page has %s=%q, want %q", name, got, want)
			}
		}
		edit := regexp.MustCompile(`href="(/admin/customers/\d+\?list=[^"]*)"`)
		one := desk.get(link(t, second, edit))
		if want := html.EscapeString(strings.ReplaceAll(link(t, first, next), "/admin/customers?", "")); !strings.Contains(one.body, `href="/admin/customers?`+want) {
			t.Errorf("Back does not lead to where the list was: want %s", want)
		}
	})
}

func TestGridSaysHowItIsSorted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.customer(1, "b@example.com", "Bea", "Zola")
		h.customer(1, "a@example.com", "Ada", "Abt")
		desk := h.at("ines", admin.Owner, 0)
		var names []string
		for _, m := range heads.FindAllStringSubmatch(desk.get("/admin/customers").body, -1) {
			names = append(names, m[3])
			if want := map[bool]string{true: "ascending"}[m[3] == "ID"]; m[1] != want {
				t.Errorf("%s has aria-sort %q, want %q", m[3], m[1], want)
			}
		}
		if want := "[ID Name Email Website Customer Since Last Sign-In Confirmed Locked Tokens Action]"; fmt.Sprint(names) != want {
			t.Errorf("the columns are %v, want %s", names, want)
		}
		sorted := desk.get("/admin/customers?sort=name")
		if got := fmt.Sprint(emails(sorted)); got != "[a@example.com b@example.com]" {
			t.Errorf("by name: %s", got)
		}
		if !strings.Contains(sorted.body, `aria-sort="ascending"><a href="/admin/customers?dir=desc&amp;sort=name">Name`) {
			t.Error("the head of the order does not lead to the other direction")
		}
	})
}

func TestGridFilters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		holder := h.customer(1, "holder@example.com", "Holder", "Of")
		h.customer(1, "plain@example.com", "Plain", "Shopper")
		h.customer(h.nord, "jonas@example.com", "Jonas", "Kowalski")
		h.token(holder, "Till")
		desk := h.at("ines", admin.Owner, 0)
		for query, want := range map[string]string{
			"tokens=yes":           "[holder@example.com]",
			"tokens=no&sort=email": "[jonas@example.com plain@example.com]",
			"website=nord":         "[jonas@example.com]",
			"q=PLAIN":              "[plain@example.com]",
			"locked=yes":           "[]",
			"confirmed=no":         "[]",
			"to=2001-01-01":        "[]",
		} {
			if got := fmt.Sprint(emails(desk.get("/admin/customers?" + query))); got != want {
				t.Errorf("%s finds %s, want %s", query, got, want)
			}
		}
		if got := desk.get("/admin/customers?q=%00%ff"); got.status != http.StatusBadRequest {
			t.Errorf("what is no text gives %d", got.status)
		}
		for _, bad := range []string{"from=soon", "website=none", "sort=password", "after=zzz"} {
			if got := desk.get("/admin/customers?" + bad); got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s gives %d, want 422", bad, got.status)
			}
		}
	})
}

func TestLiveSearchGetsTheListAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		desk := h.at("ines", admin.Owner, 0)
		desk.post(at(c.ID, "reset-password")) // a notice waits for the next page
		r := httptest.NewRequest(http.MethodGet, "/admin/customers?q=cam", nil)
		r.Header.Set("X-Rekey-Part", "results")
		part := desk.do(r)
		part.shows(t, "1 customer matches", c.Email)
		part.hides(t, "<html", "<form")
		desk.get(at(c.ID, "")).shows(t, "The customer will receive an email")
	})
}

func TestEmptyListsSayWhatWillBeThere(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		desk := h.at("ines", admin.Owner, 0)
		for path, words := range map[string]string{
			"/admin/customers": "No customers yet", "/admin/customers?q=x": "No customer matches", "/admin/letters": "No letters yet",
			"/admin/letters?state=queued": "No letter matches", "/admin/integrations": "No integrations yet", "/admin/audit?actor=nobody": "Nothing matches",
		} {
			desk.get(path).shows(t, words)
		}
	})
}
