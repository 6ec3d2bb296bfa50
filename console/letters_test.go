package console_test

import (
	"context"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/mail"
)

var told = regexp.MustCompile(`<td role="cell" class="t-what"><a href="/admin/letters/([^"]+)"`)

// whole is what a mail server said at length.
var whole = "550 5.7.1 " + strings.Repeat("the sender is not known here, see https://mail.example/why?code=5.7.1 ", 6)

// Support has an address and a day, and looks for what became of an email: among the letters of its own websites only.
func TestLettersAreFound(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		camille := h.customer(1, "Camille+news@example.com", "Camille", "Durand")
		names := map[string]string{}
		put := func(name string, n mail.Note, recipient string, state mail.State) {
			n.Kind, n.ViewID = "welcome", 1
			h.write(func(ctx context.Context, tx *db.Tx) error {
				id, err := mail.Enqueue(ctx, tx, n)
				if err != nil {
					return err
				}
				names[id.String()] = name
				_, err = tx.Exec(ctx, "UPDATE letters SET recipient = $2, state = $3, last_words = $4 WHERE id = $1", id, recipient, string(state), whole)
				return err
			})
		}
		key := func(email string, website int64) []byte {
			a, err := customer.ParseAddress(email)
			if err != nil {
				t.Fatal(err)
			}
			return a.Key(website)
		}
		put("sent", mail.Note{WebsiteID: 1}, "Camille+news@example.com", mail.HandedOver)
		put("waits", mail.Note{WebsiteID: 1, CustomerID: camille.ID}, "", mail.Deferred)
		put("nobody", mail.Note{WebsiteID: 1, AddressKey: key("lost@example.com", 1)}, "", mail.Unneeded)
		put("staff", mail.Note{WebsiteID: 0}, "ines@lune.example", mail.HandedOver)
		clock.Set(clock.Now().Add(26 * time.Hour))
		put("nord", mail.Note{WebsiteID: h.nord, AddressKey: key("camille+news@example.com", h.nord)}, "camille+news@example.com", mail.Refused)
		put("percent", mail.Note{WebsiteID: 1}, "50%_off@example.com", mail.HandedOver)
		ines, north := h.at("ines", admin.Owner, 0), h.at("nele", "support", h.nord)
		found := func(who *desk, query string) string {
			var all []string
			for _, m := range told.FindAllStringSubmatch(who.get("/admin/letters?"+query).body, -1) {
				all = append(all, names[m[1]])
			}
			return strings.Join(all, " ")
		}
		to := func(text string) string { return "recipient=" + url.QueryEscape(text) }
		for _, c := range []struct {
			who         *desk
			query, want string
		}{
			{ines, "", "percent nord staff nobody waits sent"},
			{north, "", "nord"},
			{ines, to("camille+news@example.com"), "nord waits sent"},
			{ines, to(` "Durand, Camille" <CAMILLE+News@example.com>, `), "nord waits sent"},
			{ines, to("#" + "1"), "waits"},
			{ines, to("Camille+n"), "nord sent"},
			{ines, to("lost@example.com"), "nobody"},
			{ines, to("50%"), "percent"},
			{ines, to("5_%"), ""},
			{ines, to("example.com"), ""},
			{north, to("camille+news@example.com"), "nord"},
			{north, to("lost@example.com"), ""},
			{north, to("#1"), ""},
			{north, to("ines"), ""},
			{ines, "website=nord", "nord"},
			{ines, "website=base&state=handed_over", "percent sent"},
			{ines, "state=refused", "nord"},
			{ines, "from=2026-11-24&to=2026-11-24", "staff nobody waits sent"},
			{ines, "from=2026-11-25", "percent nord"},
			{ines, "to=2026-11-23", ""},
			{ines, to("camille+news@example.com") + "&to=2026-11-24&website=base", "waits sent"},
		} {
			if got := found(c.who, c.query); got != c.want {
				t.Errorf("%s finds %q with %q, want %q", c.who.cookies, got, c.query, c.want)
			}
		}
		for field, bad := range map[string]string{"website": "mars", "state": "lost", "from": "soon", "to": "31.12.2026", "after": "x"} {
			if got := ines.get("/admin/letters?" + field + "=" + bad); got.status != 422 || !strings.Contains(got.body, `href="#`+field+`"`) {
				t.Errorf("%s=%s gives %d", field, bad, got.status)
			}
		}
		if got := north.get("/admin/letters?website=base"); got.status != 422 {
			t.Errorf("a website of somebody else gives %d", got.status)
		}
		page := ines.get("/admin/letters?state=refused")
		if !strings.Contains(html.UnescapeString(page.body), strings.TrimSpace(whole)) || strings.Contains(page.body, "clip") {
			t.Error("what the server said is not there, or is cut")
		}
	})
}

// The list is walked with all its filters, and nothing is shown twice or left out.
func TestLettersArePaged(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		h.write(func(ctx context.Context, tx *db.Tx) error {
			for range 120 { // at one moment
				if _, err := mail.Enqueue(ctx, tx, mail.Note{Kind: "welcome", WebsiteID: 1, ViewID: 1}); err != nil {
					return err
				}
			}
			return nil
		})
		desk := h.at("ines", admin.Owner, 0)
		seen := map[string]bool{}
		at := "/admin/letters?state=queued&from=2026-11-24"
		for pages := 0; ; pages++ {
			p := desk.get(at)
			for _, m := range told.FindAllStringSubmatch(p.body, -1) {
				seen[m[1]] = true
			}
			m := next.FindStringSubmatch(p.body)
			if m == nil {
				if pages != 2 || len(seen) != 120 {
					t.Errorf("%d letters on %d pages", len(seen), pages+1)
				}
				return
			}
			at = html.UnescapeString(m[1])
			if !strings.Contains(at, "state=queued") || !strings.Contains(at, "from=2026-11-24") {
				t.Fatalf("the next page forgets what is looked for: %s", at)
			}
		}
	})
}

// Who asks what became of an email asks about today, and reads out a time: the newest comes first, by the clock.
func TestTimelineIsToldNewestFirstByTheClock(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := open(t, d, clock.Now)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		h.at("ines", admin.Owner, 0).act(at(c.ID, "reset-password"))
		letter := h.letters()[0].ID
		clock.Set(clock.Now().Add(90*time.Minute + 7*time.Second))
		h.write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO letter_events (id, letter_id, at, state, words, server) VALUES ($1, $2, $3, 'deferred', 'try later', 'mail.example:25')`,
				db.NewID(), letter, db.Micro(clock.Now()))
			return err
		})
		desk := h.at("nele", "support", 0)
		for _, path := range []string{at(c.ID, ""), "/admin/letters/" + letter.String()} {
			page := desk.get(path)
			story := page.body[strings.Index(page.body, `<ol class="story">`):]
			late, early := strings.Index(story, `title="just now">24 Nov 2026, 11:30:07 (Paris)`), strings.Index(story, `title="1 hour ago">24 Nov 2026, 10:00:00 (Paris)`)
			if late < 0 || early < late {
				t.Errorf("%s tells the later step at %d, the earlier at %d", path, late, early)
			}
		}
	})
}
