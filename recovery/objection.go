package recovery

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

const (
	// ObjectionLife is how long "It wasn't me" can be pressed in a letter: people read their mail after a holiday too. No other link
	// of a letter lives longer.
	ObjectionLife = 7 * 24 * time.Hour
	// objectionDay is how long an objection is remembered against the next ones of the same account. The first may be pressed by
	// a program that opens letters to check them, and costs the owner a sign-in and a wait; programs do not tick boxes, so the
	// next ones want one. And only the first few of a day hold anything, so that nobody is held for good, whoever presses.
	objectionDay = 24 * time.Hour
	heldADay     = 3
)

// Measures are what an objection does: beforehand as what it would, afterwards as what it has done. None means that there is
// nothing left to stop.
type Measures struct {
	Cancel      bool `json:"cancel,omitempty"`       // that change of the address, and nothing else
	End         bool `json:"end,omitempty"`          // links and changes under way, sessions, tokens
	HoldResets  bool `json:"hold_resets,omitempty"`  // visitors' requests send no link to a new password
	HoldChanges bool `json:"hold_changes,omitempty"` // the account keeps its address, and takes no new passkeys
	Mail        bool `json:"mail,omitempty"`         // a link to a new password goes to the owner
	Stop        bool `json:"stop,omitempty"`         // the password is put out of use; beforehand: may be, if asked for
	Maker       bool `json:"maker,omitempty"`        // whatever somebody has who made the account with this address
	Passkey     bool `json:"passkey,omitempty"`      // the passkey that the letter tells of is removed; beforehand: may be, if asked for

	Until time.Time `json:"until,omitzero"` // of the holds
}

// None tells whether there is nothing to do.
func (m Measures) None() bool { return m == Measures{} }

// Objection is "It wasn't me" in one letter: what the page behind the link needs to know, and nothing of the account.
type Objection struct {
	Letter  string // its kind
	Mailbox string // the address that it went to, masked; "" once that is forgotten
	SentAt  time.Time
	Does    Measures
	Sure    bool          // a box must be ticked: not the first objection of the day
	Hold    time.Duration // how long it would hold
	MadeAt  time.Time     // zero: nobody has pressed yet; otherwise Does is what was done

	id, change db.ID
	customer   customer.Customer
	sentTo     []byte // key of the address
	aboutAt    time.Time
	stands     bool // neither the account's links nor the website's have been ended since the letter
}

// objectionPurpose is what the secret of "It wasn't me" in one letter is derived for. It is its own: the link is no recovery link.
const objectionPurpose = "objection-link"

// putObjection lets a letter be objected to, in the transaction that composes it, and gives the link. about is the moment of
// what the letter tells of.
func (s *Service) putObjection(ctx context.Context, tx *db.Tx, v *shop.View, letter mail.Letter, c customer.Customer, to customer.Address, about time.Time) (*mail.Button, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	var change db.ID
	if text := letter.Data["change"]; text != "" {
		if change, err = db.ParseID(text); err != nil {
			return nil, err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO objections (id, secret_hash, letter, customer_id, website_id, sent_to, generation, about_at, change_id,
		created_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ON CONFLICT (id) DO NOTHING`, letter.ID, secret.Digest(s.Key.Derive(objectionPurpose, letter.ID[:])),
		letter.Kind, c.ID, c.WebsiteID, to.Key(c.WebsiteID), c.LinkGeneration, db.Micro(about), change, db.Micro(now), db.Micro(now.Add(ObjectionLife)))
	if err != nil {
		return nil, err
	}
	var digest []byte
	if err := tx.Row(ctx, "SELECT secret_hash FROM objections WHERE id = $1", letter.ID).Scan(&digest); err != nil {
		return nil, err
	}
	link := s.Key.Again(objectionPurpose, letter.ID[:], digest)
	return &mail.Button{Label: v.Lang().T("letter.object"), URL: secret.NewText(v.Link("/customer/account/notme", url.Values{"token": {link.Reveal()}}))}, nil
}

// Objection tells what a letter's "It wasn't me" would do, or has done. It changes nothing. Unknown, expired and foreign links
// are one answer. Errors: fault Expired; fault Limited for a client that tries many links that are none.
func (s *Service) Objection(ctx context.Context, v *shop.View, link secret.Text, o audit.Origin) (Objection, error) {
	var ob Objection
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		ob, err = s.findObjection(ctx, tx, v, link)
		return err
	})
	if fault.Is(err, fault.Expired) {
		if err := s.countWrong(ctx, o); err != nil {
			return Objection{}, err
		}
	}
	return ob, err
}

func (s *Service) findObjection(ctx context.Context, tx *db.Tx, v *shop.View, link secret.Text) (Objection, error) {
	if !secret.WellFormed(link) {
		return Objection{}, expired()
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return Objection{}, err
	}
	var ob Objection
	var owner int64
	var outcome string
	err = tx.Row(ctx, `SELECT id, letter, customer_id, sent_to, about_at, change_id, created_at, objected_at, outcome, `+customer.LinkStands+` FROM objections
		WHERE secret_hash = $1 AND website_id = $2 AND expires_at > $3`, secret.Digest(link), v.Website.ID, db.Micro(now)).
		Scan(&ob.id, &ob.Letter, &owner, &ob.sentTo, db.IntoTime(&ob.aboutAt), &ob.change, db.IntoTime(&ob.SentAt),
			db.IntoTime(&ob.MadeAt), &outcome, &ob.stands)
	if db.IsNoRows(err) {
		return Objection{}, expired()
	}
	if err != nil {
		return Objection{}, err
	}
	if !s.Key.Made(objectionPurpose, ob.id[:], link) {
		return Objection{}, expired()
	}
	ob.customer, err = customer.Find(ctx, tx, owner)
	if fault.Is(err, fault.NotFound) || err == nil && !ob.customer.Active {
		return Objection{}, expired()
	}
	if err != nil {
		return Objection{}, err
	}
	if ob.Mailbox, err = ob.mailbox(ctx, tx); err != nil {
		return Objection{}, err
	}
	if outcome != "" {
		return ob, json.Unmarshal([]byte(outcome), &ob.Does)
	}
	return s.weigh(ctx, tx, v, ob, now)
}

// owners tells whether the account's mailbox is still the letter's.
func (ob Objection) owners() bool {
	return bytes.Equal(ob.sentTo, ob.customer.Address().Key(ob.customer.WebsiteID))
}

// mailbox is the address that the letter went to, masked. Where it is not the account's, only the queue remembers it, for a while: the
// reader may be a stranger to the account, and is told of their own address alone.
func (ob Objection) mailbox(ctx context.Context, tx *db.Tx) (string, error) {
	if ob.owners() {
		return ob.customer.Address().Masked(), nil
	}
	letter, err := mail.Get(ctx, tx, ob.id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", err
	}
	to, err := customer.ParseAddress(letter.Recipient)
	if err != nil {
		return "", nil
	}
	return to.Masked(), nil
}

// weigh says what an objection would do now, with what was done on earlier ones of the day in mind.
func (s *Service) weigh(ctx context.Context, tx *db.Tx, v *shop.View, ob Objection, now time.Time) (Objection, error) {
	var err error
	if ob.Does, err = judge(ctx, tx, ob); err != nil || !ob.Does.End {
		ob.Sure = ob.Does.Maker // it ends a password, so no program that opens letters may press it
		return ob, err
	}
	rows, err := tx.Query(ctx, "SELECT outcome FROM objections WHERE customer_id = $1 AND objected_at > $2", ob.customer.ID, db.Micro(now.Add(-objectionDay)))
	earlier, err := db.Collect(rows, err, func(row db.Scanner) (m Measures, err error) {
		var text string
		if err = row.Scan(&text); err == nil {
			err = json.Unmarshal([]byte(text), &m)
		}
		return m, err
	})
	if err != nil {
		return ob, err
	}
	held := 0
	for _, m := range earlier {
		ob.Sure = ob.Sure || m.End
		if !m.Until.IsZero() {
			held++
		}
	}
	ob.Hold = v.Duration(shop.ObjectionHold)
	if ob.Hold == 0 || held >= heldADay {
		ob.Hold, ob.Does.HoldResets, ob.Does.HoldChanges = 0, false, false
	}
	return ob, nil
}

// judge says what there is to stop. What a letter tells of may be over: then its link does nothing, so that an old letter in a
// stranger's hands is worth nothing.
func judge(ctx context.Context, tx *db.Tx, ob Objection) (Measures, error) {
	c := ob.customer
	owners := ob.owners()
	known := Measures{End: true, HoldChanges: true, Mail: true} // somebody else knows the password
	if c.PasswordChangedAt.After(ob.aboutAt) {
		known = Measures{}
	}
	switch ob.Letter {
	case EmailChangeLetter: // it went where somebody else's account would be moved to: its reader may be a stranger
		switch _, err := customer.FindEmailChangeByID(ctx, tx, ob.change); {
		case fault.Is(err, fault.NotFound):
			return Measures{}, nil
		case err != nil:
			return Measures{}, err
		}
		return Measures{Cancel: true}, nil
	case customer.WelcomeLetter:
		return Measures{Maker: owners && !c.Proven()}, nil
	case EmailNoticeLetter, EmailChangedNote:
		// The account was moved away from this reader, who may be its owner, or whom its owner fled from. Nothing is taken back, no
		// link goes anywhere; the store is told, and decides.
		if !owners {
			return Measures{End: true, HoldChanges: true}, nil
		}
		if ob.Letter == EmailNoticeLetter {
			return known, nil
		}
	case ChangedLetter:
		known.Stop = known.End && c.HasPassword()
		if owners {
			return known, nil
		}
	case signin.PasskeyAddedLetter: // whoever added it has shown the password, or a passkey
		added, err := signin.HasPasskey(ctx, tx, c.ID, ob.change)
		if err != nil {
			return Measures{}, err
		}
		if owners && added {
			return Measures{End: true, HoldChanges: true, Mail: true, Passkey: true}, nil
		}
	case signin.PasskeyRemovedLetter, signin.PasskeyTakenLetter: // somebody may have called the store in the owner's name
		if owners {
			return known, nil
		}
	case SignInLetter: // its code may have signed somebody in
		if owners && ob.stands {
			return Measures{End: true, HoldResets: true}, nil
		}
	case ForgotLetter, StoreLetter:
		if !owners {
			break
		}
		var spent time.Time
		err := tx.Row(ctx, "SELECT spent_at FROM links WHERE id = $1", ob.id).Scan(db.IntoTime(&spent))
		switch {
		case err != nil && !db.IsNoRows(err):
			return Measures{}, err
		case !spent.IsZero() && !c.PasswordChangedAt.After(spent): // somebody has chosen the present password with it
			return Measures{End: true, HoldChanges: true, Mail: true}, nil
		case ob.stands:
			return Measures{End: true, HoldResets: true}, nil
		}
	}
	return Measures{}, nil
}

// SweepObjections deletes objections whose links stopped working longer than age ago, at most most of them.
func SweepObjections(ctx context.Context, tx *db.Tx, age time.Duration, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM objections WHERE id IN (SELECT id FROM objections WHERE expires_at < $1 LIMIT $2`+tx.SkipLocked()+`)`,
		db.Micro(now.Add(-age)), most)
}
