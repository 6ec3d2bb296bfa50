package app

import (
	"context"
	"log/slog"
	"maps"

	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/mailbox"
)

// letters is what moves this node's share of the mail queue.
type letters struct {
	worker *mail.Worker
	box    *mailbox.Mailbox // nil with a real mail server
	log    *slog.Logger
}

// prepareLetters makes the worker; a node without a mail server has none and only queues.
func (s *server) prepareLetters() error {
	if s.SMTP == "" {
		return nil
	}
	l := &letters{log: s.Log}
	server := MailServer{SMTP: s.SMTP, Helo: s.SMTPHelo, DKIM: s.DKIM}
	if s.SMTP == Mailbox {
		box, err := mailbox.New(s.Log)
		if err != nil {
			return err
		}
		l.box, server.SMTP = box, boxAddress(box)
	}
	transport, err := server.Transport()
	if err != nil {
		return err
	}
	l.worker = s.house.Worker(transport, s.Log)
	l.worker.Workers = s.MailWorkers
	l.worker.Observe = s.metrics.observeLetter
	s.letters = l
	return nil
}

// boxAddress is the mailbox as a mail server.
func boxAddress(box *mailbox.Mailbox) string { return "smtp://" + box.SMTPAddr() + "?starttls=never" }

// Worker makes a mail worker that can write every kind of letter.
func (h *House) Worker(transport *mail.Transport, log *slog.Logger) *mail.Worker {
	composers := maps.Clone(h.Customers.Composers())
	maps.Copy(composers, h.Recovery.Composers())
	maps.Copy(composers, h.Admins.Composers())
	return &mail.Worker{DB: h.DB, Composers: composers, Transport: transport, Log: log}
}

// run works until ctx ends; the mailbox takes letters for as long as the worker hands them over.
func (l *letters) run(ctx context.Context) {
	if err := l.worker.Run(ctx); err != nil {
		l.log.Error("the mail worker ended", "error", err)
	}
	if l.box != nil {
		l.box.Close() // the process ends next
	}
}
