package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// recent is of how many rows of the ledger lateness is told.
const recent = 200

// getMetrics answers Prometheus. What it says of runs is read when it is asked for: so it is
// right whoever runs them, and whenever this process began.
func (s *site) getMetrics(w http.ResponseWriter, _ *http.Request) error {
	var b bytes.Buffer
	s.writeMetrics(&b)
	metrics.WriteProcessMetrics(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // whoever asked may be gone
	return nil
}

func (s *site) writeMetrics(w io.Writer) {
	if counts, err := s.Runs.Count(); err == nil {
		family(w, "flow_runs", "gauge", "Runs that are kept, by workflow and status.")
		for _, c := range counts {
			sample(w, "flow_runs", float64(c.Runs), "status", c.Status, "workflow", c.Workflow)
		}
		family(w, "flow_run_duration_seconds", "summary", "How long the runs took that are kept and have ended.")
		for _, c := range counts {
			if c.Seconds > 0 {
				sample(w, "flow_run_duration_seconds_sum", c.Seconds, "status", c.Status, "workflow", c.Workflow)
				sample(w, "flow_run_duration_seconds_count", float64(c.Runs), "status", c.Status, "workflow", c.Workflow)
			}
		}
	} else {
		s.Log.Error("web: metrics", "error", err)
	}
	// Only a schedule can be late: who starts a run by hand is not, and a backfill is of old
	// times.
	if rows, err := s.Ledger.Ledger(LedgerQuery{Trigger: "schedule", Limit: recent}); err == nil {
		family(w, "flow_schedule_lateness_seconds", "gauge", "How late the last run of a workflow was started that was due at a time.")
		seen := make(map[string]bool)
		for _, f := range rows {
			if f.Trigger == "schedule" && (f.Fate == "fired" || f.Fate == "caught_up") && !seen[f.Workflow] {
				seen[f.Workflow] = true
				sample(w, "flow_schedule_lateness_seconds", f.Decided.Sub(f.At).Seconds(), "workflow", f.Workflow)
			}
		}
	} else {
		s.Log.Error("web: metrics", "error", err)
	}
	s.lives.mu.Lock()
	watched := len(s.lives.all)
	s.lives.mu.Unlock()
	gauge := func(name, help string, v float64) {
		family(w, name, "gauge", help)
		sample(w, name, v)
	}
	gauge("flow_stream_readers", "Readers of streams of events and logs.", float64(s.lives.readers.Load()))
	gauge("flow_watched_runs", "Runs that are kept in memory since somebody looks at them.", float64(watched))
	gauge("flow_ready", "Whether the service is ready: 1 or 0.", oneIf(s.Health.Ready() == nil))
	gauge("flow_leader", "Whether this process is the one that starts what is due: 1 or 0.", oneIf(s.Health.Leader()))
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// family begins the samples of one name, in the text format of Prometheus.
func family(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes a value with labels, which are names and values in turn.
func sample(w io.Writer, name string, v float64, labels ...string) {
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		fmt.Fprintf(&b, `,%s="%s"`, labels[i], escapeLabel.Replace(labels[i+1]))
	}
	if b.Len() > 0 {
		name += "{" + b.String()[1:] + "}"
	}
	fmt.Fprintln(w, name, strconv.FormatFloat(v, 'g', -1, 64))
}
