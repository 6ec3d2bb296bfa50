package api

import (
	"net/http"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// caller is who makes a request, as its token or its signature tells.
type caller struct {
	bearer token.Bearer // Kind says whether it is a customer, an administrator or an integration

	// allow gives the permit for a right of the store's staff, or Commerce's refusal; a customer is always refused.
	allow func(admin.Right) (admin.Permit, error)
}

// caller finds out who makes a request: an integration that signed it by OAuth 1.0a, or whoever a bearer token speaks
// for. An integration's own token is a bearer token only where the store's setting says so. Errors: fault
// Unauthenticated for everything that is not good, and for a request of nobody.
func (a *API) caller(r *http.Request) (caller, error) {
	if token.IsSigned(r.Header.Get("Authorization"), r.URL.RawQuery) {
		return a.signer(r)
	}
	given := bearerOf(r)
	if given.IsEmpty() {
		return caller{}, notAuthorized()
	}
	stores, err := a.Shop.Load(r.Context())
	if err != nil {
		return caller{}, err
	}
	kinds := []string{token.CustomerToken, token.AdminToken}
	if stores.Bool(shop.IntegrationAsBearer) {
		kinds = append(kinds, token.IntegrationToken)
	}
	bearer, err := a.Tokens.Check(r.Context(), given, kinds...)
	if fault.Is(err, fault.Unauthenticated) {
		return caller{}, notAuthorized()
	}
	if err != nil {
		return caller{}, err
	}
	return a.callerOf(r, bearer)
}

// callerOf knows what each kind of bearer may do.
func (a *API) callerOf(r *http.Request, bearer token.Bearer) (caller, error) {
	c := caller{bearer: bearer, allow: func(right admin.Right) (admin.Permit, error) { return admin.Permit{}, notGranted(right) }}
	switch bearer.Kind {
	case token.AdminToken:
		var who admin.Admin
		err := a.DB.Read(r.Context(), func(tx *db.Tx) (err error) {
			who, err = admin.Find(r.Context(), tx, bearer.AdminID)
			return err
		})
		if err != nil {
			return caller{}, err
		}
		c.allow = func(right admin.Right) (admin.Permit, error) { return granted(right)(admin.Allow(who, right)) }
	case token.IntegrationToken:
		var program admin.Program
		err := a.DB.Read(r.Context(), func(tx *db.Tx) (err error) {
			program, err = token.Program(r.Context(), tx, bearer)
			return err
		})
		if fault.Is(err, fault.Unauthenticated) {
			return caller{}, notAuthorized()
		}
		if err != nil {
			return caller{}, err
		}
		c.allow = func(right admin.Right) (admin.Permit, error) {
			return granted(right)(admin.AllowProgram(program, right))
		}
	}
	return c, nil
}

// granted turns a refusal of a right into Commerce's, which names the resource.
func granted(right admin.Right) func(admin.Permit, error) (admin.Permit, error) {
	return func(p admin.Permit, err error) (admin.Permit, error) {
		if fault.Is(err, fault.Forbidden) {
			return admin.Permit{}, notGranted(right)
		}
		return p, err
	}
}

// resources are Commerce's names of what a right reaches. What Commerce has no name for is called by ours.
var resources = map[admin.Right]string{
	admin.ViewCustomers:   "Magento_Customer::customer",
	admin.EditCustomers:   "Magento_Customer::manage",
	admin.DeleteCustomers: "Magento_Customer::delete",
	admin.ResetPassword:   "Magento_Customer::reset_password",
	admin.ForceSignIn:     "Magento_Customer::invalidate_tokens",
	admin.ManagePrograms:  "Magento_Integration::integrations",
}

func notGranted(right admin.Right) error {
	name, ok := resources[right]
	if !ok {
		name = string(right)
	}
	return refuse(fault.Unauthenticated, "token.dead", "The consumer isn't authorized to access this.",
		map[string]any{"resources": name})
}
