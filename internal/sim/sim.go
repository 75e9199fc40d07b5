// Package sim runs plans on virtual time: the machine and the dispatcher of
// internal/run, with attempts that take as long as a model says and do nothing.
//
// The package is pure, as what it drives: the same plan and model give the same
// trace.
package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Model says how long things take and how many go on at once.
type Model struct {
	// Durations has the duration of each task's attempt, by index; nil: each
	// takes a second.
	Durations []time.Duration
	// Ranked says that the durations are known before, so that the longest way
	// goes first; else every task counts the same.
	Ranked bool
	// Places is the number of places of an executor; nil: no pool is ever full.
	Places func(*dag.Executor) int
	// Jobs limits the attempts at work in all pools together; 0: no limit.
	Jobs int
}

// Trace is what happened.
type Trace struct {
	Order    []int32         // tasks in the order in which they began, a fan-out once for each instance
	Began    []time.Duration // by task, from the start of the run; -1: never; of a fan-out, the first instance
	Ended    []time.Duration // by task; of a fan-out, the last instance
	Makespan time.Duration   // when the last one ended
	Busy     time.Duration   // the sum of what was at work
}

// Skeleton returns a plan with the same tasks and edges but nothing to evaluate:
// no conditions, fan-outs, inputs or outputs, no retries and no limits of time.
// A task for which idle reports true needs no place, and what depends on it depends
// on what it depends on: it ends the moment that can be known.
func Skeleton(p *dag.Plan, idle func(i int) bool) (*dag.Plan, error) {
	w := *p.Workflow
	w.Timeout, w.FailFast, w.Outputs = 0, false, nil
	w.Tasks = make([]*dag.Task, len(p.Nodes))
	tasks := make([]dag.Task, len(p.Nodes))
	through := throughIdle(p, idle)
	for i := range p.Nodes {
		t := p.Nodes[i].Task
		tasks[i] = dag.Task{
			ID: t.ID, Index: i, Pos: t.Pos, Finally: t.Finally, Deps: through(t.Deps),
			Executor: t.Executor, Priority: t.Priority, Action: t.Action,
		}
		if idle != nil && idle(i) {
			tasks[i].Executor = ""
		}
		w.Tasks[i] = &tasks[i]
	}
	return dag.NewPlan(&w)
}

// throughIdle returns what puts in the place of idle tasks what they depend on.
func throughIdle(p *dag.Plan, idle func(i int) bool) func(deps []int) []int {
	if idle == nil {
		return func(deps []int) []int { return deps }
	}
	known := make(map[int][]int) // of idle tasks
	var through func(deps []int) []int
	through = func(deps []int) []int {
		if !slices.ContainsFunc(deps, idle) {
			return deps
		}
		var out []int
		for _, d := range deps {
			if !idle(d) {
				out = append(out, d)
				continue
			}
			if _, ok := known[d]; !ok {
				known[d] = through(p.Nodes[d].Task.Deps)
			}
			out = append(out, known[d]...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return through
}

// epoch is when every simulation begins. Any time would do.
var epoch = time.Unix(0, 0).UTC()

// simulation is a driver of the machine on virtual time.
type simulation struct {
	m      *run.Machine
	d      *run.Dispatcher
	q      *run.Queue
	model  *Model
	now    time.Time
	ending endings
	trace  *Trace
}

// Run drives a plan to its end. Every attempt succeeds with a null result, so
// a plan whose expressions need more is to be made a Skeleton first. Its cost is
// O(n log n) in tasks, linear in edges.
func Run(p *dag.Plan, model Model) (*Trace, error) {
	n := len(p.Nodes)
	s := &simulation{m: run.New(p), d: run.NewDispatcher(model.Jobs, 0), model: &model, now: epoch}
	s.trace = &Trace{Order: make([]int32, 0, n), Began: make([]time.Duration, n), Ended: make([]time.Duration, n)}
	for i := range n {
		s.trace.Began[i], s.trace.Ended[i] = -1, -1
	}
	for i := range p.Workflow.Executors {
		x := &p.Workflow.Executors[i]
		places := math.MaxInt32
		if model.Places != nil {
			places = model.Places(x)
		}
		if err := s.d.AddPool(x.Name, places); err != nil {
			return nil, err
		}
	}
	s.q = s.d.Add()
	start := &run.Start{Version: run.Version, Run: dag.RunInfo{Workflow: p.Workflow.Name, StartedAt: epoch, Attempt: 1}}
	if model.Ranked {
		start.Durations = model.Durations
	}
	if err := s.apply(run.Event{Kind: run.Started, Start: start}); err != nil {
		return nil, err
	}
	return s.trace, s.drive()
}

// drive begins what may begin and goes on to the next moment at which something
// ends, until nothing is left.
func (s *simulation) drive() error {
	for {
		for {
			t, ok := s.d.Next()
			if !ok {
				break
			}
			if err := s.begin(t); err != nil {
				return err
			}
		}
		if len(s.ending) == 0 {
			break
		}
		// All that ends at one moment ends before anything new begins.
		s.now = s.ending[0].at
		for len(s.ending) > 0 && s.ending[0].at.Equal(s.now) {
			e := heap.Pop(&s.ending).(ending)
			s.d.Release(e.ticket)
			s.trace.Ended[e.ticket.Task] = s.now.Sub(epoch)
			if err := s.apply(run.Event{
				Kind: run.AttemptEnded, Task: e.ticket.Task, Instance: e.ticket.Instance, Attempt: e.ticket.Attempt, ExitCode: -1,
			}); err != nil {
				return err
			}
		}
	}
	s.trace.Makespan = s.now.Sub(epoch)
	if s.m.Result().Status == run.RunRunning {
		return errors.New("sim: the run waits for something that does not come")
	}
	return nil
}

func (s *simulation) begin(t run.Ticket) error {
	if err := s.apply(run.Event{Kind: run.AttemptStarted, Task: t.Task, Instance: t.Instance, Attempt: t.Attempt}); err != nil {
		return err
	}
	d := time.Second
	if s.model.Durations != nil {
		d = s.model.Durations[t.Task]
	}
	s.trace.Order = append(s.trace.Order, t.Task)
	if s.trace.Began[t.Task] < 0 {
		s.trace.Began[t.Task] = s.now.Sub(epoch)
	}
	s.trace.Busy += d
	heap.Push(&s.ending, ending{at: s.now.Add(d), seq: len(s.trace.Order), ticket: t})
	return nil
}

func (s *simulation) apply(e run.Event) error {
	e.Time = s.now
	commands, err := s.m.Apply(e)
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	for i := range commands {
		if c := &commands[i]; c.Kind == run.StartAttempt {
			if err := s.q.Enqueue(*c, s.m.Plan().Nodes[c.Task].Task.Executor); err != nil {
				return err
			}
		}
	}
	return nil
}

// ending is an attempt at work.
type ending struct {
	at     time.Time
	seq    int // what began first ends first
	ticket run.Ticket
}

type endings []ending

func (h endings) Len() int { return len(h) }
func (h endings) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].seq < h[j].seq
}
func (h endings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *endings) Push(x any)   { *h = append(*h, x.(ending)) }
func (h *endings) Pop() any {
	old := *h
	last := len(old) - 1
	x := old[last]
	*h = old[:last]
	return x
}
