package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

// What a backup holds as alive may have been used, ended or revoked after it was taken. After rekey restored none of it works,
// nor does what its queue would still send; what is asked for from then on does.
func TestARestoredStoreRevivesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, h := context.Background(), fixture.Furnish(t, d)
		v, email := h.View("lune_en"), "camille@lune.test"
		c := h.Customer("lune_en", email)
		session, err := h.SignIn.SignIn(ctx, v, email, secret.NewText(fixture.Password), fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		var bearer secret.Text
		h.Write(func(ctx context.Context, tx *db.Tx) (err error) {
			bearer, err = token.Issue(ctx, tx, v, c, "Till", 0, fixture.Origin)
			return err
		})
		h.Set("customer/password/min_time_between_password_reset_requests", "0")
		ask := func() {
			t.Helper()
			if err := h.Recovery.Request(ctx, h.View("lune_en"), email, fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		sent := linkOf(h.Letters()[0])
		ask() // this letter is still in the queue when the backup is taken

		if err := (&app.House{DB: d, Shop: h.Shop}).Restored(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := h.SignIn.Check(ctx, v, session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a session: %v", err)
		}
		if _, err := h.Tokens.Check(ctx, bearer); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a token: %v", err)
		}
		if _, err := h.Recovery.Check(ctx, v, sent, fixture.Origin); !fault.Is(err, fault.Expired) {
			t.Errorf("a link: %v", err)
		}
		if letters := h.Letters(); len(letters) != 0 {
			t.Errorf("%d letters of before are still sent", len(letters))
		}
		ask()
		letters := h.Letters()
		if len(letters) != 1 {
			t.Fatalf("%d letters are sent for what was asked since", len(letters))
		}
		if _, err := h.Recovery.Check(ctx, v, linkOf(letters[0]), fixture.Origin); err != nil {
			t.Errorf("a link of since: %v", err)
		}
	})
}

// linkOf is the secret of a letter's link.
func linkOf(letter mail.Content) secret.Text {
	_, link, _ := strings.Cut(letter.Button.URL.Reveal(), "?token=")
	return secret.NewText(link)
}
