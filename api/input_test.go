package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/web"
)

// Two readers of one request must not see two addresses: one of them may send the letter.
func TestRepeatedOrArrayEmailIsRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Customer("lune_en", "camille@lune.test")
		rows := []struct{ body, message, why string }{
			{`{"email":["camille@lune.test","a@evil.test"],"template":"email_reset"}`, "wrong type", "a list of two"},
			{`{"email":["camille@lune.test"],"template":"email_reset"}`, "wrong type", "a list of one"},
			{`{"email":{"0":"camille@lune.test"},"template":"email_reset"}`, "wrong type", "an object"},
			{`{"email":7,"template":"email_reset"}`, "wrong type", "a number"},
			{`{"email":"camille@lune.test","email":"a@evil.test","template":"email_reset"}`, "Decoding", "the key twice"},
			{`{"email":"camille@lune.test","Email":"a@evil.test","template":"email_reset"}`, "Decoding", "the key in another case"},
			{`{"email":"camille@lune.test","e_mail":"a@evil.test","template":"email_reset"}`, "Decoding", "the key with an underscore"},
			{`{"EMAIL":"camille@lune.test","template":"email_reset"}`, "Decoding", "only in another case"},
			{`{"email":"camille@lune.test","\u0065mail":"a@evil.test","template":"email_reset"}`, "Decoding", "the key escaped"},
			{`{"email":"camille@lune.test","template":"email_reset","x":{"a":1,"A":2}}`, "Decoding", "twice inside what is not read"},
			{`{"email":"camille@lune.test","template":"email_reset"}{"email":"a@evil.test"}`, "Decoding", "a second document"},
			{`{"email":"camille@lune.test","template":"email_reset"} x`, "Decoding", "something behind"},
			{`[{"email":"camille@lune.test","template":"email_reset"}]`, "Decoding", "a list of requests"},
			{`"camille@lune.test"`, "Decoding", "no object"},
			{`{"email":"camille@lune.test","template":"email_reset"`, "Decoding", "cut off"},
			{"{\"email\":\"camille@lune.test\xff\",\"template\":\"email_reset\"}", "Decoding", "no UTF-8"},
			{`{"email":"camille@lune.test\u0000","template":"email_reset"}`, "Decoding", "NUL"},
			{`{"email":"camille@lune.test\ud800","template":"email_reset"}`, "Decoding", "half a character"},
			{`{"email":"camille@lune.test\udc00\ud800","template":"email_reset"}`, "Decoding", "two halves the wrong way round"},
			{strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50), "Decoding", "too deep"},
		}
		for _, r := range rows {
			got := h.ask(ask{method: "PUT", path: "/rest/V1/customers/password", body: r.body})
			mark := map[string]string{"Decoding": "Decoding error", "wrong type": "type is invalid"}[r.message]
			if got.status != 400 || !strings.Contains(got.body, mark) {
				t.Errorf("%s: %d %s", r.why, got.status, got.body)
			}
		}
		if links := h.links(); len(links) != 0 {
			t.Errorf("%d letters went out", len(links))
		}
	})
}

func TestWhatOneReaderUnderstandsIsTaken(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "zoé@lune.test")
		rows := []struct{ body, why string }{
			{`{"email":"zoé@lune.test","template":"email_reset"}`, "as documented"},
			{` {"email":"zoé@lune.test","template":"email_reminder","websiteId":null} `, "null is the same as missing"},
			{`{"email":"zo\u00e9@lune.test","template":"email_reset","extra":{"deep":[1,2,{"x":"\ud83d\ude00"}]}}`, "escapes, and more than is asked for"},
			{`{"email":"zoé@lune.test","template":"email_reset","website_id":` + itoa(c.WebsiteID) + `}`, "snake_case, as Commerce takes it"},
			{`{"email":"zoé@lune.test","template":"email_reset","websiteId":"` + itoa(c.WebsiteID) + `"}`, "a number as a text"},
			{`{"email":"a\\ud800@lune.test","template":"email_reset"}`, "a backslash before ud800 is no escape"},
		}
		for _, r := range rows[:5] {
			h.want(r.why, ask{method: "PUT", path: "/rest/V1/customers/password", body: r.body}, 200, "true")
		}
		got := h.ask(ask{method: "PUT", path: "/rest/V1/customers/password", body: rows[5].body})
		if got.status != 400 || strings.Contains(got.body, "Decoding") {
			t.Errorf("%s: %d %s", rows[5].why, got.status, got.body)
		}
	})
}

func TestRefusalsReadAsInCommerce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		other := h.Customer("nord_en", "otto@nord.test")
		put := func(body string) ask { return ask{method: "PUT", path: "/rest/V1/customers/password", body: body} }
		rows := []struct {
			why    string
			ask    ask
			status int
			body   string
		}{
			{"one field is missing", ask{method: "POST", path: "/rest/V1/integration/customer/token", body: `{"username":"a@b.test"}`}, 400,
				`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"password"}}`},
			{"an empty field is missing", signIn("", "x"), 400,
				`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"username"}}`},
			{"all are missing", ask{method: "POST", path: "/rest/V1/integration/customer/token"}, 400,
				`{"message":"One or more input exceptions have occurred.","errors":[` +
					`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"username"}},` +
					`{"message":"\"%fieldName\" is required. Enter and try again.","parameters":{"fieldName":"password"}}]}`},
			{"an unknown template", put(object("email", c.Email, "template", "other")), 400,
				`{"message":"Invalid value of \"%value\" provided for the %fieldName field. Possible values: %template1 or %template2.",` +
					`"parameters":{"fieldName":"template","template1":"email_reminder","template2":"email_reset","value":"other"}}`},
			{"a malformed address", put(object("email", "a@b@c", "template", "email_reset")), 400,
				`{"message":"The email address is incorrect. Verify the email address and try again."}`},
			{"another website's number", put(object("email", other.Email, "template", "email_reset", "websiteId", other.WebsiteID)), 404,
				`{"message":"No such entity with %fieldName = %fieldValue","parameters":{"fieldName":"websiteId","fieldValue":` + itoa(other.WebsiteID) + `}}`},
			{"a fraction for a number", put(`{"email":"a@b.test","template":"email_reset","websiteId":1.5}`), 400,
				`{"message":"Error occurred during \"%fieldName\" processing. The \"%value\" value's type is invalid. ` +
					`The \"%type\" type was expected. Verify and try again.","parameters":{"fieldName":"websiteId","type":"int","value":"number"}}`},
			{"a field that is too long", signIn(strings.Repeat("a", 5000), "x"), 400,
				`{"message":"\"%fieldName\" may have at most %max bytes.","parameters":{"fieldName":"username","max":4096}}`},
			{"a number that is none", ask{method: "GET", path: "/rest/V1/customers/0/password/resetLinkToken/x"}, 400,
				`{"message":"Invalid value of \"%value\" provided for the %fieldName field.","parameters":{"fieldName":"customerId","value":"0"}}`},
			{"no such path", ask{method: "GET", path: "/rest/V1/nowhere"}, 404, noRoute},
			{"no such store view", ask{method: "GET", path: "/rest/nowhere/V1/customers/me"}, 404, noRoute},
			{"the root", ask{method: "GET", path: "/rest/"}, 404, noRoute},
			{"an address that is no text", ask{method: "GET", path: "/rest/V1/customers/1/password/resetLinkToken/%ff"}, 400,
				`{"message":"The address is not valid UTF-8 text, so nothing was done."}`},
			{"a body above the limit", put(object("email", strings.Repeat("a", web.MaxBody))), 413,
				`{"message":"The body may have at most %max bytes.","parameters":{"max":65536}}`},
			{"XML", put("<xml/>").with("Content-Type", "application/xml"), 415,
				`{"message":"Server cannot understand Content-Type HTTP header media type %1","parameters":["application/xml"]}`},
			{"JSON that a foreign page can send", put(object("email", c.Email, "template", "email_reset")).with("Content-Type", "text/plain"), 415,
				`{"message":"Server cannot understand Content-Type HTTP header media type %1","parameters":["text/plain"]}`},
		}
		for _, r := range rows {
			h.want(r.why, r.ask, r.status, r.body)
		}
		if links := h.links(); len(links) != 0 {
			t.Errorf("%d letters went out", len(links))
		}
	})
}

func TestAnotherMethodIsNamedAsSuch(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		rows := []struct{ method, path, allow string }{
			{"GET", "/rest/V1/integration/customer/token", "POST"},
			{"DELETE", "/rest/V1/customers/me", "GET, HEAD, PUT"},
			{"POST", "/rest/lune_fr/V1/customers/password", "PUT"},
		}
		for _, r := range rows {
			got := h.ask(ask{method: r.method, path: r.path})
			if got.status != 405 || got.header.Get("Allow") != r.allow {
				t.Errorf("%s %s: %d, Allow %q", r.method, r.path, got.status, got.header.Get("Allow"))
			}
		}
	})
}

func TestOnlyJSONIsSpoken(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		rows := []struct {
			accept string
			status int
			why    string
		}{
			{"application/json", 200, "as documented"},
			{"*/*", 200, "anything"},
			{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200, "a browser takes anything in the end"},
			{"application/*", 200, "any of its kind"},
			{"application/xml", 406, "the other one of Commerce's"},
			{"text/html", 406, "a page"},
			{"application/json;q=0, */*", 406, "anything but this"},
			{"application/xml, application/json;q=0.1", 200, "at last"},
		}
		for _, r := range rows {
			got := h.ask(me(bearer).with("Accept", r.accept))
			if got.status != r.status || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
				t.Errorf("%s: %d %s %s", r.why, got.status, got.header.Get("Content-Type"), got.body)
			}
		}
	})
}

func TestAnotherSiteCannotCall(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		r := forgot("camille@lune.test").with("Sec-Fetch-Site", "cross-site").with("Origin", "https://evil.test")
		w := h.raw(r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// What broke is for the log; the caller gets the number to look it up by.
func TestAnInternalErrorShowsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		bearer := h.token(c.Email, fixture.Password)
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE store_views SET time_zone = 'Nowhere/Town'")
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "UPDATE shop_version SET version = version + 1")
			return err
		})
		got := h.ask(me(bearer))
		id := got.header.Get("X-Request-Id")
		want := `{"message":"Internal Error. Details are available in the log. Report ID: %1","parameters":["` + id + `"]}`
		if got.status != 500 || got.body != want {
			t.Errorf("%d %s", got.status, got.body)
		}
		if !strings.Contains(h.log.String(), "Nowhere/Town") || !strings.Contains(h.log.String(), id) {
			t.Errorf("the log does not lead from the number to the error:\n%s", h.log)
		}
	})
}

func TestAFullHouseSaysSo(t *testing.T) {
	rows := []struct {
		err    error
		status int
		why    string
	}{
		{secret.ErrBusy, 503, "every core is hashing"},
		{db.ErrUnavailable, 503, "no database"},
		{fault.New(fault.Conflict, "x", "Meanwhile."), 400, "Commerce has no 409"},
		{fault.New(fault.Forbidden, "x", "No."), 401, "Commerce has no 403"},
		{errors.Join(fault.Refuse("a", "x", "One.", nil), fault.Refuse("b", "y", "Two.", nil)), 400, "several"},
	}
	for _, r := range rows {
		w := httptest.NewRecorder()
		door := web.Door{Log: slog.New(slog.DiscardHandler), Fail: api.Fail}
		door.Handle(func(http.ResponseWriter, *http.Request) error { return r.err }).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != r.status || !json.Valid(w.Body.Bytes()) || (r.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: %d %s, Retry-After %q", r.why, w.Code, w.Body, w.Header().Get("Retry-After"))
		}
	}
}

func TestTheSchemaIsServed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, path := range []string{"/rest/schema", "/rest/lune_fr/schema"} {
			got := h.ask(ask{method: "GET", path: path})
			var described struct {
				OpenAPI string                    `json:"openapi"`
				Paths   map[string]map[string]any `json:"paths"`
			}
			if err := json.Unmarshal([]byte(got.body), &described); err != nil || got.status != 200 || described.OpenAPI != "3.1.0" {
				t.Fatalf("%s: %d, %v, %.80s", path, got.status, err, got.body)
			}
			if described.Paths["/V1/customers/me"]["get"] == nil {
				t.Errorf("%s does not describe /V1/customers/me", path)
			}
		}
	})
}
