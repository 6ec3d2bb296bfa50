package recovery

import (
	"context"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
)

// resendBatch is how many emails one transaction sends again.
const resendBatch = 100

// Resend sends an email again that was refused or set aside, with the same link, or tries one now that waits. Errors: fault
// Forbidden; NotFound; Conflict when its link has expired, or when it has arrived.
func (s *Service) Resend(ctx context.Context, permit admin.Permit, id db.ID, o audit.Origin) error {
	if err := permit.Need(admin.ResendEmails); err != nil {
		return err
	}
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		l, err := mail.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if !permit.Covers(l.WebsiteID) {
			return fault.New(fault.NotFound, "letter.unknown", "There is no such letter.")
		}
		if err := mail.Retry(ctx, tx, id, permit.Actor().Name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Action: audit.EmailsResent, Actor: permit.Actor(), CustomerID: l.CustomerID,
			Subject: l.Kind, WebsiteID: l.WebsiteID, Origin: o})
	})
}

// ResendAll tries everything now that waits, asks a mail server that refuses again, and, with ended, sends again what was refused or
// set aside and whose link has not expired.
func (s *Service) ResendAll(ctx context.Context, permit admin.Permit, ended bool, o audit.Origin) (done mail.Retried, err error) {
	if err := permit.Need(admin.ResendEmails); err != nil {
		return done, err
	}
	website := mail.Everybody
	if of := permit.Websites(); of != nil {
		website = of[0]
	}
	e := audit.Entry{Action: audit.EmailsResent, Actor: permit.Actor(), Origin: o}
	if website != mail.Everybody {
		e.WebsiteID = website
	}
	var sent int64
	again := func(tx *db.Tx) (err error) {
		sent, err = mail.RetryEnded(ctx, tx, website, resendBatch, permit.Actor().Name)
		return err
	}
	// Who asked is recorded with the first that goes, whatever becomes of the rest.
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) (err error) {
		if ended {
			if err := again(tx); err != nil {
				return err
			}
		}
		if done.Tried, err = mail.RetryWaiting(ctx, tx, website); err != nil {
			return err
		}
		return audit.Record(ctx, tx, e)
	})
	for done.Sent = sent; err == nil && sent == resendBatch; done.Sent += sent {
		err = permit.Write(ctx, s.DB, again)
	}
	return done, err
}
