package futures

import (
	"context"
	"fmt"

	"flow/internal/task"
)

// State is where a future is in its life.
type State uint8

// The states of a future. The last two are final.
const (
	Pending   State = iota // not started
	Running                // started; Cancel does nothing any more
	Cancelled              // ended before it started
	Finished               // ended with a value or an error
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Running:
		return "running"
	case Cancelled:
		return "cancelled"
	case Finished:
		return "finished"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Future is a value that will be known later. It is made by a promise or an
// executor, is safe for concurrent use and must not be copied. The zero value is
// pending for ever; a nil Future counts as failed.
type Future[T any] struct {
	node  task.Node
	value T // written before node is settled
}

// nilNode stands for the node of a nil future.
var nilNode = func() *task.Node {
	n := new(task.Node)
	n.InitDone("nil", errNilFuture)
	return n
}()

// core returns the future's untyped part.
func (f *Future[T]) core() *task.Node {
	if f == nil {
		return nilNode
	}
	return &f.node
}

// Result waits until the future is done and returns the task's value and error
// as they are; the error of a cancelled future Is ErrCancelled. If ctx ends
// first it returns a *WaitError, and the future goes on; a done future beats a
// done ctx. A wait that could never end fails with a *DeadlockError.
//
// Those who wait are woken before callbacks run.
func (f *Future[T]) Result(ctx context.Context) (T, error) {
	n := f.core()
	if !n.State().Done() {
		if err := await(ctx, n); err != nil {
			var zero T
			return zero, err
		}
	}
	return f.outcome(n)
}

// Err is Result without the value, and with two errors that Result can't tell
// apart: task is what the task returned; wait is why there is no answer, because
// ctx ended, the future was cancelled, or the wait would have been a deadlock.
func (f *Future[T]) Err(ctx context.Context) (task, wait error) {
	n := f.core()
	if !n.State().Done() {
		if err := await(ctx, n); err != nil {
			return nil, err
		}
	}
	if State(n.State()) == Cancelled {
		return nil, n.Err()
	}
	return n.Err(), nil
}

// TryResult returns what Result would if the future is done, and ok false if it
// is not. It never blocks and allocates nothing.
func (f *Future[T]) TryResult() (v T, err error, ok bool) {
	n := f.core()
	if !n.State().Done() {
		return v, nil, false
	}
	v, err = f.outcome(n)
	return v, err, true
}

// outcome reads a done future.
func (f *Future[T]) outcome(n *task.Node) (T, error) {
	if f == nil {
		var zero T
		return zero, n.Err()
	}
	return f.value, n.Err()
}

// await is the wait of one caller for one future.
func await(ctx context.Context, n *task.Node) error {
	if ctx == nil {
		return errNilContext
	}
	if err := n.Await(ctx); err != nil {
		return waitError(ctx, err, 1, 1)
	}
	return nil
}

// Done returns a channel that is closed when the future is done. It is for
// select; waiting on it is invisible to the deadlock detector and keeps a task's
// place occupied, which Result does not.
func (f *Future[T]) Done() <-chan struct{} { return f.core().Done() }

// State returns the present state.
func (f *Future[T]) State() State { return State(f.core().State()) }

// Name returns the task's name, which may be empty for a plain promise.
func (f *Future[T]) Name() string { return f.core().Name() }

// String returns name and state. It never shows the value, which may be a secret.
func (f *Future[T]) String() string { return describe(f.core()) }

// GoString keeps the value out of %#v as well.
func (f *Future[T]) GoString() string { return f.String() }

func describe(n *task.Node) string {
	return fmt.Sprintf("future %q (%s)", n.Name(), State(n.State()))
}

// Cancel ends a pending future, whose work will never start. It reports whether
// the future is cancelled, by this call or an earlier one; it does nothing to
// one that runs or is finished. Callbacks run before it returns.
func (f *Future[T]) Cancel() bool { return f.core().Cancel(ErrCancelled) }

// Abort cancels a pending future, with an error that Is ErrCancelled and the
// cause. It stops a running one by ending its task's context with the cause; the
// future then ends when the task returns. It reports whether there was anything
// to stop, or the future is cancelled already. The first cause stays.
func (f *Future[T]) Abort(cause error) bool { return f.core().Abort(cause) }

// Any is a future of any type. Only futures of this package implement it.
type Any interface {
	Done() <-chan struct{}
	State() State
	Name() string
	String() string
	Err(ctx context.Context) (task, wait error)
	Cancel() bool
	Abort(cause error) bool

	core() *task.Node
}

// Resolved returns a future that is finished with v.
func Resolved[T any](v T) *Future[T] {
	f := &Future[T]{value: v}
	f.node.InitDone("", nil)
	return f
}

// Failed returns a future that is finished with err, which must not be nil.
func Failed[T any](err error) *Future[T] {
	if err == nil {
		err = errNilFailure
	}
	f := new(Future[T])
	f.node.InitDone("", err)
	return f
}
