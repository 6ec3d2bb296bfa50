package customer

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

// AskConfirmation sends the letter that finishes a new account once more, to whoever waits for one under the address. It looks
// nobody up and answers everyone alike; who waits is found when the letter is written. Errors: fault Invalid on
// "email"; Limited by client address.
func (s *Service) AskConfirmation(ctx context.Context, v *shop.View, email string, o audit.Origin) error {
	a, err := ParseAddress(email)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := limit.DemandClient(ctx, tx, limit.Rule{Name: "registration by client", Max: v.Int(shop.MaxRequestsPerClient), Window: time.Hour}, o.IP,
			"Too many letters were asked for from your network. Please wait and try again later."); err != nil {
			return err
		}
		return queueLetter(ctx, tx, v, a, o, func(time.Time, time.Time) (map[string]string, error) {
			return map[string]string{"address": a.String()}, nil
		})
	})
}

// ComposeWaiting writes the letter of the registration that waits under the address for which a letter was asked: who has lost that one, or
// forgotten what they had begun, asks for a new password. Errors: fault NotFound where none waits.
func (s *Service) ComposeWaiting(ctx context.Context, v *shop.View, letter mail.Letter) (mail.Content, error) {
	a, err := ParseAddress(letter.Data["address"])
	if err != nil {
		return mail.Content{}, err
	}
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		waiting, err := waitingLetter(ctx, tx, v, a)
		letter.Data, letter.ExpiresAt = waiting.Data, waiting.ExpiresAt
		return err
	})
	if err != nil {
		return mail.Content{}, err
	}
	return s.composeRegistration(ctx, letter)
}

// composeAgain writes the letter of AskConfirmation: the one that its registration had, or to an account whose address is
// not proven the one by which its owner chooses a password. For everybody else it is not needed.
func (s *Service) composeAgain(ctx context.Context, v *shop.View, letter mail.Letter) (mail.Content, error) {
	a, err := ParseAddress(letter.Data["address"])
	if err != nil {
		return mail.Content{}, err
	}
	var waiting mail.Note
	var owner Customer
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		if waiting, err = waitingLetter(ctx, tx, v, a); fault.Is(err, fault.NotFound) {
			owner, err = FindByAddress(ctx, tx, v.Website.ID, a)
		}
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound), err == nil && owner.ID != 0 && (owner.Confirmed() || !owner.Active):
		return mail.Content{}, mail.NotNeeded("nobody waits for a confirmation under the address")
	case err != nil:
		return mail.Content{}, err
	case owner.ID != 0:
		letter.CustomerID = owner.ID
		return s.ComposeWelcome(ctx, letter)
	}
	letter.Data, letter.ExpiresAt = waiting.Data, waiting.ExpiresAt
	return s.composeRegistration(ctx, letter)
}
