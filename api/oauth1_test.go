package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// integration makes an active integration with the given rights.
func (h *house) integration(rights ...admin.Right) fixture.OAuth1 {
	h.t.Helper()
	may := admin.CommandLine(admin.ManagePrograms)
	made, err := h.Tokens.AddIntegration(context.Background(), may, token.NewIntegration{Name: "ERP", Rights: rights}, fixture.Origin)
	if err != nil {
		h.t.Fatal(err)
	}
	a, err := h.Tokens.Activate(context.Background(), may, made.ID, fixture.Origin)
	if err != nil {
		h.t.Fatal(err)
	}
	c := a.Credentials
	return fixture.OAuth1{ConsumerKey: c.ConsumerKey, ConsumerSecret: c.ConsumerSecret.Reveal(), Token: c.AccessToken.Reveal(),
		TokenSecret: c.AccessSecret.Reveal(), Nonce: "1", At: h.clock.Now().Unix()}
}

// sign signs a request as its client saw it, at the public address.
func sign(o fixture.OAuth1, method, path string) ask {
	return ask{method: method, path: path}.with("Authorization", o.Header(method, "https://lune.test"+path))
}

func TestAnIntegrationReachesWhatItWasGranted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.Customer("lune_en", "camille@lune.test")
		one := "/rest/V1/customers/" + strconv.FormatInt(c.ID, 10)
		o := h.integration(admin.ViewCustomers)
		next := func() fixture.OAuth1 { o.Nonce += "1"; return o }
		if got := h.ask(sign(next(), "GET", one)); got.status != http.StatusOK || !strings.Contains(got.body, "camille@lune.test") {
			t.Errorf("what it was granted: %d %s", got.status, got.body)
		}
		h.want("sent again", sign(o, "GET", one), 401, `{"message":"The nonce is already being used by the consumer."}`)
		h.want("what it was not granted", sign(next(), "DELETE", one), 401,
			`{"message":"The consumer isn't authorized to access %resources.","parameters":{"resources":"Magento_Customer::delete"}}`)
		h.want("a customer's own pages", sign(next(), "GET", "/rest/V1/customers/me"), 401,
			`{"message":"The consumer isn't authorized to access %resources.","parameters":{"resources":"self"}}`)
		wrong := next()
		wrong.TokenSecret = "guessed"
		h.want("another secret", sign(wrong, "GET", one), 401, `{"message":"The signature is invalid. Verify and try again."}`)
		moved := sign(next(), "GET", one)
		moved.header.Set("X-Forwarded-Host", "evil.test")
		moved.header.Set("X-Forwarded-Proto", "http")
		moved.header.Set("Forwarded", "host=evil.test;proto=http")
		if got := h.ask(moved); got.status != http.StatusOK {
			t.Errorf("headers that nobody checks change the signed address: %d %s", got.status, got.body)
		}
		bearer := ask{method: "GET", path: one, bearer: o.Token}
		if got := h.ask(bearer); got.status != http.StatusUnauthorized {
			t.Errorf("its token by itself: %d", got.status)
		}
		h.Set(shop.IntegrationAsBearer, "1")
		if got := h.ask(bearer); got.status != http.StatusOK {
			t.Errorf("its token by itself, where the setting allows it: %d %s", got.status, got.body)
		}
		var id int64
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			all, err := token.Integrations(ctx, tx)
			id = all[0].ID
			return err
		})
		if _, err := h.Tokens.ChangeIntegration(context.Background(), admin.CommandLine(admin.ManagePrograms), id,
			token.NewIntegration{Name: "Other", Rights: []admin.Right{admin.UnlockCustomer}}, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		h.want("a right that was taken from it", sign(next(), "GET", one), 401,
			`{"message":"The consumer isn't authorized to access %resources.","parameters":{"resources":"Magento_Customer::customer"}}`)
	})
}

func TestTheHandshakeSpeaksAsCommerceDoes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Shop.AllowHTTP = true
		var told url.Values
		side := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			told = r.PostForm
		}))
		defer side.Close()
		may := admin.CommandLine(admin.ManagePrograms)
		made, err := h.Tokens.AddIntegration(context.Background(), may,
			token.NewIntegration{Name: "Till", CallbackURL: side.URL, Rights: []admin.Right{admin.ViewCustomers}}, fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Tokens.Activate(context.Background(), may, made.ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		us := fixture.OAuth1{ConsumerKey: told.Get("oauth_consumer_key"), ConsumerSecret: told.Get("oauth_consumer_secret"), Nonce: "1", At: h.clock.Now().Unix()}
		send := func(path string, o fixture.OAuth1) (int, url.Values) {
			t.Helper()
			r := httptest.NewRequest(http.MethodPost, path, nil)
			r.Host = "lune.test"
			r.Header.Set("Authorization", o.Header("POST", "https://lune.test"+path))
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r)
			values, err := url.ParseQuery(w.Body.String())
			if err != nil || w.Header().Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("%s: %q of type %q", path, w.Body, w.Header().Get("Content-Type"))
			}
			return w.Code, values
		}
		wrong := us
		wrong.ConsumerSecret = "guessed"
		if status, said := send(api.RequestTokenPath, wrong); status != 401 || said.Get("oauth_problem") != "The signature is invalid. Verify and try again." {
			t.Errorf("another secret: %d %v", status, said)
		}
		wrong = us
		wrong.Nonce = ""
		if status, said := send(api.RequestTokenPath, wrong); status != 400 || said.Get("oauth_problem") != "oauth_nonce is required. Enter and try again." {
			t.Errorf("no nonce: %d %v", status, said)
		}
		status, request := send(api.RequestTokenPath, us)
		if status != 200 || len(request) != 2 {
			t.Fatalf("the first step: %d, %d values", status, len(request))
		}
		us.Token, us.TokenSecret, us.Verifier, us.Nonce = request.Get("oauth_token"), request.Get("oauth_token_secret"), told.Get("oauth_verifier"), "2"
		status, access := send(api.AccessTokenPath, us)
		if status != 200 {
			t.Fatalf("the last step: %d", status)
		}
		us.Token, us.TokenSecret, us.Verifier, us.Nonce = access.Get("oauth_token"), access.Get("oauth_token_secret"), "", "3"
		if got := h.ask(sign(us, "GET", "/rest/V1/customers/search?searchCriteria%5BpageSize%5D=5")); got.status != http.StatusOK {
			t.Errorf("a signed call: %d %s", got.status, got.body)
		}
		if r := h.log.String(); strings.Contains(r, us.Token) || strings.Contains(r, us.ConsumerSecret) || strings.Contains(r, told.Get("oauth_verifier")) {
			t.Error("the log holds a secret")
		}
	})
}
