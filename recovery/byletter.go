package recovery

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

// signInRule counts the letters of an address as letterRule does, by a count of its own: whoever signs in by letter can still ask
// for a new password.
func signInRule(v *shop.View) limit.Rule {
	r := letterRule(v)
	r.Name = "sign-in letters"
	return r
}

// RequestSignIn is "sign in by letter": if the address belongs to an account, a letter with a code follows, good in the browser that
// holds the secret. Everyone gets the same nil, as from Request. Errors: fault NotFound where the store does not offer it; those
// of Request.
func (s *Service) RequestSignIn(ctx context.Context, v *shop.View, browser secret.Text, email string, o audit.Origin) error {
	if err := offersSignIn(v); err != nil {
		return err
	}
	address, err := customer.ParseAddress(email)
	if err != nil {
		return err
	}
	a := asking{forSignIn, browser, address}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := limit.DemandClient(ctx, tx, clientRule(v), o.IP,
			"We received too many requests for letters. Please wait and try again later."); err != nil {
			return err
		}
		return s.askFor(ctx, tx, v, a, signInRule(v), SignInLetter, audit.SignInCodeRequested, v.Duration(shop.SignInCodePeriod), o)
	})
}

func offersSignIn(v *shop.View) error {
	if !v.Bool(shop.SignInByLetter) {
		return fault.New(fault.NotFound, "not_found", "This store does not offer to sign in by letter.")
	}
	return nil
}

// SignInByCode begins a session for whoever typed the code of the letter in the browser that asked. The code is spent in one
// statement, in the session's own transaction: of many at once one wins. It proves the address, as a recovery link does, and so it
// ends a lock, and whatever somebody has who made the account without proving the address; TookOver tells of that. It does not stand in
// for a new password where the store has put the present one out of use. Errors: fault NotFound where the store does not offer it;
// those of try.
func (s *Service) SignInByCode(ctx context.Context, v *shop.View, browser, typed secret.Text, o audit.Origin) (opened signin.Opened, err error) {
	if err := offersSignIn(v); err != nil {
		return signin.Opened{}, err
	}
	err = s.try(ctx, v, forSignIn, browser, typed, o, func(tx *db.Tx, w waiting) error {
		c, err := customer.Find(ctx, tx, w.customerID)
		if fault.Is(err, fault.NotFound) || err == nil && c.VoidHash() != "" {
			return expired()
		}
		if err != nil {
			return err
		}
		if err := spendCode(ctx, tx, w.letterID, c); err != nil {
			return err
		}
		took := !c.Proven()
		if took {
			if c, err = s.takeOver(ctx, tx, c, o); err != nil {
				return err
			}
		}
		if err := signin.Forgive(ctx, tx, c); err != nil {
			return err
		}
		if err := audit.Record(ctx, tx, audit.Entry{Action: audit.SignedInByLetter, Actor: c.Actor(),
			CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o}); err != nil {
			return err
		}
		opened, err = signin.Open(ctx, tx, v, c, o)
		opened.TookOver = took
		return err
	})
	if err != nil {
		return signin.Opened{}, err
	}
	return opened, nil
}

// spendCode marks a code as used, if it still works for the customer.
func spendCode(ctx context.Context, tx *db.Tx, letterID db.ID, c customer.Customer) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "UPDATE codes SET spent_at = $1 WHERE id = $2 AND customer_id = $3 AND "+live, db.Micro(now), letterID, c.ID)
	if err == nil && n == 0 {
		return expired()
	}
	return err
}

// composeSignIn writes the letter with the code to sign in with, and from where it was asked for: a code can be talked out of
// somebody who does not notice that another has asked. An account from which the store demands a new password gets the letter
// with the link to one instead.
func (s *Service) composeSignIn(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	var c customer.Customer
	var alive bool
	var object *mail.Button
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if c, err = addressee(ctx, tx, letter); err != nil {
			return err
		}
		if err := refuseHeld(ctx, tx, letter, c); err != nil || c.VoidHash() != "" {
			return err
		}
		if object, err = s.putObjection(ctx, tx, v, letter, c, c.Address(), letter.CreatedAt); err != nil {
			return err
		}
		if alive, err = tieCode(ctx, tx, forSignIn, letter.ID, c); err != nil || !alive {
			return err
		}
		alive, err = codeLives(ctx, tx, letter.ID)
		return err
	})
	switch {
	case err != nil:
		return mail.Content{}, err
	case c.VoidHash() != "":
		return s.composePassword(ctx, letter, c, v)
	case !alive:
		return mail.Content{}, mail.NotNeeded("its code was used already, newer ones have taken its place, or the password has been changed since")
	}
	l := v.Lang()
	content := customer.Compose(v, SignInLetter, c.Reader())
	content.Facts = mail.Whence(l, letter.Data)
	content.Code = &mail.Code{Label: l.T("letter.signin_code.code"), Text: secret.ShowCode(s.code(forSignIn, letter.ID))}
	content.After = []string{l.T("letter.signin_code.valid_until", "Date", l.Date(letter.ExpiresAt, v.Location())), l.T("letter.code.keep")}
	content.NotYou, content.Object = l.T("letter.signin_code.ignore"), object
	return content, nil
}

// composePassword answers a wish to sign in with the letter of the new password that the store demands: the wish was for the account, and
// this is the way in.
func (s *Service) composePassword(ctx context.Context, letter mail.Letter, c customer.Customer, v *shop.View) (mail.Content, error) {
	letter.Kind, letter.CustomerID = RequiredLetter, c.ID
	letter.ExpiresAt = letter.CreatedAt.Add(v.Duration(shop.LinkExpirationPeriod)).Truncate(time.Second)
	return s.composeReset(ctx, letter)
}

func codeLives(ctx context.Context, tx *db.Tx, letterID db.ID) (bool, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return false, err
	}
	var n int
	err = tx.Row(ctx, "SELECT COUNT(*) FROM codes WHERE id = $2 AND "+live, db.Micro(now), letterID).Scan(&n)
	return n == 1, err
}
