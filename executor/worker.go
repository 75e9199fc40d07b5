package executor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"flow/futures"
	"flow/internal/task"
)

// worker is one goroutine of a pool.
type worker struct {
	pool   *pool
	name   string
	task   *work           // what it runs; written with the pool's lock held
	wake   chan struct{}   // tells an idle one that it has a task, or is dismissed; holds one
	labels context.Context // has the pprof labels of the worker
	values context.Context // what Init returned
	ready  bool            // Init has run

	goroutine atomic.Int64 // its number, for the pool's watchdog if there is one
}

// launch gives a task that has its places to a worker.
func (p *pool) launch(w *work) {
	if last := len(p.idle) - 1; last >= 0 {
		wk := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		wk.task = w
		wk.wake <- struct{}{}
		return
	}
	p.hired++
	wk := &worker{pool: p, name: fmt.Sprintf("%s_%d", p.name, p.hired), task: w, wake: make(chan struct{}, 1)}
	if p.workers == nil {
		p.workers = make(map[*worker]struct{})
	}
	p.workers[wk] = struct{}{}
	go wk.loop()
}

// loop runs tasks until there are none and the worker is dismissed. A task, or a
// callback of its future, may end the goroutine by runtime.Goexit.
func (wk *worker) loop() {
	defer func() {
		if wk.task != nil {
			wk.pool.lost(wk)
		}
	}()
	wk.goroutine.Store(goroutineID())
	wk.labels = pprof.WithLabels(context.Background(), pprof.Labels("pool", wk.pool.name, "worker", wk.name))
	for {
		wk.run(wk.task)
		if !wk.next() {
			return
		}
	}
}

// run runs one task, if it is not cancelled by now.
func (wk *worker) run(w *work) {
	pprof.SetGoroutineLabels(wk.labels) // the last task may have set others
	if !wk.ready && !wk.initialise(w) {
		return
	}
	ctx := w.node.Context()
	if ctx.Err() != nil {
		w.node.Cancel(task.CancelledBy(context.Cause(ctx)))
	}
	if wk.values != nil {
		w.special().values = wk.values
	}
	if w.node.Start() != task.Pending {
		w.drop()
		return
	}
	if few := w.few; few != nil && few.timeout > 0 {
		w.node.Limit(few.timeout, w.overtime())
		timer := time.AfterFunc(few.timeout, w.expire)
		defer timer.Stop()
	}
	if w.node.Named() {
		ctx = pprof.WithLabels(ctx, pprof.Labels("pool", wk.pool.name, "worker", wk.name, "task", w.node.Name()))
		pprof.SetGoroutineLabels(ctx)
		defer pprof.SetGoroutineLabels(wk.labels)
	}
	w.job.call(ctx)
}

// next ends the worker's task and gets it another one, waiting for that if it may
// stay. False: the worker has left the pool.
func (wk *worker) next() bool {
	p := wk.pool
	p.mu.Lock()
	p.end(wk.task)
	wk.task = p.next()
	if wk.task != nil {
		p.spill()
		p.mu.Unlock()
		return true
	}
	if p.closing || len(p.idle) >= p.max {
		p.leave(wk)
		p.mu.Unlock()
		return false
	}
	p.idle = append(p.idle, wk)
	p.mu.Unlock()
	wk.rest()
	return wk.task != nil
}

// rest waits for the next task, or the end.
func (wk *worker) rest() {
	p := wk.pool
	if p.options.idle == 0 {
		<-wk.wake
		return
	}
	timer := time.NewTimer(p.options.idle)
	defer timer.Stop()
	select {
	case <-wk.wake:
		return
	case <-timer.C:
	}
	p.mu.Lock()
	for i, other := range p.idle {
		if other == wk {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			p.leave(wk)
			break
		}
	}
	gone := wk.task == nil
	p.mu.Unlock()
	if !gone {
		<-wk.wake
	}
}

// end takes back what a task had that its worker has returned from.
func (p *pool) end(w *work) {
	p.watchdog.moved()
	switch w.phase {
	case placed:
		p.displace(w)
	case away: // a goroutine that it left behind still waits
		p.blocked--
	case back:
		p.forgo(w)
		p.blocked--
	case stray:
		p.strays--
		w.phase = gone
		return // was counted when its time was up
	}
	w.phase = gone
	switch {
	case w.node.State() != task.Finished:
	case !w.node.Failed():
		p.done++
	default:
		p.failed++
	}
}

// lost removes a worker whose goroutine ends in the middle of a task, and has
// others go on. It does not block: the goroutine may be about to crash.
func (p *pool) lost(wk *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(wk.task)
	p.spill()
	p.leave(wk)
}

// leave removes a worker from the pool for good.
func (p *pool) leave(wk *worker) {
	delete(p.workers, wk)
	p.checkEnded()
}

// dismiss ends the n idle workers that were used the longest ago.
func (p *pool) dismiss(n int) {
	for range n {
		wk := p.idle[0]
		p.idle = append(p.idle[:0], p.idle[1:]...)
		p.leave(wk)
		wk.wake <- struct{}{}
	}
}

// initialise prepares the worker. If that fails the pool is broken, and with it
// the task w that the worker was to run.
func (wk *worker) initialise(w *work) bool {
	p := wk.pool
	if p.options.init != nil {
		values, err := callInit(p.options.init)
		if err != nil {
			p.breakDown(err)
			w.fail(p.brokenFor(w))
			w.drop()
			return false
		}
		if values != nil {
			wk.values = context.WithoutCancel(values)
		}
	}
	wk.ready = true
	return true
}

var errInitExit = errors.New("executor: Init called runtime.Goexit")

// callInit runs Init on a goroutine of its own, which it may end as it likes.
func callInit(init func(context.Context) (context.Context, error)) (values context.Context, err error) {
	ended := make(chan struct{})
	err = errInitExit
	go func() {
		defer close(ended)
		defer func() {
			if v := recover(); v != nil {
				err = &futures.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		values, err = init(context.Background())
	}()
	<-ended
	return values, err
}

// breakDown ends the pool's ability to run anything, once, and fails all that has
// not started.
func (p *pool) breakDown(cause error) {
	p.mu.Lock()
	if p.broken == nil {
		p.broken = cause
	}
	waiting := p.withdraw()
	p.mu.Unlock()
	for _, w := range waiting {
		w.fail(p.brokenFor(w))
		w.drop()
	}
}

// withdraw takes all tasks back that have not started.
func (p *pool) withdraw() []*work {
	p.watchdog.moved()
	waiting := p.queue.all()
	for _, w := range waiting {
		p.unqueue(w)
		w.phase = gone
	}
	for p.held.first != nil {
		w := p.held.first
		p.held.remove(w)
		w.phase = gone
		waiting = append(waiting, w)
	}
	p.checkEnded()
	return waiting
}
