package executor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"

	"flow/futures"
	"flow/internal/task"
)

// MapOption is an option of Map.
type MapOption interface {
	applyMap(*mapOptions) error
}

type mapOptions struct {
	buffer int // items; 0: twice the workers
	chunk  int
	abort  bool
}

type mapOption func(*mapOptions) error

func (f mapOption) applyMap(o *mapOptions) error { return f(o) }

// Buffer limits how many items are submitted and not yet yielded; n is at least 1. The
// default is twice the pool's workers.
func Buffer(n int) MapOption {
	return mapOption(func(o *mapOptions) error {
		if n < 1 {
			return fmt.Errorf("Buffer(%d): must be at least 1", n)
		}
		o.buffer = n
		return nil
	})
}

// Chunk makes one task of n items, for items that take no longer than it takes to
// submit a task; n is at least 1, and no more than Buffer counts. Each item has a
// result of its own all the same.
func Chunk(n int) MapOption {
	return mapOption(func(o *mapOptions) error {
		if n < 1 {
			return fmt.Errorf("Chunk(%d): must be at least 1", n)
		}
		o.chunk = n
		return nil
	})
}

// AbortOnBreak has a loop that is left early end the contexts of the items at work as
// well; without it they run to their end.
func AbortOnBreak() MapOption {
	return mapOption(func(o *mapOptions) error {
		o.abort = true
		return nil
	})
}

var (
	errNilInput = errors.New("executor: Map: nil input")
	errLeft     = errors.New("executor: Map: the loop over the results was left")
)

// Map has ex call fn for each item of in, and returns what it returns, in the order of
// the items. A failed item is a pair with its error, after which the results go on;
// leaving the loop cancels what has not started.
//
// As many items as Buffer says are submitted before Map returns, so in may have no end
// and a Map that nobody ranges over has started nevertheless. The next item is taken
// once the result before it has been taken.
//
// If ctx ends, a last pair has a *futures.WaitError and the rest is cancelled; a result
// that is there comes before that. If the pool shuts down, what was accepted comes,
// then a pair with ErrShutdown. A bad option is one pair with its error.
//
// The sequence is good for one loop: a second one goes on where the first ended, by
// then mostly at the end. It costs a task for each Chunk items.
func Map[In, Out any](ctx context.Context, ex Executor, fn func(context.Context, In) (Out, error), in iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	m := &mapping[In, Out]{ctx: ctx}
	switch {
	case ctx == nil:
		return m.start(in, opts, errNilContext)
	case ex == nil:
		return m.start(in, opts, errNilExecutor)
	case fn == nil:
		return m.start(in, opts, errNilFunction)
	}
	m.places = ex.places
	m.one = func(item In) *futures.Future[Out] {
		return Submit(ctx, ex, func(ctx context.Context) (Out, error) { return fn(ctx, item) })
	}
	m.several = func(batch []In) *futures.Future[[]outcome[Out]] {
		return Submit(ctx, ex, func(ctx context.Context) ([]outcome[Out], error) { return inTurn(ctx, fn, batch), nil })
	}
	return m.start(in, opts, nil)
}

// start submits the first items. err is what is wrong already.
func (m *mapping[In, Out]) start(in iter.Seq[In], opts []MapOption, err error) iter.Seq2[Out, error] {
	if err == nil && m.ctx == nil {
		err = errNilContext
	}
	if err == nil && in == nil {
		err = errNilInput
	}
	o := mapOptions{chunk: 1}
	for _, opt := range opts {
		bad := errNilOption
		if opt != nil {
			bad = opt.applyMap(&o)
		}
		if bad != nil && err == nil {
			err = fmt.Errorf("executor: Map: %w", bad)
		}
	}
	if err != nil {
		return func(yield func(Out, error) bool) {
			var zero Out
			yield(zero, err)
		}
	}
	if o.buffer == 0 {
		o.buffer = max(2*m.places(), o.chunk)
	}
	o.chunk = min(o.chunk, o.buffer)
	m.options = o
	m.next, m.stop = iter.Pull(in)
	done := false
	defer func() {
		if !done { // in has panicked
			m.leave()
		}
	}()
	m.fill()
	done = true
	results := &results[In, Out]{m}
	// Nobody else ends an input that has no end if nobody ranges over the results.
	runtime.AddCleanup(results, func(stop func()) { stop() }, m.stop)
	return results.all
}

// results is what the caller of Map has.
type results[In, Out any] struct{ *mapping[In, Out] }

func (r *results[In, Out]) all(yield func(Out, error) bool) {
	r.mapping.all(yield)
	runtime.KeepAlive(r)
}

// mapping is the state of one Map.
type mapping[In, Out any] struct {
	ctx     context.Context
	places  func() int                                 // of the pool; 0: it takes no more
	one     func(In) *futures.Future[Out]              // submits one item
	several func([]In) *futures.Future[[]outcome[Out]] // submits a chunk
	options mapOptions
	next    func() (In, bool)
	stop    func()
	over    bool // nothing more is taken from the input

	tasks []*piece[Out] // submitted, not yielded as a whole; oldest first
	items int           // in tasks, less those yielded
	total int           // ever submitted
}

// piece is one task of a Map.
type piece[Out any] struct {
	one     *futures.Future[Out] // of one item
	several *futures.Future[[]outcome[Out]]
	items   int
	taken   int
}

func (p *piece[Out]) any() futures.Any {
	if p.one != nil {
		return p.one
	}
	return p.several
}

// outcome is what became of an item of a chunk.
type outcome[Out any] struct {
	value Out
	err   error
}

// fill submits as many items as there is room for.
func (m *mapping[In, Out]) fill() {
	for !m.over && m.ctx.Err() == nil && m.items+m.options.chunk <= m.options.buffer {
		batch := make([]In, 0, m.options.chunk)
		for len(batch) < cap(batch) {
			item, ok := m.next()
			if !ok {
				m.end()
				break
			}
			batch = append(batch, item)
		}
		if len(batch) > 0 {
			m.submit(batch)
		}
	}
}

// end lets go of the input.
func (m *mapping[In, Out]) end() {
	m.over = true
	m.stop()
}

func (m *mapping[In, Out]) submit(batch []In) {
	p := &piece[Out]{items: len(batch)}
	var err error
	if len(batch) == 1 {
		p.one = m.one(batch[0])
		_, err, _ = p.one.TryResult()
	} else {
		p.several = m.several(batch)
		_, err, _ = p.several.TryResult()
	}
	if errors.Is(err, ErrShutdown) && m.places() == 0 { // and not fn's own error
		p.items = 1 // one error for all that can't be done
		m.end()
	}
	m.tasks = append(m.tasks, p)
	m.items += p.items
	m.total += p.items
}

// inTurn calls fn for the items of a chunk. None takes the others with it.
func inTurn[In, Out any](ctx context.Context, fn func(context.Context, In) (Out, error), batch []In) []outcome[Out] {
	out := make([]outcome[Out], len(batch))
	for i := range out {
		if ctx.Err() != nil {
			out[i].err = context.Cause(ctx)
			continue
		}
		call(ctx, &out[i], fn, batch[i])
		var none In
		batch[i] = none
	}
	return out
}

// call is fn, with a panic as its error. runtime.Goexit ends the task, and so the
// whole chunk.
func call[In, Out any](ctx context.Context, o *outcome[Out], fn func(context.Context, In) (Out, error), item In) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			if crashes(ctx) {
				panic(p)
			}
			o.err = &futures.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	o.value, o.err = fn(ctx, item)
	returned = true
}

// crashes reports whether a panic is to end the program.
func crashes(ctx context.Context) bool {
	self := task.From(ctx)
	if self == nil {
		return false
	}
	w, ok := self.Host().(*work)
	return ok && w.pool.options.onPanic == Crash
}

// all is the sequence.
func (m *mapping[In, Out]) all(yield func(Out, error) bool) {
	ended := false
	defer func() {
		if !ended {
			m.leave()
		}
	}()
	for len(m.tasks) > 0 {
		p := m.tasks[0]
		v, err, waited := p.take(m.ctx)
		if !waited {
			m.cut(err, yield)
			return
		}
		m.items--
		if p.taken++; p.taken == p.items {
			m.tasks[0] = nil // the result is the caller's alone
			m.tasks = m.tasks[1:]
		}
		if !yield(v, err) {
			return
		}
		m.fill()
	}
	if !m.over {
		m.cut(nil, yield)
	}
	ended = true
}

// cut ends the results with why nothing more can be waited for.
func (m *mapping[In, Out]) cut(err error, yield func(Out, error) bool) {
	if m.ctx.Err() != nil {
		unfinished := 0
		for _, p := range m.tasks {
			if p.any().State() < futures.Cancelled {
				unfinished += p.items - p.taken
			}
		}
		err = futures.AsWaitError(m.ctx, task.ErrLeft, unfinished, m.total)
	}
	m.leave()
	var zero Out
	yield(zero, err)
}

// take waits for the next result of a piece. waited is false where err is why it can't
// be waited for.
func (p *piece[Out]) take(ctx context.Context) (v Out, err error, waited bool) {
	_, waitErr := p.any().Err(ctx)
	if waitErr != nil && (p.any().State() < futures.Cancelled || ctx.Err() != nil) {
		return v, waitErr, false
	}
	if p.one != nil {
		v, err, _ = p.one.TryResult()
		return v, err, true
	}
	all, err, _ := p.several.TryResult()
	if err != nil {
		return v, err, true
	}
	o := &all[p.taken]
	v, err = o.value, o.err
	*o = outcome[Out]{}
	return v, err, true
}

// leave cancels what is left, or aborts it.
func (m *mapping[In, Out]) leave() {
	m.end()
	for _, p := range m.tasks {
		p.any().Cancel() // all, before an aborted one makes room for the next
	}
	if m.options.abort {
		for _, p := range m.tasks {
			p.any().Abort(errLeft)
		}
	}
	m.tasks, m.items = nil, 0
}
