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
	w.uint(uint64(m.stage))
	if m.stage != unborn {
		w.int(m.began)
		w.int(m.now)
		w.bytes(byte(m.closing), byte(m.cancelled), flag(m.timedOut), flag(m.failed))
		w.int(int64(m.left))
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
// Outstanding says what is to be done next.
func Restore(plan *dag.Plan, s *Snapshot) (*Machine, error) {
	r := reader{snap: s, buf: s.State}
	if v := r.uint(); v != Version {
		return nil, fmt.Errorf("run: restore: the snapshot was taken by version %d of the machine, this is version %d", v, Version)
	}
	m := New(plan)
	m.stage = stage(r.uint())
	if m.stage == unborn {
		return m, r.err
	}
	if s.Start == nil {
		return nil, errors.New("run: restore: the snapshot has no start")
	}
	m.start, m.result = s.Start, s.Result
	m.allocate()
	m.began, m.now = r.int(), r.int()
	m.closing, m.cancelled = dag.Reason(r.byte()), dag.Reason(r.byte())
	m.timedOut, m.failed = r.byte() != 0, r.byte() != 0
	m.left = int(r.int())
	for i := range m.nodes {
		r.node(&m.nodes[i], &m.outs[i])
		if f := m.nodes[i].fan; f != nil {
			f.limit = m.task(int32(i)).MaxParallel
		}
	}
	for i := range m.sofar {
		m.sofar[i] = soFar{Status(r.byte()), r.byte() != 0, r.byte() != 0, r.byte() != 0}
	}
	if r.err == nil && len(r.buf) > 0 {
		r.err = errTorn
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
	w.bytes(byte(s.phase), byte(s.stop), flag(s.late), byte(o.Status), byte(o.Reason), flag(o.Cached))
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
}

// reader decodes a snapshot's State. The first error stays in err, and what is
// read after it is zero.
type reader struct {
	snap *Snapshot
	buf  []byte
	err  error
}

func (r *reader) take(n int) {
	if n <= 0 {
		r.err, r.buf = errTorn, nil
		return
	}
	r.buf = r.buf[n:]
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.buf)
	r.take(n)
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.buf)
	r.take(n)
	return v
}

func (r *reader) byte() byte {
	if len(r.buf) == 0 {
		r.err = errTorn
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *reader) value() any {
	k := r.uint()
	if k == 0 {
		return nil
	}
	if k > uint64(len(r.snap.Values)) {
		r.err = errTorn
		return nil
	}
	return r.snap.Values[k-1]
}

func (r *reader) node(n *node, o *dag.Outcome) {
	n.depsOK, n.depsFailed = r.byte() != 0, r.byte() != 0
	isFan := r.byte() != 0
	n.left = int32(r.uint())
	r.slot(&n.slot, o)
	if !isFan {
		o.Result = r.value()
		return
	}
	f, err := newFan(r.value())
	if err != nil {
		r.err = errTorn
		return
	}
	n.fan = f
	f.next, f.active = int32(r.uint()), int(r.uint())
	for range min(r.uint(), uint64(len(f.slots))) {
		f.again = append(f.again, int32(r.uint()))
	}
	for k := range f.slots {
		r.slot(&f.slots[k], &f.outs[k])
		f.outs[k].Result = r.value()
		if f.outs[k].Status.Ended() {
			f.left--
		}
	}
	if o.Status == dag.Succeeded || o.Status == dag.Failed {
		o.Result = f.results()
	}
}

func (r *reader) slot(s *slot, o *dag.Outcome) {
	s.phase, s.stop, s.late = phase(r.byte()), dag.Reason(r.byte()), r.byte() != 0
	o.Status, o.Reason, o.Cached = dag.Status(r.byte()), dag.Reason(r.byte()), r.byte() != 0
	s.attempt, s.lost = int32(r.uint()), int32(r.uint())
	s.due, s.deadline = r.int(), r.int()
	o.Attempts, o.ExitCode = int32(r.uint()), int32(r.int())
	o.Started, o.Ended = r.int(), r.int()
	if k := r.uint(); k > uint64(len(r.snap.Failures)) {
		r.err = errTorn
	} else if k > 0 {
		o.Err = r.snap.Failures[k-1]
	}
	if r.byte() == 0 {
		return
	}
	s.held = &held{}
	s.held.inputs, _ = r.value().(map[string]any)
	s.held.env, _ = r.value().(map[string]any)
}
