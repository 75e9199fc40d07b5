package futures

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"flow/internal/task"
)

// AsCompleted yields each of fs once, in the order in which they are done; those
// that are done already come first, in the order given. It listens from the call
// on, not from the first iteration. A future that failed or was cancelled comes
// like any other, with a nil error. The error is the wait's alone: a *WaitError
// when ctx ends (what is done by then comes before), a *DeadlockError, or a nil
// future among fs; it comes with the zero F and is the last pair.
//
// The sequence is for one goroutine and one range, whose end, by break as well,
// ends the listening. It keeps no reference to what it has yielded.
func AsCompleted[F Any](ctx context.Context, fs ...F) iter.Seq2[F, error] {
	fail := func(err error) iter.Seq2[F, error] {
		return func(yield func(F, error) bool) {
			var zero F
			yield(zero, err)
		}
	}
	if ctx == nil {
		return fail(errNilContext)
	}
	own, nodes, err := distinct("AsCompleted", fs)
	if err != nil {
		return fail(err)
	}
	s := &stream[F]{ctx: ctx, fs: own, left: len(own), total: len(own), signal: make(chan struct{}, 1)}
	s.listen(nodes)
	return s.all
}

// stream is the state of one AsCompleted.
type stream[F Any] struct {
	ctx     context.Context
	fs      []F // zero once yielded
	slots   []atomic.Pointer[task.Node]
	watches []task.Watch
	head    int // slots before it are empty
	left    int // not yet yielded
	total   int
	signal  chan struct{}

	mu    sync.Mutex
	ready []int // done and not yet yielded
}

func (s *stream[F]) listen(nodes []*task.Node) {
	s.slots = task.Slots(nodes)
	s.watches = make([]task.Watch, len(nodes))
	for i, n := range nodes {
		w := &s.watches[i]
		w.To, w.Index = s, i
		if !n.Watch(w) {
			s.Notify(w)
		}
	}
}

// Notify takes one that is done.
func (s *stream[F]) Notify(w *task.Watch) {
	s.mu.Lock()
	s.ready = append(s.ready, w.Index)
	s.mu.Unlock()
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// all is the sequence.
func (s *stream[F]) all(yield func(F, error) bool) {
	defer s.unlisten()
	for s.left > 0 {
		f, ok := s.take()
		if ok {
			if !yield(f, nil) {
				return
			}
			continue
		}
		err := s.wait()
		if err == nil {
			continue
		}
		if f, ok = s.take(); !ok {
			yield(f, waitError(s.ctx, err, s.left, s.total))
			return
		}
		if !yield(f, nil) {
			return
		}
	}
}

func (s *stream[F]) wait() error {
	if s.ctx.Err() != nil {
		return task.ErrLeft
	}
	for s.head < len(s.slots) && s.slots[s.head].Load() == nil {
		s.head++
	}
	return task.Await(s.ctx, s.signal, func() *task.Wait {
		return &task.Wait{First: true, Targets: s.slots[s.head:]}
	})
}

// take returns the next that is done and forgets it.
func (s *stream[F]) take() (f F, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) == 0 {
		return f, false
	}
	i := s.ready[0]
	s.ready = s.ready[1:]
	var zero F
	f, s.fs[i] = s.fs[i], zero
	s.slots[i].Store(nil)
	s.left--
	return f, true
}

// unlisten ends what is left, at whatever point the range has.
func (s *stream[F]) unlisten() {
	s.left, s.fs = 0, nil
	for i := range s.slots {
		if n := s.slots[i].Load(); n != nil {
			n.Unwatch(&s.watches[i])
			s.slots[i].Store(nil)
		}
	}
}
