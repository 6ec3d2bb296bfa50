package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/input"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

// MailServer is what an operator says about the mail server and how emails are signed.
type MailServer struct {
	SMTP string   // see mail.ParseSMTP
	Helo string   // our name in EHLO; "" is the domain of the sender
	DKIM []string // DOMAIN:SELECTOR:FILE
}

// Transport reads all of it. Its errors are sentences for the operator.
func (m MailServer) Transport() (*mail.Transport, error) {
	transport, err := mail.ParseSMTP(m.SMTP)
	if err != nil {
		return nil, err
	}
	if m.Helo != "" && !mail.IsHost(m.Helo) {
		return nil, fmt.Errorf("--smtp-helo must be a full host name such as shop.example.com, not %q", m.Helo)
	}
	transport.Helo = m.Helo
	for _, text := range m.DKIM {
		key, err := ReadDKIM(text)
		if err != nil {
			return nil, err
		}
		transport.DKIM = append(transport.DKIM, key)
	}
	return transport, nil
}

// ReadDKIM reads DOMAIN:SELECTOR:FILE. Whoever can read the file can sign as the domain, so nobody but its owner may.
func ReadDKIM(text string) (mail.DKIM, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 || !mail.IsHost(parts[0]) || !mail.IsHost(parts[1]+".x") || parts[2] == "" {
		return mail.DKIM{}, fmt.Errorf("--dkim must be DOMAIN:SELECTOR:FILE such as shop.example.com:rekey:/etc/rekey/dkim.pem, not %q", text)
	}
	info, err := os.Stat(parts[2])
	if err != nil {
		return mail.DKIM{}, fmt.Errorf("the DKIM key cannot be read: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return mail.DKIM{}, fmt.Errorf("other users of this machine can read the DKIM key %s: chmod 600 it", parts[2])
	}
	pem, err := input.ReadFile(parts[2], input.MaxSecret)
	if err != nil {
		return mail.DKIM{}, fmt.Errorf("the DKIM key cannot be read: %w", err)
	}
	key, err := mail.ParseDKIMKey(pem)
	if err != nil {
		return mail.DKIM{}, fmt.Errorf("%s: %w", parts[2], err)
	}
	return mail.DKIM{Domain: strings.ToLower(parts[0]), Selector: strings.ToLower(parts[1]), Key: key}, nil
}

// senderDomain is what the first store view's emails come from: its sender's domain, or the host of its base URL.
func senderDomain(stores *shop.Snapshot) string {
	for _, v := range stores.Views() {
		if _, domain, ok := strings.Cut(v.SenderEmail, "@"); ok {
			return domain
		}
	}
	for _, v := range stores.Views() {
		if u, err := url.Parse(v.BaseURL); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return ""
}

// tryMail looks at the start whether the mail server takes emails, and warns when it does not. Nothing stops for it: what customers ask
// for is queued meanwhile.
func (s *server) tryMail(ctx context.Context) {
	stores, err := s.house.Shop.Load(ctx)
	if err != nil {
		return // the worker meets the same database, and says so
	}
	s.warnUnsigned(stores)
	err = s.letters.worker.Try(ctx, senderDomain(stores))
	var trouble *mail.Trouble
	if errors.As(err, &trouble) {
		s.Log.Warn("the mail server does not take letters; they wait", "server", s.letters.worker.Transport.Server(),
			"reason", trouble.Reason, "words", trouble.Words, "remedy", trouble.Reason.Cure())
	}
}

// warnUnsigned tells of store views whose emails no key signs, where there are keys.
func (s *server) warnUnsigned(stores *shop.Snapshot) {
	transport := s.letters.worker.Transport
	for _, v := range stores.Views() {
		if len(transport.DKIM) > 0 && v.SenderEmail != "" && !transport.Signs(v.SenderEmail) {
			s.Log.Warn("no DKIM key signs letters of a store view", "store_view", v.Code, "remedy", "--dkim "+v.SenderEmail[strings.LastIndexByte(v.SenderEmail, '@')+1:]+":SELECTOR:FILE")
		}
	}
}

// TestMail sends a short email of a store view's to an address over the mail server, past the queue. transport.Tell is told each step.
func (h *House) TestMail(ctx context.Context, transport *mail.Transport, view, to string) error {
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		return err
	}
	v, err := senderView(stores, view)
	if err != nil {
		return err
	}
	c := customer.Compose(v, "test", customer.Stranger(to))
	var now time.Time
	if err := h.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now, err = tx.Now(ctx)
		return err
	}); err != nil {
		return err
	}
	return transport.Send(ctx, now, c)
}

func senderView(stores *shop.Snapshot, code string) (*shop.View, error) {
	for _, v := range stores.Views() {
		switch {
		case code != "" && v.Code != code:
		case v.SenderEmail == "":
			return nil, fmt.Errorf("the store view %s has no sender address: rekey store-view set %s --sender-email A", v.Code, v.Code)
		default:
			return v, nil
		}
	}
	return nil, fmt.Errorf("there is no store view %s", code)
}
