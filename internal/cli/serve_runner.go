package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/internal/home"
	"flow/internal/schedule"
	"flow/internal/store"
)

// serveRunner runs what the scheduler fires, in one engine.
type serveRunner struct {
	engine *engine.Engine
	home   *engine.Home
	dir    string // of the home
	say    func(format string, args ...any)
	traces *tracer

	service *schedule.Service
	ctx     context.Context // of what waits, before it begins
	stop    context.CancelCauseFunc
	begin   chan struct{} // has a token for each run that is beginning

	mu     sync.Mutex
	begun  map[string]chan error // by id: who waits for its beginning
	live   map[string]*liveRun   // by id
	lines  map[string][]func()   // by workflow: what waits to take a place, in order
	others map[string]bool       // by id: runs that other processes have in hand
	delays map[string]*delay     // by id: runs that could not go on
	closed bool                  // nothing begins any more
	over   bool                  // what has begun is suspended
	wg     sync.WaitGroup
}

// liveRun is a run in this process's hands.
type liveRun struct {
	run    *engine.Run // nil: it has not begun here
	begins bool        // it is about to
	again  bool        // it has begun before: it is to be gone on with
	place  *home.Place
	cancel context.CancelCauseFunc // of what it waits for before
	traced func()                  // ends what is told of it as a trace; may be nil
}

// delay is when going on with a run is to be tried again.
type delay struct {
	next time.Time
	wait time.Duration
}

// beginAtOnce is how many runs begin at the same time. It is large, since a command that
// prints a secret may take long.
const beginAtOnce = 64

// Errors that end the waiting of a run.
var (
	errReplaced  = errors.New("a newer run takes its place")
	errWithdrawn = errors.New("it was cancelled before it began")
	errStopping  = errors.New("the service is stopping")
)

func newServeRunner(e *engine.Engine, h *engine.Home, dir string, say func(string, ...any)) *serveRunner {
	r := &serveRunner{
		engine: e, home: h, dir: dir, say: say, begin: make(chan struct{}, beginAtOnce),
		live: make(map[string]*liveRun), lines: make(map[string][]func()), delays: make(map[string]*delay), others: make(map[string]bool), begun: make(map[string]chan error),
	}
	r.ctx, r.stop = context.WithCancelCause(context.Background())
	return r
}

// NewID implements schedule.Runner.
func (r *serveRunner) NewID() string { return engine.NewID() }

// expect returns what tells once that a run has begun, or why it won't. expected ends that.
func (r *serveRunner) expect(id string) <-chan error {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := make(chan error, 1)
	r.begun[id] = told
	return told
}

func (r *serveRunner) expected(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.begun, id)
}

// tell passes news on.
func (r *serveRunner) tell(n schedule.News) {
	if n.Begun || n.Err != nil {
		r.answer(n.Run, n.Err)
	}
	r.service.Tell(n)
}

// answer tells who expects a run to begin.
func (r *serveRunner) answer(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if told := r.begun[id]; told != nil {
		told <- err
		delete(r.begun, id)
	}
}

// Live implements schedule.Runner.
func (r *serveRunner) Live(id string) (bool, error) {
	rec, err := r.home.Get(id)
	if errors.Is(err, store.ErrNoRun) {
		return false, nil
	}
	return err == nil && rec.Ended.IsZero(), err
}

// Replace implements schedule.Runner.
func (r *serveRunner) Replace(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.live[id]
	switch {
	case l != nil && l.run != nil:
		l.run.Replace()
	case l != nil && !l.again:
		l.cancel(errReplaced)
	default: // another process has it, or it is to be gone on with: it ends then
		if err := r.home.WishCancel(id, true); err != nil {
			r.say("run %s can't be told to make room: %v", id, err)
		}
	}
}

// Launch implements schedule.Runner.
func (r *serveRunner) Launch(f schedule.Firing) {
	_, err := r.home.Get(f.Run)
	ctx, l := r.claim(f.Run, err == nil)
	if l == nil {
		return // it is in hand, and will be told of
	}
	if l.again { // it began, and a crash came before that was in the ledger
		r.goOn(ctx, f.Run, f.Version.Plan.Workflow, l)
		return
	}
	r.inTurn(f.Version.Plan.Workflow, func(turn func()) {
		r.fire(ctx, &f, l, turn)
	})
}

// claim takes a run into this process's hands; nil: it is already, or it is too late. again:
// it has begun before.
func (r *serveRunner) claim(id string, again bool) (context.Context, *liveRun) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	l := &liveRun{cancel: cancel, again: again}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.live[id] != nil {
		cancel(nil)
		return nil, nil
	}
	r.live[id] = l
	r.wg.Add(1)
	return ctx, l
}

// release gives a run out of this process's hands. Others are told of it after that, or
// would see it in two.
func (r *serveRunner) release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[id].cancel(nil) // its context would stay among those of the service
	delete(r.live, id)
}

// inTurn calls do on a goroutine of its own, for a run that was claimed. Runs of a workflow
// with a limit take their places one after the other: the next begins when do calls turn,
// which it does in any case.
func (r *serveRunner) inTurn(w *dag.Workflow, do func(turn func())) {
	if w.Concurrency.MaxRuns == 0 {
		go func() {
			defer r.wg.Done()
			do(func() {})
		}()
		return
	}
	next := func() {
		r.mu.Lock()
		line := r.lines[w.Name][1:]
		if r.lines[w.Name] = line; len(line) == 0 {
			delete(r.lines, w.Name)
		}
		r.mu.Unlock()
		if len(line) > 0 {
			go line[0]()
		}
	}
	one := func() {
		defer r.wg.Done()
		do(sync.OnceFunc(next))
	}
	r.mu.Lock()
	r.lines[w.Name] = append(r.lines[w.Name], one)
	alone := len(r.lines[w.Name]) == 1
	r.mu.Unlock()
	if alone {
		go one()
	}
}

// fire takes a place for a run, begins it, and follows it to its end.
func (r *serveRunner) fire(ctx context.Context, f *schedule.Firing, l *liveRun, turn func()) {
	defer turn()
	w := f.Version.Plan.Workflow
	if ctx.Err() != nil {
		r.refused(ctx, f.Run, w.Name, context.Cause(ctx))
		return
	}
	place, err := r.place(ctx, w, f.Run, w.Concurrency.OnLimit)
	if err != nil {
		r.refused(ctx, f.Run, w.Name, err)
		return
	}
	l.place = place
	turn()
	r.mu.Lock()
	l.begins = ctx.Err() == nil
	r.mu.Unlock()
	run, err := r.patiently(ctx, f.Run, func() (*engine.Run, error) { return r.start(ctx, f, l) })
	r.follow(ctx, f.Run, w.Name, l, run, err)
}

// place takes one of the places that the runs of a workflow have. Where that fails, it is
// tried again: it is no fault of the run.
func (r *serveRunner) place(ctx context.Context, w *dag.Workflow, run, onLimit string) (*home.Place, error) {
	if w.Concurrency.MaxRuns == 0 {
		return nil, nil
	}
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		place, err := home.Take(ctx, home.Request{Home: r.dir, Workflow: w.Name, Run: run, Places: w.Concurrency.MaxRuns, OnLimit: onLimit})
		if err == nil || errors.Is(err, home.ErrTaken) || ctx.Err() != nil {
			return place, err
		}
		if wait == time.Second {
			r.say("run %s can't take its place, and tries again: %v", run, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// refused tells that a run will not begin; one that only waits for the next service is
// not spoken of.
func (r *serveRunner) refused(ctx context.Context, id, workflow string, err error) {
	r.mu.Lock()
	begins := r.live[id].begins
	r.mu.Unlock()
	cause := context.Cause(ctx)
	r.release(id)
	if _, there := r.home.Get(id); there == nil { // it has begun before, and goes on later
		if !errors.Is(cause, errStopping) {
			r.tried(id)
			r.say("run %s of %s can't go on yet: %v", id, workflow, err)
			r.answer(id, err)
			r.tell(schedule.News{Run: id, Begun: true})
		}
		return
	}
	switch {
	case errors.Is(cause, errStopping), errors.Is(cause, errWithdrawn) && !begins: // that has been told
		return
	case errors.Is(cause, errWithdrawn):
		err = fmt.Errorf("%w: %w", schedule.ErrSkipped, errWithdrawn)
	case errors.Is(err, home.ErrTaken), errors.Is(cause, errReplaced):
		err = fmt.Errorf("%w: %w", schedule.ErrSkipped, err)
	default:
		r.say("%s: a run can't begin: %v", workflow, err)
	}
	r.tell(schedule.News{Run: id, Err: err, Ended: true})
}

// patiently begins a run, and tries again where the home can't be written to: it is no
// fault of the run.
func (r *serveRunner) patiently(ctx context.Context, id string, begin func() (*engine.Run, error)) (*engine.Run, error) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		select {
		case r.begin <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		run, err := begin()
		<-r.begin
		if err == nil || !errors.As(err, new(*engine.FolderError)) {
			return run, err
		}
		if wait == time.Second {
			r.say("run %s can't begin, and is tried again: %v", id, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// start begins a run, or goes on with it where it has begun: a service that drains may have
// been a moment faster.
func (r *serveRunner) start(ctx context.Context, f *schedule.Firing, l *liveRun) (*engine.Run, error) {
	tell, traced := r.traces.follow(nil)
	l.traced = traced
	_, err := r.home.Get(f.Run)
	if err == nil {
		return r.engine.Resume(f.Run, engine.Options{Context: ctx, Watch: tell})
	}
	if !errors.Is(err, store.ErrNoRun) {
		return nil, &engine.FolderError{Err: err}
	}
	o := engine.Options{ID: f.Run, Trigger: f.Trigger, ScheduledAt: f.At, IntervalStart: f.From, IntervalEnd: f.To, Context: ctx, Watch: tell}
	if f.Order.Retry != "" {
		return r.engine.Retry(f.Order.Retry, engine.Again{Tasks: f.Order.Tasks, Downstream: f.Order.Downstream}, o)
	}
	if o.Params, err = orderParams(&f.Order); err != nil {
		return nil, err
	}
	if f.Schedule >= 0 {
		o.Bound = f.Version.Plan.Workflow.Schedules[f.Schedule].Params
	}
	o.Only, o.From = f.Order.Only, f.Order.From
	run, err := r.engine.Start(f.Version.Plan, o)
	if err != nil {
		if _, there := r.home.Get(f.Run); there == nil { // a service that drains was a moment faster
			return r.engine.Resume(f.Run, engine.Options{Context: ctx, Watch: tell})
		}
	}
	return run, err
}

// orderParams are the params of who asked for a run.
func orderParams(o *schedule.Order) (map[string]any, error) {
	if len(o.Params) == 0 {
		return nil, nil
	}
	v, err := dag.DecodeJSON(o.Params)
	if err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	given, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("params: they are no object")
	}
	return given, nil
}

// follow tells of a run until it has ended.
func (r *serveRunner) follow(ctx context.Context, id, workflow string, l *liveRun, run *engine.Run, err error) {
	if owned, ok := errors.AsType[*store.OwnedError](err); ok {
		r.free(l)
		r.mu.Lock()
		r.others[id] = true // look sees its end
		r.mu.Unlock()
		r.release(id)
		r.tell(schedule.News{Run: id, Begun: true})
		r.say("run %s is in the hands of process %d", id, owned.Owner.PID)
		return
	}
	if errors.As(err, new(*engine.EndedError)) {
		r.free(l)
		r.release(id)
		r.tell(schedule.News{Run: id, Begun: true, Ended: true})
		return
	}
	if err != nil {
		r.free(l)
		r.refused(ctx, id, workflow, err)
		return
	}
	r.mu.Lock()
	l.run = run
	over := r.over
	r.mu.Unlock()
	if over { // it came too late to be counted
		run.Suspend()
	}
	switch { // it was asked to end while it began
	case errors.Is(context.Cause(ctx), errReplaced):
		run.Replace()
	case errors.Is(context.Cause(ctx), errWithdrawn):
		run.Cancel()
	}
	r.tell(schedule.News{Run: id, Begun: true})
	summary, err := run.Wait(context.Background())
	l.traced()
	r.free(l)
	r.release(id)
	switch {
	case errors.Is(err, engine.ErrSuspended):
		return
	case err != nil:
		r.say("run %s: %v", id, err)
	case summary.Status != "succeeded":
		r.say("run %s of %s: %s: %s", id, summary.Workflow, summary.Status, cmp.Or(summary.Why(), summary.Reason))
	}
	if rec, err := r.home.Get(id); err != nil || rec.Ended.IsZero() {
		r.tried(id)
		return // it was interrupted: look goes on with it
	}
	r.mu.Lock()
	delete(r.delays, id)
	r.mu.Unlock()
	r.tell(schedule.News{Run: id, Ended: true})
}

func (r *serveRunner) free(l *liveRun) {
	if err := l.place.Free(); err != nil {
		r.say("a place could not be given back: %v", err)
	}
}

// asked lets runs make room whose places are wanted by other processes.
func (r *serveRunner) asked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, l := range r.live {
		if l.run != nil && l.place.Asked() {
			r.say("run %s makes room for a newer one", id)
			l.run.Replace()
		}
	}
}

// find returns a run that is at work here; nil: it is not.
func (r *serveRunner) find(id string) *engine.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.live[id]; l != nil {
		return l.run
	}
	return nil
}

// withdraw cancels a run that waits for its turn; false: there is none. The ledger is told
// at once, though its turn may be far.
func (r *serveRunner) withdraw(id string) bool {
	r.mu.Lock()
	l := r.live[id]
	waits := l != nil && l.run == nil && !l.again
	begins := waits && l.begins // too late: it is cancelled once it has begun
	if waits {
		l.cancel(errWithdrawn)
	}
	r.mu.Unlock()
	if waits && !begins {
		r.tell(schedule.News{Run: id, Err: fmt.Errorf("%w: %w", schedule.ErrSkipped, errWithdrawn), Ended: true})
	}
	return waits
}

// working returns how many runs are at work.
func (r *serveRunner) working() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, l := range r.live {
		if l.run != nil {
			n++
		}
	}
	return n
}

// close lets nothing begin any more.
func (r *serveRunner) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop(errStopping)
}

// drain lets runs that are at work end, until ctx does. Then they are suspended, to be gone
// on with by the next service.
func (r *serveRunner) drain(ctx context.Context) {
	idle := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return
	case <-ctx.Done():
	}
	r.mu.Lock()
	r.over = true
	for _, l := range r.live {
		if l.run != nil {
			l.run.Suspend()
		}
	}
	r.mu.Unlock()
	<-idle
}

// encodeParams are an order's params.
func encodeParams(params map[string]any) (json.RawMessage, error) {
	if len(params) == 0 {
		return nil, nil
	}
	return dag.EncodeJSON(params)
}
