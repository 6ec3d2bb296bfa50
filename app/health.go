package app

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/web"
)

const (
	// stuckAfter is how long a letter may be due before the queue counts as standing still. Workers look four times a
	// second, so this is many missed looks rather than a busy minute.
	stuckAfter = 2 * time.Minute
	// probeEvery bounds what probes cost: they are open to everybody, and each look reads the queue.
	probeEvery   = time.Second
	probeTimeout = 3 * time.Second
)

// What /readyz says of the mail queue.
const (
	mailOK       = "ok"
	mailRefusing = "refusing"   // the mail server takes no emails
	mailStill    = "not moving" // emails are due, and no worker of any node takes one
	mailUnknown  = "unknown"
)

// readiness is the answer of /readyz, in words that tell a stranger nothing.
type readiness struct {
	Ready    bool   `json:"ready"`
	Database string `json:"database"`
	Schema   string `json:"schema"`
	Mail     string `json:"mail"`
}

// health keeps the last look for probeEvery.
type health struct {
	mu   sync.Mutex
	at   time.Time
	last readiness
}

// probes answers /healthz and /readyz, outside of the stack: they are asked every few seconds by machines, and belong
// neither into the access log nor under the rules for browsers.
func (s *server) probes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reading := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case reading && r.URL.Path == "/healthz":
			s.answer(w, r, http.StatusOK, struct {
				Alive bool `json:"alive"`
			}{true})
		case reading && r.URL.Path == "/readyz":
			state := s.ready(r.Context())
			status := http.StatusOK
			if !state.Ready {
				status = http.StatusServiceUnavailable
			}
			s.answer(w, r, status, state)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	web.Guard(w.Header())
	web.StrictTransport(w.Header(), s.strictTransport(r.Host, r.URL.Path))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the prober has gone, if anything
}

// ready looks whether this node can do its work, at most once in probeEvery.
func (s *server) ready(ctx context.Context) readiness {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	if time.Since(s.health.at) > probeEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		s.health.last, s.health.at = s.look(ctx), time.Now()
	}
	state := s.health.last
	state.Ready = state.Ready && !s.stopping.Load() // a load balancer turns away while the last requests are finished
	return state
}

func (s *server) look(ctx context.Context) readiness {
	state := readiness{Database: "ok", Schema: "ok", Mail: mailOK}
	if err := s.house.DB.Ping(ctx); err != nil {
		return readiness{Database: "unavailable", Schema: "unknown", Mail: mailUnknown}
	}
	switch current, known, err := s.house.DB.Version(ctx); {
	case err != nil:
		state.Schema = "unknown"
	case current < known:
		state.Schema = "too old"
	}
	state.Mail = s.mailState(ctx)
	state.Ready = state.Schema == "ok" && (state.Mail == mailOK || state.Mail == mailRefusing)
	return state
}

// mailState looks at the queue. A mail server that refuses is told, and does not take a node out of the rotation: every node has the
// same one, and a store without emails still sells.
func (s *server) mailState(ctx context.Context) (state string) {
	err := s.house.DB.Read(ctx, func(tx *db.Tx) error {
		state = mailOK
		refusals, err := mail.Refusals(ctx, tx)
		if err != nil || len(refusals) > 0 {
			state = mailRefusing
			return err
		}
		stuck, err := mail.Stuck(ctx, tx, stuckAfter)
		if stuck {
			state = mailStill
		}
		return err
	})
	if err != nil {
		return mailUnknown
	}
	return state
}
