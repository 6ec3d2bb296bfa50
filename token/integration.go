package token

import (
	"context"
	"errors"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/outbound"
)

const (
	maxIntegrationName = 255 // characters, Commerce's column
)

// Integration is a program that acts for the store, with the rights that an administrator granted it.
type Integration struct {
	ID                       int64
	Name, Email              string
	CallbackURL, IdentityURL string // where activating sends the secrets, and where the other side's own page is
	Rights                   []admin.Right
	Active                   bool   // it holds an access token
	ConsumerKey              string // no secret; "" before the first activation
	CreatedAt, LastUsedAt    time.Time
	Customers                int64 // for whom it holds living tokens; filled by Integrations

	version int64  // raised by each activation; secrets of another version are worth nothing
	sealed  []byte // the consumer's secret of that version; nil where it was not sealed yet
}

// Insecure tells whether one of the URLs is plain http, where secrets could be read on their way.
func (i Integration) Insecure() bool {
	return strings.HasPrefix(i.CallbackURL, "http:") || strings.HasPrefix(i.IdentityURL, "http:")
}

// Resource is a right that an integration can be granted, in words.
type Resource struct {
	Right admin.Right
	Label string
}

// Resources lists what an integration can be granted: what the web API has a door for.
func Resources() []Resource {
	return []Resource{
		{admin.ViewCustomers, "View and search customers"},
		{admin.EditCustomers, "Create and change customers"},
		{admin.DeleteCustomers, "Delete customers"},
		{admin.ResetPassword, "Send password resets"},
		{admin.ForceSignIn, "Force sign-in (revoke tokens)"},
		{admin.UnlockCustomer, "Unlock customers"},
	}
}

// NewIntegration is what an integration is made of.
type NewIntegration struct {
	Name, Email, CallbackURL, IdentityURL string
	Rights                                []admin.Right
}

func (n *NewIntegration) check(callback outbound.Rules) error {
	var errs []error
	refuse := func(field, text string) { errs = append(errs, fault.Refuse(field, "malformed", text, nil)) }
	n.Name = strings.TrimSpace(n.Name)
	if n.Name == "" || utf8.RuneCountInString(n.Name) > maxIntegrationName || !utf8.ValidString(n.Name) || strings.ContainsAny(n.Name, "\x00\r\n") {
		refuse("name", "An integration needs a name of at most 255 characters.")
	}
	if a, err := mail.ParseAddress(n.Email); n.Email != "" && (err != nil || a.Address != n.Email) {
		refuse("email", "The e-mail address of the integration is not valid.")
	}
	identity := outbound.Rules{Plain: callback.Plain, Inside: true} // the administrator's browser goes there, not the store
	for _, one := range []struct {
		field, label, value string
		rules               outbound.Rules
	}{
		{"callback_url", "callback URL", n.CallbackURL, callback}, {"identity_url", "identity link URL", n.IdentityURL, identity},
	} {
		if one.value == "" {
			continue
		}
		if err := one.rules.Check(one.value); err != nil {
			refuse(one.field, "The "+one.label+" "+err.Error()+".")
		}
	}
	known := Resources()
	for _, right := range n.Rights {
		if !slices.ContainsFunc(known, func(r Resource) bool { return r.Right == right }) {
			refuse("resources", "There is no resource \""+string(right)+"\"; there are "+resourceNames()+".")
		}
	}
	if len(n.Rights) == 0 {
		refuse("resources", "Choose at least one resource: an integration reaches only what it is granted.")
	}
	return errors.Join(errs...)
}

func resourceNames() string {
	var names []string
	for _, r := range Resources() {
		names = append(names, string(r.Right))
	}
	return strings.Join(names, ", ")
}

// createIntegration stores an integration. Errors: fault Conflict when the name is taken.
func createIntegration(ctx context.Context, tx *db.Tx, n NewIntegration) (Integration, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return Integration{}, err
	}
	made, err := scanIntegration(tx.Row(ctx, `INSERT INTO integrations (name, email, callback_url, identity_url, rights, created_at)
		VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT DO NOTHING RETURNING `+integrationColumns,
		n.Name, n.Email, n.CallbackURL, n.IdentityURL, n.rights(), db.Micro(now)))
	if fault.Is(err, fault.NotFound) {
		return Integration{}, nameTaken()
	}
	return made, err
}

func nameTaken() error {
	return &fault.Error{Kind: fault.Conflict, Field: "name", Key: "integration.exists", Text: "There is an integration of that name already."}
}

func (n NewIntegration) rights() string {
	rights := make([]string, len(n.Rights))
	for i, r := range n.Rights {
		rights[i] = string(r)
	}
	return strings.Join(rights, ",")
}

const integrationColumns = "id, name, email, callback_url, identity_url, rights, active, version, consumer_key, sealed_secret, created_at, last_used_at"

func scanIntegration(row db.Scanner) (Integration, error) {
	var i Integration
	var rights string
	err := row.Scan(&i.ID, &i.Name, &i.Email, &i.CallbackURL, &i.IdentityURL, &rights, &i.Active, &i.version, &i.ConsumerKey, &i.sealed,
		db.IntoTime(&i.CreatedAt), db.IntoTime(&i.LastUsedAt))
	if db.IsNoRows(err) {
		return Integration{}, fault.New(fault.NotFound, "not_found", "There is no such integration.")
	}
	for r := range strings.SplitSeq(rights, ",") {
		if r != "" {
			i.Rights = append(i.Rights, admin.Right(r))
		}
	}
	return i, err
}

// FindIntegration reads one integration. Errors: fault NotFound.
func FindIntegration(ctx context.Context, tx *db.Tx, id int64) (Integration, error) {
	return scanIntegration(tx.Row(ctx, "SELECT "+integrationColumns+" FROM integrations WHERE id = $1", id))
}

// Integrations lists every integration by name, with the number of customers for whom it holds living tokens.
func Integrations(ctx context.Context, tx *db.Tx) ([]Integration, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT "+integrationColumns+" FROM integrations ORDER BY name")
	all, err := db.Collect(rows, err, scanIntegration)
	if err != nil {
		return nil, err
	}
	type held struct{ integration, customers int64 }
	rows, err = tx.Query(ctx, "SELECT integration_id, COUNT(DISTINCT customer_id) FROM tokens WHERE "+live+
		" AND integration_id IS NOT NULL GROUP BY integration_id", db.Micro(now))
	counts, err := db.Collect(rows, err, func(row db.Scanner) (held, error) {
		var h held
		err := row.Scan(&h.integration, &h.customers)
		return h, err
	})
	for _, h := range counts {
		for i := range all {
			if all[i].ID == h.integration {
				all[i].Customers = h.customers
			}
		}
	}
	return all, err
}

// Program is the active integration that a bearer speaks for, with its rights. Errors: fault Unauthenticated.
func Program(ctx context.Context, tx *db.Tx, b Bearer) (admin.Program, error) {
	i, err := FindIntegration(ctx, tx, b.IntegrationID)
	if fault.Is(err, fault.NotFound) || err == nil && (!i.Active || b.Kind != IntegrationToken) {
		return admin.Program{}, dead()
	}
	return admin.Program{ID: i.ID, Name: i.Name, Rights: i.Rights}, err
}

// reach refuses a permit that cannot manage integrations: they act for the whole store, not for one website of it.
func reach(permit admin.Permit) error {
	if err := permit.Need(admin.ManagePrograms); err != nil {
		return err
	}
	if permit.Websites() != nil {
		return fault.New(fault.Forbidden, "forbidden", "An integration reaches all websites, and you administer one of them.")
	}
	return nil
}

func (s *Service) checkIntegration(ctx context.Context, n *NewIntegration) error {
	stores, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	return n.check(s.callbackRules(stores))
}

// AddIntegration makes an integration, which can do nothing until it is activated. Errors: fault Forbidden, Invalid;
// Conflict when the name is taken.
func (s *Service) AddIntegration(ctx context.Context, permit admin.Permit, n NewIntegration, o audit.Origin) (made Integration, err error) {
	if err := reach(permit); err != nil {
		return Integration{}, err
	}
	if err := s.checkIntegration(ctx, &n); err != nil {
		return Integration{}, err
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		if made, err = createIntegration(ctx, tx, n); err != nil {
			return err
		}
		return recordIntegration(ctx, tx, audit.IntegrationCreated, permit.Actor(), made, o)
	})
	return made, err
}

// ChangeIntegration gives an integration what n says. Its secrets stay; what it may reach holds from its next call on, and a
// new callback URL from its next activation. Errors: those of AddIntegration; NotFound.
func (s *Service) ChangeIntegration(ctx context.Context, permit admin.Permit, id int64, n NewIntegration, o audit.Origin) (after Integration, err error) {
	if err := reach(permit); err != nil {
		return Integration{}, err
	}
	if err := s.checkIntegration(ctx, &n); err != nil {
		return Integration{}, err
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		before, err := lockIntegration(ctx, tx, id)
		if err != nil {
			return err
		}
		var twins int
		if err := tx.Row(ctx, "SELECT COUNT(*) FROM integrations WHERE name = $1 AND id <> $2", n.Name, id).Scan(&twins); err != nil {
			return err
		}
		if twins > 0 {
			return nameTaken()
		}
		after, err = scanIntegration(tx.Row(ctx, `UPDATE integrations SET name = $2, email = $3, callback_url = $4, identity_url = $5, rights = $6
			WHERE id = $1 RETURNING `+integrationColumns, id, n.Name, n.Email, n.CallbackURL, n.IdentityURL, n.rights()))
		if db.IsUnique(err) {
			return nameTaken()
		}
		if err != nil || reflect.DeepEqual(before, after) {
			return err
		}
		return recordIntegration(ctx, tx, audit.IntegrationChanged, permit.Actor(), after, o)
	})
	return after, err
}

// DeleteIntegration ends an integration and every token that it holds, its customers' tokens included. Errors: fault
// Forbidden, NotFound.
func (s *Service) DeleteIntegration(ctx context.Context, permit admin.Permit, id int64, o audit.Origin) (gone Integration, err error) {
	if err := reach(permit); err != nil {
		return Integration{}, err
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		if gone, err = lockIntegration(ctx, tx, id); err != nil {
			return err
		}
		for _, table := range []string{
			"DELETE FROM tokens WHERE integration_id = $1", "DELETE FROM oauth1_handshakes WHERE integration_id = $1",
			"DELETE FROM oauth1_nonces WHERE integration_id = $1", "DELETE FROM integrations WHERE id = $1",
		} {
			if _, err := tx.Exec(ctx, table, id); err != nil {
				return err
			}
		}
		return recordIntegration(ctx, tx, audit.IntegrationDeleted, permit.Actor(), gone, o)
	})
	return gone, err
}

// lockIntegration reads an integration that is about to change: whoever activates it, ends it or hands it a token takes turns.
func lockIntegration(ctx context.Context, tx *db.Tx, id int64) (Integration, error) {
	return scanIntegration(tx.Row(ctx, "SELECT "+integrationColumns+" FROM integrations WHERE id = $1"+tx.ForUpdate(), id))
}

func recordIntegration(ctx context.Context, tx *db.Tx, action string, who audit.Actor, i Integration, o audit.Origin) error {
	return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: who, Subject: i.Name, Origin: o})
}
