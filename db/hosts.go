package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// hedge is how long one server may take to answer before the next is tried beside it. A primary that is frozen, or
	// whose machine is gone, refuses nothing: it just never answers.
	hedge = 250 * time.Millisecond
	// A server that vanished is noticed after about 15 seconds on a connection that waits for nothing.
	probeIdle, probeInterval, probeCount = 5 * time.Second, 5 * time.Second, 2
)

// hosts makes connections to whichever of the servers in a database's address is the primary. It begins with the one
// that was it last, so that a failover costs its price once and not once per connection.
type hosts struct {
	each   []driver.Connector
	last   atomic.Int64 // index of the server that was the primary
	limits []string     // of each transaction
	pooled atomic.Bool  // something stands between us and PostgreSQL that hands connections on
}

// newHosts splits an address that names several servers.
func newHosts(config *pgx.ConnConfig) *hosts {
	h := &hosts{limits: takeLimits(config)}
	config.ValidateConnect = h.validate
	unnamed := stdlib.OptionBeforeConnect(func(ctx context.Context, c *pgx.ConnConfig) error {
		if behindPooler(ctx) {
			c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // a name would be known to one of the pooler's connections only
		}
		return nil
	})
	fallbacks := config.Fallbacks
	first := &pgconn.FallbackConfig{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}
	var one *pgx.ConnConfig
	for i, f := range append([]*pgconn.FallbackConfig{first}, fallbacks...) {
		if i > 0 && f.Host == one.Host && f.Port == one.Port {
			one.Fallbacks = append(one.Fallbacks, f) // the same server, without TLS or with it
			continue
		}
		if one != nil {
			h.each = append(h.each, stdlib.GetConnector(*one, unnamed))
		}
		one = config.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks = f.Host, f.Port, f.TLSConfig, nil
	}
	h.each = append(h.each, stdlib.GetConnector(*one, unnamed))
	return h
}

// Driver belongs to driver.Connector.
func (h *hosts) Driver() driver.Driver { return h.each[0].Driver() }

// Connect gives a connection to the primary: the first that answers wins.
func (h *hosts) Connect(ctx context.Context) (driver.Conn, error) {
	if len(h.each) == 1 {
		return h.connect(ctx, 0)
	}
	type attempt struct {
		host int64
		conn driver.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // whoever is late gives up
	answers := make(chan attempt, len(h.each))
	count, begun := int64(len(h.each)), int64(0)
	first := h.last.Load()
	begin := func() {
		host := (first + begun) % count
		begun++
		go func() {
			conn, err := h.connect(ctx, host)
			answers <- attempt{host, conn, err}
		}()
	}
	begin()
	next := time.NewTicker(hedge)
	defer next.Stop()
	var failed []error
	for {
		select {
		case a := <-answers:
			if a.err == nil {
				h.last.Store(a.host)
				go func() { // two primaries at once would be a fault of theirs; the second answer is not used
					for range begun - int64(len(failed)) - 1 {
						if late := <-answers; late.err == nil {
							late.conn.Close()
						}
					}
				}()
				return a.conn, nil
			}
			failed = append(failed, a.err)
			if int64(len(failed)) == count {
				return nil, errors.Join(failed...)
			}
			if begun < count {
				begin()
			}
		case <-next.C:
			if begun < count {
				begin()
			}
		}
	}
}

type pooler struct{}

func behindPooler(ctx context.Context) bool { return ctx.Value(pooler{}) == true }

// connect makes a connection to one server, or to a pooler before it.
func (h *hosts) connect(ctx context.Context, host int64) (driver.Conn, error) {
	conn, err := h.each[host].Connect(context.WithValue(ctx, pooler{}, h.pooled.Load()))
	if errors.Is(err, errPooled) {
		h.pooled.Store(true)
		conn, err = h.each[host].Connect(context.WithValue(ctx, pooler{}, true))
	}
	if err != nil {
		return nil, err
	}
	s := session{Conn: conn.(*stdlib.Conn)}
	if h.pooled.Load() {
		s.limits = "; set local " + strings.Join(h.limits, "; set local ")
	} else if _, err = s.Conn.Conn().Exec(ctx, "set "+strings.Join(h.limits, "; set ")); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// dial notices soon when the other side is not there any more; statements under way are bounded by their transaction.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: probeInterval, Count: probeCount}}
	return d.DialContext(ctx, network, address)
}

// errStandby refuses a server that follows another one.
var errStandby = fmt.Errorf("%w: this server is a standby", ErrUnavailable)

// errPooled says that a connection leads to a pooler, which was not known when it began.
var errPooled = errors.New("a pooler stands before this server")

// validate looks whether a new connection leads to the primary. Unlike target_session_attrs=read-write it keeps a primary
// that is read-only for a while: reading goes on there. A pooler has greeted us with another process than the one that answers.
func (h *hosts) validate(ctx context.Context, c *pgconn.PgConn) error {
	r := c.ExecParams(ctx, "SELECT pg_is_in_recovery(), pg_backend_pid()", nil, nil, nil, nil).Read()
	switch {
	case r.Err != nil:
		return r.Err
	case len(r.Rows) != 1 || string(r.Rows[0][0]) != "f":
		return errStandby
	case string(r.Rows[0][1]) != strconv.FormatUint(uint64(c.PID()), 10) && !behindPooler(ctx):
		return errPooled
	}
	return nil
}

// checkTarget refuses an address that asks for standbys.
func checkTarget(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil // pgx has read it, so it is no URL but fine
	}
	switch attrs := u.Query().Get("target_session_attrs"); attrs {
	case "", "read-write", "primary":
		return nil
	default:
		return fmt.Errorf("target_session_attrs=%s cannot be: Rekey works on the primary; leave it out, or say read-write", attrs)
	}
}
