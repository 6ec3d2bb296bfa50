package api

import (
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// grantAnswer is the answer of the token endpoint. It is the one place where the secrets are written out.
type grantAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
}

func (c *oauth2Call) token() error {
	v, client, err := c.form("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope")
	if err != nil {
		return err
	}
	var g token.Grant
	ctx, origin := c.r.Context(), web.ClientOrigin(c.r)
	switch v.Get("grant_type") {
	case "":
		return oauth2Refuse("invalid_request", "grant_type is missing.")
	case "authorization_code":
		for _, field := range []string{"code", "redirect_uri", "code_verifier"} {
			if v.Get(field) == "" {
				return oauth2Refuse("invalid_request", field+" is missing.")
			}
		}
		g, err = c.Server.Redeem(ctx, c.view, client, v.Secret("code"), v.Get("redirect_uri"), v.Get("code_verifier"), origin)
	case "refresh_token":
		if v.Get("refresh_token") == "" {
			return oauth2Refuse("invalid_request", "refresh_token is missing.")
		}
		g, err = c.Server.Refresh(ctx, c.view, client, v.Secret("refresh_token"), v.Get("scope"), origin)
	default:
		return oauth2Refuse("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")
	}
	if err != nil {
		return err
	}
	return c.answer(grantAnswer{AccessToken: g.Access.Reveal(), TokenType: "Bearer", ExpiresIn: int64(g.ExpiresIn.Seconds()), Scope: g.Scope,
		RefreshToken: g.Refresh.Reveal(), IDToken: g.IDToken.Reveal()})
}

func (c *oauth2Call) revoke() error {
	v, client, err := c.form("token", "token_type_hint")
	if err != nil {
		return err
	}
	if v.Get("token") == "" {
		return oauth2Refuse("invalid_request", "token is missing.")
	}
	if err := c.Server.Revoke(c.r.Context(), c.view, client, v.Secret("token"), web.ClientOrigin(c.r)); err != nil {
		return err
	}
	return c.answer(struct{}{})
}

func (c *oauth2Call) introspect() error {
	v, client, err := c.form("token", "token_type_hint")
	if err != nil {
		return err
	}
	if v.Get("token") == "" {
		return oauth2Refuse("invalid_request", "token is missing.")
	}
	told, err := c.Server.Introspect(c.r.Context(), c.view, client, v.Secret("token"))
	if err != nil {
		return err
	}
	return c.answer(told)
}

func (c *oauth2Call) userInfo() error {
	given := c.r.Header.Values("Authorization")
	kind, bearer, _ := strings.Cut(strings.Join(given, ","), " ")
	if len(given) != 1 || !strings.EqualFold(kind, "Bearer") {
		return fault.New(fault.Unauthenticated, "oauth2.token_required", "An access token is required.")
	}
	claims, err := c.Server.UserInfo(c.r.Context(), c.view, secret.NewText(strings.TrimSpace(bearer)))
	if err != nil {
		return err
	}
	return c.answer(claims)
}

func (c *oauth2Call) keys() error {
	set, err := c.Server.PublicKeys(c.view)
	if err != nil {
		return err
	}
	return c.answer(set)
}

// discovery is the metadata of RFC 8414 and of OpenID Connect Discovery in one.
func (c *oauth2Call) discovery() error {
	secrets := []string{"client_secret_basic", "client_secret_post"}
	all := append([]string{"none"}, secrets...)
	return c.answer(map[string]any{
		"issuer":                 c.view.BaseURL,
		"authorization_endpoint": c.view.Link(oauth2Authorize, nil),
		"token_endpoint":         c.view.Link(oauth2Token, nil),
		"userinfo_endpoint":      c.view.Link(oauth2UserInfo, nil),
		"jwks_uri":               c.view.Link(oauth2Keys, nil),
		"revocation_endpoint":    c.view.Link(oauth2Revoke, nil),
		"introspection_endpoint": c.view.Link(oauth2Tell, nil),
		"end_session_endpoint":   c.view.Link(oauth2Logout, nil),

		"scopes_supported":                 token.Scopes,
		"response_types_supported":         []string{"code"},
		"response_modes_supported":         []string{"query"},
		"grant_types_supported":            []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported": []string{"S256"},
		"subject_types_supported":          []string{"public"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "given_name",
			"family_name", "updated_at", "email", "email_verified"},
		"id_token_signing_alg_values_supported":          []string{"ES256"},
		"token_endpoint_auth_methods_supported":          all,
		"revocation_endpoint_auth_methods_supported":     all,
		"introspection_endpoint_auth_methods_supported":  secrets,
		"authorization_response_iss_parameter_supported": true,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           false,
		"ui_locales_supported":                           []string{c.view.Lang().Tag()},
	})
}
