package run

import (
	"errors"
	"fmt"

	"flow/dag"
)

// decide is called once for a task, when all that it depends on directly has
// ended: it is run or skipped.
func (m *Machine) decide(i int32) {
	t := m.task(i)
	if t.Finally {
		m.sofar[int(i)-m.plan.Main] = m.standing()
	}
	success := m.seen(i).success
	switch {
	case t.If == nil && (success || t.Finally):
		m.enter(i)
	case t.If == nil, !t.Finally && !success && !t.If.Uses().Status:
		m.end(i, dag.Skipped, dag.ReasonUpstream)
	default:
		v, err := t.If.Eval(m.Scope(i, 0))
		if errors.Is(err, dag.ErrNeedsHost) {
			m.nodes[i].phase = deciding
			m.ask(EvalIf, i, 0)
			return
		}
		m.decided(i, v, err)
	}
}

// decided goes on when a task's condition is known.
func (m *Machine) decided(i int32, v any, err error) {
	yes, isBool := v.(bool)
	switch {
	case err != nil:
		m.fail(i, err)
	case !isBool:
		m.fail(i, fmt.Errorf("`if` must be true or false, not %s", dag.TypeName(v)))
	case yes:
		m.enter(i)
	case !m.seen(i).success && (!m.task(i).Finally || m.task(i).If.Uses().Status):
		m.end(i, dag.Skipped, dag.ReasonUpstream)
	default:
		m.end(i, dag.Skipped, dag.ReasonCondition)
	}
}

// seen is what the status functions answer in a task's expressions: for one of
// `finally`, the state of the run when it was decided on.
func (m *Machine) seen(i int32) soFar {
	if int(i) >= m.plan.Main {
		return m.sofar[int(i)-m.plan.Main]
	}
	n := &m.nodes[i]
	return soFar{success: n.depsOK, failure: n.depsFailed, cancelled: m.cancelled != dag.NoReason}
}

// standing is the state of the run now.
func (m *Machine) standing() soFar {
	s := soFar{status: RunSucceeded, failure: m.failed || m.timedOut, cancelled: m.cancelled != dag.NoReason}
	switch {
	case s.cancelled:
		s.status = RunCancelled
	case s.failure:
		s.status = RunFailed
	default:
		s.success = true
	}
	return s
}

// enter is called for a task that is to be run.
func (m *Machine) enter(i int32) {
	t := m.task(i)
	if t.Fan == nil {
		m.prepare(i, 0)
		return
	}
	items, err := expand(t.Fan, m.Scope(i, 0))
	if errors.Is(err, dag.ErrNeedsHost) {
		m.nodes[i].phase = fanning
		m.ask(EvalFan, i, 0)
		return
	}
	m.fanOut(i, items, err)
}

// ask gives the command to evaluate something.
func (m *Machine) ask(what EvalKind, i, instance int32) {
	scope := m.Scope(i, instance)
	m.emit(Command{Kind: Evaluate, Task: i, Instance: instance, Evaluation: &Evaluation{
		What: what, Task: i, Instance: instance, task: m.task(i), scope: scope,
	}})
}

// evaluated handles Evaluated.
func (m *Machine) evaluated(e *Event) {
	var err error
	if e.Failure != nil {
		err = errors.New(e.Failure.Message)
	}
	i := e.Task
	switch e.What {
	case EvalIf:
		m.nodes[i].phase = waiting
		m.decided(i, e.Value, err)
	case EvalFan:
		m.fanOut(i, e.Value, err)
	case EvalInputs:
		m.bound(i, e.Instance, e.Value, err)
	case EvalRetryIf:
		m.judged(i, e.Instance, e.Value, err)
	case EvalCache:
		m.looked(i, e.Instance, e.Value, err)
	case EvalOutputs:
		m.finish(e.Value, err)
	}
}
