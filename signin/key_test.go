package signin_test

import (
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

// Promise: a passkey is asked for by one node and answered at another while the store changes its key, also the first one of a
// customer, whose authenticator keeps the name that it was told.
func TestPasskeysOutliveAChangeOfTheKey(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		fixture.Furnish(t, d)
		_, told, changed, done := fixture.Changing(t, d)
		for email, nodes := range map[string][2]*fixture.House{"camille@lune.test": {told, changed}, "nour@lune.test": {changed, told}} {
			asks, takes := nodes[0], nodes[1]
			v, device := asks.View("lune_en"), phone(t)
			c := asks.Customer("lune_en", email)
			who := signedIn(t, asks, email)
			ask, err := asks.SignIn.AskNewPasskey(ctx, v, who)
			if err != nil {
				t.Fatal(err)
			}
			if err := takes.SignIn.AddPasskey(ctx, v, who, signin.Answer{Ticket: ask.Ticket, Response: device.Make(ask.Options)}, "Phone", fixture.Origin); err != nil {
				t.Fatalf("%s: made at another node: %v", email, err)
			}
			q := question(t, asks, "lune_en")
			device.Passkey.Counter++
			opened, err := takes.SignIn.SignInByPasskey(ctx, v, signin.Answer{Ticket: q.Ticket, Response: device.Use(q.Options), Browser: browser}, fixture.Origin)
			if err != nil || opened.Customer.ID != c.ID {
				t.Errorf("%s: signing in at another node: %v", email, err)
			}
			if _, err := use(t, done, "lune_en", device); err != nil {
				t.Errorf("%s: once the old key is given up: %v", email, err)
			}
		}
	})
}
