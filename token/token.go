// Package token issues, checks and revokes the tokens of the web API, and knows the integrations that hold them. It owns
// the tables integrations and tokens and publishes the view token_holders.
//
// Promises:
//   - A token is 256 random bits; the table keeps its SHA-256.
//   - Checking one is one indexed read, joined with the customer's standing: after Force Sign-In has answered, no node
//     accepts an older token, not even one that was just being issued.
//   - Revoking all of a customer's tokens is one write: the generation is raised. Apps that asked to be told of it are, by
//     messages that are queued in the same transaction.
package token

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

const (
	// MaxTokens is how many living tokens one customer may have; the oldest makes room.
	MaxTokens = 200
	// maxHolder bounds the name of a holder, in bytes.
	maxHolder = 80
	// usedEvery bounds how often using a token writes to the database.
	usedEvery = 5 * time.Minute
)

// Kinds of token. All share one table, one way to be made, one check and one revocation.
const (
	CustomerToken    = "customer"    // POST /rest/V1/integration/customer/token, GraphQL generateCustomerToken
	AdminToken       = "admin"       // POST /rest/V1/integration/admin/token
	IntegrationToken = "integration" // OAuth 1.0a access token
)

// Token is one token, as lists show it: everything but the secret.
type Token struct {
	ID                               db.ID
	Kind                             string
	CustomerID, IntegrationID        int64
	Holder                           string // the integration, or the program that asked
	CreatedAt, ExpiresAt, LastUsedAt time.Time
	Place                            string
	Family                           db.ID // tokens that come from one grant, such as an app's access and refresh token; zero for none
}

// Bearer is who a token speaks for: a customer, an administrator or an integration.
type Bearer struct {
	TokenID       db.ID
	Kind          string
	CustomerID    int64
	WebsiteID     int64 // of the customer
	AdminID       int64
	IntegrationID int64
	ClientID      int64 // of OAuth 2
	Family        db.ID // tokens that come from one grant
	Scope         string
	Data          string // what its kind keeps beside it
	Generation    int64
	ExpiresAt     time.Time
}

// Has tells whether the bearer may use a scope: customers may do with their own account whatever there is to do.
func (b Bearer) Has(scope string) bool {
	return b.Kind == CustomerToken || b.Kind == OAuthAccess && has(b.Scope, scope)
}

// Receipt tells what Force ended.
type Receipt struct{ Tokens, Sessions int64 }

// Service holds what issuing and checking tokens needs.
type Service struct {
	DB     *db.DB
	SignIn *signin.Service
	Shop   *shop.Shop
	Key    secret.Key // the secrets of integrations are made from it
}

// SignInCustomer is the web API's sign-in: a token for a customer's address and password. Errors: those of signin.Prove.
func (s *Service) SignInCustomer(ctx context.Context, v *shop.View, email string, password secret.Text, holder string, o audit.Origin) (secret.Text, error) {
	proof, err := s.SignIn.Prove(ctx, v, email, password, o)
	if err != nil {
		return secret.Text{}, err
	}
	var made secret.Text
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := proof.Accept(ctx, tx); err != nil {
			return err
		}
		made, err = Issue(ctx, tx, v, proof.Customer, holder, 0, o)
		return err
	})
	return made, err
}

// New is what a token is made of. Generation is the one that its customer or administrator was read with in this journey:
// if it has been raised meanwhile, the token is dead on arrival.
type New struct {
	Kind                    string
	CustomerID, AdminID     int64
	IntegrationID, ClientID int64
	Family                  db.ID
	Scope, Data, Holder     string
	Generation              int64
	Life                    time.Duration // 0: until it is revoked
	Secret                  secret.Text   // empty: a random one is made
}

// Put makes a token of any kind and returns its secret, which is stored nowhere.
func Put(ctx context.Context, tx *db.Tx, n New, o audit.Origin) (db.ID, secret.Text, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return db.ID{}, secret.Text{}, err
	}
	if n.Secret.IsEmpty() {
		n.Secret = secret.Random()
	}
	var expires time.Time
	if n.Life > 0 {
		expires = now.Add(n.Life)
	}
	id := db.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO tokens (id, secret_hash, kind, customer_id, admin_id, integration_id, client_id, family, scope, data,
		holder, generation, created_at, expires_at, place) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`,
		id, secret.Digest(n.Secret), n.Kind, db.NullInt(n.CustomerID), db.NullInt(n.AdminID), db.NullInt(n.IntegrationID),
		db.NullInt(n.ClientID), n.Family, n.Scope, n.Data, strings.ToValidUTF8(n.Holder[:min(len(n.Holder), maxHolder)], ""),
		n.Generation, db.Micro(now), db.Micro(expires), o.Place())
	if err != nil || n.CustomerID == 0 {
		return id, n.Secret, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM tokens WHERE customer_id = $1 AND (generation < $2 OR expires_at <= $3 OR id IN
		(SELECT id FROM tokens WHERE customer_id = $1 AND revoked_at IS NULL ORDER BY id DESC LIMIT 1000 OFFSET $4))`,
		n.CustomerID, n.Generation, db.Micro(now), MaxTokens)
	return id, n.Secret, err
}

// Issue makes a customer's token of the web API, for whoever has just proved to be that customer.
func Issue(ctx context.Context, tx *db.Tx, v *shop.View, c customer.Customer, holder string, integrationID int64, o audit.Origin) (secret.Text, error) {
	_, made, err := Put(ctx, tx, New{Kind: CustomerToken, CustomerID: c.ID, IntegrationID: integrationID, Holder: holder,
		Generation: c.TokenGeneration, Life: v.Duration(shop.CustomerTokenLifetime)}, o)
	if err != nil {
		return secret.Text{}, err
	}
	return made, audit.Record(ctx, tx, audit.Entry{Action: audit.TokenIssued, Actor: c.Actor(),
		CustomerID: c.ID, Subject: holder, WebsiteID: c.WebsiteID, Origin: o})
}

// live is the condition for a customer's token to be worth anything; $1 is now.
const live = customer.TokenStands + " AND " + unspent

const unspent = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)"

// check finds any living token by its secret: one indexed read, and one of the standing of whom it speaks for.
const check = `SELECT id, kind, customer_id, (SELECT website_id FROM customer_standing WHERE id = customer_id), admin_id, integration_id, client_id,
	family, scope, last_used_at, data, generation, expires_at FROM tokens WHERE secret_hash = $2 AND ` + unspent + `
	AND (customer_id IS NULL OR ` + customer.TokenStands + `) AND (admin_id IS NULL OR ` + admin.Stands + `)`

func dead() error {
	return fault.New(fault.Unauthenticated, "token.dead", "The token is unknown, has expired or was revoked.")
}

// Check returns who a bearer token of one of the given kinds speaks for; without kinds, a customer's. Errors: fault
// Unauthenticated.
func (s *Service) Check(ctx context.Context, bearer secret.Text, kinds ...string) (Bearer, error) {
	if !secret.WellFormed(bearer) {
		return Bearer{}, dead()
	}
	if len(kinds) == 0 {
		kinds = []string{CustomerToken}
	}
	var b Bearer
	var touch time.Time
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		var used, now time.Time
		if b, used, now, err = find(ctx, tx, bearer, kinds...); err == nil && now.Sub(used) >= usedEvery {
			touch = now
		}
		return err
	})
	if err != nil {
		return Bearer{}, err
	}
	if touch.IsZero() {
		return b, nil
	}
	return b, s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE tokens SET last_used_at = $2 WHERE id = $1", b.TokenID, db.Micro(touch))
		return err
	})
}

// find is Check in the caller's transaction: it also tells when the token was last used, and the time.
func find(ctx context.Context, tx *db.Tx, bearer secret.Text, kinds ...string) (b Bearer, used, now time.Time, err error) {
	if now, err = tx.Now(ctx); err != nil {
		return Bearer{}, used, now, err
	}
	err = tx.Row(ctx, check, db.Micro(now), secret.Digest(bearer)).Scan(&b.TokenID, &b.Kind, db.IntoInt(&b.CustomerID), db.IntoInt(&b.WebsiteID),
		db.IntoInt(&b.AdminID), db.IntoInt(&b.IntegrationID), db.IntoInt(&b.ClientID), &b.Family, &b.Scope, db.IntoTime(&used),
		&b.Data, &b.Generation, db.IntoTime(&b.ExpiresAt))
	if db.IsNoRows(err) || err == nil && !slices.Contains(kinds, b.Kind) {
		err = dead()
	}
	return b, used, now, err
}

// Force is Force Sign-In: it revokes every token of the customer, so that programs which use the web API for them lose
// access until the customer signs in again; with sessions it signs the customer out of every browser too. With nothing to
// end it does nothing. Whoever's tokens it revokes is told by letter. Errors: fault Forbidden, NotFound.
func (s *Service) Force(ctx context.Context, permit admin.Permit, customerID int64, sessions bool, o audit.Origin) (Receipt, error) {
	if err := permit.Need(admin.ForceSignIn); err != nil {
		return Receipt{}, err
	}
	var r Receipt
	err := permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		r = Receipt{}
		c, err := customer.Reach(ctx, tx, permit.Covers, customerID)
		if err != nil {
			return err
		}
		held, err := ListOf(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if len(held) == 0 && !sessions {
			return nil
		}
		if r.Tokens, err = RevokeAll(ctx, tx, c.ID); err != nil {
			return err
		}
		if sessions {
			if r.Sessions, err = signin.EndAll(ctx, tx, c.ID); err != nil {
				return err
			}
		}
		if len(held) > 0 {
			if err := s.tell(ctx, tx, c, held, r.Sessions > 0); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.TokensRevoked, Actor: permit.Actor(), CustomerID: c.ID,
			Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{
				"tokens": strconv.FormatInt(r.Tokens, 10), "sessions": strconv.FormatInt(r.Sessions, 10)}})
	})
	return r, err
}

// RevokeOwn revokes every token of the customer who asks, the one that asks included, as Commerce does.
func (s *Service) RevokeOwn(ctx context.Context, b Bearer, o audit.Origin) (n int64, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := customer.Find(ctx, tx, b.CustomerID)
		if err != nil {
			return err
		}
		if n, err = RevokeAll(ctx, tx, c.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.TokensRevoked, Actor: c.Actor(),
			CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o,
			Detail: map[string]string{"tokens": strconv.FormatInt(n, 10)}})
	})
	return n, err
}

// RevokeAll ends every token of a customer in the caller's transaction, and tells how many were alive. Apps that want to
// be told of it will be.
func RevokeAll(ctx context.Context, tx *db.Tx, customerID int64) (n int64, err error) {
	n, _, err = revokeAll(ctx, tx, customerID)
	return n, err
}

func revokeAll(ctx context.Context, tx *db.Tx, customerID int64) (n, generation int64, err error) {
	if n, err = Count(ctx, tx, customerID); err != nil {
		return 0, 0, err
	}
	if generation, err = customer.EndTokens(ctx, tx, customerID); err != nil {
		return 0, 0, err
	}
	return n, generation, QueueLogouts(ctx, tx, customerID, generation-1)
}

// CountMany is Count for many customers. With cut, those that a cut of their whole website at
// that moment has just ended.
func CountMany(ctx context.Context, tx *db.Tx, ids []int64, cut time.Time) (map[int64]int64, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	alive := live
	if !cut.IsZero() {
		alive = fmt.Sprintf("%s AND created_at <= %d AND %s", customer.TokenAgrees, cut.UnixMicro(), unspent)
	}
	return db.Counts(tx.Query(ctx, "SELECT customer_id, COUNT(*) FROM tokens WHERE "+alive+
		" AND customer_id IN ("+db.Marks(2, len(ids))+") GROUP BY customer_id", append([]any{db.Micro(now)}, db.Args(ids)...)...))
}

// KeepOnly ends every token of a customer but the given one, which is moved under the new generation.
func KeepOnly(ctx context.Context, tx *db.Tx, b Bearer) (n int64, err error) {
	n, generation, err := revokeAll(ctx, tx, b.CustomerID)
	if err != nil {
		return 0, err
	}
	kept, err := tx.Exec(ctx, "UPDATE tokens SET generation = $3 WHERE id = $1 AND customer_id = $2 AND generation = $3 - 1", b.TokenID, b.CustomerID, generation)
	return max(0, n-kept), err
}

// Sweep deletes tokens that their age has ended, and revoked ones that had no end, at most most of them. Other revoked tokens
// wait for their end: showing a spent refresh token must be noticed until then.
func Sweep(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE expires_at < $1 OR expires_at IS NULL AND revoked_at < $1 LIMIT $2`+tx.SkipLocked()+`)`,
		db.Micro(now), most)
}
