package app

import (
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/console"
	"github.com/rekeyhq/rekey/web/webtest"
)

// Every listener of a running server, with one address of every door: nothing is mounted outside of what guards the rest. What
// lies behind each door is judged by its own TestEveryRouteIsGuarded.
func TestEveryListenerIsGuarded(t *testing.T) {
	c := config(t, t.TempDir())
	c.ConsoleListen, c.MetricsListen = "127.0.0.1:0", "127.0.0.1:0"
	n := start(t, c)
	probes := []webtest.Route{{Method: "GET", Path: "/healthz"}, {Method: "GET", Path: "/readyz"}}
	for name, door := range map[string]struct {
		base   string
		routes []webtest.Route
	}{
		"public": {n.at.Storefront, append(probes, webtest.Route{Method: "GET", Path: "/"}, webtest.Route{Method: "GET", Path: "/customer/account/login"},
			webtest.Route{Method: "GET", Path: api.Root + "schema"}, webtest.Route{Method: "POST", Path: api.GraphPath}, webtest.Route{Method: "POST", Path: api.RequestTokenPath},
			webtest.Route{Method: "POST", Path: "/oauth2/token"}, webtest.Route{Method: "GET", Path: "/.well-known/openid-configuration"},
			webtest.Route{Method: "GET", Path: "/.well-known/change-password"})},
		"console": {strings.TrimSuffix(n.at.Console, console.Root), append(probes, webtest.Route{Method: "GET", Path: console.Root + "/login"}, webtest.Route{Method: "GET", Path: "/"})},
		"metrics": {strings.TrimSuffix(n.at.Metrics, "/metrics"), append(probes, webtest.Route{Method: "GET", Path: "/metrics"})},
	} {
		t.Run(name, func(t *testing.T) {
			to, err := url.Parse(door.base)
			if err != nil {
				t.Fatal(err)
			}
			webtest.Door{Base: door.base, Handler: httputil.NewSingleHostReverseProxy(to), Routes: door.routes}.Judge(t)
		})
	}
}
