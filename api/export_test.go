package api

import (
	"github.com/graph-gophers/graphql-go/ast"

	"github.com/rekeyhq/rekey/web/webtest"
)

// Routes is the table of REST.
func Routes() (all []webtest.Route) {
	for _, r := range routes {
		all = append(all, webtest.Route{Method: r.method, Path: r.path})
	}
	return all
}

// StaffRoutes are the methods and paths of every route for the store's staff, for tests that must not forget one.
func StaffRoutes() (all [][2]string) {
	for _, r := range routes {
		if r.right != "" {
			all = append(all, [2]string{r.method, r.path})
		}
	}
	return all
}

// OAuth2Routes is the table of OAuth 2.1 and OpenID Connect.
func OAuth2Routes() (all []webtest.Route) {
	for _, r := range oauth2Routes {
		for _, method := range r.methods {
			all = append(all, webtest.Route{Method: method, Path: r.path})
		}
	}
	return all
}

// Schema is the schema of the GraphQL door, for tests that go through all of it.
func (g *Graph) Schema() *ast.Schema { return g.schema.AST() }
