package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/web"
)

// graph is a house with the GraphQL API before it.
type graph struct {
	*house
	door    *api.Graph
	handler http.Handler
}

// eachGraph runs f on both engines.
func eachGraph(t *testing.T, f func(*testing.T, *graph)) {
	t.Helper()
	each(t, func(t *testing.T, h *house) {
		log := slog.New(slog.NewTextHandler(h.log, nil))
		door, err := api.NewGraph(&api.API{DB: h.DB, Shop: h.Shop, Customers: h.Customers, Tokens: h.Tokens, Recovery: h.Recovery, Puzzles: h.Puzzles, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle(api.GraphPath, door)
		f(t, &graph{h, door, web.Stack{Log: log, Clock: h.clock.Now, Fail: api.FailGraph}.Wrap(mux)})
	})
}

// ask sends a body as it is.
func (g *graph) ask(a ask) answer {
	g.t.Helper()
	if a.method == "" {
		a.method = "POST"
	}
	r := httptest.NewRequest(a.method, api.GraphPath, strings.NewReader(a.body))
	r.Host = "lune.test"
	if a.host != "" {
		r.Host = a.host
	}
	r.RemoteAddr = "203.0.113.7:4000"
	r.Header.Set("Content-Type", "application/json")
	if a.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	maps.Copy(r.Header, a.header)
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	if !json.Valid(w.Body.Bytes()) {
		g.t.Errorf("the answer is no JSON: %s", w.Body)
	}
	return answer{w.Code, w.Body.String(), w.Header()}
}

// query is a document with its variables, as a request.
func query(document string, variables ...any) ask {
	return ask{body: object("query", document, "variables", json.RawMessage(object(variables...)))}
}

func (a ask) by(bearer string) ask {
	a.bearer = bearer
	return a
}

// want sends a request and compares status and body.
func (g *graph) want(why string, a ask, status int, body string) {
	g.t.Helper()
	if got := g.ask(a); got.status != status || got.body != body {
		g.t.Errorf("%s: %d %s\nwant %d %s", why, got.status, got.body, status, body)
	}
}

// token signs in by GraphQL.
func (g *graph) token(email, password string) string {
	g.t.Helper()
	var got struct {
		Data struct{ GenerateCustomerToken struct{ Token string } }
	}
	answered := g.ask(newToken(email, password))
	if err := json.Unmarshal([]byte(answered.body), &got); err != nil || got.Data.GenerateCustomerToken.Token == "" {
		g.t.Fatalf("no token for %s: %s", email, answered.body)
	}
	return got.Data.GenerateCustomerToken.Token
}

func newToken(email, password string) ask {
	return query(`mutation($e: String!, $p: String!) { generateCustomerToken(email: $e, password: $p) { token } }`, "e", email, "p", password)
}

func askReset(email string) ask {
	return query(`mutation($e: String!) { requestPasswordResetEmail(email: $e) }`, "e", email)
}

func setPassword(email, link, password string) ask {
	return query(`mutation($e: String!, $l: String!, $p: String!) { resetPassword(email: $e, resetPasswordToken: $l, newPassword: $p) }`,
		"e", email, "l", link, "p", password)
}

// failed is the answer to a request of one field that ended in an error.
func failed(a ask, field, message, category string) string {
	var sent struct{ Query string }
	if err := json.Unmarshal([]byte(a.body), &sent); err != nil {
		panic(err)
	}
	column := strings.Index(sent.Query, field) + 1
	return fmt.Sprintf(`{"errors":[{"message":%q,"locations":[{"line":1,"column":%d}],"path":[%q],"extensions":{"category":%q}}],"data":{%q:null}}`,
		message, column, field, category, field)
}

const (
	notCurrent   = "The current customer isn't authorized."
	notRight     = "The account sign-in was incorrect or your account is disabled temporarily. Please wait and try again later."
	wrongLink    = "The password token is mismatched. Reset and try again."
	authenticate = "graphql-authentication"
	authorize    = "graphql-authorization"
	input        = "graphql-input"
)

// Commerce answers "Cannot reset the customer's password" to an address that is nobody's.
func TestUnknownAddressLooksTheSameByGraphQL(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		g.Set(shop.RegistrationAnswerAPI, shop.RegistrationNeutral)
		known := g.Customer("lune_en", "camille@lune.test")
		foreign := g.Customer("nord_en", "otto@nord.test")
		disabled := g.Customer("lune_en", "gone@lune.test")
		unproven := g.Customer("lune_en", "later@lune.test")
		g.disable(disabled.ID)
		g.unconfirm(unproven.ID)
		rows := []struct {
			why string
			ask func(email string) ask
		}{
			{"asking for a letter", askReset},
			{"a wrong password", func(email string) ask { return newToken(email, "not-the-one") }},
			{"a wrong link", func(email string) ask { return setPassword(email, strings.Repeat("A", 43), "new-secret-8") }},
			{"whether it is free", func(email string) ask {
				return query(`query($e: String!) { isEmailAvailable(email: $e) { is_email_available } }`, "e", email)
			}},
			{"the letter once more", func(email string) ask {
				return query(`mutation($e: String!) { resendConfirmationEmail(email: $e) }`, "e", email)
			}},
			{"a wrong confirmation", func(email string) ask {
				return query(`mutation($e: String!) { confirmEmail(input: {email: $e, confirmation_key: "AAA"}) { customer { email } } }`, "e", email)
			}},
			{"a new account, neutrally", func(email string) ask {
				return query(`mutation($e: String!) { createCustomerV2(input: {email: $e, firstname: "A", lastname: "B", password: "new-secret-8"})
					{ customer { id firstname lastname confirmation_status addresses { id } } } }`, "e", email)
			}},
		}
		for _, r := range rows {
			for i := range 7 { // the limit of an address is passed on the way, and stays silent
				want := look(g.ask(r.ask("nobody@lune.test")))
				for _, c := range []string{known.Email, foreign.Email, disabled.Email, unproven.Email} {
					if got := look(g.ask(r.ask(c))); got != want {
						t.Errorf("%s, time %d: %s reads\n%s\nand a stranger's\n%s", r.why, i, c, got, want)
					}
				}
				g.clock.Advance(time.Hour) // the limits per client are not what is compared
			}
		}
	})
}

func TestErrorsCarryCommercesCategoriesAndStatus(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		waiting := g.Customer("lune_en", "later@lune.test")
		g.unconfirm(waiting.ID)
		bearer := g.token(c.Email, fixture.Password)
		change := func(current, next string) ask {
			return query(`mutation($c: String!, $n: String!) { changeCustomerPassword(currentPassword: $c, newPassword: $n) { email } }`, "c", current, "n", next)
		}
		create := func(email, first, password string) ask {
			return query(`mutation($i: CustomerCreateInput!) { createCustomerV2(input: $i) { customer { email } } }`,
				"i", json.RawMessage(object("email", email, "firstname", first, "lastname", "Moreau", "password", password)))
		}
		confirm := func(email, key string) ask {
			return query(`mutation($e: String!, $k: String!) { confirmEmail(input: {email: $e, confirmation_key: $k}) { customer { email } } }`, "e", email, "k", key)
		}
		free := func(email string) ask {
			return query(`query($e: String!) { isEmailAvailable(email: $e) { is_email_available } }`, "e", email)
		}
		rows := []struct {
			why      string
			ask      ask
			status   int
			field    string
			message  string
			category string
		}{
			{"no address", newToken("", "x"), 200, "generateCustomerToken", `Specify the "email" value.`, input},
			{"no password", newToken(c.Email, ""), 200, "generateCustomerToken", `Specify the "password" value.`, input},
			{"a wrong password", newToken(c.Email, "x"), 401, "generateCustomerToken", notRight, authenticate},
			{"what is no address", newToken("camille", "x"), 401, "generateCustomerToken", notRight, authenticate},
			{"an address that is not confirmed", newToken(waiting.Email, fixture.Password), 401, "generateCustomerToken", "This account isn't confirmed. Verify and try again.", authenticate},
			{"a guest revokes", query(`mutation { revokeCustomerToken { result } }`), 403, "revokeCustomerToken", notCurrent, authorize},
			{"a letter for nobody", askReset(""), 200, "requestPasswordResetEmail", "You must specify an email address.", input},
			{"a letter for what is no address", askReset("x"), 200, "requestPasswordResetEmail", "The email address has an invalid format.", input},
			{"a reset for nobody", setPassword("", "l", "p"), 200, "resetPassword", "You must specify an email address.", input},
			{"a reset for what is no address", setPassword("x", "l", "p"), 200, "resetPassword", "The email address has an invalid format.", input},
			{"a reset without a link", setPassword(c.Email, "", "p"), 200, "resetPassword", "resetPasswordToken must be specified", input},
			{"a reset without a password", setPassword(c.Email, "l", ""), 200, "resetPassword", "newPassword must be specified", input},
			{"a link that is none", setPassword(c.Email, "l", "new-secret-8"), 200, "resetPassword", wrongLink, input},
			{"a guest changes", change("x", "y"), 403, "changeCustomerPassword", notCurrent, authorize},
			{"no present password", change("", "y").by(bearer), 200, "changeCustomerPassword", `Specify the "currentPassword" value.`, input},
			{"no new password", change("x", "").by(bearer), 200, "changeCustomerPassword", `Specify the "newPassword" value.`, input},
			{"a wrong present password", change("x", "new-secret-8").by(bearer), 401, "changeCustomerPassword", "Invalid login or password.", authenticate},
			{"a short new password", change(fixture.Password, "x").by(bearer), 200, "changeCustomerPassword",
				"The password needs at least 6 characters. Create a new password and try again.", input},
			{"a bad address for an account", create("x", "Zoé", "new-secret-8"), 200, "createCustomerV2", `"x" is not a valid email address.`, input},
			{"no name for an account", create("zoe@lune.test", "", "new-secret-8"), 200, "createCustomerV2", `"firstname" is required. Enter and try again.`, input},
			{"a short password for an account", create("zoe@lune.test", "Zoé", "x"), 200, "createCustomerV2",
				"The password needs at least 6 characters. Create a new password and try again.", input},
			{"a known address, as Commerce says by default", create(c.Email, "Zoé", "new-secret-8"), 200, "createCustomerV2",
				"A customer with the same email address already exists in an associated website.", input},
			{"a guest asks who it is", query(`{ customer { email } }`), 403, "customer", notCurrent, authorize},
			{"with a token that is none", query(`{ customer { email } }`).by("x"), 403, "customer", notCurrent, authorize},
			{"a guest deletes", query(`mutation { deleteCustomer }`), 403, "deleteCustomer", notCurrent, authorize},
			{"no address to ask about", free(""), 200, "isEmailAvailable", "Email must be specified", input},
			{"what is none to ask about", free("x"), 200, "isEmailAvailable", "Email is invalid", input},
			{"confirming what is no address", confirm("x", "k"), 200, "confirmEmail", "Email is invalid", input},
			{"confirming with a wrong key", confirm(c.Email, "k"), 200, "confirmEmail", "The confirmation token is invalid. Verify the token and try again.", input},
			{"a letter once more for what is no address", query(`mutation { resendConfirmationEmail(email: "x") }`), 200, "resendConfirmationEmail", "Email address is not valid", input},
			{"an entry that is not there", query(`mutation { deleteCustomerAddress(id: 77) }`).by(bearer), 200, "deleteCustomerAddress",
				`Could not find a address with ID "77"`, "graphql-no-such-entity"},
			{"another address by the old update, without the password", query(`mutation { updateCustomer(input: {email: "o@lune.test"}) { customer { email } } }`).by(bearer), 200,
				"updateCustomer", `Provide the current "password" to change "email".`, input},
			{"another address with a wrong password", query(`mutation { updateCustomerEmail(email: "o@lune.test", password: "x") { customer { email } } }`).by(bearer), 401,
				"updateCustomerEmail", "Invalid login or password.", authenticate},
			{"what is no address with the right one", query(`mutation { updateCustomerEmail(email: "o", password: "` + fixture.Password + `") { customer { email } } }`).by(bearer), 200,
				"updateCustomerEmail", `"o" is not a valid email address.`, input},
			{"a guest's other address", query(`mutation { updateCustomerEmail(email: "o@lune.test", password: "x") { customer { email } } }`), 403,
				"updateCustomerEmail", notCurrent, authorize},
		}
		for _, r := range rows {
			g.want(r.why, r.ask, r.status, failed(r.ask, r.field, r.message, r.category))
		}
		g.want("an unknown store view", query(`{ storeConfig { store_code } }`).with("Store", "moon"), 200,
			`{"errors":[{"message":"Requested store is not found (moon)","extensions":{"category":"graphql-input"}}]}`)
		g.want("broken syntax", query(`{ customer `), 400,
			`{"errors":[{"message":"syntax error: unexpected \"\", expecting Ident","locations":[{"line":1,"column":12}],"extensions":{"category":"graphql"}}]}`)
	})
}

func TestAClientsLimitSaysWhenToComeBackByGraphQL(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		g.Set(shop.MaxRequestsPerClient, "2")
		for i := range 2 {
			g.want("within the limit", askReset(fmt.Sprintf("somebody%d@lune.test", i)), 200, `{"data":{"requestPasswordResetEmail":true}}`)
		}
		got := g.ask(askReset("another@lune.test"))
		if got.status != 429 || got.header.Get("Retry-After") != "3600" || !strings.Contains(got.body, `"extensions":{"category":"graphql-input"}`) {
			t.Errorf("%d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
		}
	})
}

func TestDepthComplexityAliasesAndBatchesAreRefused(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		deep := strings.Repeat("ofType { ", api.MaxGraphDepth) + "name" + strings.Repeat(" }", api.MaxGraphDepth)
		aliases := ""
		for i := range api.MaxGraphAliases + 1 {
			aliases += fmt.Sprintf(" a%d: isEmailAvailable(email: \"x\") { is_email_available }", i)
		}
		bomb := "{ storeConfig { ...f0 } }"
		for i := range 40 {
			bomb += fmt.Sprintf(" fragment f%d on StoreConfig { ...f%d ...f%d }", i, i+1, i+1)
		}
		bomb += " fragment f40 on StoreConfig { id }"
		rows := []struct {
			why    string
			ask    ask
			status int
			says   string
		}{
			{"too deep", query(`{ __type(name: "Query") { ` + deep + ` } }`), 400, `"The query is nested more than 16 deep."`},
			{"too many aliases", query("{" + aliases + " }"), 400, `"The query has 21 aliases; at most 20 are allowed. Send several requests instead."`},
			{"fragments that double", query(bomb), 400, `"The query asks for more than 1000 fields, fragments included. Send several requests instead."`},
			{"several operations in one body", ask{body: `[{"query":"{ customer { email } }"}]`}, 400, `"Several operations in one request are not served. Send each one by itself."`},
			{"a body that is too large", query("{ customer { email } } #" + strings.Repeat("x", web.MaxBody)), 413, `The body may have at most 65536 bytes.`},
			{"a form", ask{body: "query={customer{email}}"}.with("Content-Type", "application/x-www-form-urlencoded"), 415, `Server cannot understand Content-Type`},
			{"JSON by another name", query("{ customer { email } }").with("Content-Type", "text/plain"), 415, `Server cannot understand Content-Type`},
			{"GET", ask{method: "GET"}, 405, `"This address does not answer to this kind of request."`},
			{"no document", ask{body: `{}`}, 400, `The body must hold a GraphQL document under \"query\".`},
			{"a document that is a list", ask{body: `{"query":[]}`}, 400, `\"query\" has the wrong type.`},
			{"a document given twice", ask{body: `{"query":"{a}","query":"{b}"}`}, 400, `is given more than once`},
			{"from another site", query("{ customer { email } }").with("Sec-Fetch-Site", "cross-site"), 403, `This request came from another site`},
			{"a subscription", query("subscription { customer }"), 400, `"category":"graphql"`},
		}
		for _, r := range rows {
			got := g.ask(r.ask)
			if got.status != r.status || !strings.Contains(got.body, r.says) || strings.Contains(got.body, `"data"`) || strings.Count(got.body, `"message"`) > 20 {
				t.Errorf("%s: %d %s\nwant %d and %s", r.why, got.status, got.body, r.status, r.says)
			}
		}
		within := query(`{ ` + strings.Replace(aliases, "a20: isEmailAvailable", "isEmailAvailable", 1) + `, storeConfig { id(a: """ b: " {""") # c: d` + "\n } }")
		if got := g.ask(within); strings.Contains(got.body, "aliases") {
			t.Errorf("twenty aliases, and colons that are none: %s", got.body)
		}
	})
}

func TestForceSignInKillsGraphQLTokens(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		who := query(`{ customer { email } }`)
		bearer := g.token(c.Email, fixture.Password)
		g.want("before", who.by(bearer), 200, `{"data":{"customer":{"email":"camille@lune.test"}}}`)
		g.force(c.ID)
		g.want("after", who.by(bearer), 403, failed(who, "customer", notCurrent, authorize))

		one, two := g.token(c.Email, fixture.Password), g.token(c.Email, fixture.Password)
		g.want("revoking one's own, and then asking in the same request",
			query(`mutation { revokeCustomerToken { result } deleteCustomer }`).by(one), 403,
			`{"errors":[{"message":"The current customer isn't authorized.","locations":[{"line":1,"column":43}],"path":["deleteCustomer"],`+
				`"extensions":{"category":"graphql-authorization"}}],"data":{"revokeCustomerToken":{"result":true},"deleteCustomer":null}}`)
		g.want("the other token", who.by(two), 403, failed(who, "customer", notCurrent, authorize))
		g.want("a token of another website", who.by(g.token(c.Email, fixture.Password)).with("Store", "nord_en"), 403, failed(who, "customer", notCurrent, authorize))
	})
}

// A storefront that was written for Commerce learns which of its queries to send elsewhere.
func TestFieldsOfOthersAreNamed(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		rows := []struct{ document, field, says string }{
			{`{ cart(cart_id: "x") { items { uid } } }`, "cart", "carts and checkout are kept"},
			{`{ customerCart { id } }`, "customerCart", "carts and checkout are kept"},
			{`{ customerOrders { items { id } } }`, "customerOrders", "orders are kept"},
			{`{ products(search: "x") { total_count } }`, "products", "the catalogue is kept"},
			{`{ wishlist { id } }`, "wishlist", "wish lists are kept"},
			{`{ customer { email orders(pageSize: 5) { total_count } } }`, "orders", "orders are kept"},
			{`mutation { mergeCarts(source_cart_id: "x") { id } }`, "mergeCarts", "carts and checkout are kept"},
			{`mutation { generateCustomerTokenAsAdmin(input: {customer_email: "x"}) { customer_token } }`, "generateCustomerTokenAsAdmin", "an administrator cannot sign in as a customer"},
		}
		for _, r := range rows {
			got := g.ask(query(r.document))
			if want := fmt.Sprintf(`{"errors":[{"message":"The field \"%s\" is not served by Rekey: %s`, r.field, r.says); got.status != 400 || !strings.HasPrefix(got.body, want) {
				t.Errorf("%s: %d %s\nwant 400 %s…", r.document, got.status, got.body, want)
			}
		}
		if got := g.ask(query(`{ custmer { email } }`)); !strings.Contains(got.body, `Cannot query field \"custmer\" on type \"Query\". Did you mean \"customer\"?`) {
			t.Errorf("a slip of the pen: %s", got.body)
		}
	})
}

func TestIntrospectionWorks(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		ofType := "name kind"
		for range 9 { // as graphql-js asks
			ofType = "name kind ofType { " + ofType + " }"
		}
		got := g.ask(query(`query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name }
			types { ...FullType } directives { name description locations args { ...InputValue } } } }
			fragment FullType on __Type { kind name description
				fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
				inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
				possibleTypes { ...TypeRef } }
			fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
			fragment TypeRef on __Type { ` + ofType + ` }`))
		var described struct {
			Data struct {
				Schema struct {
					Types []struct {
						Name   string
						Fields []struct{ Name string }
					}
				} `json:"__schema"`
			}
		}
		if err := json.Unmarshal([]byte(got.body), &described); err != nil || got.status != 200 {
			t.Fatalf("%d %v %.300s", got.status, err, got.body)
		}
		var mutations []string
		for _, one := range described.Data.Schema.Types {
			for _, f := range one.Fields {
				if one.Name == "Mutation" {
					mutations = append(mutations, f.Name)
				}
			}
		}
		for _, name := range []string{"generateCustomerToken", "requestPasswordResetEmail", "createCustomerV2", "updateCustomerAddress"} {
			if !slices.Contains(mutations, name) {
				t.Errorf("%s is not described", name)
			}
		}
		g.want("what an answer is", query(`{ __typename storeConfig { __typename } }`), 200, `{"data":{"__typename":"Query","storeConfig":{"__typename":"StoreConfig"}}}`)
	})
}
