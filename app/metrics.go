package app

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// metrics counts what this node does, in a registry of its own. No label holds what a client wrote: routes are patterns,
// so that nobody can make the number of series grow, and no address or person ends up in a time series.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	letters  *prometheus.CounterVec
	swept    *prometheus.CounterVec
}

func newMetrics(h *House, version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rekey_http_requests_total",
			Help: "Requests answered."}, []string{"method", "route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rekey_http_request_seconds",
			Help: "Time until a request was answered.", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rekey_letters_total",
			Help: "Tries to send a letter, by what became of them."}, []string{"kind", "state"}),
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rekey_housekeeping_rows_total",
			Help: "Rows that housekeeping deleted, or ended for good, because their time was over."}, []string{"what"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rekey_build_info", Help: "The running version."}, []string{"version", "go"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.requests, m.took, m.letters, m.swept, build, &queueFigures{h}, &attackFigures{h},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rekey_password_hashes_total",
			Help: "Passwords hashed or checked."}, func() float64 { return float64(h.Hasher.Runs()) }))
	m.registry.MustRegister(poolFigures(h.DB)...)
	return m
}

func poolFigures(d *db.DB) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("rekey_db_connections_open", "Open connections to the database.", func() float64 { return float64(d.Stats().OpenConnections) }),
		gauge("rekey_db_connections_in_use", "Connections in use.", func() float64 { return float64(d.Stats().InUse) }),
		counter("rekey_db_waits_total", "How often somebody waited for a connection.", func() float64 { return float64(d.Stats().WaitCount) }),
		counter("rekey_db_wait_seconds_total", "How long they waited in all.", func() float64 { return d.Stats().WaitDuration.Seconds() }),
	}
}

// observeRequest counts one answer.
func (m *metrics) observeRequest(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(route).Observe(took.Seconds())
}

// observeLetter counts one try of a letter.
func (m *metrics) observeLetter(kind string, state mail.State) {
	m.letters.WithLabelValues(kind, string(state)).Inc()
}

// observeSweep counts what housekeeping deleted or ended.
func (m *metrics) observeSweep(what string, rows int64) {
	m.swept.WithLabelValues(what).Add(float64(rows))
}

func (m *metrics) handler() http.Handler {
	show := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", show)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.Guard(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// queueFigures reads the mail queue when it is asked, so that every node shows the same queue.
type queueFigures struct{ house *House }

var (
	queueDepth  = prometheus.NewDesc("rekey_mail_queue_letters", "Letters that have not ended.", nil, nil)
	queueDue    = prometheus.NewDesc("rekey_mail_queue_due_letters", "Letters that wait for a worker right now.", nil, nil)
	queueOldest = prometheus.NewDesc("rekey_mail_queue_oldest_due_seconds", "How long ago the first of those was queued that wait for a worker or for the mail server.", nil, nil)
	refusing    = prometheus.NewDesc("rekey_mail_server_refusing", "1 while the mail server takes no emails of a website, or none at all, by the reason.", []string{"reason"}, nil)
)

// Describe names the figures.
func (q *queueFigures) Describe(to chan<- *prometheus.Desc) {
	to <- queueDepth
	to <- queueDue
	to <- queueOldest
	to <- refusing
}

// Collect reads them; while the database does not answer they are missing rather than wrong.
func (q *queueFigures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	var f mail.Figures
	now := map[mail.Reason]float64{}
	if err := q.house.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if f, err = mail.Measure(ctx, tx); err != nil {
			return err
		}
		refusals, err := mail.Refusals(ctx, tx)
		for _, r := range refusals {
			now[r.Reason] = 1
		}
		return err
	}); err != nil {
		return
	}
	for _, reason := range mail.Reasons() {
		to <- prometheus.MustNewConstMetric(refusing, prometheus.GaugeValue, now[reason], string(reason))
	}
	for desc, value := range map[*prometheus.Desc]float64{
		queueDepth: float64(f.Depth), queueDue: float64(f.Due), queueOldest: f.OldestDue.Seconds(),
	} {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
}

// attackFigures tells which websites are under attack, when it is asked.
type attackFigures struct{ house *House }

var underAttack = prometheus.NewDesc("rekey_website_under_attack", "1 while shoppers of the website are asked for a proof of work because of unusually much.",
	[]string{"website"}, nil)

// Describe names the figure.
func (a *attackFigures) Describe(to chan<- *prometheus.Desc) { to <- underAttack }

// Collect reads it.
func (a *attackFigures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	var stores *shop.Snapshot
	raised := map[int64]float64{}
	if err := a.house.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if stores, err = a.house.Shop.LoadIn(ctx, tx); err != nil {
			return err
		}
		alarms, err := puzzle.Alarms(ctx, tx)
		for _, alarm := range alarms {
			raised[alarm.WebsiteID] = 1
		}
		return err
	}); err != nil {
		return
	}
	for _, w := range stores.Websites() {
		to <- prometheus.MustNewConstMetric(underAttack, prometheus.GaugeValue, raised[w.ID], w.Code)
	}
}
