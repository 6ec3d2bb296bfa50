package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

// look is everything of an answer that a stranger can compare.
func look(a answer) string {
	var lines []string
	for key, values := range a.header {
		if key != "X-Request-Id" {
			lines = append(lines, key+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("%d\n%s\n\n%s", a.status, strings.Join(lines, "\n"), a.body)
}

// Commerce answers 404 with the typed address to three of these.
func TestUnknownAddressLooksTheSame(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		known := h.Customer("lune_en", "camille@lune.test")
		foreign := h.Customer("nord_en", "otto@nord.test")
		disabled := h.Customer("lune_en", "gone@lune.test")
		h.disable(disabled.ID)
		rows := []struct {
			why string
			ask func(email string, id int64) ask
		}{
			{"asking for a letter", func(email string, _ int64) ask { return forgot(email) }},
			{"a wrong password", func(email string, _ int64) ask { return signIn(email, "not-the-one") }},
			{"a wrong link", func(email string, _ int64) ask { return reset(email, strings.Repeat("A", 43), "new-secret-8") }},
			{"a link that is none", func(email string, _ int64) ask { return reset(email, "x", "new-secret-8") }},
			{"asking whether it is free", func(email string, _ int64) ask {
				return ask{method: "POST", path: "/rest/V1/customers/isEmailAvailable", body: object("customerEmail", email)}
			}},
			{"checking a wrong link", func(_ string, id int64) ask {
				return ask{method: "GET", path: "/rest/V1/customers/" + strconv.FormatInt(id, 10) + "/password/resetLinkToken/" + strings.Repeat("A", 43)}
			}},
		}
		for _, r := range rows {
			for i := range 7 { // the limit of an address is passed on the way, and stays silent
				want := look(h.ask(r.ask("nobody@lune.test", 999)))
				for email, id := range map[string]int64{known.Email: known.ID, foreign.Email: foreign.ID, disabled.Email: disabled.ID} {
					if got := look(h.ask(r.ask(email, id))); got != want {
						t.Errorf("%s, time %d: %s reads\n%s\nand a stranger's\n%s", r.why, i, email, got, want)
					}
				}
				h.clock.Advance(time.Hour) // the limits per client are not what is compared
			}
		}
	})
}

func TestWrongUnknownLockedAnswerAlike(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Customer("lune_en", "wrong@lune.test")
		h.Customer("lune_en", "locked@lune.test")
		for range 10 {
			h.ask(signIn("locked@lune.test", "not-the-one"))
		}
		h.want("the right password of a locked account", signIn("locked@lune.test", fixture.Password), 401, incorrect)
		h.want("a wrong password", signIn("wrong@lune.test", "not-the-one"), 401, incorrect)
		h.want("an unknown address", signIn("nobody@lune.test", "not-the-one"), 401, incorrect)
		h.want("what is no address", signIn("nobody", "not-the-one"), 401, incorrect)
		h.want("an address of another website", ask{method: "POST", path: "/rest/nord_en/V1/integration/customer/token",
			body: object("username", "wrong@lune.test", "password", fixture.Password)}, 401, incorrect)
	})
}

func TestTokenIsDeadAfterForceSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		first, second := h.token(c.Email, fixture.Password), h.token(c.Email, fixture.Password)
		if got := h.ask(me(first)); got.status != 200 {
			t.Fatalf("a fresh token: %d %s", got.status, got.body)
		}
		h.force(c.ID)
		for _, old := range []string{first, second} {
			got := h.want("an old token", me(old), 401, unauthorized)
			if got.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("401 without saying how to authenticate: %v", got.header)
			}
		}
		if got := h.ask(me(h.token(c.Email, fixture.Password))); got.status != 200 {
			t.Errorf("after signing in again: %d %s", got.status, got.body)
		}
	})
}

func TestRevokingEndsEveryTokenOfTheCustomer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.Customer("lune_en", "camille@lune.test"), h.Customer("lune_en", "other@lune.test")
		first, second, foreign := h.token(c.Email, fixture.Password), h.token(c.Email, fixture.Password), h.token(other.Email, fixture.Password)
		revoke := ask{method: "POST", path: "/rest/V1/integration/customer/revoke-customer-token", bearer: first}
		h.want("revoking", revoke, 200, "true")
		h.want("revoking with what was revoked", revoke, 401, unauthorized)
		h.want("the other token", me(second), 401, unauthorized)
		if got := h.ask(me(foreign)); got.status != 200 {
			t.Errorf("another customer's token: %d %s", got.status, got.body)
		}
	})
}

func TestATokenEndsWithItsLifetime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		h.Set(shop.CustomerTokenLifetime, "90s")
		bearer := h.token(c.Email, fixture.Password)
		h.clock.Advance(89 * time.Second)
		if got := h.ask(me(bearer)); got.status != 200 {
			t.Errorf("within its lifetime: %d %s", got.status, got.body)
		}
		h.clock.Advance(2 * time.Second)
		h.want("after its lifetime", me(bearer), 401, unauthorized)
	})
}

func TestATokenIsGoodAtItsOwnWebsiteOnly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_fr", "camille@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		rows := []struct {
			why, host, path string
			status          int
		}{
			{"its own host", "lune.test", "/rest/V1/customers/me", 200},
			{"another view of its website", "lune.test", "/rest/lune_fr/V1/customers/me", 200},
			{"its own code at a host of nobody", "api.internal:8080", "/rest/lune_en/V1/customers/me", 200},
			{"a host of nobody names no website", "api.internal:8080", "/rest/V1/customers/me", 200},
			{"so does the word for all of them", "api.internal:8080", "/rest/all/V1/customers/me", 200},
			{"another website's host", "nord.test", "/rest/V1/customers/me", 401},
			{"another website's code", "lune.test", "/rest/nord_en/V1/customers/me", 401},
			{"the code of the first website", "lune.test", "/rest/default/V1/customers/me", 401},
		}
		for _, r := range rows {
			if got := h.ask(ask{method: "GET", host: r.host, path: r.path, bearer: bearer}); got.status != r.status {
				t.Errorf("%s: %d %s", r.why, got.status, got.body)
			}
		}
	})
}

func TestResetByTheAPISpendsTheLink(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.Customer("lune_en", "Camille@lune.test"), h.Customer("lune_en", "other@lune.test")
		old := h.token(c.Email, fixture.Password)
		h.want("asking", forgot("camille@LUNE.test"), 200, "true")
		link := h.links()[0]
		check := ask{method: "GET", path: fmt.Sprintf("/rest/V1/customers/%d/password/resetLinkToken/%s", c.ID, link)}

		for range 3 {
			h.want("looking at a link", check, 200, "true")
		}
		h.want("under another customer's number", ask{method: "GET",
			path: fmt.Sprintf("/rest/V1/customers/%d/password/resetLinkToken/%s", other.ID, link)}, 400, mismatched)
		h.want("at another website", ask{method: "GET", host: "nord.test", path: check.path}, 400, mismatched)
		h.want("with another customer's address", reset(other.Email, link, "new-secret-8"), 400, mismatched)
		h.want("with a short password", reset(c.Email, link, "abc"), 400,
			`{"message":"The password needs at least %1 characters. Create a new password and try again.","parameters":[6]}`)
		h.want("the link is still good", check, 200, "true")

		h.want("with a good password", reset("camille@lune.test", link, "new-secret-8"), 200, "true")
		h.want("once more", reset(c.Email, link, "new-secret-9"), 400, mismatched)
		h.want("looking at a spent link", check, 400, mismatched)
		h.want("the old token", me(old), 401, unauthorized)
		h.want("the old password", signIn(c.Email, fixture.Password), 401, incorrect)
		h.token(c.Email, "new-secret-8")
	})
}

// Commerce takes an empty address too: the link alone says whose it is.
func TestALinkAloneIsEnough(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		h.want("asking", forgot(c.Email), 200, "true")
		h.want("resetting", reset("", h.links()[0], "new-secret-8"), 200, "true")
		h.token(c.Email, "new-secret-8")
	})
}

func TestPasswordChangeKeepsTheCallersToken(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		mine, other := h.token(c.Email, fixture.Password), h.token(c.Email, fixture.Password)
		change := func(current, password string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/me/password", bearer: mine,
				body: object("currentPassword", current, "newPassword", password)}
		}
		h.want("a wrong present password", change("not-the-one", "new-secret-8"), 401,
			`{"message":"The password doesn't match this account. Verify the password and try again."}`)
		h.want("a space", change(fixture.Password, "new secret"), 400,
			`{"message":"The password can't contain spaces. Create a new password and try again."}`)
		h.want("the address", change(fixture.Password, "camille@lune.test"), 400,
			`{"message":"The password can't be the same as the email address. Create a new password and try again."}`)
		h.want("the right one", change(fixture.Password, "new-secret-8"), 200, "true")
		if got := h.ask(me(mine)); got.status != 200 {
			t.Errorf("the token that asked: %d %s", got.status, got.body)
		}
		h.want("the customer's other token", me(other), 401, unauthorized)
		h.token(c.Email, "new-secret-8")
		noToken := change("new-secret-8", "new-secret-9")
		noToken.bearer = ""
		h.want("without a token", noToken, 401, unauthorized)
	})
}

func TestTooManyRequestsSayWhenToComeBack(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Set(shop.MaxRequestsPerClient, "2")
		h.Set(shop.MaxSignInFailuresClient, "2")
		for _, one := range []func(string) ask{forgot, func(email string) ask { return signIn(email, "not-the-one") }} {
			h.ask(one("a@lune.test"))
			h.ask(one("b@lune.test"))
			got := h.ask(one("c@lune.test"))
			after, err := strconv.Atoi(got.header.Get("Retry-After"))
			if got.status != 429 || err != nil || after < 1 || after > 3600 {
				t.Errorf("%d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
			}
		}
	})
}

func TestAnUnconfirmedAccountIsToldToNobodyWithoutThePassword(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "new@lune.test")
		h.unconfirm(c.ID)
		h.want("a wrong password", signIn(c.Email, "not-the-one"), 401, incorrect)
		h.want("the right one", signIn(c.Email, fixture.Password), 401, `{"message":"This account isn't confirmed. Verify and try again."}`)
	})
}

func TestNothingSecretEndsInTheLog(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		h.ask(me(bearer))
		h.ask(forgot(c.Email))
		link := h.links()[0]
		h.ask(ask{method: "GET", path: fmt.Sprintf("/rest/V1/customers/%d/password/resetLinkToken/%s", c.ID, link)})
		h.ask(reset(c.Email, link, "new-secret-8"))
		for _, leak := range []string{bearer, link, "camille", fixture.Password, "new-secret-8"} {
			if strings.Contains(h.log.String(), leak) {
				t.Errorf("the log holds %q:\n%s", leak, h.log)
			}
		}
		for _, route := range []string{`"POST /rest/V1/integration/customer/token"`, `"GET /rest/V1/customers/{customerId}/password/resetLinkToken/{resetPasswordLinkToken}"`} {
			if !strings.Contains(h.log.String(), route) {
				t.Errorf("the log does not name the route %s", route)
			}
		}
	})
}

func TestAHolderIsNamedInPlainWords(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		rows := []struct{ agent, want, why string }{
			{fixture.Origin.UserAgent, "Chrome on Android", "a browser"},
			{"MageMobile/4.2 (build 7; <script>)", "MageMobile", "a program's own name"},
			{"<script>alert(1)</script>", "unknown program", "what is no name is not repeated"},
			{"", "unknown program", "nothing was said"},
			{strings.Repeat("x", 300), strings.Repeat("x", 40), "a name is short"},
		}
		for i, r := range rows {
			c := h.Customer("lune_en", fmt.Sprintf("c%d@lune.test", i))
			h.ask(signIn(c.Email, fixture.Password).with("User-Agent", r.agent))
			if got := h.holders(c.ID); len(got) != 1 || got[0] != r.want {
				t.Errorf("%s: held by %q, want %q", r.why, got, r.want)
			}
		}
	})
}

func TestMeIsCommercesCustomer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_fr", "camille@lune.test")
		want := fmt.Sprintf(`{"id":%d,"group_id":1,"created_at":"2026-11-24 09:00:00","updated_at":"2026-11-24 09:00:00",`+
			`"created_in":"lune_fr","email":"camille@lune.test","firstname":"Camille","lastname":"Moreau","store_id":%d,"website_id":%d,`+
			`"addresses":[],"disable_auto_group_change":0,"extension_attributes":{"is_subscribed":false}}`, c.ID, c.ViewID, c.WebsiteID)
		bearer := h.token(c.Email, fixture.Password)
		h.want("me", me(bearer), 200, want)
		spelled := me("")
		for _, header := range []string{"bearer " + bearer, "BEARER   " + bearer + " "} {
			h.want("the scheme in another case", spelled.with("Authorization", header), 200, want)
		}
		for _, header := range []string{bearer, "Basic " + bearer, "OAuth oauth_token=" + bearer, "Bearer", "Bearer x y", "Bearer " + randomLink()} {
			h.want(header, spelled.with("Authorization", header), 401, unauthorized)
		}
		h.want("two headers", me(bearer).with("Authorization", "Bearer "+bearer).with("Authorization", "Bearer "+bearer), 401, unauthorized)
		h.want("a cookie", me("").with("Cookie", "rekey-session-lune="+bearer), 401, unauthorized)
		head := me(bearer)
		head.method = http.MethodHead
		if got := h.ask(head); got.status != 200 {
			t.Errorf("HEAD: %d", got.status)
		}
	})
}

func TestACustomerChangesTheirName(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		put := func(body string) ask {
			return ask{method: "PUT", path: "/rest/V1/customers/me", bearer: bearer, body: body}
		}
		h.clock.Advance(time.Minute)
		got := h.ask(put(`{"customer":` + strings.Replace(h.ask(me(bearer)).body, "Moreau", "O'Brien-Ørsted", 1) + `}`))
		if got.status != 200 || !strings.Contains(got.body, `"lastname":"O'Brien-Ørsted"`) || !strings.Contains(got.body, `"updated_at":"2026-11-24 09:01:00"`) {
			t.Errorf("sending back what was read, with one change: %d %s", got.status, got.body)
		}
		got = h.ask(put(`{"customer":{"firstname":"Zoé","id":999,"website_id":1,"groupId":3}}`))
		if got.status != 200 || !strings.Contains(got.body, `"firstname":"Zoé","lastname":"O'Brien-Ørsted"`) || h.Find(c.ID).WebsiteID != c.WebsiteID {
			t.Errorf("one member, and what is the store's to decide: %d %s", got.status, got.body)
		}
		fixed := func(name string) string {
			return `{"message":"\"%fieldName\" cannot be changed by the web API. Leave it out and try again.","parameters":{"fieldName":"` + name + `"}}`
		}
		rows := []struct{ body, want, why string }{
			{`{"customer":{"loyalty_points":7}}`, fixed("loyalty_points"), "what is not kept is not lost in silence"},
			{`{"customer":{"extension_attributes":{"company":"x"}}}`, fixed("company"), "nor is an extension"},
			{`{"customer":{"gender":65536}}`, `{"message":"gender is the number of one of the store's options, from 0 (not said) to 65535."}`, "no gender"},
			{`{"customer":{"password":"x"}}`, fixed("password"), "nobody sets a password here"},
			{`{"customer":{"firstname":""}}`, `{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"firstname"}}`, "no name"},
			{`{"customer":{"lastname":"<b>"}}`, `{"message":"\"%fieldName\" contains characters that do not belong in a name.","parameters":{"fieldName":"lastname"}}`, "no name either"},
			{`{}`, `{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"customer"}}`, "no customer"},
			{`{"customer":[]}`, `{"message":"Error occurred during \"%fieldName\" processing. The \"%value\" value's type is invalid. ` +
				`The \"%type\" type was expected. Verify and try again.","parameters":{"fieldName":"customer","type":"object","value":"array"}}`, "a list"},
		}
		for _, r := range rows {
			h.want(r.why, put(r.body), 400, r.want)
		}
		if now := h.Find(c.ID); now.Name() != "Zoé O'Brien-Ørsted" || now.Email != c.Email {
			t.Errorf("a refused change left its mark: %s, %s", now.Name(), now.Email)
		}
	})
}

// No program can show the widget: by default calls go on under attack as ever; where the store wants it strict, those that
// nobody vouches for count as forms without a proof, and a right password is given back.
func TestProgramsUnderAttack(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		h.Set(shop.ProtectionMode, shop.ProtectionAlways)
		h.Set(shop.ProtectionWaits, "2")
		for i := range 4 {
			if got := h.ask(forgot(fmt.Sprintf("n%d@lune.test", i))); got.status != 200 {
				t.Fatalf("ordinary: %d %s", got.status, got.body)
			}
		}
		h.Set(shop.ProtectionAPI, shop.ProtectionStrict)
		for range 4 {
			h.token(c.Email, fixture.Password) // no guess
		}
		h.want("a guess", signIn(c.Email, "not-the-one"), 401, incorrect)
		h.ask(forgot("n5@lune.test"))
		for _, one := range []ask{forgot("n6@lune.test"), signIn(c.Email, "not-the-one")} {
			if got := h.ask(one); got.status != 429 || got.header.Get("Retry-After") == "" {
				t.Errorf("the third without a proof: %d %s", got.status, got.body)
			}
		}
		staff := h.admin("ines", admin.Owner, 0)
		vouched := forgot("n7@lune.test")
		vouched.bearer = staff
		if got := h.ask(vouched); got.status != 200 {
			t.Errorf("vouched for by an administrator: %d %s", got.status, got.body)
		}
	})
}
