package recovery

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// Pressed is the form of "It wasn't me".
type Pressed struct {
	Sure bool // the box that Objection.Sure asks for
	Stop bool // the box that puts the new password out of use, or removes the new passkey, where Measures allow it
}

// Object is "It wasn't me", pressed on the page behind a letter's link: it ends what the letter is about, signs everybody out,
// holds what visitors could ask for next, tells the store, and says what it did. All of it commits together. It never sets a
// password; it puts one out of use only if asked to, and only one that a letter tells of as new. Pressed again, the same letter
// does nothing new. Errors: those of Objection; fault Invalid on "sure".
func (s *Service) Object(ctx context.Context, v *shop.View, link secret.Text, p Pressed, o audit.Origin) (Objection, error) {
	ob, err := s.Objection(ctx, v, link, o)
	if err != nil || !ob.MadeAt.IsZero() {
		return ob, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := customer.FindToChange(ctx, tx, ob.customer.ID); err != nil {
			return err
		}
		if ob, err = s.findObjection(ctx, tx, v, link); err != nil || !ob.MadeAt.IsZero() || ob.Does.None() {
			return err
		}
		if ob.Sure && !p.Sure {
			return fault.Refuse("sure", "objection.sure", "Tick the box to show that you are a person.", nil)
		}
		ob.Does.Stop, ob.Does.Passkey = ob.Does.Stop && p.Stop, ob.Does.Passkey && p.Stop
		return s.object(ctx, tx, v, &ob, o)
	})
	return ob, err
}

func (s *Service) object(ctx context.Context, tx *db.Tx, v *shop.View, ob *Objection, o audit.Origin) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	ob.MadeAt = now
	if ob.Hold > 0 {
		ob.Does.Until = now.Add(ob.Hold)
	}
	sessions, tokens, err := ob.protect(ctx, tx)
	if err != nil {
		return err
	}
	if ob.Does.Mail {
		_, err := mail.Enqueue(ctx, tx, mail.Note{Kind: SecureLetter, Priority: mail.Awaited, WebsiteID: ob.customer.WebsiteID, ViewID: v.ID, CustomerID: ob.customer.ID,
			ExpiresAt: now.Add(v.Duration(shop.LinkExpirationPeriod))})
		if err != nil {
			return err
		}
	}
	outcome, err := json.Marshal(ob.Does)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE objections SET objected_at = $2, outcome = $3 WHERE id = $1", ob.id, db.Micro(now), string(outcome)); err != nil {
		return err
	}
	return s.report(ctx, tx, v, *ob, sessions, tokens, o)
}

// protect does what an objection is for.
func (ob Objection) protect(ctx context.Context, tx *db.Tx) (sessions, tokens int64, err error) {
	c := ob.customer
	if ob.Does.Cancel {
		_, err := customer.CancelEmailChange(ctx, tx, ob.change)
		return 0, 0, err
	}
	if ob.Does.Maker {
		end, err := endMaker(ctx, tx, c)
		return end.sessions, end.tokens, err
	}
	if err := customer.EndLinks(ctx, tx, c.ID); err != nil {
		return 0, 0, err
	}
	if sessions, err = signin.EndAll(ctx, tx, c.ID); err != nil {
		return 0, 0, err
	}
	if tokens, err = token.RevokeAll(ctx, tx, c.ID); err != nil {
		return 0, 0, err
	}
	if ob.Does.HoldResets {
		err = customer.HoldResets(ctx, tx, c, ob.Does.Until)
	}
	if err == nil && ob.Does.HoldChanges {
		err = customer.HoldChanges(ctx, tx, c, ob.Does.Until)
	}
	if err == nil && ob.Does.Stop {
		err = customer.RequireNewPasswords(ctx, tx, []int64{c.ID}, false)
	}
	if err == nil && ob.Does.Passkey {
		err = signin.DropPasskey(ctx, tx, c.ID, ob.change)
	}
	return sessions, tokens, err
}

// report tells the store: in the audit, and with it webhooks and the customer's timeline, and by a letter to its support.
func (s *Service) report(ctx context.Context, tx *db.Tx, v *shop.View, ob Objection, sessions, tokens int64, o audit.Origin) error {
	c := ob.customer
	detail := map[string]string{"letter": ob.Letter, "sessions": itoa(sessions), "tokens": itoa(tokens)}
	for name, done := range map[string]bool{"hold_resets": ob.Does.HoldResets, "hold_changes": ob.Does.HoldChanges, "password": ob.Does.Stop || ob.Does.Maker, "passkey_removed": ob.Does.Passkey} {
		if done {
			detail[name] = "1"
		}
	}
	if v.SupportEmail != "" {
		data := map[string]string{"about": ob.matter(), "at": ob.MadeAt.Format(time.RFC3339Nano), "place": o.Place(), "browser": o.Browser()}
		if !ob.Does.Until.IsZero() {
			data["held"], data["until"] = "held_changes", ob.Does.Until.Format(time.RFC3339Nano)
			if ob.Does.HoldResets {
				data["held"] = "held_resets"
			}
		}
		if _, err := mail.Enqueue(ctx, tx, mail.Note{Kind: ReportLetter, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID, Data: data}); err != nil {
			return err
		}
	}
	return audit.Record(ctx, tx, audit.Entry{Action: audit.Objected, Actor: audit.Actor{Kind: audit.Shopper}, CustomerID: c.ID,
		Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o, Detail: detail})
}

// matter is what an objection turned out to be about, as the report says it.
func (ob Objection) matter() string {
	switch {
	case ob.Does.Mail && (ob.Letter == ForgotLetter || ob.Letter == StoreLetter):
		return "link_used"
	case ob.Letter == EmailNoticeLetter && !ob.Does.Mail:
		return EmailChangedNote // it was confirmed meanwhile
	}
	return ob.Letter
}

// composeReport tells the store's support that somebody said "It wasn't me".
func (s *Service) composeReport(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := s.view(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	if v.SupportEmail == "" {
		return mail.Content{}, mail.NotNeeded("the store view has no support address")
	}
	at, err := time.Parse(time.RFC3339Nano, letter.Data["at"])
	if err != nil {
		return mail.Content{}, err
	}
	c, err := s.addressee(ctx, letter)
	if err != nil {
		return mail.Content{}, err
	}
	l := v.Lang()
	content := customer.Compose(v, ReportLetter, customer.Stranger(v.SupportEmail))
	content.To.Name = v.StoreName()
	content.Paragraphs = append(content.Paragraphs, l.T("letter.objection_report."+letter.Data["about"]))
	if until, err := time.Parse(time.RFC3339Nano, letter.Data["until"]); err == nil {
		content.Paragraphs = append(content.Paragraphs, l.T("letter.objection_report."+letter.Data["held"], "Date", l.Date(until, v.Location())))
	}
	content.Facts = append([]mail.Fact{
		{Label: l.T("letter.objection_report.customer"), Value: c.Name() + " · " + c.Email + " · " + itoa(c.ID)},
		{Label: l.T("letter.fact.when"), Value: l.Date(at, v.Location())},
	}, mail.Whence(l, letter.Data)...)
	return content, nil
}
