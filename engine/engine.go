// Package engine runs workflows on this machine: it is the local driver of the
// machine in internal/run, on real executors, and the door for Go programs that
// embed flow.
//
//	workflow, findings, err := dag.Load("weather.yaml")
//	…
//	plan, err := dag.NewPlan(workflow)
//	…
//	e := engine.New()
//	defer e.Close()
//	r, err := e.Start(plan, engine.Options{})
//	…
//	summary, err := r.Wait(ctx)
package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"flow/dag"
	"flow/executor"
	"flow/internal/action"
	"flow/internal/run"
)

// DefaultThreads is the number of places of an executor of kind thread that
// does not say how many it has.
const DefaultThreads = 64

// Engine runs workflows. Its pools hold across its runs: the built-in
// executors `default` and `thread` are shared by all workflows, one that a file
// defines belongs to the workflow of that name. It is safe for concurrent use.
type Engine struct {
	places    func(*dag.Executor) int
	environ   []string
	functions *executor.Registry
	home      *Home // nil: runs are not kept

	launcher executor.Launcher

	mu     sync.Mutex
	disp   *run.Dispatcher
	pools  map[string]*executor.Pool
	sizes  map[string]int     // of pools
	warm   map[warmOf][]*warm // the one that is kept without a run last
	runs   map[*run.Queue]*Run
	swept  map[string]func() error // by token: ends what a launcher has left, once
	closed bool

	listens bool            // to other processes
	quit    context.Context // ends when that has to
	mute    context.CancelFunc
	ending  sync.WaitGroup // of that, and of warm workers that nobody needs any more
}

// Option changes what New makes.
type Option func(*settings)

type settings struct {
	jobs, workers int
	environ       []string
	subreaper     bool
	watcher       []string
	functions     *executor.Registry
	home          *Home
}

// Jobs limits how many attempts are at work at once, in all pools together.
// Below 1 there is no limit but those of the pools.
func Jobs(n int) Option { return func(s *settings) { s.jobs = n } }

// Workers sets the size of every pool, whatever the files say. Below 1 the
// files decide.
func Workers(n int) Option { return func(s *settings) { s.workers = n } }

// Environ sets what commands inherit, in place of the program's environment.
func Environ(environ []string) Option { return func(s *settings) { s.environ = environ } }

// Functions are what `call: go:Name` calls, in this process.
func Functions(r *executor.Registry) Option { return func(s *settings) { s.functions = r } }

// Subreaper makes the program the one that adopts whatever its commands leave
// behind, so that all of it ends with them, in whatever process group or session
// (Linux). It is for programs that start their processes through one engine only.
// watcher, if any, are arguments with which this program, started again, calls
// [Sweep] with one argument more: so what commands leave ends even when the program
// is killed. Without this option, a command's process group ends with it.
func Subreaper(watcher ...string) Option {
	return func(s *settings) { s.subreaper, s.watcher = true, watcher }
}

// New returns an engine without runs. Close ends it.
func New(opts ...Option) *Engine {
	s := settings{environ: os.Environ()}
	for _, o := range opts {
		o(&s)
	}
	e := &Engine{
		places:    Places(s.workers),
		environ:   s.environ,
		functions: s.functions,
		home:      s.home,
		launcher:  executor.Launcher{Subreaper: s.subreaper, Watcher: s.watcher},
		disp:      run.NewDispatcher(s.jobs, 0),
		pools:     make(map[string]*executor.Pool),
		sizes:     make(map[string]int),
		warm:      make(map[warmOf][]*warm),
		runs:      make(map[*run.Queue]*Run),
	}
	e.quit, e.mute = context.WithCancel(context.Background())
	return e
}

// ErrClosed answers Start on an engine that was closed.
var ErrClosed = errors.New("engine: closed")

// Close kills what still runs and waits until nothing of it is left.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	runs := make([]*Run, 0, len(e.runs))
	for _, r := range e.runs {
		runs = append(runs, r)
	}
	e.mu.Unlock()
	for _, r := range runs {
		r.Kill()
		<-r.done
	}
	e.mute()
	var errs []error
	for _, p := range e.pools {
		errs = append(errs, p.Close())
	}
	for _, all := range e.warm {
		for _, x := range all {
			errs = append(errs, x.pool.Close())
		}
	}
	e.ending.Wait()
	return errors.Join(append(errs, e.launcher.Close())...)
}

// poolOf names the pool of an executor: one that a workflow defines is not
// another's.
func poolOf(w *dag.Workflow, x *dag.Executor) string {
	if x.Pos == (dag.Pos{}) {
		return x.Name
	}
	return w.Name + "/" + x.Name
}

// addPools makes the pools that a run's tasks name and that are not there yet; those of
// an older version of its file get the size that it says now, unless the run is of an
// older version itself. It is called with the lock held.
func (e *Engine) addPools(r *Run) error {
	w := r.plan.Workflow
	for _, t := range w.Tasks {
		if t.Executor == "" {
			continue
		}
		x, ok := w.Executor(t.Executor)
		if !ok {
			return fmt.Errorf("engine: task %s: there is no executor %q", t.ID, t.Executor)
		}
		name := poolOf(w, x)
		size := e.places(x)
		if p := e.pools[name]; p != nil {
			if e.sizes[name] == size || !r.current {
				continue
			}
			if err := errors.Join(p.Resize(size), e.disp.Resize(name, size)); err != nil {
				return fmt.Errorf("engine: executor %s: %w", x.Name, err)
			}
			e.sizes[name] = size
			continue
		}
		p, err := executor.NewPool(executor.MaxWorkers(size), executor.NamePrefix(name))
		if err != nil {
			return fmt.Errorf("engine: executor %s: %w", x.Name, err)
		}
		if err := e.disp.AddPool(name, size); err != nil {
			return errors.Join(err, p.Close())
		}
		e.pools[name], e.sizes[name] = p, size
	}
	return nil
}

// warmOf is whose worker processes some are: those of an executor of a workflow in a folder.
type warmOf struct{ pool, dir string }

// warm are worker processes of an executor. What they were started with can't be changed:
// where that differs there are others.
type warm struct {
	pool *executor.ProcessPool
	with string // the executor, without its position in the file, and the environment
	runs int    // that use them
}

// workers returns the worker processes of an executor with a runtime, nil for another.
// It starts none yet. The run has them until unwarm.
func (e *Engine) workers(r *Run, x *dag.Executor) (*executor.ProcessPool, error) {
	if x.Runtime == "" {
		return nil, nil
	}
	w := r.plan.Workflow
	of := warmOf{poolOf(w, x), r.shared.Base}
	if mine := r.warm[of]; mine != nil {
		return mine.pool, nil
	}
	environ := action.Environ(e.environ, w)
	plain := *x
	plain.Pos = dag.Pos{}
	with := fmt.Sprintf("%#v\x00%s", plain, strings.Join(environ, "\x00"))
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	all := e.warm[of]
	at := slices.IndexFunc(all, func(o *warm) bool { return o.with == with })
	if at < 0 {
		p, err := action.Workers(x, of.dir, of.pool, e.places(x), environ, &e.launcher)
		if err != nil {
			return nil, fmt.Errorf("engine: executor %s: %w", x.Name, err)
		}
		at, all = 0, slices.Insert(all, 0, &warm{pool: p, with: with})
	}
	mine := all[at]
	mine.runs++
	if r.current { // the next run will want these
		all = append(slices.Delete(all, at, at+1), mine)
	}
	e.warm[of] = all
	e.cool(of)
	if r.warm == nil {
		r.warm = make(map[warmOf]*warm)
	}
	r.warm[of] = mine
	return mine.pool, nil
}

// unwarm gives back the worker processes that a run has. It is called with the lock held.
func (e *Engine) unwarm(r *Run) {
	for of, x := range r.warm {
		x.runs--
		e.cool(of)
	}
	r.warm = nil
}

// cool ends the worker processes of an executor that no run uses, nor the next one will.
// It is called with the lock held.
func (e *Engine) cool(of warmOf) {
	if e.closed { // Close ends all
		return
	}
	all := e.warm[of]
	last := all[len(all)-1]
	e.warm[of] = slices.DeleteFunc(all, func(x *warm) bool {
		if x == last || x.runs > 0 {
			return false
		}
		e.ending.Go(func() { _ = x.pool.Close() }) // which only waits
		return true
	})
}

// Places tells how many places the pool of an executor has in an engine with
// that Workers option.
func Places(workers int) func(*dag.Executor) int {
	return func(x *dag.Executor) int {
		switch {
		case workers > 0:
			return workers
		case x.Workers > 0:
			return x.Workers
		case x.Process:
			return runtime.GOMAXPROCS(0) // as many processors as the container may use
		}
		return DefaultThreads
	}
}

// dispatch gives back places, queues what is ready, and hands out the places
// that are free: those of run r are returned, those of others go to their
// inboxes.
func (e *Engine) dispatch(r *Run, released []run.Ticket, ready []run.Command) ([]run.Ticket, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range released {
		e.disp.Release(t)
	}
	for _, c := range ready {
		if err := r.queue.Enqueue(c, r.poolName[c.Task]); err != nil {
			return nil, err
		}
	}
	mine := r.mine[:0]
	for {
		t, ok := e.disp.Next()
		if !ok {
			r.mine = mine
			return mine, nil
		}
		if t.Run == r.queue {
			mine = append(mine, t)
			continue
		}
		other := t // t itself stays where it is, without an allocation
		e.runs[t.Run].in.put(message{ticket: &other, granted: true})
	}
}

// leave takes a run that has ended out of the dispatcher, with the places that it
// was granted and never took, and hands those on.
func (e *Engine) leave(r *Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.disp.Remove(r.queue)
	for {
		t, ok := e.disp.Next()
		if !ok {
			return
		}
		e.runs[t.Run].in.put(message{ticket: &t, granted: true})
	}
}

// forget lets go of a run of which nothing is left.
func (e *Engine) forget(r *Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unwarm(r)
	delete(e.runs, r.queue)
}

// Check tells what a workflow needs that this build, or an engine without options, can't
// do, a finding for each place. A workflow with findings is refused by Start.
func Check(w *dag.Workflow) []dag.Diagnostic { return check(w, nil) }

func check(w *dag.Workflow, functions *executor.Registry) []dag.Diagnostic {
	var found []dag.Diagnostic
	add := func(at dag.Pos, format string, args ...any) {
		found = append(found, w.Finding(at, format, args...))
	}
	for _, t := range w.Tasks {
		if _, err := action.For(t, action.Place{Process: true, Functions: functions}); err != nil {
			add(t.Pos, "task %s: %v", t.ID, err)
		}
	}
	return found
}

// Run is Start and Wait in one, for programs that run one workflow. When ctx ends
// the run is cancelled in order, and Run still waits for its end.
func (e *Engine) Run(ctx context.Context, plan *dag.Plan, o Options) (*Summary, error) {
	r, err := e.Start(plan, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, r.Cancel)
	defer stop()
	return r.Wait(context.WithoutCancel(ctx))
}
