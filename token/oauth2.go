package token

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

// Kinds of token that OAuth 2.1 adds. A request is an authorization that waits for its customer; it speaks for nobody.
const (
	OAuthRequest = "oauth_request"
	OAuthCode    = "oauth_code"
	OAuthAccess  = "oauth_access"
	OAuthRefresh = "oauth_refresh"
)

const (
	// RequestLife is how long an authorization waits for its customer, to sign in and to decide.
	RequestLife = 15 * time.Minute
	codeLife    = time.Minute // RFC 6749 §4.1.2 allows ten at most
	// refreshLife is absolute: refreshing does not prolong it, so that an app asks its customer again once a month.
	refreshLife = 30 * 24 * time.Hour
	// refreshGrace is how long a spent refresh token may be shown again by an app that lost the answer. It gets the very same
	// successor, so that a family never has two heads.
	refreshGrace = 10 * time.Second

	maxParameter = 1000 // bytes
)

// askRule bounds what strangers can make the house remember: anybody may begin an authorization.
var askRule = limit.Rule{Name: "oauth2-ask", Max: 600, Window: time.Hour}

// Scopes that open the customer's own endpoints of the web API to an app.
const (
	ReadAccount  = "account:read"  // profile and address book
	WriteAccount = "account:write" // the same, to change it. Password, address and deletion stay the customer's own
)

// Scopes are what an app may ask for, in the order in which they are shown.
var Scopes = []string{"openid", "profile", "email", ReadAccount, WriteAccount, "offline_access"}

// OAuth2 is the authorization server of every store view: authorizations, codes, and the tokens that come of them.
type OAuth2 struct {
	DB  *db.DB
	Key secret.Key
}

// refused is an error of OAuth 2: its key is "oauth2." and the code of RFC 6749 §5.2 and its kin.
func refused(code, text string) *fault.Error {
	kind := fault.Invalid
	if code == "invalid_client" || code == "invalid_token" {
		kind = fault.Unauthenticated
	}
	return fault.New(kind, "oauth2."+code, text)
}

// asked is an authorization request, as it is kept until its customer has decided, and of which the code keeps a part.
type asked struct {
	View      int64  `json:"v"`
	Redirect  string `json:"r,omitempty"`
	State     string `json:"s,omitempty"`
	Challenge string `json:"c,omitempty"`
	Nonce     string `json:"n,omitempty"`
	At        int64  `json:"t,omitempty"` // unix: when it was asked
	MaxAge    *int64 `json:"m,omitempty"` // seconds since the password was typed
	Signed    int64  `json:"a,omitempty"` // unix: when it was typed
}

func (a asked) text() string {
	raw, _ := json.Marshal(a) // strings and numbers always marshal
	return string(raw)
}

// back is where the browser takes an answer: the registered address with the parameters added, and iss in each
// (RFC 9207).
func (a asked) back(v *shop.View, parameters ...string) string {
	q := url.Values{"iss": {v.BaseURL}}
	if a.State != "" {
		q.Set("state", a.State)
	}
	for i := 0; i+1 < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	join := "?"
	if strings.Contains(a.Redirect, "?") {
		join = "&"
	}
	return a.Redirect + join + q.Encode()
}

// Asked is an authorization request that waits for its customer.
type Asked struct {
	Client Client
	Scopes []string

	bearer Bearer
	asked  asked
}

// Redirect is the address that the decision goes to.
func (a Asked) Redirect() string { return a.asked.Redirect }

// Fresh tells whether a session is young enough for what the app asks (prompt=login, max_age); otherwise the customer
// signs in again first.
func (a Asked) Fresh(s signin.Session) bool {
	return a.asked.MaxAge == nil || s.CreatedAt.Unix() >= a.asked.At-*a.asked.MaxAge
}

// Ask checks an authorization request. What it returns is either the id under which the request waits, or the address to
// send the browser back to with the error. Errors: fault Invalid when neither the app nor its address can be trusted, so
// that the browser must not be sent anywhere.
func (s *OAuth2) Ask(ctx context.Context, v *shop.View, q url.Values, signedIn bool, o audit.Origin) (id secret.Text, back string, err error) {
	one := func(name string) string { return q.Get(name) }
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(q[name]) != 1 {
			return id, "", refused("client_unknown", "The app that sent you here did not say who it is, so nothing was connected.")
		}
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		verdict, err := limit.TakeClient(ctx, tx, askRule, o.IP)
		if err != nil {
			return err
		}
		if !verdict.Allowed {
			return fault.Until("limit.client", "Too many requests came from your network. Please wait and try again later.", verdict.NextAt)
		}
		c, err := clientNamed(ctx, tx, one("client_id"))
		if fault.Is(err, fault.NotFound) || err == nil && c.WebsiteID != v.WebsiteID {
			return refused("client_unknown", "This store does not know the app that sent you here, so nothing was connected.")
		}
		if err != nil {
			return err
		}
		if !slices.Contains(c.RedirectURIs, one("redirect_uri")) {
			return refused("redirect_unknown", "The app wants its answer at an address that it has not registered, so nothing was connected.")
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		a := asked{View: v.ID, Redirect: one("redirect_uri"), State: one("state"), Challenge: one("code_challenge"), Nonce: one("nonce"), At: now.Unix()}
		if len(q["state"]) > 1 || len(a.State) > maxParameter {
			a.State = "" // it cannot be told which one, or it is too long to be repeated
		}
		scope, refusal := a.check(q, signedIn)
		if refusal != nil {
			back = a.back(v, "error", strings.TrimPrefix(refusal.Key, "oauth2."), "error_description", refusal.Text)
			return nil
		}
		_, id, err = Put(ctx, tx, New{Kind: OAuthRequest, ClientID: c.ID, Scope: scope, Data: a.text(), Life: RequestLife}, o)
		return err
	})
	return id, back, err
}

// check judges what the app itself is told about.
func (a *asked) check(q url.Values, signedIn bool) (scope string, refusal *fault.Error) {
	for name, values := range q {
		if len(values) > 1 {
			return "", refused("invalid_request", "A parameter is repeated: "+printable(name)+".")
		}
		if len(values[0]) > maxParameter {
			return "", refused("invalid_request", "A parameter is too long: "+printable(name)+".")
		}
	}
	switch {
	case q.Has("request"):
		return "", refused("request_not_supported", "Request objects are not supported.")
	case q.Has("request_uri"):
		return "", refused("request_uri_not_supported", "Request objects are not supported.")
	case q.Get("response_type") == "":
		return "", refused("invalid_request", "response_type is missing.")
	case q.Get("response_type") != "code":
		return "", refused("unsupported_response_type", "response_type must be code.")
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		return "", refused("invalid_request", "response_mode must be query.")
	case q.Get("code_challenge") == "":
		return "", refused("invalid_request", "code_challenge is missing: PKCE is required.")
	case q.Get("code_challenge_method") != "S256":
		return "", refused("invalid_request", "code_challenge_method must be S256.")
	case !secret.WellFormed(secret.NewText(a.Challenge)): // the same form: SHA-256 in base64url
		return "", refused("invalid_request", "code_challenge is no SHA-256 in base64url.")
	}
	if q.Has("max_age") {
		n, err := strconv.ParseInt(q.Get("max_age"), 10, 32)
		if err != nil || n < 0 {
			return "", refused("invalid_request", "max_age must be a number of seconds.")
		}
		a.MaxAge = &n
	}
	prompts := strings.Fields(q.Get("prompt"))
	switch {
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return "", refused("invalid_request", "prompt none goes with nothing else.")
	case slices.Contains(prompts, "none") && !signedIn:
		return "", refused("login_required", "The customer is not signed in.")
	case slices.Contains(prompts, "none"):
		return "", refused("consent_required", "The customer is asked each time.")
	case slices.Contains(prompts, "login"), slices.Contains(prompts, "select_account"):
		a.MaxAge = new(int64)
	}
	if scope = known(q.Get("scope")); scope == "" {
		return "", refused("invalid_scope", "scope must hold one or more of: "+strings.Join(Scopes, " ")+".")
	}
	return scope, nil
}

// known keeps the scopes that there are (RFC 6749 §3.3 lets a server ignore the others; the answer says what was granted).
func known(scope string) string {
	wanted := strings.Fields(scope)
	return strings.Join(slices.DeleteFunc(slices.Clone(Scopes), func(s string) bool { return !slices.Contains(wanted, s) }), " ")
}

// printable cuts what a client made up down to what RFC 6749 allows in an error_description.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s[:min(len(s), 40)])
}

// Pending finds a request that waits. Errors: fault Expired when it is unknown, decided, old or of another store view.
func (s *OAuth2) Pending(ctx context.Context, v *shop.View, id secret.Text) (a Asked, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		a, err = pending(ctx, tx, v, id)
		return err
	})
	return a, err
}

func pending(ctx context.Context, tx *db.Tx, v *shop.View, id secret.Text) (a Asked, err error) {
	over := fault.New(fault.Expired, "oauth2.request_over", "This request has expired or was answered already. Go back to the app and start again.")
	if !secret.WellFormed(id) {
		return a, over
	}
	a.bearer, _, _, err = find(ctx, tx, id, OAuthRequest)
	if fault.Is(err, fault.Unauthenticated) {
		return a, over
	}
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(a.bearer.Data), &a.asked); err != nil {
		return a, err
	}
	if a.asked.View != v.ID {
		return a, over
	}
	a.Scopes = strings.Fields(a.bearer.Scope)
	a.Client, err = clientOf(ctx, tx, a.bearer.ClientID)
	return a, err
}

func clientOf(ctx context.Context, tx *db.Tx, id int64) (Client, error) {
	return scanClient(tx.Row(ctx, "SELECT "+clientColumns+" FROM oauth2_clients c WHERE c.id = $1", id))
}

// Authenticate finds out which app calls: by its id and secret, or by its id alone when it has none. Errors: fault
// Unauthenticated, one for an unknown app, an app of another store and a wrong secret.
func (s *OAuth2) Authenticate(ctx context.Context, v *shop.View, clientID string, given secret.Text) (c Client, err error) {
	wrong := refused("invalid_client", "The client is unknown or its secret is wrong.")
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		c, err = clientNamed(ctx, tx, clientID)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return Client{}, wrong
	case err != nil:
		return Client{}, err
	case c.WebsiteID != v.WebsiteID, !c.Confidential && !given.IsEmpty(),
		c.Confidential && subtle.ConstantTimeCompare(secret.Digest(given), c.secretHash) != 1:
		return Client{}, wrong
	}
	return c, nil
}

// verifies checks a PKCE verifier (RFC 7636 §4.6) against the challenge that the code was asked for with.
func verifies(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := secret.Digest(secret.NewText(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum)), []byte(challenge)) == 1
}
