package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"

	"flow/dag"
	"flow/executor"
	"flow/internal/action"
	"flow/internal/mask"
	"flow/internal/run"
	"flow/internal/store"
)

// Options say what a run is to do. The zero value runs everything, with the
// defaults of the file's params.
type Options struct {
	ID     string         // of the run; "" makes a new one
	Params map[string]any // as text, which is read by the declared types, or typed
	Only   []string       // ids: these tasks and what they depend on
	// From, if not nil, are ids: these tasks and all that depends on them run, everything
	// else has the result of an earlier run that succeeded: see NewEarlier.
	From []string
	// Bound are params, too, of a schedule: their values may be expressions about the run.
	Bound []dag.Binding
	// Trigger is what starts the run; "" is manual. With ScheduledAt, a time in the zone that
	// it is to be shown in, it is for that time, and for the interval that ends with it.
	Trigger                                 string
	ScheduledAt, IntervalStart, IntervalEnd time.Time
	// Context, if not nil, ends what comes before the run begins: a command that prints
	// a secret may take long. The run itself does not end with it.
	Context context.Context
	// Watch is called with each event, in order, from one goroutine. It must not
	// block for long: the run waits.
	Watch func(Event)
	// Output is called with what attempts print, as it comes, from many
	// goroutines. The bytes are good only during the call.
	Output func(o Output)
}

// Output is a piece of what an attempt prints.
type Output struct {
	Task     string
	Instance int // -1: the task is no fan-out
	Attempt  int
	Stderr   bool
	Text     []byte
}

// Summary is how a run ended, or how it stands.
type Summary = run.Summary

// Run is one run of a workflow.
type Run struct {
	ID string

	engine  *Engine
	plan    *dag.Plan
	m       *run.Machine
	queue   *run.Queue
	in      *inbox
	timers  *timers
	host    *host
	shared  *action.Run
	secrets map[string]string // by name: those that its tasks mention
	mask    *mask.Mask        // of them; nil: there are none
	zone    *time.Location
	watch   func(Event)
	output  func(Output)
	seq     int64
	zero    time.Time // when it began, or went on
	began   time.Time // the same, by this process's clock
	now     time.Time // of the last event; see clock

	poolName []string         // by task
	pools    []*executor.Pool // by task; nil: it needs none
	actions  []action.Action  // by task
	ready    []run.Command    // to be queued at the end of the batch
	released []run.Ticket     // to be given back at the end of the batch
	mine     []run.Ticket     // filled anew by each dispatch
	working  map[place]*working

	of     string               // the run that it is a retry of
	differ []string             // params that it had otherwise
	again  *Again               // what of that is to run again
	had    map[place]keptResult // from that one
	seeds  []run.Command        // attempts that are answered from it

	current  bool             // its file is what it says today, as far as is known
	warm     map[warmOf]*warm // worker processes that it uses
	heeded   bool             // somebody has asked for its end; guarded by the engine's lock
	reopened bool             // it had begun in another process: what that has left stays, should it not go on
	journal  *store.Journal   // nil: the run is not kept
	pending  []run.Event      // applied, and not in the journal yet
	cacheOf  store.CacheOf    // but for the task
	results  []store.Kept     // made for the cache, or found there, and recorded with that
	costs    []cost           // by task, where there is a history
	begun    []run.Ticket     // have their places, and begin once that is recorded

	evaluating evaluator

	ctx     context.Context // ends when the run is killed
	kill    context.CancelFunc
	done    chan struct{}
	summary *Summary
	err     error
}

// place is a task, or an instance of a fan-out, by index.
type place struct{ task, instance int32 }

// Start begins a run. What is wrong with the params or the selection is an
// error, and nothing has begun; so is a workflow for which Check has findings.
func (e *Engine) Start(plan *dag.Plan, o Options) (*Run, error) {
	if err := findings(check(plan.Workflow, e.functions)); err != nil {
		return nil, err
	}
	zero := time.Now()
	start, err := NewStart(plan, o, zero)
	if err != nil {
		return nil, err
	}
	if e.home != nil { // the longest remaining way goes first
		if start.Durations, _, err = Expected(e.home, plan, start.Params); err != nil {
			return nil, err
		}
	}
	r := e.newRun(plan, start.Run.ID, o)
	r.current = true
	if o.From != nil {
		if e.home == nil {
			return nil, errors.New("engine: there is no history to take earlier results from")
		}
		earlier, err := NewEarlier(e.home, plan, o.From, start.Params)
		if err != nil {
			return nil, err
		}
		r.had, r.of, r.differ, r.again = earlier.results, earlier.Run, earlier.Differ, &Again{Tasks: o.From, Downstream: true}
	}
	r.zero, r.began, r.zone = zero, zero, start.Run.StartedAt.Location()
	if err := r.reveal(o.Context, start); err != nil {
		r.kill()
		return nil, err
	}
	if err := e.begin(r, start); err != nil {
		return nil, err
	}
	return r, nil
}

// begin records a new run and lets it go.
func (e *Engine) begin(r *Run, start *run.Start) error {
	first := run.Event{Kind: run.Started, Time: r.clock(), Start: start}
	if err := r.record(first); err != nil {
		r.kill()
		return err
	}
	if err := e.launch(r, func() error { return r.applied(first, false) }); err != nil {
		return errors.Join(err, r.unrecord())
	}
	return nil
}

// findings are findings as one error.
func findings(found []dag.Diagnostic) error {
	errs := make([]error, len(found))
	for i, f := range found {
		errs[i] = fmt.Errorf("%s:%d:%d: %s", f.File, f.Pos.Line, f.Pos.Col, f.Message)
	}
	return errors.Join(errs...)
}

// newRun returns a run that has not begun.
func (e *Engine) newRun(plan *dag.Plan, id string, o Options) *Run {
	r := &Run{
		ID: id, engine: e, plan: plan, m: run.New(plan), in: newInbox(), timers: newTimers(),
		watch: o.Watch, output: o.Output, working: make(map[place]*working), done: make(chan struct{}),
	}
	r.ctx, r.kill = context.WithCancel(context.Background())
	r.evaluating.do = r.evaluate
	return r
}

// launch makes room for a run and lets it go; first is what it begins with.
func (e *Engine) launch(r *Run, first func() error) error {
	err := r.prepare()
	if err == nil {
		if err = e.admit(r); err != nil {
			err = errors.Join(err, r.clean(!r.reopened))
		}
	}
	if err != nil {
		r.kill()
		e.forget(r)
		return err
	}
	go r.loop(first)
	return nil
}

// NewID returns a new run's id: a ULID, so ids sort by time.
func NewID() string { return ulid.Make().String() }

// NewStart returns what a run of a plan would begin with at that moment: its
// params read and checked, its selection closed over dependencies.
func NewStart(plan *dag.Plan, o Options, now time.Time) (*run.Start, error) {
	w := plan.Workflow
	now = now.Truncate(time.Millisecond).In(w.Zone())
	info := dag.RunInfo{
		ID: o.ID, Workflow: w.Name, Trigger: "manual", StartedAt: now,
		IntervalStart: w.LastTime(now), IntervalEnd: now, Attempt: 1,
	}
	if info.ID == "" {
		info.ID = NewID()
	}
	if o.Trigger != "" {
		info.Trigger = o.Trigger
	}
	if !o.ScheduledAt.IsZero() {
		info.ScheduledAt, info.IntervalStart, info.IntervalEnd = o.ScheduledAt, o.IntervalStart, o.IntervalEnd
	}
	scope := &dag.Scope{Workflow: w, Run: &info}
	given, err := bound(o, scope)
	if err != nil {
		return nil, err
	}
	params, err := w.ReadParams(given, scope)
	if err != nil {
		return nil, err
	}
	only, err := plan.Closure(o.Only)
	if err != nil {
		return nil, err
	}
	return &run.Start{Version: run.Version, Run: info, Params: params, Only: only}, nil
}

// bound are the params that a run is given, with those of its schedule.
func bound(o Options, s *dag.Scope) (map[string]any, error) {
	if len(o.Bound) == 0 {
		return o.Params, nil
	}
	given := make(map[string]any, len(o.Params)+len(o.Bound))
	for _, b := range o.Bound {
		v, err := b.Value.Eval(s)
		if err != nil {
			return nil, fmt.Errorf("param %s of the schedule: %w", b.Name, err)
		}
		given[b.Name] = v
	}
	maps.Copy(given, o.Params)
	return given, nil
}

// admit makes room for the run in the engine.
func (e *Engine) admit(r *Run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.addPools(r); err != nil {
		return err
	}
	r.pools = make([]*executor.Pool, len(r.poolName))
	for i, name := range r.poolName {
		r.pools[i] = e.pools[name]
	}
	r.queue = e.disp.Add()
	e.runs[r.queue] = r
	e.listen()
	return nil
}

// prepare makes the run's folders and looks its tasks' actions and pools up.
func (r *Run) prepare() error {
	w := r.plan.Workflow
	base, err := filepath.Abs(w.Dir)
	if err != nil {
		return &FolderError{fmt.Errorf("the workflow's folder is lost: %w", err)}
	}
	if r.cacheOf, err = cacheOf(w); err != nil {
		return &FolderError{fmt.Errorf("the workflow's file is lost: %w", err)}
	}
	r.shared = &action.Run{
		ID: r.ID, Base: base, Environ: action.Environ(r.engine.environ, w), Mask: r.mask,
		Start: &r.engine.launcher, Kill: r.ctx,
	}
	if err := r.folders(); err != nil {
		return &FolderError{errors.Join(fmt.Errorf("the run's files can't be written (TMPDIR): %w", err), r.clean(!r.reopened))}
	}
	r.host = &host{dir: w.Dir, values: filepath.Join(r.shared.Files, "values"), store: r.engine.home, secrets: r.secrets}
	r.poolName = make([]string, len(w.Tasks))
	r.actions = make([]action.Action, len(w.Tasks))
	for i, t := range w.Tasks {
		x, ok := w.Executor(t.Executor)
		if ok {
			r.poolName[i] = poolOf(w, x)
		}
		at := action.Place{Process: ok && x.Process, Functions: r.engine.functions}
		if _, calls := t.Action.(dag.Call); calls && ok {
			if at.Workers, err = r.engine.workers(r, x); err != nil {
				return errors.Join(err, r.clean(!r.reopened))
			}
		}
		a, err := action.For(t, at)
		if err != nil {
			return errors.Join(err, r.clean(!r.reopened))
		}
		r.actions[i] = a
	}
	return nil
}

// FolderError says that a run could not begin since there is no room for its files.
type FolderError struct{ Err error }

// Error implements error.
func (e *FolderError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FolderError) Unwrap() error { return e.Err }

// Cancel asks the run to end in order: what runs is stopped, what has not begun
// is not started, `finally` runs. It returns at once.
func (r *Run) Cancel() {
	r.in.put(message{event: run.Event{Kind: run.CancelRequested, Reason: dag.ReasonUser}})
}

// Replace is Cancel for the reason that a newer run takes this one's place.
func (r *Run) Replace() {
	r.in.put(message{event: run.Event{Kind: run.CancelRequested, Reason: dag.ReasonReplace}})
}

// Kill ends the run at once: processes get SIGKILL, `finally` does not run. It
// returns at once.
func (r *Run) Kill() {
	r.in.put(message{event: run.Event{Kind: run.CancelRequested, Reason: dag.ReasonUser, Kill: true}})
}

// ErrSuspended is why Wait has no summary of a run that has ended for now.
var ErrSuspended = errors.New("suspended")

// Suspend ends the run for now, where its engine keeps history: what is at work is killed,
// and Resume goes on with it, in this process or another. It returns at once. A run that is
// over by then just ends.
func (r *Run) Suspend() { r.in.put(message{fatal: ErrSuspended}) }

// Done is closed when the run has ended and nothing of it is left.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait returns the summary when the run has ended. When ctx ends first its
// error is returned; the run goes on. An error beside a summary tells of
// something that went wrong in the engine itself.
func (r *Run) Wait(ctx context.Context) (*Summary, error) {
	select {
	case <-r.done:
		return r.summary, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// stream is where an attempt's output goes: to its tail, its log and whoever listens.
func (r *Run) stream(t *tail, log io.Writer, o Output) io.Writer {
	if r.output == nil && log == nil {
		return t
	}
	return listener{tail: t, log: log, to: r.output, piece: o}
}

type listener struct {
	tail  *tail
	log   io.Writer    // may be nil
	to    func(Output) // may be nil
	piece Output
}

func (l listener) Write(p []byte) (int, error) {
	if l.to != nil {
		o := l.piece
		o.Text = p
		l.to(o)
	}
	if l.log != nil {
		_, _ = l.log.Write(p) // tells when it is closed
	}
	return l.tail.Write(p)
}
