package engine

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"flow/dag"
	"flow/internal/action"
	"flow/internal/mask"
	"flow/internal/run"
)

// reveal reads the secrets that the run's tasks mention, before anything of it begins:
// from then on, what the run prints and keeps is masked.
func (r *Run) reveal(ctx context.Context, start *run.Start) error {
	w := r.plan.Workflow
	mentioned := make(map[string]bool)
	only := make(map[int]bool)
	for _, i := range start.Only {
		only[i] = true
	}
	for _, t := range w.Tasks {
		if start.Only != nil && !only[t.Index] && !t.Finally {
			continue
		}
		for _, name := range t.Secrets {
			mentioned[name] = true
		}
	}
	if len(mentioned) == 0 {
		return nil
	}
	dir, err := filepath.Abs(w.Dir)
	if err != nil {
		return &FolderError{fmt.Errorf("the workflow's folder is lost: %w", err)}
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if r.secrets, err = r.engine.sources(dir).Read(ctx, w, slices.Sorted(maps.Keys(mentioned))); err != nil {
		return err
	}
	r.mask = mask.New(slices.Collect(maps.Values(r.secrets))...)
	return r.bare(start.Params)
}

func (e *Engine) sources(dir string) *action.Sources {
	return &action.Sources{Environ: e.environ, Dir: dir, Start: &e.launcher}
}

// Secret reads a secret of a workflow, as a run of it would.
func (e *Engine) Secret(ctx context.Context, w *dag.Workflow, name string) (string, error) {
	dir, err := filepath.Abs(w.Dir)
	if err != nil {
		return "", fmt.Errorf("the workflow's folder is lost: %w", err)
	}
	values, err := e.sources(dir).Read(ctx, w, []string{name})
	return values[name], err
}

// bare refuses params that hold a secret: they are kept, and shown, as they are.
func (r *Run) bare(params map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !same(r.mask.Value(params[name]), params[name]) {
			return fmt.Errorf("param %s holds the value of a secret of the workflow, and params are kept and shown as they are: let the task mention the secret instead", name)
		}
	}
	return nil
}

// same compares plain values.
func same(a, b any) bool {
	x, errX := dag.EncodeJSON(a)
	y, errY := dag.EncodeJSON(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// masked is an attempt's outcome without the run's secrets, as it may be kept and shown.
func (r *Run) masked(out action.Outcome) action.Outcome {
	if r.mask != nil {
		out.Value, out.Failure = r.mask.Value(out.Value), r.maskFailure(out.Failure)
	}
	return out
}

func (r *Run) maskFailure(f *dag.Failure) *dag.Failure {
	if r.mask == nil || f == nil {
		return f
	}
	g := *f
	g.Message, g.Type, g.Traceback = r.mask.Text(f.Message), r.mask.Text(f.Type), r.mask.Text(f.Traceback)
	return &g
}
