package run

import (
	"fmt"

	"flow/dag"
)

// admit says whether an event can be applied now. It changes nothing.
func (m *Machine) admit(e *Event) error {
	switch {
	case e.Kind == Started:
		if m.stage != unborn {
			return ErrStale
		}
		return m.admitStart(e.Start)
	case m.stage == unborn:
		return fmt.Errorf("%w: the run has not begun", ErrIllegal)
	case m.stage == over:
		return ErrStale
	}
	switch e.Kind {
	case AttemptStarted, AttemptEnded:
		return m.admitAttempt(e)
	case TimerFired:
		return m.admitTimer(e)
	case Evaluated:
		return m.admitEvaluated(e)
	case CancelRequested:
		if e.Reason != dag.ReasonUser && e.Reason != dag.ReasonReplace {
			return fmt.Errorf("%w: nobody cancels for the reason %q", ErrIllegal, e.Reason)
		}
		if m.cancelled != dag.NoReason && !e.Kill {
			return ErrStale
		}
		return nil
	}
	return fmt.Errorf("%w: unknown kind %d", ErrIllegal, e.Kind)
}

func (m *Machine) admitStart(s *Start) error {
	if s == nil {
		return fmt.Errorf("%w: Started says nothing", ErrIllegal)
	}
	if s.Version != Version {
		return fmt.Errorf("%w: the run was begun by version %d of the machine, this is version %d", ErrIllegal, s.Version, Version)
	}
	if s.Durations != nil && len(s.Durations) != len(m.plan.Nodes) {
		return fmt.Errorf("%w: %d durations for %d tasks", ErrIllegal, len(s.Durations), len(m.plan.Nodes))
	}
	if s.Only == nil {
		return nil
	}
	in := make(map[int]bool, len(s.Only))
	for _, i := range s.Only {
		if i < 0 || i >= m.plan.Main {
			return fmt.Errorf("%w: there is no task %d to select", ErrIllegal, i)
		}
		in[i] = true
	}
	for _, i := range s.Only {
		for _, d := range m.plan.Nodes[i].Deps {
			if !in[int(d)] {
				return fmt.Errorf("%w: %s is selected without %s, which it depends on", ErrIllegal, m.task(int32(i)).ID, m.task(d).ID)
			}
		}
	}
	return nil
}

// slot finds the state of a task (that is no fan-out) or of an instance.
func (m *Machine) slot(task, instance int32) (*slot, *dag.Outcome, error) {
	if task < 0 || int(task) >= len(m.nodes) {
		return nil, nil, fmt.Errorf("%w: there is no task %d", ErrIllegal, task)
	}
	n := &m.nodes[task]
	f := n.fan
	switch {
	case f == nil && instance == 0:
		return &n.slot, &m.outs[task], nil
	case f == nil || instance < 0 || int(instance) >= len(f.slots):
		return nil, nil, fmt.Errorf("%w: there is no instance %d of %s", ErrIllegal, instance, m.task(task).ID)
	}
	return &f.slots[instance], &f.outs[instance], nil
}

func (m *Machine) admitAttempt(e *Event) error {
	s, _, err := m.slot(e.Task, e.Instance)
	if err != nil {
		return err
	}
	if e.Attempt < 1 || e.Attempt > s.attempt {
		return fmt.Errorf("%w: attempt %d of %s was never asked for", ErrIllegal, e.Attempt, m.task(e.Task).ID)
	}
	if e.Attempt < s.attempt {
		return ErrStale
	}
	if e.Kind == AttemptStarted {
		if s.phase != ready {
			return ErrStale
		}
		return nil
	}
	switch s.phase {
	case running, stopping:
	case ready:
		return fmt.Errorf("%w: attempt %d of %s ended before it started", ErrIllegal, e.Attempt, m.task(e.Task).ID)
	default:
		return ErrStale
	}
	if e.Failure != nil && !canFail(e.Failure.Reason) {
		return fmt.Errorf("%w: no attempt fails for the reason %q", ErrIllegal, e.Failure.Reason)
	}
	return nil
}

// canFail reports whether an attempt may fail for that reason.
func canFail(r dag.Reason) bool {
	return r >= dag.ReasonExit && r <= dag.ReasonInvalid
}

func (m *Machine) admitTimer(e *Event) error {
	if e.Timer == RunTimer {
		if m.stage != inTasks || m.timedOut {
			return ErrStale
		}
		return nil
	}
	s, _, err := m.slot(e.Task, e.Instance)
	if err != nil {
		return err
	}
	switch {
	case e.Timer == RetryTimer:
		if s.phase != delayed || e.Attempt != s.attempt {
			return ErrStale
		}
	case e.Timer != DeadlineTimer:
		return fmt.Errorf("%w: unknown timer %d", ErrIllegal, e.Timer)
	case s.deadline == 0:
		return fmt.Errorf("%w: no deadline of %s was set", ErrIllegal, m.task(e.Task).ID)
	case s.phase == done || s.phase == stopping:
		return ErrStale
	}
	return nil
}

func (m *Machine) admitEvaluated(e *Event) error {
	if e.What == EvalOutputs {
		if m.stage != inOutputs {
			return ErrStale
		}
		return nil
	}
	if e.What < EvalIf || e.What > EvalCache {
		return fmt.Errorf("%w: unknown evaluation %d", ErrIllegal, e.What)
	}
	if e.Task < 0 || int(e.Task) >= len(m.nodes) {
		return fmt.Errorf("%w: there is no task %d", ErrIllegal, e.Task)
	}
	s := &m.nodes[e.Task].slot
	want := deciding
	switch e.What {
	case EvalFan:
		want = fanning
	case EvalInputs, EvalRetryIf, EvalCache:
		switch e.What {
		case EvalInputs:
			want = binding
		case EvalRetryIf:
			want = judging
		default:
			want = looking
		}
		var err error
		if s, _, err = m.slot(e.Task, e.Instance); err != nil {
			return err
		}
	}
	if s.phase != want {
		return ErrStale
	}
	return nil
}
