package demo

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/mailbox"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// The administrators of the demo.
const (
	adminName     = "admin"
	adminPassword = "northern-lights-8"
	supportName   = "mia"
)

// seed makes the demo the same each time.
const seed = 20_260_727

// quick is what hashing costs while the past is made. Those who may be signed in as get the store's own.
var quick = secret.Params{Memory: 64, Time: 1, Threads: 1}

// past makes what has happened in the stores before the demo began.
type past struct {
	ctx    context.Context
	now    time.Time      // when the demo begins
	at     time.Time      // the moment that the use cases believe in
	h      *app.House     // its clock is at
	hasher *secret.Hasher // the store's own
	rng    *rand.Rand

	box    *mailbox.Mailbox // takes the letters of the past; it is gone with them
	worker *mail.Worker

	boss, support admin.Admin
	erp           token.Integration
	app           token.Client
	customers     map[string]customer.Customer // by address
	events        []event
}

// event is something that happened at a moment.
type event struct {
	at time.Time
	do func() error
}

// when plans an event for about so long ago: nothing happens on the hour.
func (p *past) when(ago time.Duration, do func() error) {
	p.events = append(p.events, event{p.now.Add(-ago - time.Duration(p.rng.IntN(50*60))*time.Second), do})
}

// makePast fills the stores.
func makePast(ctx context.Context, real *app.House) error {
	p := &past{ctx: ctx, now: time.Now().UTC().Truncate(time.Second), hasher: real.Hasher,
		rng: rand.New(rand.NewPCG(seed, seed)), customers: map[string]customer.Customer{}}
	p.at = p.now.Add(-3 * 365 * 24 * time.Hour)
	var err error
	// A second opening of the same store, whose clock walks through the past.
	p.h, err = real.Place.Open(ctx, app.Opening{Clock: func() time.Time { return p.at }, Hash: quick})
	if err != nil {
		return err
	}
	defer p.h.Close()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if p.box, err = mailbox.New(quiet); err != nil {
		return err
	}
	defer p.box.Close()
	transport, err := mail.ParseSMTP("smtp://" + p.box.SMTPAddr() + "?starttls=never")
	if err != nil {
		return err
	}
	p.worker = p.h.Worker(transport, quiet)
	for _, step := range []func() error{p.staff, p.programs, p.everybody, p.plan, p.happen, p.welcome} {
		if err := step(); err != nil {
			return fmt.Errorf("the demo cannot be made: %w", err)
		}
	}
	return nil
}

// staff makes the administrators. Their passwords cost what the store's do.
func (p *past) staff() error {
	p.h.Admins.Hasher = p.hasher
	permit := admin.CommandLine(admin.ManageAdmins)
	var err error
	p.boss, err = p.h.Admins.Create(p.ctx, permit, admin.New{Username: adminName, Email: "admin@maison-lune.example",
		Name: "Inès Caron", Role: admin.Owner, Password: secret.NewText(adminPassword)}, p.desk())
	if err != nil {
		return err
	}
	p.support, err = p.h.Admins.Create(p.ctx, permit, admin.New{Username: supportName, Email: "mia@nordlicht.example",
		Name: "Mia Brandt", Role: "support", Password: secret.Random()}, p.desk()) // nobody signs in as her
	return err
}

// programs makes the integration and the app, and lets tokens live long enough to be seen: an hour, the default, is over soon.
func (p *past) programs() error {
	permit, err := admin.Allow(p.boss, admin.ManagePrograms)
	if err != nil {
		return err
	}
	p.erp, err = p.h.Tokens.AddIntegration(p.ctx, permit, token.NewIntegration{Name: "Atelier ERP", Email: "erp@atelier.example",
		Rights: []admin.Right{admin.ViewCustomers, admin.ResetPassword, admin.ForceSignIn}}, p.desk())
	if err != nil {
		return err
	}
	p.at = p.at.Add(3 * time.Minute)
	activated, err := p.h.Tokens.Activate(p.ctx, permit, p.erp.ID, p.desk())
	if err != nil {
		return err
	}
	p.erp = activated.Integration
	stores, err := p.h.Shop.Load(p.ctx)
	if err != nil {
		return err
	}
	site, _ := stores.WebsiteByCode(lune) // readdress has made them
	other, _ := stores.WebsiteByCode(nordlicht)
	p.app, _, err = p.h.Tokens.CreateClient(p.ctx, permit, token.NewClient{WebsiteID: site.ID, Name: "Maison Lune for iPhone",
		RedirectURIs: []string{"example.maison-lune.app:/signed-in"}}, p.desk())
	if err != nil {
		return err
	}
	return p.h.DB.Write(p.ctx, func(tx *db.Tx) (err error) {
		if err := p.set(tx, shop.SignInByLetter, "1", shop.Scope{Kind: shop.Websites, ID: other.ID}); err != nil {
			return err
		}
		return p.set(tx, shop.CustomerTokenLifetime, "720", shop.Scope{Kind: shop.Default})
	})
}

// set is the boss at the Configuration page.
func (p *past) set(tx *db.Tx, path, value string, scope shop.Scope) error {
	if err := shop.Set(p.ctx, tx, path, value, scope); err != nil {
		return err
	}
	return audit.Record(p.ctx, tx, audit.Entry{Action: audit.SettingChanged, Subject: path,
		Actor:  audit.Actor{Kind: audit.Store, ID: p.boss.ID, Name: p.boss.Username},
		Detail: map[string]string{"from": "", "to": value, "scope": scope.Kind}})
}

// everybody makes the customers, in one transaction.
func (p *past) everybody() error {
	stores, err := p.h.Shop.Load(p.ctx)
	if err != nil {
		return err
	}
	unknown, err := p.hasher.Hash(p.ctx, secret.Random())
	if err != nil {
		return err
	}
	all := known()
	hashes := make([]string, len(all))
	for i := range all {
		age := time.Duration(400-90*i) * 24 * time.Hour
		all[i].created, all[i].lastSignIn = p.now.Add(-age), p.now.Add(-time.Duration(20+7*i)*time.Hour)
		if hashes[i], err = p.hasher.Hash(p.ctx, secret.NewText(all[i].password)); err != nil {
			return err
		}
	}
	people := slices.Concat(all, crowd(p.rng, p.now))
	return p.h.DB.Write(p.ctx, func(tx *db.Tx) error {
		for i, one := range people {
			view, _ := stores.ViewByCode(one.view) // readdress has made them all
			a, err := customer.ParseAddress(one.email)
			if err != nil {
				return err
			}
			n := customer.New{WebsiteID: view.WebsiteID, ViewID: view.ID, Address: a, Firstname: one.first, Lastname: one.last,
				Hash: unknown, CreatedAt: one.created, LastSignInAt: one.lastSignIn}
			if i < len(hashes) {
				n.Hash = hashes[i]
			}
			if !one.unconfirmed {
				n.ConfirmedAt = one.created.Add(time.Duration(2+p.rng.IntN(50)) * time.Minute)
				n.ProvenAt = n.ConfirmedAt
			}
			made, err := customer.Create(p.ctx, tx, n)
			if err != nil {
				return err
			}
			p.customers[one.email] = made
		}
		return nil
	})
}

// happen lets the events take place, the oldest first.
func (p *past) happen() error {
	slices.SortStableFunc(p.events, func(a, b event) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	for _, e := range p.events {
		p.at = e.at
		if err := e.do(); err != nil {
			return err
		}
	}
	return nil
}

// welcome leaves two letters for the mailbox of the demo, so that it is not empty.
func (p *past) welcome() error {
	p.at = time.Now()
	return p.h.DB.Write(p.ctx, func(tx *db.Tx) error {
		for _, email := range []string{"camille@maison-lune.example", "anna@nordlicht.example"} {
			c := p.customers[email]
			_, err := mail.Enqueue(p.ctx, tx, mail.Note{Kind: customer.WelcomeLetter, WebsiteID: c.WebsiteID, ViewID: c.ViewID, CustomerID: c.ID})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
