package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/api"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/web"
)

// Whatever is posted to GraphQL is answered with JSON, and never by an error of the house.
func FuzzGraphQL(f *testing.F) {
	for _, body := range []string{
		`{"query":"{storeConfig{store_code}}"}`, `{"query":"mutation{requestPasswordResetEmail(email:\"a@b.test\")}"}`,
		`{"query":"query($e:String!){isEmailAvailable(email:$e){is_email_available}}","variables":{"e":"a@b.test"}}`,
		`{"query":"{a:storeConfig{store_code} a:storeConfig{locale}}"}`, `{"query":"{__schema{types{name fields{name}}}}"}`,
		`{"query":"fragment f on Query{...f} {...f}"}`, `{"query":"{customer{email}}","operationName":"x"}`, `[{"query":"{a}"}]`, `{"query":"\"\"\"{"}`,
		`{"query":"{storeConfig{store_code @include(if:$x)}}","variables":{"x":[]}}`, `{"query":"` + strings.Repeat("{a", 50) + `"}`, `{"query":null}`,
	} {
		f.Add(body, "lune_en", "")
	}
	f.Add(`{"query":"{customer{email}}"}`, "nord_en", "Bearer x")
	f.Add(`{"query":"{customer{email}}"}`, "\x00", `OAuth oauth_token="x"`)
	h := fixture.Furnish(f, dbtest.Open(f, dbtest.SQLite))
	log := slog.New(slog.DiscardHandler)
	graph, err := api.NewGraph(&api.API{DB: h.DB, Shop: h.Shop, Customers: h.Customers, Tokens: h.Tokens, Recovery: h.Recovery, Puzzles: h.Puzzles, Log: log})
	if err != nil {
		f.Fatal(err)
	}
	handler := web.Stack{Log: log, Fail: api.FailGraph}.Wrap(graph)
	f.Fuzz(func(t *testing.T, body, store, authorization string) {
		r := httptest.NewRequest(http.MethodPost, "https://lune.test"+api.GraphPath, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Store", store)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var answered struct {
			Errors []struct {
				Message    string         `json:"message"`
				Extensions map[string]any `json:"extensions"`
			} `json:"errors"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answered); err != nil || w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, e := range answered.Errors {
			if e.Extensions["category"] == "internal" || strings.Contains(e.Message, "panic") {
				t.Errorf("an error of the house: %s", w.Body)
			}
		}
	})
}
