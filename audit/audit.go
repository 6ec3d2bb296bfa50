// Package audit keeps who did what to whom, when and from where. It owns the tables audit,
// audit_horizon and audit_news.
//
// Promises:
//   - Append-only: the database itself refuses to change or delete a row. There are two narrow doors: what is older than the
//     horizon of retention may go (Sweep), and a row may lose the words that name a customer (Erase), never gain or change any.
//   - An entry commits with the act that it tells of, or neither does.
//   - It holds no secret, and of an address that nobody is known to own only a hash and a masked form.
//   - While a webhook listens, each entry is also news, in the same transaction, until TakeNews takes it.
package audit

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// What happened. The names are stable: people search and alert by them.
const (
	ResetRequested     = "password_reset.requested"
	ResetSentByStore   = "password_reset.sent_by_store"
	ResetLimited       = "password_reset.limited"
	LinkOpened         = "password_reset.link_opened"
	CodeTyped          = "password_reset.code_typed"
	ResetCompleted     = "password_reset.completed"
	PasswordChanged    = "password.changed"
	Objected           = "customer.objected"    // "It wasn't me" was pressed in a letter
	HoldLifted         = "customer.hold_lifted" // by the right password, or a passkey
	SessionStarted     = "session.started"
	SessionEnded       = "session.ended"
	SessionsEnded      = "sessions.ended"
	SignInFailed       = "signin.failed"
	SignInLocked       = "signin.locked"
	PasskeyAdded       = "passkey.added"
	PasskeyRemoved     = "passkey.removed"
	PasskeyRefused     = "passkey.refused"
	Unlocked           = "customer.unlocked"
	TokenIssued        = "token.issued"
	TokensRevoked      = "tokens.revoked"
	Registered         = "registration.requested"
	CustomerCreated    = "customer.created"
	CustomerUpdated    = "customer.updated"
	CustomerDeleted    = "customer.deleted"
	AddressProven      = "customer.address_proven"  // of an account that somebody may have made for another: what its maker had has ended
	DataDownloaded     = "customer.data_downloaded" // by the customer's own hand
	CustomersImported  = "customers.imported"
	BreachedImported   = "breached_passwords.imported"
	StoreRestored      = "store.restored"              // from a backup: all that was issued before has ended
	DurabilityChanged  = "database.durability_changed" // who keeps what was written: the server, or its provider as the operator says
	BreachedRemoved    = "breached_passwords.removed"
	SettingChanged     = "setting.changed"
	WebsiteCreated     = "website.created"
	WebsiteChanged     = "website.changed"
	ViewCreated        = "store_view.created"
	ViewChanged        = "store_view.changed"
	AdminCreated       = "admin.created"
	AdminChanged       = "admin.changed"
	AdminDisabled      = "admin.disabled"
	AdminEnabled       = "admin.enabled"
	AdminDeleted       = "admin.deleted"
	AdminAddressAsked  = "admin.email_change_requested"
	AdminSignedIn      = "admin.signed_in"
	AdminSignedOut     = "admin.signed_out"
	AdminSessionsEnded = "admin.sessions_ended" // by another one, or the operator
	AdminSignInFail    = "admin.signin_failed"
	AdminLocked        = "admin.locked"
	AdminResetAsked    = "admin.password_reset_requested"
	AdminReset         = "admin.password_reset_completed"
	ClientCreated      = "oauth2_client.created"
	ClientChanged      = "oauth2_client.changed"
	ClientDeleted      = "oauth2_client.deleted"
	WebhookCreated     = "webhook.created"
	WebhookChanged     = "webhook.changed"
	WebhookDeleted     = "webhook.deleted"
	WebhookReplayed    = "webhook.replayed"

	SignInCodeRequested = "signin.code_requested"
	SignedInByLetter    = "signin.by_letter"
	CodeRefused         = "code.refused" // what was typed was no code of that browser's; the detail "for" says of which kind

	EmailsResent = "emails.resent" // one, or all that wait and were refused; the subject of one is its kind

	ProtectionStarted = "protection.started" // shoppers of a website are asked for a proof of work
	ProtectionEnded   = "protection.ended"

	IncidentStarted   = "incident.started"
	IncidentPaused    = "incident.paused"
	IncidentResumed   = "incident.resumed"
	IncidentCancelled = "incident.cancelled"
	IncidentFinished  = "incident.finished"
	IncidentTreated   = "incident.customer_treated"

	IntegrationCreated    = "integration.created"
	IntegrationChanged    = "integration.changed"
	IntegrationActivated  = "integration.activated"
	IntegrationAuthorized = "integration.authorized" // the other side fetched its access token
	IntegrationDeleted    = "integration.deleted"
)

// Actions lists every action, for filters.
func Actions() []string {
	return []string{ResetRequested, ResetSentByStore, ResetLimited, LinkOpened, CodeTyped, ResetCompleted, PasswordChanged, SessionStarted,
		SessionEnded, SessionsEnded, SignInFailed, SignInLocked, SignInCodeRequested, SignedInByLetter, CodeRefused, Unlocked, TokenIssued, TokensRevoked, Registered,
		CustomerCreated, CustomerUpdated, CustomerDeleted, AddressProven, DataDownloaded, CustomersImported, BreachedImported, BreachedRemoved, StoreRestored, DurabilityChanged, SettingChanged, WebsiteCreated, WebsiteChanged, ViewCreated, ViewChanged, AdminCreated,
		PasskeyAdded, PasskeyRemoved, PasskeyRefused,
		AdminChanged, AdminDisabled, AdminEnabled, AdminDeleted, AdminAddressAsked, AdminSignedIn, AdminSignedOut, AdminSessionsEnded, AdminSignInFail, AdminLocked, AdminResetAsked, AdminReset, WebhookCreated, WebhookChanged, WebhookDeleted, WebhookReplayed,
		IntegrationCreated, IntegrationActivated, IntegrationAuthorized, IntegrationDeleted, ClientCreated, ClientChanged, ClientDeleted, IntegrationChanged,
		IncidentStarted, IncidentPaused, IncidentResumed, IncidentCancelled, IncidentFinished, IncidentTreated, Objected, HoldLifted,
		ProtectionStarted, ProtectionEnded, EmailsResent}
}

// Kinds of actor.
const (
	Shopper     = "shopper"     // at the storefront or through the web API
	Store       = "admin"       // an administrator, in the console
	Command     = "command"     // the operator, at the command line
	Integration = "integration" // a program that acts for the store
	System      = "system"      // the house itself
)

// Actor is who did it.
type Actor struct {
	Kind string
	ID   int64 // of the customer or administrator, 0 when not known
	Name string
}

// Entry is one act.
type Entry struct {
	ID         db.ID
	At         time.Time
	Action     string
	Actor      Actor
	CustomerID int64  // whom it was done to, when known
	AddressKey []byte // customer.Address.Key of the address it was about, when no customer was looked up
	Subject    string // what it was done to, in words: a masked address, a setting's path
	WebsiteID  int64
	Origin     Origin
	Address    string // as stored: the client's address, for the customer's own data only; pages show Place
	Place      string // as stored: Origin.Place()
	Browser    string // as stored: Origin.Browser()
	Outcome    string // "" when it simply happened, else one word: refused, limited, begun
	Detail     map[string]string
}

// Changed is the detail of an act that changed values: "old → new" for each that differs, none where nothing does.
func Changed(values map[string][2]string) map[string]string {
	shown := func(value string) string {
		if value == "" {
			return "nothing"
		}
		return value
	}
	detail := map[string]string{}
	for name, v := range values {
		if v[0] != v[1] {
			detail[name] = shown(v[0]) + " → " + shown(v[1])
		}
	}
	return detail
}

// Record appends one entry to tx. ID, At, Place and Browser are filled here.
func Record(ctx context.Context, tx *db.Tx, e Entry) error { return RecordAll(ctx, tx, []Entry{e}) }

// perInsert is how many entries one statement writes. SQLite looks each argument up among all others: five times as many
// entries take it twice as long.
const perInsert = 20

// RecordAll is Record for many entries.
func RecordAll(ctx context.Context, tx *db.Tx, all []Entry) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(all, perInsert) {
		var rows []string
		var ids, args []any
		for _, e := range some {
			detail := ""
			if len(e.Detail) > 0 {
				b, err := json.Marshal(e.Detail)
				if err != nil {
					return err
				}
				detail = string(b)
			}
			id := db.NewID()
			ids = append(ids, id)
			row := []any{id, db.Micro(now), e.Action, e.Actor.Kind, db.NullInt(e.Actor.ID), e.Actor.Name, db.NullInt(e.CustomerID),
				e.AddressKey, e.Subject, db.NullInt(e.WebsiteID), e.Origin.address(), e.Origin.Place(), e.Origin.Browser(), e.Outcome, detail}
			rows = append(rows, "("+db.Marks(len(args)+1, len(row))+")")
			args = append(args, row...)
		}
		_, err = tx.Exec(ctx, `INSERT INTO audit (id, at, action, actor_kind, actor_id, actor_name, customer_id, address_key,
			subject, website_id, ip, place, browser, outcome, detail) VALUES `+strings.Join(rows, ", "), args...)
		if err != nil {
			return err
		}
		if err := remember(ctx, tx, ids); err != nil {
			return err
		}
	}
	return nil
}

// Query narrows a list. Zero fields do not.
type Query struct {
	Action     string
	ActorName  string
	CustomerID int64
	WebsiteID  int64 // entries of this website only
	From, To   time.Time
	After      string // Entry.ID of the last one seen: older ones follow
	Limit      int
}

const (
	columns  = `id, at, action, actor_kind, actor_id, actor_name, customer_id, address_key, subject, website_id, ip, place, browser, outcome, detail`
	maxLimit = 500
)

// List returns entries, newest first, and the cursor for the next page, "" at the end.
func List(ctx context.Context, tx *db.Tx, q Query) ([]Entry, string, error) {
	limit := min(max(q.Limit, 1), maxLimit)
	var where []string
	var args []any
	add := func(cond string, arg any) {
		args = append(args, arg)
		where = append(where, strings.ReplaceAll(cond, "?", "$"+strconv.Itoa(len(args))))
	}
	if q.Action != "" {
		add("action = ?", q.Action)
	}
	if q.ActorName != "" {
		add("actor_name = ?", q.ActorName)
	}
	if q.CustomerID != 0 {
		add("customer_id = ?", q.CustomerID)
	}
	if q.WebsiteID != 0 {
		add("website_id = ?", q.WebsiteID)
	}
	if !q.From.IsZero() {
		add("at >= ?", db.Micro(q.From))
	}
	if !q.To.IsZero() {
		add("at < ?", db.Micro(q.To))
	}
	if q.After != "" {
		id, err := db.ParseID(q.After)
		if err != nil {
			return nil, "", err
		}
		add("id < ?", id)
	}
	text := "SELECT " + columns + " FROM audit"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	text += " ORDER BY id DESC LIMIT " + strconv.Itoa(limit+1)
	rows, err := tx.Query(ctx, text, args...)
	entries, err := db.Collect(rows, err, scan)
	if err != nil || len(entries) <= limit {
		return entries, "", err
	}
	entries = entries[:limit]
	return entries, entries[limit-1].ID.String(), nil
}

// OfCustomer returns the latest entries about a customer, oldest first: those that name the customer and those about the
// address, which was all that was known when a reset was asked for. Actions in skip are left out.
func OfCustomer(ctx context.Context, tx *db.Tx, customerID int64, addressKey []byte, since time.Time, limit int, skip ...string) ([]Entry, error) {
	args := []any{customerID, addressKey, since.UnixMicro(), limit}
	text := "SELECT " + columns + " FROM audit WHERE (customer_id = $1 OR address_key = $2) AND at >= $3"
	for _, action := range skip {
		args = append(args, action)
		text += " AND action <> $" + strconv.Itoa(len(args))
	}
	rows, err := tx.Query(ctx, text+" ORDER BY id DESC LIMIT $4", args...)
	entries, err := db.Collect(rows, err, scan)
	slices.Reverse(entries)
	return entries, err
}

func scan(row db.Scanner) (Entry, error) {
	var e Entry
	var detail string
	err := row.Scan(&e.ID, db.IntoTime(&e.At), &e.Action, &e.Actor.Kind, db.IntoInt(&e.Actor.ID), &e.Actor.Name,
		db.IntoInt(&e.CustomerID), &e.AddressKey, &e.Subject, db.IntoInt(&e.WebsiteID), &e.Address, &e.Place, &e.Browser, &e.Outcome, &detail)
	if err == nil && detail != "" {
		err = json.Unmarshal([]byte(detail), &e.Detail)
	}
	return e, err
}

// Frequency counts how often shoppers did something at a website in a span of time. It stops at most, so that asking costs
// little also while very much happens.
func Frequency(ctx context.Context, tx *db.Tx, websiteID int64, action string, from, to time.Time, most int) (n int, err error) {
	err = tx.Row(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM audit WHERE website_id = $1 AND action = $2 AND at >= $3 AND at < $4
		AND actor_kind = $5 LIMIT $6) AS few`, websiteID, action, db.Micro(from), db.Micro(to), Shopper, most).Scan(&n)
	return n, err
}
