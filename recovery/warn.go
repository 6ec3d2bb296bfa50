package recovery

import (
	"context"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// Warning is what the store tells a customer whom it has signed out.
type Warning struct {
	NewPassword bool   // the present one is out of use: the letter carries the link to a new one
	Why         string // a sentence of the store's, or ""
}

// Warn queues the letter of a Warning in the caller's transaction, on no limit: the store asked, not a visitor. There may be a
// million of them, so they go after everything else. Errors: fault
// Conflict when no store view of the customer's has a base URL.
func (s *Service) Warn(ctx context.Context, tx *db.Tx, c customer.Customer, w Warning) (letter db.ID, err error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return db.ID{}, err
	}
	v, err := viewOf(snap, c)
	if err != nil {
		return db.ID{}, err
	}
	n := mail.Note{Kind: SignedOutLetter, Priority: mail.Bulk, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID}
	if w.Why != "" {
		n.Data = map[string]string{"why": w.Why}
	}
	if w.NewPassword {
		now, err := tx.Now(ctx)
		if err != nil {
			return db.ID{}, err
		}
		n.Kind, n.ExpiresAt = RequiredLetter, now.Add(v.Duration(shop.LinkExpirationPeriod))
	}
	return mail.Enqueue(ctx, tx, n)
}

// reason is the store's own sentence of a letter, if it wrote one.
func reason(letter mail.Letter) []string {
	if why := letter.Data["why"]; why != "" {
		return []string{why}
	}
	return nil
}

// composeSignedOut tells a customer that browsers and apps were signed out by the store.
func (s *Service) composeSignedOut(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	c, err := s.addressee(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	content := customer.Compose(v, SignedOutLetter, c.Reader())
	content.Paragraphs = append(content.Paragraphs, reason(letter)...)
	content.Facts = []mail.Fact{{Label: v.Lang().T("letter.fact.when"), Value: v.Lang().Date(letter.CreatedAt.Truncate(time.Second), v.Location())}}
	content.Button = &mail.Button{Label: v.Lang().T("letter." + SignedOutLetter + ".button"), URL: secret.NewText(v.Link("/customer/account/login", nil))}
	return content, nil
}

// composeRevoked tells a customer that the store has signed apps and programs out of the account. There is nothing in it to object
// to: nobody has used the account, and whoever did not expect it asks the store.
func (s *Service) composeRevoked(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.addressed(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	c, err := s.addressee(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	const key = "letter." + token.RevokedLetter
	l := v.Lang()
	content := customer.Compose(v, token.RevokedLetter, c.Reader())
	if letter.Data["sessions"] != "" {
		content.Paragraphs = append(content.Paragraphs, l.T(key+".sessions"))
	}
	names := strings.Split(letter.Data["holders"], "\n")
	for i, name := range names {
		if name == "" {
			names[i] = l.T(key + ".nameless")
		}
	}
	if letter.Data["more"] != "" {
		names = append(names, l.T(key+".more"))
	}
	content.Facts = []mail.Fact{
		{Label: l.T("letter.fact.apps"), Value: strings.Join(names, ", ")},
		{Label: l.T("letter.fact.when"), Value: l.Date(letter.CreatedAt.Truncate(time.Second), v.Location())},
	}
	content.Button = &mail.Button{Label: l.T(key + ".button"), URL: secret.NewText(v.Link("/customer/account/login", nil))}
	content.NotYou = l.T(key+".not_you", "Email", v.Contact())
	return content, nil
}

// refuseVoid refuses the password that the store has put out of use: whoever knows it may be somebody else.
func (s *Service) refuseVoid(ctx context.Context, c customer.Customer, password secret.Text) error {
	if c.VoidHash() == "" {
		return nil
	}
	same, _, err := s.Hasher.Verify(ctx, c.VoidHash(), password)
	if err == nil && same {
		err = fault.Refuse("password", "password.reused", "This is your previous password, which no longer works. Choose another one.", nil)
	}
	return err
}
