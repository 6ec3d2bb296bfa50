package token

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// LogoutKind is what a message of OpenID Connect Back-Channel Logout 1.0 is called in the queue's lane for programs.
const LogoutKind = "backchannel_logout"

const (
	// logoutTries is how long an app that does not answer is tried: a sign-out that comes a day late is no help.
	logoutTries     = time.Hour
	logoutTokenLife = 2 * time.Minute // what the specification recommends at most (§2.4)
	logoutEvent     = "http://schemas.openid.net/event/backchannel-logout"

	// The data of a message: the app, the issuer and the customer. The token is made at each try.
	logoutClient, logoutView, logoutCustomer = "client", "view", "customer"
)

// QueueLogoutsOf is QueueLogouts for many customers and the generation that each was read with.
func QueueLogoutsOf(ctx context.Context, tx *db.Tx, all []customer.Customer) error {
	var ids []int64
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	apps, err := db.Counts(tx.Query(ctx, `SELECT t.customer_id, COUNT(*) FROM tokens t JOIN oauth2_clients o ON o.id = t.client_id
		WHERE o.backchannel_logout_uri <> '' AND t.customer_id IN (`+db.Marks(1, len(ids))+`) GROUP BY t.customer_id`, db.Args(ids)...))
	if err != nil {
		return err
	}
	for _, c := range all {
		if apps[c.ID] == 0 {
			continue
		}
		if err := QueueLogouts(ctx, tx, c.ID, c.TokenGeneration); err != nil {
			return err
		}
	}
	return nil
}

// QueueLogouts queues one message for each app that wants to be told and was given tokens of a customer under a generation
// that has just ended. It belongs into the transaction that ends it: a program that signs in at once would take the ended
// rows away. An app whose tokens have expired is told too while its spent code is remembered, because its own session at
// the app may be alive; a code that was never redeemed gave nothing.
func QueueLogouts(ctx context.Context, tx *db.Tx, customerID, generation int64) error {
	rows, err := tx.Query(ctx, `SELECT o.client_id, o.website_id, t.data FROM tokens t JOIN oauth2_clients o ON o.id = t.client_id
		WHERE t.customer_id = $1 AND t.generation = $2 AND o.backchannel_logout_uri <> ''
		AND (t.kind IN ($3, $4) OR t.kind = $5 AND t.revoked_at IS NOT NULL) ORDER BY t.id`,
		customerID, generation, OAuthAccess, OAuthRefresh, OAuthCode)
	type told struct {
		client        string
		website, view int64
	}
	all, err := db.Collect(rows, err, func(row db.Scanner) (one told, err error) {
		var data string
		var a asked
		if err = row.Scan(&one.client, &one.website, &data); err == nil {
			err = json.Unmarshal([]byte(data), &a)
		}
		one.view = a.View // each store view is an issuer of its own
		return one, err
	})
	if err != nil || len(all) == 0 {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	seen := map[told]bool{}
	for _, one := range all {
		if seen[one] {
			continue
		}
		seen[one] = true
		_, err := mail.Enqueue(ctx, tx, mail.Note{Lane: mail.Programs, Kind: LogoutKind, WebsiteID: one.website, ViewID: one.view,
			ExpiresAt: now.Add(logoutTries), Data: map[string]string{logoutClient: one.client,
				logoutView: strconv.FormatInt(one.view, 10), logoutCustomer: strconv.FormatInt(customerID, 10)}})
		if err != nil {
			return err
		}
	}
	return nil
}

// Logout is one try of one message: where it goes, and the logout token of this try.
type Logout struct {
	To    *url.URL
	Token secret.Text
}

// Logout makes the try of a queued message, with a token of its own: receivers refuse old ones and those that they have
// seen. Errors: mail.NotNeeded when the app or the store view is gone.
func (s *OAuth2) Logout(ctx context.Context, stores *shop.Snapshot, data map[string]string) (l Logout, err error) {
	viewID, err := strconv.ParseInt(data[logoutView], 10, 64)
	if err != nil {
		return l, err
	}
	v, ok := stores.View(viewID)
	if !ok {
		return l, mail.NotNeeded("The store view is gone.")
	}
	var c Client
	var now time.Time
	err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if now, err = tx.Now(ctx); err != nil {
			return err
		}
		c, err = scanClient(tx.Row(ctx, "SELECT "+clientColumns+" FROM oauth2_clients c WHERE c.client_id = $1", data[logoutClient]))
		return err
	})
	if db.IsNoRows(err) || err == nil && c.BackchannelURI == "" {
		return l, mail.NotNeeded("The app was deleted.")
	}
	if err != nil {
		return l, err
	}
	if l.To, err = url.Parse(c.BackchannelURI); err != nil {
		return l, err
	}
	l.Token, err = s.signed(v, "logout+jwt", map[string]any{
		"iss": v.BaseURL, "sub": data[logoutCustomer], "aud": c.ClientID, "iat": now.Unix(), "exp": now.Add(logoutTokenLife).Unix(),
		"jti": db.NewID().String(), "events": map[string]any{logoutEvent: struct{}{}},
	})
	return l, err
}
