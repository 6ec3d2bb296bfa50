// Package customer keeps the store's accounts. It owns the tables customers and registrations and publishes the view
// customer_standing.
//
// Promises:
//   - One account per website and canonical address; one rule compares addresses everywhere (ParseAddress).
//   - Replacing the password ends every recovery link of the account in the same statement: links carry the generation
//     that they were made under.
//   - Ending all sessions or all tokens is one write: a generation is raised, and whatever was issued before is dead on
//     every node, even a session that is just being made.
//   - A new account by the storefront answers alike for a new and a known address (Register).
package customer

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Customer is one account. It holds no secret but the password's hash, which only Service and the packages above read
// through Hash.
type Customer struct {
	ID, WebsiteID, ViewID                              int64
	Email, Firstname, Lastname                         string
	Active                                             bool
	ConfirmedAt, ProvenAt, CreatedAt, UpdatedAt        time.Time
	LastSignInAt, LockedUntil, PasswordChangedAt       time.Time
	ResetsHeldUntil, ChangesHeldUntil                  time.Time // after "It wasn't me"; see Held
	SessionGeneration, TokenGeneration, LinkGeneration int64
	Profile
	canonical string
	hash      string // "" as well where a new password is required
	void      string // the hash of a password that signs nobody in any more
}

// Name is the whole name. Emails call nobody by it but a Reader.
func (c Customer) Name() string { return strings.TrimSpace(c.Firstname + " " + c.Lastname) }

// Actor is the customer as who did something.
func (c Customer) Actor() audit.Actor {
	return audit.Actor{Kind: audit.Shopper, ID: c.ID, Name: c.Name()}
}

// Confirmed tells whether the customer may sign in. It does not tell whose the address is: see Proven.
func (c Customer) Confirmed() bool { return !c.ConfirmedAt.IsZero() }

// HasPassword tells whether there is a password to try.
func (c Customer) HasPassword() bool { return c.hash != "" }

// Locked tells whether signing in is paused after too many wrong passwords.
func (c Customer) Locked(now time.Time) bool { return c.LockedUntil.After(now) }

// Address is the stored address: letters go to these bytes, never to what somebody typed.
func (c Customer) Address() Address { return Address{typed: c.Email, canonical: c.canonical} }

// PasswordHash is what secret.Hasher.Verify takes; "" never verifies.
func (c Customer) PasswordHash() string { return c.hash }

// VoidHash is the hash of the password that RequireNewPasswords put out of use, so that it is not chosen again; else "".
func (c Customer) VoidHash() string { return c.void }

// Service holds what the journeys of accounts need.
type Service struct {
	DB     *db.DB
	Shop   *shop.Shop
	Hasher *secret.Hasher
	Key    secret.Key

	// TokensEnded, if set, is told in the transaction which generation of a customer's tokens was ended by disabling or
	// deleting the account: apps that hold some are then told too, by a floor above.
	TokensEnded func(ctx context.Context, tx *db.Tx, id, generation int64) error
	// Disowned, if set, is called in the transaction in which an account passes from whoever made it to the owner of its address, who
	// has finished a registration: it ends whatever the maker has, on the floors above as well, as Disown does for the account.
	Disowned func(ctx context.Context, tx *db.Tx, c Customer) error
	// Erased, if set, is called in the transaction that deletes an account, for what floors above keep about the customer.
	Erased func(ctx context.Context, tx *db.Tx, c Customer) error
}

func (s *Service) tokensEnded(ctx context.Context, tx *db.Tx, c Customer) error {
	if s.TokensEnded == nil {
		return nil
	}
	return s.TokensEnded(ctx, tx, c.ID, c.TokenGeneration)
}

const columns = `id, website_id, store_view_id, email, email_canon, firstname, lastname, COALESCE(password_hash, ''),
	password_changed_at, active, confirmed_at, session_generation, token_generation, link_generation, locked_until,
	last_sign_in_at, created_at, updated_at, prefix, middlename, suffix, gender, date_of_birth, taxvat, subscribed, group_id,
	custom_attributes, default_billing, default_shipping, password_void, resets_held_until, changes_held_until, email_proven_at`

func scan(row db.Scanner) (Customer, error) {
	var c Customer
	var custom string
	var void bool
	err := row.Scan(&c.ID, &c.WebsiteID, &c.ViewID, &c.Email, &c.canonical, &c.Firstname, &c.Lastname, &c.hash,
		db.IntoTime(&c.PasswordChangedAt), &c.Active, db.IntoTime(&c.ConfirmedAt), &c.SessionGeneration, &c.TokenGeneration,
		&c.LinkGeneration, db.IntoTime(&c.LockedUntil), db.IntoTime(&c.LastSignInAt), db.IntoTime(&c.CreatedAt), db.IntoTime(&c.UpdatedAt),
		&c.Prefix, &c.Middlename, &c.Suffix, &c.Gender, &c.DateOfBirth, &c.TaxVat, &c.Subscribed, &c.GroupID, &custom,
		db.IntoInt(&c.DefaultBilling), db.IntoInt(&c.DefaultShipping), &void, db.IntoTime(&c.ResetsHeldUntil),
		db.IntoTime(&c.ChangesHeldUntil), db.IntoTime(&c.ProvenAt))
	if void {
		c.hash, c.void = "", c.hash
	}
	if db.IsNoRows(err) {
		return Customer{}, nobody()
	}
	if err == nil && custom != "" {
		err = json.Unmarshal([]byte(custom), &c.Custom)
	}
	return c, err
}

func nobody() error {
	return fault.New(fault.NotFound, "not_found", "There is no such customer.")
}

// Find returns a customer by number. Errors: fault NotFound.
func Find(ctx context.Context, tx *db.Tx, id int64) (Customer, error) {
	return scan(tx.Row(ctx, "SELECT "+columns+" FROM customers WHERE id = $1 AND deleted_at IS NULL", id))
}

// Reach is Find for somebody who may see some websites only: what lies outside does not exist. covers is
// admin.Permit.Covers. Errors: fault NotFound.
func Reach(ctx context.Context, tx *db.Tx, covers func(websiteID int64) bool, id int64) (Customer, error) {
	c, err := Find(ctx, tx, id)
	if err == nil && !covers(c.WebsiteID) {
		return Customer{}, nobody()
	}
	return c, err
}

// FindByAddress returns the customer of a website by address. Errors: fault NotFound.
func FindByAddress(ctx context.Context, tx *db.Tx, websiteID int64, a Address) (Customer, error) {
	return scan(tx.Row(ctx, "SELECT "+columns+" FROM customers WHERE website_id = $1 AND email_canon = $2", websiteID, a.canonical))
}

// New is what an account is made of.
type New struct {
	ID                  int64 // 0 to have one given; imports keep theirs
	WebsiteID, ViewID   int64
	Address             Address
	Firstname, Lastname string
	Hash                string    // of the password, "" for none yet
	ConfirmedAt         time.Time // zero: they may not sign in yet
	ProvenAt            time.Time // zero: nobody has shown that the address is theirs
	CreatedAt           time.Time // zero: now
	LastSignInAt        time.Time
	Disabled            bool
	Profile             // group 0 is the general one
}

// GeneralGroup is the group of customers of whom nothing else is said.
const GeneralGroup = 1

// Create stores a new account. Errors: fault Conflict when the website has the address already.
func Create(ctx context.Context, tx *db.Tx, n New) (Customer, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return Customer{}, err
	}
	if n.CreatedAt.IsZero() {
		n.CreatedAt = now
	}
	changed := time.Time{}
	var hash any
	if n.Hash != "" {
		hash, changed = n.Hash, n.CreatedAt
	}
	custom, err := n.Profile.custom()
	if err != nil {
		return Customer{}, err
	}
	args := []any{n.WebsiteID, n.ViewID, n.Address.typed, n.Address.canonical, n.Firstname, n.Lastname,
		searchText(n.Firstname, n.Lastname, n.Address.typed), hash, db.Micro(changed), db.Micro(n.ConfirmedAt),
		db.Micro(n.CreatedAt), db.Micro(n.LastSignInAt), !n.Disabled, n.Prefix, n.Middlename, n.Suffix, n.Gender, n.DateOfBirth, n.TaxVat,
		n.Subscribed, cmp.Or(n.GroupID, GeneralGroup), custom, db.Micro(n.ProvenAt)}
	columnsIn, first := "", ""
	if n.ID != 0 {
		columnsIn, first = "id, ", "$24, "
		args = append(args, n.ID)
	}
	c, err := scan(tx.Row(ctx, `INSERT INTO customers (`+columnsIn+`website_id, store_view_id, email, email_canon, firstname,
		lastname, search, password_hash, password_changed_at, confirmed_at, created_at, updated_at, last_sign_in_at, active, prefix,
		middlename, suffix, gender, date_of_birth, taxvat, subscribed, group_id, custom_attributes, email_proven_at)
		VALUES (`+first+`$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23)
		ON CONFLICT DO NOTHING RETURNING `+columns, args...))
	if fault.Is(err, fault.NotFound) {
		return Customer{}, exists()
	}
	return c, err
}

func exists() error {
	e := fault.New(fault.Conflict, "account.exists", "A customer with the same email address already exists in an associated website.")
	e.Field = "email"
	return e
}

// SetPassword stores the hash of a new password for the account as it was read in c. It ends every recovery link, the
// lock and the hold of resets in the same statement; proven says that a link mailed to the address was used, which ends the hold
// of changes too. If the password has been replaced since c was read, nothing happens: of several at once one wins. Sessions and
// tokens are the caller's to end. Errors: fault Conflict.
func SetPassword(ctx context.Context, tx *db.Tx, c Customer, hash string, proven bool) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	mailed := time.Time{}
	if proven {
		mailed = now
	}
	n, err := tx.Exec(ctx, `UPDATE customers SET password_hash = $3, password_changed_at = $4, link_generation = link_generation + 1,
		locked_until = NULL, confirmed_at = COALESCE(confirmed_at, $5), email_proven_at = COALESCE(email_proven_at, $5), updated_at = $4, password_void = FALSE,
		resets_held_until = NULL, changes_held_until = CASE WHEN $5 IS NULL THEN changes_held_until END
		WHERE id = $1 AND link_generation = $2 AND active`,
		c.ID, c.LinkGeneration, hash, db.Micro(now), db.Micro(mailed))
	if err == nil && n == 0 {
		return fault.New(fault.Conflict, "password.changed_meanwhile", "The password was changed a moment ago. Sign in with the new one.")
	}
	return err
}

// Rehash replaces the stored form of an unchanged password, unless it has changed meanwhile.
func Rehash(ctx context.Context, tx *db.Tx, c Customer, hash string) error {
	_, err := tx.Exec(ctx, "UPDATE customers SET password_hash = $3 WHERE id = $1 AND password_hash = $2", c.ID, c.hash, hash)
	return err
}

// EndSessions raises the session generation and returns the new one: every session issued before is dead.
func EndSessions(ctx context.Context, tx *db.Tx, id int64) (generation int64, err error) {
	err = tx.Row(ctx, "UPDATE customers SET session_generation = session_generation + 1 WHERE id = $1 RETURNING session_generation", id).Scan(&generation)
	return generation, err
}

// EndTokens raises the token generation and returns the new one: every token issued before is dead.
func EndTokens(ctx context.Context, tx *db.Tx, id int64) (generation int64, err error) {
	err = tx.Row(ctx, "UPDATE customers SET token_generation = token_generation + 1 WHERE id = $1 RETURNING token_generation", id).Scan(&generation)
	return generation, err
}

// SignedIn remembers when and from where the customer last signed in, and that signing in is not paused any more.
func SignedIn(ctx context.Context, tx *db.Tx, id int64, at time.Time, from netip.Addr) error {
	_, err := tx.Exec(ctx, "UPDATE customers SET last_sign_in_at = $2, last_sign_in_from = $3, locked_until = NULL WHERE id = $1",
		id, db.Micro(at), wide(from))
	return err
}

// MarkLocked shows a lock-out on the account that has the address, if there is one; the lock itself is kept by address in
// package limit, for known and unknown ones alike. The zero time takes the mark away.
func MarkLocked(ctx context.Context, tx *db.Tx, websiteID int64, a Address, until time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE customers SET locked_until = $3 WHERE website_id = $1 AND email_canon = $2",
		websiteID, a.canonical, db.Micro(until))
	return err
}

// searchText is what the grid's search looks through.
func searchText(firstname, lastname, email string) string {
	return db.Fold(firstname + " " + lastname + " " + email)
}
