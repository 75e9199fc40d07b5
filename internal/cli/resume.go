package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/store"
)

func newResume(std streams) *cobra.Command {
	f := &runFlags{}
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Goes on with a run that was interrupted",
		Long: `Goes on with a run whose flow was killed, or could not record any more: tasks that had
succeeded stay so, those that were at work run again. The workflow is the one that the
run began with, whatever has become of its file. A run that has ended is left as it is;
the exit code is that of the run.`,
		Example: `  flow resume last
  flow resume 7K2M4Q --json`,
		Args: oneRun(0),
		RunE: func(c *cobra.Command, args []string) error {
			return again(c.Context(), std, args[0], f, nil, func(e *engine.Engine, r *store.Run, o engine.Options) (*engine.Run, error) {
				return e.Resume(r.ID, o)
			})
		},
	}
	f.addAgain(c)
	return c
}

// addAgain adds the flags of commands that go on with a run.
func (f *runFlags) addAgain(c *cobra.Command) {
	fl := c.Flags()
	fl.IntVar(&f.jobs, "jobs", 0, "attempts at once, in all pools together (0: no limit)")
	fl.IntVar(&f.workers, "workers", 0, "the size of every pool (0: as the file says)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.StringVar(&f.keep.home, "home", "", homeFlag)
	fl.StringVar(&f.keep.durability, "durability", "normal", "what a power cut may cost: `full` (nothing), normal (the last moments) or off")
}

// beginning begins what goes on with a run.
type beginning func(*engine.Engine, *store.Run, engine.Options) (*engine.Run, error)

// again goes on with a run, or, with anew, with a new one of what it was.
func again(ctx context.Context, std streams, id string, f *runFlags, anew *engine.Again, begin beginning) error {
	if _, err := f.options(); err != nil {
		return err
	}
	dir, err := homeDir(f.keep.home)
	if err != nil {
		return err
	}
	if !store.Exists(dir) {
		return usage("flow run FILE keeps one", "there is no run in %s yet", dir)
	}
	h, err := f.keep.open()
	if err != nil {
		return err
	}
	summary, err := goOn(ctx, std, h, id, f, anew, begin)
	if err := errors.Join(err, h.Close()); err != nil {
		return err
	}
	return quiet(codeOf(summary))
}

func goOn(ctx context.Context, std streams, h *engine.Home, id string, f *runFlags, anew *engine.Again, begin beginning) (_ *engine.Summary, err error) {
	r, err := find(h, id)
	if err != nil {
		return nil, err
	}
	if there, err := throughService(h, &r, f, anew); there != "" || err != nil {
		if err != nil {
			return nil, err
		}
		return watchRun(ctx, std, h, there, f)
	}
	text, err := h.Text(&r)
	if err != nil {
		return nil, err
	}
	w, found := dag.Parse(r.File, text)
	if w == nil {
		return nil, errors.Join(dag.WriteDiagnostics(std.err, found), usage("", "the workflow of run %s, as it was, is not valid for this flow", r.ID))
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		return nil, err
	}
	signals := newSignals()
	defer signals.stop()
	run := r.ID
	if anew != nil {
		run = engine.NewID()
	}
	// What will be refused waits for no place.
	if _, owned := h.Owner(r.ID); !owned && (anew != nil) != r.Ended.IsZero() {
		place, refused := takePlace(std, w, f, run, signals)
		if refused != nil {
			return nil, refused
		}
		defer func() { err = errors.Join(err, place.Free()) }()
	}
	summary, err := runPlan(ctx, std, plan, f, h, signals, func(ctx context.Context, e *engine.Engine, v view) (*engine.Run, error) {
		return begin(e, &r, engine.Options{ID: run, Context: ctx, Watch: v.event})
	})
	if ended, ok := errors.AsType[*engine.EndedError](err); ok {
		fmt.Fprintf(std.err, "flow: run %s has ended: %s\n", ended.Run, ended.Status)
		if f.json {
			_, err = fmt.Fprintf(std.out, "%s\n", ended.Summary)
			return &engine.Summary{Status: ended.Status}, err
		}
		return &engine.Summary{Status: ended.Status}, nil
	}
	return summary, err
}

// throughService lets the service of the home, if there is one, go on with a run, so that
// it counts with the others for its pools; "": it is for this process to do.
func throughService(h *engine.Home, r *store.Run, f *runFlags, anew *engine.Again) (run string, err error) {
	if (anew != nil) == r.Ended.IsZero() || f.jobs > 0 || f.workers > 0 {
		return "", nil
	}
	if _, owned := h.Owner(r.ID); owned {
		return "", nil // which is refused
	}
	s := serviceOf(h)
	if s == nil {
		return "", nil
	}
	if anew == nil {
		err = s.call(http.MethodPost, "/api/v1/runs/"+r.ID+"/resume", struct{}{}, nil)
		run = r.ID
	} else {
		var told struct{ Run string }
		in := map[string]any{"downstream": anew.Downstream}
		if anew.Tasks != nil {
			in["tasks"] = anew.Tasks
		}
		err = s.call(http.MethodPost, "/api/v1/runs/"+r.ID+"/retry", in, &told)
		run = told.Run
	}
	if refused, ok := errors.AsType[*refusedError](err); ok && refused.status == http.StatusConflict {
		return "", nil // its workflow is none of the service's
	}
	return run, err
}

func newRetry(std streams) *cobra.Command {
	f := &runFlags{}
	var a engine.Again
	c := &cobra.Command{
		Use:   "retry RUN",
		Short: "Runs what failed of a run again, keeping what succeeded",
		Long: `Runs again what did not succeed of a run that has ended, as a new run of the same
workflow, as it was then, with the same params. What succeeded stands in it with the
result that it had; of a fan-out only the instances that failed run again. finally runs
again with the run.`,
		Example: `  flow retry last
  flow retry 7K2M4Q --task load --downstream`,
		Args: oneRun(0),
		RunE: func(c *cobra.Command, args []string) error {
			if a.Downstream && a.Tasks == nil {
				return usage("for example --task load --downstream", "--downstream goes with --task")
			}
			return again(c.Context(), std, args[0], f, &a, func(e *engine.Engine, r *store.Run, o engine.Options) (*engine.Run, error) {
				if r.Ended.IsZero() {
					return nil, usage("flow resume goes on with it", "run %s has not ended", r.ID)
				}
				return e.Retry(r.ID, a, o)
			})
		},
	}
	f.addAgain(c)
	c.Flags().StringSliceVar(&a.Tasks, "task", nil, "run these `tasks` again, whether they succeeded or not")
	c.Flags().BoolVar(&a.Downstream, "downstream", false, "and all that depends on them")
	return c
}

func newCancel(std streams) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Cancels a run that another flow is running",
		Long: `Asks the flow that runs a run to cancel it, in order: what runs gets SIGTERM and its
grace, then finally runs. It does not wait for the end.`,
		Example: "  flow cancel last",
		Args:    oneRun(0),
		RunE: func(_ *cobra.Command, args []string) error {
			return withHome(dir, func(h *engine.Home) error {
				r, err := find(h, args[0])
				if s := serviceOf(h); err != nil && s != nil { // it may wait for its turn
					if s.call(http.MethodPost, "/api/v1/runs/"+url.PathEscape(strings.ToUpper(args[0]))+"/cancel", struct{}{}, nil) == nil {
						_, err = fmt.Fprintf(std.out, "run %s will not begin\n", args[0])
					}
					return err
				}
				if err != nil {
					return err
				}
				if !r.Ended.IsZero() {
					return usage("", "run %s has ended: %s", r.ID, r.Status)
				}
				asked, err := h.RequestCancel(r.ID)
				if err != nil {
					return err
				}
				if !asked {
					return usage("flow resume goes on with it", "run %s is interrupted: nobody runs it", r.ID)
				}
				_, err = fmt.Fprintf(std.out, "run %s is asked to end\n", r.ID)
				return err
			})
		},
	}
	c.Flags().StringVar(&dir, "home", "", homeFlag)
	return c
}
