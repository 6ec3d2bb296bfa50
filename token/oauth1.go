package token

import (
	"context"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
)

// SignedWithin is how far the timestamp of a signed request may be from the store's clock, before and after. Commerce looks at
// the future only, and forgets nonces after two hours: what was signed then can be sent again.
const SignedWithin = 600 * time.Second

// Pair is a token of the handshake and its secret.
type Pair struct{ Token, Secret secret.Text }

func wrongSignature() error {
	return unsigned("signature", "The signature is invalid. Verify and try again.")
}

// consumerOf finds the integration that a request says it is of.
func consumerOf(ctx context.Context, tx *db.Tx, o oauth) (Integration, error) {
	i, err := scanIntegration(tx.Row(ctx, "SELECT "+integrationColumns+" FROM integrations WHERE consumer_key = $1"+tx.ForUpdate(), o.consumer))
	if fault.Is(err, fault.NotFound) {
		return i, unsigned("consumer", "A consumer having the specified key does not exist.")
	}
	return i, err
}

// onTime refuses a timestamp outside the window, by the clock of the database.
func onTime(ctx context.Context, tx *db.Tx, o oauth) (now time.Time, err error) {
	if now, err = tx.Now(ctx); err != nil {
		return now, err
	}
	if away := now.Unix() - o.timestamp; away > int64(SignedWithin/time.Second) || -away > int64(SignedWithin/time.Second) {
		return now, unsigned("timestamp", "The timestamp value in the oauth_timestamp parameter is incorrect.")
	}
	return now, nil
}

// spend keeps a nonce, whose signature was right, so that nobody can send the same request again, here or at another node.
func spend(ctx context.Context, tx *db.Tx, i Integration, o oauth) error {
	kept, err := tx.Exec(ctx, "INSERT INTO oauth1_nonces (integration_id, at, nonce) VALUES ($1,$2,$3) ON CONFLICT DO NOTHING", i.ID, o.timestamp, o.nonce)
	if err == nil && kept == 0 {
		return unsigned("nonce", "The nonce is already being used by the consumer.")
	}
	return err
}

// handshake is one activation under way.
type handshake struct {
	id                db.ID
	verifier, request []byte
	expires           time.Time
}

func handshakeOf(ctx context.Context, tx *db.Tx, i Integration) (handshake, error) {
	var h handshake
	err := tx.Row(ctx, "SELECT id, verifier_hash, request_hash, expires_at FROM oauth1_handshakes WHERE integration_id = $1", i.ID).
		Scan(&h.id, &h.verifier, &h.request, db.IntoTime(&h.expires))
	if db.IsNoRows(err) {
		return h, expired()
	}
	now, clock := tx.Now(ctx)
	if err == nil && clock == nil && !now.Before(h.expires) {
		return h, expired()
	}
	return h, firstOf(err, clock)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func expired() error { return unsigned("expired", "Consumer key has expired.") }

// RequestToken is the first step of the other side: a request token for what the callback was told. It works once, within
// HandshakeWithin of the activation. Errors: fault Invalid, Unauthenticated.
func (s *Service) RequestToken(ctx context.Context, q Signed) (Pair, error) {
	o, err := q.read()
	if err != nil {
		return Pair{}, err
	}
	var made Pair
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		i, err := consumerOf(ctx, tx, o)
		if err != nil {
			return err
		}
		now, err := onTime(ctx, tx, o)
		if err != nil {
			return err
		}
		if !o.isSignedBy(s.consumerSecret(i), secret.Text{}) {
			return wrongSignature()
		}
		h, err := handshakeOf(ctx, tx, i)
		if err != nil {
			return err
		}
		if h.request != nil {
			return unsigned("token", "The request token was fetched already. Activate the integration again.")
		}
		made = Pair{secret.Random(), s.Key.Derive(purposeRequest, h.id[:])}
		if _, err := tx.Exec(ctx, "UPDATE oauth1_handshakes SET request_hash = $2, expires_at = $3 WHERE integration_id = $1",
			i.ID, secret.Digest(made.Token), db.Micro(now.Add(HandshakeWithin))); err != nil {
			return err
		}
		return spend(ctx, tx, i, o)
	})
	return made, err
}

// AccessToken is the last step: the access token, for the request token and the verifier that the callback was told. The
// integration is active then. Errors: fault Invalid, Unauthenticated.
func (s *Service) AccessToken(ctx context.Context, q Signed, from audit.Origin) (Pair, error) {
	o, err := q.read()
	if err != nil {
		return Pair{}, err
	}
	for name, value := range map[string]string{"oauth_token": o.token, "oauth_verifier": o.verifier} {
		if value == "" {
			return Pair{}, badRequest("required", name+" is required. Enter and try again.")
		}
	}
	var made Pair
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		i, err := consumerOf(ctx, tx, o)
		if err != nil {
			return err
		}
		if _, err := onTime(ctx, tx, o); err != nil {
			return err
		}
		h, err := handshakeOf(ctx, tx, i)
		if err != nil {
			return err
		}
		if h.request == nil || !same(h.request, o.token) {
			return unsigned("token", "Specified token does not exist.")
		}
		consumer := s.consumerSecret(i)
		if !slices.ContainsFunc(s.Key.Derived(purposeRequest, h.id[:]), func(request secret.Text) bool { return o.isSignedBy(consumer, request) }) {
			return wrongSignature()
		}
		if !same(h.verifier, o.verifier) {
			return unsigned("verifier", "Token verifier and verifier token do not match.")
		}
		if _, err := tx.Exec(ctx, "DELETE FROM oauth1_handshakes WHERE integration_id = $1", i.ID); err != nil {
			return err
		}
		c, err := s.authorize(ctx, tx, &i, from)
		if err != nil {
			return err
		}
		made = Pair{c.AccessToken, c.AccessSecret}
		if err := recordIntegration(ctx, tx, audit.IntegrationAuthorized, audit.Actor{Kind: audit.Integration, ID: i.ID, Name: i.Name}, i, from); err != nil {
			return err
		}
		return spend(ctx, tx, i, o)
	})
	return made, err
}

// same compares a stored digest with a secret that a request shows; digests may be compared at any pace.
func same(digest []byte, shown string) bool {
	return string(digest) == string(secret.Digest(secret.NewText(shown)))
}

// CheckSigned returns the integration that signed a request with its access token. Each request counts once, whichever node
// it reaches. Errors: fault Invalid, Unauthenticated.
func (s *Service) CheckSigned(ctx context.Context, q Signed) (Bearer, error) {
	o, err := q.read()
	if err != nil {
		return Bearer{}, err
	}
	if o.token == "" {
		return Bearer{}, badRequest("required", "oauth_token is required. Enter and try again.")
	}
	// A wrong signature ends here, before anything is written.
	var who signer
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		who, err = s.signerOf(ctx, tx, o)
		return err
	})
	if err != nil {
		return Bearer{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		// Once more: the integration may have been renewed meanwhile.
		if who, err = s.signerOf(ctx, tx, o); err != nil {
			return err
		}
		if err := spend(ctx, tx, who.integration, o); err != nil {
			return err
		}
		return used(ctx, tx, who)
	})
	return Bearer{TokenID: who.token, Kind: IntegrationToken, IntegrationID: who.integration.ID}, err
}

type signer struct {
	token       db.ID
	integration Integration
}

// signerOf finds the access token of a request and checks the signature that was made with it.
func (s *Service) signerOf(ctx context.Context, tx *db.Tx, o oauth) (signer, error) {
	who := signer{}
	if _, err := onTime(ctx, tx, o); err != nil {
		return who, err
	}
	var generation, consumerID int64
	var sealed []byte
	err := tx.Row(ctx, "SELECT id, integration_id, generation, sealed_secret FROM tokens WHERE secret_hash = $1 AND kind = $2 AND revoked_at IS NULL",
		secret.Digest(secret.NewText(o.token)), IntegrationToken).Scan(&who.token, &consumerID, &generation, &sealed)
	if db.IsNoRows(err) {
		return who, unsigned("token", "Specified token does not exist.")
	}
	if err != nil {
		return who, err
	}
	if who.integration, err = FindIntegration(ctx, tx, consumerID); err != nil {
		return who, err
	}
	i := who.integration
	if !i.Active || i.version != generation || i.ConsumerKey != o.consumer {
		return who, unsigned("token", "Specified token does not exist.")
	}
	if !o.isSignedBy(s.consumerSecret(i), s.held(purposeAccess, who.token[:], sealed)) {
		return who, wrongSignature()
	}
	return who, nil
}

// used remembers when an integration came last; seldom, for the sake of the database.
func used(ctx context.Context, tx *db.Tx, who signer) error {
	now, err := tx.Now(ctx)
	if err != nil || now.Sub(who.integration.LastUsedAt) < usedEvery {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE tokens SET last_used_at = $2 WHERE id = $1", who.token, db.Micro(now)); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE integrations SET last_used_at = $2 WHERE id = $1", who.integration.ID, db.Micro(now))
	return err
}

// SweepNonces deletes nonces whose timestamps nobody accepts any more, at most most of them.
func SweepNonces(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	// Longer than the window: a clock that was ahead, or steps back, must not make a recorded call good again.
	return tx.Exec(ctx, `DELETE FROM oauth1_nonces WHERE (integration_id, at, nonce) IN (SELECT integration_id, at, nonce FROM oauth1_nonces
		WHERE at < $1 LIMIT $2`+tx.SkipLocked()+`)`, now.Add(-SignedWithin-db.ClockSteps).Unix(), most)
}

// SweepHandshakes deletes activations that the other side did not go on with.
func SweepHandshakes(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM oauth1_handshakes WHERE integration_id IN (SELECT integration_id FROM oauth1_handshakes
		WHERE expires_at < $1 LIMIT $2`+tx.SkipLocked()+`)`, db.Micro(now), most)
}
