package api_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// Every route for the store's staff that names a customer or a token, asked by the owner of one website for what is another's:
// the answer is the one to a name of nothing, and nothing has happened. The routes are the router's own, so a new one cannot
// be left out.
func TestNoStaffRouteReachesAnotherWebsite(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		own, foreign := h.Customer("lune_en", "camille@lune.test"), h.Customer("nord_en", "otto@nord.test")
		held := h.ask(ask{method: "POST", host: "nord.test", path: "/rest/V1/integration/customer/token",
			body: object("username", foreign.Email, "password", fixture.Password)})
		if held.status != 200 {
			t.Fatalf("a token at the other website: %d", held.status)
		}
		var tokens []token.Token
		h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			tokens, err = token.ListOf(ctx, tx, foreign.ID)
			return err
		})
		bearer := h.admin("lena", admin.Owner, own.WebsiteID)
		const nothing = "00000000000000000000000000"
		theirs := map[string]string{"{customerId}": itoa(foreign.ID), "{tokenId}": tokens[0].ID.String(), "{email}": foreign.Email}
		nobodys := map[string]string{"{customerId}": "999", "{tokenId}": nothing, "{email}": "none@nord.test"}
		website := itoa(foreign.WebsiteID)
		bodies := map[string]string{ // by route; those that name nobody in their path name somebody there
			"PUT /V1/customers/{customerId}":     `{"customer":{"firstname":"Eve"}}`,
			"PUT /V1/customers/{email}/activate": `{"confirmationKey":"` + strings.Repeat("g", 43) + `"}`,
			"POST /V1/customers/confirm":         `{"email":"{email}","websiteId":` + website + `}`,
			"PUT /V1/customers/validate":         `{"customer":{"email":"{email}","firstname":"A","lastname":"B","website_id":` + website + `}}`,
		}
		queries := map[string]string{"GET /V1/customers/search": "?searchCriteria[filter_groups][0][filters][0][field]=email&searchCriteria[filter_groups][0][filters][0][value]={email}"}
		for _, r := range api.StaffRoutes() {
			route := r[0] + " " + r[1]
			send := func(names map[string]string) (int, string) {
				path, body := r[1]+queries[route], bodies[route]
				for place, name := range names {
					path, body = strings.ReplaceAll(path, place, name), strings.ReplaceAll(body, place, name)
				}
				if strings.Contains(path, "{") {
					t.Fatalf("%s names something; say here what, so that this test asks for another website's", route)
				}
				got := h.ask(ask{method: r[0], path: "/rest" + path, body: body, bearer: bearer})
				for _, place := range []string{"{tokenId}", "{email}", "{customerId}"} { // a number may be part of a longer name
					got.body = strings.ReplaceAll(got.body, names[place], "NAME")
				}
				return got.status, got.body
			}
			status, body := send(theirs)
			wantStatus, wantBody := send(nobodys)
			if strings.Contains(r[1], "{customerId}") && status != 404 || status != wantStatus || body != wantBody {
				t.Errorf("%s: another website's gives %d %s, nothing %d %s", route, status, body, wantStatus, wantBody)
			}
		}
		if now := h.Find(foreign.ID); now.Firstname != foreign.Firstname || !now.Active || now.TokenGeneration != foreign.TokenGeneration || len(h.links()) != 0 {
			t.Errorf("the other website's customer was touched: %+v", now)
		}
	})
}
