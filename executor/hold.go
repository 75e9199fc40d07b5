package executor

import (
	"context"
	"sync/atomic"

	"flow/futures"
	"flow/internal/task"
)

// hold keeps a task back until its inputs are done.
type hold struct {
	w       *work
	inputs  []*task.Node
	watches []task.Watch
	left    atomic.Int32 // inputs not done, and one for the registering itself
	stop    atomic.Pointer[func() bool]
}

// hold accepts a task that is not ready.
func (p *pool) hold(ctx context.Context, w *work, after []futures.Any) {
	h := &hold{w: w, inputs: make([]*task.Node, len(after)), watches: make([]task.Watch, len(after))}
	for i, f := range after {
		h.inputs[i] = futures.NodeOf(f)
	}
	// Before anybody can see the task: whoever waits for all that the pool has must
	// find what this waits for.
	w.node.WaitFor(false, h.inputs...)
	p.mu.Lock()
	if err := p.admit(w); err != nil {
		p.mu.Unlock()
		w.node.WaitFor(false)
		w.refuse(err)
		return
	}
	w.special().hold = h
	w.phase = holding
	p.held.pushBack(w)
	p.mu.Unlock()

	if !w.detached && ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { w.node.Cancel(task.CancelledBy(context.Cause(ctx))) })
		h.stop.Store(&stop)
	}
	h.left.Store(int32(len(h.inputs)) + 1)
	for i, n := range h.inputs {
		watch := &h.watches[i]
		watch.To, watch.Index = h, i
		if !n.Watch(watch) {
			h.Notify(watch)
		}
		if w.node.State().Done() {
			h.release() // it was released before all of this was registered
			return
		}
	}
	h.countDown()
}

// Notify takes the news that an input is done.
func (h *hold) Notify(watch *task.Watch) {
	input := h.inputs[watch.Index]
	if input.Failed() {
		h.w.failBy(input)
		h.w.pool.forget(h.w, true)
	}
	h.countDown()
}

// countDown lets the task go when all inputs are done.
func (h *hold) countDown() {
	if h.left.Add(-1) == 0 {
		h.w.pool.ready(h.w)
	}
}

// ready moves a held task on to where it can start.
func (p *pool) ready(w *work) {
	w.few.hold.release()
	w.node.WaitFor(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.phase != holding {
		return
	}
	p.held.remove(w)
	if p.free(w) {
		p.start(w)
		return
	}
	w.phase = queued
	p.queue.push(w)
}

// release ends what the hold listens to. It may be called more than once.
func (h *hold) release() {
	if stop := h.stop.Load(); stop != nil {
		(*stop)()
	}
	for i, n := range h.inputs {
		n.Unwatch(&h.watches[i])
	}
}
