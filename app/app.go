// Package app is the roof: it builds the house from a Config, runs it, and stops it.
//
// Promises:
//   - What cannot work, or would not be safe, stops the start in one plain sentence that says the way out: a wrong key, a
//     plain-http base URL outside --dev, a mail server's address that cannot be right, a port or a database file that is
//     in use. Nothing is served half configured.
//   - A server that is asked to stop says so on /readyz and goes on serving for Drain, so that proxies turn to its neighbours
//     first. Then it takes no new connections, finishes the requests under way for up to StopWithin,
//     then lets the letters under way end, and only then closes the database.
//   - A node that cannot do its work says so: /readyz looks at the database, the schema and the mail queue. /healthz says
//     only that the process answers.
//   - The installation's key lives in a file, never in the database, which remembers the key's fingerprint: a node with
//     another key does not start. A key is changed without an outage: a node may accept another one beside its own, and what the
//     former key made is accepted for as long as a link lives, by the database's clock, and no longer.
//
// It owns the table installation: what the installation remembers about itself.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// StopWithin bounds how long requests under way may take once the server was asked to stop. web gives a request 30
// seconds in all.
const StopWithin = 30 * time.Second

// Mailbox is the value of Config.SMTP that keeps letters in this process and shows them on a page.
const Mailbox = "mailbox"

// Config is everything about one server that its operator decides.
type Config struct {
	Place

	Listen        string // of the storefront, the web API and, unless it has its own, the console
	ConsoleListen string // of the console; "" puts it on Listen below /admin
	MetricsListen string // of /metrics; "" serves none
	MailboxListen string // of the mailbox, when SMTP is Mailbox

	SMTP           string   // the mail server, see mail.ParseSMTP; Mailbox; or "": letters wait for a node that has one
	SMTPHelo       string   // our name in EHLO; "" is the domain of the sender
	DKIM           []string // keys that sign, each DOMAIN:SELECTOR:FILE
	MailWorkers    int      // letters under way at once; 0 is the default of package mail
	TrustedProxies []netip.Prefix
	Hash           secret.Params // the zero value is secret.DefaultParams
	HashSlots      int           // passwords hashed at once; 0 is the number of cores
	Drain          time.Duration // how long to go on serving, not ready, once asked to stop
	NoMigrate      bool          // leave the schema to "rekey migrate"
	ReplaceKey     bool          // go on with a key that is not the remembered one

	Version string
	Log     *slog.Logger
	Demo    bool // what weakens a store is not worth a warning

	// Prepare, if set, runs once the addresses are known and before anything is served; the demo makes its store there.
	Prepare func(ctx context.Context, h *House, at Addresses) error
	// Announce writes what the operator reads when the server is up; nil writes Addresses.Announce to Out.
	Announce func(at Addresses)
	Out      io.Writer
}

// server is a Config come to life.
type server struct {
	Config
	house     *House
	listeners listeners
	at        Addresses
	metrics   *metrics
	letters   *letters // nil on a node without a mail server
	stopping  atomic.Bool
	health    health
}

// Run serves until ctx ends, then stops in good order. Its errors are sentences for the operator.
func Run(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	s := &server{Config: c}
	var err error
	if s.listeners, s.at, err = c.listen(); err != nil {
		return err
	}
	defer s.listeners.close()
	release, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer s.house.Close()
	defer release()
	if c.Prepare != nil {
		if err := c.Prepare(ctx, s.house, s.at); err != nil {
			return err
		}
	}
	if err := s.checkStores(ctx); err != nil {
		return err
	}
	if err := s.noteDurability(ctx); err != nil {
		return s.Place.Explain(err)
	}
	return s.run(ctx)
}

// open opens the house and makes this process the one that serves it.
func (s *server) open(ctx context.Context) (release func(), err error) {
	s.house, err = s.Place.Open(ctx, Opening{Make: !s.NoMigrate, Serve: true, ReplaceKey: s.ReplaceKey, Hash: s.Hash, HashSlots: s.HashSlots, Log: s.Log})
	if err != nil {
		return nil, err
	}
	if s.Dev {
		s.house.Shop.DevBaseURL = s.at.Storefront
		if s.ConsoleListen != "" {
			s.house.Shop.DevConsoleURL = strings.TrimSuffix(s.at.Console, "/admin")
		}
	}
	release, alone, err := s.house.DB.ClaimServing()
	if err != nil {
		s.house.Close()
		return nil, err
	}
	if alone {
		if err := s.house.DB.Write(ctx, func(tx *db.Tx) error { return mail.EndLeases(ctx, tx) }); err != nil {
			s.Log.Warn("letters that were under way wait until their leases run out", "error", err)
		}
	}
	return release, nil
}

// checkStores refuses store views that must not be served like this, and tells what weakens the others.
func (s *server) checkStores(ctx context.Context) error {
	stores, err := s.house.Shop.Load(ctx)
	if err != nil {
		return s.Place.Explain(err)
	}
	if !s.Dev {
		if err := s.house.refuseDemo(ctx); err != nil {
			return err
		}
		if err := refusePlainHTTP(stores); err != nil {
			return err
		}
	}
	if err := s.checkBreached(ctx, stores); err != nil {
		return err
	}
	if s.Demo {
		return nil
	}
	for _, finding := range shop.Check(stores) {
		level := slog.LevelWarn
		if finding.Severity == shop.Note {
			level = slog.LevelInfo
		}
		s.Log.Log(ctx, level, finding.Text, "remedy", finding.Fix)
	}
	s.warn(ctx)
	return nil
}

// run serves until ctx ends or a listener fails.
func (s *server) run(ctx context.Context) error {
	s.metrics = newMetrics(s.house, s.Version)
	if err := s.prepareLetters(); err != nil {
		return err
	}
	handlers, err := s.handlers()
	if err != nil {
		return err
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var working sync.WaitGroup
	if s.letters != nil {
		working.Go(func() { s.letters.run(background) })
		working.Go(func() { s.tryMail(background) })
	}
	working.Go(func() {
		if err := s.house.Webhooks.Run(background, s.Log, s.metrics.observeLetter); err != nil {
			s.Log.Error("events are told no more", "error", err)
		}
	})
	working.Go(func() { s.house.Incidents.Run(background, s.Log) })
	working.Go(func() { s.house.keepClean(background, s.Log, s.metrics.observeSweep) })

	failed := make(chan error, len(handlers))
	var servers []*http.Server
	for listener, handler := range handlers {
		srv := web.NewServer(handler, s.Log)
		servers = append(servers, srv)
		working.Go(func() {
			if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s is not served any more: %w", listener.Addr(), err)
			}
		})
	}
	s.announce()

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.stopping.Store(true)
	if err == nil && s.Drain > 0 {
		s.Log.Info("stopping: not ready any more, and serving who still comes", "for", s.Drain)
		select {
		case <-time.After(s.Drain):
		case err = <-failed:
		}
	}
	s.Log.Info("stopping: finishing the requests under way")
	stop(servers)
	stopBackground()
	working.Wait()
	s.Log.Info("stopped")
	return err
}

// stop ends all servers side by side.
func stop(servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), StopWithin)
	defer cancel()
	var ending sync.WaitGroup
	for _, srv := range servers {
		ending.Go(func() {
			if srv.Shutdown(ctx) != nil {
				srv.Close() // whoever is still there has had its time
			}
		})
	}
	ending.Wait()
}

func (s *server) announce() {
	if s.Announce != nil {
		s.Announce(s.at)
		return
	}
	if s.Out != nil {
		s.at.Announce(s.Out)
	}
}
