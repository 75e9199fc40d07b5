package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/store"
)

// runFlags are the flags of run and plan.
type runFlags struct {
	params  []string
	only    []string
	from    []string
	jobs    int
	workers int
	json    bool
	dry     bool
	keep    keepFlags
}

func (f *runFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringArrayVarP(&f.params, "param", "p", nil, "a param of the workflow, `name=value`; repeatable")
	fl.StringSliceVar(&f.only, "only", nil, "only these `tasks`, and what they depend on")
	fl.StringSliceVar(&f.from, "from-task", nil, "only these `tasks`, and what depends on them; all others have their results of the last successful run, of one with the same params if there is any")
	fl.IntVar(&f.jobs, "jobs", 0, "attempts at once, in all pools together (0: no limit)")
	fl.IntVar(&f.workers, "workers", 0, "the size of every pool (0: as the file says)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
}

// options are the flags' values, checked.
func (f *runFlags) options() (engine.Options, error) {
	if f.jobs < 0 || f.workers < 0 || f.workers > maxWorkers {
		return engine.Options{}, usage("", "--jobs and --workers are not negative, and --workers is at most %d", maxWorkers)
	}
	// An empty variable of a script must not become a run of everything.
	if f.only != nil && (len(f.only) == 0 || slices.Contains(f.only, "")) {
		return engine.Options{}, usage("for example --only extract,load", "--only names no task")
	}
	if f.from != nil && (len(f.from) == 0 || slices.Contains(f.from, "")) {
		return engine.Options{}, usage("for example --from-task load", "--from-task names no task")
	}
	switch {
	case f.from != nil && f.only != nil:
		return engine.Options{}, usage("", "--from-task and --only are two different selections")
	case f.from != nil && f.keep.none:
		return engine.Options{}, usage("", "--from-task begins with results of the history, and --no-history has none")
	}
	params, err := readParams(f.params)
	return engine.Options{Params: params, Only: f.only, From: f.from}, err
}

func newRun(std streams) *cobra.Command {
	f := &runFlags{}
	c := &cobra.Command{
		Use:   "run FILE",
		Short: "Runs a workflow now and waits for its end",
		Long: `Runs a workflow now and waits for its end. On a terminal its progress is shown
while it runs; elsewhere each task that ends is a line. The summary goes to
standard output, everything else to standard error.

A first Ctrl-C cancels the run in order: what runs gets SIGTERM and its grace,
then finally runs. A second one kills.

Exit codes: 0 the run succeeded, 1 it failed, 2 invalid file, params or usage,
3 internal error, 130 it was cancelled.`,
		Example: `  flow run examples/workflows/weather.yaml
  flow run daily.yaml -p day=2024-05-01 --json`,
		Args:              files(1, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(c *cobra.Command, args []string) error {
			if f.dry {
				return planFile(std, args[0], f)
			}
			return runFile(c.Context(), std, args[0], f)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.dry, "dry-run", false, "show what would happen, without any effect (= flow plan)")
	f.keep.add(c)
	return c
}

// maxWorkers is the largest size of a pool, as in a file.
const maxWorkers = 100_000

// view shows a run while it goes on and when it has ended.
type view interface {
	event(engine.Event)
	// say tells people something, on standard error.
	say(line string)
	// broken is closed when a program that reads the events has gone: the run is
	// cancelled then. A terminal that has gone sends a signal instead.
	broken() <-chan struct{}
	close(*engine.Summary) error
}

// manyTasks is where it is worth some milliseconds to begin a run with little in memory.
const manyTasks = 2_000

func runFile(ctx context.Context, std streams, file string, f *runFlags) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	plan, err := load(std, file)
	if err != nil {
		return err
	}
	if err := supported(std, plan.Workflow); err != nil {
		return err
	}
	if len(plan.Workflow.Tasks) >= manyTasks {
		runtime.GC() // what loading leaves is room for the run, which touches no new memory then
	}
	signals := newSignals()
	defer signals.stop()
	options.ID = engine.NewID()
	place, err := takePlace(std, plan.Workflow, f, options.ID, signals)
	if err != nil {
		return err
	}
	summary, err := func() (*engine.Summary, error) {
		h, err := f.keep.open()
		if err != nil {
			return nil, err
		}
		summary, err := runPlan(ctx, std, plan, f, h, signals, func(ctx context.Context, e *engine.Engine, v view) (*engine.Run, error) {
			options.Watch, options.Context = sayEarlier(v), ctx
			return e.Start(plan, options)
		})
		return summary, errors.Join(err, closeHome(h))
	}()
	if err := errors.Join(err, place.Free()); err != nil {
		return err
	}
	return quiet(codeOf(summary))
}

// sayEarlier shows events, and says where the results are from that the run begins with.
func sayEarlier(v view) func(engine.Event) {
	return func(e engine.Event) {
		v.event(e)
		if e.Type == engine.RunStarted && e.From != "" {
			v.say("flow: the other tasks have their results of run " + e.From)
			if len(e.Differ) > 0 {
				v.say(otherParams(e.From, e.Differ))
			}
		}
	}
}

func otherParams(run string, differ []string) string {
	return fmt.Sprintf("flow: warning: no run with these params has succeeded lately; in run %s others were: %s", run, strings.Join(differ, ", "))
}

// runPlan runs a plan and shows it. h may be nil.
func runPlan(ctx context.Context, std streams, plan *dag.Plan, f *runFlags, h *engine.Home, signals *signals, begin func(context.Context, *engine.Engine, view) (*engine.Run, error)) (_ *engine.Summary, err error) {
	v := newView(std, plan, f)
	traces, err := newTracer(func(format string, args ...any) { v.say("flow: " + fmt.Sprintf(format, args...)) })
	if err != nil {
		return nil, usage("", "OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	if traces != nil {
		tell, done := traces.follow(v.event)
		v = tracedView{v, tell}
		defer func() {
			done()
			err = errors.Join(err, traces.close())
		}()
	}
	opts := []engine.Option{engine.Jobs(f.jobs), engine.Workers(f.workers), engine.Subreaper(sweepName)}
	if h != nil {
		opts = append(opts, engine.History(h))
	}
	e := engine.New(opts...)
	early, done := signals.during(ctx)
	r, err := begin(early, e, v)
	done(err == nil)
	if err != nil && early.Err() != nil {
		return nil, errors.Join(&codeError{code: exitCancelled, err: fmt.Errorf("%s: cancelled before it began: %w", plan.Workflow.Name, context.Cause(early))}, e.Close())
	}
	if err != nil {
		return nil, errors.Join(startError(err), e.Close())
	}
	stop := signals.cancel(r, v)
	summary, err := r.Wait(context.WithoutCancel(ctx))
	stop()
	return summary, errors.Join(err, v.close(summary), e.Close())
}

// startError is why a run could not begin: what the user gave was wrong, or the home is, or
// there is no folder for its files.
func startError(err error) error {
	if _, ok := errors.AsType[*engine.FolderError](err); ok || store.IsBroken(err) {
		return &codeError{code: exitInternal, err: err}
	}
	return &codeError{code: exitUsage, err: err}
}

// codeOf is the exit code of a run.
func codeOf(s *engine.Summary) int {
	switch s.Status {
	case "succeeded":
		return exitOK
	case "cancelled":
		return exitCancelled
	}
	return exitFailed
}

// supported says before anything starts what this build can't do yet.
func supported(std streams, w *dag.Workflow) error {
	found := engine.Check(w)
	if len(found) == 0 {
		return nil
	}
	if err := dag.WriteDiagnostics(std.err, found); err != nil {
		return err
	}
	return &codeError{code: exitUsage, err: fmt.Errorf("%s needs what this build can't do yet: nothing was run", w.File)}
}
