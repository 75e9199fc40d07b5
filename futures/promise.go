package futures

import (
	"context"
	"fmt"

	"flow/internal/task"
)

// Promise is the writing side of a future. It is kept once, by Set or Fail. It is
// safe for concurrent use and must not be copied.
//
// The order for whoever does the work is SetRunningOrNotifyCancel, the work, Set
// or Fail; a promise may also be kept without the first.
type Promise[T any] struct {
	future Future[T]
}

// NewPromise returns a pending promise. ctx says who owns it and nothing more:
// made with the context of a task, it fails with ErrAbandoned when that task
// ends without it being kept. Nobody owns one from context.Background().
func NewPromise[T any](ctx context.Context, name string) *Promise[T] {
	if ctx == nil {
		ctx = context.Background()
	}
	p := new(Promise[T])
	p.future.node.InitOwned(ctx, name)
	return p
}

// Future returns the reading side, always the same one.
func (p *Promise[T]) Future() *Future[T] { return &p.future }

// Context returns the context for the work behind the promise: it has the values
// of the one given to NewPromise, and ends when the future is aborted, with the
// cause, and when the promise is kept. Waits with it count as the promise's, so
// the deadlock detector sees through it.
func (p *Promise[T]) Context() context.Context { return p.future.node.Context() }

// SetRunningOrNotifyCancel says that the work starts now. If run is false the
// work must not start: the future was cancelled (err is nil), or it is running
// or finished already (err Is ErrInvalidState).
func (p *Promise[T]) SetRunningOrNotifyCancel() (run bool, err error) {
	switch was := p.future.node.Start(); was {
	case task.Pending:
		return true, nil
	case task.Cancelled:
		return false, nil
	default:
		return false, p.invalid(was)
	}
}

// Set keeps the promise with a value. The error Is ErrInvalidState if the future
// is done already; what it has stays. Callbacks run before Set returns.
func (p *Promise[T]) Set(v T) error {
	n := &p.future.node
	if was := n.Claim(); was.Done() {
		return p.invalid(was)
	}
	p.future.value = v
	n.Settle(nil)
	return nil
}

// Fail keeps the promise with an error, which must not be nil. Otherwise it is
// as Set.
func (p *Promise[T]) Fail(err error) error {
	if err == nil {
		return errNilFailure
	}
	if was := p.future.node.Fail(err); was.Done() {
		return p.invalid(was)
	}
	return nil
}

func (p *Promise[T]) invalid(was task.State) error {
	return fmt.Errorf("%w: future %q is %s", ErrInvalidState, p.future.Name(), State(was))
}

// String returns name and state, never the value.
func (p *Promise[T]) String() string { return p.future.String() }

// GoString keeps the value out of %#v as well.
func (p *Promise[T]) GoString() string { return p.String() }
