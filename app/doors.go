package app

import (
	"net"
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/console"
	"github.com/rekeyhq/rekey/fair"
	"github.com/rekeyhq/rekey/storefront"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// door is what stands behind a part of the addresses, and how it shows a failure that it has not seen itself.
type door struct {
	http.Handler
	fail web.Renderer
}

// doors are the open doors of the house.
type doors struct{ storefront, console, api, graphql, handshake, oauth2 door }

func (s *server) openDoors() (doors, error) {
	h := s.house
	connect := &token.OAuth2{DB: h.DB, Key: h.Key}
	shoppers := &storefront.Storefront{Shop: h.Shop, Customers: h.Customers, SignIn: h.SignIn, Recovery: h.Recovery, Puzzles: h.Puzzles, Connect: connect, Log: s.Log}
	staff := &console.Console{DB: h.DB, Shop: h.Shop, Admins: h.Admins, SignIn: h.SignIn, Tokens: h.Tokens, Webhooks: h.Webhooks, Incidents: h.Incidents, Recovery: h.Recovery, Log: s.Log}
	programs := &api.API{DB: h.DB, Shop: h.Shop, Customers: h.Customers, Admins: h.Admins, Tokens: h.Tokens, Recovery: h.Recovery, Puzzles: h.Puzzles, Log: s.Log}
	for _, prepare := range []func() error{shoppers.Prepare, staff.Prepare, programs.Prepare} {
		if err := prepare(); err != nil {
			return doors{}, err
		}
	}
	graph, err := api.NewGraph(programs)
	if err != nil {
		return doors{}, err
	}
	visit := func(h http.Handler) http.Handler {
		return onBehalf(func(r *http.Request) int64 { return s.house.Shop.Party(r.Host, r.URL.Path) }, h)
	}
	work := func(*http.Request) int64 { return fair.Staff }
	return doors{storefront: door{visit(shoppers), shoppers.Fail},
		console:   door{onBehalf(work, staff), staff.Fail},
		api:       door{visit(programs), api.Fail},
		graphql:   door{visit(graph), api.FailGraph},
		handshake: door{visit(http.HandlerFunc(programs.ServeOAuth)), api.FailOAuth},
		oauth2:    door{visit(&api.OAuth2{Shop: h.Shop, Server: connect, Log: s.Log}), api.FailOAuth2}}, nil
}

// onBehalf says for whom a request takes what is scarce.
func onBehalf(party func(*http.Request) int64, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(fair.For(r.Context(), party(r))))
	})
}

// handlers gives each listener what it serves.
func (s *server) handlers() (map[net.Listener]http.Handler, error) {
	d, err := s.openDoors()
	if err != nil {
		return nil, err
	}
	all := map[net.Listener]http.Handler{
		s.listeners.main: s.probes(s.behind(d.public(s.listeners.console == nil))),
	}
	if s.listeners.console != nil {
		all[s.listeners.console] = s.probes(s.behind(d.alone()))
	}
	if s.listeners.metrics != nil {
		all[s.listeners.metrics] = s.probes(s.metrics.handler())
	}
	if s.listeners.mailbox != nil {
		all[s.listeners.mailbox] = s.letters.box.Handler()
	}
	return all, nil
}

// behind puts what all doors share in front of one.
func (s *server) behind(d door) http.Handler {
	return web.Stack{Log: s.Log, Trusted: s.TrustedProxies, HSTS: s.strictTransport, Fail: d.fail, Uploads: console.Uploads, Observe: s.metrics.observeRequest}.Wrap(d)
}

// strictTransport is what browsers are told about https; nothing under --dev, where http is allowed.
func (s *server) strictTransport(host, path string) string {
	if s.Dev {
		return ""
	}
	return s.house.Shop.StrictTransport(host, path)
}

// public is all doors on one address. The base URL of a store view cannot lie below the other doors' addresses (package
// shop refuses it), so the storefront takes whatever is left.
func (d doors) public(withConsole bool) door {
	of := func(r *http.Request) door {
		switch path := r.URL.Path; {
		case below(path, console.Root) && withConsole:
			return d.console
		case strings.HasPrefix(path, api.Root):
			return d.api
		case path == api.GraphPath:
			return d.graphql
		case path == api.RequestTokenPath || path == api.AccessTokenPath:
			return d.handshake
		case api.IsOAuth2(path):
			return d.oauth2
		}
		return d.storefront
	}
	return door{
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { of(r).ServeHTTP(w, r) }),
		func(w http.ResponseWriter, r *http.Request, f web.Failure) { of(r).fail(w, r, f) },
	}
}

// alone is the console on an address of its own, whose root leads to it.
func (d doors) alone() door {
	root := web.Door{Fail: d.console.fail}.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return web.WrongMethod("GET, HEAD")
		}
		w.Header().Set("Location", console.Root)
		w.WriteHeader(http.StatusFound)
		return nil
	})
	return door{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			root.ServeHTTP(w, r)
			return
		}
		d.console.ServeHTTP(w, r)
	}), d.console.fail}
}

// below tells whether a path is a folder's or inside it.
func below(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, folder)
	return ok && (rest == "" || rest[0] == '/')
}
