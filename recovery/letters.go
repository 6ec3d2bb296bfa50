package recovery

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// Composers returns who writes this package's letters.
func (s *Service) Composers() map[string]mail.Composer {
	return map[string]mail.Composer{customer.WelcomeLetter: s.composeWelcome, ForgotLetter: s.orWaiting(s.composeReset), StoreLetter: s.composeReset, RequiredLetter: s.composeReset,
		SecureLetter: s.composeReset, ReportLetter: s.composeReport, SignInLetter: s.orWaiting(s.composeSignIn), SignedOutLetter: s.composeSignedOut, ChangedLetter: s.composeChanged,
		token.RevokedLetter:       s.composeRevoked,
		signin.PasskeyAddedLetter: s.composePasskey, signin.PasskeyRemovedLetter: s.composePasskey, signin.PasskeyTakenLetter: s.composePasskey,
		EmailChangeLetter: s.composeEmailChange, EmailNoticeLetter: s.composeEmailNotice, EmailChangedNote: s.composeEmailNotice}
}

// composeReset writes the letter with the link, and with the code beside it where a browser asked. This is the first moment at
// which anybody looks the customer up.
func (s *Service) composeReset(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.addressed(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	var c customer.Customer
	var coded bool
	var link secret.Text
	var object *mail.Button
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if c, err = addressee(ctx, tx, letter); err != nil {
			return err
		}
		if err := refuseHeld(ctx, tx, letter, c); err != nil {
			return err
		}
		if letter.Kind == ForgotLetter || letter.Kind == StoreLetter {
			if object, err = s.putObjection(ctx, tx, v, letter, c, c.Address(), letter.CreatedAt); err != nil {
				return err
			}
		}
		var alive bool
		link, alive, err = s.putLink(ctx, tx, letter, v, c)
		if err == nil && !alive {
			return mail.NotNeeded("its link was used already, or the password has been changed since")
		}
		if err == nil {
			coded, err = tieCode(ctx, tx, forReset, letter.ID, c)
		}
		return err
	})
	if err != nil {
		return mail.Content{}, err
	}
	l := v.Lang()
	key := "letter." + letter.Kind
	content := customer.Compose(v, letter.Kind, c.Reader())
	if letter.Kind != ForgotLetter {
		content.After = append(content.After, l.T(key+".body2"))
	}
	content.Paragraphs = append(content.Paragraphs, reason(letter)...)
	content.Button = &mail.Button{Label: l.T(key + ".button"),
		URL: secret.NewText(v.Link("/customer/account/createpassword", url.Values{"token": {link.Reveal()}}))}
	until := "letter.valid_until"
	if coded {
		until = "letter.code.valid_until"
		content.Code = &mail.Code{Label: l.T("letter.code.label"), Text: secret.ShowCode(s.code(forReset, letter.ID))}
		content.After = append([]string{l.T("letter.code.keep")}, content.After...)
	}
	content.After = append([]string{l.T(until, "Date", l.Date(letter.ExpiresAt, v.Location()))}, content.After...)
	content.NotYou, content.Object = l.T(key+".ignore"), object
	return content, nil
}

// refuseHeld keeps a letter that a visitor asked for from being written while the account's resets are held. It is the worker
// that decides: whoever asks reads what everybody reads.
func refuseHeld(ctx context.Context, tx *db.Tx, letter mail.Letter, c customer.Customer) error {
	now, err := tx.Now(ctx)
	if err == nil && (letter.Kind == ForgotLetter || letter.Kind == SignInLetter) && c.Held(now) {
		err = mail.NotNeeded("resets are on hold after “It wasn't me”, until " + c.ResetsHeldUntil.Format(time.RFC3339))
	}
	return err
}

var errNobody = mail.NotNeeded("no customer of this website has the address")

// orWaiting answers whoever asks for a way into an account that is not finished with the letter that finishes it. It is the worker that
// finds out: whoever asks reads what everybody reads.
func (s *Service) orWaiting(compose mail.Composer) mail.Composer {
	return func(ctx context.Context, letter mail.Letter) (mail.Content, error) {
		content, err := compose(ctx, letter)
		if !errors.Is(err, errNobody) {
			return content, err
		}
		v, err := s.addressed(ctx, letter)
		if err == nil {
			content, err = s.Customers.ComposeWaiting(ctx, v, letter)
		}
		if fault.Is(err, fault.NotFound) {
			err = errNobody
		}
		return content, err
	}
}

// addressee is addressee in a transaction of its own, for letters that need nothing else.
func (s *Service) addressee(ctx context.Context, letter mail.Letter) (c customer.Customer, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		c, err = addressee(ctx, tx, letter)
		return err
	})
	return c, err
}

// addressee finds whom a letter is for. For nobody, it is not needed; the reason stays in the store's own records.
func addressee(ctx context.Context, tx *db.Tx, letter mail.Letter) (customer.Customer, error) {
	var c customer.Customer
	var err error
	if letter.CustomerID != 0 {
		c, err = customer.Find(ctx, tx, letter.CustomerID)
	} else {
		var a customer.Address
		if a, err = customer.ParseAddress(letter.Data["address"]); err != nil {
			return c, err
		}
		c, err = customer.FindByAddress(ctx, tx, letter.WebsiteID, a)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return c, errNobody
	case err == nil && !c.Active:
		return c, mail.NotNeeded("the account is disabled")
	}
	return c, err
}

func (s *Service) view(ctx context.Context, letter mail.Letter) (*shop.View, error) {
	return customer.ViewOf(ctx, s.Shop, letter)
}

// addressed is view for a letter that leads to it; until it has an address the letter waits.
func (s *Service) addressed(ctx context.Context, letter mail.Letter) (*shop.View, error) {
	v, err := s.view(ctx, letter)
	if err == nil && v.BaseURL == "" {
		err = fault.New(fault.Conflict, "store_view.no_base_url", "the store view "+v.Code+" has no base URL yet")
	}
	return v, err
}

// composeChanged tells the owner that the password was changed: what, when, roughly from where, and what to do if it was
// somebody else. It carries no link that signs in or resets by itself, only the button that leads to the page where one objects.
func (s *Service) composeChanged(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	var c customer.Customer
	var object *mail.Button
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if c, err = addressee(ctx, tx, letter); err == nil {
			object, err = s.putObjection(ctx, tx, v, letter, c, c.Address(), at)
		}
		return err
	})
	if err != nil {
		return mail.Content{}, err
	}
	l := v.Lang()
	how := letter.Data["how"]
	content := customer.Compose(v, ChangedLetter, c.Reader())
	ended := "signed_out_all"
	if how == byAccount || how == byAccountPasskey {
		ended = "signed_out_others"
	}
	content.Paragraphs = append(content.Paragraphs, l.T("letter.password_changed."+ended))
	if letter.Data["passkeys_removed"] != "" {
		content.Paragraphs = append(content.Paragraphs, l.T("letter.password_changed.passkeys_removed"))
	}
	if stay := letter.Data["passkeys"]; stay != "" {
		content.Paragraphs = append(content.Paragraphs, l.T("letter.password_changed.passkeys_stay", "Passkeys", stay))
	}
	content.Facts = append([]mail.Fact{
		{Label: l.T("letter.fact.when"), Value: l.Date(at, v.Location())},
		{Label: l.T("letter.fact.how"), Value: l.T("letter.password_changed." + how)},
	}, mail.Whence(l, letter.Data)...)
	content.Paragraphs = append(content.Paragraphs, l.T("letter.password_changed.not_you", "Email", v.Contact()))
	content.Button = object // the one thing that somebody may have to do now
	return content, nil
}

// composePasskey is the notice of a passkey that came or went, with the way to object.
func (s *Service) composePasskey(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	content, err := s.SignIn.ComposePasskey(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := addressee(ctx, tx, letter)
		if err == nil {
			content.Object, err = s.putObjection(ctx, tx, v, letter, c, c.Address(), at)
		}
		return err
	})
	return content, err
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
