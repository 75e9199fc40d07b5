package run

import (
	"encoding/binary"
	"fmt"
	"math"

	"flow/dag"
)

// reader decodes a snapshot's State. It refuses what is out of its range by
// itself; what has to fit together is looked at by Machine.check. The first error
// stays in err, and what is read after it is zero.
type reader struct {
	snap *Snapshot
	buf  []byte
	err  error
}

// torn notes what is wrong.
func (r *reader) torn(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errTorn, what)
	}
	r.buf = nil
}

func (r *reader) take(n int) {
	if n <= 0 {
		r.torn("it ends too early")
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

// count reads a number from 0 to most.
func (r *reader) count(most int) int {
	v := r.uint()
	if v > uint64(most) {
		r.torn(fmt.Sprintf("a number is %d, %d is the most that can be", v, most))
		return 0
	}
	return int(v)
}

func (r *reader) exitCode() int32 {
	v := r.int()
	if v < -1 || v > math.MaxInt32 {
		r.torn(fmt.Sprintf("there is no exit code %d", v))
	}
	return int32(v)
}

func (r *reader) byte() byte {
	if len(r.buf) == 0 {
		r.torn("it ends too early")
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

// enum reads one of the kinds of something, the last of which is given.
func (r *reader) enum(last byte) byte {
	b := r.byte()
	if b > last {
		r.torn(fmt.Sprintf("a kind is %d, %d is the last there is", b, last))
		return 0
	}
	return b
}

func (r *reader) text() string {
	n := r.count(math.MaxInt32)
	if n > len(r.buf) {
		r.torn("it ends too early")
	}
	if r.err != nil {
		return ""
	}
	s := string(r.buf[:n])
	r.buf = r.buf[n:]
	return s
}

func (r *reader) flag() bool         { return r.enum(1) == 1 }
func (r *reader) reason() dag.Reason { return dag.Reason(r.enum(byte(dag.ReasonTaskFailed))) }

func (r *reader) value() any {
	k := r.count(len(r.snap.Values))
	if k == 0 {
		return nil
	}
	return r.snap.Values[k-1]
}

// entries reads a value that is a map.
func (r *reader) entries() map[string]any {
	m, ok := r.value().(map[string]any)
	if !ok {
		r.torn("inputs are no map")
	}
	return m
}

func (r *reader) failure() *dag.Failure {
	k := r.count(len(r.snap.Failures))
	if k == 0 {
		return nil
	}
	f := r.snap.Failures[k-1]
	if f == nil || !canFail(f.Reason) {
		r.torn("a failure has no reason")
	}
	return f
}

// machine reads what a machine has that was born.
func (r *reader) machine(m *Machine) {
	if err := m.admitStart(r.snap.Start); err != nil {
		r.torn(err.Error())
		return
	}
	m.start, m.result = r.snap.Start, r.snap.Result
	m.allocate()
	m.began, m.now = r.int(), r.int()
	m.closing, m.cancelled = r.reason(), r.reason()
	m.timedOut, m.failed = r.flag(), r.flag()
	m.left = r.count(len(m.nodes))
	for i := range m.nodes {
		r.node(m, int32(i))
		if r.err != nil {
			return
		}
	}
	for i := range m.sofar {
		m.sofar[i] = soFar{Status(r.enum(byte(RunCancelled))), r.flag(), r.flag(), r.flag()}
	}
}

func (r *reader) node(m *Machine, i int32) {
	n, o, t := &m.nodes[i], &m.outs[i], m.task(i)
	n.depsOK, n.depsFailed = r.flag(), r.flag()
	isFan := r.flag()
	n.left = int32(r.count(m.depsOfStage(int(i))))
	r.slot(&n.slot, o)
	if !isFan {
		o.Result = r.value()
		return
	}
	f, err := newFan(r.value())
	if err != nil || t.Fan == nil {
		r.torn(t.ID + " is a fan-out over nothing")
		return
	}
	n.fan, f.limit = f, t.MaxParallel
	f.next, f.active = int32(r.count(len(f.slots))), r.count(len(f.slots))
	for range r.count(len(f.slots)) {
		f.again = append(f.again, int32(r.count(len(f.slots)-1)))
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
	s.phase, s.stop, s.late = phase(r.enum(byte(done))), r.reason(), r.flag()
	o.Status, o.Reason, o.CachedFrom = dag.Status(r.enum(byte(dag.Cancelled))), r.reason(), r.text()
	s.attempt, s.lost = int32(r.count(math.MaxInt32-1)), int32(r.count(math.MaxInt32-1))
	s.due, s.deadline = r.int(), r.int()
	o.Attempts, o.ExitCode = int32(r.count(math.MaxInt32-1)), r.exitCode()
	o.Started, o.Ended = r.int(), r.int()
	o.Err = r.failure()
	if r.flag() {
		s.held = &held{inputs: r.entries(), env: r.entries(), key: r.value()}
	}
}
