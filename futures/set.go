package futures

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"sync"

	"flow/internal/task"
)

// Set is a growing set of futures that gives them back as they are done. It keeps
// its registrations between calls, so that n futures cost O(n) in all; but a Next
// that blocks within a task costs O(n) alone, for the deadlock detector. The zero
// value is empty and ready. It is safe for concurrent use and must not be copied.
type Set[T any] struct {
	mu      sync.Mutex
	members map[*Future[T]]*member[T]
	added   int          // members ever added
	ready   []*Future[T] // done and not given back
	changed chan struct{}
}

// member is one future in a set.
type member[T any] struct {
	set   *Set[T]
	f     *Future[T]
	seq   int
	watch task.Watch
}

// Add puts futures into the set. One that is in it already is not added again.
func (s *Set[T]) Add(fs ...*Future[T]) {
	for _, f := range fs {
		if m := s.join(f); m != nil && !f.core().Watch(&m.watch) {
			m.Notify(&m.watch)
		}
	}
}

func (s *Set[T]) join(f *Future[T]) *member[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.members[f]; ok {
		return nil
	}
	if s.members == nil {
		s.members = make(map[*Future[T]]*member[T])
	}
	m := &member[T]{set: s, f: f, seq: s.added}
	m.watch.To = m
	s.members[f] = m
	s.added++
	s.tell()
	return m
}

// Notify puts the member among those to be given back.
func (m *member[T]) Notify(*task.Watch) {
	s := m.set
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, m.f)
	s.tell()
}

// tell wakes those who wait, so that they look again and say anew what for.
func (s *Set[T]) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Next takes the future out of the set that was done first, waiting for one if
// need be. The error is io.EOF if the set is empty, a *WaitError if ctx ends
// first, a *DeadlockError if none can ever be done; the set is then as it was.
func (s *Set[T]) Next(ctx context.Context) (*Future[T], error) {
	if ctx == nil {
		return nil, errNilContext
	}
	for {
		f, changed, err := s.take()
		if changed == nil {
			return f, err
		}
		if ctx.Err() != nil {
			return nil, s.waitError(ctx, task.ErrLeft)
		}
		err = task.Await(ctx, changed, s.edges)
		if err == nil {
			continue
		}
		if f, changed, late := s.take(); changed == nil {
			return f, late
		}
		return nil, s.waitError(ctx, err)
	}
}

// take returns a future that is done, or io.EOF, or else the channel that tells
// of changes.
func (s *Set[T]) take() (*Future[T], <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) > 0 {
		f := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		delete(s.members, f)
		if len(s.members) == 0 {
			s.tell()
		}
		return f, nil, nil
	}
	if len(s.members) == 0 {
		return nil, nil, io.EOF
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return nil, s.changed, nil
}

func (s *Set[T]) waitError(ctx context.Context, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return waitError(ctx, err, len(s.members), len(s.members))
}

func (s *Set[T]) edges() *task.Wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes := make([]*task.Node, 0, len(s.members))
	for f := range s.members {
		nodes = append(nodes, f.core())
	}
	return &task.Wait{First: true, Targets: task.Slots(nodes)}
}

// CancelAll cancels those in the set that are pending, in the order of adding.
// They stay in the set, and Next gives them back.
func (s *Set[T]) CancelAll() {
	s.mu.Lock()
	members := slices.SortedFunc(maps.Values(s.members), func(a, b *member[T]) int { return cmp.Compare(a.seq, b.seq) })
	s.mu.Unlock()
	for _, m := range members {
		m.f.Cancel()
	}
}
