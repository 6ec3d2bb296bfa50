package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// MaxPasskeys is how many passkeys one account may have.
	MaxPasskeys = 20
	// askLife is how long a browser may take to answer: pages offer passkeys while they are open.
	askLife = 30 * time.Minute
)

// Passkey is one passkey of a customer.
type Passkey struct {
	ID                    db.ID
	CustomerID            int64
	Host                  string // that it was made under, and is good for
	Name                  string
	CreatedAt, LastUsedAt time.Time
	credential            passkey.Credential
	handle                []byte
}

const passkeyColumns = "id, customer_id, rp_id, credential_id, user_handle, public_key, sign_count, synced, transports, name, created_at, last_used_at"

func scanPasskey(row db.Scanner) (Passkey, error) {
	var p Passkey
	var count int64
	var transports string
	err := row.Scan(&p.ID, &p.CustomerID, &p.Host, &p.credential.ID, &p.handle, &p.credential.PublicKey, &count, &p.credential.Synced,
		&transports, &p.Name, db.IntoTime(&p.CreatedAt), db.IntoTime(&p.LastUsedAt))
	p.credential.Count = uint32(count) // from there it came
	if transports != "" {
		p.credential.Transports = strings.Split(transports, ",")
	}
	return p, err
}

// Passkeys returns the passkeys of a customer, the oldest first.
func Passkeys(ctx context.Context, tx *db.Tx, customerID int64) ([]Passkey, error) {
	rows, err := tx.Query(ctx, "SELECT "+passkeyColumns+" FROM passkeys WHERE customer_id = $1 ORDER BY id", customerID)
	return db.Collect(rows, err, scanPasskey)
}

// DropPasskeys takes every passkey of a customer away in the caller's transaction, and tells how many there were.
func DropPasskeys(ctx context.Context, tx *db.Tx, customerID int64) (n int64, err error) {
	return tx.Exec(ctx, "DELETE FROM passkeys WHERE customer_id = $1", customerID)
}

// Handle is what authenticators call the customer at a store view's host, and Known are the passkeys that are good there: a page
// tells them to the browser, so that it stops offering what was removed.
type Handle struct {
	Host, Customer string
	Known          []string
}

// HandleAt picks the passkeys that are good at a store view's host. ok is false where there are none to be good.
func (s *Service) HandleAt(v *shop.View, who Signed, all []Passkey) (h Handle, ok bool) {
	party, ok := s.party(v)
	if !ok {
		return Handle{}, false
	}
	h = Handle{Host: party.ID, Customer: base64.RawURLEncoding.EncodeToString(s.handleOf(who.Customer.ID, all)), Known: []string{}}
	for _, p := range at(party, all) {
		h.Known = append(h.Known, base64.RawURLEncoding.EncodeToString(p.credential.ID))
	}
	return h, true
}

// party is who asks for passkeys at a store view, if it may and can.
func (s *Service) party(v *shop.View) (passkey.Party, bool) {
	if !v.Bool(shop.Passkeys) {
		return passkey.Party{}, false
	}
	return passkey.At(v.BaseURL, v.StoreName())
}

// OffersPasskeys tells whether a store view signs in by passkey: it is set to, and browsers make passkeys for its address.
func (s *Service) OffersPasskeys(v *shop.View) bool {
	_, ok := s.party(v)
	return ok
}

func at(party passkey.Party, all []Passkey) []Passkey {
	var here []Passkey
	for _, p := range all {
		if p.Host == party.ID {
			here = append(here, p)
		}
	}
	return here
}

func credentials(all []Passkey) []passkey.Credential {
	var out []passkey.Credential
	for _, p := range all {
		out = append(out, p.credential)
	}
	return out
}

// handleOf is what authenticators call a customer: what they were told before, else derived, so that it tells nothing.
func (s *Service) handleOf(customerID int64, all []Passkey) []byte {
	if len(all) > 0 {
		return all[0].handle
	}
	sum := secret.Digest(s.Key.Derive("passkey-owner", binary.BigEndian.AppendUint64(nil, uint64(customerID))))
	return sum
}

// Ask is a question to a browser. Options is what its script hands over to it; Ticket comes back with the answer.
type Ask struct {
	Options string
	Ticket  secret.Text
}

// Answer is what came back.
type Answer struct {
	Ticket   secret.Text
	Response string
	Browser  string // as it was told when asking
}

// What an answer is for: none is good for another thing.
const (
	toSignIn  = "sign in"
	toConfirm = "confirm"
	toAdd     = "add"
)

// question is what a ticket is bound to, so that it is worth nothing to another browser, store, session or act.
type question struct {
	act     string
	party   passkey.Party
	website int64
	browser string
	session db.ID
}

const ticketPurpose = "passkey-ticket"

func (q question) id() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d\x00%s\x00%s", q.act, q.party.ID, q.party.Origin, q.website, q.browser, q.session))
	return sum[:]
}

// challenge makes a new challenge and the ticket that holds it, sealed: nothing has to be stored until it is answered.
// more is kept with it.
func (s *Service) challenge(ctx context.Context, q question, more ...byte) (challenge []byte, ticket secret.Text, err error) {
	challenge = make([]byte, passkey.ChallengeLength)
	rand.Read(challenge)
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		until := binary.BigEndian.AppendUint64(nil, uint64(now.Add(askLife).UnixMicro()))
		sealed := s.Key.Seal(ticketPurpose, q.id(), secret.NewText(string(slices.Concat(until, challenge, more))))
		ticket = secret.NewText(base64.RawURLEncoding.EncodeToString(sealed))
		return nil
	})
	return challenge, ticket, err
}

// asked is a challenge that was opened from its ticket.
type asked struct {
	challenge []byte
	more      []byte // that was kept with it
	until     time.Time
}

func (s *Service) open(q question, ticket secret.Text) (asked, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(ticket.Reveal())
	if err != nil {
		return asked{}, refusedPasskey()
	}
	plain, err := s.Key.Open(ticketPurpose, q.id(), sealed)
	if err != nil {
		return asked{}, refusedPasskey()
	}
	b := []byte(plain.Reveal())
	rest := b[8:]
	return asked{challenge: rest[:passkey.ChallengeLength], more: rest[passkey.ChallengeLength:], until: time.UnixMicro(int64(binary.BigEndian.Uint64(b[:8])))}, nil
}

// spend uses a challenge up, in the transaction of what it is for: of several answers at once one wins, and none comes twice.
func (a asked) spend(ctx context.Context, tx *db.Tx) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if !now.Before(a.until) {
		return refusedPasskey()
	}
	sum := sha256.Sum256(a.challenge)
	n, err := tx.Exec(ctx, "INSERT INTO passkey_challenges (challenge_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", sum[:], db.Micro(a.until))
	if err == nil && n == 0 {
		return refusedPasskey()
	}
	return err
}

// refusedPasskey is the one answer for a passkey that is unknown, removed, somebody else's, another store's, used already or late.
func refusedPasskey() error {
	return fault.New(fault.Unauthenticated, "passkey.refused", "This passkey could not be used here. Try again, or use your password.")
}

// SweepChallenges forgets answered challenges that have expired, at most most of them.
func SweepChallenges(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM passkey_challenges WHERE challenge_hash IN (SELECT challenge_hash FROM passkey_challenges WHERE expires_at < $1 LIMIT $2`+
		tx.SkipLocked()+`)`, db.Micro(now), most)
}

// owner is how a customer stands in the list of an authenticator.
func (s *Service) owner(c customer.Customer, all []Passkey) passkey.Owner {
	return passkey.Owner{Handle: s.handleOf(c.ID, all), Name: c.Email, Label: cmp.Or(c.Name(), c.Email)}
}
