package futures

import (
	"context"

	"flow/internal/task"
)

// This file is the seam to the module's executors. It names internal types, so
// nobody outside the module can use it.

// Bind prepares a zero promise, usually a field of something larger, for a task
// of a pool: its context derives from parent, whose end it ignores if detached,
// and the pool's side of it is host. It is called before the promise is shared.
func (p *Promise[T]) Bind(parent context.Context, name string, host task.Host, detached bool) *task.Node {
	p.future.node.Init(parent, name, host, detached)
	return &p.future.node
}

// NodeOf returns the untyped part of a future, or nil for a nil one.
func NodeOf(f Any) *task.Node {
	if f == nil {
		return nil
	}
	if n := f.core(); n != nilNode {
		return n
	}
	return nil
}

// AsWaitError turns an error of package task's waits into one of this package,
// for a wait of total futures with unfinished ones.
func AsWaitError(ctx context.Context, err error, unfinished, total int) error {
	return waitError(ctx, err, unfinished, total)
}
