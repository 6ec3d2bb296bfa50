package recovery

import (
	"context"
	"net/url"
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
	"github.com/rekeyhq/rekey/token"
)

// Letters of a change of the address.
const (
	EmailChangeLetter = "email_change"           // to the new address, with the link
	EmailNoticeLetter = "email_change_requested" // to the present address, at the same time
	EmailChangedNote  = "email_changed"          // to the former address, once it is done
)

// ChangeEmail begins to move an account to another address: whoever asks must know the password, and the account keeps its
// address until the letter at the new one is answered. Whether the new address is another account's is not told; its letter is
// not written then. Errors: fault Invalid on "email" or "current_password"; fault Limited; secret.ErrBusy.
func (s *Service) ChangeEmail(ctx context.Context, v *shop.View, owner customer.Customer, email string, password secret.Text, o audit.Origin) error {
	to, err := customer.ParseAddress(email)
	if err != nil {
		return err
	}
	proof, err := s.SignIn.Prove(ctx, v, owner.Email, password, o)
	if fault.Is(err, fault.Unauthenticated) {
		return wrongCurrent()
	}
	if err != nil {
		return err
	}
	var refused error
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		refused = nil
		if err := proof.Accept(ctx, tx); err != nil {
			return err
		}
		// The right password is accepted even if the letter is refused: the refusal is committed with it.
		refused = limit.DemandClient(ctx, tx, clientRule(v), o.IP,
			"Too many letters were asked for from your network. Please wait and try again later.")
		if fault.Is(refused, fault.Limited) {
			return nil
		} else if refused != nil {
			return refused
		}
		letters := letterRule(v)
		letters.Name = "letters of a new address" // asking for a new password stays possible meanwhile
		verdict, err := limit.Take(ctx, tx, letters, addressSubject(v, to))
		if err != nil {
			return err
		}
		if !verdict.Allowed {
			return s.recordEmail(ctx, tx, proof.Customer, "limited", o)
		}
		return s.mailEmailChange(ctx, tx, v, proof.Customer, to, o)
	})
	if err == nil {
		err = refused
	}
	return err
}

func (s *Service) mailEmailChange(ctx context.Context, tx *db.Tx, v *shop.View, c customer.Customer, to customer.Address, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	id, expires := db.NewID(), now.Add(v.Duration(shop.LinkExpirationPeriod))
	if err := customer.PutEmailChange(ctx, tx, c, to, id, s.Key.Derive(emailPurpose, id[:]), expires); err != nil {
		return err
	}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: EmailChangeLetter, Priority: mail.Awaited, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID,
		Data: map[string]string{"change": id.String()}, ExpiresAt: expires})
	if err != nil {
		return err
	}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: EmailNoticeLetter, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID,
		Data: map[string]string{"address": c.Email, "at": now.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}})
	if err != nil {
		return err
	}
	return s.recordEmail(ctx, tx, c, "requested", o)
}

func (s *Service) recordEmail(ctx context.Context, tx *db.Tx, c customer.Customer, outcome string, o audit.Origin) error {
	return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomerUpdated, Actor: c.Actor(),
		CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Outcome: outcome, Detail: map[string]string{"changed": "email"}})
}

// CancelEmail ends a change of address that waits, by the hand of who is signed in: the present address stays, and the link sent to
// the other is worth nothing. A change that does not wait any more is no error.
func (s *Service) CancelEmail(ctx context.Context, owner customer.Customer, id db.ID, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		e, err := customer.FindEmailChangeByID(ctx, tx, id)
		if fault.Is(err, fault.NotFound) || err == nil && e.Customer.ID != owner.ID {
			return nil
		}
		if err != nil {
			return err
		}
		if done, err := customer.CancelEmailChange(ctx, tx, id); err != nil || !done {
			return err
		}
		return s.recordEmail(ctx, tx, owner, "cancelled", o)
	})
}

// emailPurpose is what the secret of the link to a new address is derived for.
const emailPurpose = "email-change-link"

// PendingEmail shows the address that a letter's link would make an account's; it changes nothing. Errors: fault Expired;
// fault Limited for a client that tries many links that are none.
func (s *Service) PendingEmail(ctx context.Context, v *shop.View, link secret.Text, o audit.Origin) (string, error) {
	e, err := s.pendingEmail(ctx, v, link, o)
	return e.To.String(), err
}

func (s *Service) pendingEmail(ctx context.Context, v *shop.View, link secret.Text, o audit.Origin) (e customer.EmailChange, err error) {
	err = expired()
	if secret.WellFormed(link) {
		err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
			e, err = customer.FindEmailChange(ctx, tx, link)
			if fault.Is(err, fault.NotFound) || err == nil && (e.Customer.WebsiteID != v.Website.ID || !s.Key.Made(emailPurpose, e.ID[:], link)) {
				err = expired()
			}
			return err
		})
	}
	if fault.Is(err, fault.Expired) {
		e = customer.EmailChange{}
		if err := s.countWrong(ctx, o); err != nil {
			return e, err
		}
	}
	return e, err
}

// ConfirmEmail makes the new address the account's. Address, ended links, sessions and tokens, the notice to the former address and
// the audit line commit together. Errors: those of PendingEmail.
func (s *Service) ConfirmEmail(ctx context.Context, v *shop.View, link secret.Text, o audit.Origin) error {
	e, err := s.pendingEmail(ctx, v, link, o)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		err := customer.MakeEmailChange(ctx, tx, e)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) {
			return expired() // used a moment ago, or the address has become another's: neither is a stranger's to know
		}
		if err != nil {
			return err
		}
		if _, err := signin.EndAll(ctx, tx, e.Customer.ID); err != nil {
			return err
		}
		if _, err := token.RevokeAll(ctx, tx, e.Customer.ID); err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: EmailChangedNote, WebsiteID: e.Customer.WebsiteID, ViewID: v.ID, CustomerID: e.Customer.ID,
			Data: map[string]string{"address": e.Customer.Email, "at": now.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}})
		if err != nil {
			return err
		}
		return s.recordEmail(ctx, tx, e.Customer, "", o)
	})
}

// composeEmailChange writes the letter to the new address, unless that is an account's already.
func (s *Service) composeEmailChange(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	id, err := db.ParseID(letter.Data["change"])
	if err != nil {
		return mail.Content{}, err
	}
	var e customer.EmailChange
	var object *mail.Button
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if e, err = customer.FindEmailChangeByID(ctx, tx, id); err != nil {
			return err
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		if e.Customer.ChangesHeld(now) {
			return mail.NotNeeded("changes of the address are on hold after “It wasn't me”, until " + e.Customer.ChangesHeldUntil.Format(time.RFC3339))
		}
		_, err = customer.FindByAddress(ctx, tx, e.Customer.WebsiteID, e.To)
		switch {
		case err == nil:
			return mail.NotNeeded("the address is an account's already")
		case fault.Is(err, fault.NotFound):
			object, err = s.putObjection(ctx, tx, v, letter, e.Customer, e.To, letter.CreatedAt)
		}
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return mail.Content{}, mail.NotNeeded("the change was made or cancelled, or another was asked for")
	}
	if err != nil {
		return mail.Content{}, err
	}
	if err := s.Customers.AdmitStranger(ctx, v, letter); err != nil {
		return mail.Content{}, err
	}
	l := v.Lang()
	content := customer.Compose(v, EmailChangeLetter, customer.Stranger(e.To.String()))
	content.Button = &mail.Button{Label: l.T("letter.email_change.button"),
		URL: secret.NewText(v.Link("/customer/account/confirmemail", url.Values{"token": {s.Key.Again(emailPurpose, id[:], e.Digest).Reveal()}}))}
	content.After = []string{l.T("letter.valid_until", "Date", l.Date(e.ExpiresAt, v.Location()))}
	content.NotYou, content.Object = l.T("letter.email_change.ignore"), object
	return content, nil
}

// composeEmailNotice tells the owner at the address that was known before. It carries no link that acts by itself,
// only the one to the page where one objects.
func (s *Service) composeEmailNotice(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	to, err := customer.ParseAddress(letter.Data["address"])
	if err != nil {
		return mail.Content{}, err
	}
	var c customer.Customer
	var object *mail.Button
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if c, err = addressee(ctx, tx, letter); err == nil {
			object, err = s.putObjection(ctx, tx, v, letter, c, to, at)
		}
		return err
	})
	if err != nil {
		return mail.Content{}, err
	}
	l := v.Lang()
	content := customer.Compose(v, letter.Kind, c.ReaderAt(to))
	content.Facts = append([]mail.Fact{
		{Label: l.T("letter.fact.when"), Value: l.Date(at, v.Location())},
	}, mail.Whence(l, letter.Data)...)
	content.NotYou, content.Object = l.T("letter."+letter.Kind+".not_you", "Email", v.Contact()), object
	return content, nil
}
