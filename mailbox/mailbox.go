// Package mailbox is the development mailbox: a door that shows the letters which the house sends to itself.
//
// Promises:
//   - Letters arrive through real SMTP on a loopback address, so that what is seen here is what a mail server would get.
//   - They stay in the memory of the process, the last 500 of them, and go with it: a live link rests nowhere.
//   - A page is served only to who names the machine by number or as localhost, so that a foreign website cannot read the
//     letters through a name of its own (DNS rebinding). Nothing is served to other hosts.
//   - A letter's HTML is shown in a sandbox without scripts and may load nothing.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/rekeyhq/rekey/db"
)

const (
	keep        = 500     // letters
	maxMessage  = 1 << 20 // bytes of one letter
	maxKept     = 64 << 20
	maxTogether = 50 // recipients of one letter; the house sends one
)

// Mailbox takes letters and shows them. It is safe for concurrent use.
type Mailbox struct {
	server   *smtp.Server
	listener net.Listener
	served   chan error

	mu      sync.RWMutex
	letters []*Letter     // oldest first
	size    int           // bytes of their sources
	arrival chan struct{} // closed when the next letter arrives
}

// New starts to listen for SMTP on a free loopback port. Close ends it.
func New(log *slog.Logger) (*Mailbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the development mailbox: %w", err)
	}
	b := &Mailbox{listener: listener, served: make(chan error, 1), arrival: make(chan struct{})}
	b.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }))
	b.server.Domain = "mailbox.localhost"
	b.server.MaxMessageBytes = maxMessage
	b.server.MaxRecipients = maxTogether
	b.server.EnableSMTPUTF8 = true
	b.server.ReadTimeout, b.server.WriteTimeout = 2*time.Minute, 30*time.Second
	b.server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	go func() { b.served <- b.server.Serve(listener) }()
	return b, nil
}

// SMTPAddr is where letters are taken: host:port, for smtp://…?starttls=never.
func (b *Mailbox) SMTPAddr() string { return b.listener.Addr().String() }

// Close stops to take letters and breaks off those that are on their way. The pages go on showing what is there.
func (b *Mailbox) Close() error {
	err := b.server.Close()
	if errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	b.listener.Close() // the server closes it too, unless it has not begun to serve: then it would accept for ever
	return errors.Join(err, <-b.served)
}

// Letter is one letter that arrived.
type Letter struct {
	ID         string    `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	Sender     string    `json:"sender"`     // of the envelope
	Recipients []string  `json:"recipients"` // of the envelope
	From       string    `json:"from"`       // of the header, decoded
	To         string    `json:"to"`
	Subject    string    `json:"subject"`
	MessageID  string    `json:"message_id"`
	Text       string    `json:"text"`
	HTML       string    `json:"html"`
	Raw        string    `json:"raw"`
}

// Letters returns those that are kept, newest first.
func (b *Mailbox) Letters() []*Letter {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := slices.Clone(b.letters)
	slices.Reverse(all)
	return all
}

func (b *Mailbox) letter(id string) (*Letter, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, l := range b.letters {
		if l.ID == id {
			return l, true
		}
	}
	return nil, false
}

func (b *Mailbox) add(l *Letter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = append(b.letters, l)
	b.size += len(l.Raw)
	for len(b.letters) > keep || b.size > maxKept {
		b.size -= len(b.letters[0].Raw)
		b.letters[0] = nil // for the collector: the array lives on
		b.letters = b.letters[1:]
	}
	close(b.arrival)
	b.arrival = make(chan struct{})
}

// Clear forgets every letter.
func (b *Mailbox) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters, b.size = nil, 0
}

// session is one SMTP conversation.
type session struct {
	box  *Mailbox
	from string
	to   []string
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l := &Letter{ID: db.NewID().String(), ReceivedAt: time.Now().UTC(), Sender: s.from, Recipients: slices.Clone(s.to), Raw: string(raw)}
	l.read()
	s.box.add(l)
	return nil
}

// Await returns the newest letter to an address that arrived after the one with the id after ("" for any). It waits until
// there is one or ctx ends.
func (b *Mailbox) Await(ctx context.Context, to, after string) (*Letter, error) {
	for {
		b.mu.RLock()
		arrival := b.arrival
		b.mu.RUnlock()
		for _, l := range b.Letters() {
			if l.ID > after && slices.Contains(l.Recipients, to) {
				return l, nil
			}
		}
		select {
		case <-arrival:
		case <-ctx.Done():
			return nil, fmt.Errorf("no letter to %s: %w", to, ctx.Err())
		}
	}
}
