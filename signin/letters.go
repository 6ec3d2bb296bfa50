package signin

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
)

// ComposePasskey tells the owner that a passkey came or went. It carries no link that acts by itself, only the way to the page
// where one asks for a new password: recovering by letter takes all passkeys away. Recovery adds the one where one objects.
func (s *Service) ComposePasskey(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := customer.ViewOf(ctx, s.Shop, letter)
	if err != nil {
		return mail.Content{}, err
	}
	var c customer.Customer
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		c, err = customer.Find(ctx, tx, letter.CustomerID)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return mail.Content{}, mail.NotNeeded("the account is gone")
	}
	if err != nil {
		return mail.Content{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	l, key := v.Lang(), "letter."+letter.Kind
	content := customer.Compose(v, letter.Kind, c.Reader())
	content.Facts = []mail.Fact{
		{Label: l.T("letter.fact.passkey"), Value: letter.Data["passkey"]},
		{Label: l.T("letter.fact.when"), Value: l.Date(at, v.Location())},
	}
	if letter.Kind != PasskeyTakenLetter {
		content.Facts = append(content.Facts, mail.Whence(l, letter.Data)...)
	}
	content.Button = &mail.Button{Label: l.T(key + ".button"), URL: secret.NewText(v.Link("/customer/account/forgotpassword", nil))}
	content.NotYou = l.T(key+".not_you", "Email", v.Contact())
	return content, nil
}
