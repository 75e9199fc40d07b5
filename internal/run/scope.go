package run

import (
	"errors"
	"fmt"
	"slices"

	"flow/dag"
)

// Scope returns what the expressions of a task (or of an instance of a fan-out)
// see; of the run's outputs, for task -1. The machine evaluates with it, and a
// driver does when it starts an attempt, having set Host in it.
//
// It may be read by another goroutine while the machine goes on: of the
// outcomes that it points to, an expression reads only those of its task's
// dependencies, which have ended and are never written again.
func (m *Machine) Scope(task, instance int32) *dag.Scope {
	s := &dag.Scope{
		Workflow: m.plan.Workflow,
		Params:   m.start.Params,
		Run:      &m.start.Run,
		Outcomes: m.outs,
	}
	if task < 0 {
		seen := m.standing()
		s.Success, s.Failure, s.Cancelled = seen.success, seen.failure, seen.cancelled
		s.RunStatus = seen.status.String()
		return s
	}
	s.Task = m.task(task)
	seen := m.seen(task)
	s.Success, s.Failure, s.Cancelled = seen.success, seen.failure, seen.cancelled
	if seen.status != RunRunning {
		s.RunStatus = seen.status.String()
	}
	n := &m.nodes[task]
	h := n.held
	if f := n.fan; f != nil {
		h = f.slots[instance].held
		s.Index = int(instance)
		s.Item = f.items[instance]
		switch {
		case n.isMatrix(s.Task):
			s.Matrix, _ = s.Item.(map[string]any)
		case f.keys != nil:
			s.Key = f.keys[instance]
		}
		s.Error = f.outs[instance].Err
	} else {
		s.Error = m.outs[task].Err
	}
	if h != nil {
		s.Inputs, s.Env = h.inputs, h.env
	}
	return s
}

func (n *node) isMatrix(t *dag.Task) bool { return n.fan != nil && t.Fan.Each == nil }

// Evaluation is something that the machine can't evaluate itself, since it
// names files or values that are kept elsewhere.
type Evaluation struct {
	What           EvalKind
	Task, Instance int32

	task    *dag.Task
	outputs []dag.Binding
	scope   *dag.Scope
}

// Do evaluates with a host and returns the event to be applied, but for its
// Time. Of EvalCache that is the key alone: whether there is a result for it, the driver
// adds. It may be called on any goroutine, and may block as the host does.
func (e *Evaluation) Do(h dag.Host) Event {
	e.scope.Host = h
	v, err := e.eval()
	ev := Event{Kind: Evaluated, What: e.What, Task: e.Task, Instance: e.Instance, Value: v}
	if err != nil {
		ev.Failure = invalid(err)
	}
	return ev
}

func (e *Evaluation) eval() (any, error) {
	switch e.What {
	case EvalIf:
		return e.task.If.Eval(e.scope)
	case EvalFan:
		return expand(e.task.Fan, e.scope)
	case EvalRetryIf:
		return e.task.Retry.If.Eval(e.scope)
	case EvalInputs:
		return e.evalInputs()
	case EvalCache:
		key, err := e.task.Cache.Key.Eval(e.scope)
		if err != nil {
			err = fmt.Errorf("cache.key: %w", err)
		}
		return map[string]any{"key": key}, err
	default:
		v, err, _ := e.evalOutputs()
		return v, err
	}
}

// evalInputs evaluates the entries of inputs and env that are kept for all
// attempts.
func (e *Evaluation) evalInputs() (any, error) {
	env, inputs, err := e.scope.Entries(keeps)
	if err != nil {
		return nil, err
	}
	return map[string]any{"inputs": inputs, "env": env}, nil
}

// evalOutputs evaluates each output by itself: what can't be evaluated is null,
// and the first error says why. missing says that a host is needed for some, which
// are null.
func (e *Evaluation) evalOutputs() (v map[string]any, first error, missing bool) {
	v = make(map[string]any, len(e.outputs))
	for k := range e.outputs {
		b := &e.outputs[k]
		x, err := b.Value.Eval(e.scope)
		switch {
		case err == nil:
		case errors.Is(err, dag.ErrNeedsHost) && e.scope.Host == nil:
			x, missing = nil, true
		case e.unselected(b.Value):
			x = nil
		case first == nil:
			x, first = nil, err
		default:
			x = nil
		}
		v[b.Name] = x
	}
	return v, first, missing
}

// unselected reports whether a value names a task that the run was not asked for.
func (e *Evaluation) unselected(v *dag.Value) bool {
	return slices.ContainsFunc(v.Uses().Tasks, func(i int) bool { return e.scope.Outcomes[i].Reason == dag.ReasonNotSelected })
}
