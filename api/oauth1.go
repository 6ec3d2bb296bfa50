package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// The addresses of the OAuth 1.0a handshake, for the listener that mounts them.
const (
	RequestTokenPath = "/oauth/token/request"
	AccessTokenPath  = "/oauth/token/access"
)

// form is the media type of the handshake's answers and of bodies that a signature covers.
const form = "application/x-www-form-urlencoded"

// ServeOAuth answers the two addresses of the handshake, in the form and with the statuses of Commerce.
func (a *API) ServeOAuth(w http.ResponseWriter, r *http.Request) {
	door := web.Door{Log: a.Log, Fail: FailOAuth, Invalid: http.StatusBadRequest}
	door.Handle(a.handshake).ServeHTTP(w, r)
}

func (a *API) handshake(w http.ResponseWriter, r *http.Request) error {
	step := r.URL.Path
	if step != RequestTokenPath && step != AccessTokenPath {
		return noSuchRoute()
	}
	if r.Method != http.MethodPost {
		return web.WrongMethod(http.MethodPost)
	}
	web.SetRoute(r, "POST "+step)
	given, err := a.read(r)
	if err != nil {
		return err
	}
	var made token.Pair
	if step == RequestTokenPath {
		made, err = a.Tokens.RequestToken(r.Context(), given)
	} else {
		made, err = a.Tokens.AccessToken(r.Context(), given, web.ClientOrigin(r))
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, "oauth_token="+url.QueryEscape(made.Token.Reveal())+"&oauth_token_secret="+url.QueryEscape(made.Secret.Reveal()))
	return nil
}

// FailOAuth is the web.Renderer of the handshake's addresses.
func FailOAuth(w http.ResponseWriter, _ *http.Request, f web.Failure) {
	problem := "oauth_problem=" + url.QueryEscape(f.Text)
	if f.Internal() {
		problem = "oauth_problem=internal_error&message=" + url.QueryEscape(f.Text)
	}
	if f.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "OAuth")
	}
	answer(w, f.Status, problem)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", form)
	w.WriteHeader(status)
	_, err := io.WriteString(w, text)
	_ = err // the client has gone: nobody is left to tell
}

// signer is the caller of a request that an integration signed.
func (a *API) signer(r *http.Request) (caller, error) {
	given, err := a.read(r)
	if err != nil {
		return caller{}, err
	}
	bearer, err := a.Tokens.CheckSigned(r.Context(), given)
	if err != nil {
		return caller{}, err
	}
	return a.callerOf(r, bearer)
}

// read takes from a request what a signature covers. The store's address in it is the configured one of the store view whose host
// the request names: behind a proxy the client signed https and the public host, and nothing else that a request says of
// its own address is to be believed.
func (a *API) read(r *http.Request) (token.Signed, error) {
	if len(r.Header.Values("Authorization")) > 1 {
		return token.Signed{}, refuse(fault.Invalid, "oauth1.malformed", "The header Authorization is given more than once.", nil)
	}
	stores, err := a.Shop.Load(r.Context())
	if err != nil {
		return token.Signed{}, err
	}
	body, err := signedBody(r)
	return token.Signed{Method: r.Method, Origin: origin(stores, r.Host), Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Form: body,
		Authorization: r.Header.Get("Authorization")}, err
}

// signedBody is the body of an urlencoded form, which is put back for whoever reads it next. Other bodies are not signed.
func signedBody(r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != form {
		return "", nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, web.MaxForm+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || len(body) > web.MaxForm:
		return "", bodyTooLarge()
	case err != nil:
		return "", undecodable("The body broke off.")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return string(body), nil
}

// origin is the scheme and host of the store view whose host a request names; of the first one where it names none of them.
func origin(stores *shop.Snapshot, host string) string {
	first := ""
	for _, v := range stores.Views() {
		if v.BaseURL == "" {
			continue
		}
		here := strings.TrimSuffix(v.BaseURL, v.Path(""))
		if at, _, ok := stores.ViewFor(host, v.Path("/")); ok && at == v {
			return here
		}
		if first == "" {
			first = here
		}
	}
	return first
}
