package token_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

func reseal(h *fixture.House, key secret.Key) (done int) {
	h.T.Helper()
	h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
		done, err = token.Reseal(ctx, tx, key)
		return err
	})
	return done
}

// Promise: what an integration signs with was given to it once and stays good when the store changes its key: on every node of the
// change, and when the old key is gone.
func TestIntegrationsOutliveAChangeOfTheKey(t *testing.T) {
	for _, r := range []struct {
		why      string
		unsealed bool
	}{
		{"made by this version", false},
		{"made before secrets were sealed", true},
	} {
		t.Run(r.why, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				h := fixture.Furnish(t, d)
				before, told, changed, done := fixture.Changing(t, d)
				creds := activate(before, add(h, "ERP", "").ID, clock)
				calls := 0
				call := func(node *fixture.House, o fixture.OAuth1) error {
					calls++
					o.Nonce = fmt.Sprint("call-", calls)
					_, err := node.Tokens.CheckSigned(ctx, signed(o, ""))
					return err
				}
				if r.unsealed {
					h.Write(func(ctx context.Context, tx *db.Tx) error {
						if _, err := tx.Exec(ctx, "UPDATE integrations SET sealed_secret = NULL"); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, "UPDATE tokens SET sealed_secret = NULL")
						return err
					})
				}
				for name, node := range map[string]*fixture.House{"before": before, "told": told} {
					if err := call(node, creds); err != nil {
						t.Errorf("on a node %s: %v", name, err)
					}
				}
				// The change: what was only derived is sealed by its own key, then everything by the new one.
				reseal(h, before.Key.Accepting(done.Key))
				if n := reseal(h, changed.Key); n != 2 {
					t.Errorf("%d secrets were sealed anew", n)
				}
				if n := reseal(h, changed.Key); n != 0 {
					t.Errorf("%d secrets were sealed anew again", n)
				}
				for name, node := range map[string]*fixture.House{"told": told, "changed": changed, "done": done} {
					if err := call(node, creds); err != nil {
						t.Errorf("on a node %s, after the change: %v", name, err)
					}
				}
				// One that is activated meanwhile where the change has not come to yet.
				late := activate(told, add(h, "PIM", "").ID, clock)
				if err := call(changed, late); err != nil {
					t.Errorf("activated on a node that makes with the old key: %v", err)
				}
				if n := reseal(h, changed.Key); n != 2 {
					t.Errorf("%d secrets of it were sealed anew", n)
				}
				if err := call(done, late); err != nil {
					t.Errorf("once the old key is given up: %v", err)
				}
			})
		})
	}
}

// Promise: the handshake of an integration passes over nodes with either key.
func TestAHandshakeOutlivesAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		_, told, changed, _ := fixture.Changing(t, d)
		h.Shop.AllowHTTP, told.Shop.AllowHTTP, changed.Shop.AllowHTTP = true, true, true
		side := listen(t)
		if _, err := told.Tokens.Activate(ctx, manage, add(h, "ERP", side.URL+"/callback").ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		us := fixture.OAuth1{ConsumerKey: side.told.Get("oauth_consumer_key"), ConsumerSecret: side.told.Get("oauth_consumer_secret"), Nonce: "1", At: clock.Now().Unix()}
		request, err := changed.Tokens.RequestToken(ctx, step(us, "/oauth/token/request"))
		if err != nil {
			t.Fatal(err)
		}
		us.Token, us.TokenSecret, us.Nonce, us.Verifier = request.Token.Reveal(), request.Secret.Reveal(), "2", side.told.Get("oauth_verifier")
		access, err := told.Tokens.AccessToken(ctx, step(us, "/oauth/token/access"), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		us.Token, us.TokenSecret, us.Nonce, us.Verifier = access.Token.Reveal(), access.Secret.Reveal(), "3", ""
		if _, err := changed.Tokens.CheckSigned(ctx, signed(us, "")); err != nil {
			t.Error(err)
		}
	})
}

// Promise: apps notice nothing of a change of the key. A refresh whose answer was lost is answered alike by a node with the other
// key, the key set announces the next signing key before anything is signed with it, and id tokens of either are known.
func TestAppsOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		c := connect(t, d)
		before, told, changed, done := fixture.Changing(t, d)
		at := func(h *fixture.House) *token.OAuth2 { return &token.OAuth2{DB: d, Key: h.Key} }
		view := c.View("lune_en")
		kids := func(h *fixture.House) (all []string) {
			set, err := at(h).PublicKeys(view)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range set.Keys {
				if !k.IsPublic() {
					t.Error("the key set shows a private key")
				}
				all = append(all, k.KeyID)
			}
			return all
		}
		old, next := kids(before)[0], kids(done)[0]
		if got := fmt.Sprint(kids(told), kids(changed)); got != fmt.Sprint([]string{old, next}, []string{next, old}) {
			t.Errorf("the key sets are %s; old %s, next %s", got, old, next)
		}

		first := c.granted()
		second, err := at(told).Refresh(ctx, view, c.app, first.Refresh, "", fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		again, err := at(changed).Refresh(ctx, view, c.app, first.Refresh, "", fixture.Origin)
		if err != nil || !again.Refresh.Equal(second.Refresh) {
			t.Fatalf("a lost answer, asked for again: %v", err)
		}
		third, err := at(changed).Refresh(ctx, view, c.app, second.Refresh, "", fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		if again, err = at(told).Refresh(ctx, view, c.app, second.Refresh, "", fixture.Origin); err != nil || !again.Refresh.Equal(third.Refresh) {
			t.Fatalf("a lost answer, asked for again where the change has not come to: %v", err)
		}
		if _, err := at(done).Refresh(ctx, view, c.app, third.Refresh, "", fixture.Origin); err != nil {
			t.Errorf("refreshing once the old key is given up: %v", err)
		}

		for _, r := range []struct {
			name   string
			node   *fixture.House
			hint   secret.Text
			known  bool
			reason string
		}{
			{"told", told, third.IDToken, true, "signed with the new key"},
			{"changed", changed, first.IDToken, true, "signed with the old key"},
			{"done", done, third.IDToken, true, "signed with the new key"},
			{"done", done, first.IDToken, false, "signed with the old key, which is given up"},
			{"before", before, third.IDToken, false, "signed with a key that it was not told of"},
		} {
			id, err := at(r.node).Hinted(view, r.hint.Reveal())
			if (err == nil) != r.known || r.known && id != c.app.ClientID {
				t.Errorf("an id token %s, at a node %s: %v", r.reason, r.name, err)
			}
		}
	})
}
