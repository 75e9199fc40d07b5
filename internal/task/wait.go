package task

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
)

// Wait is what a task waits for at one time: its outgoing edges. It does not
// change while it is published.
//
// A wait made with a task's context counts as the task's own, whatever
// goroutine it is made on. A task with several at once needs them all.
type Wait struct {
	// First: the wait ends when any target does, so it is stuck only if all of
	// them are. Otherwise it is stuck if one is.
	First bool
	// Targets are what is waited for; nil ones are skipped. The slots may be
	// changed while the wait is not published, and are shared with those who
	// still look at an earlier one, hence the atomics.
	Targets []atomic.Pointer[Node]
	// Over, if not nil, is closed when the wait has ended for a reason that
	// the targets' states don't tell, a failure of one for example.
	Over <-chan struct{}

	target *Node           // the one target, where there is only one
	ctx    context.Context // ends the wait early; nil: nothing does
	next   *Wait           // an older wait of the same task
	origin *Wait           // what this is a copy of; nil: itself
}

// Cycle is the error of a wait that would have closed a circle: the names along
// it, the first one repeated at the end.
type Cycle []string

// Error implements error.
func (c Cycle) Error() string { return "deadlock: " + strings.Join(c, " -> ") }

// ErrLeft is the error of a wait that its context has ended.
var ErrLeft = errors.New("task: wait left early")

// Await blocks until n is settled, or returns at once why it can't wait: ErrLeft if
// ctx ends first, a Cycle, or the error of the host. It does not look at ctx if
// n is settled already.
func (n *Node) Await(ctx context.Context) error {
	if n.State().Done() {
		return nil
	}
	if ctx.Err() != nil {
		return ErrLeft
	}
	var err error
	if self := waiter(ctx); self != nil {
		err = self.block(ctx, n.Done(), &Wait{target: n})
	} else {
		err = sleep(ctx, n.Done())
	}
	if err != nil && n.State().Done() {
		return nil
	}
	return err
}

// Await blocks until ready can be received from, as a wait of the task that ctx
// belongs to. edges makes the wait's edges; it is called only if there is such a
// task. The results are those of Node.Await.
func Await(ctx context.Context, ready <-chan struct{}, edges func() *Wait) error {
	if self := waiter(ctx); self != nil {
		return self.block(ctx, ready, edges())
	}
	return sleep(ctx, ready)
}

// WaitFor publishes that n, which nobody runs yet, needs all of targets, or any
// of them. It replaces what was published so before, and returns the circle it
// closes, if any. No target: n waits for nothing any more.
func (n *Node) WaitFor(first bool, targets ...*Node) Cycle {
	if len(targets) == 0 {
		n.waits.Store(nil)
		return nil
	}
	w := &Wait{First: first, Targets: Slots(targets)}
	n.waits.Store(w)
	return Circle(n)
}

// Slots returns nodes in the form of a Wait's targets.
func Slots(nodes []*Node) []atomic.Pointer[Node] {
	slots := make([]atomic.Pointer[Node], len(nodes))
	for i, n := range nodes {
		slots[i].Store(n)
	}
	return slots
}

// WaitsFor returns up to most of what n waits for and is not done.
func (n *Node) WaitsFor(most int) []*Node {
	var nodes []*Node
	for w := waiting(n); w != nil; w = w.next {
		if w.over() {
			continue
		}
		w.each(func(t *Node) bool {
			if !t.State().Done() && len(nodes) < most {
				nodes = append(nodes, t)
			}
			return len(nodes) < most
		})
	}
	return nodes
}

// waiter is the task that would wait with ctx. One that has ended waits for
// nobody's sake.
func waiter(ctx context.Context) *Node {
	if self := From(ctx); self != nil && !self.State().Done() {
		return self
	}
	return nil
}

// block is sleep as a wait of the task n: published, free of circles, and
// without holding a place.
func (n *Node) block(ctx context.Context, ready <-chan struct{}, w *Wait) error {
	w.ctx = ctx
	n.publish(w)
	if cycle := Circle(n); cycle != nil {
		n.retract(w)
		return cycle
	}
	if n.host == nil {
		defer n.retract(w)
		return sleep(ctx, ready)
	}
	if err := n.host.Leave(w.target); err != nil {
		n.retract(w)
		return err
	}
	err := sleep(ctx, ready)
	n.retract(w) // before Return: who waits for a place only is not stuck
	n.host.Return(ctx)
	return err
}

func sleep(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ErrLeft
	}
}

// publish adds w to what n waits for.
func (n *Node) publish(w *Wait) {
	for {
		w.next = n.waits.Load()
		if n.waits.CompareAndSwap(w.next, w) {
			return
		}
	}
}

// retract removes w again. With other waits published above it, those are
// copied, since published ones don't change.
func (n *Node) retract(w *Wait) {
	for {
		head := n.waits.Load()
		if n.waits.CompareAndSwap(head, head.without(w)) {
			return
		}
	}
}

func (w *Wait) without(gone *Wait) *Wait {
	switch {
	case w == nil:
		return nil
	case w == gone || w.origin == gone:
		return w.next
	}
	c := *w
	if c.origin == nil {
		c.origin = w
	}
	c.next = w.next.without(gone)
	return &c
}

// over reports whether the wait has ended though it is still published: whoever
// made it is about to go on.
func (w *Wait) over() bool {
	if w.ctx != nil && w.ctx.Err() != nil {
		return true
	}
	select {
	case <-w.Over: // nil: never
		return true
	default:
		return false
	}
}

// each calls fn for the targets, until it returns false.
func (w *Wait) each(fn func(*Node) bool) {
	if w.target != nil {
		fn(w.target)
		return
	}
	for i := range w.Targets {
		if t := w.Targets[i].Load(); t != nil && !fn(t) {
			return
		}
	}
}
