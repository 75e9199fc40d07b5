package task

import (
	"context"
	"time"
)

// Context is the context of a node's task: it says which task that is. It is the
// node itself under another set of methods, so that a task costs no allocation
// for it; the part that can be cancelled is made when somebody asks for it.
//
// It is done when its parent is, when the task is aborted or runs out of time,
// and when the task and all that was submitted with it have ended. (Ending it
// with the task alone would cancel the tasks that it started and did not wait
// for; never ending it would leak its registration with the parent.)
type Context Node

// inner is a context from the standard library with its cancel function.
type inner struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// key is what a Context answers with its node.
type key struct{}

// Context returns the context of the node's task.
func (n *Node) Context() context.Context { return (*Context)(n) }

// From returns the task that ctx belongs to, or nil.
func From(ctx context.Context) *Node {
	if c, ok := ctx.(*Context); ok {
		return (*Node)(c)
	}
	n, _ := ctx.Value(key{}).(*Node)
	return n
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	n := (*Node)(c)
	if in := n.inner.Load(); in != nil {
		return in.ctx.Deadline()
	}
	return n.base().Deadline()
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return (*Node)(c).cancellable().ctx.Done() }

// Err implements context.Context.
func (c *Context) Err() error {
	n := (*Node)(c)
	if in := n.inner.Load(); in != nil {
		return in.ctx.Err()
	}
	if err := n.base().Err(); err != nil {
		return err
	}
	if n.refs.Load() < 0 {
		return context.Canceled
	}
	return nil
}

// Value implements context.Context. The worker's values stand behind those of
// the context that the task was submitted with.
func (c *Context) Value(k any) any {
	n := (*Node)(c)
	if k == (key{}) {
		return n
	}
	base := n.base()
	if in := n.inner.Load(); in != nil {
		base = in.ctx
	}
	if v := base.Value(k); v != nil || n.host == nil {
		return v
	}
	return n.host.Value(k)
}

// String names the context in what package context prints.
func (c *Context) String() string { return "task(" + (*Node)(c).Name() + ")" }

// Limit gives the task's context a deadline d from now, which ends it with the
// cause. It is called once, by who runs the task, before the task starts. The
// caller learns of the deadline by the context's Done.
func (n *Node) Limit(d time.Duration, cause error) {
	limited, stop := context.WithTimeoutCause(n.base(), d, cause)
	ctx, cancel := context.WithCancelCause(limited)
	in := &inner{ctx, func(cause error) { cancel(cause); stop() }}
	for {
		old := n.inner.Load()
		if n.inner.CompareAndSwap(old, in) {
			if old != nil {
				context.AfterFunc(old.ctx, func() { in.cancel(context.Cause(old.ctx)) })
			}
			return
		}
	}
}

func (n *Node) base() context.Context {
	if n.parent == nil {
		return context.Background()
	}
	return n.parent
}

// cancellable returns the inner context, made now if need be.
func (n *Node) cancellable() *inner {
	if in := n.inner.Load(); in != nil {
		return in
	}
	ctx, cancel := context.WithCancelCause(n.base())
	in := &inner{ctx, cancel}
	if !n.inner.CompareAndSwap(nil, in) {
		cancel(nil)
		return n.inner.Load()
	}
	if n.refs.Load() < 0 {
		cancel(n.abortCause())
	}
	return in
}

// retain keeps the task's context open for one more child; false: it has ended.
func (n *Node) retain() bool {
	for {
		refs := n.refs.Load()
		if refs < 0 {
			return false
		}
		if n.refs.CompareAndSwap(refs, refs+1) {
			return true
		}
	}
}

// release undoes one retain, or the node's own hold; the last ends the context.
func (n *Node) release() {
	if n.refs.Add(-1) >= 0 {
		return
	}
	if in := n.inner.Load(); in != nil {
		in.cancel(n.abortCause())
	}
}

// abortCause is why a node that is final was cancelled, if it was, and for a reason.
func (n *Node) abortCause() error {
	if c, ok := n.err.(*cancelled); ok {
		return c.cause
	}
	return nil
}
