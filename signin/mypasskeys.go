package signin

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

// Letters that this package composes: the owner is told of each way in that comes or goes.
const (
	PasskeyAddedLetter   = "passkey_added"
	PasskeyRemovedLetter = "passkey_removed"
	PasskeyTakenLetter   = "passkey_removed_by_store"
)

// maxPasskeyName is how many characters the name of a passkey may have.
const maxPasskeyName = 60

// AskNewPasskey asks the browser of a customer who has just shown who they are for a new passkey. Errors: fault Forbidden without
// that; Conflict when the account has MaxPasskeys, or is held after "It wasn't me"; NotFound where the store view takes none.
func (s *Service) AskNewPasskey(ctx context.Context, v *shop.View, who Signed) (Ask, error) {
	party, ok := s.party(v)
	if !ok {
		return Ask{}, noPasskeys()
	}
	if !who.Proven {
		return Ask{}, unproven()
	}
	var mine []Passkey
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if mine, err = Passkeys(ctx, tx, who.Customer.ID); err != nil {
			return err
		}
		return mayAdd(ctx, tx, who.Customer, mine)
	})
	if err != nil {
		return Ask{}, err
	}
	owner := s.owner(who.Customer, mine)
	challenge, ticket, err := s.challenge(ctx, question{act: toAdd, party: party, website: v.WebsiteID, session: who.Session.ID}, owner.Handle...)
	if err != nil {
		return Ask{}, err
	}
	options, err := party.Creation(challenge, owner, credentials(at(party, mine)))
	return Ask{options, ticket}, err
}

func noPasskeys() error {
	return fault.New(fault.NotFound, "not_found", "This store takes no passkeys at this address.")
}

// mayAdd refuses another passkey to an account that has enough, to one whose address nobody has proven, and to one that is held:
// whoever knows its password may be somebody else, and would stay in by the passkey. Removing one is not held: the one that must go
// may be theirs. Errors: fault Conflict.
func mayAdd(ctx context.Context, tx *db.Tx, c customer.Customer, mine []Passkey) error {
	now, err := tx.Now(ctx)
	switch {
	case err != nil:
		return err
	case !c.Proven():
		return fault.New(fault.Conflict, PasskeysUnproven, "A passkey can be added once it is shown that the email address of this account is yours.")
	case c.ChangesHeld(now):
		return fault.New(fault.Conflict, PasskeysHeld, "No passkey can be added to this account for now: somebody said “It wasn't me” in an email about it.")
	case len(mine) >= MaxPasskeys:
		return fault.New(fault.Conflict, "passkey.too_many", "This account has as many passkeys as it can have. Remove one that you no longer use.")
	}
	return nil
}

// Keys of faults that doors have words of their own for.
const (
	PasskeysHeld     = "passkey.held"      // the account takes no passkeys after "It wasn't me"
	PasskeysUnproven = "passkey.unproven"  // it takes none while nobody has shown that its address is theirs
	PasskeyGone      = "passkey.not_found" // the customer has no such passkey, any more
)

// AddPasskey keeps the passkey that a browser made. Passkey, used challenge, notice and audit line commit together. Errors: fault
// Invalid on "name"; fault Unauthenticated for an answer that is not good; those of AskNewPasskey.
func (s *Service) AddPasskey(ctx context.Context, v *shop.View, who Signed, a Answer, name string, o audit.Origin) error {
	party, ok := s.party(v)
	if !ok {
		return noPasskeys()
	}
	name, err := passkeyName(name)
	if err != nil {
		return err
	}
	asked, err := s.open(question{act: toAdd, party: party, website: v.WebsiteID, session: who.Session.ID}, a.Ticket)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		c, err := customer.FindToChange(ctx, tx, who.Customer.ID) // neither "It wasn't me" nor another passkey comes between
		if err != nil {
			return err
		}
		if err := mustBeProven(ctx, tx, who); err != nil {
			return err
		}
		if err := asked.spend(ctx, tx); err != nil {
			return err
		}
		mine, err := Passkeys(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if err := mayAdd(ctx, tx, c, mine); err != nil {
			return err
		}
		owner := s.owner(c, mine)
		if len(asked.more) > 0 {
			owner.Handle = asked.more // what the authenticator was told, whichever key it was derived from
		}
		made, err := party.Created(asked.challenge, owner, a.Response)
		if err != nil {
			return refusedPasskey()
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		id := db.NewID()
		n, err := tx.Exec(ctx, `INSERT INTO passkeys (id, customer_id, rp_id, credential_id, user_handle, public_key, sign_count, synced, transports, name, created_at)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT (rp_id, credential_id) DO NOTHING`, id, c.ID, party.ID, made.ID, owner.Handle,
			made.PublicKey, int64(made.Count), made.Synced, strings.Join(made.Transports, ","), name, db.Micro(now))
		if err != nil {
			return err
		}
		if n == 0 {
			return refusedPasskey()
		}
		return tellPasskey(ctx, tx, v.ID, c, PasskeyAddedLetter, audit.PasskeyAdded, Passkey{ID: id, Name: name}, c.Actor(), o)
	})
}

// FindPasskey returns one of a customer's own passkeys. Errors: fault NotFound.
func FindPasskey(ctx context.Context, tx *db.Tx, customerID int64, id db.ID) (Passkey, error) {
	p, err := scanPasskey(tx.Row(ctx, "SELECT "+passkeyColumns+" FROM passkeys WHERE id = $1 AND customer_id = $2", id, customerID))
	if db.IsNoRows(err) {
		err = noPasskey()
	}
	return p, err
}

func noPasskey() error {
	return fault.New(fault.NotFound, PasskeyGone, "This passkey was removed already.")
}

// RenamePasskey gives a passkey of the customer another name. Errors: fault Invalid on "name"; NotFound.
func (s *Service) RenamePasskey(ctx context.Context, who Signed, id db.ID, name string) error {
	name, err := passkeyName(name)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "UPDATE passkeys SET name = $3 WHERE id = $1 AND customer_id = $2", id, who.Customer.ID, name)
		if err == nil && n == 0 {
			err = noPasskey()
		}
		return err
	})
}

// RemovePasskey takes a passkey away from a customer who has just shown who they are: it signs nobody in any more, on no node, once
// this returns. Errors: fault Forbidden without that; NotFound.
func (s *Service) RemovePasskey(ctx context.Context, v *shop.View, who Signed, id db.ID, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := mustBeProven(ctx, tx, who); err != nil {
			return err
		}
		p, err := take(ctx, tx, who.Customer.ID, id)
		if err != nil {
			return err
		}
		return tellPasskey(ctx, tx, v.ID, who.Customer, PasskeyRemovedLetter, audit.PasskeyRemoved, p, who.Customer.Actor(), o)
	})
}

// TakePasskey is RemovePasskey by the store's hand, for a customer who has lost the device, or does not know the passkey. The owner
// is told by a letter that says so. Errors: fault Forbidden, NotFound.
func (s *Service) TakePasskey(ctx context.Context, permit admin.Permit, customerID int64, id db.ID, o audit.Origin) error {
	if err := permit.Need(admin.RemovePasskeys); err != nil {
		return err
	}
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		c, err := customer.Reach(ctx, tx, permit.Covers, customerID)
		if err != nil {
			return err
		}
		view := c.ViewID
		if v, ok := c.View(snap); ok {
			view = v.ID
		}
		p, err := take(ctx, tx, c.ID, id)
		if err != nil {
			return err
		}
		return tellPasskey(ctx, tx, view, c, PasskeyTakenLetter, audit.PasskeyRemoved, p, permit.Actor(), o)
	})
}

// take removes a passkey of a customer and gives what it was. Errors: fault NotFound.
func take(ctx context.Context, tx *db.Tx, customerID int64, id db.ID) (Passkey, error) {
	p, err := FindPasskey(ctx, tx, customerID, id)
	if err != nil {
		return p, err
	}
	n, err := tx.Exec(ctx, "DELETE FROM passkeys WHERE id = $1", id)
	if err == nil && n == 0 {
		err = noPasskey() // another was faster
	}
	return p, err
}

// HasPasskey tells whether a customer has this passkey, still.
func HasPasskey(ctx context.Context, tx *db.Tx, customerID int64, id db.ID) (bool, error) {
	var n int
	err := tx.Row(ctx, "SELECT COUNT(*) FROM passkeys WHERE id = $1 AND customer_id = $2", id, customerID).Scan(&n)
	return n == 1, err
}

// DropPasskey takes one passkey away from a customer who says that it is not theirs.
func DropPasskey(ctx context.Context, tx *db.Tx, customerID int64, id db.ID) error {
	_, err := tx.Exec(ctx, "DELETE FROM passkeys WHERE id = $1 AND customer_id = $2", id, customerID)
	return err
}

// passkeyName judges the name of a passkey.
func passkeyName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", fault.Refuse("name", "passkey.name_required", "Please give the passkey a name, so that you recognise it.", nil)
	case utf8.RuneCountInString(name) > maxPasskeyName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", fault.Refuse("name", "passkey.name_long", "Please use a shorter name, of letters and signs.", map[string]any{"Max": maxPasskeyName})
	}
	return name, nil
}

// tellPasskey records that a way in has come or gone, and by whom, and queues the notice to the owner. From where the store acted is
// for its own audit.
func tellPasskey(ctx context.Context, tx *db.Tx, viewID int64, c customer.Customer, letter, action string, p Passkey, by audit.Actor, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	data := map[string]string{"passkey": p.Name, "change": p.ID.String(), "at": now.Format(time.RFC3339Nano)}
	if by.Kind == audit.Shopper {
		data["place"], data["browser"] = o.Place(), o.Browser()
	}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: letter, WebsiteID: c.WebsiteID, ViewID: viewID, CustomerID: c.ID, Data: data})
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: by, CustomerID: c.ID, Subject: c.Address().Masked(),
		WebsiteID: c.WebsiteID, Origin: o, Detail: map[string]string{"passkey": p.ID.String()}})
}
