package token

import (
	"context"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Introspection is what a resource server is told of a token (RFC 7662); the zero value of an inactive one is all of it.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Issuer    string `json:"iss,omitempty"`
}

// Introspect tells a confidential app of the website about an access token of this store view, whoever holds it, and about
// refresh tokens of its own. Everything else is inactive. Errors: fault Unauthenticated for an app without a secret.
func (s *OAuth2) Introspect(ctx context.Context, v *shop.View, c Client, given secret.Text) (Introspection, error) {
	if !c.Confidential {
		return Introspection{}, refused("invalid_client", "Introspection is for clients that have a secret.")
	}
	b, _, err := s.checkAccess(ctx, v, given, OAuthAccess, OAuthRefresh)
	if fault.Is(err, fault.Unauthenticated) || err == nil && b.Kind == OAuthRefresh && b.ClientID != c.ID {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	var holder Client
	err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		holder, err = clientOf(ctx, tx, b.ClientID)
		return err
	})
	if db.IsNoRows(err) {
		return Introspection{}, nil // deleted meanwhile, and its tokens with it
	}
	i := Introspection{Active: true, Scope: b.Scope, ClientID: holder.ClientID, Expires: b.ExpiresAt.Unix(),
		Subject: strconv.FormatInt(b.CustomerID, 10), Issuer: v.BaseURL}
	if b.Kind == OAuthAccess {
		i.TokenType = "Bearer"
	}
	return i, err
}

// Revoke ends a token of the app that asks (RFC 7009): an access token alone, a refresh token with its whole family. What is no
// token of this app is left alone, and is no error.
func (s *OAuth2) Revoke(ctx context.Context, v *shop.View, c Client, given secret.Text, o audit.Origin) error {
	if !secret.WellFormed(given) {
		return nil
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		found, _, now, err := find(ctx, tx, given, OAuthAccess, OAuthRefresh)
		b, _, err := here(v, found, err)
		if fault.Is(err, fault.Unauthenticated) || err == nil && b.ClientID != c.ID {
			return nil
		}
		if err != nil {
			return err
		}
		end, what := "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", b.TokenID
		if b.Kind == OAuthRefresh {
			end, what = "UPDATE tokens SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL", b.Family
		}
		n, err := tx.Exec(ctx, end, what, db.Micro(now))
		if err != nil || n == 0 {
			return err
		}
		return revoked(ctx, tx, audit.Actor{Kind: audit.System, Name: c.Name}, b.CustomerID, c.Name, n, o)
	})
}

func revoked(ctx context.Context, tx *db.Tx, by audit.Actor, customerID int64, app string, n int64, o audit.Origin) error {
	c, err := customer.Find(ctx, tx, customerID)
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.TokensRevoked, Actor: by, CustomerID: c.ID, Subject: c.Address().Masked(),
		WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"tokens": strconv.FormatInt(n, 10), "app": app}})
}

// Connected is an app that a customer has connected.
type Connected struct {
	ID    int64 // of the client
	Name  string
	Since time.Time
}

// ConnectedApps lists the apps that hold living tokens of a customer, by name.
func ConnectedApps(ctx context.Context, tx *db.Tx, customerID int64) ([]Connected, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT o.id, o.name, MIN(f.created_at) FROM oauth2_clients o
		JOIN (SELECT client_id, family FROM tokens WHERE customer_id = $2 AND `+live+`) t ON t.client_id = o.id JOIN tokens f ON f.family = t.family
		GROUP BY o.id, o.name ORDER BY o.name, o.id`, db.Micro(now), customerID)
	return db.Collect(rows, err, func(row db.Scanner) (Connected, error) {
		var a Connected
		err := row.Scan(&a.ID, &a.Name, db.IntoTime(&a.Since))
		return a, err
	})
}

// Disconnect ends every token that an app holds for a customer, unredeemed codes too. An app that holds none is no error.
func (s *OAuth2) Disconnect(ctx context.Context, c customer.Customer, clientID int64, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE tokens SET revoked_at = $3 WHERE customer_id = $1 AND client_id = $2 AND revoked_at IS NULL",
			c.ID, clientID, db.Micro(now))
		if err != nil || n == 0 {
			return err
		}
		app, err := clientOf(ctx, tx, clientID)
		if err != nil {
			return err
		}
		return revoked(ctx, tx, c.Actor(), c.ID, app.Name, n, o)
	})
}

// LogoutURI tells whether an app of this store may be gone to after signing out.
func (s *OAuth2) LogoutURI(ctx context.Context, v *shop.View, clientID, uri string) (ok bool, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		c, err := clientNamed(ctx, tx, clientID)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		for _, known := range c.LogoutURIs {
			ok = ok || known == uri && c.WebsiteID == v.WebsiteID
		}
		return err
	})
	return ok, err
}
