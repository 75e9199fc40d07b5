package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are for Prometheus. What they say of runs is read when it is asked for: so it is
// right whoever runs them, and whenever this process began.
type metrics struct {
	site    *site
	handler http.Handler

	runs, took, late, readers, watched, ready, leader *prometheus.Desc
}

// recent is of how many rows of the ledger lateness is told.
const recent = 200

func newMetrics(s *site, r *prometheus.Registry) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("flow_"+name, help, labels, nil)
	}
	m := &metrics{
		site:    s,
		runs:    desc("runs", "Runs that are kept, by workflow and status.", "workflow", "status"),
		took:    desc("run_duration_seconds", "How long the runs took that are kept and have ended.", "workflow", "status"),
		late:    desc("schedule_lateness_seconds", "How late the last run of a workflow was started that was due by a schedule.", "workflow"),
		readers: desc("stream_readers", "Readers of streams of events and logs."),
		watched: desc("watched_runs", "Runs that are kept in memory since somebody looks at them."),
		ready:   desc("ready", "Whether the service is ready: 1 or 0."),
		leader:  desc("leader", "Whether this process is the one that starts what is due: 1 or 0."),
	}
	r.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError})
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.runs, m.took, m.late, m.readers, m.watched, m.ready, m.leader} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	flag := func(on bool) float64 {
		if on {
			return 1
		}
		return 0
	}
	s := m.site
	if counts, err := s.Runs.Count(); err == nil {
		for _, c := range counts {
			gauge(m.runs, float64(c.Runs), c.Workflow, c.Status)
			if c.Seconds > 0 {
				to <- prometheus.MustNewConstSummary(m.took, uint64(c.Runs), c.Seconds, nil, c.Workflow, c.Status)
			}
		}
	} else {
		s.Log.Error("web: metrics", "error", err)
	}
	// Only a schedule can be late: who starts a run by hand is not, and a backfill is of old
	// times.
	if rows, err := s.Ledger.Ledger(LedgerQuery{Limit: recent}); err == nil {
		seen := make(map[string]bool)
		for _, f := range rows {
			if f.Trigger == "schedule" && (f.Fate == "fired" || f.Fate == "caught_up") && !seen[f.Workflow] {
				seen[f.Workflow] = true
				gauge(m.late, f.Decided.Sub(f.At).Seconds(), f.Workflow)
			}
		}
	} else {
		s.Log.Error("web: metrics", "error", err)
	}
	s.lives.mu.Lock()
	watched := len(s.lives.all)
	s.lives.mu.Unlock()
	gauge(m.readers, float64(s.lives.readers.Load()))
	gauge(m.watched, float64(watched))
	gauge(m.ready, flag(s.Health.Ready() == nil))
	gauge(m.leader, flag(s.Health.Leader()))
}

func (s *site) getMetrics(w http.ResponseWriter, r *http.Request) error {
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}
