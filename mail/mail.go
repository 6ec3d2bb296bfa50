// Package mail keeps the letters that the store owes people, and hands them to a mail server. It owns the tables letters
// and letter_events.
//
// Promises:
//   - A letter is queued in the caller's transaction, or not at all; SMTP is never spoken inside a transaction.
//   - A letter at rest holds no secret: the composer is called again at each try and derives the link anew, so each try
//     carries the same link, the same Message-ID and the same bytes.
//   - Each letter ends in exactly one state, with the history of how it got there in letter_events. What was needed to
//     compose it (data) is forgotten then.
//   - It is handed over at least once, or its end is recorded. Twice only when the answer of the mail server was lost,
//     or a node died between the answer and its record.
//   - Workers of any number of nodes share the queue by leases, which they renew while they work: a letter whose worker died
//     is claimed again within half a minute, and a slow mail server is not mistaken for a death.
//   - A letter that cannot be composed or must not be sent is set aside; the others go on.
//   - TLS is never stripped, and no control character of any field reaches the wire.
//   - The queue has lanes: what goes to programs by a Carrier is claimed, retried, settled and told like a letter, by
//     workers of its own, so that nobody's letter waits for a program that does not answer.
package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// State is where a letter, or one event of its history, stands.
type State string

// A letter's states. The last five are its end.
const (
	Queued     State = "queued"      // nobody has tried yet
	Sending    State = "sending"     // a worker holds it
	Deferred   State = "deferred"    // tried; will be tried again
	HandedOver State = "handed_over" // the mail server took it, with the words kept
	Refused    State = "refused"     // the mail server will never take it
	Expired    State = "expired"     // what it says is no longer true, such as a link's date
	Unneeded   State = "not_needed"  // the composer found nothing to say: no such customer, asked for twice
	SetAside   State = "set_aside"   // it cannot be composed, or must not be sent as it is
)

// Unwritten is the state of an event only: the composer failed. The letter itself is Deferred then, or SetAside.
const Unwritten State = "unwritten"

// States lists a letter's states, for filters.
func States() []State {
	return []State{Queued, Sending, Deferred, HandedOver, Refused, Expired, Unneeded, SetAside}
}

// DefaultLife is how long a letter without a date of its own is tried.
const DefaultLife = 3 * 24 * time.Hour

// Post is the lane of letters: to people, by the mail server. A Worker with a Carrier works on a lane of its own.
const Post = ""

// Programs is the lane of what is told to programs over HTTP: the events of webhooks, and sign-outs to the apps of
// OpenID Connect.
const Programs = "webhook"

// Priority is how urgent an email is. The more urgent go first; among equals websites take turns.
type Priority int

// The priorities. What is about one person and nobody sits waiting for is neither.
const (
	Awaited Priority = -1 // somebody waits for it in front of a screen: a link, a code
	Notice  Priority = 0
	Bulk    Priority = 1 // one of many, queued by one act of the store's
)

// maxData bounds the JSON of Note.Data in bytes: a note says what to write about, it does not hold the letter.
const maxData = 4 << 10

// Note says what a letter is about; a Composer makes the letter of it later.
type Note struct {
	Lane              string // Post, or that of the Worker whose Carrier delivers it
	Kind              string
	Priority          Priority
	WebsiteID, ViewID int64             // WebsiteID 0: to the store's own people, which nobody of one website sees
	CustomerID        int64             // 0 when nobody has looked the customer up
	AddressKey        []byte            // customer.Address.Key of the address it was asked for, when that is all that is known
	Data              map[string]string // what the composer needs to know. Small, and never a secret: it rests in the database
	ExpiresAt         time.Time         // never sent after this; zero: DefaultLife from now
}

// Letter is one row of the queue.
type Letter struct {
	ID db.ID
	Note
	Recipient string // "" until it was composed
	State     State
	Attempts  int       // tries begun
	NextAt    time.Time // the next try, while Queued or Deferred
	CreatedAt time.Time
	SettledAt time.Time // when it ended; zero while it has not
	LastWords string    // what was said last: the mail server's words, or ours
	Events    []Event   // oldest first; filled by Get and OfCustomer only

	Cause Reason // while it waits for the mail server to take emails again; "" otherwise

	hasData    bool // what is needed to compose it is still kept
	unreadable bool // data is no JSON object of strings: the composer cannot be called, the console still shows the row
}

// Event is one step of a letter's history.
type Event struct {
	ID     db.ID
	At     time.Time
	State  State
	Words  string // the mail server's own where it spoke, else ours in English
	Server string // host:port; "" when the step did not reach a mail server
}

// Enqueue queues a letter in the caller's transaction. A worker of any node finds it after the commit, within its
// polling time. The returned id is also the id of the link that the letter will carry.
func Enqueue(ctx context.Context, tx *db.Tx, n Note) (db.ID, error) {
	if n.Kind == "" || n.Lane == Post && n.ViewID == 0 {
		return db.ID{}, errors.New("mail: a note needs a kind and a store view")
	}
	data, err := json.Marshal(n.Data)
	if err != nil {
		return db.ID{}, err
	}
	if len(data) > maxData {
		return db.ID{}, fmt.Errorf("mail: the note %q has %d bytes of data, more than %d", n.Kind, len(data), maxData)
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return db.ID{}, err
	}
	if n.ExpiresAt.IsZero() {
		n.ExpiresAt = now.Add(DefaultLife)
	}
	id := db.NewID()
	_, err = tx.Exec(ctx, `INSERT INTO letters (id, lane, kind, website_id, store_view_id, customer_id, address_key, data,
		state, next_at, expires_at, created_at, priority) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)`,
		id, n.Lane, n.Kind, n.WebsiteID, n.ViewID, db.NullInt(n.CustomerID), nullBytes(n.AddressKey), string(data),
		string(Queued), db.Micro(now), db.Micro(n.ExpiresAt), db.Micro(now), n.Priority)
	if err != nil {
		return db.ID{}, err
	}
	return id, addEvent(ctx, tx, id, Event{At: now, State: Queued})
}

func addEvent(ctx context.Context, tx *db.Tx, letter db.ID, e Event) error {
	_, err := tx.Exec(ctx, `INSERT INTO letter_events (id, letter_id, at, state, words, server) VALUES ($1,$2,$3,$4,$5,$6)`,
		db.NewID(), letter, db.Micro(e.At), string(e.State), e.Words, e.Server)
	return err
}

// nullBytes keeps "no key" apart from an empty one: the index skips NULL.
func nullBytes(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
