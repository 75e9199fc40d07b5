package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"flow/dag"
	"flow/internal/home"
)

// takePlace waits until a run of this workflow may begin (`concurrency`). Nil is
// the place of a workflow without a limit.
func takePlace(std streams, w *dag.Workflow, f *runFlags, run string, sig *signals) (*home.Place, error) {
	c := w.Concurrency
	if c.MaxRuns == 0 {
		return nil, nil
	}
	dir, err := home.Dir(f.keep.home, os.Getenv)
	if err != nil {
		return nil, &codeError{code: exitInternal, err: err, hint: "name a folder by --home or FLOW_HOME"}
	}
	ctx, done := sig.during(context.Background())
	p, err := home.Take(ctx, home.Request{
		Home: dir, Workflow: w.Name, Run: run, Places: c.MaxRuns, OnLimit: c.OnLimit,
		Waiting: func(runs []string) {
			what := "waiting for run %s to end"
			if c.OnLimit == "replace" {
				what = "run %s is told to make room; waiting for its end"
			}
			fmt.Fprintf(std.err, "flow: %s: "+what+" (concurrency: %d)\n", w.Name, strings.Join(runs, ", "), c.MaxRuns)
		},
	})
	done(err == nil)
	switch {
	case err == nil:
		return p, nil
	case errors.Is(err, home.ErrTaken):
		return nil, &codeError{code: exitFailed, err: fmt.Errorf("%s: not run: %w (concurrency: on_limit: skip)", w.Name, err)}
	case ctx.Err() != nil:
		return nil, &codeError{code: exitCancelled, err: fmt.Errorf("%s: cancelled while it waited: %w", w.Name, context.Cause(ctx))}
	}
	return nil, err
}
