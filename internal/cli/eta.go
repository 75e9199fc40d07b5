package cli

import (
	"time"

	"flow/dag"
	"flow/engine"
)

// eta guesses how long a run still takes, from how long its tasks are expected to: the
// longest way that is left, or what is left of a pool's work over its places, whichever is
// more.
type eta struct {
	plan     *dag.Plan
	expected []time.Duration // by task; of a fan-out, one instance
	places   func(*dag.Executor) int

	begun []time.Time // by task: when its (oldest) attempt began; zero: none is at work
	over  []bool      // by task
	wide  []int       // by task: instances that were seen; of other tasks 1
	ended []int       // by task: instances that have ended

	way  []time.Duration // filled anew each time
	at   time.Time       // of the last guess
	last time.Duration
}

// newETA returns nil where nothing is expected.
func newETA(plan *dag.Plan, expected []time.Duration, places func(*dag.Executor) int) *eta {
	if expected == nil {
		return nil
	}
	n := len(plan.Nodes)
	e := &eta{
		plan: plan, expected: expected, places: places,
		begun: make([]time.Time, n), over: make([]bool, n), wide: make([]int, n), ended: make([]int, n), way: make([]time.Duration, n),
	}
	for i := range e.wide {
		e.wide[i] = 1
	}
	return e
}

func (e *eta) event(ev *engine.Event) {
	i := ev.Index
	switch {
	case ev.Type == engine.TaskReady && ev.Instance != nil:
		e.wide[i] = max(e.wide[i], *ev.Instance+1)
	case ev.Type == engine.AttemptStarted && e.begun[i].IsZero():
		e.begun[i] = ev.Time.Time
	case ev.Type == engine.TaskEnded && ev.Instance != nil:
		e.ended[i]++
	case ev.Type == engine.TaskEnded:
		e.over[i] = true
	}
}

// left is the guess at a moment. It is made anew once a second; its cost is linear in tasks
// and edges.
func (e *eta) left(now time.Time) time.Duration {
	if since := now.Sub(e.at); since < time.Second {
		return max(0, e.last-since)
	}
	e.at, e.last = now, 0
	work := make(map[string]time.Duration) // by executor
	var tail time.Duration                 // of finally, which comes after everything
	for k := len(e.plan.Order) - 1; k >= 0; k-- {
		i := e.plan.Order[k]
		own, all := e.leftOf(i, now)
		e.way[i] = own
		for _, d := range e.plan.Nodes[i].Outs {
			e.way[i] = max(e.way[i], own+e.way[d])
		}
		if int(i) >= e.plan.Main {
			tail = max(tail, e.way[i])
			continue
		}
		e.last = max(e.last, e.way[i])
		work[e.plan.Nodes[i].Task.Executor] += all
	}
	for name, w := range work {
		if x, ok := e.plan.Workflow.Executor(name); ok {
			e.last = max(e.last, w/time.Duration(max(1, e.places(x))))
		}
	}
	e.last += tail
	return e.last
}

// leftOf is what is left of a task: in time, and of work for its pool.
func (e *eta) leftOf(i int32, now time.Time) (span, work time.Duration) {
	if e.over[i] {
		return 0, 0
	}
	t := e.plan.Nodes[i].Task
	n := max(1, e.wide[i]-e.ended[i])
	work = e.expected[i] * time.Duration(n)
	atOnce := n
	if x, ok := e.plan.Workflow.Executor(t.Executor); ok {
		atOnce = min(atOnce, max(1, e.places(x)))
	}
	if t.MaxParallel > 0 {
		atOnce = min(atOnce, t.MaxParallel)
	}
	span = e.expected[i] * time.Duration((n+atOnce-1)/atOnce)
	if t.Fan == nil && !e.begun[i].IsZero() {
		spent := min(now.Sub(e.begun[i]), work)
		span, work = span-spent, work-spent
	}
	return span, work
}
