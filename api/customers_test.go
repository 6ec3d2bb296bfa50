package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

const paris = `{"firstname":"Camille","lastname":"Moreau","street":["12 rue des Lilas","Bât. B"],"city":"Paris","postcode":"75011",` +
	`"country_id":"FR","telephone":"+33 1 23 45","region":{"region":"Île-de-France","region_code":"IDF","region_id":182},"default_billing":true}`

func create(email, more string) ask {
	return ask{method: "POST", path: "/rest/V1/customers",
		body: `{"customer":{"email":"` + email + `","firstname":"Camille","lastname":"Moreau"` + more + `},"password":"new-secret-8"}`}
}

// number reads one number out of an answer.
func (a answer) number(t *testing.T, name string) int64 {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(a.body), &members); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	n, _ := members[name].(float64)
	return int64(n)
}

// confirmationKeys are the secrets of the letters that finish a registration, oldest first.
func (h *house) confirmationKeys() (all []string) {
	h.t.Helper()
	for _, letter := range h.Letters() {
		if letter.Button != nil {
			if _, key, ok := strings.Cut(letter.Button.URL.Reveal(), "confirm?token="); ok {
				all = append(all, key)
			}
		}
	}
	return all
}

const taken = `{"message":"A customer with the same email address already exists in an associated website."}`

func TestDuplicateAccountAnswersAsCommerce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		made := h.ask(create("Zoé@lune.test", `,"prefix":"Mme","dob":"1987-06-05","gender":2,"taxvat":"FR7","addresses":[`+paris+`],`+
			`"custom_attributes":[{"attribute_code":"shoe_size","value":38}],"extension_attributes":{"is_subscribed":true}`))
		id := made.number(t, "id")
		if made.status != 200 || id == 0 {
			t.Fatalf("%d %s", made.status, made.body)
		}
		for _, want := range []string{`"dob":"1987-06-05"`, `"prefix":"Mme"`, `"gender":2`, `"taxvat":"FR7"`, `"is_subscribed":true`, `"city":"Paris"`,
			`"street":["12 rue des Lilas","Bât. B"]`, `"default_billing":true`, `{"attribute_code":"shoe_size","value":"38"}`} {
			if !strings.Contains(made.body, want) {
				t.Errorf("the new account does not say %s: %s", want, made.body)
			}
		}
		h.want("itself", me(h.token("zoé@lune.test", "new-secret-8")), 200, made.body)
		h.want("once more", create("ZOé@LUNE.test", ""), 400, taken)
		h.want("a guest who chooses a group", create("other@lune.test", `,"group_id":3`), 401,
			`{"message":"The consumer isn't authorized to access %resources.","parameters":{"resources":"Magento_Customer::manage"}}`)
		h.want("a bad password", ask{method: "POST", path: "/rest/V1/customers", body: strings.Replace(create("b@lune.test", "").body, "new-secret-8", "abc", 1)}, 400,
			`{"message":"The password needs at least %1 characters. Create a new password and try again.","parameters":[6]}`)
		h.want("no name", ask{method: "POST", path: "/rest/V1/customers", body: `{"customer":{"email":"b@lune.test","firstname":""}}`}, 400,
			`{"message":"One or more input exceptions have occurred.","errors":[`+
				`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"firstname"}},`+
				`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"lastname"}}]}`)
		elsewhere := create("zoé@lune.test", "")
		elsewhere.host = "nord.test"
		if got := h.ask(elsewhere); got.status != 200 || got.number(t, "website_id") != h.View("nord_en").WebsiteID {
			t.Errorf("the same address at another website: %d %s", got.status, got.body)
		}
		h.want("another website than the host's", create("c@lune.test", `,"website_id":`+itoa(h.View("nord_en").WebsiteID)), 404,
			fmt.Sprintf(`{"message":"No such entity with %%fieldName = %%fieldValue","parameters":{"fieldName":"websiteId","fieldValue":%d}}`, h.View("nord_en").WebsiteID))
	})
}

func TestNeutralAccountAnswersAlike(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Set(shop.RegistrationAnswerAPI, shop.RegistrationNeutral)
		known := h.Customer("lune_en", "known@lune.test")
		answered := func(email string) string {
			a := h.ask(create(email, `,"prefix":"Mme"`))
			return strings.ReplaceAll(look(a), email, "…")
		}
		for i := range 3 { // the limit of an address is passed on the way, and stays silent
			if got, want := answered(known.Email), answered(fmt.Sprintf("new%d@lune.test", i)); !sameButLength(got, want) {
				t.Errorf("a known address reads\n%s\nand a new one\n%s", got, want)
			}
		}
		if got := h.ask(create("fresh@lune.test", "")); got.status != 200 || got.number(t, "id") != 0 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}

// sameButLength compares two looks without the one header that tells how long the sent address is.
func sameButLength(a, b string) bool {
	cut := func(s string) string {
		var kept []string
		for line := range strings.SplitSeq(s, "\n") {
			if !strings.HasPrefix(line, "Content-Length:") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n")
	}
	return cut(a) == cut(b)
}

// An account that a program makes at once can be signed in to; whose its address is nobody has shown.
func TestAccountsMadeAtOnceAreNotProven(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		byStore := create("b@lune.test", "")
		byStore.bearer = h.admin("ines", admin.Owner, 0)
		for _, a := range []ask{create("a@lune.test", ""), byStore} {
			made := h.ask(a)
			if c := h.Find(made.number(t, "id")); made.status != 200 || !c.Confirmed() || c.Proven() {
				t.Errorf("%d %s: may sign in %v, proven %v", made.status, made.body, c.Confirmed(), c.Proven())
			}
		}
	})
}

// Nobody can use such an account before its owner has chosen a password by letter.
func TestAnAccountWithoutAPasswordWaitsForItsOwner(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		got := h.ask(ask{method: "POST", path: "/rest/V1/customers", body: `{"customer":{"email":"zoe@lune.test","firstname":"Zoé","lastname":"Roux"},"password":null}`})
		if got.status != 200 || h.Find(got.number(t, "id")).Confirmed() {
			t.Fatalf("%d %s", got.status, got.body)
		}
		h.want("signing in with nothing", signIn("zoe@lune.test", " "), 401, incorrect)
		letters := h.Letters()
		if len(letters) != 1 || !strings.Contains(letters[0].Button.URL.Reveal(), "forgotpassword") {
			t.Errorf("the letter does not lead to a password: %+v", letters)
		}
		h.want("asking", forgot("zoe@lune.test"), 200, "true")
		h.want("choosing", reset("", h.links()[0], "new-secret-8"), 200, "true")
		h.token("zoe@lune.test", "new-secret-8")
	})
}

const wrongKey = `{"message":"The confirmation token is invalid. Verify the token and try again."}`

func TestTheLettersKeyFinishesTheAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Set(shop.RegistrationAnswerAPI, shop.RegistrationNeutral)
		h.ask(create("zoe@lune.test", `,"prefix":"Mme","addresses":[`+paris+`]`))
		key := h.confirmationKeys()[0]
		activate := func(body string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/me/activate", body: body}
		}
		h.want("a wrong key", activate(object("confirmationKey", randomLink(), "password", "new-secret-8")), 400, wrongKey)
		if got := h.ask(activate(object("confirmationKey", key))); got.status != 400 {
			t.Errorf("whoever reads the letter need not be who chose the password: %d %s", got.status, got.body)
		}
		elsewhere := activate(object("confirmationKey", key, "password", "new-secret-8"))
		elsewhere.host = "nord.test"
		h.want("at another website", elsewhere, 400, wrongKey)
		got := h.ask(activate(object("confirmationKey", key, "password", "new-secret-8")))
		if got.status != 200 || got.number(t, "id") == 0 || !strings.Contains(got.body, `"prefix":"Mme"`) || !strings.Contains(got.body, `"city":"Paris"`) {
			t.Errorf("the right key: %d %s", got.status, got.body)
		}
		h.want("once more", activate(object("confirmationKey", key, "password", "new-secret-8")), 400, wrongKey)
		h.token("zoe@lune.test", "new-secret-8")
	})
}

// The store can finish a registration, but nobody has proven to be who chose its password.
func TestActivationByTheStoreLeavesThePasswordBehind(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Set(shop.RegistrationAnswerAPI, shop.RegistrationNeutral)
		h.ask(create("victim@lune.test", ""))
		key := h.confirmationKeys()[0]
		bearer := h.admin("ada", admin.Owner, 0)
		activate := func(email, key, bearer string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/" + email + "/activate", bearer: bearer, body: object("confirmationKey", key)}
		}
		h.want("a guest", activate("victim@lune.test", key, ""), 401, lacks("Magento_Customer::manage"))
		h.want("another address", activate("other@lune.test", key, bearer), 400, wrongKey)
		h.want("an administrator of another website", activate("victim@lune.test", key, h.admin("nils", admin.Owner, h.View("nord_en").WebsiteID)), 400, wrongKey)
		if got := h.ask(activate("victim@lune.test", key, bearer)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		h.want("the password that was chosen then", signIn("victim@lune.test", "new-secret-8"), 401, incorrect)
		h.want("once more", activate("victim@lune.test", key, bearer), 400, wrongKey)
	})
}

func TestWaitingForConfirmationIsToldAndRepeated(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bearer := h.admin("ada", admin.Owner, 0)
		confirmed := h.Customer("lune_en", "done@lune.test")
		waiting := h.Customer("lune_en", "waiting@lune.test")
		h.unconfirm(waiting.ID)
		state := func(id int64) ask {
			return ask{method: "GET", path: "/rest/V1/customers/" + itoa(id) + "/confirm", bearer: bearer}
		}
		h.want("not proven", state(waiting.ID), 200, `"account_confirmation_required"`)
		h.want("nobody needs to", state(confirmed.ID), 200, `"account_confirmation_not_required"`)
		h.Set(shop.RequireConfirmation, "1")
		h.want("proven", state(confirmed.ID), 200, `"account_confirmed"`)

		if got := h.ask(create("new@lune.test", "")); got.status != 200 || got.number(t, "id") != 0 {
			t.Errorf("an account that must confirm: %d %s", got.status, got.body)
		}
		again := func(email string) ask {
			return ask{method: "POST", path: "/rest/V1/customers/confirm", bearer: bearer, body: object("email", email, "websiteId", waiting.WebsiteID)}
		}
		h.want("there is none", again("nobody@lune.test"), 404,
			`{"message":"No such entity with %fieldName = %fieldValue","parameters":{"fieldName":"email","fieldValue":"nobody@lune.test"}}`)
		h.want("it is done", again(confirmed.Email), 400, `{"message":"Confirmation isn't needed."}`)
		if got := h.ask(again("new@lune.test")); got.status != 429 || got.header.Get("Retry-After") == "" {
			t.Errorf("a second letter within the minute: %d %s", got.status, got.body)
		}
		h.clock.Advance(2 * time.Minute)
		h.want("a second letter", again("new@lune.test"), 200, "true")
		if keys := h.confirmationKeys(); len(keys) != 2 || keys[0] != keys[1] {
			t.Errorf("%d letters, want two with the same key", len(keys))
		}
		h.want("an account without proof", again(waiting.Email), 200, "true")
	})
}

func TestTheAddressBookIsTheListThatIsSent(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.Customer("lune_en", "camille@lune.test"), h.Customer("lune_en", "other@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		put := func(who, body string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/me", bearer: who, body: `{"customer":{` + body + `}}`}
		}
		nice := strings.Replace(strings.Replace(paris, "Paris", "Nice", 1), `"default_billing":true`, `"default_shipping":"1"`, 1)
		got := h.ask(put(bearer, `"addresses":[`+paris+`,`+nice+`]`))
		var read struct {
			Addresses []struct {
				ID   int64  `json:"id"`
				City string `json:"city"`
			} `json:"addresses"`
			DefaultBilling  string `json:"default_billing"`
			DefaultShipping string `json:"default_shipping"`
		}
		if err := json.Unmarshal([]byte(got.body), &read); err != nil || len(read.Addresses) != 2 ||
			read.DefaultBilling != itoa(read.Addresses[0].ID) || read.DefaultShipping != itoa(read.Addresses[1].ID) {
			t.Fatalf("two new ones: %d %s", got.status, got.body)
		}
		h.want("what was read, sent back", ask{method: "PUT", path: "/rest/V1/customers/me", bearer: bearer, body: `{"customer":` + got.body + `}`}, 200, got.body)
		h.want("a foreign number", put(h.token(other.Email, fixture.Password), `"addresses":[`+strings.Replace(paris, "{", `{"id":`+itoa(read.Addresses[0].ID)+`,`, 1)+`]`), 404,
			`{"message":"No such entity with %fieldName = %fieldValue","parameters":{"fieldName":"addressId","fieldValue":`+itoa(read.Addresses[0].ID)+`}}`)
		if got := h.ask(put(bearer, `"default_billing":`+itoa(read.Addresses[1].ID))); !strings.Contains(got.body, `"default_billing":"`+itoa(read.Addresses[1].ID)+`"`) {
			t.Errorf("a default by its number: %d %s", got.status, got.body)
		}
		if got := h.ask(put(bearer, `"lastname":"Roux"`)); !strings.Contains(got.body, "Nice") {
			t.Errorf("what is left out stays: %s", got.body)
		}
		got = h.ask(put(bearer, `"addresses":[]`))
		if got.status != 200 || !strings.Contains(got.body, `"addresses":[]`) || strings.Contains(got.body, "default_billing") {
			t.Errorf("an empty book: %d %s", got.status, got.body)
		}
	})
}

// admin makes an administrator and returns a token of theirs.
func (h *house) admin(name, role string, websiteID int64) string {
	h.t.Helper()
	_, err := h.Admins.Create(context.Background(), admin.CommandLine(admin.ManageAdmins), admin.New{Username: name, Email: name + "@lune.test",
		Role: role, WebsiteID: websiteID, Password: secret.NewText(fixture.Password)}, fixture.Origin)
	if err != nil {
		h.t.Fatal(err)
	}
	var made string
	got := h.ask(adminSignIn(name, fixture.Password))
	if err := json.Unmarshal([]byte(got.body), &made); err != nil || got.status != 200 {
		h.t.Fatalf("no token for %s: %d %s", name, got.status, got.body)
	}
	return made
}

func adminSignIn(name, password string) ask {
	return ask{method: "POST", path: "/rest/V1/integration/admin/token", body: object("username", name, "password", password)}
}

func lacks(resource string) string {
	return `{"message":"The consumer isn't authorized to access %resources.","parameters":{"resources":"` + resource + `"}}`
}

// Promise: what a program of the store sends is kept or refused, never taken and lost: false says something, and so does a member that
// nobody knows.
func TestWhatStaffSendsIsKeptOrRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		staff, own := h.admin("ada", "owner", 0), h.token(c.Email, fixture.Password)
		path := "/rest/V1/customers/" + itoa(c.ID)
		put := func(body string) answer {
			return h.ask(ask{method: "PUT", path: path, bearer: staff, body: body})
		}
		for _, row := range []struct{ body, says string }{
			{`{"customer":{"disable_auto_group_change":1}}`, "disable_auto_group_change"},
			{`{"customer":{"created_at":"2019-01-02 03:04:05"}}`, "created_at"},
			{`{"customer":{"created_in":"Elsewhere"}}`, "created_in"},
			{`{"customer":{"website_id":4711}}`, "website_id"},
			{`{"customer":{"store_id":4711}}`, "store_id"},
			{`{"customer":{"store_id":` + itoa(h.View("nord_en").ID) + `}}`, "store_id"},
			{`{"customer":{"vip":false}}`, "vip"},
			{`{"customer":{"vip":0}}`, "vip"},
			{`{"customer":{"vip":""}}`, "vip"},
			{`{"customer":{"gender":70000}}`, "gender"},
			{`{"customer":{},"passwordHash":"x"}`, "passwordHash"},
			{`{"customer":{"default_billing":"999"}}`, "999"},
		} {
			if got := put(row.body); got.status != 400 && got.status != 404 || !strings.Contains(got.body, row.says) {
				t.Errorf("%s: %d %s", row.body, got.status, got.body)
			}
		}
		if got := put(`{"customer":{"gender":7,"store_id":` + itoa(h.View("lune_fr").ID) + `}}`); got.status != 200 || h.Find(c.ID).Gender != 7 || h.Find(c.ID).ViewID != h.View("lune_fr").ID {
			t.Errorf("an option of the store, and its other language: %d %s", got.status, got.body)
		}
		shown := h.ask(ask{method: "GET", path: path, bearer: staff})
		if got := put(`{"customer":` + shown.body + `}`); got.status != 200 || got.body != shown.body {
			t.Errorf("what was read, sent back: %d %s", got.status, got.body)
		}
		if got := put(`{"customer":{"is_active":false}}`); got.status != 200 || h.Find(c.ID).Active {
			t.Errorf("blocking: %d %s", got.status, got.body)
		}
		if got := h.ask(ask{method: "GET", path: "/rest/V1/customers/me", bearer: own}); got.status != 401 {
			t.Errorf("a token of a blocked customer: %d", got.status)
		}
		if got := h.ask(signIn(c.Email, fixture.Password)); got.status != 401 {
			t.Errorf("a blocked customer signs in: %d", got.status)
		}
		if got := put(`{"customer":{"is_active":true}}`); got.status != 200 || !h.Find(c.ID).Active {
			t.Errorf("unblocking: %d %s", got.status, got.body)
		}
		h.token(c.Email, fixture.Password)
		if got := h.ask(ask{method: "PUT", path: "/rest/V1/customers/me", bearer: h.token(c.Email, fixture.Password), body: `{"customer":{"is_active":false}}`}); got.status != 400 {
			t.Errorf("by the customer's own hand: %d %s", got.status, got.body)
		}
		if got := h.ask(ask{method: "GET", path: "/rest/V1/customers/search?searchCriteria[pageSize]=20&searchCriteria[currentPage]=0", bearer: staff}); got.status != 200 || !strings.Contains(got.body, `"current_page":1`) {
			t.Errorf("page 0: %d %.300s", got.status, got.body)
		}
	})
}
