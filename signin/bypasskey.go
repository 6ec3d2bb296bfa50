package signin

import (
	"bytes"
	"context"
	"errors"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/shop"
)

// AskToSignIn asks a browser for any passkey of this store: nobody has to say first who they are, so that nobody can ask who is a
// customer. browser is what this browser and no other sends. ok is false where the store view takes no passkeys.
func (s *Service) AskToSignIn(ctx context.Context, v *shop.View, browser string) (a Ask, ok bool, err error) {
	party, ok := s.party(v)
	if !ok {
		return Ask{}, false, nil
	}
	challenge, ticket, err := s.challenge(ctx, question{act: toSignIn, party: party, website: v.WebsiteID, browser: browser})
	if err != nil {
		return Ask{}, false, err
	}
	options, err := party.Request(challenge, nil)
	return Ask{options, ticket}, err == nil, err
}

// SignInByPasskey begins a session for the owner of a passkey. Errors: fault Unauthenticated, one for all reasons; fault Limited
// by client address.
func (s *Service) SignInByPasskey(ctx context.Context, v *shop.View, a Answer, o audit.Origin) (Opened, error) {
	party, ok := s.party(v)
	if !ok {
		return Opened{}, refusedPasskey()
	}
	answered, err := s.judge(ctx, v, question{act: toSignIn, party: party, website: v.WebsiteID, browser: a.Browser}, a, o)
	if err != nil {
		return Opened{}, err
	}
	var opened Opened
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := answered.accept(ctx, tx, v, o)
		if err != nil {
			return err
		}
		opened, err = begin(ctx, tx, v, c, byPasskey, o)
		return err
	})
	return opened, err
}

// AskOwner asks for one of the passkeys of whoever is signed in, to confirm that it is still they who sit there. ok is false where
// they have none that is good at this store view.
func (s *Service) AskOwner(ctx context.Context, v *shop.View, who Signed) (a Ask, ok bool, err error) {
	party, ok := s.party(v)
	if !ok {
		return Ask{}, false, nil
	}
	var mine []Passkey
	if err := s.DB.Read(ctx, func(tx *db.Tx) error {
		mine, err = Passkeys(ctx, tx, who.Customer.ID)
		return err
	}); err != nil {
		return Ask{}, false, err
	}
	if mine = at(party, mine); len(mine) == 0 {
		return Ask{}, false, nil
	}
	challenge, ticket, err := s.challenge(ctx, question{act: toConfirm, party: party, website: v.WebsiteID, session: who.Session.ID})
	if err != nil {
		return Ask{}, false, err
	}
	options, err := party.Request(challenge, credentials(mine))
	return Ask{options, ticket}, err == nil, err
}

// ConfirmByPasskey takes the answer to AskOwner. Errors: those of SignInByPasskey.
func (s *Service) ConfirmByPasskey(ctx context.Context, v *shop.View, who Signed, a Answer, o audit.Origin) error {
	party, ok := s.party(v)
	if !ok {
		return refusedPasskey()
	}
	answered, err := s.judge(ctx, v, question{act: toConfirm, party: party, website: v.WebsiteID, session: who.Session.ID}, a, o)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := answered.accept(ctx, tx, v, o)
		if err != nil {
			return err
		}
		if c.ID != who.Customer.ID {
			return refusedPasskey()
		}
		return proven(ctx, tx, who, byPasskey)
	})
}

// answered is an answer whose signature was right a moment ago. Accept it in the transaction of what it is for.
type answered struct {
	asked
	passkey Passkey
	count   uint32
	client  limit.Rule
}

// judge counts a try and looks at the answer. A refusal that is about somebody's passkey is recorded.
func (s *Service) judge(ctx context.Context, v *shop.View, q question, a Answer, o audit.Origin) (answered, error) {
	client := clientRule(v)
	if err := s.DB.Write(ctx, func(tx *db.Tx) error {
		return limit.DemandClient(ctx, tx, client, o.IP, "Too many sign-ins were tried from your network. Please wait and try again later.")
	}); err != nil {
		return answered{}, err
	}
	asked, err := s.open(q, a.Ticket)
	if err != nil {
		return answered{}, err
	}
	answer, err := passkey.ParseAnswer(a.Response)
	if err != nil {
		return answered{}, refusedPasskey()
	}
	var p Passkey
	var c customer.Customer
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		p, err = scanPasskey(tx.Row(ctx, "SELECT "+passkeyColumns+" FROM passkeys WHERE rp_id = $1 AND credential_id = $2", q.party.ID, answer.CredentialID))
		if err != nil {
			return err
		}
		c, err = customer.Find(ctx, tx, p.CustomerID)
		return err
	})
	if db.IsNoRows(err) || fault.Is(err, fault.NotFound) {
		return answered{}, refusedPasskey()
	}
	if err != nil {
		return answered{}, err
	}
	if q.act == toSignIn && !bytes.Equal(answer.Handle, p.handle) {
		err = passkey.ErrRefused // where the person chose, the authenticator says whose it is
	}
	var count uint32
	if err == nil {
		count, err = q.party.Verify(asked.challenge, answer, p.credential, p.handle)
	}
	switch {
	case errors.Is(err, passkey.ErrCopied):
		return answered{}, s.refuse(ctx, v, c, p, "copied", o)
	case errors.Is(err, passkey.ErrRefused):
		return answered{}, s.refuse(ctx, v, c, p, "answer", o)
	case err != nil:
		return answered{}, err
	}
	return answered{asked: asked, passkey: p, count: count, client: client}, nil
}

func (s *Service) refuse(ctx context.Context, v *shop.View, c customer.Customer, p Passkey, why string, o audit.Origin) error {
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		e := audit.Entry{Action: audit.PasskeyRefused, Actor: audit.Actor{Kind: audit.Shopper}, WebsiteID: v.WebsiteID, Origin: o, Outcome: "refused",
			Detail: map[string]string{"passkey": p.ID.String(), "why": why}}
		if c.WebsiteID == v.WebsiteID {
			e.CustomerID, e.Subject = c.ID, c.Address().Masked()
		}
		return audit.Record(ctx, tx, e)
	})
	if err != nil {
		return err
	}
	return refusedPasskey()
}

// accept uses the challenge up, remembers the passkey's use, lets letters with a link be written again as the password does, and
// returns its owner as they stand now. A passkey that was removed
// meanwhile, or whose count another answer has overtaken, is refused, and so is one of an account that is disabled, of another
// website, not confirmed, or from which the store demands a new password.
func (a answered) accept(ctx context.Context, tx *db.Tx, v *shop.View, o audit.Origin) (customer.Customer, error) {
	if err := a.spend(ctx, tx); err != nil {
		return customer.Customer{}, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return customer.Customer{}, err
	}
	n, err := tx.Exec(ctx, `UPDATE passkeys SET sign_count = $2, last_used_at = $3 WHERE id = $1 AND (sign_count < $2 OR sign_count = 0 AND $2 = 0)`,
		a.passkey.ID, int64(a.count), db.Micro(now))
	if err != nil {
		return customer.Customer{}, err
	}
	c, err := customer.Find(ctx, tx, a.passkey.CustomerID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return customer.Customer{}, err
	}
	if n == 0 || err != nil || !c.Active || !c.Confirmed() || c.WebsiteID != v.WebsiteID || c.VoidHash() != "" {
		return customer.Customer{}, refusedPasskey()
	}
	if err := LiftHold(ctx, tx, c, o); err != nil {
		return customer.Customer{}, err
	}
	return c, limit.RefundClient(ctx, tx, a.client, o.IP)
}
