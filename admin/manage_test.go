package admin_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// permitOf is what an administrator may do to others.
func permitOf(t *testing.T, who admin.Admin) admin.Permit {
	t.Helper()
	p, err := admin.Allow(who, admin.ManageAdmins)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func recorded(h *fixture.House, action string) (all []audit.Entry) {
	h.T.Helper()
	h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		all, _, err = audit.List(ctx, tx, audit.Query{Action: action, Limit: 50})
		return err
	})
	return all
}

// waysOut are the acts after which nothing of an administrator opens anything.
func waysOut(h *fixture.House) map[string]func(permit admin.Permit, id int64) error {
	return map[string]func(permit admin.Permit, id int64) error{
		"disabled":   func(p admin.Permit, id int64) error { return h.Admins.Disable(ctx, p, id, fixture.Origin) },
		"deleted":    func(p admin.Permit, id int64) error { return h.Admins.Delete(ctx, p, id, fixture.Origin) },
		"signed out": func(p admin.Permit, id int64) error { return h.Admins.EndSessions(ctx, p, id, fixture.Origin) },
	}
}

// Promise: whoever is put out is out at once, on every node; a disabled or deleted one does not come back by an email either.
func TestWhoeverIsPutOutIsOut(t *testing.T) {
	for name := range waysOut(&fixture.House{}) {
		t.Run(name, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				b := hire(t, d, clock)
				other := fixture.OpenWith(t, d, b.Key) // another node
				other.Shop = b.Shop
				ada := newAdmin(t, b.House, "ada", admin.Owner)
				for _, who := range []string{"ines", "INES@lune.test"} {
					if err := b.ask(who); err != nil {
						t.Fatal(err)
					}
				}
				links, _ := b.letters(admin.ResetLetter)
				session, old := b.signIn(), b.signIn()
				stale := permitOf(t, session.Admin)
				proof, err := b.Admins.ProveByName(ctx, "ines", secret.NewText(bossWord), fixture.Origin)
				if err != nil {
					t.Fatal(err)
				}
				if err := waysOut(other)[name](permitOf(t, ada), session.Admin.ID); err != nil {
					t.Fatal(err)
				}
				for _, s := range []admin.Opened{session, old} {
					if _, err := b.Admins.Check(ctx, s.Secret); !fault.Is(err, fault.Unauthenticated) {
						t.Errorf("a session lives on: %v", err)
					}
				}
				for _, link := range links {
					if err := b.complete(link, newWord); !fault.Is(err, fault.Expired) {
						t.Errorf("a link from before works: %v", err)
					}
				}
				b.Read(func(ctx context.Context, tx *db.Tx) error { // as a token of the web API is judged
					var alive bool
					err := tx.Row(ctx, "SELECT "+admin.Stands+" FROM (SELECT $1 + 0 AS admin_id, $2 + 0 AS generation) t", session.Admin.ID, proof.Generation()).Scan(&alive)
					if err == nil && alive {
						t.Error("a token issued before is alive")
					}
					return err
				})
				if err := b.Admins.Disable(ctx, stale, ada.ID, fixture.Origin); !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.NotFound) {
					t.Errorf("what was begun before is done: %v", err)
				}
				_, err = signIn(b.House, "ines", bossWord)
				if back := err == nil; back != (name == "signed out") {
					t.Errorf("signing in: %v", err)
				}
				if name == "signed out" {
					return
				}
				if err := b.Admins.Enable(ctx, permitOf(t, ada), session.Admin.ID, fixture.Origin); name == "disabled" && err != nil {
					t.Error(err)
				}
				if _, err := b.Admins.Check(ctx, session.Secret); !fault.Is(err, fault.Unauthenticated) {
					t.Errorf("a session comes back: %v", err)
				}
				if err := waysOut(other)["disabled"](permitOf(t, ada), session.Admin.ID); name == "disabled" && err != nil {
					t.Error(err)
				}
				queued := len(b.queued(admin.ResetLetter))
				clock.Advance(hourAndMore)
				for _, who := range []string{"ines", "ines@lune.test"} {
					if err := b.ask(who); err != nil {
						t.Errorf("asking answers otherwise: %v", err)
					}
				}
				for _, l := range b.queued(admin.ResetLetter)[:len(b.queued(admin.ResetLetter))-queued] {
					if _, err := b.Admins.Composers()[admin.ResetLetter](ctx, l); err == nil || !strings.Contains(err.Error(), "not needed") {
						t.Errorf("a letter is written: %v", err)
					}
				}
			})
		})
	}
}

// Promise: of owners who take each other's power away at the same moment, one is left.
func TestTheLastOwnerStays(t *testing.T) {
	text := func(s string) *string { return &s }
	website := int64(1)
	for name, act := range map[string]func(h *fixture.House, p admin.Permit, id int64) error{
		"disabled": func(h *fixture.House, p admin.Permit, id int64) error {
			return h.Admins.Disable(ctx, p, id, fixture.Origin)
		},
		"deleted": func(h *fixture.House, p admin.Permit, id int64) error {
			return h.Admins.Delete(ctx, p, id, fixture.Origin)
		},
		"another role": func(h *fixture.House, p admin.Permit, id int64) error {
			_, err := h.Admins.Update(ctx, p, id, admin.Changes{Role: text("support")}, fixture.Origin)
			return err
		},
		"one website": func(h *fixture.House, p admin.Permit, id int64) error {
			_, err := h.Admins.Update(ctx, p, id, admin.Changes{WebsiteID: &website}, fixture.Origin)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				h := fixture.Furnish(t, d)
				var owners []admin.Admin
				for i := range 4 {
					owners = append(owners, newAdmin(t, h, fmt.Sprintf("owner%d", i), admin.Owner))
				}
				newAdmin(t, h, "mia", "support")
				if _, err := h.Admins.Create(ctx, manage, admin.New{Username: "lea", Email: "lea@lune.test", WebsiteID: 1, Password: secret.NewText(fixture.Password)}, fixture.Origin); err != nil {
					t.Fatal(err)
				}
				var all sync.WaitGroup
				for i, who := range owners { // each the next one, and the operator everybody
					all.Go(func() { _ = act(h, permitOf(t, who), owners[(i+1)%len(owners)].ID) })
					all.Go(func() { _ = act(h, manage, who.ID) })
				}
				all.Wait()
				left := 0
				h.Read(func(ctx context.Context, tx *db.Tx) error {
					all, err := admin.List(ctx, tx)
					for _, a := range all {
						if a.Role == admin.Owner && a.Active && a.WebsiteID == 0 {
							left++
						}
					}
					return err
				})
				if left != 1 {
					t.Errorf("%d owners are left", left)
				}
			})
		})
	}
}

func TestAdministratorsAreChangedAndRecorded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		ada, mia := newAdmin(t, h, "ada", admin.Owner), newAdmin(t, h, "mia", "support")
		permit := permitOf(t, ada)
		name, role := "Mia Berg", "manager"
		website := h.View("lune_en").WebsiteID
		ch := admin.Changes{Name: &name, Role: &role, WebsiteID: &website}
		if changed, err := h.Admins.Update(ctx, permit, mia.ID, ch, fixture.Origin); err != nil || !changed {
			t.Fatalf("%v, %v", changed, err)
		}
		if changed, err := h.Admins.Update(ctx, permit, mia.ID, ch, fixture.Origin); err != nil || changed {
			t.Errorf("the same again: %v, %v", changed, err)
		}
		entries := recorded(h, audit.AdminChanged)
		want := "map[name:nothing → Mia Berg role:support → manager website:all → lune]"
		if len(entries) != 1 || fmt.Sprint(entries[0].Detail) != want || entries[0].Actor.Name != "ada" || entries[0].Subject != "mia" {
			t.Errorf("recorded: %+v", entries)
		}
		for _, act := range []func() error{
			func() error { return h.Admins.Enable(ctx, permit, mia.ID, fixture.Origin) }, // enabled already
			func() error { return h.Admins.Disable(ctx, permit, mia.ID, fixture.Origin) },
			func() error { return h.Admins.Disable(ctx, permit, mia.ID, fixture.Origin) },
			func() error { return h.Admins.Enable(ctx, permit, mia.ID, fixture.Origin) },
			func() error { return h.Admins.EndSessions(ctx, permit, mia.ID, fixture.Origin) },
			func() error { return h.Admins.Delete(ctx, permit, mia.ID, fixture.Origin) },
		} {
			if err := act(); err != nil {
				t.Error(err)
			}
		}
		for _, action := range []string{audit.AdminDisabled, audit.AdminEnabled, audit.AdminSessionsEnded, audit.AdminDeleted} {
			if entries := recorded(h, action); len(entries) != 1 || entries[0].Subject != "mia" || entries[0].Actor.ID != ada.ID {
				t.Errorf("%s: %+v", action, entries)
			}
		}
		newAdmin(t, h, "mia", "viewer") // the name is free again

		long, lines := strings.Repeat("é", 101), "Mia\nBerg"
		for why, bad := range map[string]admin.Changes{"a long name": {Name: &long}, "two lines": {Name: &lines}, "no role": {Role: new(string)}} {
			if _, err := h.Admins.Update(ctx, manage, ada.ID, bad, fixture.Origin); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", why, err)
			}
		}
		for why, err := range map[string]error{
			"oneself disabled": h.Admins.Disable(ctx, permit, ada.ID, fixture.Origin),
			"oneself deleted":  h.Admins.Delete(ctx, permit, ada.ID, fixture.Origin),
		} {
			if !fault.Is(err, fault.Conflict) {
				t.Errorf("%s: %v", why, err)
			}
		}
	})
}

// Who administers one website reaches nobody else's administrators, and gives nobody more than that website.
func TestAdministratorsOfOneWebsiteManageTheirOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		site, other := h.View("lune_en").WebsiteID, h.View("nord_en").WebsiteID
		make := func(name string, website int64) admin.Admin {
			a, err := h.Admins.Create(ctx, manage, admin.New{Username: name, Email: name + "@lune.test", WebsiteID: website, Password: secret.NewText(fixture.Password)}, fixture.Origin)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		lea, tom, nora, boss := make("lea", site), make("tom", site), make("nora", other), make("boss", 0)
		permit := permitOf(t, lea)
		all := int64(0)
		for _, foreign := range []admin.Admin{nora, boss} {
			acts := waysOut(h)
			acts["changed"] = func(p admin.Permit, id int64) error {
				_, err := h.Admins.Update(ctx, p, id, admin.Changes{}, fixture.Origin)
				return err
			}
			acts["enabled"] = func(p admin.Permit, id int64) error { return h.Admins.Enable(ctx, p, id, fixture.Origin) }
			acts["asked for an address"] = func(p admin.Permit, id int64) error {
				return h.Admins.AskAddress(ctx, p, id, "a@evil.test", fixture.Origin)
			}
			for act, do := range acts {
				if err := do(permit, foreign.ID); !fault.Is(err, fault.NotFound) {
					t.Errorf("%s is %s: %v", foreign.Username, act, err)
				}
			}
		}
		for _, website := range []*int64{&other, &all} {
			if _, err := h.Admins.Update(ctx, permit, tom.ID, admin.Changes{WebsiteID: website}, fixture.Origin); !fault.Is(err, fault.Forbidden) {
				t.Errorf("given website %d: %v", *website, err)
			}
		}
	})
}

// Promise: a new address is the administrator's once the link in the email to it was used; then nothing that went to the one of before
// opens anything, and that one is told.
func TestAnAdministratorsNewAddressIsProven(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		session := b.signIn()
		id := session.Admin.ID
		for why, row := range map[string]string{"no address": "ines", "their own": "ines@lune.test", "with a name": "Ines <ines@post.test>"} {
			if err := b.Admins.AskAddress(ctx, manage, id, row, fixture.Origin); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", why, err)
			}
		}
		if err := b.ask("ines"); err != nil {
			t.Fatal(err)
		}
		resets, _ := b.letters(admin.ResetLetter)
		for _, email := range []string{"typo@post.test", "ines@post.test"} {
			if err := b.Admins.AskAddress(ctx, manage, id, email, fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		queued := b.queued(admin.AddressLetter)
		var links []secret.Text
		for i := len(queued) - 1; i >= 0; i-- { // in the order in which they were asked for
			c, err := b.Admins.Composers()[admin.AddressLetter](ctx, queued[i])
			if err != nil {
				t.Fatal(err)
			}
			again, err := b.Admins.Composers()[admin.AddressLetter](ctx, queued[i])
			if err != nil || again.Button.URL.Reveal() != c.Button.URL.Reveal() {
				t.Errorf("tried again, the email has another link: %v", err)
			}
			_, link, _ := strings.Cut(c.Button.URL.Reveal(), "token=")
			links = append(links, secret.NewText(link))
			if text := fmt.Sprint(c); strings.Contains(strings.ToLower(text), "ines ") || c.To.Name != "" || !strings.HasPrefix(c.Button.URL.Reveal(), "https://lune.test/admin/login/new-address?") {
				t.Errorf("an address that nobody has proven is told a name: %s", text)
			}
		}
		b.Read(func(ctx context.Context, tx *db.Tx) error {
			if waiting, err := admin.WaitingAddress(ctx, tx, id); err != nil || waiting != "ines@post.test" {
				t.Errorf("what waits is %q, %v", waiting, err)
			}
			return nil
		})
		if err := b.Admins.CompleteAddress(ctx, links[0], fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("the address that was asked for first is taken: %v", err)
		}
		if err := b.complete(links[1], newWord); !fault.Is(err, fault.Expired) {
			t.Errorf("the link of an address sets a password: %v", err)
		}
		if err := b.Admins.CompleteAddress(ctx, resets[0], fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("the link to a password proves an address: %v", err)
		}
		if p, err := b.Admins.CheckAddress(ctx, links[1], fixture.Origin); err != nil || p.Email != "ines@post.test" || p.Username != "ines" {
			t.Fatalf("%+v, %v", p, err)
		}
		var once sync.WaitGroup
		results := make([]error, 4)
		for i := range results {
			once.Go(func() { results[i] = b.Admins.CompleteAddress(ctx, links[1], stranger) })
		}
		once.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !fault.Is(err, fault.Expired) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("used %d times", won)
		}
		if _, err := b.Admins.Check(ctx, session.Secret); err == nil {
			t.Error("a session lives on")
		}
		if err := b.complete(resets[0], newWord); !fault.Is(err, fault.Expired) {
			t.Errorf("a link that went to the address of before works: %v", err)
		}
		if _, told := b.letters(admin.ChangedLetter); len(told) != 1 || told[0].To.Email != "ines@lune.test" || told[0].Button != nil {
			t.Errorf("told: %+v", told)
		}
		if e := recorded(b.House, audit.AdminChanged); len(e) != 1 || e[0].Detail["email"] != "ines@lune.test → ines@post.test" {
			t.Errorf("recorded: %+v", e)
		}
		if who, err := b.Admins.ByName(ctx, "INES"); err != nil || who.Email != "ines@post.test" {
			t.Errorf("%+v, %v", who, err)
		}

		b.Set(shop.AdminMaxResetRequests, "3")
		var err error
		for i := 0; i < 3 && err == nil; i++ {
			err = b.Admins.AskAddress(ctx, manage, id, fmt.Sprintf("n%d@post.test", i), fixture.Origin)
		}
		if !fault.Is(err, fault.Limited) {
			t.Errorf("emails to whatever address without end: %v", err)
		}
		clock.Advance(hourAndMore)
		if err := b.Admins.AskAddress(ctx, manage, id, "late@post.test", fixture.Origin); err != nil {
			t.Fatal(err)
		}
		c, err := b.Admins.Composers()[admin.AddressLetter](ctx, b.queued(admin.AddressLetter)[0])
		if err != nil {
			t.Fatal(err)
		}
		_, late, _ := strings.Cut(c.Button.URL.Reveal(), "token=")
		clock.Advance(2 * hourAndMore)
		if err := b.Admins.CompleteAddress(ctx, secret.NewText(late), fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("after more than two hours: %v", err)
		}
	})
}
