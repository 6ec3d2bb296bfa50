package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// appToken is an OAuth 2 access token of an app, as the token endpoint makes them.
func appToken(h *fixture.House, c customer.Customer, kind, scope string) (made string) {
	h.T.Helper()
	view := h.View("lune_en")
	data, _ := json.Marshal(map[string]int64{"v": view.ID})
	h.Write(func(ctx context.Context, tx *db.Tx) error {
		_, text, err := token.Put(ctx, tx, token.New{Kind: kind, CustomerID: c.ID, Scope: scope, Data: string(data), Generation: c.TokenGeneration,
			Life: time.Hour, Holder: "ERP"}, fixture.Origin)
		made = text.Reveal()
		return err
	})
	return made
}

func TestAnAppReachesWhatItsCustomerGranted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		with := func(scope string) string { return appToken(h.House, c, token.OAuthAccess, scope) }
		reads, writes, signsIn := with("openid account:read"), with("account:write"), with("openid profile email offline_access")
		change := func(bearer string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/me", bearer: bearer, body: `{"customer":{"firstname":"Zoé"}}`}
		}
		for _, row := range []struct {
			why    string
			a      ask
			status int
			says   string // of WWW-Authenticate
		}{
			{"reading, with the scope", me(reads), 200, ""},
			{"writing, with the scope", change(writes), 200, ""},
			{"writing, with the scope to read", change(reads), 403, `Bearer error="insufficient_scope", scope="account:write"`},
			{"reading, with the scope to write", me(writes), 403, `Bearer error="insufficient_scope", scope="account:read"`},
			{"an app that only signs in", me(signsIn), 403, `Bearer error="insufficient_scope", scope="account:read"`},
			{"a refresh token is no access token", me(appToken(h.House, c, token.OAuthRefresh, "account:read")), 401, "Bearer"},
			{"the website next door", ask{method: "GET", path: "/rest/nord_en/V1/customers/me", bearer: reads}, 401, "Bearer"},
			{"the password is the customer's own", ask{method: "PUT", path: "/rest/V1/customers/me/password", bearer: writes,
				body: object("currentPassword", fixture.Password, "newPassword", "another-secret-8")}, 403, `Bearer error="insufficient_scope"`},
			{"so is the address", ask{method: "PUT", path: "/rest/V1/customers/me", bearer: writes,
				body: `{"customer":{"email":"other@lune.test"},"password":"` + fixture.Password + `"}`}, 403, `Bearer error="insufficient_scope"`},
			{"so is signing all programs out", ask{method: "POST", path: "/rest/V1/integration/customer/revoke-customer-token", bearer: writes}, 403, `Bearer error="insufficient_scope"`},
			{"the store's customers are nobody's scope", ask{method: "GET", path: "/rest/V1/customers/search", bearer: reads}, 401, "Bearer"},
		} {
			got := h.ask(row.a)
			if got.status != row.status || got.header.Get("WWW-Authenticate") != row.says {
				t.Errorf("%s: %d %q %s", row.why, got.status, got.header.Get("WWW-Authenticate"), got.body)
			}
		}
		h.force(c.ID)
		if got := h.ask(me(reads)); got.status != 401 {
			t.Errorf("after Force Sign-In: %d", got.status)
		}
	})
}

func TestAnAppReachesWhatItsCustomerGrantedByGraphQL(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		reads := appToken(g.House, c, token.OAuthAccess, "account:read")
		ask := func(text string) ask {
			q := query(text)
			q.bearer = reads
			return q
		}
		if got := g.ask(ask("{ customer { email } }")); got.body != `{"data":{"customer":{"email":"camille@lune.test"}}}` {
			t.Errorf("reading: %s", got.body)
		}
		for _, change := range []string{
			`mutation { updateCustomerV2(input: {firstname: "Zoé"}) { customer { firstname } } }`,
			`mutation { changeCustomerPassword(currentPassword: "` + fixture.Password + `", newPassword: "another-secret-8") { email } }`,
			`mutation { updateCustomerEmail(email: "other@lune.test", password: "` + fixture.Password + `") { customer { email } } }`,
			`mutation { deleteCustomer }`,
		} {
			if got := g.ask(ask(change)); !strings.Contains(got.body, `"category":"graphql-authorization"`) {
				t.Errorf("%s: %s", change, got.body)
			}
		}
	})
}

func TestANewAddressByRESTNeedsThePasswordAndItsOwnersAnswer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		h.Customer("lune_en", "taken@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		move := func(to, password string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/me", bearer: bearer, body: `{"customer":{"email":"` + to + `"}` + password + `}`}
		}
		h.want("without the password", move("new@lune.test", ""), 400,
			`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"password"}}`)
		h.want("with a wrong one", move("new@lune.test", `,"password":"wrong-word-9"`), 401,
			`{"message":"The password doesn't match this account. Verify the password and try again."}`)
		free, taken := h.ask(move("new@lune.test", `,"password":"`+fixture.Password+`"`)), h.ask(move("taken@lune.test", `,"password":"`+fixture.Password+`"`))
		if free.status != 200 || free.body != taken.body || !strings.Contains(free.body, `"email":"camille@lune.test"`) {
			t.Errorf("free: %d %s\ntaken: %d %s", free.status, free.body, taken.status, taken.body)
		}
		h.want("its own address, in another case, is no change", move("Camille@Lune.test", ""), 200, h.ask(me(bearer)).body)
		if now := h.Find(c.ID); now.Email != c.Email {
			t.Errorf("the address changed before its letter was answered: %s", now.Email)
		}
	})
}

// An administrator with a second factor gets a token by the address that Commerce has for it, and by no other.
func TestAdminTokensNeedTheSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := context.Background()
		const word = "a-long-word-for-the-boss"
		if _, err := h.Admins.Create(ctx, admin.CommandLine(admin.ManageAdmins), admin.New{Username: "ines", Email: "ines@lune.test", Password: secret.NewText(word)}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		plain := ask{method: "POST", path: "/rest/V1/integration/admin/token", body: object("username", "ines", "password", word)}
		byCode := func(code string) ask {
			return ask{method: "POST", path: "/rest/V1/tfa/provider/google/authenticate", body: object("username", "ines", "password", word, "otp", code)}
		}
		if got := h.ask(plain); got.status != 200 {
			t.Errorf("without a factor: %d %s", got.status, got.body)
		}
		h.want("a code of nobody's app", byCode("000000"), 400, `{"message":"This account has no second factor yet. Set one up in the console first."}`)
		opened, err := h.Admins.SignIn(ctx, "ines", secret.NewText(word), fixture.Origin)
		if err == nil {
			err = h.Admins.Enrol(ctx, opened.Admin, secret.NewText(word), fixture.Origin)
		}
		if err != nil {
			t.Fatal(err)
		}
		e, err := h.Admins.Pending(ctx, opened.Admin)
		if err != nil {
			t.Fatal(err)
		}
		code := func() string {
			now, err := totp.GenerateCode(e.Secret.Reveal(), h.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		if _, _, err := h.Admins.Confirm(ctx, opened.Admin, code(), fixture.Origin); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Minute)
		h.want("the password alone", plain, 400, `{"message":"Please use the 2fa provider-specific endpoints to obtain a token."}`)
		h.want("a wrong code", byCode("000000"), 401, `{"message":"The code is not right, or was used already. Wait for the next one and try again."}`)
		if got := h.ask(byCode(code())); got.status != 200 {
			t.Errorf("with the code: %d %s", got.status, got.body)
		}
		h.want("the same code again", byCode(code()), 401, `{"message":"The code is not right, or was used already. Wait for the next one and try again."}`)
		h.Set(shop.AdminSecondFactor, shop.SecondFactorRequired)
		if err := h.Admins.ResetFactors(ctx, admin.CommandLine(admin.ManageAdmins), "ines", fixture.Origin); err != nil {
			t.Fatal(err)
		}
		h.want("without a factor, where the store demands one", plain, 400, `{"message":"Please use the 2fa provider-specific endpoints to obtain a token."}`)
	})
}
