package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const idTokenLife = time.Hour

// signingKeys are the ES256 keys of a store view, derived from the installation's key: every node has them and no table does. Each
// view has its own, so that no store can take another's id token for its own. The first one signs; while the store changes its
// key there is a second.
func (s *OAuth2) signingKeys(v *shop.View) ([]jose.JSONWebKey, error) {
	first, err := signingKey(s.Key, v)
	keys := []jose.JSONWebKey{first}
	if beside := s.Key.Beside(); err == nil && !beside.IsZero() {
		var second jose.JSONWebKey
		second, err = signingKey(beside, v)
		keys = append(keys, second)
	}
	return keys, err
}

func signingKey(k secret.Key, v *shop.View) (jose.JSONWebKey, error) {
	for n := uint64(0); ; n++ {
		id := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(v.ID)), n)
		raw, err := base64.RawURLEncoding.DecodeString(k.Derive("oauth2-es256", id).Reveal())
		if err != nil {
			return jose.JSONWebKey{}, err
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
		if err != nil {
			continue // not below the order of the curve: once in 2³²
		}
		jwk := jose.JSONWebKey{Key: key, Algorithm: string(jose.ES256), Use: "sig"}
		sum, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			return jose.JSONWebKey{}, err
		}
		jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
		return jwk, nil
	}
}

// PublicKeys is the JSON Web Key Set that a store view's id tokens are verified with.
func (s *OAuth2) PublicKeys(v *shop.View) (jose.JSONWebKeySet, error) {
	keys, err := s.signingKeys(v)
	for i, key := range keys {
		keys[i] = key.Public()
	}
	return jose.JSONWebKeySet{Keys: keys}, err
}

// idToken tells the app who signed in, and when. What else the app may know it asks for at userinfo.
func (s *OAuth2) idToken(v *shop.View, c Client, who customer.Customer, r row, kind string, access secret.Text) (secret.Text, error) {
	half := secret.Digest(access)[:16]
	claims := map[string]any{
		"iss": v.BaseURL, "sub": subject(who), "aud": c.ClientID, "iat": r.now.Unix(), "exp": r.now.Add(idTokenLife).Unix(),
		"auth_time": r.asked.Signed, "at_hash": base64.RawURLEncoding.EncodeToString(half),
	}
	if kind == OAuthCode && r.asked.Nonce != "" {
		claims["nonce"] = r.asked.Nonce
	}
	return s.signed(v, "JWT", claims)
}

// signed makes a JSON Web Token of a store view.
func (s *OAuth2) signed(v *shop.View, kind jose.ContentType, claims map[string]any) (secret.Text, error) {
	keys, err := s.signingKeys(v)
	if err != nil {
		return secret.Text{}, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: keys[0]}, (&jose.SignerOptions{}).WithType(kind))
	if err != nil {
		return secret.Text{}, err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return secret.Text{}, err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return secret.Text{}, err
	}
	compact, err := signed.CompactSerialize()
	return secret.NewText(compact), err
}

// Hinted reads the app out of an id token of this store view, however old it is. Errors: fault Invalid.
func (s *OAuth2) Hinted(v *shop.View, hint string) (clientID string, err error) {
	wrong := refused("invalid_request", "The id_token_hint is none of this store's.")
	signed, err := jose.ParseSignedCompact(hint, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", wrong
	}
	keys, err := s.PublicKeys(v)
	if err != nil {
		return "", err
	}
	var payload []byte
	for _, key := range keys.Keys {
		if payload, err = signed.Verify(key); err == nil {
			break
		}
	}
	if err != nil {
		return "", wrong
	}
	var claims struct{ Iss, Aud string }
	if json.Unmarshal(payload, &claims) != nil || claims.Iss != v.BaseURL {
		return "", wrong
	}
	return claims.Aud, nil
}

// subject names the customer to apps: the number that the web API calls them by, never used again for another.
func subject(c customer.Customer) string { return strconv.FormatInt(c.ID, 10) }

// Claims are what userinfo tells of a customer, by the scopes that were granted.
type Claims map[string]any

// UserInfo answers for an access token of this store view. Errors: fault Unauthenticated; Forbidden without the scope openid.
func (s *OAuth2) UserInfo(ctx context.Context, v *shop.View, access secret.Text) (Claims, error) {
	b, _, err := s.checkAccess(ctx, v, access, OAuthAccess)
	if err != nil {
		return nil, err
	}
	if !has(b.Scope, "openid") {
		return nil, fault.New(fault.Forbidden, "oauth2.insufficient_scope", "The token was not granted the scope openid.")
	}
	var c customer.Customer
	err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		c, err = customer.Find(ctx, tx, b.CustomerID)
		return err
	})
	if err != nil {
		return nil, err
	}
	claims := Claims{"sub": subject(c)}
	if has(b.Scope, "profile") {
		claims["name"], claims["given_name"], claims["family_name"] = c.Name(), c.Firstname, c.Lastname
		claims["updated_at"] = c.UpdatedAt.Unix()
	}
	if has(b.Scope, "email") {
		claims["email"], claims["email_verified"] = c.Email, c.Proven()
	}
	return claims, nil
}

// checkAccess is token.Check for what belongs to one store view.
func (s *OAuth2) checkAccess(ctx context.Context, v *shop.View, given secret.Text, kinds ...string) (Bearer, asked, error) {
	b, err := (&Service{DB: s.DB}).Check(ctx, given, kinds...)
	return here(v, b, err)
}

// here is what was found of a token, if it belongs to the store view.
func here(v *shop.View, b Bearer, err error) (Bearer, asked, error) {
	var a asked
	if err == nil {
		err = json.Unmarshal([]byte(b.Data), &a)
	}
	if fault.Is(err, fault.Unauthenticated) || err == nil && (a.View != v.ID || b.WebsiteID != v.WebsiteID) {
		return Bearer{}, a, refused("invalid_token", "The token is unknown, has expired or was revoked.")
	}
	return b, a, err
}
