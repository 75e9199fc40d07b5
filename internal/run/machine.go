package run

import (
	"fmt"
	"time"

	"flow/dag"
)

// Machine holds the state of one run. It is not safe for concurrent use: one
// goroutine owns it. The Scopes that it hands out may be read by others while
// the machine goes on (see Scope).
//
// It costs about 150 bytes a task beside results and failures, O(1) work an
// edge, and no event makes it look at all tasks but Started and what closes
// the run (a cancel, fail_fast, the run's timeout).
type Machine struct {
	plan  *dag.Plan
	start *Start
	began int64 // time of Started, Unix milliseconds
	now   int64 // time of the last event, Unix milliseconds
	stage stage

	nodes []node
	outs  []dag.Outcome
	left  int     // tasks of the present stage that have not ended
	work  []int32 // ended tasks whose dependents have not been told
	cmds  []Command

	closing   dag.Reason // why nothing of `tasks` starts any more: fail_fast, timeout, user, replace; or none
	cancelled dag.Reason // user or replace, when somebody wanted the run to end
	timedOut  bool       // the run's timeout has passed
	failed    bool       // a task failed, those with continue_on_error aside
	sofar     []soFar    // what a task of `finally` saw when it was decided on
	result    Result
}

// stage says which part of the run is at work.
type stage uint8

const (
	unborn    stage = iota // Started has not come yet
	inTasks                // `tasks`
	inFinally              // `finally`, when all of `tasks` has ended
	inOutputs              // `outputs`, when all of `finally` has ended
	over
)

// phase says where a task or an instance stands, finer than its status does.
type phase uint8

const (
	waiting  phase = iota // for its dependencies
	deciding              // for the answer to EvalIf
	fanning               // for the answer to EvalFan
	open                  // a fan-out: its instances are on their way
	parked                // an instance: max_parallel keeps it back
	binding               // for the answer to EvalInputs
	looking               // for the answer to EvalCache
	ready                 // StartAttempt was given
	running               // AttemptStarted came
	stopping              // StopAttempt was given to a running attempt
	judging               // for the answer to EvalRetryIf
	delayed               // for its RetryTimer
	done
)

// slot is the part of the state that a task has in common with an instance of a
// fan-out: that of its attempts.
type slot struct {
	attempt int32 // the current or last one's number; 0: none yet
	lost    int32 // attempts that don't count, their engine having died
	phase   phase
	stop    dag.Reason // of stopping: why
	late    bool       // of stopping: it is the task's deadline, a failure and no cancel
	held    *held

	due      int64 // of delayed: when the next attempt is, Unix milliseconds
	deadline int64 // when the task's deadline is, Unix milliseconds; 0: it has none, or was never ready
}

// held has what was evaluated once for all attempts and can't be evaluated
// again, since it came from files.
type held struct {
	inputs, env map[string]any
	key         any // of the cache: what its success is to be kept by
}

// node is a task's state beside its outcome.
type node struct {
	slot
	depsOK     bool  // all that it depends on, directly or not, has succeeded so far
	depsFailed bool  // something that it depends on, directly or not, has failed
	left       int32 // dependencies of the same stage that have not ended
	path       int64 // Rank.Path
	fan        *fan
}

// soFar is the state of the run at one moment.
type soFar struct {
	status                      Status
	success, failure, cancelled bool
}

// New returns the machine of a run that has yet to begin: its first event is
// Started.
func New(plan *dag.Plan) *Machine {
	return &Machine{plan: plan}
}

// Apply tells the machine what happened and returns what is to be done. The
// commands are good until the next call. It is deterministic.
//
// An event that is no longer of interest is answered with ErrStale, one that
// can't be with ErrIllegal (wrapped, with the cause); both change nothing.
func (m *Machine) Apply(e Event) ([]Command, error) {
	if err := m.admit(&e); err != nil {
		return nil, err
	}
	now := e.Time.UnixMilli()
	if m.stage != unborn && now < m.now {
		return nil, fmt.Errorf("%w: its time %s is before the last event's", ErrIllegal, e.Time.Format(time.RFC3339Nano))
	}
	m.now = now
	m.cmds = m.cmds[:0]
	switch e.Kind {
	case Started:
		m.begin(e.Start)
	case AttemptStarted:
		m.attemptStarted(&e)
	case AttemptEnded:
		m.attemptEnded(&e)
	case TimerFired:
		m.timerFired(&e)
	case Evaluated:
		m.evaluated(&e)
	case CancelRequested:
		m.cancel(e.Reason, e.Kill)
	}
	m.settle()
	return m.cmds, nil
}

// emit adds a command to the answer.
func (m *Machine) emit(c Command) { m.cmds = append(m.cmds, c) }

// task returns a node's task.
func (m *Machine) task(i int32) *dag.Task { return m.plan.Nodes[i].Task }

// at converts the machine's milliseconds to a time, in UTC.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// Plan returns the plan that the machine runs.
func (m *Machine) Plan() *dag.Plan { return m.plan }

// Outcome returns what is known of a task. The pointer stays good; what it
// points to does not change any more once its status has ended.
func (m *Machine) Outcome(task int) *dag.Outcome { return &m.outs[task] }

// Instances returns what is known of the instances of a fan-out, nil for a task
// that is none, or is not expanded yet. As with Outcome, it is not to be changed.
func (m *Machine) Instances(task int) []dag.Outcome {
	if f := m.nodes[task].fan; f != nil {
		return f.outs
	}
	return nil
}

// Result returns how the run stands: its status is RunRunning until Finish.
func (m *Machine) Result() Result { return m.result }

// begin handles Started.
func (m *Machine) begin(s *Start) {
	m.start, m.stage, m.began = s, inTasks, m.now
	m.allocate()
	m.left = m.plan.Main
	if s.Only != nil {
		m.leaveOut(s.Only)
	}
	m.setRunTimer()
	for i := range m.plan.Main {
		if m.nodes[i].left == 0 && m.nodes[i].phase == waiting {
			m.decide(int32(i))
		}
	}
}

// allocate makes the state of a run that has not done anything yet.
func (m *Machine) allocate() {
	n := len(m.plan.Nodes)
	m.nodes = make([]node, n)
	m.outs = make([]dag.Outcome, n)
	m.sofar = make([]soFar, n-m.plan.Main)
	m.rank(m.start.Durations)
	for i := range m.nodes {
		m.outs[i].ExitCode = -1
		m.nodes[i].depsOK = true
		m.nodes[i].left = int32(m.depsOfStage(i))
	}
}

func (m *Machine) setRunTimer() {
	if d := m.plan.Workflow.Timeout; d > 0 {
		m.emit(Command{Kind: SetTimer, Timer: RunTimer, At: at(m.began).Add(d)})
	}
}

// depsOfStage counts the dependencies that a task waits for: for one of
// `finally`, all of `tasks` has ended before its turn comes.
func (m *Machine) depsOfStage(i int) int {
	deps := m.plan.Nodes[i].Deps
	if i < m.plan.Main {
		return len(deps)
	}
	c := 0
	for _, d := range deps {
		if int(d) >= m.plan.Main {
			c++
		}
	}
	return c
}

// leaveOut ends the tasks that the run is not about.
func (m *Machine) leaveOut(only []int) {
	keep := make([]bool, m.plan.Main)
	for _, i := range only {
		keep[i] = true
	}
	for i := range keep {
		if !keep[i] {
			m.nodes[i].phase = done
			m.outs[i].Status, m.outs[i].Reason, m.outs[i].Ended = dag.Skipped, dag.ReasonNotSelected, m.now
			m.left--
		}
	}
}

// settle tells dependents of what has ended and goes on from stage to stage
// until there is nothing left to do but wait. It keeps a list and does not
// recurse, so a chain of a million skipped tasks is no deep stack.
func (m *Machine) settle() {
	for {
		for k := 0; k < len(m.work); k++ {
			m.tellDependents(m.work[k])
		}
		m.work = m.work[:0]
		switch {
		case m.stage == inTasks && m.left == 0:
			m.beginFinally()
		case m.stage == inFinally && m.left == 0:
			m.beginOutputs()
			return
		default:
			return
		}
	}
}

// tellDependents counts an ended task off at those that wait for it.
func (m *Machine) tellDependents(i int32) {
	n, o := &m.nodes[i], &m.outs[i]
	forgiven := m.task(i).ContinueOnError
	ok := n.depsOK && (o.Status == dag.Succeeded || o.Status == dag.Failed && forgiven)
	bad := n.depsFailed || o.Status == dag.Failed && !forgiven
	for _, d := range m.plan.Nodes[i].Outs {
		if int(i) < m.plan.Main && int(d) >= m.plan.Main {
			continue // depsOfStage does not count it
		}
		dn := &m.nodes[d]
		dn.depsOK = dn.depsOK && ok
		dn.depsFailed = dn.depsFailed || bad
		if dn.left--; dn.left == 0 && dn.phase == waiting {
			m.decide(d)
		}
	}
}
