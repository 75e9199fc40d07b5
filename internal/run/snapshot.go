package run

import (
	"encoding/binary"
	"errors"
	"fmt"

	"flow/dag"
)

// Snapshot is the state of a run between two events. State is self-contained
// but for the values, which it names by their place in Values and Failures: who
// stores a snapshot stores those as it stores results. State takes about 30
// bytes for an ended task.
//
// Restoring a snapshot and going on is the same as never having stopped.
type Snapshot struct {
	State    []byte
	Start    *Start
	Result   Result
	Values   []any // plain values and *dag.Ref
	Failures []*dag.Failure
}

// Snapshot writes the machine's state down. It shares values with the machine,
// which never changes them.
func (m *Machine) Snapshot() *Snapshot {
	s := &Snapshot{Start: m.start, Result: m.result}
	w := writer{snap: s}
	w.uint(Version)
	w.bytes(byte(m.stage))
	if m.stage != unborn {
		w.int(m.began)
		w.int(m.now)
		w.bytes(byte(m.closing), byte(m.cancelled), flag(m.timedOut), flag(m.failed))
		w.uint(uint64(m.left))
		for i := range m.nodes {
			w.node(&m.nodes[i], &m.outs[i])
		}
		for _, f := range m.sofar {
			w.bytes(byte(f.status), flag(f.success), flag(f.failure), flag(f.cancelled))
		}
	}
	s.State = w.buf
	return s
}

// Restore returns a machine in the state of a snapshot, of a run of that plan.
// Outstanding says what is to be done next. A snapshot that is torn, or of another
// plan, is an error, and never a machine that panics later, whatever bytes State
// holds. Its cost is linear in tasks, instances and edges.
func Restore(plan *dag.Plan, s *Snapshot) (*Machine, error) {
	r := reader{snap: s, buf: s.State}
	if v := r.uint(); r.err == nil && v != Version {
		return nil, fmt.Errorf("run: restore: the snapshot was taken by version %d of the machine, this is version %d", v, Version)
	}
	m := New(plan)
	m.stage = stage(r.enum(byte(over)))
	if r.err == nil && m.stage != unborn {
		r.machine(m)
	}
	if r.err == nil && len(r.buf) > 0 {
		r.torn("it goes on behind its end")
	}
	if r.err == nil {
		r.err = m.check()
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

var errTorn = errors.New("run: restore: the snapshot is torn, or of another plan")

// Outstanding returns the commands whose answers the machine waits for, for a
// driver that takes over after Restore or a replay. Attempts that were running
// are not among them: what has become of them, the driver must tell
// (AttemptEnded, with EngineLost).
func (m *Machine) Outstanding() []Command {
	m.cmds = m.cmds[:0]
	if m.stage == inTasks && !m.timedOut {
		m.setRunTimer()
	}
	for i := range m.nodes {
		n := &m.nodes[i]
		if n.fan == nil {
			m.reissue(int32(i), 0, &n.slot)
			continue
		}
		for k := range n.fan.slots {
			m.reissue(int32(i), int32(k), &n.fan.slots[k])
		}
	}
	if m.stage == inOutputs {
		m.beginOutputs()
	}
	return m.cmds
}

func (m *Machine) reissue(i, instance int32, s *slot) {
	if s.deadline != 0 && s.phase != done && s.phase != stopping {
		m.setDeadline(i, instance, s)
	}
	switch s.phase {
	case deciding:
		m.ask(EvalIf, i, instance)
	case fanning:
		m.ask(EvalFan, i, instance)
	case binding:
		m.ask(EvalInputs, i, instance)
	case looking:
		m.ask(EvalCache, i, instance)
	case judging:
		m.ask(EvalRetryIf, i, instance)
	case ready:
		m.emit(m.startCommand(i, instance, s.attempt))
	case delayed:
		m.setRetry(i, instance, s)
	}
}

// Running calls yield for each attempt that is running (or was told to stop and
// has not ended yet), in file order.
func (m *Machine) Running(yield func(task, instance, attempt int32) bool) {
	for i := range m.nodes {
		n := &m.nodes[i]
		slots := []slot{n.slot}
		if n.fan != nil {
			slots = n.fan.slots
		}
		for k := range slots {
			if p := slots[k].phase; (p == running || p == stopping) && !yield(int32(i), int32(k), slots[k].attempt) {
				return
			}
		}
	}
}

// writer encodes a snapshot's State.
type writer struct {
	snap *Snapshot
	buf  []byte
}

func (w *writer) uint(v uint64)   { w.buf = binary.AppendUvarint(w.buf, v) }
func (w *writer) int(v int64)     { w.buf = binary.AppendVarint(w.buf, v) }
func (w *writer) bytes(b ...byte) { w.buf = append(w.buf, b...) }

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// value writes the place of a value in Values, from 1; 0 for null.
func (w *writer) value(v any) {
	if v == nil {
		w.uint(0)
		return
	}
	w.snap.Values = append(w.snap.Values, v)
	w.uint(uint64(len(w.snap.Values)))
}

func (w *writer) node(n *node, o *dag.Outcome) {
	w.bytes(flag(n.depsOK), flag(n.depsFailed), flag(n.fan != nil))
	w.uint(uint64(n.left))
	w.slot(&n.slot, o)
	if n.fan == nil {
		w.value(o.Result)
		return
	}
	f := n.fan
	if f.keys != nil {
		m := make(map[string]any, len(f.keys))
		for k, key := range f.keys {
			m[key] = f.items[k]
		}
		w.value(m)
	} else {
		w.value(f.items)
	}
	w.uint(uint64(f.next))
	w.uint(uint64(f.active))
	w.uint(uint64(len(f.again)))
	for _, k := range f.again {
		w.uint(uint64(k))
	}
	for k := range f.slots {
		w.slot(&f.slots[k], &f.outs[k])
		w.value(f.outs[k].Result)
	}
}

// slot writes a slot and its outcome, without the result.
func (w *writer) slot(s *slot, o *dag.Outcome) {
	w.bytes(byte(s.phase), byte(s.stop), flag(s.late), byte(o.Status), byte(o.Reason))
	w.text(o.CachedFrom)
	w.uint(uint64(s.attempt))
	w.uint(uint64(s.lost))
	w.int(s.due)
	w.int(s.deadline)
	w.uint(uint64(o.Attempts))
	w.int(int64(o.ExitCode))
	w.int(o.Started)
	w.int(o.Ended)
	if o.Err == nil {
		w.uint(0)
	} else {
		w.snap.Failures = append(w.snap.Failures, o.Err)
		w.uint(uint64(len(w.snap.Failures)))
	}
	if s.held == nil {
		w.bytes(0)
		return
	}
	w.bytes(1)
	w.value(s.held.inputs)
	w.value(s.held.env)
	w.value(s.held.key)
}
