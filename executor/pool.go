package executor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"flow/futures"
	"flow/internal/task"
)

// Pool runs tasks on goroutines, at most MaxWorkers at once. Make one with
// NewPool. It is safe for concurrent use and must not be copied.
//
// A worker is started when a task finds no idle one and a place is free; of
// several idle ones the last used is taken.
type Pool struct {
	*pool
}

var _ Executor = (*Pool)(nil)

// poolNumber numbers the pools of a process that were given no name. Nothing
// depends on it but texts.
var poolNumber atomic.Int64

var errNotMade = errors.New("executor: pool was not made with NewPool")

// NewPool returns a pool that has started nothing yet. It fails for an option
// that makes no sense.
func NewPool(opts ...PoolOption) (*Pool, error) {
	o, err := newPoolOptions(opts)
	if err != nil {
		return nil, err
	}
	if o.name == "" {
		o.name = fmt.Sprintf("pool-%d", poolNumber.Add(1))
	}
	inner := &pool{name: o.name, options: *o, max: o.max, ended: make(chan struct{})}
	if o.onStall != nil {
		inner.watchdog = &watchdog{pool: inner}
	}
	p := &Pool{inner}
	// The workers refer to the inner pool alone, so one that nobody uses any
	// more is found and ends once it has done what it accepted.
	runtime.AddCleanup(p, func(inner *pool) { inner.stop(shutdownOptions{}) }, inner)
	return p, nil
}

// pool is what the workers of a Pool share.
//
// Each task that was accepted is in exactly one place: held, in the queue, or at
// a worker (running, waiting, or a stray). mu is taken before no other lock but
// those inside of channels: it is released before futures are settled.
type pool struct {
	name    string
	options poolOptions
	ended   chan struct{} // closed when shut down and all is done

	watchdog *watchdog // nil: nobody asked for it

	mu       sync.Mutex
	max      int        // places there are
	used     int        // places taken, above max after a Resize or an early Return
	held     list       // not ready
	queue    queue      // ready
	regain   []comeback // oldest first
	entering []*work    // in the queue, but their Submit blocks; oldest first
	workers  map[*worker]struct{}
	idle     []*worker // last used last
	hired    int       // workers ever started
	numbered uint32    // tasks ever accepted, for their names
	running  int
	blocked  int
	strays   int
	done     int64
	failed   int64
	closing  bool
	over     bool  // ended is closed
	broken   error // why no worker can start
}

// accept implements Executor.
func (p *Pool) accept(ctx context.Context, w *work, after []futures.Any) {
	if p == nil || p.pool == nil {
		w.refuse(errNotMade)
		return
	}
	w.pool = p.pool
	if err := ctx.Err(); err != nil && !w.detached {
		w.node.Cancel(task.CancelledBy(context.Cause(ctx)))
		w.drop()
		return
	}
	if len(after) > 0 {
		p.pool.hold(ctx, w, after)
	} else {
		p.pool.submit(ctx, w)
	}
	// The pool must not end as forgotten before it has the task.
	runtime.KeepAlive(p)
}

// places implements Executor.
func (p *Pool) places() int {
	if p == nil || p.pool == nil {
		return 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return 0
	}
	return p.max
}

// submit accepts a task that is ready.
func (p *pool) submit(ctx context.Context, w *work) {
	p.mu.Lock()
	if err := p.admit(w); err != nil {
		p.mu.Unlock()
		w.refuse(err)
		return
	}
	if p.free(w) {
		p.start(w)
		p.mu.Unlock()
		return
	}
	full := p.options.limited && p.queue.len()-len(p.entering) >= p.options.limit
	if full && p.options.whenFull == Reject {
		p.mu.Unlock()
		w.refuse(fmt.Errorf("%w: %s has %d tasks queued", ErrQueueFull, p.name, p.options.limit))
		return
	}
	w.phase = queued
	p.queue.push(w)
	var room chan struct{}
	if full {
		room = make(chan struct{})
		w.special().room = room
		p.entering = append(p.entering, w)
	}
	p.mu.Unlock()
	if room != nil {
		enter(ctx, w, room)
	}
}

// enter blocks the submitter of w until there is room for it in the queue. The
// task is in the queue all the time, so it keeps its turn.
func enter(ctx context.Context, w *work, room <-chan struct{}) {
	if self := task.From(ctx); self != nil && self.Host() != nil {
		// Above MaxBlocked the submitter keeps its place.
		if self.Host().Leave(nil) == nil {
			defer self.Host().Return(ctx)
		}
	}
	select {
	case <-room:
	case <-ctx.Done():
		w.node.Cancel(task.CancelledBy(context.Cause(ctx)))
	}
}

// admit numbers the task, or says why the pool does not take it.
func (p *pool) admit(w *work) error {
	switch {
	case p.broken != nil:
		return p.brokenFor(w)
	case p.closing:
		return fmt.Errorf("%w: %s", ErrShutdown, p.name)
	case int(w.weight) > p.max:
		return fmt.Errorf("executor: task of weight %d can't run in %s, which has %d places", w.weight, p.name, p.max)
	}
	p.numbered++
	w.number = p.numbered
	p.watchdog.came()
	return nil
}

// brokenFor returns the error of one task of a broken pool: each has its own.
func (p *pool) brokenFor(w *work) error {
	return &BrokenError{Pool: p.name, Task: w.node.Name(), Cause: p.broken, pool: true}
}

// fits reports whether there are places for w. A task that became heavier than
// the pool, by a Resize, fits when nothing else runs.
func (p *pool) fits(w *work) bool {
	return p.used+int(w.weight) <= p.max || p.used == 0
}

// free reports whether w may start before all that wait for a place.
func (p *pool) free(w *work) bool {
	return p.queue.len() == 0 && len(p.regain) == 0 && p.fits(w)
}

// place gives w its places.
func (p *pool) place(w *work) {
	w.phase = placed
	p.used += int(w.weight)
	p.running++
	p.watchdog.moved()
}

// displace takes them back.
func (p *pool) displace(w *work) {
	p.used -= int(w.weight)
	p.running--
	p.watchdog.moved()
}

// next takes the task out of the queue that may start now, or returns nil. Tasks
// that want their places back come first, and go on by themselves.
func (p *pool) next() *work {
	for len(p.regain) > 0 {
		w := p.regain[0].w
		if !p.fits(w) {
			return nil
		}
		p.forgo(w)
		p.resume(w)
	}
	w := p.queue.front()
	if w == nil || !p.fits(w) {
		return nil
	}
	p.unqueue(w)
	p.place(w)
	return w
}

// resume gives a task its places back after a wait.
func (p *pool) resume(w *work) {
	p.blocked--
	p.place(w)
}

// spill starts all that may start.
func (p *pool) spill() {
	for w := p.next(); w != nil; w = p.next() {
		p.launch(w)
	}
}

// start places w and gives it to a worker.
func (p *pool) start(w *work) {
	p.place(w)
	p.launch(w)
}

// unqueue takes w out of the queue and lets the next submitter in.
func (p *pool) unqueue(w *work) {
	p.queue.remove(w)
	if w.few != nil && w.few.room != nil {
		i := slices.Index(p.entering, w)
		p.entering = slices.Delete(p.entering, i, i+1)
		p.letIn(w)
	}
	for len(p.entering) > 0 && p.queue.len()-len(p.entering) < p.options.limit {
		first := p.entering[0]
		p.entering = slices.Delete(p.entering, 0, 1)
		p.letIn(first)
	}
}

func (p *pool) letIn(w *work) {
	close(w.few.room)
	w.few.room = nil
}

// Resize changes how many tasks may run at once, from now on; n is at least 1.
// It interrupts nothing: after a cut, tasks end until the rest fits. A queued
// task of a Weight above n runs alone.
func (p *Pool) Resize(n int) error {
	if p == nil || p.pool == nil {
		return errNotMade
	}
	if n < 1 {
		return fmt.Errorf("executor: Resize(%d): must be at least 1", n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.max = n
	p.spill()
	p.dismiss(len(p.idle) - n)
	return nil
}

// Stats implements Executor.
func (p *Pool) Stats() Stats {
	if p == nil || p.pool == nil {
		return Stats{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats()
}

func (p *pool) stats() Stats {
	return Stats{
		Workers: len(p.workers), Running: p.running, Queued: p.queue.len() - len(p.entering),
		Held: p.held.n, Blocked: p.blocked, Stray: p.strays, Done: p.done, Failed: p.failed,
	}
}

// String returns the pool's name.
func (p *Pool) String() string {
	if p == nil || p.pool == nil {
		return "pool(nil)"
	}
	return p.name
}
