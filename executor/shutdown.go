package executor

import (
	"context"

	"flow/futures"
	"flow/internal/task"
)

// Shutdown ends the pool: it takes no more tasks, runs those it has accepted,
// held ones included, and then ends its workers. It waits for that, and for
// strays, until ctx ends; then it returns a *ShutdownError that names what still
// runs, and the rest goes on by itself. It may be called again, with stricter
// options as well.
//
// Called by a task of this pool or a callback of its future, or with the context of one
// that such a task waits for, it does not wait but fails with a *futures.DeadlockError,
// unless NoWait is given. The pool is shutting down nevertheless.
func (p *Pool) Shutdown(ctx context.Context, how ...ShutdownOption) error {
	if p == nil || p.pool == nil {
		return errNotMade
	}
	if ctx == nil {
		return errNilContext
	}
	o := newShutdownOptions(how)
	p.stop(o)
	if o.noWait {
		return nil
	}
	return p.join(ctx)
}

// Close is Shutdown without a limit, for defer.
func (p *Pool) Close() error { return p.Shutdown(context.Background()) }

// stop begins the end of the pool.
func (p *pool) stop(o shutdownOptions) {
	p.mu.Lock()
	p.closing = true
	p.dismiss(len(p.idle))
	var pending, running []*task.Node
	if o.cancel {
		for _, w := range p.waiting() {
			pending = append(pending, w.node)
		}
	}
	if o.abort {
		running = p.atWorkers()
	}
	p.checkEnded()
	p.mu.Unlock()
	for _, n := range pending {
		n.Cancel(task.CancelledBy(ErrShutdown))
	}
	for _, n := range running {
		n.Abort(ErrShutdown)
	}
}

// join waits until everything has ended.
func (p *pool) join(ctx context.Context) error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	if err := p.inside(ctx); err != nil {
		return err
	}
	err := task.ErrLeft
	if ctx.Err() == nil {
		err = task.Await(ctx, p.ended, p.edges)
	}
	switch {
	case err == nil:
		return nil
	case err != task.ErrLeft:
		return futures.AsWaitError(ctx, err, 0, 0)
	}
	select {
	case <-p.ended:
		return nil
	default:
		return newShutdownError(ctx, p)
	}
}

// inside is the error of a wait for the pool's end by one of its own tasks: with the
// context of that, or on its goroutine, as callbacks of its future are.
func (p *pool) inside(ctx context.Context) error {
	if self := task.From(ctx); self != nil {
		if w, ok := self.Host().(*work); ok && p.runs(w) {
			return &futures.DeadlockError{Cycle: []string{self.Name(), self.Name()}}
		}
	}
	id := goroutineID()
	p.mu.Lock()
	defer p.mu.Unlock()
	for wk := range p.workers {
		if wk.task != nil && wk.goroutine.Load() == id {
			name := wk.task.node.Name()
			return &futures.DeadlockError{Cycle: []string{name, name}}
		}
	}
	return nil
}

// edges is the wait for all that the pool has.
func (p *pool) edges() *task.Wait {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodes := p.atWorkers()
	for _, w := range p.waiting() {
		nodes = append(nodes, w.node)
	}
	return &task.Wait{Targets: task.Slots(nodes)}
}

// runs reports whether w is at one of the pool's workers.
func (p *pool) runs(w *work) bool {
	if w.pool != p {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.phase > queued && w.phase < gone
}

// waiting returns the tasks that have not started.
func (p *pool) waiting() []*work {
	all := p.queue.all()
	for w := p.held.first; w != nil; w = w.next {
		all = append(all, w)
	}
	return all
}

// atWorkers returns the tasks that have started and not returned, strays too.
func (p *pool) atWorkers() []*task.Node {
	var all []*task.Node
	for wk := range p.workers {
		if wk.task != nil {
			all = append(all, wk.task.node)
		}
	}
	return all
}

// unfinished names what runs, and counts what does not yet.
func (p *pool) unfinished() (running []string, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.atWorkers() {
		running = append(running, n.Name())
	}
	return running, p.queue.len() + p.held.n
}

// checkEnded says that the pool has ended, once there is nothing left.
func (p *pool) checkEnded() {
	if p.closing && !p.over && len(p.workers) == 0 && p.queue.len() == 0 && p.held.n == 0 {
		p.over = true
		p.watchdog.stop()
		close(p.ended)
	}
}
