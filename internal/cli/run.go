package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
)

// runFlags are the flags of run and plan.
type runFlags struct {
	params  []string
	only    []string
	jobs    int
	workers int
	json    bool
	dry     bool
}

func (f *runFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringArrayVarP(&f.params, "param", "p", nil, "a param of the workflow, `name=value`; repeatable")
	fl.StringSliceVar(&f.only, "only", nil, "only these `tasks`, and what they depend on")
	fl.IntVar(&f.jobs, "jobs", 0, "attempts at once, in all pools together (0: no limit)")
	fl.IntVar(&f.workers, "workers", 0, "the size of every pool (0: as the file says)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
}

// check reads the flags' values.
func (f *runFlags) options() (engine.Options, error) {
	if f.jobs < 0 || f.workers < 0 {
		return engine.Options{}, usage("", "--jobs and --workers are numbers of at least 1")
	}
	params, err := readParams(f.params)
	return engine.Options{Params: params, Only: f.only}, err
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
	c.Flags().Bool("no-history", false, "keep nothing of the run (as yet, nothing is kept of any)")
	return c
}

// view shows a run while it goes on and when it has ended.
type view interface {
	event(engine.Event)
	// broken is closed when a program that reads the events has gone: the run is
	// cancelled then. A terminal that has gone sends a signal instead.
	broken() <-chan struct{}
	close(*engine.Summary) error
}

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
	v := newView(std, plan, f.json)
	options.Watch = v.event
	e := engine.New(engine.Jobs(f.jobs), engine.Workers(f.workers))
	r, err := e.Start(plan, options)
	if err != nil {
		return errors.Join(startError(err), e.Close())
	}
	stop := cancelOnSignals(r, std, v.broken())
	summary, err := r.Wait(context.WithoutCancel(ctx))
	stop()
	if err := errors.Join(err, v.close(summary), e.Close()); err != nil {
		return err
	}
	return quiet(codeOf(summary))
}

// startError is why a run could not begin: what the user gave was wrong.
func startError(err error) error {
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

// cancelOnSignals cancels the run at the first signal and kills it at the
// second; it also cancels it when nobody reads its events any more. The function
// that it returns ends that.
func cancelOnSignals(r *engine.Run, std streams, broken <-chan struct{}) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// A reader of our output that has gone must not take flow away from under
	// its tasks: a write fails then, and the run is cancelled.
	signal.Ignore(syscall.SIGPIPE)
	over := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; {
			select {
			case <-over:
				return
			case <-broken:
				broken = nil
				r.Cancel()
			case s := <-signals:
				if n++; n == 1 {
					fmt.Fprintf(std.err, "flow: %s: cancelling the run; once more to kill it\n", signalName(s))
					r.Cancel()
				} else {
					r.Kill()
				}
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(over)
		<-ended
	}
}

func signalName(s os.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "interrupt"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return strings.ToLower(s.String())
}
