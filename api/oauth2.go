package api

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// Addresses of OAuth 2.1 and OpenID Connect, below the base URL of each store view. Those that a customer's browser goes to
// are the storefront's.
const (
	oauth2Authorize = "/oauth2/authorize"
	oauth2Token     = "/oauth2/token"
	oauth2UserInfo  = "/oauth2/userinfo"
	oauth2Keys      = "/oauth2/jwks"
	oauth2Revoke    = "/oauth2/revoke"
	oauth2Tell      = "/oauth2/introspect"
	oauth2Logout    = "/oauth2/logout"
	openidDiscovery = "/.well-known/openid-configuration"
	oauth2Discovery = "/.well-known/oauth-authorization-server"
)

// OAuth2 answers the programs' side of OAuth 2.1 and OpenID Connect for all store views. The issuer is the base URL of the
// view, whatever host a request claims to be for.
type OAuth2 struct {
	Shop   *shop.Shop
	Server *token.OAuth2
	Log    *slog.Logger
}

type oauth2Route struct {
	path    string
	methods []string
	handle  func(*oauth2Call) error
}

var oauth2Routes = []oauth2Route{
	{oauth2Token, []string{"POST"}, (*oauth2Call).token},
	{oauth2Revoke, []string{"POST"}, (*oauth2Call).revoke},
	{oauth2Tell, []string{"POST"}, (*oauth2Call).introspect},
	{oauth2UserInfo, []string{"GET", "HEAD", "POST"}, (*oauth2Call).userInfo},
	{oauth2Keys, []string{"GET", "HEAD"}, (*oauth2Call).keys},
	{openidDiscovery, []string{"GET", "HEAD"}, (*oauth2Call).discovery},
	{oauth2Discovery, []string{"GET", "HEAD"}, (*oauth2Call).discovery},
}

// IsOAuth2 tells whether a path is for OAuth2, for the listener that mounts it: a store view's prefix and one of the
// addresses, or the form of RFC 8414 §3.1 with the prefix behind.
func IsOAuth2(path string) bool {
	path = oauth2Path(path)
	return slices.ContainsFunc(oauth2Routes, func(r oauth2Route) bool { return strings.HasSuffix(path, r.path) })
}

// oauth2Path turns /.well-known/oauth-authorization-server/fr, as RFC 8414 spells it, into the form below the base URL.
func oauth2Path(path string) string {
	for _, known := range []string{oauth2Discovery, openidDiscovery} {
		if prefix, ok := strings.CutPrefix(path, known+"/"); ok && prefix != "" {
			return "/" + prefix + known
		}
	}
	return path
}

// oauth2Call is one request and the store view that it is for.
type oauth2Call struct {
	*OAuth2
	w    http.ResponseWriter
	r    *http.Request
	view *shop.View
}

// ServeHTTP answers every path of which IsOAuth2 is true.
func (s *OAuth2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door := web.Door{Log: s.Log, Fail: FailOAuth2, Invalid: http.StatusBadRequest}
	door.Handle(func(http.ResponseWriter, *http.Request) error { return (&oauth2Call{OAuth2: s, w: w, r: r}).serve() }).ServeHTTP(w, r)
}

func (c *oauth2Call) serve() error {
	stores, err := c.Shop.Load(c.r.Context())
	if err != nil {
		return err
	}
	view, rest, ok := stores.ViewFor(c.r.Host, oauth2Path(c.r.URL.Path))
	if !ok {
		return web.NoSuchPage()
	}
	i := slices.IndexFunc(oauth2Routes, func(r oauth2Route) bool { return r.path == rest })
	if i < 0 {
		return web.NoSuchPage()
	}
	route := oauth2Routes[i]
	if !slices.Contains(route.methods, c.r.Method) {
		return web.WrongMethod(strings.Join(route.methods, ", "))
	}
	web.SetRoute(c.r, route.methods[0]+" "+route.path)
	c.view = view
	return route.handle(c)
}

// answer writes JSON as RFC 6749 §5.1 wants it; Cache-Control is no-store on every answer of the house.
func (c *oauth2Call) answer(v any) error {
	c.w.Header().Set("Pragma", "no-cache")
	return render(c.w, http.StatusOK, v)
}

// FailOAuth2 renders an error in the shape of RFC 6749 §5.2, and of RFC 6750 §3 where a bearer token was wrong.
func FailOAuth2(w http.ResponseWriter, r *http.Request, f web.Failure) {
	code, ours := strings.CutPrefix(f.Key, "oauth2.")
	status := f.Status
	switch {
	case ours && code == "token_required":
		w.Header().Set("WWW-Authenticate", "Bearer")
		code = "invalid_token"
	case ours && (code == "invalid_token" || code == "insufficient_scope"):
		w.Header().Set("WWW-Authenticate", `Bearer error="`+code+`"`)
	case ours && code == "invalid_client":
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth2"`)
	case ours:
	case f.Status == http.StatusServiceUnavailable:
		code = "temporarily_unavailable"
	case f.Internal():
		code = "server_error"
	default:
		code = "invalid_request"
	}
	_ = render(w, status, map[string]string{"error": code, "error_description": f.Text}) // strings always marshal
}

func oauth2Refuse(code, text string) error {
	return fault.New(fault.Invalid, "oauth2."+code, text)
}

// form reads the named fields and the client that calls: by HTTP Basic or by fields of the body, never both (RFC 6749 §2.3).
func (c *oauth2Call) form(fields ...string) (web.Values, token.Client, error) {
	v, err := web.Form(c.r, append(fields, "client_id", "client_secret")...)
	if err != nil {
		return v, token.Client{}, err
	}
	id, given := v.Get("client_id"), v.Secret("client_secret")
	if user, password, ok := c.r.BasicAuth(); ok {
		name, err1 := url.QueryUnescape(user)
		word, err2 := url.QueryUnescape(password)
		switch {
		case err1 != nil || err2 != nil:
			return v, token.Client{}, oauth2Refuse("invalid_request", "The client's credentials are not form-encoded.")
		case v.Has("client_secret"), v.Has("client_id") && id != name:
			return v, token.Client{}, oauth2Refuse("invalid_request", "The client is named in two ways.")
		}
		id, given = name, secret.NewText(word)
	}
	client, err := c.Server.Authenticate(c.r.Context(), c.view, id, given)
	return v, client, err
}
