package shop_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/shop"
)

// write runs f in one transaction and fails the test when it is refused.
func write(t *testing.T, d *db.DB, f func(ctx context.Context, tx *db.Tx) error) {
	t.Helper()
	if err := try(d, f); err != nil {
		t.Fatal(err)
	}
}

func try(d *db.DB, f func(ctx context.Context, tx *db.Tx) error) error {
	ctx := context.Background()
	return d.Write(ctx, func(tx *db.Tx) error { return f(ctx, tx) })
}

func load(t *testing.T, s *shop.Shop) *shop.Snapshot {
	t.Helper()
	snapshot, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// lune is a complete store view.
func lune() shop.ViewFields {
	return shop.ViewFields{
		Name: "Maison Lune (français)", Locale: "fr_FR", TimeZone: "Europe/Paris", BaseURL: "https://lune.example/fr",
		Accent: "#2b6cb0", LogoText: "Maison Lune", SenderName: "Maison Lune", SenderEmail: "bonjour@lune.example",
		SupportEmail: "aide@lune.example", SupportPhone: "01 23 45 67 89",
	}
}

// addLune creates the website lune with one view and returns their ids.
func addLune(t *testing.T, s *shop.Shop) (website, view int64) {
	t.Helper()
	write(t, s.DB, func(ctx context.Context, tx *db.Tx) error {
		var err error
		if website, err = shop.CreateWebsite(ctx, tx, "lune", "Maison Lune"); err != nil {
			return err
		}
		view, err = s.CreateView(ctx, tx, website, "lune_fr", lune())
		return err
	})
	return website, view
}

func TestFreshDatabaseHasOneStore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		snapshot := load(t, &shop.Shop{DB: d})
		website, ok := snapshot.WebsiteByCode("base")
		view, also := snapshot.ViewByCode("default")
		if !ok || !also || website.ID != 1 || view.ID != 1 || view.Website != website || view.BaseURL != "" {
			t.Fatalf("want website base with store view default and no base URL, got %+v and %+v", website, view)
		}
		if view.Lang().Tag() != "en" || view.Location().String() != "UTC" {
			t.Errorf("the default view speaks %s in %s", view.Lang().Tag(), view.Location())
		}
		// Saving the page of the view unchanged must not be refused.
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return (&shop.Shop{DB: d}).UpdateView(ctx, tx, view.ID, view.Fields())
		})
	})
}

func TestCreatedStoreIsThereAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		load(t, s)
		website, id := addLune(t, s)
		snapshot := load(t, s)
		view, ok := snapshot.View(id)
		if !ok || view.WebsiteID != website || view.Fields() != lune() || view.Code != "lune_fr" {
			t.Fatalf("the view came back as %+v", view)
		}
		if views := snapshot.ViewsOf(website); len(views) != 1 || views[0] != view {
			t.Errorf("the website has the views %v", views)
		}
		if got := view.Link("/customer/account/createpassword", url.Values{"token": {"a b"}}); got != "https://lune.example/fr/customer/account/createpassword?token=a+b" {
			t.Errorf("Link gave %s", got)
		}
		if got := view.Path("/customer/account"); got != "/fr/customer/account" {
			t.Errorf("Path gave %s", got)
		}
	})
}

func TestUpdatedViewIsChangedAtOnceAndMissingOneIsNot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		_, id := addLune(t, s)
		fields := lune()
		fields.BaseURL, fields.LogoText = "HTTPS://Lune.Example:443/boutique/", "Lune"
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return s.UpdateView(ctx, tx, id, fields) })
		view, _ := load(t, s).View(id)
		if view.BaseURL != "https://lune.example/boutique" || view.StoreName() != "Lune" {
			t.Errorf("got %s and %s; the base URL is kept in one way of writing", view.BaseURL, view.StoreName())
		}
		err := try(d, func(ctx context.Context, tx *db.Tx) error {
			f := lune()
			f.BaseURL = ""
			return s.UpdateView(ctx, tx, 99, f)
		})
		if err == nil || !strings.Contains(err.Error(), "no such store view") {
			t.Errorf("changing a view that does not exist gave %v", err)
		}
	})
}

func TestRenamedWebsite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		write(t, d, func(ctx context.Context, tx *db.Tx) error { return shop.RenameWebsite(ctx, tx, 1, " Lune ") })
		if w, _ := load(t, s).Website(1); w.Name != "Lune" {
			t.Errorf("the website is called %q", w.Name)
		}
		if err := try(d, func(ctx context.Context, tx *db.Tx) error { return shop.RenameWebsite(ctx, tx, 9, "x") }); err == nil {
			t.Error("a website that does not exist was renamed")
		}
	})
}

// TestChangedSettingHoldsOnEveryNode: another node's cache must not outlive the change by one request.
func TestChangedSettingHoldsOnEveryNode(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, _ *dbtest.Clock) {
		there := &shop.Shop{DB: b}
		before := load(t, there)
		if load(t, there) != before {
			t.Error("an unchanged shop was read again")
		}
		write(t, a, func(ctx context.Context, tx *db.Tx) error {
			return shop.Set(ctx, tx, shop.MaxResetRequests, "3", shop.Scope{Kind: shop.Default})
		})
		if got := load(t, there).Int(shop.MaxResetRequests); got != 3 {
			t.Errorf("the other node still has %d", got)
		}
		if before.Int(shop.MaxResetRequests) != 5 {
			t.Error("a snapshot that somebody holds has changed")
		}
	})
}

// TestRolledBackChangeIsForgotten: a snapshot read inside a transaction that fails must not be kept, because the next
// change gets the same version.
func TestRolledBackChangeIsForgotten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d}
		stop := errors.New("stop")
		err := try(d, func(ctx context.Context, tx *db.Tx) error {
			if err := shop.Set(ctx, tx, shop.MaxResetRequests, "1", shop.Scope{Kind: shop.Default}); err != nil {
				return err
			}
			inside, err := s.LoadIn(ctx, tx)
			if err != nil {
				return err
			}
			if inside.Int(shop.MaxResetRequests) != 1 {
				t.Error("a transaction does not see its own change")
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			return shop.Set(ctx, tx, shop.MaxResetRequests, "2", shop.Scope{Kind: shop.Default})
		})
		if got := load(t, s).Int(shop.MaxResetRequests); got != 2 {
			t.Errorf("got %d, want the committed 2", got)
		}
	})
}

func TestDevelopmentLendsBaseURLs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &shop.Shop{DB: d, AllowHTTP: true, DevBaseURL: "http://127.0.0.1:8080"}
		write(t, d, func(ctx context.Context, tx *db.Tx) error {
			second, third := lune(), lune()
			second.BaseURL, third.BaseURL = "", "http://localhost:9000"
			if _, err := s.CreateView(ctx, tx, 1, "second", second); err != nil {
				return err
			}
			_, err := s.CreateView(ctx, tx, 1, "third", third)
			return err
		})
		snapshot := load(t, s)
		for code, want := range map[string]string{
			"default": "http://127.0.0.1:8080",
			"second":  "http://127.0.0.1:8080/second", // the same address twice would hide one of them
			"third":   "http://localhost:9000",
		} {
			view, _ := snapshot.ViewByCode(code)
			if view.BaseURL != want {
				t.Errorf("%s has %s, want %s", code, view.BaseURL, want)
			}
		}
		if view, _ := snapshot.ViewByCode("default"); view.Fields().BaseURL != "" {
			t.Error("saving the view's page would make the lent address its own")
		}
		if view, rest, ok := snapshot.ViewFor("127.0.0.1:8080", "/second/customer/account"); !ok || view.Code != "second" || rest != "/customer/account" {
			t.Errorf("the second view is not reached: %v %s", view, rest)
		}
	})
}

func TestStoredValueOutOfBoundsStopsTheService(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(ctx context.Context, tx *db.Tx) error { // by hand, past Set
			_, err := tx.Exec(ctx, `INSERT INTO settings (path, scope, scope_id, value, updated_at) VALUES ($1, 'default', 0, '86401s', 0)`, shop.LinkExpirationPeriod)
			return err
		})
		_, err := (&shop.Shop{DB: d}).Load(context.Background())
		if err == nil || !strings.Contains(err.Error(), shop.LinkExpirationPeriod) || !strings.Contains(err.Error(), "24 hours") {
			t.Errorf("a link time over the ceiling gave %v; want a refusal that names the setting and the ceiling", err)
		}
	})
}
