package task

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// State is where a node is in its life. It only ever grows.
type State uint32

// The states of a node.
const (
	Pending   State = iota // nothing has started
	Running                // the work has started, and can't be cancelled any more
	Cancelled              // ended before it started
	Finished               // ended with a value or an error
)

// Done reports whether the state is final.
func (s State) Done() bool { return s >= Cancelled }

var (
	// ErrCancelled is what a cancelled future ends with.
	ErrCancelled = errors.New("futures: cancelled")
	// ErrAbandoned is what a promise ends with that its task left behind unkept.
	ErrAbandoned = errors.New("futures: promise abandoned by the task that made it")
)

// Host is the pool's side of a task. Its methods are called without any lock of
// this package held.
type Host interface {
	// Name is the task's name where none was given.
	Name() string
	// Leave gives the task's place back because the calling goroutine is about
	// to block, on target if that is not nil. An error means that it must not.
	Leave(target *Node) error
	// Return gets a place again after Leave. It blocks until there is one or
	// ctx is done: who leaves a wait early is not kept.
	Return(ctx context.Context)
	// Dropped is called once, after the node was cancelled before it started.
	Dropped()
	// Value looks up a value of the worker that runs the task.
	Value(key any) any
}

// Node is one thing that can be waited for, together with the task behind it.
//
// The zero value is pending, belongs to nobody and is ready for use. It must not
// be copied after that.
type Node struct {
	name   string
	host   Host            // nil: no pool runs it
	parent context.Context // of the task's Context; nil: none
	up     *Node           // who submitted it, if it has a host; else who owns it
	err    error           // written once, before state says Cancelled or Finished

	inner atomic.Pointer[inner] // the cancellable part of the Context, on demand
	waits atomic.Pointer[Wait]  // what it waits for, newest first
	state atomic.Uint32
	refs  atomic.Int32 // who needs the Context besides the task; below 0: nobody, not even that

	mu    sync.Mutex    // held to make the node final; guards what follows
	done  chan struct{} // on demand
	first *Watch        // ring of watches, oldest first
	owned map[*Node]struct{}
}

// Init prepares a zero node for a task that host runs: its Context derives
// from parent, and a task that parent belongs to keeps its own Context open
// until this one has ended. A detached one has the values of parent alone. It is
// called before the node is shared.
func (n *Node) Init(parent context.Context, name string, host Host, detached bool) {
	n.parent, n.name, n.host = parent, name, host
	if detached {
		n.parent = context.WithoutCancel(parent)
	} else if up := From(parent); up != nil && up.retain() {
		n.up = up
	}
}

// InitOwned prepares a zero node for a promise made under ctx, whose values it
// inherits and whose end it ignores. The task that ctx belongs to, if any and
// while it runs, owns the promise. It is called before the node is shared.
func (n *Node) InitOwned(ctx context.Context, name string) {
	n.name = name
	n.parent = ctx
	if ctx.Done() != nil {
		n.parent = context.WithoutCancel(ctx)
	}
	up := From(ctx)
	if up == nil {
		return
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.State().Done() {
		return
	}
	if up.owned == nil {
		up.owned = make(map[*Node]struct{})
	}
	up.owned[n] = struct{}{}
	n.up = up
}

// InitDone makes a zero node finished, with err or, if that is nil, a value that
// the caller has stored. It is called before the node is shared.
func (n *Node) InitDone(name string, err error) {
	n.name, n.err = name, err
	n.state.Store(uint32(Finished))
}

// State returns the node's state. Once it is final, what was written before the
// node was settled may be read without a lock.
func (n *Node) State() State { return State(n.state.Load()) }

// Err returns the error the node was settled with, for somebody who looks at it:
// see FailTold. It may be called only once the state is final.
func (n *Node) Err() error {
	if u, ok := n.err.(*unseen); ok {
		return u.look()
	}
	return n.err
}

// Failed reports whether a node that is final has an error, without looking at it.
func (n *Node) Failed() bool { return n.err != nil }

// Host returns the pool's side of the task, or nil.
func (n *Node) Host() Host { return n.host }

// Name returns the name given, or else the host's name for it. It may be empty.
func (n *Node) Name() string {
	if n.name == "" && n.host != nil {
		return n.host.Name()
	}
	return n.name
}

// Named reports whether the node was given a name.
func (n *Node) Named() bool { return n.name != "" }

// Rename gives the node a name. It is called before the node is shared.
func (n *Node) Rename(name string) { n.name = name }

// Done returns a channel that is closed when the node is settled. It is made at
// the first call, so that a future nobody selects on costs no channel.
func (n *Node) Done() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done == nil {
		n.done = make(chan struct{})
		if n.State().Done() {
			close(n.done)
		}
	}
	return n.done
}

// Start moves the node from pending to running. It returns the state found: the
// caller may run the work only if that was Pending.
func (n *Node) Start() State {
	if n.state.CompareAndSwap(uint32(Pending), uint32(Running)) {
		return Pending
	}
	return n.State()
}

// Claim begins to settle the node. If it returns a state that is not final the
// caller holds the node, stores its value, and must call Settle; else it must not.
func (n *Node) Claim() State {
	n.mu.Lock()
	was := n.State()
	if was.Done() {
		n.mu.Unlock()
	}
	return was
}

// Settle ends what Claim began: the node is finished with err, which is nil if
// the caller stored a value.
func (n *Node) Settle(err error) {
	n.err = err
	n.state.Store(uint32(Finished))
	n.announce()
}

// Fail finishes the node with err unless it has ended already, and returns the
// state found.
func (n *Node) Fail(err error) State {
	was := n.Claim()
	if !was.Done() {
		n.Settle(err)
	}
	return was
}

// Cancel ends a pending node with err. It reports whether the node is cancelled
// now, be it by this call or before.
func (n *Node) Cancel(err error) bool {
	if was := n.Claim(); was.Done() {
		return was == Cancelled
	}
	n.err = err // nobody looks yet
	if !n.state.CompareAndSwap(uint32(Pending), uint32(Cancelled)) {
		n.err = nil
		n.mu.Unlock()
		return false
	}
	n.announce()
	if n.host != nil {
		n.host.Dropped()
	}
	return true
}

// Abort is Cancel for a pending node, with an error that Is ErrCancelled and the
// cause; it ends the Context of a running one with the cause. It reports whether
// the node was still pending or running, or is cancelled already.
func (n *Node) Abort(cause error) bool {
	if cause == nil {
		cause = ErrCancelled
	}
	if n.Cancel(CancelledBy(cause)) {
		return true
	}
	if n.State() != Running {
		return false
	}
	n.cancellable().cancel(cause)
	return true
}

// announce says that the node has become final. It is called with n.mu held,
// which it releases. Those who block hear of it first, callbacks last and in the
// order of adding.
func (n *Node) announce() {
	watches, promises := n.first.detach(), n.owned
	n.first, n.owned = nil, nil
	done := n.done
	n.mu.Unlock()

	for p := range promises {
		p.Fail(ErrAbandoned)
	}
	if done != nil {
		close(done)
	}
	n.release()
	switch {
	case n.up == nil:
	case n.host != nil:
		n.up.release()
	default:
		n.up.disown(n)
	}
	notify(watches)
}

func (n *Node) disown(p *Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.owned, p)
}

// cancelled is the error of a future that was cancelled for a reason.
type cancelled struct{ cause error }

// CancelledBy returns an error that Is both ErrCancelled and the cause.
func CancelledBy(cause error) error {
	if cause == nil || cause == ErrCancelled {
		return ErrCancelled
	}
	return &cancelled{cause}
}

func (e *cancelled) Error() string   { return ErrCancelled.Error() + ": " + e.cause.Error() }
func (e *cancelled) Unwrap() []error { return []error{ErrCancelled, e.cause} }
