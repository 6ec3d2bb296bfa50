package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
	"github.com/rekeyhq/rekey/web/webtest"
)

// R084, R089, R092, over the tables of all programs' doors: REST, GraphQL, the handshake, OAuth 2.1 and OpenID Connect.
func TestEveryRouteIsGuarded(t *testing.T) {
	d := dbtest.Open(t, dbtest.SQLite)
	f := fixture.Furnish(t, d)
	f.Customer("lune_en", "camille@lune.test")
	log := slog.New(slog.DiscardHandler)
	rest := &api.API{DB: d, Shop: f.Shop, Customers: f.Customers, Admins: f.Admins, Tokens: f.Tokens, Recovery: f.Recovery, Puzzles: f.Puzzles, Log: log}
	if err := rest.Prepare(); err != nil {
		t.Fatal(err)
	}
	graph, err := api.NewGraph(rest)
	if err != nil {
		t.Fatal(err)
	}
	behind := func(h http.Handler, fail web.Renderer) http.Handler {
		return web.Stack{Log: log, HSTS: f.Shop.StrictTransport, Fail: fail}.Wrap(h)
	}
	json := func(string) (string, string) { return "application/json", "{}" }
	doors := map[string]webtest.Door{
		"REST":             {Handler: behind(rest, api.Fail), Routes: api.Routes(), Prefix: "/rest", Body: json},
		"REST, of a store": {Handler: behind(rest, api.Fail), Routes: api.Routes(), Prefix: "/rest/lune_fr", Body: json},
		"GraphQL":          {Handler: behind(graph, api.FailGraph), Routes: []webtest.Route{{Method: "POST", Path: api.GraphPath}}, Body: json},
		"OAuth 1.0a": {Handler: behind(http.HandlerFunc(rest.ServeOAuth), api.FailOAuth),
			Routes: []webtest.Route{{Method: "POST", Path: api.RequestTokenPath}, {Method: "POST", Path: api.AccessTokenPath}}},
		"OAuth 2.1": {Handler: behind(&api.OAuth2{Shop: f.Shop, Server: &token.OAuth2{DB: d, Key: f.Key}, Log: log}, api.FailOAuth2), Routes: api.OAuth2Routes()},
	}
	each := func(judge func(webtest.Door, *testing.T)) {
		for name, door := range doors {
			t.Run(name, func(t *testing.T) {
				door.Base, door.HSTS = "https://lune.test", true
				door.Visitors = map[string]func(*http.Request){
					"a customer":        func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearer(t, f)) },
					"who sends no JSON": func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
				}
				judge(door, t)
			})
		}
	}
	each(webtest.Door.Judge)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	each(func(door webtest.Door, t *testing.T) {
		if door.Broken(t) == 0 && door.Routes[0].Path != api.GraphPath { // whose errors are answers, with 200
			t.Error("nothing failed without a database, so nothing was judged")
		}
	})
}

// bearer is a fresh token of the one customer.
func bearer(t *testing.T, f *fixture.House) string {
	t.Helper()
	var word secret.Text
	f.Write(func(ctx context.Context, tx *db.Tx) error {
		v := f.View("lune_en")
		a, err := customer.ParseAddress("camille@lune.test")
		if err != nil {
			return err
		}
		c, err := customer.FindByAddress(ctx, tx, v.WebsiteID, a)
		if err != nil {
			return err
		}
		word, err = token.Issue(ctx, tx, v, c, "", 0, audit.Origin{})
		return err
	})
	return word.Reveal()
}
