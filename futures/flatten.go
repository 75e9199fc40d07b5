package futures

import (
	"context"

	"flow/internal/task"
)

// Flatten returns a future of what f's future will be. It fails as f does, or as
// the inner one does, and with a *DeadlockError if the inner one waits for it.
// Cancelling it leaves f and the inner one alone.
func Flatten[T any](f *Future[*Future[T]]) *Future[T] {
	fl := &flat[T]{outer: f}
	n := &fl.promise.future.node
	n.InitOwned(context.Background(), "flatten("+f.Name()+")")
	fl.watch.To = fl
	n.WaitFor(false, f.core())
	if !f.core().Watch(&fl.watch) {
		fl.Notify(&fl.watch)
	}
	return fl.promise.Future()
}

// flat listens to the outer future, and then to the inner one.
type flat[T any] struct {
	promise Promise[T]
	watch   task.Watch
	outer   *Future[*Future[T]] // nil: done
	inner   *Future[T]
}

// Notify takes the news that the one listened to is done. The promise may have
// been cancelled meanwhile, which keeping it then finds out by itself.
func (fl *flat[T]) Notify(*task.Watch) {
	if fl.outer == nil {
		fl.settle(fl.inner)
		return
	}
	outer := fl.outer
	fl.outer = nil
	if outer.core().Failed() {
		fl.end(outer.core())
		return
	}
	inner := outer.value
	fl.inner = inner
	n := &fl.promise.future.node
	if cycle := n.WaitFor(false, inner.core()); cycle != nil {
		n.Fail(&DeadlockError{Cycle: cycle})
		return
	}
	if !inner.core().Watch(&fl.watch) {
		fl.settle(inner)
	}
}

// settle gives the flat future the inner one's outcome.
func (fl *flat[T]) settle(inner *Future[T]) {
	if inner.core().Failed() {
		fl.end(inner.core())
		return
	}
	n := &fl.promise.future.node
	if n.Claim().Done() {
		return
	}
	fl.promise.future.value = inner.value
	n.Settle(nil)
}

// end gives the flat future the end of one that has no value.
func (fl *flat[T]) end(n *task.Node) {
	own := &fl.promise.future.node
	if n.State() == task.Cancelled {
		own.Cancel(n.Err())
		return
	}
	own.FailBy(n, n.Unlooked())
}
