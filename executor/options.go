package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"time"

	"flow/futures"
)

// PoolOption is an option of NewPool.
type PoolOption interface {
	applyPool(*poolOptions) error
}

// poolOptions is what the options of a pool amount to.
type poolOptions struct {
	name       string
	max        int
	maxBlocked int
	init       func(context.Context) (context.Context, error)
	limited    bool // the queue is
	limit      int
	whenFull   WhenFull
	idle       time.Duration // 0: for ever
	onPanic    PanicMode
	unobserved func(name string, err error) // nil: nobody is told
	stallAfter time.Duration
	onStall    func(Stall) // nil: nobody is told
}

func newPoolOptions(opts []PoolOption) (*poolOptions, error) {
	o := &poolOptions{max: runtime.GOMAXPROCS(0), maxBlocked: 100_000}
	for _, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("executor: NewPool: nil option")
		}
		if err := opt.applyPool(o); err != nil {
			return nil, fmt.Errorf("executor: NewPool: %w", err)
		}
	}
	return o, nil
}

type poolOption func(*poolOptions) error

func (f poolOption) applyPool(o *poolOptions) error { return f(o) }

// CommonOption is an option of every kind of pool.
type CommonOption struct {
	max  int
	name string
	set  func(CommonOption, *int, *string) error
}

func (c CommonOption) applyPool(o *poolOptions) error {
	if c.set == nil {
		return nil
	}
	return c.set(c, &o.max, &o.name)
}

// MaxWorkers limits how many tasks run at once; n is at least 1. The default is
// runtime.GOMAXPROCS(0), which heeds a container's limit.
func MaxWorkers(n int) CommonOption {
	return CommonOption{max: n, set: func(c CommonOption, max *int, _ *string) error {
		*max = c.max
		return checkWorkers(c.max)
	}}
}

func checkWorkers(n int) error {
	if n < 1 {
		return fmt.Errorf("MaxWorkers(%d): must be at least 1", n)
	}
	return nil
}

// NamePrefix names the pool. Its workers are called "s_1" and so on, and tasks
// without a name "s#1". The default is "pool-1", with a number of the process's own.
//
// The goroutines of a pool have the pprof labels "pool" and "worker". A task with a
// Name, and what it starts, has "task" as well, beside the labels of the context that
// it was submitted with; its own context has them all. That costs such a task 0.2 µs.
func NamePrefix(s string) CommonOption {
	return CommonOption{name: s, set: func(c CommonOption, _ *int, name *string) error {
		if c.name == "" {
			return fmt.Errorf("NamePrefix: must not be empty")
		}
		*name = c.name
		return nil
	}}
}

// Init has every worker call fn once, before its first task. The values of the
// context it returns are seen by the tasks on that worker, behind those of their
// own contexts. If fn fails or panics the pool breaks: what has not started, and
// what is submitted later, fails with a *BrokenError that Is the cause.
func Init(fn func(context.Context) (context.Context, error)) PoolOption {
	return poolOption(func(o *poolOptions) error {
		if fn == nil {
			return fmt.Errorf("Init: nil function")
		}
		o.init = fn
		return nil
	})
}

// WhenFull says what Submit does when the queue is full.
type WhenFull uint8

const (
	// Block has Submit wait for room, or until its context ends.
	Block WhenFull = iota
	// Reject has the future fail with ErrQueueFull.
	Reject
)

// QueueLimit limits how many tasks may be queued; n is at least 0. The default
// is no limit. Held tasks don't count, neither while held nor when they become
// ready. A task that blocks in Submit gives its own place back meanwhile.
func QueueLimit(n int, full WhenFull) PoolOption {
	return poolOption(func(o *poolOptions) error {
		if n < 0 {
			return fmt.Errorf("QueueLimit(%d): must not be negative", n)
		}
		if full > Reject {
			return fmt.Errorf("QueueLimit: unknown WhenFull(%d)", full)
		}
		o.limited, o.limit, o.whenFull = true, n, full
		return nil
	})
}

// IdleTimeout ends a worker that had nothing to do for d, which is more than 0.
// By default idle workers stay until the pool ends.
func IdleTimeout(d time.Duration) PoolOption {
	return poolOption(func(o *poolOptions) error {
		if d <= 0 {
			return fmt.Errorf("IdleTimeout(%s): must be positive", d)
		}
		o.idle = d
		return nil
	})
}

// MaxBlocked limits how many of the pool's tasks may wait at once with their
// places given back; n is at least 0. A wait above it fails with ErrSaturated.
// The default is 100,000.
func MaxBlocked(n int) PoolOption {
	return poolOption(func(o *poolOptions) error {
		if n < 0 {
			return fmt.Errorf("MaxBlocked(%d): must not be negative", n)
		}
		o.maxBlocked = n
		return nil
	})
}

// PanicMode says what a panic in a task does.
type PanicMode uint8

const (
	// Capture makes it the future's error, a *futures.PanicError.
	Capture PanicMode = iota
	// Crash lets it end the program, as without a pool.
	Crash
)

// OnPanic sets what a panic in a task does. The default is Capture.
func OnPanic(mode PanicMode) PoolOption {
	return poolOption(func(o *poolOptions) error {
		if mode > Crash {
			return fmt.Errorf("OnPanic: unknown PanicMode(%d)", mode)
		}
		o.onPanic = mode
		return nil
	})
}

// OnUnobserved has fn told of the tasks that fail without anybody ever looking at
// their error: fn is called with the task's name and error once the future, having
// become unreachable, is collected as garbage, so some time later or, at the end of
// a program, not at all. Tasks that the pool refuses have failed too; cancelled ones
// have not.
//
// Looking is Future.Result, Err or TryResult if they return the error, and Gather for
// the one that it returns. Waiting for the future, or being handed it by OnDone,
// AsCompleted, Wait or a Set, is not. An error that a dependent task (Then, After) or
// Flatten passes on is looked at with that future's; if nobody does, fn is told once,
// with the name of the task where it began.
//
// Each call is on a goroutine of its own; a panic in fn is logged. A failure costs two
// small allocations more, anything else nothing. An error that refers to its own future,
// or to the task's context, keeps that from being collected, and is not told of.
func OnUnobserved(fn func(name string, err error)) PoolOption {
	return poolOption(func(o *poolOptions) error {
		if fn == nil {
			return fmt.Errorf("OnUnobserved: nil function")
		}
		o.unobserved = fn
		return nil
	})
}

// TaskOption is an option of one task.
type TaskOption interface {
	applyTask(*taskOptions) error
}

// taskOptions is what the options of a task amount to.
type taskOptions struct {
	name     string
	priority int
	weight   int // 0: 1
	timeout  time.Duration
	detach   bool
	after    []futures.Any
	remote   *remoteOptions // of Call alone
	err      error
}

// remoteOptions are options that only a call in another process has.
type remoteOptions struct {
	args           string // as in a frame
	env            map[string]string
	stdout, stderr io.Writer
	timeout        time.Duration   // 0: none
	cause          error           // of its end by timeout
	grace          time.Duration   // 0: the pool's KillGrace
	kill           context.Context // nil: never
}

// remoteOption is an option of Call alone.
func remoteOption(set func(*remoteOptions)) TaskOption {
	return taskOption(func(o *taskOptions) error {
		if o.remote == nil {
			o.remote = new(remoteOptions)
		}
		set(o.remote)
		return nil
	})
}

var errRemoteOption = errors.New("executor: an option of Call: closures run in this process")

// newTaskOptions is apart from its callers so that a task without options
// allocates nothing for them.
func newTaskOptions(opts []TaskOption) taskOptions {
	o := new(taskOptions)
	for _, opt := range opts {
		err := errNilOption
		if opt != nil {
			err = opt.applyTask(o)
		}
		if err != nil && o.err == nil {
			o.err = fmt.Errorf("executor: task %q: %w", o.name, err)
		}
	}
	return *o
}

var errNilOption = errors.New("nil option")

type taskOption func(*taskOptions) error

func (f taskOption) applyTask(o *taskOptions) error { return f(o) }

// Name names the task, in errors, deadlocks, profiles and Shutdown's reports.
func Name(s string) TaskOption {
	return taskOption(func(o *taskOptions) error {
		o.name = s
		return nil
	})
}

// Priority puts the task before queued ones of a lower priority, and behind
// those of the same. The default is 0; n may be negative.
func Priority(n int) TaskOption {
	return taskOption(func(o *taskOptions) error {
		o.priority = n
		return nil
	})
}

// Timeout ends the task's context, and its future, d after its start. The error
// Is context.DeadlineExceeded. A function that does not return then is a stray:
// it no longer counts as running, though Shutdown still waits for it.
func Timeout(d time.Duration) TaskOption {
	return taskOption(func(o *taskOptions) error {
		if d <= 0 {
			return fmt.Errorf("Timeout(%s): must be positive", d)
		}
		o.timeout = d
		return nil
	})
}

// Weight makes the task take n of the pool's places; n is from 1 to MaxWorkers.
// At the head of the queue it waits for them and is not overtaken.
func Weight(n int) TaskOption {
	return taskOption(func(o *taskOptions) error {
		if n < 1 || n > math.MaxInt32 {
			return fmt.Errorf("Weight(%d): must be from 1 to MaxWorkers", n)
		}
		o.weight = n
		return nil
	})
}

// Detach has the task ignore the end of the context it is submitted with, once it
// is accepted: a Submit that blocks at a QueueLimit is given up with that context. It
// still sees the values.
func Detach() TaskOption {
	return taskOption(func(o *taskOptions) error {
		o.detach = true
		return nil
	})
}

// After holds the task until all of inputs are done: it takes no worker and no
// room in the queue. The first that fails or is cancelled fails the task, with a
// *futures.TaskError that names the input.
func After(inputs ...futures.Any) TaskOption {
	return taskOption(func(o *taskOptions) error {
		for i, f := range inputs {
			if futures.NodeOf(f) == nil {
				return fmt.Errorf("After: future %d is nil", i)
			}
		}
		o.after = slices.Concat(o.after, inputs)
		return nil
	})
}

// ShutdownOption is an option of Shutdown.
type ShutdownOption interface {
	applyShutdown(*shutdownOptions)
}

type shutdownOptions struct{ noWait, cancel, abort bool }

func newShutdownOptions(how []ShutdownOption) shutdownOptions {
	var o shutdownOptions
	for _, h := range how {
		if h != nil {
			h.applyShutdown(&o)
		}
	}
	return o
}

type shutdownOption func(*shutdownOptions)

func (f shutdownOption) applyShutdown(o *shutdownOptions) { f(o) }

// NoWait has Shutdown return at once. What was accepted still runs.
func NoWait() ShutdownOption {
	return shutdownOption(func(o *shutdownOptions) { o.noWait = true })
}

// CancelPending cancels the tasks that have not started, held ones included.
func CancelPending() ShutdownOption {
	return shutdownOption(func(o *shutdownOptions) { o.cancel = true })
}

// AbortRunning ends the contexts of running tasks with ErrShutdown as the cause.
// It implies CancelPending: else the next ones would start in their places.
func AbortRunning() ShutdownOption {
	return shutdownOption(func(o *shutdownOptions) { o.cancel, o.abort = true, true })
}
