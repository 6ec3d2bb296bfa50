package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

var owner = admin.CommandLine(Right)

// receiver is a program that is told of events.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []told
	answer func(n int) int // the status for the nth request; nil: 204
}

type told struct {
	id, at, signature, body string
	header                  http.Header
}

func listen(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, told{q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp"), q.Header.Get("webhook-signature"), string(body), q.Header})
		status := http.StatusNoContent
		if r.answer != nil {
			status = r.answer(len(r.got))
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]told(nil), r.got...)
}

// store is a furnished house that allows receivers on this machine.
func store(t *testing.T, d *db.DB) (*fixture.House, *Service) {
	h := fixture.Furnish(t, d)
	h.Set(shop.WebhookPrivateAddresses, "1")
	return h, node(h)
}

func node(h *fixture.House) *Service {
	h.Shop.AllowHTTP = true
	return &Service{DB: h.DB, Shop: h.Shop, Key: h.Key}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// create makes a webhook for every event of every website, unless n says otherwise.
func create(t *testing.T, s *Service, n New) (Webhook, secret.Text) {
	t.Helper()
	if n.Types == nil {
		n.Types = names()
	}
	w, key, err := s.Create(t.Context(), owner, n, audit.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return w, key
}

// deliver fans out and tries everything that is due, once.
func deliver(t *testing.T, s *Service) (tried int) {
	t.Helper()
	if _, err := s.FanOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	tried, err := s.Worker(quiet()).Drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tried
}

func deliveries(t *testing.T, s *Service, w Webhook) (all []Delivery) {
	t.Helper()
	if err := s.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
		all, err = Deliveries(t.Context(), tx, w.ID, db.ID{}, 100)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// happen records an act.
func happen(h *fixture.House, e audit.Entry) {
	h.T.Helper()
	h.Write(func(ctx context.Context, tx *db.Tx) error { return audit.Record(ctx, tx, e) })
}

// created is the act that most tests tell of.
func created(h *fixture.House) audit.Entry {
	return audit.Entry{Action: audit.CustomerCreated, Actor: audit.Actor{Kind: audit.Shopper}, CustomerID: 42, WebsiteID: h.View("lune_en").WebsiteID}
}

// verify computes the signature as a receiver does, with nothing of this package.
func verify(t *testing.T, key secret.Text, got told) {
	t.Helper()
	text, ok := strings.CutPrefix(key.Reveal(), "whsec_")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) != 32 {
		t.Fatalf("the secret is no whsec_ and base64 of 32 bytes: %v, %d", err, len(raw))
	}
	m := hmac.New(sha256.New, raw)
	m.Write([]byte(got.id + "." + got.at + "." + got.body))
	if want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); got.signature != want {
		t.Errorf("the signature is %q, want %q", got.signature, want)
	}
}

// The worked example that the libraries of Standard Webhooks are tested with.
func TestSignatureIsTheStandards(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), `{"test": 2432232314}`)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestEventIsToldAfterItsCommitAndNotWithout(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		w, key := create(t, s, New{URL: r.URL + "/hook?a=b"})
		undone := errors.New("undone")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := audit.Record(t.Context(), tx, created(h)); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		if n := deliver(t, s); n != 0 || len(r.all()) != 0 {
			t.Fatalf("what did not commit was told %d times", n)
		}
		happen(h, created(h))
		if len(r.all()) != 0 {
			t.Fatal("it was told inside of the transaction")
		}
		deliver(t, s)
		deliver(t, s)
		got := r.all()
		if len(got) != 1 {
			t.Fatalf("it was told %d times", len(got))
		}
		verify(t, key, got[0])
		if kind := got[0].header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("content type %q", kind)
		}
		var p struct {
			Type      string
			Timestamp time.Time
			Data      map[string]any
		}
		if err := json.Unmarshal([]byte(got[0].body), &p); err != nil || p.Type != "customer.created" || p.Timestamp.IsZero() {
			t.Errorf("%s: %v", got[0].body, err)
		}
		if len(p.Data) != 3 || p.Data["website"] != "lune" || p.Data["customer_id"] != 42.0 || p.Data["by"] != "shopper" {
			t.Errorf("data %v", p.Data)
		}
		all := deliveries(t, s, w)
		if len(all) != 1 || all[0].State != mail.HandedOver || all[0].Words != "204 No Content" || all[0].MessageID() != got[0].id || all[0].Attempts != 1 {
			t.Errorf("the list says %+v", all)
		}
	})
}

func TestRetryKeepsTheIDAndTheBytes(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h, s := store(t, d)
		r := listen(t)
		r.answer = func(n int) int {
			return []int{http.StatusInternalServerError, http.StatusBadRequest, http.StatusFound, http.StatusTooManyRequests, http.StatusOK}[n-1]
		}
		w, key := create(t, s, New{URL: r.URL})
		happen(h, created(h))
		for range 5 {
			deliver(t, s)
			clock.Advance(time.Hour)
		}
		got := r.all()
		if len(got) != 5 {
			t.Fatalf("%d tries; a redirect that is followed would be one more", len(got))
		}
		times := map[string]bool{}
		for _, one := range got {
			verify(t, key, one)
			times[one.at] = true
			if one.id != got[0].id || one.body != got[0].body {
				t.Errorf("a retry says %s %s, the first try %s %s", one.id, one.body, got[0].id, got[0].body)
			}
		}
		if len(times) != 5 {
			t.Error("a retry must say when it was sent: receivers refuse what is old")
		}
		if all := deliveries(t, s, w); len(all) != 1 || all[0].State != mail.HandedOver || all[0].Attempts != 5 {
			t.Errorf("%+v", all)
		}
	})
}

func TestDeadReceiverIsGivenUpAfterThreeDays(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h, s := store(t, d)
		r := listen(t)
		url := r.URL
		r.Close()
		w, _ := create(t, s, New{URL: url})
		happen(h, created(h))
		deliver(t, s)
		if all := deliveries(t, s, w); all[0].State != mail.Deferred || !strings.Contains(all[0].Words, "refused") {
			t.Errorf("%s: %s", all[0].State, all[0].Words)
		}
		clock.Advance(3*24*time.Hour + time.Hour)
		deliver(t, s)
		if all := deliveries(t, s, w); all[0].State != mail.Expired {
			t.Errorf("%s: %s", all[0].State, all[0].Words)
		}
	})
}

func TestReplaySendsTheSameEventAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		w, key := create(t, s, New{URL: r.URL})
		other, _ := create(t, s, New{URL: r.URL, Types: []string{"customer.locked"}})
		happen(h, created(h))
		deliver(t, s)
		first := deliveries(t, s, w)[0]
		if err := s.Replay(t.Context(), owner, other.ID, first.ID, audit.Origin{}); !fault.Is(err, fault.NotFound) {
			t.Errorf("a delivery of another webhook is replayed: %v", err)
		}
		if err := s.Replay(t.Context(), admin.CommandLine(admin.ViewCustomers), w.ID, first.ID, audit.Origin{}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("another right replays: %v", err)
		}
		if err := s.Replay(t.Context(), owner, w.ID, first.ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		deliver(t, s)
		got := r.all()
		if len(got) != 2 || got[0].id != got[1].id || got[0].body != got[1].body {
			t.Fatalf("told %+v", got)
		}
		verify(t, key, got[1])
		if all := deliveries(t, s, w); len(all) != 2 || !all[0].Replay || all[1].Replay || all[0].State != mail.HandedOver {
			t.Errorf("%+v", all)
		}
		if err := s.SetActive(t.Context(), owner, w.ID, false, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Replay(t.Context(), owner, w.ID, first.ID, audit.Origin{}); !fault.Is(err, fault.Conflict) {
			t.Errorf("a disabled webhook is told: %v", err)
		}
	})
}

func TestGoneEndsTheWebhook(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		r.answer = func(int) int { return http.StatusGone }
		w, _ := create(t, s, New{URL: r.URL})
		happen(h, created(h))
		happen(h, created(h))
		deliver(t, s)
		happen(h, created(h))
		deliver(t, s)
		all := deliveries(t, s, w)
		if len(r.all()) != 1 || len(all) != 2 || all[1].State != mail.Refused || all[0].State != mail.Unneeded {
			t.Errorf("%d requests, %+v", len(r.all()), all)
		}
		var found Webhook
		h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			found, err = Find(ctx, tx, owner, w.ID)
			return err
		})
		if found.Active {
			t.Error("it is still enabled")
		}
	})
}

func TestDeletedWebhookIsToldNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		r := listen(t)
		w, _ := create(t, s, New{URL: r.URL})
		happen(h, created(h))
		if _, err := s.FanOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), owner, w.ID, audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		happen(h, created(h))
		if n := deliver(t, s); n != 1 || len(r.all()) != 0 {
			t.Errorf("%d tries, %d requests", n, len(r.all()))
		}
		var news bool
		h.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			news, err = audit.HasNews(ctx, tx)
			return err
		})
		if news {
			t.Error("nobody listens, and the audit keeps news")
		}
	})
}

func TestWebhookHearsOnlyWhatItAskedFor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h, s := store(t, d)
		lune, nord, locks := listen(t), listen(t), listen(t)
		create(t, s, New{URL: lune.URL, WebsiteID: h.View("lune_en").WebsiteID})
		create(t, s, New{URL: nord.URL, WebsiteID: h.View("nord_en").WebsiteID})
		create(t, s, New{URL: locks.URL, Types: []string{"customer.locked"}})
		happen(h, created(h))
		deliver(t, s)
		if len(lune.all()) != 1 || len(nord.all()) != 0 || len(locks.all()) != 0 {
			t.Errorf("told %d, %d, %d", len(lune.all()), len(nord.all()), len(locks.all()))
		}
	})
}
