package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

const (
	// Lane is the events' part of the queue, and Kind what they are called in figures.
	Lane = mail.Programs
	Kind = "webhook"

	poll    = 250 * time.Millisecond // how long an event may wait unseen
	afterAn = 2 * time.Second        // error
	batch   = 100                    // entries of the audit that one transaction fans out
	workers = 8                      // requests under way at once: receivers are slower than mail servers, and some are down
)

// Run fans out and delivers until ctx ends, and lets requests under way finish. It survives every failure. observe, if not
// nil, is told of each try.
func (s *Service) Run(ctx context.Context, log *slog.Logger, observe func(kind string, state mail.State)) error {
	worker := s.Worker(log)
	worker.Observe = observe
	var delivering sync.WaitGroup
	delivering.Go(func() {
		if err := worker.Run(ctx); err != nil {
			log.Error("the webhook worker ended", "error", err)
		}
	})
	defer delivering.Wait()
	pause := time.NewTimer(poll)
	defer pause.Stop()
	for {
		wait := poll
		switch n, err := s.FanOut(ctx); {
		case err != nil && ctx.Err() == nil:
			log.Warn("events cannot be queued", "error", err)
			wait = afterAn
		case n > 0:
			worker.Wake()
		}
		pause.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// Worker makes the worker of the events' lane.
func (s *Service) Worker(log *slog.Logger) *mail.Worker {
	return &mail.Worker{DB: s.DB, Lane: Lane, Carry: s.carry, Workers: workers, Log: log}
}

// FanOut makes events of what the audit has that is new, and queues one delivery for each webhook that wants it. It tells
// how many it queued. An entry and its deliveries change hands in one transaction, so that each is told once.
func (s *Service) FanOut(ctx context.Context) (queued int, err error) {
	for {
		news := false
		if err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
			news, err = audit.HasNews(ctx, tx)
			return err
		}); err != nil || !news {
			return queued, err
		}
		snap, err := s.Shop.Load(ctx) // now, so that it knows the website of every entry that is there already
		if err != nil {
			return queued, err
		}
		var n, entries int
		if err := s.DB.Write(ctx, func(tx *db.Tx) (err error) {
			n, entries, err = fanOut(ctx, tx, snap)
			return err
		}); err != nil {
			return queued, err
		}
		queued += n
		if entries < batch {
			return queued, nil
		}
	}
}

func fanOut(ctx context.Context, tx *db.Tx, snap *shop.Snapshot) (queued, entries int, err error) {
	news, err := audit.TakeNews(ctx, tx, batch)
	if err != nil {
		return 0, 0, err
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM webhooks WHERE active`)
	hooks, err := db.Collect(rows, err, scan)
	if err != nil {
		return 0, 0, err
	}
	for _, entry := range news {
		for _, e := range events {
			if !e.tells(entry) {
				continue
			}
			website, ok := snap.Website(entry.WebsiteID)
			if !ok {
				return 0, 0, fmt.Errorf("website %d of an event is not known yet", entry.WebsiteID)
			}
			d := Delivery{EventID: db.NewID(), Type: e.Type}
			if d.Body, err = e.body(entry, website.Code); err != nil {
				return 0, 0, err
			}
			for _, hook := range hooks {
				if !hook.wants(e.Type, entry) {
					continue
				}
				d.WebhookID = hook.ID
				if err := enqueue(ctx, tx, d, entry.WebsiteID); err != nil {
					return 0, 0, err
				}
				queued++
			}
		}
	}
	return queued, len(news), nil
}

// enqueue queues one delivery: the queue knows how it does, the row of deliveries what it is about.
func enqueue(ctx context.Context, tx *db.Tx, d Delivery, websiteID int64) error {
	id, err := mail.Enqueue(ctx, tx, mail.Note{Lane: Lane, Kind: Kind, WebsiteID: websiteID})
	if err != nil {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO deliveries (id, webhook_id, event_id, type, body, replay, created_at) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
		id, d.WebhookID, d.EventID, d.Type, d.Body, d.Replay, db.Micro(now))
	return err
}

// carry is one try of one delivery.
func (s *Service) carry(ctx context.Context, l mail.Letter) (mail.Receipt, error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return mail.Receipt{}, err
	}
	if l.Kind == token.LogoutKind {
		return s.carryLogout(ctx, snap, l)
	}
	var d Delivery
	var w Webhook
	var now time.Time
	err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if now, err = tx.Now(ctx); err != nil {
			return err
		}
		err = tx.Row(ctx, `SELECT d.webhook_id, d.event_id, d.body, w.url, w.sealed_secret, w.active FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE d.id = $1`,
			l.ID).Scan(&d.WebhookID, &d.EventID, &d.Body, &d.url, &d.sealed, &w.Active)
		return err
	})
	switch {
	case db.IsNoRows(err):
		return mail.Receipt{}, mail.NotNeeded("The webhook was deleted.")
	case err != nil:
		return mail.Receipt{}, err
	case !w.Active:
		return mail.Receipt{}, mail.NotNeeded("The webhook is disabled.")
	}
	to, err := url.Parse(d.url)
	if err != nil {
		return mail.Receipt{}, fmt.Errorf("the address of webhook %s cannot be read", d.WebhookID) // the error would quote it
	}
	if to.Scheme != "https" && !s.Shop.AllowHTTP {
		return mail.Receipt{}, fault.New(fault.Conflict, "webhook.plain", "The webhook's address is plain http, which is for development only.")
	}
	status, err := s.post(ctx, s.Shop.Outbound(snap, shop.WebhookPrivateAddresses), d, now)
	if err != nil {
		return mail.Receipt{State: mail.Deferred, Words: err.Error(), Recipient: to.Host}, nil
	}
	return s.judge(ctx, d, to.Host, status)
}

// judge says what an answer means: 2xx is taken, 410 ends the webhook, everything else is tried again until the event
// expires, a 4xx too, because it more often comes from a mistake on the way than from the event (Standard Webhooks,
// "Deliverability and reliability").
func (s *Service) judge(ctx context.Context, d Delivery, host string, status int) (mail.Receipt, error) {
	r := mail.Receipt{State: mail.Deferred, Words: fmt.Sprintf("%d %s", status, http.StatusText(status)), Server: host, Recipient: host}
	switch {
	case status >= 200 && status < 300:
		r.State = mail.HandedOver
	case status == http.StatusGone:
		r.State = mail.Refused
		return r, s.DB.Write(ctx, func(tx *db.Tx) error {
			w, err := scan(tx.Row(ctx, `SELECT `+columns+` FROM webhooks WHERE id = $1`, d.WebhookID))
			if db.IsNoRows(err) {
				return nil // deleted meanwhile
			}
			if err != nil {
				return err
			}
			return setActive(ctx, tx, w, false, audit.Actor{Kind: audit.System}, audit.Origin{})
		})
	}
	return r, nil
}

// Delivery is one event for one webhook.
type Delivery struct {
	ID        db.ID
	WebhookID db.ID
	EventID   db.ID // the same for every webhook, retry and replay
	Type      string
	Body      string // as it is sent; without any secret
	Replay    bool
	CreatedAt time.Time

	State     mail.State
	Attempts  int
	NextAt    time.Time // the next try, while it waits
	SettledAt time.Time // zero while it has not ended
	Words     string    // what was answered last, or why nothing was

	url    string // of the webhook, when it is sent
	sealed []byte // its secret
}

// MessageID is what receivers know the event by.
func (d Delivery) MessageID() string { return messageID(d.EventID) }

// Deliveries returns the deliveries of a webhook, newest first; after is the last one seen, zero for the first page.
func Deliveries(ctx context.Context, tx *db.Tx, webhook db.ID, after db.ID, limit int) ([]Delivery, error) {
	if after.IsZero() {
		for i := range after {
			after[i] = 0xff
		}
	}
	rows, err := tx.Query(ctx, `SELECT d.id, d.webhook_id, d.event_id, d.type, d.body, d.replay, d.created_at,
			s.state, s.attempts, s.next_at, s.settled_at, s.last_words
		FROM deliveries d JOIN letter_standing s ON s.id = d.id WHERE d.webhook_id = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3`,
		webhook, after, min(max(limit, 1), 500))
	return db.Collect(rows, err, func(row db.Scanner) (d Delivery, err error) {
		err = row.Scan(&d.ID, &d.WebhookID, &d.EventID, &d.Type, &d.Body, &d.Replay, db.IntoTime(&d.CreatedAt),
			&d.State, &d.Attempts, db.IntoTime(&d.NextAt), db.IntoTime(&d.SettledAt), &d.Words)
		return d, err
	})
}

// Replay sends an event again to the webhook that it was for, with the same id and the same bytes. Errors: fault NotFound;
// Conflict for a webhook that is disabled.
func (s *Service) Replay(ctx context.Context, permit admin.Permit, webhook, delivery db.ID, o audit.Origin) error {
	return permit.Write(ctx, s.DB, func(tx *db.Tx) error {
		w, err := Find(ctx, tx, permit, webhook)
		if err != nil {
			return err
		}
		if !w.Active {
			return fault.New(fault.Conflict, "webhook.disabled", "This webhook is disabled. Enable it first.")
		}
		d := Delivery{WebhookID: webhook, Replay: true}
		err = tx.Row(ctx, `SELECT event_id, type, body FROM deliveries WHERE id = $1 AND webhook_id = $2`, delivery, webhook).
			Scan(&d.EventID, &d.Type, &d.Body)
		if db.IsNoRows(err) {
			return fault.New(fault.NotFound, "not_found", "There is no such delivery.")
		}
		if err != nil {
			return err
		}
		if err := enqueue(ctx, tx, d, w.WebsiteID); err != nil {
			return err
		}
		return record(ctx, tx, audit.WebhookReplayed, permit.Actor(), w, o, map[string]string{"event": d.Type, "id": d.MessageID()})
	})
}
