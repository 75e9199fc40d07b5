package engine

import (
	"container/heap"
	"time"

	"flow/internal/run"
)

// timers are the timers that a run has set, the next one first. One clock timer
// serves them all.
type timers struct {
	heap  timerHeap
	clock *time.Timer
}

type timer struct {
	at    time.Time
	event run.Event
}

func newTimers() *timers {
	t := &timers{clock: time.NewTimer(time.Hour)}
	t.clock.Stop()
	return t
}

// set adds a timer; now is the run's time.
func (t *timers) set(c run.Command, now time.Time) {
	heap.Push(&t.heap, timer{at: c.At, event: run.Event{
		Kind: run.TimerFired, Timer: c.Timer, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt,
	}})
	if t.heap[0].at.Equal(c.At) {
		t.clock.Reset(c.At.Sub(now))
	}
}

// due takes the timers whose time has come and sets the clock for the next.
func (t *timers) due(now time.Time) []run.Event {
	var events []run.Event
	for len(t.heap) > 0 && !t.heap[0].at.After(now) {
		events = append(events, heap.Pop(&t.heap).(timer).event)
	}
	if len(t.heap) > 0 {
		t.clock.Reset(t.heap[0].at.Sub(now))
	}
	return events
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	last := len(old) - 1
	x := old[last]
	*h = old[:last]
	return x
}
