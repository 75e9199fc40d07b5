package run

import (
	"fmt"

	"flow/dag"
)

// end ends a task. Its dependents hear of it in settle.
func (m *Machine) end(i int32, status dag.Status, reason dag.Reason) {
	n, o := &m.nodes[i], &m.outs[i]
	n.phase, n.held = done, nil
	o.Status, o.Reason, o.Ended = status, reason, m.now
	m.left--
	m.work = append(m.work, i)
	m.emit(Command{Kind: TaskEnded, Task: i, Instance: -1})
	if status == dag.Failed && !m.task(i).ContinueOnError {
		m.failed = true
		m.failFast(i)
	}
}

// fail ends a task that could not be evaluated.
func (m *Machine) fail(i int32, err error) {
	f := invalid(err)
	m.outs[i].Err = f
	m.end(i, dag.Failed, f.Reason)
}

// failSlot ends a task or an instance as failed.
func (m *Machine) failSlot(i, instance int32, f *dag.Failure) {
	_, o, _ := m.slot(i, instance)
	o.Err = f
	m.endSlot(i, instance, dag.Failed, f.Reason)
}

// endSlot ends a task that is no fan-out, or an instance.
func (m *Machine) endSlot(i, instance int32, status dag.Status, reason dag.Reason) {
	f := m.nodes[i].fan
	if f == nil {
		m.end(i, status, reason)
		return
	}
	s, o := &f.slots[instance], &f.outs[instance]
	if s.phase != parked && s.phase != delayed {
		f.active--
	}
	s.phase, s.held = done, nil
	o.Status, o.Reason, o.Ended = status, reason, m.now
	f.left--
	m.emit(Command{Kind: TaskEnded, Task: i, Instance: instance})
	if status == dag.Failed && !m.task(i).ContinueOnError {
		m.failFast(i)
	}
	switch {
	case m.nodes[i].phase == done: // failFast ended it
	case f.left == 0:
		m.endFan(i)
	default:
		m.fill(i)
	}
}

// failFast closes `tasks` when one of them has failed and the file says so.
func (m *Machine) failFast(i int32) {
	if m.plan.Workflow.FailFast && int(i) < m.plan.Main {
		m.closeTasks(dag.ReasonFailFast)
	}
}

// closeTasks sees to it that nothing of `tasks` starts any more and that what
// runs is stopped. The first reason stays: a Ctrl-C while fail_fast is winding
// up changes the run's status, not what was stopped already.
func (m *Machine) closeTasks(reason dag.Reason) {
	if m.stage != inTasks || m.closing != dag.NoReason {
		return
	}
	m.closing = reason
	for i := range m.plan.Main {
		if m.nodes[i].phase != done {
			m.closeTask(int32(i))
		}
	}
}

// cancel handles CancelRequested.
func (m *Machine) cancel(reason dag.Reason, kill bool) {
	if m.cancelled == dag.NoReason {
		m.cancelled = reason
	}
	m.closeTasks(reason)
	if !kill {
		return
	}
	// Whatever has not ended has now. Dependents need not hear of it: each is
	// ended here itself.
	for i := range m.nodes {
		n := &m.nodes[i]
		if n.fan != nil {
			for k := range n.fan.slots {
				m.killSlot(int32(i), int32(k), &n.fan.slots[k], &n.fan.outs[k])
			}
		}
		m.killSlot(int32(i), -1, &n.slot, &m.outs[i])
	}
	m.work = m.work[:0]
	v, _, _ := m.outputs().evalOutputs() // nobody waits for a host any more: what needs one is null
	m.finish(v, nil)
}

func (m *Machine) killSlot(i, instance int32, s *slot, o *dag.Outcome) {
	if s.phase == done {
		return
	}
	if s.phase == ready || s.phase == running || s.phase == stopping {
		m.emit(Command{Kind: StopAttempt, Cause: m.cancelled, Task: i, Instance: max(0, instance), Attempt: s.attempt})
	}
	s.phase, s.held = done, nil
	o.Status, o.Reason, o.Ended, o.Err = dag.Cancelled, m.cancelled, m.now, nil
	m.emit(Command{Kind: TaskEnded, Task: i, Instance: instance})
}

func (m *Machine) closeTask(i int32) {
	f := m.nodes[i].fan
	if f == nil {
		m.closeSlot(i, 0)
		return
	}
	// With no instance to let in, ending one does not let in the next.
	f.next, f.again = int32(len(f.slots)), nil
	for k := range f.slots {
		if f.slots[k].phase != done {
			m.closeSlot(i, int32(k))
		}
	}
}

func (m *Machine) closeSlot(i, instance int32) {
	s, o, _ := m.slot(i, instance)
	switch s.phase {
	case running:
		m.stop(i, instance, m.closing)
		return
	case stopping: // at its deadline; the run's end weighs more
		s.stop, s.late = m.closing, false
		return
	case ready:
		m.emit(Command{Kind: StopAttempt, Cause: m.closing, Task: i, Instance: instance, Attempt: s.attempt})
	}
	o.Err = nil
	if m.closing == dag.ReasonFailFast && o.Started == 0 {
		m.endSlot(i, instance, dag.Skipped, m.closing)
	} else {
		m.endSlot(i, instance, dag.Cancelled, m.closing)
	}
}

// beginFinally is called when all of `tasks` has ended.
func (m *Machine) beginFinally() {
	m.stage = inFinally
	m.left = len(m.plan.Nodes) - m.plan.Main
	for i := m.plan.Main; i < len(m.nodes); i++ {
		if m.nodes[i].left == 0 && m.nodes[i].phase == waiting {
			m.decide(int32(i))
		}
	}
}

// beginOutputs is called when all of `finally` has ended.
func (m *Machine) beginOutputs() {
	m.stage = inOutputs
	e := m.outputs()
	v, err, missing := e.evalOutputs()
	if missing {
		m.emit(Command{Kind: Evaluate, Evaluation: e})
		return
	}
	m.finish(v, err)
}

func (m *Machine) outputs() *Evaluation {
	return &Evaluation{What: EvalOutputs, outputs: m.plan.Workflow.Outputs, scope: m.Scope(-1, 0)}
}

// finish ends the run.
func (m *Machine) finish(v any, err error) {
	r := &m.result
	r.Outputs, _ = v.(map[string]any)
	switch s := m.standing(); {
	case s.status == RunCancelled:
		r.Status, r.Reason = RunCancelled, m.cancelled
	case m.timedOut:
		r.Status, r.Reason = RunFailed, dag.ReasonTimeout
		r.Message = fmt.Sprintf("the run's timeout of %s passed", m.plan.Workflow.Timeout)
	case m.failed:
		r.Status, r.Reason = RunFailed, dag.ReasonTaskFailed
	case err != nil:
		r.Status, r.Reason, r.Message = RunFailed, dag.ReasonInvalid, "outputs: "+err.Error()
	default:
		r.Status = RunSucceeded
	}
	m.stage = over
	m.emit(Command{Kind: Finish, Task: -1, Instance: -1})
}
