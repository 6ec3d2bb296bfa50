package oracle

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAUCIsTheMannWhitneyStatistic(t *testing.T) {
	for _, row := range []struct {
		why  string
		a, b []float64
		want float64
	}{
		{"every one is greater", []float64{4, 5, 6}, []float64{1, 2, 3}, 1},
		{"every one is less", []float64{1, 2, 3}, []float64{4, 5, 6}, 0},
		{"all are equal", []float64{1, 1}, []float64{1, 1, 1}, 0.5},
		{"interleaved: 1<2, 1<4, 3>2, 3<4", []float64{1, 3}, []float64{2, 4}, 0.25},
		{"a tie counts half: 2=2, 2>1", []float64{2}, []float64{1, 2}, 0.75},
	} {
		if got, _ := AUC(row.a, row.b); got != row.want {
			t.Errorf("%s: %v, want %v", row.why, got, row.want)
		}
	}
	if _, sigma := AUC(make([]float64, 1000), make([]float64, 1000)); math.Abs(sigma-0.0129) > 0.0001 {
		t.Errorf("sigma of a thousand of each: %v", sigma)
	}
}

// The audit must see what there is to see: a page that tells by one byte, by a header, by its status or by its time.
func TestTheOracleSeesLeaks(t *testing.T) {
	known := []string{"camille@example.com", "theo@example.com"}
	spins := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); { // the handler's own work, which is what is measured
		}
	}
	for _, row := range []struct {
		why    string
		answer func(w http.ResponseWriter, customer bool)
		silent bool
	}{
		{"nothing to see", func(w http.ResponseWriter, _ bool) { spins(200 * time.Microsecond) }, true},
		{"random values in both", func(w http.ResponseWriter, _ bool) {
			w.Header().Set("X-Request-Id", rand.Text())
			http.SetCookie(w, &http.Cookie{Name: "key", Value: strings.Repeat("k", 17) + rand.Text()})
			spins(200 * time.Microsecond)
		}, true},
		{"one byte of the body", func(w http.ResponseWriter, customer bool) {
			_, _ = io.WriteString(w, map[bool]string{true: "Sent.", false: "Sent"}[customer])
		}, false},
		{"a header", func(w http.ResponseWriter, customer bool) {
			if customer {
				w.Header().Set("X-Cache", "hit")
			}
		}, false},
		{"the status", func(w http.ResponseWriter, customer bool) {
			if customer {
				w.WriteHeader(http.StatusUnprocessableEntity)
			}
		}, false},
		{"one word of the notice that a cookie carries", func(w http.ResponseWriter, customer bool) {
			notice := map[bool]string{true: `{"k":"sent","a":"camille@example.com"}`, false: `{"k":"seen","a":"camille@example.com"}`}[customer]
			http.SetCookie(w, &http.Cookie{Name: "notice", Value: base64.RawURLEncoding.EncodeToString([]byte(notice))})
		}, false},
		{"how long a cookie lives", func(w http.ResponseWriter, customer bool) {
			http.SetCookie(w, &http.Cookie{Name: "notice", Value: "x", MaxAge: map[bool]int{true: 60, false: 61}[customer]})
		}, false},
		{"two milliseconds", func(w http.ResponseWriter, customer bool) {
			if customer {
				spins(2 * time.Millisecond)
			}
		}, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				return // the form
			}
			email := r.FormValue("email")
			row.answer(w, email == known[0] || email == known[1])
		}))
		v, err := Asking{Base: server.URL, Known: known, Domain: "audit.invalid", N: 150, Client: server.Client()}.Run(context.Background(), Pages()[0])
		server.Close()
		if err != nil || !v.Measured || v.Silent != row.silent {
			t.Errorf("%s: silent %v, AUC %.3f, %v, %v", row.why, v.Silent, v.AUC, v.Differences, err)
		}
	}
}

// Whatever answers instead of the store view must not pass for silence.
func TestSomethingElseThanAStoreViewIsSaid(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusNotFound, http.StatusForbidden, http.StatusBadGateway} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://shop.example/")
			w.WriteHeader(status)
		}))
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := Asking{Base: server.URL, Known: []string{"camille@example.com"}, Domain: "audit.invalid", N: 30, Client: client}.Run(context.Background(), Pages()[0])
		server.Close()
		if err == nil {
			t.Errorf("%d passed", status)
		}
	}
}

func TestAnswersOfALimitAreLeftOut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	v, err := Asking{Base: server.URL, Known: []string{"camille@example.com"}, Domain: "audit.invalid", N: 30, Client: server.Client()}.Run(context.Background(), Pages()[1])
	if err != nil || v.Measured || v.Silent || v.Limited != 60 {
		t.Errorf("%+v, %v", v, err)
	}
}

// Signing in by letter is off by default: it is asked where it is offered, and no error where it is not.
func TestOptionalPagesAreAskedWhereTheyAreOffered(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusNotFound} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		for _, p := range Pages() {
			got, err := Asking{Base: server.URL, Client: server.Client()}.Offers(context.Background(), p)
			if want := !p.Optional || status == http.StatusOK; got != want || err != nil {
				t.Errorf("%s with %d: %v, %v", p.Name, status, got, err)
			}
		}
		server.Close()
	}
}
