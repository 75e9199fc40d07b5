package run

import (
	"fmt"

	"flow/dag"
)

// check looks whether what was read can be the state of a run between two
// events: whether it fits together, so that whatever the machine is told next, it
// finds what it relies on. The error is an errTorn. It costs a look at each task,
// instance and edge.
func (m *Machine) check() error {
	if what := m.runTorn(); what != "" {
		return fmt.Errorf("%w: %s", errTorn, what)
	}
	for i := range m.nodes {
		if what := m.taskTorn(int32(i)); what != "" {
			return fmt.Errorf("%w: %s: %s", errTorn, m.task(int32(i)).ID, what)
		}
	}
	return nil
}

// runTorn says what is wrong with the run as a whole, "" for nothing.
func (m *Machine) runTorn() string {
	switch m.closing {
	case dag.NoReason, dag.ReasonFailFast, dag.ReasonTimeout, dag.ReasonUser, dag.ReasonReplace:
	default:
		return "nothing closes for the reason " + m.closing.String()
	}
	switch m.cancelled {
	case dag.NoReason, dag.ReasonUser, dag.ReasonReplace:
	default:
		return "nobody cancels for the reason " + m.cancelled.String()
	}
	switch {
	case m.stage == unborn:
		return ""
	case m.now < m.began:
		return "it began after its last event"
	case m.result.Status > RunCancelled || m.result.Reason > dag.ReasonTaskFailed:
		return "its result is none"
	case (m.stage == over) != (m.result.Status != RunRunning):
		return "it has a result before its end, or none after it"
	}
	if from, to, live := m.present(); live {
		left := 0
		for i := from; i < to; i++ {
			if m.nodes[i].phase != done {
				left++
			}
		}
		if left == 0 || m.left != left {
			return fmt.Sprintf("it says that %d tasks are left, and has %d", m.left, left)
		}
	}
	return ""
}

// present are the tasks of the present stage; live, if it is one in which tasks
// are at work.
func (m *Machine) present() (from, to int, live bool) {
	switch m.stage {
	case inTasks:
		return 0, m.plan.Main, true
	case inFinally:
		return m.plan.Main, len(m.nodes), true
	}
	return 0, 0, false
}

// taskTorn says what is wrong with a task.
func (m *Machine) taskTorn(i int32) string {
	n, o, t := &m.nodes[i], &m.outs[i], m.task(i)
	from, to, live := m.present()
	can := ofTask
	switch {
	case !live || int(i) < from:
		can = 1 << done
	case int(i) >= to:
		can = 1 << waiting
	case n.fan != nil:
		can = 1<<open | 1<<done
	case t.Fan != nil:
		can = ofFan
	}
	if what := slotTorn(&n.slot, o, t, can); what != "" {
		return what
	}
	if n.phase == waiting {
		if left := m.waitsFor(i); n.left != left || left == 0 && int(i) < to {
			return fmt.Sprintf("it says that it waits for %d tasks, and there are %d", n.left, left)
		}
	}
	if n.fan == nil {
		return ""
	}
	return m.fanTorn(n, t)
}

// waitsFor counts the dependencies of a task that it waits for in its stage.
func (m *Machine) waitsFor(i int32) int32 {
	c := int32(0)
	for _, d := range m.plan.Nodes[i].Deps {
		if (int(i) < m.plan.Main || int(d) >= m.plan.Main) && m.nodes[d].phase != done {
			c++
		}
	}
	return c
}

func (m *Machine) fanTorn(n *node, t *dag.Task) string {
	f := n.fan
	active := 0
	for k := range f.slots {
		can := ofInstance
		if n.phase == done {
			can = 1 << done
		}
		if what := slotTorn(&f.slots[k], &f.outs[k], t, can); what != "" {
			return fmt.Sprintf("instance %d: %s", k, what)
		}
		if p := f.slots[k].phase; p != parked && p != delayed && p != done {
			active++
		}
	}
	switch {
	case n.phase == open && f.left == 0:
		return "all its instances have ended, but it has not"
	case n.phase == open && f.active != active: // a kill counts nothing any more
		return fmt.Sprintf("it says that %d instances are active, and has %d", f.active, active)
	}
	return ""
}

// Sets of phases, a bit each.
const (
	ofAttempts = 1<<binding | 1<<looking | 1<<ready | 1<<running | 1<<stopping | 1<<judging | 1<<delayed | 1<<done
	ofTask     = 1<<waiting | 1<<deciding | ofAttempts
	ofFan      = 1<<waiting | 1<<deciding | 1<<fanning | 1<<done // that is not expanded yet
	ofInstance = 1<<parked | ofAttempts
)

// slotTorn says what is wrong with a task or an instance, which can be in one of
// some phases.
func slotTorn(s *slot, o *dag.Outcome, t *dag.Task, can int) string {
	switch {
	case can&(1<<s.phase) == 0:
		return "it can't be in its phase"
	case (s.phase == done) != o.Status.Ended():
		return "it has ended, or not, as one looks at it"
	case s.lost > s.attempt:
		return "more attempts were lost than made"
	case s.attempt == 0 && (1<<ready|1<<running|1<<stopping|1<<judging|1<<delayed)&(1<<s.phase) != 0:
		return "it is at work without an attempt"
	case s.phase == deciding && t.If == nil:
		return "it has no condition to decide on"
	case s.phase == looking && t.Cache == nil:
		return "it has no cache to look into"
	case s.phase == judging && (t.Retry.If == nil || o.Err == nil):
		return "it has no failure to judge"
	case o.Status == dag.Failed && o.Err == nil:
		return "it failed without an error"
	}
	return ""
}
