package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

func nobody(id int64) string {
	return fmt.Sprintf(`{"message":"No such entity with %%fieldName = %%fieldValue","parameters":{"fieldName":"customerId","fieldValue":%d}}`, id)
}

// byNumber is every address that names a customer by number, with the right that it wants.
func byNumber(id int64) map[string]ask {
	at := "/rest/V1/customers/" + itoa(id)
	return map[string]ask{
		"Magento_Customer::customer":          {method: "GET", path: at},
		"customer":                            {method: "GET", path: at + "/tokens"},
		"readonly":                            {method: "GET", path: at + "/permissions/readonly"},
		"Magento_Customer::manage":            {method: "PUT", path: at, body: `{"customer":{"firstname":"Eve"}}`},
		"confirm":                             {method: "GET", path: at + "/confirm"},
		"Magento_Customer::invalidate_tokens": {method: "DELETE", path: at + "/tokens"},
		"Magento_Customer::reset_password":    {method: "POST", path: at + "/password-reset"},
		"customers.unlock":                    {method: "POST", path: at + "/unlock"},
		"Magento_Customer::delete":            {method: "DELETE", path: at},
	}
}

func TestAdministratorOfOneWebsiteCannotNameAnothers(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		own, foreign := h.Customer("lune_en", "camille@lune.test"), h.Customer("nord_en", "otto@nord.test")
		held := h.ask(ask{method: "POST", host: "nord.test", path: "/rest/V1/integration/customer/token",
			body: object("username", foreign.Email, "password", fixture.Password)})
		bearer := h.admin("lena", admin.Owner, own.WebsiteID)
		for why, one := range byNumber(foreign.ID) {
			one.bearer = bearer
			stranger := byNumber(999)[why]
			stranger.bearer = bearer
			h.want(why+" of another website's", one, 404, nobody(foreign.ID))
			h.want(why+" of nobody", stranger, 404, nobody(999))
		}
		if names, total := h.names(criteria(nil), bearer); total != 1 || names != "Camille" {
			t.Errorf("a search finds %q, %d in all", names, total)
		}
		if _, total := h.names(criteria([]string{"0 website_id eq " + itoa(foreign.WebsiteID), "0 email eq " + foreign.Email}), bearer); total != 0 {
			t.Errorf("a search for the other website finds %d", total)
		}
		got := h.ask(ask{method: "POST", path: "/rest/V1/customers", bearer: bearer,
			body: `{"customer":{"email":"new@nord.test","firstname":"A","lastname":"B","website_id":` + itoa(foreign.WebsiteID) + `}}`})
		if got.status != 404 {
			t.Errorf("a new account at another website: %d %s", got.status, got.body)
		}
		if now := h.Find(foreign.ID); now.Firstname != foreign.Firstname || !now.Active || now.TokenGeneration != foreign.TokenGeneration {
			t.Errorf("the foreign customer was touched: %+v", now)
		}
		var token string
		if err := json.Unmarshal([]byte(held.body), &token); err != nil {
			t.Fatal(err)
		}
		there := me(token)
		there.host = "nord.test"
		if got := h.ask(there); got.status != 200 {
			t.Errorf("the foreign customer's token: %d %s", got.status, got.body)
		}
		if len(h.links()) != 0 {
			t.Error("a letter went out")
		}
	})
}

// Guests, customers and administrators without the right read which resource they lack.
func TestEveryAddressByNumberWantsItsRight(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		own, viewer := h.token(c.Email, fixture.Password), h.admin("vera", "viewer", 0)
		for resource, one := range byNumber(c.ID) {
			for who, bearer := range map[string]string{"a guest": "", "the customer": own, "a viewer": viewer} {
				one.bearer = bearer
				got := h.ask(one)
				reads := resource == "Magento_Customer::customer" || resource == "customer" || resource == "readonly"
				if who == "a viewer" && reads {
					if got.status != 200 {
						t.Errorf("%s, %s: %d %s", who, resource, got.status, got.body)
					}
					continue
				}
				if got.status != 401 || strings.Contains(resource, ":") && got.body != lacks(resource) {
					t.Errorf("%s, %s: %d %s", who, resource, got.status, got.body)
				}
			}
		}
		h.want("a viewer looks only", ask{method: "GET", path: "/rest/V1/customers/" + itoa(c.ID) + "/permissions/readonly", bearer: viewer}, 200, "true")
	})
}

func TestTheStoreChangesAndDeletesAnAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bearer := h.admin("ada", admin.Owner, 0)
		got := h.ask(ask{method: "POST", path: "/rest/V1/customers", bearer: bearer,
			body: `{"customer":{"email":"erp@lune.test","firstname":"Eva","lastname":"Rex","group_id":3,"storeId":` + itoa(h.View("lune_fr").ID) + `}}`})
		id := got.number(t, "id")
		if got.status != 200 || got.number(t, "group_id") != 3 || got.number(t, "store_id") != h.View("lune_fr").ID {
			t.Fatalf("a new account: %d %s", got.status, got.body)
		}
		at := "/rest/V1/customers/" + itoa(id)
		h.want("itself", ask{method: "GET", path: at, bearer: bearer}, 200, got.body)
		h.want("what was read, sent back", ask{method: "PUT", path: at, bearer: bearer, body: `{"customer":` + got.body + `}`}, 200, got.body)
		changed := h.ask(ask{method: "PUT", path: at, bearer: bearer, body: `{"customer":{"id":999,"lastname":"Roy","groupId":2,"addresses":[` + paris + `]}}`})
		if changed.status != 200 || changed.number(t, "id") != id || changed.number(t, "group_id") != 2 || !strings.Contains(changed.body, "Paris") {
			t.Errorf("changed: %d %s", changed.status, changed.body)
		}
		for member, value := range map[string]string{"email": `"b@lune.test"`, "website_id": "1", "loyalty": "7"} {
			h.want(member, ask{method: "PUT", path: at, bearer: bearer, body: `{"customer":{"` + member + `":` + value + `}}`}, 400,
				`{"message":"\"%fieldName\" cannot be changed by the web API. Leave it out and try again.","parameters":{"fieldName":"`+member+`"}}`)
		}
		h.want("valid", ask{method: "PUT", path: "/rest/V1/customers/validate", bearer: bearer, body: `{"customer":{"email":"a@b.test","firstname":"A","lastname":"B"}}`},
			200, `{"valid":true,"messages":[]}`)
		h.want("not valid", ask{method: "PUT", path: "/rest/V1/customers/validate", bearer: bearer, body: `{"customer":{"email":"a@b@c","firstname":"A","lastname":"B"}}`},
			200, `{"valid":false,"messages":["The email address is incorrect. Verify the email address and try again."]}`)
		h.want("deleted", ask{method: "DELETE", path: at, bearer: bearer}, 200, "true")
		h.want("gone", ask{method: "GET", path: at, bearer: bearer}, 404, nobody(id))
		h.want("gone already", ask{method: "DELETE", path: at, bearer: bearer}, 404, nobody(id))
	})
}

func TestForceSignInByTheAPI(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.Customer("lune_en", "camille@lune.test"), h.Customer("lune_en", "other@lune.test")
		bearer := h.admin("ada", "support", 0)
		first, second, foreign := h.token(c.Email, fixture.Password), h.token(c.Email, fixture.Password), h.token(other.Email, fixture.Password)
		at := "/rest/V1/customers/" + itoa(c.ID) + "/tokens"
		list := func(customerID int64) (all []map[string]any) {
			got := h.ask(ask{method: "GET", path: "/rest/V1/customers/" + itoa(customerID) + "/tokens", bearer: bearer})
			if err := json.Unmarshal([]byte(got.body), &all); err != nil || got.status != 200 || strings.Contains(got.body, first) {
				t.Fatalf("%d %s", got.status, got.body)
			}
			return all
		}
		newest := list(c.ID)[0]["id"].(string)
		one := ask{method: "DELETE", path: at + "/" + newest, bearer: bearer}
		none := `{"message":"No such entity with %fieldName = %fieldValue","parameters":{"fieldName":"tokenId","fieldValue":"` + newest + `"}}`
		h.want("another customer's token by this number", ask{method: "DELETE", path: "/rest/V1/customers/" + itoa(other.ID) + "/tokens/" + newest, bearer: bearer}, 404, none)
		h.want("one token", one, 200, "true")
		h.want("it is dead", me(second), 401, unauthorized)
		h.want("once more", one, 404, none)
		if got := h.ask(me(first)); got.status != 200 || len(list(c.ID)) != 1 {
			t.Errorf("the other one: %d %s", got.status, got.body)
		}
		if _, err := h.SignIn.SignIn(context.Background(), h.View("lune_en"), c.Email, secret.NewText(fixture.Password), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		h.want("Force Sign-In", ask{method: "DELETE", path: at, bearer: bearer}, 200, `{"tokens":1,"sessions":0}`)
		h.want("it is dead too", me(first), 401, unauthorized)
		h.want("with nothing to end", ask{method: "DELETE", path: at, bearer: bearer}, 200, `{"tokens":0,"sessions":0}`)
		h.want("sessions too", ask{method: "DELETE", path: at + "?sessions=true", bearer: bearer}, 200, `{"tokens":0,"sessions":1}`)
		if got := h.ask(me(foreign)); got.status != 200 {
			t.Errorf("another customer's token: %d %s", got.status, got.body)
		}
	})
}

func TestResetAndUnlockByTheAPI(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		bearer := h.admin("ada", "support", 0)
		at := "/rest/V1/customers/" + itoa(c.ID)
		send := ask{method: "POST", path: at + "/password-reset", bearer: bearer}
		h.want("Reset Password", send, 200, "true")
		links := h.links()
		if len(links) != 1 {
			t.Fatalf("%d letters", len(links))
		}
		got := h.ask(send)
		if got.status != 429 || got.header.Get("Retry-After") != "600" || strings.Contains(got.body, links[0]) {
			t.Errorf("at once again: %d, Retry-After %q, %s", got.status, got.header.Get("Retry-After"), got.body)
		}
		for range 10 {
			h.ask(signIn(c.Email, "not-the-one"))
		}
		h.want("locked", signIn(c.Email, fixture.Password), 401, incorrect)
		h.want("unlocking", ask{method: "POST", path: at + "/unlock", bearer: bearer}, 200, "true")
		h.token(c.Email, fixture.Password)
	})
}

func TestWrongUnknownLockedAdministratorsAnswerAlike(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.admin("ada", admin.Owner, 0)
		h.want("a wrong password", adminSignIn("ada", "not-the-one"), 401, incorrect)
		h.want("an unknown name", adminSignIn("nobody", fixture.Password), 401, incorrect)
		for range 6 {
			h.ask(adminSignIn("ada", "not-the-one"))
		}
		h.want("the right password of a locked one", adminSignIn("ADA", fixture.Password), 401, incorrect)
		h.want("a customer's password", adminSignIn(h.Customer("lune_en", "camille@lune.test").Email, fixture.Password), 401, incorrect)
	})
}

func TestAdminTokensDieWithTheirPassword(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		ada, bob := h.admin("ada", admin.Owner, 0), h.admin("bob", admin.Owner, 0)
		show := func(bearer string) ask {
			return ask{method: "GET", path: "/rest/V1/customers/" + itoa(c.ID), bearer: bearer}
		}
		if got := h.ask(show(ada)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		h.want("it is no customer's token", me(ada), 401, unauthorized)
		manage := admin.CommandLine(admin.ManageAdmins)
		if err := h.Admins.SetPassword(context.Background(), manage, "ada", secret.NewText("another-secret-9")); err != nil {
			t.Fatal(err)
		}
		h.want("after a new password", show(ada), 401, lacks("Magento_Customer::customer"))
		if got := h.ask(show(bob)); got.status != 200 {
			t.Errorf("another administrator's: %d %s", got.status, got.body)
		}
		h.Set(shop.AdminTokenLifetime, "2")
		short := h.admin("carl", admin.Owner, 0)
		h.clock.Advance(2*time.Hour - time.Second)
		if got := h.ask(show(short)); got.status != 200 {
			t.Errorf("within its lifetime: %d %s", got.status, got.body)
		}
		h.clock.Advance(2 * time.Second)
		h.want("after its lifetime", show(short), 401, lacks("Magento_Customer::customer"))
	})
}

func TestTheDescriptionIsAlsoAPage(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		get := func(path, accept string) *httptest.ResponseRecorder {
			return h.raw(ask{method: "GET", path: path}.with("Accept", accept))
		}
		page := get("/rest/docs", "*/*")
		for _, want := range []string{"<h1>Rekey web API</h1>", "/rest/V1/customers/{customerId}/tokens", "<code>Retry-After</code>", `href="/rest/docs.css"`} {
			if !strings.Contains(page.Body.String(), want) {
				t.Errorf("the page does not hold %s", want)
			}
		}
		for _, from := range []string{"http://", "https://", "<script", "style=", "//cdn"} {
			if strings.Contains(page.Body.String(), from) {
				t.Errorf("the page holds %s: it needs nothing from elsewhere", from)
			}
		}
		rows := []struct{ path, accept, media, why string }{
			{"/rest/schema", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", "a browser"},
			{"/rest/schema", "application/json", "application/json; charset=utf-8", "a program"},
			{"/rest/schema", "*/*", "application/json; charset=utf-8", "whoever takes anything"},
			{"/rest/lune_fr/docs", "text/html", "text/html; charset=utf-8", "below a store code"},
			{"/rest/docs.css", "text/css,*/*;q=0.1", "text/css; charset=utf-8", "its style"},
		}
		for _, r := range rows {
			if got := get(r.path, r.accept); got.Code != 200 || got.Header().Get("Content-Type") != r.media {
				t.Errorf("%s: %d %s", r.why, got.Code, got.Header().Get("Content-Type"))
			}
		}
		if got := get("/rest/schema", "application/xml"); got.Code != 406 {
			t.Errorf("XML: %d", got.Code)
		}
	})
}
