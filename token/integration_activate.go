package token

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/outbound"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// HandshakeWithin is how long the other side has for each step after an activation; Commerce's expiry of consumer keys.
	HandshakeWithin = 300 * time.Second
	// callbackWithin bounds the POST to the callback, as in Commerce.
	callbackWithin = 5 * time.Second
)

// Purposes of the derived secrets. What the other side keeps is sealed in the tables as well, so that a new key of the store leaves
// it as it is; a request secret, which lives for minutes, needs no place in a table.
const (
	purposeConsumer = "oauth1-consumer-secret" // of an integration's id and version
	purposeRequest  = "oauth1-request-secret"  // of a handshake's id
	purposeAccess   = "oauth1-access-secret"   // of a token's id
)

// Credentials are the four values that an integration signs with. They are shown once.
type Credentials struct {
	ConsumerKey                               string
	ConsumerSecret, AccessToken, AccessSecret secret.Text
}

// Activation is what Activate did.
type Activation struct {
	Integration Integration
	Credentials Credentials // empty where the integration has a callback URL, which was given what it needs to fetch its own
}

// Handed tells whether the callback was told, so that the other side fetches its access token now.
func (a Activation) Handed() bool { return a.Integration.CallbackURL != "" }

// Activate gives an integration its secrets, for the first time or again: whatever it held before is dead when Activate
// begins to answer, also where the callback then fails. Without a callback URL the credentials are made at once; with one
// the consumer's key and secret and a verifier are sent there, and the other side has HandshakeWithin to go on. Errors: fault
// Forbidden, NotFound; Conflict when the callback did not take them.
func (s *Service) Activate(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) (Activation, error) {
	if err := reach(permit); err != nil {
		return Activation{}, err
	}
	if s.Key.IsZero() {
		return Activation{}, fault.New(fault.Conflict, "integration.key", "The store's secret key is needed to make the secrets of an integration.")
	}
	stores, err := s.Shop.Load(ctx)
	if err != nil {
		return Activation{}, err
	}
	var a Activation
	var verifier secret.Text
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		a, verifier = Activation{}, secret.Text{}
		if a.Integration, err = s.renew(ctx, tx, id); err != nil {
			return err
		}
		if a.Handed() {
			verifier, err = beginHandshake(ctx, tx, a.Integration)
		} else {
			a.Credentials, err = s.authorize(ctx, tx, &a.Integration, o)
		}
		if err != nil {
			return err
		}
		return recordIntegration(ctx, tx, audit.IntegrationActivated, permit.Actor(), a.Integration, o)
	})
	if err != nil || !a.Handed() {
		return a, err
	}
	return a, s.call(ctx, stores, a.Integration, verifier)
}

// renew raises the version, which ends every secret of before, and takes the old access token away.
func (s *Service) renew(ctx context.Context, tx *db.Tx, id int64) (Integration, error) {
	i, err := lockIntegration(ctx, tx, id)
	if err != nil {
		return i, err
	}
	i.version, i.Active = i.version+1, false
	if i.ConsumerKey == "" {
		i.ConsumerKey = strings.ToLower(rand.Text())
	}
	i.sealed = s.seal(purposeConsumer, consumerID(i))
	if _, err := tx.Exec(ctx, "UPDATE integrations SET version = $2, active = FALSE, consumer_key = $3, sealed_secret = $4 WHERE id = $1",
		id, i.version, i.ConsumerKey, i.sealed); err != nil {
		return i, err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM oauth1_handshakes WHERE integration_id = $1", id); err != nil {
		return i, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM tokens WHERE integration_id = $1 AND kind = $2", id, IntegrationToken)
	return i, err
}

// authorize makes the access token. The caller's transaction holds the integration.
func (s *Service) authorize(ctx context.Context, tx *db.Tx, i *Integration, o audit.Origin) (Credentials, error) {
	if _, err := tx.Exec(ctx, "UPDATE integrations SET active = TRUE WHERE id = $1", i.ID); err != nil {
		return Credentials{}, err
	}
	i.Active = true
	tokenID, made, err := Put(ctx, tx, New{Kind: IntegrationToken, IntegrationID: i.ID, Holder: i.Name, Generation: i.version}, o)
	if err != nil {
		return Credentials{}, err
	}
	sealed := s.seal(purposeAccess, tokenID[:])
	if _, err := tx.Exec(ctx, "UPDATE tokens SET sealed_secret = $2 WHERE id = $1", tokenID, sealed); err != nil {
		return Credentials{}, err
	}
	return Credentials{ConsumerKey: i.ConsumerKey, ConsumerSecret: s.consumerSecret(*i), AccessToken: made,
		AccessSecret: s.held(purposeAccess, tokenID[:], sealed)}, nil
}

func beginHandshake(ctx context.Context, tx *db.Tx, i Integration) (secret.Text, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return secret.Text{}, err
	}
	verifier := secret.Random()
	_, err = tx.Exec(ctx, "INSERT INTO oauth1_handshakes (integration_id, id, verifier_hash, expires_at) VALUES ($1,$2,$3,$4)",
		i.ID, db.NewID(), secret.Digest(verifier), db.Micro(now.Add(HandshakeWithin)))
	return verifier, err
}

// call tells the callback. It runs outside of any transaction: the other side may take its steps before it answers.
func (s *Service) call(ctx context.Context, stores *shop.Snapshot, i Integration, verifier secret.Text) error {
	form := url.Values{
		"oauth_consumer_key":    {i.ConsumerKey},
		"oauth_consumer_secret": {s.consumerSecret(i).Reveal()},
		"store_base_url":        {storeBaseURL(stores)},
		"oauth_verifier":        {verifier.Reveal()},
	}
	ctx, cancel := context.WithTimeout(ctx, callbackWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.CallbackURL, strings.NewReader(form.Encode()))
	if err != nil {
		return notCalled("its address cannot be used")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Rekey")
	answer, err := s.callbackRules(stores).Client(callbackWithin, nil).Do(r)
	var refused *outbound.Refused
	switch {
	case errors.As(err, &refused):
		return notCalled(refused.Error())
	case err != nil && ctx.Err() != nil:
		return notCalled("it did not answer within 5 seconds")
	case err != nil:
		return notCalled("it could not be reached")
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // what it says is not for us; it may finish saying it
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return notCalled("it answered " + answer.Status)
	}
	return nil
}

// callbackRules are where secrets may be sent to; in development the developer's own machine too.
func (s *Service) callbackRules(stores *shop.Snapshot) outbound.Rules {
	rules := s.Shop.Outbound(stores, shop.PrivateCallbacks)
	rules.Inside = rules.Inside || rules.Plain
	return rules
}

func notCalled(why string) error {
	return fault.New(fault.Conflict, "integration.callback",
		"The callback URL was not told: "+why+". The integration is inactive until it has been activated again.")
}

// storeBaseURL is the address that integrations reach the store at: the first store view's that has one, with a slash at its
// end as in Commerce.
func storeBaseURL(stores *shop.Snapshot) string {
	for _, v := range stores.Views() {
		if v.BaseURL != "" {
			return v.BaseURL + "/"
		}
	}
	return ""
}
