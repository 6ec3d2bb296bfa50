package token

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/outbound"
	"github.com/rekeyhq/rekey/secret"
)

const (
	maxClientName  = 80 // bytes; customers read it on the consent page
	maxURIs        = 20
	maxURI         = 1000 // bytes
	clientIDPrefix = "app_"
)

// Client is an app that customers of one website may connect by OAuth 2.1 or OpenID Connect.
type Client struct {
	ID           int64
	ClientID     string // what the app calls itself; no secret
	WebsiteID    int64
	Name         string
	Confidential bool     // it has a secret; without one it is an app on a customer's own device
	RedirectURIs []string // where answers may go, compared byte by byte
	LogoutURIs   []string // where a customer may go after signing out
	CreatedAt    time.Time
	Customers    int64     // who have connected it; filled by Clients
	LastUsedAt   time.Time // of any of its tokens that are kept; filled by Clients

	BackchannelURI string // where the app itself is told that a customer's sign-in has ended; may be empty

	secretHash []byte
}

// NewClient is what an app is registered with.
type NewClient struct {
	WebsiteID                int64
	Name                     string
	RedirectURIs, LogoutURIs []string
	Confidential             bool
	BackchannelURI           string         // may be empty
	Told                     outbound.Rules // where BackchannelURI may lead
}

// CreateClient registers an app. The secret of a confidential one is returned once and kept as its SHA-256. Errors: fault
// Forbidden, Invalid on "name", "redirect_uris", "logout_uris" or "backchannel_logout_uri".
func (s *Service) CreateClient(ctx context.Context, permit admin.Permit, n NewClient, o audit.Origin) (c Client, word secret.Text, err error) {
	if err := permit.Need(admin.ManagePrograms); err != nil {
		return c, word, err
	}
	if !permit.Covers(n.WebsiteID) {
		return c, word, fault.New(fault.Forbidden, "forbidden", "Your role does not reach this website.")
	}
	if err := n.check(); err != nil {
		return c, word, err
	}
	c = Client{ClientID: clientIDPrefix + db.NewID().String(), WebsiteID: n.WebsiteID, Name: n.Name, Confidential: n.Confidential,
		RedirectURIs: n.RedirectURIs, LogoutURIs: n.LogoutURIs, BackchannelURI: n.BackchannelURI}
	if n.Confidential {
		word = secret.Random()
		c.secretHash = secret.Digest(word)
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		if c.CreatedAt, err = tx.Now(ctx); err != nil {
			return err
		}
		err = tx.Row(ctx, `INSERT INTO oauth2_clients (client_id, website_id, name, secret_hash, redirect_uris, logout_uris, created_at,
			backchannel_logout_uri) VALUES ($1,$2,$3,$4,$5,$6,$7,$8) RETURNING id`, c.ClientID, c.WebsiteID, c.Name, c.secretHash,
			strings.Join(c.RedirectURIs, "\n"), strings.Join(c.LogoutURIs, "\n"), db.Micro(c.CreatedAt), c.BackchannelURI).Scan(&c.ID)
		if err != nil {
			return err
		}
		return c.record(ctx, tx, audit.ClientCreated, permit, o)
	})
	if err != nil {
		return Client{}, secret.Text{}, err
	}
	return c, word, nil
}

// alterClient changes the app that a permit is for, in one transaction. Errors: fault Forbidden, NotFound; those of f.
func (s *Service) alterClient(ctx context.Context, permit admin.Permit, clientID string, f func(tx *db.Tx, c *Client) error) (c Client, err error) {
	if err := permit.Need(admin.ManagePrograms); err != nil {
		return c, err
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		c, err = clientNamed(ctx, tx, clientID)
		if err == nil && !permit.Covers(c.WebsiteID) {
			err = noClient()
		}
		if err != nil {
			return err
		}
		return f(tx, &c)
	})
	return c, err
}

// ChangeClient gives an app what n says; its website and kind stay. What it holds goes on: codes are bound to the address that
// they were sent to. With renew a confidential one is given another secret, returned this once; the one before proves nothing any
// more. Errors: those of CreateClient; NotFound; Conflict for renewing the secret of an app without one.
func (s *Service) ChangeClient(ctx context.Context, permit admin.Permit, clientID string, n NewClient, renew bool, o audit.Origin) (c Client, word secret.Text, err error) {
	c, err = s.alterClient(ctx, permit, clientID, func(tx *db.Tx, c *Client) error {
		if err := n.check(); err != nil {
			return err
		}
		if !renew && c.Name == n.Name && c.BackchannelURI == n.BackchannelURI && slices.Equal(c.RedirectURIs, n.RedirectURIs) && slices.Equal(c.LogoutURIs, n.LogoutURIs) {
			return nil
		}
		c.Name, c.RedirectURIs, c.LogoutURIs, c.BackchannelURI = n.Name, n.RedirectURIs, n.LogoutURIs, n.BackchannelURI
		_, err := tx.Exec(ctx, "UPDATE oauth2_clients SET name = $2, redirect_uris = $3, logout_uris = $4, backchannel_logout_uri = $5 WHERE id = $1",
			c.ID, c.Name, strings.Join(c.RedirectURIs, "\n"), strings.Join(c.LogoutURIs, "\n"), c.BackchannelURI)
		if err == nil {
			err = c.record(ctx, tx, audit.ClientChanged, permit, o)
		}
		if err == nil && renew {
			word, err = c.renew(ctx, tx, permit, o)
		}
		return err
	})
	return c, word, err
}

// RenewClientSecret gives a confidential app another secret and changes nothing else. Errors: those of ChangeClient.
func (s *Service) RenewClientSecret(ctx context.Context, permit admin.Permit, clientID string, o audit.Origin) (c Client, word secret.Text, err error) {
	c, err = s.alterClient(ctx, permit, clientID, func(tx *db.Tx, c *Client) (err error) {
		word, err = c.renew(ctx, tx, permit, o)
		return err
	})
	return c, word, err
}

func (c Client) renew(ctx context.Context, tx *db.Tx, permit admin.Permit, o audit.Origin) (word secret.Text, err error) {
	if !c.Confidential {
		return word, fault.New(fault.Conflict, "oauth2.no_secret", "This app is a public one, which has no secret.")
	}
	word = secret.Random()
	if _, err := tx.Exec(ctx, "UPDATE oauth2_clients SET secret_hash = $2 WHERE id = $1", c.ID, secret.Digest(word)); err != nil {
		return word, err
	}
	return word, c.record(ctx, tx, audit.ClientChanged, permit, o, "secret", "new")
}

// DeleteClient removes an app and every token that it holds. Errors: fault Forbidden, NotFound.
func (s *Service) DeleteClient(ctx context.Context, permit admin.Permit, clientID string, o audit.Origin) error {
	_, err := s.alterClient(ctx, permit, clientID, func(tx *db.Tx, c *Client) error {
		n, err := tx.Exec(ctx, "DELETE FROM tokens WHERE client_id = $1", c.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM oauth2_clients WHERE id = $1", c.ID); err != nil {
			return err
		}
		return c.record(ctx, tx, audit.ClientDeleted, permit, o, "tokens", strconv.FormatInt(n, 10))
	})
	return err
}

func (c Client) record(ctx context.Context, tx *db.Tx, action string, permit admin.Permit, o audit.Origin, more ...string) error {
	detail := map[string]string{"client_id": c.ClientID}
	for i := 0; i+1 < len(more); i += 2 {
		detail[more[i]] = more[i+1]
	}
	return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: permit.Actor(), Subject: c.Name, WebsiteID: c.WebsiteID, Origin: o, Detail: detail})
}

const clientColumns = "c.id, c.client_id, c.website_id, c.name, c.secret_hash, c.redirect_uris, c.logout_uris, c.backchannel_logout_uri, c.created_at"

func scanClient(row db.Scanner, more ...any) (Client, error) {
	var c Client
	var redirects, logouts string
	err := row.Scan(append([]any{&c.ID, &c.ClientID, &c.WebsiteID, &c.Name, &c.secretHash, &redirects, &logouts, &c.BackchannelURI, db.IntoTime(&c.CreatedAt)}, more...)...)
	c.Confidential = c.secretHash != nil
	c.RedirectURIs, c.LogoutURIs = strings.Fields(redirects), strings.Fields(logouts)
	return c, err
}

func noClient() error {
	return fault.New(fault.NotFound, "oauth2.no_client", "There is no such app.")
}

func clientNamed(ctx context.Context, tx *db.Tx, clientID string) (Client, error) {
	c, err := scanClient(tx.Row(ctx, "SELECT "+clientColumns+" FROM oauth2_clients c WHERE c.client_id = $1", clientID))
	if db.IsNoRows(err) {
		err = noClient()
	}
	return c, err
}

// Apps lists the apps of the websites that the permit covers, whatever it is for: their names, and nobody counted.
func Apps(ctx context.Context, tx *db.Tx, permit admin.Permit) ([]Client, error) {
	rows, err := tx.Query(ctx, "SELECT "+clientColumns+" FROM oauth2_clients c ORDER BY c.website_id, c.name, c.id")
	all, err := db.Collect(rows, err, func(row db.Scanner) (Client, error) { return scanClient(row) })
	return slices.DeleteFunc(all, func(c Client) bool { return !permit.Covers(c.WebsiteID) }), err
}

// Clients lists the apps of the websites that the permit covers, with the number of customers who have connected each.
func Clients(ctx context.Context, tx *db.Tx, permit admin.Permit) ([]Client, error) {
	if err := permit.Need(admin.ManagePrograms); err != nil {
		return nil, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, "SELECT "+clientColumns+", (SELECT COUNT(DISTINCT customer_id) FROM tokens WHERE client_id = c.id AND "+live+`),
		(SELECT MAX(t.last_used_at) FROM tokens t WHERE t.client_id = c.id)
		FROM oauth2_clients c ORDER BY c.website_id, c.name, c.id`, db.Micro(now))
	all, err := db.Collect(rows, err, func(row db.Scanner) (Client, error) {
		var n int64
		var used time.Time
		c, err := scanClient(row, &n, db.IntoTime(&used))
		c.Customers, c.LastUsedAt = n, used
		return c, err
	})
	return slices.DeleteFunc(all, func(c Client) bool { return !permit.Covers(c.WebsiteID) }), err
}

// check collects what is wrong, at most one fault a field.
func (n NewClient) check() error {
	return errors.Join(n.checkName(), checkURIs("redirect_uris", n.RedirectURIs), checkURIs("logout_uris", n.LogoutURIs), n.checkBackchannel())
}

func (n NewClient) checkName() error {
	if n.Name == "" || len(n.Name) > maxClientName || !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, func(r rune) bool { return r < ' ' }) {
		return fault.Refuse("name", "oauth2.name", "Give the app a name of at most 80 characters; customers will read it.", nil)
	}
	return nil
}

func checkURIs(field string, uris []string) error {
	switch {
	case field == "redirect_uris" && len(uris) == 0:
		return fault.Refuse(field, "oauth2.redirect_required", "Give at least one redirect URI.", nil)
	case len(uris) > maxURIs:
		return fault.Refuse(field, "oauth2.too_many", "These are too many addresses; at most 20.", nil)
	}
	for _, uri := range uris {
		if !registrable(uri) {
			return fault.Refuse(field, "oauth2.redirect_invalid", strconv.Quote(uri)+" cannot be registered: it must be https://…, http:// on a loopback "+
				"address, or an app's own scheme with a dot such as com.example.app:/back, without a fragment, user name or white space.", nil)
		}
	}
	return nil
}

func (n NewClient) checkBackchannel() error {
	if n.BackchannelURI == "" {
		return nil
	}
	if err := n.Told.Check(n.BackchannelURI); err != nil {
		return fault.Refuse("backchannel_logout_uri", "oauth2.backchannel_invalid", strconv.Quote(n.BackchannelURI)+" cannot be told of sign-outs: it "+err.Error()+".", nil)
	}
	return nil
}

// registrable judges an address that answers may be sent to: https; http on this machine only (RFC 8252 §7.3); or a scheme
// of the app's own, which must hold a dot so that two apps do not take the same one (RFC 8252 §7.1).
func registrable(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > maxURI || u.Fragment != "" || strings.Contains(uri, "#") || u.User != nil ||
		strings.ContainsFunc(uri, func(r rune) bool {
			return r <= ' ' || r > '~' || r == '\\' || r == '*' || r == ';' || r == ',' || r == '"' || r == '\''
		}) {
		return false // signs that end a source of a Content-Security-Policy, too
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return strings.Contains(u.Scheme, ".")
}
