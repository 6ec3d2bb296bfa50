package mail

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// What goes to programs shares the queue with letters, and neither is seen, counted or delivered as the other.
func TestLanesDoNotMeet(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := startServer(t)
		letter := enqueue(t, d, to("zoe@example.com"))
		parcel := enqueue(t, d, Note{Lane: "parcels", Kind: "test", WebsiteID: 1})
		clock.Advance(time.Minute)
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			f, err := Measure(t.Context(), tx)
			if f.Depth != 1 || f.Due != 1 {
				t.Errorf("the figures of letters are %+v", f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var carried []db.ID
		courier := &Worker{DB: d, Lane: "parcels", Log: slog.New(slog.DiscardHandler), Carry: func(_ context.Context, l Letter) (Receipt, error) {
			carried = append(carried, l.ID)
			if len(carried) == 1 {
				return Receipt{Words: "come\nback"}, nil
			}
			return Receipt{State: HandedOver, Words: "thanks", Server: "erp.example", Recipient: "erp.example"}, nil
		}}
		drain(t, courier, 1)
		drain(t, post(d, s.transport(t)), 1)
		if l := get(t, d, parcel); l.State != Deferred || l.LastWords != "come back" {
			t.Errorf("%s: %q", l.State, l.LastWords)
		}
		clock.Advance(time.Hour)
		drain(t, post(d, s.transport(t)), 0)
		drain(t, courier, 1)
		if l := get(t, d, parcel); l.State != HandedOver || history(l) != "queued deferred handed_over" || l.Recipient != "erp.example" || l.Lane != "parcels" {
			t.Errorf("%s: %s to %q", l.State, history(l), l.Recipient)
		}
		if len(carried) != 2 || carried[0] != parcel || carried[1] != parcel || len(s.letters()) != 1 {
			t.Errorf("carried %v, %d letters", carried, len(s.letters()))
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			all, _, err := List(t.Context(), tx, Query{Limit: 10})
			if len(all) != 1 || all[0].ID != letter {
				t.Errorf("the list of letters has %d", len(all))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestBrokenCarrierEndsNothingElse(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		bad, gone := enqueue(t, d, Note{Lane: "parcels", Kind: "bad"}), enqueue(t, d, Note{Lane: "parcels", Kind: "gone"})
		courier := &Worker{DB: d, Lane: "parcels", Log: slog.New(slog.DiscardHandler), Carry: func(_ context.Context, l Letter) (Receipt, error) {
			switch {
			case l.Kind == "gone":
				return Receipt{}, NotNeeded("nobody is there")
			case l.Attempts%2 == 0:
				return Receipt{}, errors.New("broken")
			}
			panic("broken")
		}}
		drain(t, courier, 2)
		for range maxUnwritten - 1 {
			clock.Advance(time.Hour)
			drain(t, courier, 1)
		}
		if l := get(t, d, bad); l.State != SetAside {
			t.Errorf("a broken one is %s: %s", l.State, history(l))
		}
		if l := get(t, d, gone); l.State != Unneeded || l.LastWords != "nobody is there" {
			t.Errorf("%s: %s", l.State, l.LastWords)
		}
	})
}
