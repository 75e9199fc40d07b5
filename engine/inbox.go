package engine

import (
	"sync"

	"flow/internal/run"
)

// message is something that a run's loop has to hear of.
type message struct {
	event   run.Event   // its Time is set when it is applied
	ticket  *run.Ticket // a place: granted where event.Kind is 0, to be released else
	granted bool
	fatal   error // not nil: the run can't go on
}

// inbox is where workers, timers and the dispatcher leave messages for the one
// goroutine that owns a run. It is not bounded: a worker never waits for a run
// to be looked after, and what is in it is bounded by what was handed out.
type inbox struct {
	mu     sync.Mutex
	full   []message
	signal chan struct{} // has a token when there is something in full
}

func newInbox() *inbox { return &inbox{signal: make(chan struct{}, 1)} }

func (in *inbox) put(m message) {
	in.mu.Lock()
	in.full = append(in.full, m)
	in.mu.Unlock()
	select {
	case in.signal <- struct{}{}:
	default:
	}
}

// take returns everything that has come, in order. It hands out spare as the
// next thing to be filled, so two slices serve for ever.
func (in *inbox) take(spare []message) []message {
	in.mu.Lock()
	defer in.mu.Unlock()
	batch := in.full
	in.full = spare[:0]
	return batch
}
