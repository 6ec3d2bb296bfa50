package storefront

import "github.com/rekeyhq/rekey/web/webtest"

// Routes is the whole table, for the tests that go through it.
func Routes() (all []webtest.Route) {
	for _, r := range routes {
		all = append(all, webtest.Route{Method: r.method, Path: r.path})
	}
	return all
}

// Landings are the pages that mailed links lead to.
func Landings() map[string]string { return landings }
