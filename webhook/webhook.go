// Package webhook tells programs of the store what happened, in the format of the Standard Webhooks specification. It owns
// the tables webhooks and deliveries.
//
// Promises:
//   - What commits is told, and what does not commit is not: an event is made from the audit line of the act, which left
//     its mark in the act's own transaction.
//   - Events wait in the queue of package mail, in a lane of their own: retried with the same id and the same bytes for
//     three days, by workers of any number of nodes, and never in the way of a letter.
//   - An event says ids and codes. It holds no address, no name, no link and no secret, and of what is recorded for unknown
//     addresses too it does not say whose it was.
//   - The secret that signs is derived from the installation's key and shown once. No table holds it but sealed, so that a change of
//     the store's key leaves it as it is.
//   - Nothing is sent into private networks unless the operator allows it, nor anywhere else than package outbound lets it.
//
// Its workers also carry what package token queues for apps when a customer's sign-in has ended.
package webhook

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Right is what every use case here demands.
const Right = admin.ManagePrograms

// Most is how many webhooks a store may have: each of them costs a request for each event.
const Most = 50

// Service keeps and serves the webhooks. Fill the exported fields before the first call.
type Service struct {
	DB   *db.DB
	Shop *shop.Shop
	Key  secret.Key // zero where only a command runs that needs none

	RootCAs *x509.CertPool // that certificates are verified with; nil: the system's
}

// Webhook is one address that is told of events.
type Webhook struct {
	ID        db.ID
	URL       string // where events are posted to; it may hold a secret of the receiver's
	WebsiteID int64  // events of this website only; 0 for all
	Types     []string
	Active    bool
	CreatedAt time.Time
}

// Host is the part of the URL that anybody may see.
func (w Webhook) Host() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// wants tells whether an event of a website is for this webhook.
func (w Webhook) wants(kind string, of audit.Entry) bool {
	return slices.Contains(w.Types, kind) && (w.WebsiteID == 0 || w.WebsiteID == of.WebsiteID) && !of.At.Before(w.CreatedAt)
}

// New is a webhook to be made.
type New struct {
	URL       string
	WebsiteID int64 // 0 for all
	Types     []string
}

// Create makes a webhook and returns the secret that its events are signed with, which is not shown again. Errors: fault
// Invalid on "url" and "types"; Forbidden for more websites than the permit covers; Conflict without a key or above Most.
func (s *Service) Create(ctx context.Context, permit admin.Permit, n New, o audit.Origin) (Webhook, secret.Text, error) {
	if err := permit.Need(Right); err != nil {
		return Webhook{}, secret.Text{}, err
	}
	if !permit.Covers(n.WebsiteID) {
		return Webhook{}, secret.Text{}, fault.New(fault.Forbidden, "forbidden", "You administer one website, so the webhook can only be of that one.")
	}
	if s.Key.IsZero() {
		return Webhook{}, secret.Text{}, fault.New(fault.Conflict, "webhook.no_key",
			"Events are signed with the store's secret key, and there is none here yet: start the server once, or give --secret-key-file.")
	}
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	made := Webhook{ID: db.NewID(), URL: strings.TrimSpace(n.URL), WebsiteID: n.WebsiteID, Active: true}
	made.Types, err = chosen(n.Types)
	if wrong := s.Shop.Outbound(snap, shop.WebhookPrivateAddresses).Check(made.URL); wrong != nil {
		err = errors.Join(fault.Refuse("url", "webhook.url", "The webhook's address "+wrong.Error()+".", nil), err)
	}
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	err = permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		made.CreatedAt = now
		var have int
		if err := tx.Row(ctx, `SELECT COUNT(*) FROM webhooks`).Scan(&have); err != nil {
			return err
		}
		if have >= Most {
			return fault.New(fault.Conflict, "webhook.many", fmt.Sprintf("There are %d webhooks already; delete one first.", have))
		}
		if _, err := tx.Exec(ctx, `INSERT INTO webhooks (sealed_secret, id, url, website_id, types, created_at) VALUES ($6,$1,$2,$3,$4,$5)`,
			made.ID, made.URL, db.NullInt(made.WebsiteID), strings.Join(made.Types, " "), db.Micro(now), seal(s.Key, made.ID)); err != nil {
			return err
		}
		return record(ctx, tx, audit.WebhookCreated, permit.Actor(), made, o, map[string]string{"types": strings.Join(made.Types, " ")})
	})
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	return made, secret.NewText(prefix + base64.StdEncoding.EncodeToString(signingKey(s.Key, made.ID, nil))), nil
}

// prefix marks a secret of a webhook, so that scanners of source code find one that was left there.
const prefix = "whsec_"

// purpose is what the secret of a webhook is derived for, and sealed.
const purpose = "webhook"

// signingKey is the key of one webhook, 32 bytes: what was sealed of it. Where nothing was, or what no key opens any more, it is derived.
func signingKey(key secret.Key, id db.ID, sealed []byte) []byte {
	text := key.Derive(purpose, id[:])
	if sealed != nil {
		if plain, err := key.Open(purpose, id[:], sealed); err == nil {
			text = plain
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(text.Reveal())
	if err != nil {
		panic("webhook: " + err.Error()) // Derive writes base64url
	}
	return raw
}

func seal(key secret.Key, id db.ID) []byte {
	return key.Seal(purpose, id[:], key.Derive(purpose, id[:]))
}

// Reseal seals with the key what webhooks are signed with: what has not been sealed yet, and what is sealed by the key beside it. It
// tells how many secrets there were to do. What no key opens stays: the right one may come back.
func Reseal(ctx context.Context, tx *db.Tx, key secret.Key) (int, error) {
	type hook struct {
		id     db.ID
		sealed []byte
	}
	rows, err := tx.Query(ctx, `SELECT id, sealed_secret FROM webhooks ORDER BY id`)
	all, err := db.Collect(rows, err, func(row db.Scanner) (h hook, err error) {
		err = row.Scan(&h.id, &h.sealed)
		return h, err
	})
	if err != nil {
		return 0, err
	}
	done := 0
	for _, h := range all {
		again, changed := seal(key, h.id), true
		if h.sealed != nil {
			if again, changed, err = key.Reseal(purpose, h.id[:], h.sealed); err != nil || !changed {
				continue
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE webhooks SET sealed_secret = $2 WHERE id = $1`, h.id, again); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// chosen puts types into the order of the table and refuses those that there are not.
func chosen(types []string) ([]string, error) {
	var known []string
	for _, name := range names() {
		if slices.Contains(types, name) {
			known = append(known, name)
		}
	}
	for _, name := range types {
		if !slices.Contains(known, name) {
			return nil, fault.Refuse("types", "webhook.type", fmt.Sprintf("There is no event %q. There are: %s.", name, strings.Join(names(), ", ")), nil)
		}
	}
	if len(known) == 0 {
		return nil, fault.Refuse("types", "webhook.types", "Please choose at least one event.", nil)
	}
	return known, nil
}

const columns = `id, url, website_id, types, active, created_at`

func scan(row db.Scanner) (Webhook, error) {
	var w Webhook
	var types string
	err := row.Scan(&w.ID, &w.URL, db.IntoInt(&w.WebsiteID), &types, &w.Active, db.IntoTime(&w.CreatedAt))
	w.Types = strings.Fields(types)
	return w, err
}

// List returns the webhooks that the permit covers, oldest first.
func List(ctx context.Context, tx *db.Tx, permit admin.Permit) ([]Webhook, error) {
	if err := permit.Need(Right); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM webhooks ORDER BY id`)
	all, err := db.Collect(rows, err, scan)
	return slices.DeleteFunc(all, func(w Webhook) bool { return !permit.Covers(w.WebsiteID) }), err
}

// Find returns one webhook. Errors: fault NotFound, also for one that the permit does not cover.
func Find(ctx context.Context, tx *db.Tx, permit admin.Permit, id db.ID) (Webhook, error) {
	if err := permit.Need(Right); err != nil {
		return Webhook{}, err
	}
	w, err := scan(tx.Row(ctx, `SELECT `+columns+` FROM webhooks WHERE id = $1`, id))
	if db.IsNoRows(err) || err == nil && !permit.Covers(w.WebsiteID) {
		return Webhook{}, fault.New(fault.NotFound, "not_found", "There is no such webhook.")
	}
	return w, err
}

// SetActive enables or disables a webhook. What waits for a disabled one is not sent; it can be replayed later.
func (s *Service) SetActive(ctx context.Context, permit admin.Permit, id db.ID, active bool, o audit.Origin) error {
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		w, err := Find(ctx, tx, permit, id)
		if err != nil || w.Active == active {
			return err
		}
		return setActive(ctx, tx, w, active, permit.Actor(), o)
	})
}

func setActive(ctx context.Context, tx *db.Tx, w Webhook, active bool, by audit.Actor, o audit.Origin) error {
	n, err := tx.Exec(ctx, `UPDATE webhooks SET active = $2 WHERE id = $1 AND active <> $2`, w.ID, active)
	if err != nil || n == 0 {
		return err
	}
	state := "disabled"
	if active {
		state = "enabled"
	}
	return record(ctx, tx, audit.WebhookChanged, by, w, o, map[string]string{"new": state})
}

// Delete deletes a webhook and the list of its deliveries. What waits for it is not sent.
func (s *Service) Delete(ctx context.Context, permit admin.Permit, id db.ID, o audit.Origin) error {
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		w, err := Find(ctx, tx, permit, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM deliveries WHERE webhook_id = $1`, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM webhooks WHERE id = $1`, id); err != nil {
			return err
		}
		return record(ctx, tx, audit.WebhookDeleted, permit.Actor(), w, o, nil)
	})
}

func record(ctx context.Context, tx *db.Tx, action string, by audit.Actor, w Webhook, o audit.Origin, detail map[string]string) error {
	return audit.Record(ctx, tx, audit.Entry{Action: action, Actor: by, Subject: w.Host(), WebsiteID: w.WebsiteID, Origin: o, Detail: detail})
}
