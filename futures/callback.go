package futures

import (
	"log/slog"
	"runtime/debug"

	"flow/internal/task"
)

// OnDone has fn called when the future is done: on the goroutine that ends it,
// after those who wait were woken, in the order of adding; or at once, on the
// caller's, if it is done already. A slow fn therefore holds up a worker. What
// it panics with is logged and harms nobody else.
//
// stop removes fn and reports whether that was in time: false means that fn has
// been called or is about to be.
func (f *Future[T]) OnDone(fn func(*Future[T])) (stop func() bool) {
	c := &callback[T]{future: f, fn: fn}
	c.watch.To, c.watch.Late = c, true
	n := f.core()
	if fn == nil {
		return func() bool { return false }
	}
	if !n.Watch(&c.watch) {
		c.Notify(&c.watch)
		return func() bool { return false }
	}
	return func() bool { return n.Unwatch(&c.watch) }
}

type callback[T any] struct {
	watch  task.Watch
	future *Future[T]
	fn     func(*Future[T])
}

// Notify runs the callback. Its panic ends here.
func (c *callback[T]) Notify(*task.Watch) {
	f, fn := c.future, c.fn
	c.future, c.fn = nil, nil
	defer func() {
		if v := recover(); v != nil {
			slog.Error("futures: callback panicked", "future", f.Name(), "panic", v, "stack", string(debug.Stack()))
		}
	}()
	fn(f)
}
