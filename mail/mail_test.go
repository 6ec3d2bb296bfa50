package mail

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
)

const testLink = "https://shop.example/fr/customer/account/createpassword?token=q3Jd0x7v5fJw2nT8LrYcV1mKz9bQe4hUsA6PgXyRoIE"

// letterTo is an ordinary letter.
func letterTo(email string) Content {
	return Content{
		Head: Letterhead{Lang: "fr", StoreName: "Maison Lune", Accent: "#7a2e4d", SenderName: "Maison Lune – Café",
			SenderEmail: "shop@shop.example", SupportEmail: "care@shop.example", BaseURL: "https://shop.example/fr",
			LinkHint: "Copiez cette adresse\u00a0:", Footer: []string{"Une question\u00a0? Répondez à ce message."}},
		To: Address{"Zoé Müller", email}, Subject: "Réinitialiser votre mot de passe Maison Lune", Preheader: "Valable 24 heures.",
		Title: "Votre mot de passe", Greeting: "Bonjour Zoé,", Paragraphs: []string{"Quelqu’un a demandé un nouveau mot de passe."},
		Button: &Button{"Réinitialiser mon mot de passe", secret.NewText(testLink)},
		After:  []string{"Le lien est valable jusqu’au mercredi 25 novembre 2026."},
		Facts:  []Fact{{"Quand", "mardi 24 novembre 2026, 15:40 (Paris)"}},
		NotYou: "Si ce n’était pas vous, il n’y a rien à faire.", Why: "Vous recevez ce message parce que…",
	}
}

// post composes "test" letters to the address in the note's data.
func post(d *db.DB, transport *Transport) *Worker {
	return &Worker{DB: d, Transport: transport, Log: slog.New(slog.DiscardHandler), Composers: map[string]Composer{
		"test": func(_ context.Context, l Letter) (Content, error) { return letterTo(l.Data["to"]), nil },
	}}
}

func enqueue(t *testing.T, d *db.DB, n Note) db.ID {
	t.Helper()
	if n.Kind == "" {
		n.Kind = "test"
	}
	n.WebsiteID, n.ViewID = max(n.WebsiteID, 1), 1
	var id db.ID
	err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		id, err = Enqueue(t.Context(), tx, n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func to(email string) Note { return Note{Data: map[string]string{"to": email}} }

func get(t *testing.T, d *db.DB, id db.ID) Letter {
	t.Helper()
	var l Letter
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		l, err = Get(t.Context(), tx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func drain(t *testing.T, w *Worker, want int) {
	t.Helper()
	tried, err := w.Drain(t.Context())
	if err != nil || tried != want {
		t.Fatalf("Drain tried %d letters, error %v; want %d", tried, err, want)
	}
}

func exec(t *testing.T, d *db.DB, query string, args ...any) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// history is a letter's states, in order.
func history(l Letter) string {
	var states []string
	for _, e := range l.Events {
		states = append(states, string(e.State))
	}
	return strings.Join(states, " ")
}

func TestLetterQueuedInTheTransactionOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := startServer(t)
		var lost db.ID
		refused := errors.New("the use case failed after it queued")
		err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
			if lost, err = Enqueue(t.Context(), tx, Note{Kind: "test", WebsiteID: 1, ViewID: 1}); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		id := enqueue(t, d, to("zoe@example.com"))
		drain(t, post(d, s.transport(t)), 1)
		if l := get(t, d, id); l.State != HandedOver || history(l) != "queued handed_over" {
			t.Errorf("state %s, history %q", l.State, history(l))
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error { _, err := Get(t.Context(), tx, lost); return err })
		if err == nil || len(s.letters()) != 1 {
			t.Errorf("a letter survived its transaction: Get gave %v, the server has %d letters", err, len(s.letters()))
		}
	})
}

func TestNoteIsSmallAndForgottenAtTheEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := startServer(t)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := Enqueue(t.Context(), tx, Note{Kind: "test", WebsiteID: 1, ViewID: 1, Data: map[string]string{"x": strings.Repeat("x", maxData)}})
			return err
		})
		if err == nil {
			t.Error("a note of more than 4 KB was taken")
		}
		id := enqueue(t, d, to("zoe@example.com"))
		drain(t, post(d, s.transport(t)), 1)
		l := get(t, d, id)
		if len(l.Data) != 0 || l.Recipient != "zoe@example.com" || l.SettledAt.IsZero() || !strings.HasPrefix(l.LastWords, "250 ") {
			t.Errorf("after its end: data %v, recipient %q, settled %v, words %q", l.Data, l.Recipient, l.SettledAt, l.LastWords)
		}
	})
}

func TestUnneededLetterIsNotSent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := startServer(t)
		w := post(d, s.transport(t))
		w.Composers["test"] = func(context.Context, Letter) (Content, error) {
			return Content{}, NotNeeded("no customer has this address")
		}
		id := enqueue(t, d, to("nobody@example.com"))
		drain(t, w, 1)
		l := get(t, d, id)
		if l.State != Unneeded || l.LastWords != "no customer has this address" || len(l.Data) != 0 || l.Recipient != "" {
			t.Errorf("got %+v", l)
		}
		if c, _ := s.count(); c != 0 {
			t.Errorf("the mail server was called %d times", c)
		}
	})
}

func TestListPagesByKeyset(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var ids []db.ID
		for i := range 7 {
			n := Note{Kind: "test", WebsiteID: int64(1 + i%2)}
			if i == 3 {
				n.Kind = "other"
			}
			ids = append(ids, enqueue(t, d, n))
		}
		exec(t, d, `UPDATE letters SET state = 'refused' WHERE id = $1`, ids[6])
		list := func(q Query) (got []db.ID) {
			t.Helper()
			for q.Limit = 2; ; {
				err := d.Read(t.Context(), func(tx *db.Tx) error {
					letters, next, err := List(t.Context(), tx, q)
					for _, l := range letters {
						got = append(got, l.ID)
					}
					q.After = next
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if q.After == "" {
					return got
				}
			}
		}
		for _, c := range []struct {
			why  string
			q    Query
			want []int
		}{
			{"newest first, each once", Query{}, []int{6, 5, 4, 3, 2, 1, 0}},
			{"one state", Query{State: Refused}, []int{6}},
			{"one kind", Query{Kind: "other"}, []int{3}},
			{"an administrator of one website sees its letters only", Query{WebsiteIDs: []int64{2}}, []int{5, 3, 1}},
			{"an administrator of no website sees none", Query{WebsiteIDs: []int64{}}, nil},
		} {
			got := list(c.q)
			if len(got) != len(c.want) {
				t.Errorf("%s: %d letters, want %d", c.why, len(got), len(c.want))
				continue
			}
			for i, n := range c.want {
				if got[i] != ids[n] {
					t.Errorf("%s: place %d is wrong", c.why, i)
				}
			}
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			_, _, err := List(t.Context(), tx, Query{After: "'; DROP TABLE letters"})
			return err
		})
		if err == nil {
			t.Error("a cursor that is none was taken")
		}
	})
}

func TestLettersOfCustomerIncludeThoseAskedByAddress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		byAddress := enqueue(t, d, Note{AddressKey: []byte("key of zoe")})
		enqueue(t, d, Note{AddressKey: []byte("key of max")})
		byID := enqueue(t, d, Note{CustomerID: 7})
		enqueue(t, d, Note{CustomerID: 8})
		var letters []Letter
		err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
			letters, err = OfCustomer(t.Context(), tx, 7, []byte("key of zoe"), 10)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(letters) != 2 || letters[0].ID != byAddress || letters[1].ID != byID || history(letters[0]) != "queued" {
			t.Errorf("got %d letters: %+v", len(letters), letters)
		}
	})
}

func TestFiguresTellWhenNobodyMoves(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		enqueue(t, d, to("zoe@example.com"))
		clock.Advance(3 * time.Minute)
		enqueue(t, d, to("max@example.com"))
		measure := func() (f Figures) {
			err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
				f, err = Measure(t.Context(), tx)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		if f := measure(); f != (Figures{Depth: 2, Due: 2, OldestDue: 3 * time.Minute}) {
			t.Errorf("waiting: %+v", f)
		}
		w := post(d, s.transport(t))
		if !w.LastHandOver().IsZero() {
			t.Error("a hand-over before the first")
		}
		drain(t, w, 2)
		if f := measure(); f != (Figures{}) {
			t.Errorf("empty: %+v", f)
		}
		if time.Since(w.LastHandOver()) > time.Minute {
			t.Errorf("last hand-over %v", w.LastHandOver())
		}
	})
}
