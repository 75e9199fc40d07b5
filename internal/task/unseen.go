package task

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// unseen stands in the place of a node's error that somebody wants to hear of
// should nobody look at it. Whatever has the error unread refers to this: the node,
// a flattened one, the dependents that failed by it. When it is unreachable nobody
// can look any more.
//
// It is an error itself so that it needs no field of its own in a node, which would
// put every task into a larger size class.
type unseen struct {
	err    error
	report *report
	cause  *unseen // for an error that came from another node's: that one
}

// report is apart from unseen, for the cleanup of that must not refer to it.
type report struct {
	name string
	err  error
	tell func(name string, err error)
	seen atomic.Bool
}

// Error implements error. Nobody outside of this package sees it.
func (u *unseen) Error() string { return u.err.Error() }

// look returns the error itself, which counts as looked at from now on.
func (u *unseen) look() error {
	u.report.seen.Store(true)
	return u.err
}

// FailTold is Fail; tell is called with the node's name and err once nobody can look
// at err any more, if nobody has: on a goroutine of its own, some time after a
// garbage collection. It costs two small allocations.
func (n *Node) FailTold(err error, tell func(name string, err error)) State {
	name := n.Name()
	was := n.Claim()
	if was.Done() {
		return was
	}
	r := &report{name: name, err: err, tell: tell}
	u := &unseen{err: err, report: r}
	runtime.AddCleanup(u, (*report).lost, r)
	n.Settle(u)
	return was
}

// FailBy is Fail with an error that is, or wraps, that of from, which has failed:
// looking at the one is looking at the other.
func (n *Node) FailBy(from *Node, err error) State {
	if u, ok := from.err.(*unseen); ok {
		err = &unseen{err: err, report: u.report, cause: u}
	}
	return n.Fail(err)
}

// Unlooked is Err for somebody who passes the error on by FailBy.
func (n *Node) Unlooked() error {
	if u, ok := n.err.(*unseen); ok {
		return u.err
	}
	return n.err
}

// Told reports whether the error of a final node is told of if unseen.
func (n *Node) Told() bool {
	_, told := n.err.(*unseen)
	return told
}

// lost tells of an error that nobody can look at any more. It runs among the
// program's cleanups, which it must not hold up.
func (r *report) lost() {
	if r.seen.Load() {
		return
	}
	go func() {
		defer func() {
			if v := recover(); v != nil {
				slog.Error("futures: panic while told of an error that nobody looked at",
					"future", r.name, "error", r.err, "panic", v, "stack", string(debug.Stack()))
			}
		}()
		r.tell(r.name, r.err)
	}()
}
