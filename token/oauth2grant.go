package token

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

// spentKept is how many spent tokens of one kind a family remembers: enough to notice a stolen one, few enough that an app
// that refreshes in a loop does not fill the table.
const spentKept = 100

// Grant is what an app gets for a code or a refresh token.
type Grant struct {
	Access, Refresh, IDToken secret.Text // the last two may be empty
	ExpiresIn                time.Duration
	Scope                    string
}

// Allow is the customer's yes: the request is spent, and its code goes back to the app. The code carries the generation that
// the customer's session was checked with: a Force Sign-In meanwhile makes it dead on arrival. Errors: fault Expired;
// Unauthenticated when the app asks for a younger session.
func (s *OAuth2) Allow(ctx context.Context, v *shop.View, who signin.Signed, id secret.Text, o audit.Origin) (back string, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		a, err := spendRequest(ctx, tx, v, id)
		if err != nil {
			return err
		}
		if !a.Fresh(who.Session) || who.Customer.WebsiteID != v.WebsiteID {
			return fault.New(fault.Unauthenticated, "signin.required", "Please sign in.")
		}
		if err := signin.Still(ctx, tx, who); err != nil {
			return err
		}
		kept := asked{View: v.ID, Redirect: a.asked.Redirect, Challenge: a.asked.Challenge, Nonce: a.asked.Nonce, Signed: who.Session.CreatedAt.Unix()}
		c := who.Customer
		_, code, err := Put(ctx, tx, New{Kind: OAuthCode, CustomerID: c.ID, ClientID: a.Client.ID, Family: db.NewID(), Scope: a.bearer.Scope,
			Data: kept.text(), Holder: a.Client.Name, Generation: c.TokenGeneration, Life: codeLife}, o)
		if err != nil {
			return err
		}
		back = a.asked.back(v, "code", code.Reveal())
		return audit.Record(ctx, tx, audit.Entry{Action: audit.TokenIssued, Actor: c.Actor(),
			CustomerID: c.ID, Subject: a.Client.Name, WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"scope": a.bearer.Scope}})
	})
	return back, err
}

// Deny is the customer's no. Errors: fault Expired.
func (s *OAuth2) Deny(ctx context.Context, v *shop.View, id secret.Text) (back string, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		a, err := spendRequest(ctx, tx, v, id)
		back = a.asked.back(v, "error", "access_denied", "error_description", "The customer did not allow it.")
		return err
	})
	return back, err
}

func spendRequest(ctx context.Context, tx *db.Tx, v *shop.View, id secret.Text) (Asked, error) {
	a, err := pending(ctx, tx, v, id)
	if err != nil {
		return a, err
	}
	n, err := tx.Exec(ctx, "DELETE FROM tokens WHERE id = $1", a.bearer.TokenID)
	if err == nil && n == 0 { // decided twice at once
		err = fault.New(fault.Expired, "oauth2.request_over", "This request was answered already. Go back to the app and start again.")
	}
	return a, err
}

func invalidGrant() *fault.Error {
	return refused("invalid_grant", "The code or refresh token is unknown, has expired, was used or was revoked.")
}

// Redeem gives the tokens for a code: to the app that it was made for, with the address and the PKCE verifier that belong to
// it, once. A second use ends all that the first one gave. Errors: fault Invalid.
func (s *OAuth2) Redeem(ctx context.Context, v *shop.View, c Client, code secret.Text, redirect, verifier string, o audit.Origin) (Grant, error) {
	return s.spend(ctx, v, c, code, OAuthCode, "", o, func(a asked) bool { return redirect == a.Redirect && verifies(verifier, a.Challenge) })
}

// Refresh gives new tokens for a refresh token, which is spent by it. Showing a spent one again ends the whole family, except
// within refreshGrace while its successor is unused: then the same successor is given again. A narrower scope may be asked
// for. Errors: fault Invalid.
func (s *OAuth2) Refresh(ctx context.Context, v *shop.View, c Client, refresh secret.Text, scope string, o audit.Origin) (Grant, error) {
	return s.spend(ctx, v, c, refresh, OAuthRefresh, scope, o, func(asked) bool { return true })
}

// row is a code or refresh token as it lies in the table, alive or spent.
type row struct {
	Bearer
	live   bool
	spent  time.Time
	now    time.Time
	asked  asked
	active bool // its customer is, under the generation that it carries
}

func (s *OAuth2) read(ctx context.Context, tx *db.Tx, given secret.Text, kind string) (r row, err error) {
	if r.now, err = tx.Now(ctx); err != nil {
		return r, err
	}
	err = tx.Row(ctx, `SELECT id, customer_id, client_id, family, scope, data, generation, expires_at, revoked_at, `+customer.TokenStands+`
		FROM tokens WHERE secret_hash = $1 AND kind = $2`, secret.Digest(given), kind).Scan(&r.TokenID, &r.CustomerID, &r.ClientID, &r.Family,
		&r.Scope, &r.Data, &r.Generation, db.IntoTime(&r.ExpiresAt), db.IntoTime(&r.spent), &r.active)
	if err != nil {
		return r, err
	}
	r.live = r.active && r.ExpiresAt.After(r.now)
	return r, json.Unmarshal([]byte(r.Data), &r.asked)
}

// spend turns a code or a refresh token into new tokens, in one transaction.
func (s *OAuth2) spend(ctx context.Context, v *shop.View, c Client, given secret.Text, kind, narrow string, o audit.Origin, fits func(asked) bool) (g Grant, err error) {
	if !secret.WellFormed(given) {
		return g, invalidGrant()
	}
	var refusal error
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		refusal = nil
		r, err := s.read(ctx, tx, given, kind)
		if db.IsNoRows(err) || err == nil && (r.ClientID != c.ID || r.asked.View != v.ID) {
			refusal = invalidGrant() // another app's tokens are not this one's to end
			return nil
		}
		if err != nil {
			return err
		}
		scope := r.Scope
		if narrow != "" {
			if scope = known(narrow); !subset(narrow, r.Scope) {
				refusal = refused("invalid_scope", "The scope goes beyond what the customer allowed.")
				return nil
			}
		}
		if r.spent.IsZero() {
			if !r.live || !fits(r.asked) {
				refusal = invalidGrant()
				return nil
			}
			first, err := spendOnce(ctx, tx, r, kind)
			if err != nil {
				return err
			}
			if !first { // another node was faster, or it ended just now: read again
				r, err = s.read(ctx, tx, given, kind)
				if db.IsNoRows(err) || err == nil && r.spent.IsZero() {
					refusal = invalidGrant()
					return nil
				}
				if err != nil {
					return err
				}
			}
		}
		if !r.spent.IsZero() {
			again, err := s.mayRepeat(ctx, tx, r, kind)
			if err != nil {
				return err
			}
			if !again {
				refusal = invalidGrant()
				return endFamily(ctx, tx, r, o)
			}
		}
		g, err = s.give(ctx, tx, v, c, r, kind, scope, o)
		return err
	})
	if err == nil {
		err = refusal
	}
	return g, err
}

// spendOnce spends in one statement, so that of two nodes one wins. A spent code is kept as long as what it gave may live: its
// second use is noticed until then.
func spendOnce(ctx context.Context, tx *db.Tx, r row, kind string) (first bool, err error) {
	keep := r.ExpiresAt
	if kind == OAuthCode {
		keep = r.now.Add(refreshLife)
	}
	n, err := tx.Exec(ctx, "UPDATE tokens SET revoked_at = $1, expires_at = $3 WHERE id = $2 AND "+live, db.Micro(r.now), r.TokenID, db.Micro(keep))
	return n == 1, err
}

// mayRepeat tells whether a spent refresh token is only an app's second try: just spent, and its successor alive and unused.
func (s *OAuth2) mayRepeat(ctx context.Context, tx *db.Tx, r row, kind string) (bool, error) {
	if kind != OAuthRefresh || !r.live || r.now.Sub(r.spent) > refreshGrace {
		return false, nil
	}
	_, alive, err := s.successor(ctx, tx, r)
	return alive, err
}

// successor is the refresh token that follows on one, and whether it is there and unused. It is derived from its id, so that a
// repeated answer is the same answer, also where the store has changed its key in between.
func (s *OAuth2) successor(ctx context.Context, tx *db.Tx, r row) (next secret.Text, alive bool, err error) {
	all := s.Key.Derived("oauth2-refresh", r.TokenID[:])
	for _, next := range all {
		var n int
		err := tx.Row(ctx, "SELECT COUNT(*) FROM tokens WHERE secret_hash = $1 AND revoked_at IS NULL", secret.Digest(next)).Scan(&n)
		if err != nil || n == 1 {
			return next, n == 1, err
		}
	}
	return all[0], false, nil
}

// give makes the tokens of one answer.
func (s *OAuth2) give(ctx context.Context, tx *db.Tx, v *shop.View, c Client, r row, kind, scope string, o audit.Origin) (g Grant, err error) {
	g = Grant{ExpiresIn: v.Duration(shop.CustomerTokenLifetime), Scope: scope}
	n := New{Kind: OAuthAccess, CustomerID: r.CustomerID, ClientID: c.ID, Family: r.Family, Scope: scope, Holder: c.Name, Generation: r.Generation,
		Data: asked{View: v.ID, Signed: r.asked.Signed}.text(), Life: g.ExpiresIn}
	if _, g.Access, err = Put(ctx, tx, n, o); err != nil {
		return g, err
	}
	if has(r.Scope, "offline_access") {
		n.Kind, n.Scope, n.Life = OAuthRefresh, r.Scope, refreshLife
		if n.Secret, _, err = s.successor(ctx, tx, r); err != nil {
			return g, err
		}
		if kind == OAuthRefresh {
			n.Life = r.ExpiresAt.Sub(r.now)
		}
		if g.Refresh = n.Secret; r.spent.IsZero() { // otherwise it is there already
			if _, _, err = Put(ctx, tx, n, o); err != nil {
				return g, err
			}
		}
	}
	if err := trim(ctx, tx, r.Family); err != nil {
		return g, err
	}
	if has(scope, "openid") {
		who, err := customer.Find(ctx, tx, r.CustomerID)
		if err != nil {
			return g, err
		}
		if g.IDToken, err = s.idToken(v, c, who, r, kind, g.Access); err != nil {
			return g, err
		}
	}
	return g, nil
}

// trim keeps a family small: the last few access tokens, and the last spent refresh tokens. Racing refreshes trim one family
// at once; what another is about to delete is left to it, since waiting for each other's rows would end in a circle.
func trim(ctx context.Context, tx *db.Tx, family db.ID) error {
	for kind, keep := range map[string]int{OAuthAccess: 5, OAuthRefresh: spentKept} {
		_, err := tx.Exec(ctx, `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE id IN
			(SELECT id FROM tokens WHERE family = $1 AND kind = $2 ORDER BY id DESC LIMIT 1000 OFFSET $3)`+tx.SkipLocked()+`)`, family, kind, keep)
		if err != nil {
			return err
		}
	}
	return nil
}

// endFamily ends all that one authorization gave: somebody shows what was used already, and nobody can tell who is the thief
// (RFC 9700 §4.14.2).
func endFamily(ctx context.Context, tx *db.Tx, r row, o audit.Origin) error {
	n, err := tx.Exec(ctx, "UPDATE tokens SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL", r.Family, db.Micro(r.now))
	if err != nil || n == 0 {
		return err
	}
	c, err := customer.Find(ctx, tx, r.CustomerID)
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.TokensRevoked, Actor: audit.Actor{Kind: audit.System}, CustomerID: c.ID,
		Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Outcome: "refused", Detail: map[string]string{"reason": "reuse"}})
}

func has(scope, one string) bool {
	for s := range strings.FieldsSeq(scope) {
		if s == one {
			return true
		}
	}
	return false
}

func subset(narrow, scope string) bool {
	for s := range strings.FieldsSeq(narrow) {
		if !has(scope, s) {
			return false
		}
	}
	return true
}
