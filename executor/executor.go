package executor

import (
	"context"
	"errors"
	"runtime/debug"

	"flow/futures"
	"flow/internal/task"
)

// Executor runs Go functions. *Pool is one; only this package implements it.
type Executor interface {
	// Shutdown stops taking tasks and waits for those accepted. See Pool.Shutdown.
	Shutdown(ctx context.Context, how ...ShutdownOption) error
	// Stats returns a consistent picture of the present.
	Stats() Stats

	// accept takes over a task that is held until after is done, or settles it
	// with the reason why not.
	accept(ctx context.Context, w *work, after []futures.Any)
	// places returns how many tasks may run at once; 0: none is accepted any more.
	places() int
}

// Stats is a picture of an executor at one instant.
type Stats struct {
	Workers int // goroutines, busy and idle
	Running int // tasks that hold a place
	Queued  int // tasks that wait for a place to start
	Held    int // tasks that wait for their inputs
	Blocked int // tasks that gave their place back while they wait, or get it again
	Stray   int // functions that go on after their task's Timeout

	Done   int64 // tasks that ended with a value, ever
	Failed int64 // tasks that ended with an error after they were accepted, ever; cancelled ones are in neither
}

var (
	errNilContext  = errors.New("executor: nil context: use context.Background()")
	errNilExecutor = errors.New("executor: nil executor: make one with NewPool")
	errNilFunction = errors.New("executor: nil function")
)

// Submit has ex run fn and returns a future of what fn returns. It never fails:
// what is wrong, the future carries. It does not block, unless the queue is
// limited with Block.
//
// ctx governs the task. If it is done the task is cancelled and never runs; if it
// ends while the task is queued, the task is cancelled when its turn comes, if it
// is held at once; if it ends while fn runs, so does the context that fn has. That
// context has the values of ctx, and lives on after fn returns for as long as
// tasks that were submitted with it are unfinished.
//
// A panic in fn is the future's *futures.PanicError, runtime.Goexit its
// futures.ErrGoexit. A task without options costs one allocation.
func Submit[T any](ctx context.Context, ex Executor, fn func(context.Context) (T, error), opts ...TaskOption) *futures.Future[T] {
	var o taskOptions
	if len(opts) > 0 {
		o = newTaskOptions(opts)
	}
	return submit(ctx, ex, fn, &o)
}

func submit[T any](ctx context.Context, ex Executor, fn func(context.Context) (T, error), o *taskOptions) *futures.Future[T] {
	switch {
	case ctx == nil:
		return futures.Failed[T](errNilContext)
	case ex == nil:
		return futures.Failed[T](errNilExecutor)
	case fn == nil:
		return futures.Failed[T](errNilFunction)
	case o.err != nil:
		return futures.Failed[T](o.err)
	case o.remote != nil:
		return futures.Failed[T](errRemoteOption)
	}
	j := &job[T]{fn: fn}
	j.work.job = j
	j.work.node = j.promise.Bind(ctx, o.name, &j.work, o.detach)
	j.work.weight, j.work.detached = int32(max(o.weight, 1)), o.detach
	if o.timeout > 0 || o.priority != 0 {
		j.work.few = &few{timeout: o.timeout, priority: o.priority}
	}
	ex.accept(ctx, &j.work, o.after)
	return j.promise.Future()
}

// runner is the typed part of a task, as the pool sees it.
type runner interface {
	// call runs the function and settles the future. It ends its goroutine if
	// the function did.
	call(ctx context.Context)
	// drop forgets the function.
	drop()
}

// job is one task: everything about it in one allocation.
type job[T any] struct {
	work    work
	promise futures.Promise[T]
	fn      func(context.Context) (T, error)
}

func (j *job[T]) drop() { j.fn = nil }

func (j *job[T]) call(ctx context.Context) {
	returned := false
	defer func() {
		if !returned {
			j.died(recover())
		}
	}()
	v, err := j.fn(ctx)
	returned = true
	j.fn = nil
	// Keeping the promise fails only if a timeout has ended it: then that stays.
	if err != nil {
		j.work.fail(err)
	} else {
		_ = j.promise.Set(v)
	}
}

// died settles a task whose function did not return. It runs before the stack of
// a panic is unwound.
func (j *job[T]) died(panicked any) {
	j.fn = nil
	err := futures.ErrGoexit
	if panicked != nil {
		if j.work.pool.options.onPanic == Crash {
			panic(panicked)
		}
		err = &futures.PanicError{Value: panicked, Stack: debug.Stack()}
	}
	j.work.fail(err)
}

// Then runs fn with f's value once f is done, as a task of ex. Until then it is
// held and takes no worker. If f fails or is cancelled, fn does not run and the
// task fails with a *futures.TaskError that names f. Otherwise it is as Submit.
func Then[T, U any](ctx context.Context, ex Executor, f *futures.Future[T], fn func(context.Context, T) (U, error), opts ...TaskOption) *futures.Future[U] {
	if fn == nil {
		return futures.Failed[U](errNilFunction)
	}
	o := newTaskOptions(opts)
	if err := After(f).(taskOption)(&o); err != nil && o.err == nil {
		o.err = errors.New("executor: Then: nil future")
	}
	return submit(ctx, ex, func(ctx context.Context) (U, error) {
		v, _, _ := f.TryResult()
		return fn(ctx, v)
	}, &o)
}

// Blocking runs fn, which blocks on something that the pool can't know, and gives
// the calling task's place back meanwhile. ctx is the task's; with one of no task
// it just calls fn. It fails with ErrSaturated, without calling fn, above the
// pool's MaxBlocked. It does not end fn when ctx does.
func Blocking[T any](ctx context.Context, fn func() (T, error)) (T, error) {
	var zero T
	switch {
	case ctx == nil:
		return zero, errNilContext
	case fn == nil:
		return zero, errNilFunction
	}
	if self := task.From(ctx); self != nil && self.Host() != nil {
		if err := self.Host().Leave(nil); err != nil {
			return zero, err
		}
		defer self.Host().Return(ctx)
	}
	return fn()
}
