package executor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"flow/futures"
	"flow/internal/task"
)

// phase is where the pool has a task. Guarded by the pool's lock.
type phase uint8

const (
	fresh   phase = iota // not accepted yet
	holding              // in pool.held: its inputs are not done
	queued               // in pool.queue
	placed               // at a worker, with places
	away                 // at a worker; gave its places back to wait
	back                 // in pool.regain: the wait is over, it wants its places again
	stray                // at a worker; its timeout has passed
	gone                 // the pool is done with it
)

// work is the pool's side of a task. It implements task.Host. There is one for
// every task ever queued, so what few need is apart.
type work struct {
	pool       *pool // nil: not accepted
	node       *task.Node
	job        runner
	prev, next *work // in list
	list       *list
	few        *few   // nil: nothing special
	number     uint32 // of the pool's tasks, in its name if it has none
	weight     int32
	waits      int32 // how many goroutines of it wait with its place given back
	phase      phase
	detached   bool // the end of the context it was submitted with is nothing to it
}

// few is what few tasks have.
type few struct {
	priority int
	timeout  time.Duration // 0: none
	hold     *hold
	room     chan struct{}   // closed when its Submit may return
	values   context.Context // of its worker
}

// priority returns the task's Priority.
func (w *work) priority() int {
	if w.few == nil {
		return 0
	}
	return w.few.priority
}

// special returns what few tasks have, for writing. It is not called any more once
// the task's function runs, since that may read it.
func (w *work) special() *few {
	if w.few == nil {
		w.few = new(few)
	}
	return w.few
}

// Name implements task.Host.
func (w *work) Name() string {
	if w.pool == nil {
		return "task"
	}
	return fmt.Sprintf("%s#%d", w.pool.name, w.number)
}

// Value implements task.Host.
func (w *work) Value(key any) any {
	if w.few == nil || w.few.values == nil {
		return nil
	}
	return w.few.values.Value(key)
}

// Leave implements task.Host. What waits for a task that is queued here hands its
// places to that one, and to no other: starting others could close new circles.
func (w *work) Leave(target *task.Node) error {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch w.phase {
	case away:
		w.waits++
		return nil
	case back: // another goroutine of the task waits for its places: it has none now
		p.forgo(w)
		w.phase = away
		w.waits++
		return nil
	case placed:
	default:
		return nil
	}
	if p.blocked >= p.options.maxBlocked {
		return fmt.Errorf("%w: %s has %d that do", ErrSaturated, p.name, p.blocked)
	}
	w.phase = away
	w.waits++
	p.blocked++
	p.displace(w)
	if target != nil {
		p.handOver(target)
	}
	p.spill()
	return nil
}

// handOver starts target ahead of everything else, if it is queued here.
func (p *pool) handOver(target *task.Node) {
	t, ok := target.Host().(*work)
	if !ok || t.pool != p || t.phase != queued {
		return
	}
	if p.fits(t) {
		p.unqueue(t)
		p.start(t)
		return
	}
	// It weighs more than what was given back: it is the next.
	p.queue.remove(t)
	p.queue.pushUrgent(t)
}

// Return implements task.Host.
func (w *work) Return(ctx context.Context) {
	p := w.pool
	p.mu.Lock()
	if w.phase != away {
		p.mu.Unlock()
		return
	}
	if w.waits--; w.waits > 0 {
		p.mu.Unlock()
		return
	}
	if ctx.Err() != nil || len(p.regain) == 0 && p.fits(w) {
		p.resume(w)
		p.mu.Unlock()
		return
	}
	w.phase = back
	c := comeback{w, make(chan struct{})}
	p.regain = append(p.regain, c)
	p.mu.Unlock()

	select {
	case <-c.granted:
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		if slices.Contains(p.regain, c) {
			p.forgo(w)
			p.resume(w)
		}
	}
}

// comeback is a task whose wait is over and that wants its places again.
type comeback struct {
	w       *work
	granted chan struct{} // closed when its goroutine may go on
}

// forgo takes a task out of those that want their places back and lets its
// goroutine go on.
func (p *pool) forgo(w *work) {
	i := slices.IndexFunc(p.regain, func(c comeback) bool { return c.w == w })
	close(p.regain[i].granted)
	p.regain = slices.Delete(p.regain, i, i+1)
}

// Dropped implements task.Host: the future was cancelled before the task started.
func (w *work) Dropped() {
	if w.pool != nil {
		w.pool.forget(w, false)
	}
}

// forget removes a task that has not started and never will.
func (p *pool) forget(w *work, failed bool) {
	p.mu.Lock()
	switch w.phase {
	case holding:
		p.held.remove(w)
	case queued:
		p.unqueue(w)
		p.spill() // what was behind it may be lighter
	default:
		p.mu.Unlock()
		return
	}
	w.phase = gone
	p.watchdog.moved()
	if failed {
		p.failed++
	}
	p.checkEnded()
	p.mu.Unlock()
	w.drop()
}

// drop forgets what a task refers to.
func (w *work) drop() {
	w.job.drop()
	if w.few != nil && w.few.hold != nil {
		w.few.hold.release()
	}
}

// refuse settles a task that the pool does not take.
func (w *work) refuse(err error) {
	w.fail(err)
	w.drop()
}

// fail ends the task with err, unless it has ended, and returns the state found.
func (w *work) fail(err error) task.State {
	if w.pool != nil && w.pool.options.unobserved != nil {
		return w.node.FailTold(err, w.pool.options.unobserved)
	}
	return w.node.Fail(err)
}

// failBy is fail for a task that fails because its input did. The failure of an input
// that is told of if unseen is not told of again.
func (w *work) failBy(input *task.Node) {
	err := &futures.TaskError{Task: input.Name(), Err: input.Unlooked()}
	if input.Told() {
		w.node.FailBy(input, err)
	} else {
		w.fail(err)
	}
}

// expire ends a task whose time is up, and its place with it.
func (w *work) expire() {
	err := w.overtime()
	if w.fail(err).Done() {
		return
	}
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	switch w.phase {
	case placed:
		p.displace(w)
	case away:
		p.blocked--
	case back:
		p.forgo(w)
		p.blocked--
	default:
		return
	}
	w.phase = stray
	p.strays++
	p.failed++
	p.spill()
}

func (w *work) overtime() error {
	return fmt.Errorf("executor: task %q ran longer than its timeout of %s: %w",
		w.node.Name(), w.few.timeout, context.DeadlineExceeded)
}
