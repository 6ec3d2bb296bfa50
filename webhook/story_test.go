package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// What really happens in a store is told, and nothing of it that a receiver, or whoever reads its logs, could abuse.
func TestEventsHoldNoSecretAndNoAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		create(t, s, New{URL: r.URL})
		v, ctx := h.View("lune_en"), t.Context()
		c := h.Customer("lune_en", "camille@example.com")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var held secret.Text
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			held, err = token.Issue(ctx, tx, v, h.Find(c.ID), "ERP", 0, fixture.Origin)
			return err
		})
		opened, err := h.SignIn.SignIn(ctx, v, c.Email, secret.NewText(fixture.Password), fixture.Origin)
		must(err)
		must(h.Recovery.Request(ctx, v, c.Email, fixture.Origin))
		must(h.Recovery.Request(ctx, v, "nobody@example.com", fixture.Origin))
		link := ""
		for _, l := range h.Letters() {
			if l.Button != nil {
				link = l.Button.URL.Reveal()
			}
		}
		at := strings.LastIndexAny(link, "=/")
		if at < 0 {
			t.Fatal("no letter with a link")
		}
		_, err = h.Recovery.Complete(ctx, v, recovery.Reset{Link: secret.NewText(link[at+1:]), Password: secret.NewText("second-secret-8"),
			Confirm: secret.NewText("second-secret-8")}, fixture.Origin)
		must(err)
		for _, l := range h.Letters() { // the notice of the new password
			if l.Button != nil && strings.Contains(l.Subject, "has been changed") {
				_, object, _ := strings.Cut(l.Button.URL.Reveal(), "token=")
				_, err = h.Recovery.Object(ctx, v, secret.NewText(object), recovery.Pressed{}, fixture.Origin)
				must(err)
			}
		}
		for range 12 { // wrong passwords, until the address pauses
			_, _ = h.SignIn.SignIn(ctx, v, "nobody@example.com", secret.NewText("wrong-secret-9"), fixture.Origin)
		}
		for deliver(t, s) > 0 {
		}
		told := map[string][]string{}
		for _, one := range r.all() {
			var p struct {
				Type string
				Data struct {
					CustomerID int64 `json:"customer_id"`
				}
			}
			must(json.Unmarshal([]byte(one.body), &p))
			told[p.Type] = append(told[p.Type], fmt.Sprint(p.Data.CustomerID))
			for what, word := range map[string]string{"an address": "@", "a name": "Camille", "a link": "http", "the link's secret": link[at+1:],
				"a password": "secret-", "a token": held.Reveal(), "a session": opened.Secret.Reveal(), "a place": "203.0.113"} {
				if strings.Contains(one.body, word) {
					t.Errorf("%s holds %s: %s", p.Type, what, one.body)
				}
			}
		}
		id := fmt.Sprint(c.ID)
		for kind, want := range map[string][]string{
			"password_reset.requested": {"0", "0"}, // known and unknown alike
			"password_reset.completed": {id}, "tokens.revoked": {id}, "sessions.ended": {id}, "customer.locked": {"0"}, "customer.objected": {id},
		} {
			if !slices.Equal(told[kind], want) {
				t.Errorf("%s is told of customers %v, want %v", kind, told[kind], want)
			}
		}
		bodies := []string{}
		for _, one := range r.all() {
			if strings.Contains(one.body, "password_reset.requested") {
				bodies = append(bodies, one.body[strings.Index(one.body, `"data"`):])
			}
		}
		if len(bodies) != 2 || bodies[0] != bodies[1] {
			t.Errorf("a known and an unknown address are told apart: %v", bodies)
		}
	})
}

func TestEachEventHasItsActs(t *testing.T) {
	for _, e := range events {
		for _, action := range e.From {
			if !slices.Contains(audit.Actions(), action) {
				t.Errorf("%s comes from %q, which nothing records", e.Type, action)
			}
			n := map[string]string{"sessions": "2", "tokens": "3"}
			if !e.tells(audit.Entry{Action: action, Detail: n}) {
				t.Errorf("%s does not tell of %s", e.Type, action)
			}
			if e.Counts != "" && e.tells(audit.Entry{Action: action, Detail: map[string]string{e.Counts: "0"}}) {
				t.Errorf("%s is told of when there was nothing", e.Type)
			}
			if e.Counts != "" && e.tells(audit.Entry{Action: action}) != (action == e.Type) {
				t.Errorf("%s from %s without a number is told wrongly", e.Type, action)
			}
		}
	}
}

func TestTwoNodesTellOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		const acts = 40
		h, first := store(t, a)
		second := node(fixture.Open(t, b))
		r := listen(t)
		create(t, first, New{URL: r.URL})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		states := make(chan mail.State, acts*2)
		observe := func(_ string, s mail.State) { states <- s }
		var running sync.WaitGroup
		for _, s := range []*Service{first, second} {
			running.Go(func() {
				if err := s.Run(ctx, quiet(), observe); err != nil {
					t.Error(err)
				}
			})
		}
		for range acts {
			happen(h, created(h))
		}
		for range acts {
			select {
			case s := <-states:
				if s != mail.HandedOver {
					t.Errorf("a delivery is %s", s)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("only %d events arrived", len(r.all()))
			}
		}
		stop()
		running.Wait()
		seen := map[string]int{}
		for _, one := range r.all() {
			seen[one.id]++
		}
		if len(r.all()) != acts || len(seen) != acts {
			t.Errorf("%d requests with %d ids for %d acts", len(r.all()), len(seen), acts)
		}
	})
}

// An entry that commits late is told, although entries with later ids were told before it. (A mark over the ids would
// pass over it.)
func TestLateCommitIsTold(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		if a == b {
			t.Skip("one writer: entries commit in the order of their ids")
		}
		h, s := store(t, a)
		r := listen(t)
		create(t, s, New{URL: r.URL})
		early, recorded, release := created(h), make(chan struct{}, 1), make(chan struct{})
		done := make(chan error, 1)
		go func() {
			done <- b.Write(context.Background(), func(tx *db.Tx) error {
				err := audit.Record(context.Background(), tx, early)
				recorded <- struct{}{}
				<-release
				return err
			})
		}()
		<-recorded
		happen(h, created(h))
		deliver(t, s)
		if len(r.all()) != 1 {
			t.Errorf("%d events beside the open transaction", len(r.all()))
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		deliver(t, s)
		if len(r.all()) != 2 {
			t.Errorf("%d events, want 2", len(r.all()))
		}
	})
}

func TestAdministratorOfOneWebsiteReachesNoOther(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		lune, nord := h.View("lune_en").WebsiteID, h.View("nord_en").WebsiteID
		scoped, err := admin.Allow(admin.Admin{ID: 7, Role: admin.Owner, Active: true, WebsiteID: lune}, Right)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := create(t, s, New{URL: r.URL})
		other, _ := create(t, s, New{URL: r.URL, WebsiteID: nord})
		for _, site := range []int64{0, nord} {
			if _, _, err := s.Create(t.Context(), scoped, New{URL: r.URL, WebsiteID: site, Types: names()}, audit.Origin{}); err == nil {
				t.Errorf("a webhook of website %d is made", site)
			}
		}
		for _, w := range []Webhook{all, other} {
			if s.Delete(t.Context(), scoped, w.ID, audit.Origin{}) == nil || s.SetActive(t.Context(), scoped, w.ID, false, audit.Origin{}) == nil {
				t.Error("a webhook of another website is changed")
			}
		}
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			seen, err := List(ctx, tx, scoped)
			if len(seen) != 0 {
				t.Errorf("%d webhooks are seen", len(seen))
			}
			return err
		})
	})
}
