package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// profile asks for what account pages of storefronts ask.
const profile = `query { customer { id firstname lastname middlename prefix suffix email gender date_of_birth taxvat created_at group_id
	default_billing default_shipping is_subscribed confirmation_status addresses { id }
	custom_attributes(attributeCodes: ["size"]) { code ... on AttributeValue { value } ... on AttributeSelectedOptions { selected_options { label } } } } }`

func TestAccountPagesReadAndWriteTheProfile(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		bearer := g.token(c.Email, fixture.Password)
		g.want("what nobody has said is null", query(profile).by(bearer), 200, fmt.Sprintf(`{"data":{"customer":{"id":"%d","firstname":"Camille",`+
			`"lastname":"Moreau","middlename":null,"prefix":null,"suffix":null,"email":"camille@lune.test","gender":null,"date_of_birth":null,`+
			`"taxvat":null,"created_at":"2026-11-24 09:00:00","group_id":1,"default_billing":null,"default_shipping":null,"is_subscribed":false,`+
			`"confirmation_status":"ACCOUNT_CONFIRMATION_NOT_REQUIRED","addresses":[],"custom_attributes":[]}}}`, c.ID))
		change := func(input string) ask {
			return query(`mutation { updateCustomerV2(input: {` + input + `}) { customer { firstname middlename gender date_of_birth is_subscribed
				custom_attributes { code ... on AttributeValue { value } } } } }`).by(bearer)
		}
		g.want("a change", change(`middlename: "Zoé", gender: 2, date_of_birth: "1987-06-05", is_subscribed: true, custom_attributes: [{attribute_code: "size", value: "38"}]`), 200,
			`{"data":{"updateCustomerV2":{"customer":{"firstname":"Camille","middlename":"Zoé","gender":2,"date_of_birth":"1987-06-05","is_subscribed":true,`+
				`"custom_attributes":[{"code":"size","value":"38"}]}}}}`)
		g.want("null takes away, what is left out stays", change(`middlename: null, custom_attributes: [{attribute_code: "size"}]`), 200,
			`{"data":{"updateCustomerV2":{"customer":{"firstname":"Camille","middlename":null,"gender":2,"date_of_birth":"1987-06-05","is_subscribed":true,"custom_attributes":[]}}}}`)
		for input, says := range map[string]string{
			`firstname: null`: `\"firstname\" is required`, `gender: 65536`: "gender is the number", `date_of_birth: "5/6/87"`: "must be a past date",
			`allow_remote_shopping_assistance: true`:                                       "An administrator cannot sign in as a customer",
			`custom_attributes: [{attribute_code: "a", selected_options: [{value: "x"}]}]`: "with options are not kept",
		} {
			if got := g.ask(change(input)); got.status != 200 || !strings.Contains(got.body, says) || !strings.Contains(got.body, `"updateCustomerV2":null`) {
				t.Errorf("%s: %d %s", input, got.status, got.body)
			}
		}
		g.want("the old update, sending back the address", query(`mutation { updateCustomer(input: {email: "Camille@lune.test", lastname: "Ørsted"}) { customer { lastname dob } } }`).by(bearer),
			200, `{"data":{"updateCustomer":{"customer":{"lastname":"Ørsted","dob":"1987-06-05"}}}}`)
		g.want("deleting", query(`mutation { deleteCustomer }`).by(bearer), 200, `{"data":{"deleteCustomer":true}}`)
		who := query(`{ customer { id } }`).by(bearer)
		g.want("and gone", who, 403, failed(who, "customer", notCurrent, authorize))
	})
}

func TestPasswordsAreResetAndChangedByGraphQL(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		before := g.token(c.Email, fixture.Password)
		g.want("asking", askReset(c.Email), 200, `{"data":{"requestPasswordResetEmail":true}}`)
		link := g.links()[0]
		foreign := setPassword("other@lune.test", link, "second-secret-8")
		g.want("for another address", foreign, 200, failed(foreign, "resetPassword", wrongLink, input))
		g.want("the owner", setPassword(c.Email, link, "second-secret-8"), 200, `{"data":{"resetPassword":true}}`)
		who := query(`{ customer { email } }`)
		g.want("a token from before", who.by(before), 403, failed(who, "customer", notCurrent, authorize))

		one, other := g.token(c.Email, "second-secret-8"), g.token(c.Email, "second-secret-8")
		change := query(`mutation { changeCustomerPassword(currentPassword: "second-secret-8", newPassword: "third-secret-9") { email } }`)
		g.want("changing", change.by(one), 200, `{"data":{"changeCustomerPassword":{"email":"camille@lune.test"}}}`)
		g.want("the token that asked", who.by(one), 200, `{"data":{"customer":{"email":"camille@lune.test"}}}`)
		g.want("another token", who.by(other), 403, failed(who, "customer", notCurrent, authorize))
	})
}

// Commerce changes the address at once; here its new owner answers first, whoever that is.
func TestANewAddressWaitsForItsOwnersAnswer(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		taken := g.Customer("lune_en", "taken@lune.test")
		bearer := g.token(c.Email, fixture.Password)
		change := func(email string) ask {
			return query(`mutation($e: String!, $p: String!) { updateCustomerEmail(email: $e, password: $p) { customer { email } } }`,
				"e", email, "p", fixture.Password).by(bearer)
		}
		same := `{"data":{"updateCustomerEmail":{"customer":{"email":"camille@lune.test"}}}}`
		g.want("an address that is taken", change(taken.Email), 200, same)
		g.want("a free one", change("zoe@lune.test"), 200, same)
		g.want("by the old update", query(`mutation { updateCustomer(input: {email: "ida@lune.test", password: "`+fixture.Password+`", middlename: "Z"}) { customer { email middlename } } }`).by(bearer),
			200, `{"data":{"updateCustomer":{"customer":{"email":"camille@lune.test","middlename":"Z"}}}}`)
		confirmations := 0
		for _, letter := range g.Letters() {
			if letter.Button != nil && strings.Contains(letter.Button.URL.Reveal(), "/customer/account/confirmemail?token=") && letter.To.Email == "ida@lune.test" {
				confirmations++
			}
		}
		if confirmations != 1 {
			t.Errorf("%d letters ask for an answer; want one, to the address that was typed last", confirmations)
		}
	})
}

func TestAnAccountIsCreatedAtOnceOrByLetter(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		create := func(email string) ask {
			return query(`mutation($e: String!) { createCustomerV2(input: {email: $e, firstname: "Zoé", lastname: "Roy", password: "first-secret-7",
				gender: 2, is_subscribed: true}) { customer { email firstname gender is_subscribed confirmation_status } } }`, "e", email)
		}
		g.want("at once", create("zoe@lune.test"), 200, `{"data":{"createCustomerV2":{"customer":{"email":"zoe@lune.test","firstname":"Zoé","gender":2,"is_subscribed":true,`+
			`"confirmation_status":"ACCOUNT_CONFIRMATION_NOT_REQUIRED"}}}}`)
		g.token("zoe@lune.test", "first-secret-7")
		g.Read(func(ctx context.Context, tx *db.Tx) error {
			a, _ := customer.ParseAddress("zoe@lune.test")
			made, err := customer.FindByAddress(ctx, tx, g.View("lune_en").WebsiteID, a)
			if made.Proven() {
				t.Error("an address that nobody has proven counts as proven")
			}
			return err
		})

		g.Set(shop.RequireConfirmation, "1")
		g.want("by letter", create("ida@lune.test"), 200, `{"data":{"createCustomerV2":{"customer":{"email":"ida@lune.test","firstname":"Zoé","gender":null,"is_subscribed":null,`+
			`"confirmation_status":"ACCOUNT_CONFIRMATION_REQUIRED"}}}}`)
		g.clock.Advance(2 * time.Minute)
		g.want("the letter once more", query(`mutation { resendConfirmationEmail(email: "ida@lune.test") }`), 200, `{"data":{"resendConfirmationEmail":true}}`)
		var keys []string
		for _, letter := range g.Letters() {
			if letter.Button == nil {
				continue
			}
			if _, key, ok := strings.Cut(letter.Button.URL.Reveal(), "/customer/account/confirm?token="); ok {
				keys = append(keys, key)
			}
		}
		if len(keys) != 2 || keys[0] != keys[1] {
			t.Fatalf("%d letters; want two with one link", len(keys))
		}
		confirm := func(email, password string) ask {
			return query(`mutation($i: ConfirmEmailInput!) { confirmEmail(input: $i) { customer { email gender confirmation_status } } }`,
				"i", json.RawMessage(object("email", email, "confirmation_key", keys[0], "password", password)))
		}
		for _, r := range []struct{ email, password, says string }{
			{"zoe@lune.test", "first-secret-7", "The confirmation token is invalid"},
			{"ida@lune.test", "", "Enter the password that was chosen"},
			{"ida@lune.test", "another-secret", "This is not the password that was chosen"},
		} {
			if got := g.ask(confirm(r.email, r.password)); got.status != 200 || !strings.Contains(got.body, r.says) {
				t.Errorf("%s: %d %s", r.says, got.status, got.body)
			}
		}
		g.want("the owner", confirm("ida@lune.test", "first-secret-7"), 200,
			`{"data":{"confirmEmail":{"customer":{"email":"ida@lune.test","gender":2,"confirmation_status":"ACCOUNT_CONFIRMED"}}}}`)
		again := confirm("ida@lune.test", "first-secret-7")
		g.want("once more", again, 200, failed(again, "confirmEmail", "The confirmation token is invalid. Verify the token and try again.", input))
	})
}

const entry = `id firstname lastname company street city region { region region_code region_id } postcode country_code telephone vat_id
	default_billing default_shipping custom_attributesV2 { code ... on AttributeValue { value } }`

func TestAddressBookMutations(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		c := g.Customer("lune_en", "camille@lune.test")
		foreign := g.Customer("lune_en", "ida@lune.test")
		bearer, other := g.token(c.Email, fixture.Password), g.token(foreign.Email, fixture.Password)
		create := query(`mutation($country: CountryCodeEnum!) { createCustomerAddress(input: {firstname: "Camille", lastname: "Moreau",
			street: ["1 rue de la Lune", "Bât. B"], city: "Paris", postcode: "75002", country_code: $country, telephone: "0102030405",
			region: {region: "Île-de-France", region_code: "IDF", region_id: 7}, default_billing: true,
			custom_attributesV2: [{attribute_code: "door", value: "4"}]}) { `+entry+` } }`, "country", "FR")
		guest := g.ask(create)
		if guest.status != 403 {
			t.Errorf("a guest: %d %s", guest.status, guest.body)
		}
		address := func(city, billing string) string {
			return fmt.Sprintf(`{"id":1,"firstname":"Camille","lastname":"Moreau","company":null,"street":["1 rue de la Lune","Bât. B"],"city":%q,`+
				`"region":{"region":"Île-de-France","region_code":"IDF","region_id":7},"postcode":"75002","country_code":"FR","telephone":"0102030405","vat_id":null,`+
				`"default_billing":%s,"default_shipping":false,"custom_attributesV2":[{"code":"door","value":"4"}]}`, city, billing)
		}
		g.want("a new one", create.by(bearer), 200, `{"data":{"createCustomerAddress":`+address("Paris", "true")+`}}`)
		g.want("in the book", query(`{ customer { default_billing default_shipping addresses { `+entry+` } } }`).by(bearer), 200,
			`{"data":{"customer":{"default_billing":"1","default_shipping":null,"addresses":[`+address("Paris", "true")+`]}}}`)
		change := query(`mutation { updateCustomerAddress(id: 1, input: {city: "Lyon", default_billing: false}) { ` + entry + ` } }`)
		g.want("a change keeps the rest", change.by(bearer), 200, `{"data":{"updateCustomerAddress":`+address("Lyon", "false")+`}}`)
		remove := query(`mutation { deleteCustomerAddress(id: 1) }`)
		missing := `Could not find a address with ID "1"`
		g.want("another's change", change.by(other), 200, failed(change, "updateCustomerAddress", missing, "graphql-no-such-entity"))
		g.want("another's removal", remove.by(other), 200, failed(remove, "deleteCustomerAddress", missing, "graphql-no-such-entity"))
		bad := g.ask(query(`mutation { createCustomerAddress(input: {firstname: "Camille", lastname: "Moreau"}) { id } }`).by(bearer))
		for _, says := range []string{"An address needs a city.", "1 to 4 lines of street", "two capital letters"} {
			if bad.status != 200 || !strings.Contains(bad.body, says) {
				t.Errorf("an empty one: %d %s", bad.status, bad.body)
			}
		}
		g.want("removing", remove.by(bearer), 200, `{"data":{"deleteCustomerAddress":true}}`)
		g.want("twice", remove.by(bearer), 200, failed(remove, "deleteCustomerAddress", missing, "graphql-no-such-entity"))
	})
}

func TestTheHeaderStoreChoosesTheStoreView(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		config := query(`{ storeConfig { store_code store_name locale base_url base_link_url default_display_currency_code website_code is_default_store
			required_character_classes_number minimum_password_length autocomplete_on_storefront create_account_confirmation customer_access_token_lifetime } }`)
		of := func(code, locale, base, website string, first bool) string {
			return fmt.Sprintf(`{"data":{"storeConfig":{"store_code":%q,"store_name":"Maison Lune","locale":%q,"base_url":%q,"base_link_url":%q,`+
				`"default_display_currency_code":null,"website_code":%q,"is_default_store":%t,"required_character_classes_number":"1",`+
				`"minimum_password_length":"6","autocomplete_on_storefront":true,"create_account_confirmation":false,"customer_access_token_lifetime":1}}}`,
				code, locale, base, base, website, first)
		}
		g.want("by the host", config, 200, of("lune_en", "en_US", "https://lune.test/", "lune", true))
		g.want("by the header", config.with("Store", "lune_fr"), 200, of("lune_fr", "fr_FR", "https://lune.test/fr/", "lune", false))
		if got := g.ask(config.with("Store", "lune_fr").with("Store", "nord_en")); got.status != 400 {
			t.Errorf("two headers: %d %s", got.status, got.body)
		}
		g.want("letters speak its language", askReset("camille@lune.test").with("Store", "lune_fr"), 200, `{"data":{"requestPasswordResetEmail":true}}`)
		g.Customer("lune_en", "camille@lune.test")
		if letters := g.Letters(); len(letters) != 1 || letters[0].Head.Lang != "fr" {
			t.Errorf("%d letters", len(letters))
		}
	})
}

// What goes wrong inside is logged under the request's number and shown to nobody.
func TestInternalErrorsStayInsideOfGraphQL(t *testing.T) {
	eachGraph(t, func(t *testing.T, g *graph) {
		g.DB.Close()
		got := g.ask(query(`{ storeConfig { id } }`))
		if got.status < 500 || strings.Contains(got.body, "sql") || strings.Contains(got.body, "closed") || !strings.Contains(got.body, `"message"`) {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}
