// Package api is the programs' door: the REST endpoints of Adobe Commerce that concern accounts, passwords and tokens.
// Administrators and integrations call the same addresses as in Commerce, with the rights that they were given.
//
// Promises:
//   - Paths, bodies, texts and status codes are Adobe Commerce's, so that an existing client goes on by changing its base
//     URL. Where those tell who is a customer, the shape stays and the leak does not: a known and an unknown address,
//     a right and a wrong customer number read the same bytes.
//   - A body is one JSON object in which each key stands once, in one spelling, and each value is a scalar where a
//     scalar is meant; what two readers could read in two ways is refused before anything is done.
//   - Who calls is told by the bearer token alone, never by a cookie, so no other site can make a browser call in a
//     customer's name. A token is good at its own website only.
//   - No rule of the store is here: each handler reads, asks one use case and renders. Which error reads how is said
//     in one table.
//   - GraphQL (Graph) answers the same questions from the same use cases, with Commerce's operations, categories and texts.
//   - openapi.yaml describes all of REST, and the tests hold each request and answer to it.
package api

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// Root is the path below which the API answers, for the listener that mounts it.
const Root = "/rest/"

// API serves the REST endpoints of all store views. Its fields are set before Prepare and not changed later.
type API struct {
	DB        *db.DB
	Shop      *shop.Shop
	Customers *customer.Service
	Admins    *admin.Service
	Tokens    *token.Service
	Recovery  *recovery.Service
	Puzzles   *puzzle.Service
	Log       *slog.Logger

	routes []route
	schema []byte
	docs   []byte
}

// route is one address and what answers it. Its path begins after /rest and the store code; a segment in braces matches
// anything, {customerId} digits only. Of several that match the first counts.
type route struct {
	method, path string
	handle       func(*call) (answer any, err error)
	self         bool        // for a customer's own token
	scope        string      // of self: an app to which the customer granted it may call as well; "" for no app
	right        admin.Right // for administrators and integrations that have it
	page         bool        // answers browsers too: any Accept will do

	segments []string
}

var routes = []route{
	{method: "GET", path: "/schema", handle: (*call).describe, page: true},
	{method: "GET", path: "/docs", handle: (*call).showDocs, page: true},
	{method: "GET", path: "/docs.css", handle: (*call).styleDocs, page: true},

	{method: "POST", path: "/V1/integration/customer/token", handle: (*call).issueToken},
	{method: "POST", path: "/V1/integration/admin/token", handle: (*call).issueAdminToken},
	{method: "POST", path: "/V1/tfa/provider/google/authenticate", handle: (*call).issueAdminTokenByCode},
	{method: "POST", path: "/V1/integration/customer/revoke-customer-token", handle: (*call).revokeTokens, self: true},

	{method: "POST", path: "/V1/customers", handle: (*call).createCustomer},
	{method: "GET", path: "/V1/customers/me", handle: (*call).showMe, self: true, scope: token.ReadAccount},
	{method: "PUT", path: "/V1/customers/me", handle: (*call).changeMe, self: true, scope: token.WriteAccount},
	{method: "PUT", path: "/V1/customers/me/activate", handle: (*call).activateMe},
	{method: "POST", path: "/V1/customers/isEmailAvailable", handle: (*call).isEmailAvailable},
	{method: "PUT", path: "/V1/customers/{email}/activate", handle: (*call).activate, right: admin.EditCustomers},
	{method: "POST", path: "/V1/customers/confirm", handle: (*call).resendConfirmation, right: admin.EditCustomers},
	{method: "PUT", path: "/V1/customers/validate", handle: (*call).validate, right: admin.EditCustomers},

	{method: "GET", path: "/V1/customers/search", handle: (*call).search, right: admin.ViewCustomers},
	{method: "GET", path: "/V1/customers/{customerId}", handle: (*call).showCustomer, right: admin.ViewCustomers},
	{method: "PUT", path: "/V1/customers/{customerId}", handle: (*call).changeCustomer, right: admin.EditCustomers},
	{method: "DELETE", path: "/V1/customers/{customerId}", handle: (*call).deleteCustomer, right: admin.DeleteCustomers},
	{method: "GET", path: "/V1/customers/{customerId}/confirm", handle: (*call).confirmation, right: admin.EditCustomers},
	{method: "GET", path: "/V1/customers/{customerId}/permissions/readonly", handle: (*call).readonly, right: admin.ViewCustomers},
	{method: "GET", path: "/V1/customers/{customerId}/tokens", handle: (*call).listTokens, right: admin.ViewCustomers},
	{method: "DELETE", path: "/V1/customers/{customerId}/tokens", handle: (*call).forceSignIn, right: admin.ForceSignIn},
	{method: "DELETE", path: "/V1/customers/{customerId}/tokens/{tokenId}", handle: (*call).revokeToken, right: admin.ForceSignIn},
	{method: "POST", path: "/V1/customers/{customerId}/password-reset", handle: (*call).sendReset, right: admin.ResetPassword},
	{method: "POST", path: "/V1/customers/{customerId}/unlock", handle: (*call).unlock, right: admin.UnlockCustomer},

	{method: "PUT", path: "/V1/customers/password", handle: (*call).requestReset},
	{method: "GET", path: "/V1/customers/{customerId}/password/resetLinkToken/{resetPasswordLinkToken}", handle: (*call).checkLink},
	{method: "POST", path: "/V1/customers/resetPassword", handle: (*call).resetPassword},
	{method: "PUT", path: "/V1/customers/me/password", handle: (*call).changePassword, self: true},
}

// Prepare reads the description of the API. It fails on a broken one, so that the program does not start with it.
func (a *API) Prepare() (err error) {
	a.routes = make([]route, len(routes))
	for i, r := range routes {
		r.segments = strings.Split(r.path[1:], "/")
		a.routes[i] = r
	}
	if a.schema, err = schemaJSON(); err != nil {
		return err
	}
	a.docs, err = docsPage()
	return err
}

// ServeHTTP answers everything below Root.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{API: a, w: w, r: r}
	door := web.Door{Log: a.Log, Fail: Fail, Invalid: http.StatusBadRequest}
	door.Handle(func(http.ResponseWriter, *http.Request) error { return c.serve() }).ServeHTTP(w, r)
}
