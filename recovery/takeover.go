package recovery

import (
	"context"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// EndMaker ends, in the caller's transaction, whatever somebody has who made an account without proving its address: the password,
// links and changes under way, sessions, tokens and passkeys. It is customer.Service.Disowned. Errors: fault Conflict when the address
// was proven meanwhile.
func EndMaker(ctx context.Context, tx *db.Tx, c customer.Customer) error {
	_, err := endMaker(ctx, tx, c)
	return err
}

func endMaker(ctx context.Context, tx *db.Tx, c customer.Customer) (end ended, err error) {
	if err = customer.Disown(ctx, tx, c); err != nil {
		return end, err
	}
	if end.sessions, err = signin.EndAll(ctx, tx, c.ID); err != nil {
		return end, err
	}
	if end.tokens, err = token.RevokeAll(ctx, tx, c.ID); err != nil {
		return end, err
	}
	end.passkeys, err = signin.DropPasskeys(ctx, tx, c.ID)
	return end, err
}

// takeOver gives an account that nobody has proven to whoever has just used a code that was mailed to its address, and returns it as it
// is then.
func (s *Service) takeOver(ctx context.Context, tx *db.Tx, c customer.Customer, o audit.Origin) (customer.Customer, error) {
	end, err := endMaker(ctx, tx, c)
	if fault.Is(err, fault.Conflict) {
		return c, expired()
	}
	if err == nil {
		err = customer.Prove(ctx, tx, c)
	}
	if err == nil {
		err = audit.Record(ctx, tx, audit.Entry{Action: audit.AddressProven, Actor: c.Actor(),
			CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: end.detail()})
	}
	if err != nil {
		return c, err
	}
	return customer.Find(ctx, tx, c.ID)
}

// composeWelcome is the letter of a new account. Where nobody has proven the address, its reader may not be who made the account, and
// can say so.
func (s *Service) composeWelcome(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	content, err := s.Customers.ComposeWelcome(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := addressee(ctx, tx, letter)
		if err != nil || c.Proven() {
			return err
		}
		content.NotYou = v.Lang().T("letter.welcome.not_made")
		content.Object, err = s.putObjection(ctx, tx, v, letter, c, c.Address(), letter.CreatedAt)
		return err
	})
	return content, err
}
