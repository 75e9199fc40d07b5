package futures

import (
	"context"
	"fmt"
	"sync"

	"flow/internal/task"
)

// When says what Wait waits for.
type When int

// The ends of a Wait.
const (
	AllCompleted   When = iota // all are done
	FirstCompleted             // at least one is done
	FirstException             // one has failed (cancelled is not failed), or all are done
)

// Wait waits until when is fulfilled and splits fs into those that are done and
// those that are not, each once and in the order given. Of those done when it
// looks, it returns all. If ctx ends first the error is a *WaitError, and the
// split is returned as well. A cancelled future is done. There is nothing to
// wait for in an empty list.
//
// It takes time linear in len(fs), so a loop around FirstCompleted is quadratic:
// use AsCompleted or a Set for that.
func Wait(ctx context.Context, when When, fs ...Any) (done, notDone []Any, err error) {
	if ctx == nil {
		return nil, nil, errNilContext
	}
	if when < AllCompleted || when > FirstException {
		return nil, nil, fmt.Errorf("futures: Wait: unknown When(%d)", int(when))
	}
	fs, nodes, err := distinct("Wait", fs)
	if err != nil {
		return nil, nil, err
	}
	l := newLatch(int(when), nodes)
	err = l.wait(ctx)
	for _, f := range fs {
		if f.State() >= Cancelled {
			done = append(done, f)
		} else {
			notDone = append(notDone, f)
		}
	}
	if err != nil {
		err = waitError(ctx, err, len(notDone), len(fs))
	}
	return done, notDone, err
}

// Gather waits for all of fs and returns their values in the order given. The
// first that fails or is cancelled ends it with that future's error as it is,
// and the rest gets Cancel: what runs already goes on. If ctx ends first the
// error is a *WaitError, and the others are left alone.
func Gather[T any](ctx context.Context, fs ...*Future[T]) ([]T, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	nodes := make([]*task.Node, len(fs))
	for i, f := range fs {
		nodes[i] = f.core()
	}
	l := newLatch(firstFailure, nodes)
	if err := l.wait(ctx); err != nil {
		unfinished := 0
		for _, n := range nodes {
			if !n.State().Done() {
				unfinished++
			}
		}
		return nil, waitError(ctx, err, unfinished, len(fs))
	}
	if failed := l.failed(); failed >= 0 {
		for _, n := range nodes {
			n.Cancel(ErrCancelled)
		}
		return nil, nodes[failed].Err()
	}
	values := make([]T, len(fs))
	for i, f := range fs {
		values[i] = f.value
	}
	return values, nil
}

// distinct returns fs without repetitions, in a slice of its own, and their
// nodes. A nil future is an error.
func distinct[F Any](op string, fs []F) ([]F, []*task.Node, error) {
	own := make([]F, 0, len(fs))
	nodes := make([]*task.Node, 0, len(fs))
	seen := make(map[*task.Node]struct{}, len(fs))
	for i, f := range fs {
		n := NodeOf(f)
		if n == nil {
			return nil, nil, fmt.Errorf("futures: %s: future %d is nil", op, i)
		}
		if _, ok := seen[n]; ok {
			continue
		}
		seen[n] = struct{}{}
		own = append(own, f)
		nodes = append(nodes, n)
	}
	return own, nodes, nil
}

// firstFailure is a When of Gather's own: cancelled counts as failed.
const firstFailure = int(FirstException) + 1

// latch opens once a condition on a fixed list of nodes is met.
type latch struct {
	when    int
	nodes   []*task.Node
	watches []task.Watch
	open    chan struct{}

	mu      sync.Mutex
	opened  bool
	left    int // nodes not known to be done
	failure int // index of the first failed; -1: none
}

// newLatch returns a latch for nodes, registered with them all.
func newLatch(when int, nodes []*task.Node) *latch {
	l := &latch{
		when: when, nodes: nodes, watches: make([]task.Watch, len(nodes)),
		open: make(chan struct{}), left: len(nodes), failure: -1,
	}
	if len(nodes) == 0 {
		l.opened = true
		close(l.open)
	}
	for i, n := range nodes {
		w := &l.watches[i]
		w.To, w.Index = l, i
		if !n.Watch(w) {
			l.Notify(w)
		}
	}
	return l
}

// Notify counts one node that is done.
func (l *latch) Notify(w *task.Watch) {
	n := l.nodes[w.Index]
	failed := n.Failed() && (l.when == firstFailure || n.State() != task.Cancelled)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left--
	if failed && l.failure < 0 && !l.opened {
		l.failure = w.Index
	}
	met := l.left == 0
	switch l.when {
	case int(FirstCompleted):
		met = true
	case int(FirstException), firstFailure:
		met = met || l.failure >= 0
	}
	if met && !l.opened {
		l.opened = true
		close(l.open)
	}
}

func (l *latch) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// wait blocks until the latch opens and ends all registrations. The errors are
// those of task.Await.
func (l *latch) wait(ctx context.Context) error {
	defer func() {
		for i, n := range l.nodes {
			n.Unwatch(&l.watches[i])
		}
	}()
	if l.isOpen() {
		return nil
	}
	if ctx.Err() != nil {
		return task.ErrLeft
	}
	err := task.Await(ctx, l.open, func() *task.Wait {
		return &task.Wait{First: l.when == int(FirstCompleted), Targets: task.Slots(l.nodes), Over: l.open}
	})
	if err != nil && l.isOpen() {
		return nil
	}
	return err
}

func (l *latch) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened
}
