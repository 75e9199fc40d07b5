package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/engine"
	"flow/internal/run"
	"flow/internal/store"
)

func newRuns(std streams) *cobra.Command {
	var dir, workflow, status string
	var n int
	var asJSON bool
	c := &cobra.Command{
		Use:   "runs",
		Short: "Lists runs, the newest first",
		Long: `Lists runs, the newest first. A run whose flow is gone, and that has not ended, is
interrupted: flow resume goes on with it.`,
		Example: `  flow runs
  flow runs --workflow weather --status failed -n 100`,
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			statuses := []string{"", "running", "interrupted", "succeeded", "failed", "cancelled"}
			if n < 0 || !slices.Contains(statuses, status) {
				return usage("", "-n is not negative, and --status one of %s", strings.Join(statuses[1:], ", "))
			}
			return withHome(dir, func(h *engine.Home) error {
				return listRuns(std, h, store.Filter{Workflow: workflow, Status: status, Limit: n}, asJSON)
			})
		},
	}
	fl := c.Flags()
	fl.StringVar(&dir, "home", "", homeFlag)
	fl.StringVar(&workflow, "workflow", "", "of this `workflow` only")
	fl.StringVar(&status, "status", "", "with this `status` only: running, interrupted, succeeded, failed or cancelled")
	fl.IntVarP(&n, "number", "n", 20, "how many at most (0: all)")
	fl.BoolVar(&asJSON, "json", false, "print an object a line")
	return c
}

// listedRun is a line of `runs --json`.
type listedRun struct {
	Run      string   `json:"run"`
	Workflow string   `json:"workflow"`
	Status   string   `json:"status"`
	Reason   string   `json:"reason,omitzero"`
	Message  string   `json:"message,omitzero"` // why, in a line
	Started  run.Time `json:"started_at"`
	Ended    run.Time `json:"ended_at,omitzero"`
	Tasks    int      `json:"tasks"`
	Cause    string   `json:"trigger"`
	Of       string   `json:"retry_of,omitzero"`
}

func listRuns(std streams, h *engine.Home, f store.Filter, asJSON bool) error {
	wanted, limit := f.Status, f.Limit
	if wanted == "interrupted" || wanted == "running" { // which of these it is, its owner tells
		f.Status, f.Limit = run.RunRunning.String(), 0
	}
	st, shown := newStyle(std.out), 0
	for r, err := range h.Runs(f) {
		if err != nil {
			return err
		}
		status := statusOf(h, &r)
		if wanted != "" && status != wanted {
			continue
		}
		if asJSON {
			err = encoder(std.out).Encode(listedRun{r.ID, r.Workflow, status, r.Reason, r.Message, run.Time{Time: r.Started.UTC()}, utc(r.Ended), r.Tasks, r.Cause, r.Of})
		} else {
			_, err = fmt.Fprintln(std.out, runLine(&r, status, st))
		}
		if err != nil {
			return err
		}
		if shown++; shown == limit {
			break
		}
	}
	if shown == 0 && !asJSON {
		fmt.Fprintln(std.err, "flow: no such run")
	}
	return nil
}

func utc(t time.Time) run.Time {
	if t.IsZero() {
		return run.Time{}
	}
	return run.Time{Time: t.UTC()}
}

// runLine is a run in one line.
func runLine(r *store.Run, status string, st style) string {
	span := ""
	switch {
	case !r.Ended.IsZero():
		span = duration(r.Ended.Sub(r.Started))
	case status == "running":
		span = duration(time.Since(r.Started)) + " so far"
	}
	line := fmt.Sprintf("%s %s  %s  %s  %s  %s", st.status(status, mark(status)), st.faint(r.ID), st.status(status, pad(status, 11)),
		r.Started.Format("2006-01-02 15:04:05"), pad(span, 8), r.Workflow)
	if why := cmp.Or(r.Message, r.Reason); why != "" {
		line += "  " + st.faint(fit(why, 60))
	}
	return strings.TrimRight(line, " ")
}

// shortID is what people type of a run's id: its end.
func shortID(id string) string { return id[max(0, len(id)-6):] }
