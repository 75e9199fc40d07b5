//go:build unix

package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"flow/internal/wire"
)

const sigKill = syscall.SIGKILL

func isEPIPE(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, fs.ErrClosed) }

// ProcessPool runs named functions in worker processes, at most MaxWorkers at once and
// one at a time in each. [Call] submits one. It is no Executor: closures don't travel,
// names do. Make one with NewProcessPool. It is safe for concurrent use and must not be
// copied.
//
// A worker is started when a task finds no idle one; of several idle ones the last used
// is taken. Workers stay warm until the pool ends. A worker that dies fails its own task
// alone; another one takes its place.
type ProcessPool struct {
	*processPool
}

var errNoProcessPool = errors.New("executor: process pool was not made with NewProcessPool")

// NewProcessPool returns a pool that has started nothing yet; Self, Python, Node or
// Command says what its workers are. It fails for an option that makes no sense.
func NewProcessPool(opts ...ProcessOption) (*ProcessPool, error) {
	o, err := newProcessOptions(opts)
	if err != nil {
		return nil, err
	}
	with := []PoolOption{MaxWorkers(o.max)}
	if o.name != "" {
		with = append(with, NamePrefix(o.name))
	}
	tasks, err := NewPool(with...)
	if err != nil {
		return nil, err
	}
	inner := &processPool{tasks: tasks, pool: tasks.pool, options: *o, launcher: o.launcher,
		workers: make(map[*remoteWorker]struct{}), over: make(chan struct{})}
	inner.free.L = &inner.mu
	if inner.launcher == nil {
		inner.launcher = new(Launcher)
	}
	p := &ProcessPool{inner}
	runtime.AddCleanup(p, func(inner *processPool) { inner.wind(shutdownOptions{}) }, inner)
	return p, nil
}

// processPool is what the tasks of a ProcessPool share. Each of its tasks runs on a
// goroutine of a Pool, which decides who is next, and takes a worker process meanwhile.
type processPool struct {
	tasks    *Pool
	pool     *pool // of tasks
	options  processOptions
	launcher *Launcher
	winding  sync.Once
	over     chan struct{} // closed when all has ended

	mu      sync.Mutex
	free    sync.Cond                  // told when a worker has gone
	workers map[*remoteWorker]struct{} // that have been started and not collected
	idle    []*remoteWorker            // last used last
	unfit   int                        // of workers: those that were told to end
	hired   int
	spoken  string // the language of the workers
	started int    // workers that were about to be started and are not in workers yet
	crashes int    // in a row, without a task that was done
	starts  int    // in a row, that became no worker
	broken  error  // what broke the pool, by BreakPool
	closing error  // why no worker is started any more
	killing bool   // what is started nevertheless is killed
}

// The breaker: so many failed starts in a row, or deaths in the middle of a task, break
// the pool. Before each start that follows a second failure it waits, twice as long each
// time.
const (
	maxStarts  = 3
	maxCrashes = 20
	firstPause = 10 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

func (p *processPool) environment() []string {
	env := p.options.environ
	if env == nil {
		env = os.Environ()
	}
	env = append(slices.Clip(env), fmt.Sprintf("%s=%d", wire.Marker, wire.Protocol))
	for _, name := range slices.Sorted(maps.Keys(p.options.env)) {
		env = append(env, name+"="+p.options.env[name])
	}
	return env
}

// take returns an idle worker or a new one. What one prints while it starts is the
// call's.
func (p *processPool) take(ctx context.Context, c *remoteCall) (*remoteWorker, error) {
	for failures := 0; ; failures++ {
		w, err := p.reserve(ctx)
		if w != nil || err != nil {
			return w, err
		}
		w, err = p.hire(ctx, c)
		if err == nil || ctx.Err() != nil {
			return w, err
		}
		if err = p.judge(err, failures+1); err != nil {
			return nil, err
		}
	}
}

// reserve returns an idle worker. nil: there is room for a new one, which is counted as
// started.
func (p *processPool) reserve(ctx context.Context) (*remoteWorker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for waits := false; ; {
		if err := cmp.Or(p.broken, p.closing, context.Cause(ctx)); err != nil {
			return nil, err
		}
		if last := len(p.idle) - 1; last >= 0 {
			w := p.idle[last]
			p.idle[last] = nil
			p.idle = p.idle[:last]
			return w, nil
		}
		if len(p.workers)-p.unfit+p.started < p.options.max {
			p.started++
			return nil, nil
		}
		if !waits { // for one that is recycled, and not gone yet
			waits = true
			defer context.AfterFunc(ctx, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.free.Broadcast()
			})()
		}
		p.free.Wait()
	}
}

// hire starts a worker, after a pause if others have failed. If ctx ends meanwhile the
// worker goes on to start, for whoever comes next.
func (p *processPool) hire(ctx context.Context, c *remoteCall) (*remoteWorker, error) {
	p.mu.Lock()
	p.hired++
	name := fmt.Sprintf("%s_%d", p.pool.name, p.hired)
	failures := max(p.starts, p.crashes)
	p.mu.Unlock()
	w, err := p.start(ctx, c, name, failures)
	if err != nil {
		return nil, err
	}
	greeted := make(chan error, 1)
	go func() { greeted <- p.greet(w) }()
	select {
	case err := <-greeted:
		w.lead(nil)
		return w, err
	case <-ctx.Done():
	}
	w.lead(nil)
	go func() {
		if <-greeted == nil {
			p.shelve(w)
		}
	}()
	return nil, context.Cause(ctx)
}

// greet waits until a worker is ready. A failed initialiser breaks the pool.
func (p *processPool) greet(w *remoteWorker) error {
	err := w.greet()
	p.mu.Lock()
	w.greeting = false
	if err == nil {
		p.starts, p.spoken = 0, w.hello.Lang
	}
	p.mu.Unlock()
	if err == nil {
		return nil
	}
	w.stop(errWorkerClosed)
	if _, ok := errors.AsType[*RemoteError](err); ok {
		return p.breakPool(err)
	}
	return err
}

// lang is the language of the workers.
func (p *processPool) lang() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spoken
}

// retire notes that a worker is about to be told to end: it is not counted any more.
func (p *processPool) retire(w *remoteWorker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.workers[w]; known && !w.unfit {
		w.unfit = true
		p.unfit++
		p.free.Broadcast()
	}
}

func (p *processPool) start(ctx context.Context, c *remoteCall, name string, failures int) (*remoteWorker, error) {
	var w *remoteWorker
	err := pause(ctx, failures)
	if err == nil {
		w, err = p.launch(name, c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started--
	if err != nil {
		p.free.Broadcast()
		return nil, err
	}
	select {
	case <-w.ended: // already
	default:
		p.workers[w] = struct{}{}
		w.greeting = true
	}
	if p.closing != nil { // meanwhile
		w.stop(p.closing)
		if p.killing {
			w.kill()
		}
	}
	return w, nil
}

// pause waits before a start that follows others that failed.
func pause(ctx context.Context, failures int) error {
	if failures < 2 {
		return ctx.Err()
	}
	timer := time.NewTimer(min(firstPause<<min(failures-2, 10), lastPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// judge notes the start that failed for a task for so many times, and returns why there
// is no point in another one. As long as some worker lives there is: the task gets that.
func (p *processPool) judge(err error, failures int) error {
	if errors.Is(err, ErrBrokenPool) || errors.Is(err, ErrShutdown) {
		return err
	}
	if _, ok := errors.AsType[*RemoteError](err); ok {
		return err
	}
	p.mu.Lock()
	p.starts++
	alive := len(p.workers) > p.unfit
	p.mu.Unlock()
	never := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
	if alive || failures < maxStarts && !never {
		return nil
	}
	return p.breakPool(&startsError{p.options.runtime, err})
}

// startsError says that no worker could be started.
type startsError struct {
	runtime Runtime
	err     error // of the last
}

func (e *startsError) Error() string {
	if start, ok := errors.AsType[*StartError](e.err); ok {
		return fmt.Sprintf("%s can't be started: %v", start.Path, start.Err)
	}
	return fmt.Sprintf("no worker could be started with %s (%s): %s", e.runtime.name, e.runtime.hint, strings.TrimPrefix(e.err.Error(), "executor: "))
}

func (e *startsError) Unwrap() error { return e.err }

// breakPool ends the pool's ability to run anything. It returns the cause.
func (p *processPool) breakPool(cause error) error {
	p.mu.Lock()
	if p.broken == nil {
		p.broken = cause
	}
	p.mu.Unlock()
	p.pool.breakDown(cause)
	return cause
}

// gone takes a worker out that has ended.
func (p *processPool) gone(w *remoteWorker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.workers[w]; known && w.unfit {
		p.unfit--
	}
	delete(p.workers, w)
	if i := slices.Index(p.idle, w); i >= 0 { // it died of itself: the next task gets another
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.free.Broadcast()
}

// put gives a worker back that has done a task.
func (p *processPool) put(w *remoteWorker) {
	w.tasks++
	worn := p.options.perTask > 0 && w.tasks >= p.options.perTask
	if !worn && p.options.maxRSS > 0 {
		rss, err := residentMemory(w.pid)
		worn = err == nil && rss > p.options.maxRSS
	}
	p.mu.Lock()
	p.crashes = 0
	if w.unfit { // it was given up, and has come back in time
		w.unfit = false
		p.unfit--
	}
	worn = worn || len(p.workers)-p.unfit > p.options.max
	p.mu.Unlock()
	if worn {
		w.release()
		return
	}
	p.shelve(w)
}

// shelve makes a worker idle that is ready, unless nobody will need it.
func (p *processPool) shelve(w *remoteWorker) {
	p.mu.Lock()
	ended := p.closing != nil
	select {
	case <-w.ended:
		ended = true
	default:
	}
	if !ended {
		p.idle = append(p.idle, w)
		p.free.Signal()
	}
	p.mu.Unlock()
	if ended {
		w.release()
	}
}

// crashed notes the death of a worker in the middle of a task, and returns the error of
// that task.
func (p *processPool) crashed(e *BrokenError) error {
	before := p.count(e)
	switch {
	case p.options.onDeath != BreakPool:
		return e
	case before != nil: // it was ended because another has died
		return &BrokenError{Pool: p.pool.name, Task: e.Task, Cause: before, pool: true}
	}
	_ = p.breakPool(e)
	p.endAll(e)
	own := *e
	own.pool = true
	return &own
}

// count counts one more worker that died, and breaks the pool where too many have. It
// returns what had broken the pool before.
func (p *processPool) count(e *BrokenError) (before error) {
	p.mu.Lock()
	p.crashes++
	before = p.broken
	tooMany := p.crashes == maxCrashes
	p.mu.Unlock()
	if tooMany {
		_ = p.breakPool(fmt.Errorf("%d workers have died in a row: %w", maxCrashes, e))
	}
	return before
}

// endAll tells all workers to end, and that none is started any more.
func (p *processPool) endAll(cause error) []*remoteWorker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing == nil {
		p.closing = cause
	}
	p.idle = nil
	p.free.Broadcast()
	all := slices.Collect(maps.Keys(p.workers))
	for _, w := range all {
		w.stop(cause)
	}
	return all
}

// Shutdown ends the pool as [Pool.Shutdown] does a Pool, and then its workers: an idle
// one sees the end of its pipe, and gets SIGTERM after KillGrace and SIGKILL after that
// once more. AbortRunning ends the workers that are at a task.
func (p *ProcessPool) Shutdown(ctx context.Context, how ...ShutdownOption) error {
	if p == nil || p.processPool == nil {
		return errNoProcessPool
	}
	if ctx == nil {
		return errNilContext
	}
	o := newShutdownOptions(how)
	p.wind(o)
	if o.noWait {
		return nil
	}
	if err := p.pool.join(ctx); err != nil {
		return err
	}
	select {
	case <-p.over:
		return nil
	case <-ctx.Done():
		return newShutdownError(ctx, p.pool)
	}
}

// wind begins the end: of the tasks now, of the workers after them.
func (p *processPool) wind(o shutdownOptions) {
	p.pool.stop(o)
	p.winding.Do(func() {
		go func() {
			<-p.pool.ended
			p.mu.Lock()
			if p.closing == nil {
				p.closing = ErrShutdown
			}
			idle := p.idle
			p.idle = nil
			for w := range p.workers {
				if w.greeting { // nobody waits for it
					w.stop(ErrShutdown)
				}
			}
			p.mu.Unlock()
			for _, w := range idle {
				w.release()
			}
			p.mu.Lock()
			for len(p.workers)+p.started > 0 {
				p.free.Wait()
			}
			p.mu.Unlock()
			if p.options.launcher == nil {
				p.launcher.Close()
			}
			close(p.over)
		}()
	})
}

// Close is Shutdown without a limit, for defer.
func (p *ProcessPool) Close() error { return p.Shutdown(context.Background()) }

// Terminate ends the pool and what it runs: pending tasks are cancelled, the groups of
// the workers get SIGTERM, and SIGKILL once ctx has ended or KillGrace has passed. It
// returns when they are gone. Tasks that ran fail with an error that Is ErrShutdown.
// Called by a callback of a task of the pool, which it would wait for, it fails with a
// *futures.DeadlockError; the pool ends nevertheless.
func (p *ProcessPool) Terminate(ctx context.Context) error {
	if p == nil || p.processPool == nil {
		return errNoProcessPool
	}
	if ctx == nil {
		return errNilContext
	}
	p.wind(shutdownOptions{cancel: true})
	all := p.endAll(ErrShutdown)
	kill := func() {
		p.mu.Lock()
		p.killing = true
		p.mu.Unlock()
		for _, w := range all {
			w.kill()
		}
	}
	defer context.AfterFunc(ctx, kill)()
	if err := p.pool.inside(ctx); err != nil {
		return err
	}
	<-p.over
	return nil
}

// Kill is Terminate with SIGKILL at once.
func (p *ProcessPool) Kill() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return p.Terminate(ctx)
}

// Stats is that of [Pool.Stats]; its Workers are processes.
func (p *ProcessPool) Stats() Stats {
	if p == nil || p.processPool == nil {
		return Stats{}
	}
	s := p.tasks.Stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Workers = len(p.workers)
	return s
}

// String returns the pool's name.
func (p *ProcessPool) String() string {
	if p == nil || p.processPool == nil {
		return "process pool(nil)"
	}
	return p.pool.name
}
