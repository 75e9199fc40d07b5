package run

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"flow/dag"
)

// Events are stored one after the other, each as a record: its length, then the kind, the
// milliseconds since the record before it, task, instance and attempt, then what the kind
// has. Numbers are varints, values are tagged (see appendValue). A record of an attempt
// without a large value has some 10 to 30 bytes.

// AppendEvent appends the record of an event. last is the time of the event before it in
// the run, in Unix milliseconds, 0 for the first one. A value that is not plain is an
// error.
func AppendEvent(b []byte, e *Event, last int64) ([]byte, error) {
	w := writer{}
	w.bytes(byte(e.Kind))
	w.int(e.Time.UnixMilli() - last)
	w.uint(uint64(e.Task))
	w.uint(uint64(e.Instance))
	w.uint(uint64(e.Attempt))
	if err := w.event(e); err != nil {
		return b, fmt.Errorf("run: event of kind %d: %w", e.Kind, err)
	}
	b = binary.AppendUvarint(b, uint64(len(w.buf)))
	return append(b, w.buf...), nil
}

func (w *writer) event(e *Event) (err error) {
	switch e.Kind {
	case Started:
		return w.start(e.Start)
	case AttemptEnded, Evaluated:
		w.bytes(byte(e.What), flag(e.EngineLost))
		w.int(int64(e.ExitCode))
		w.fail(e.Failure)
		w.buf, err = appendValue(w.buf, e.Value)
	case TimerFired:
		w.bytes(byte(e.Timer))
	case CancelRequested:
		w.bytes(byte(e.Reason), flag(e.Kill))
	}
	return err
}

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *writer) fail(f *dag.Failure) {
	if f == nil {
		w.bytes(0)
		return
	}
	w.bytes(1, byte(f.Reason))
	w.text(f.Message)
	w.text(f.Type)
	w.text(f.Traceback)
	w.int(int64(f.ExitCode))
}

// storedStart is a Start as it is stored; it is read by later versions of flow.
type storedStart struct {
	Version   int
	Run       dag.RunInfo
	Zone      string
	Params    []byte // a value
	Durations []time.Duration
	Only      []int
	Selected  bool // Only is not nil
}

func (w *writer) start(s *Start) error {
	if s == nil {
		return errors.New("a start that says nothing")
	}
	params, err := appendValue(nil, map[string]any(s.Params))
	if err != nil {
		return err
	}
	text, err := json.Marshal(storedStart{s.Version, s.Run, s.Run.StartedAt.Location().String(), params, s.Durations, s.Only, s.Only != nil})
	if err != nil {
		return err
	}
	w.text(string(text))
	return nil
}

// The tags of values.
const (
	tagNull byte = iota
	tagFalse
	tagTrue
	tagInt
	tagFloat
	tagText
	tagList
	tagMap
	tagRef
)

// appendValue appends a plain value, or a *dag.Ref, also within a list or a map. Maps are
// written by sorted keys.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, tagNull), nil
	case bool:
		return append(b, tagFalse+flag(v)), nil
	case int:
		return binary.AppendVarint(append(b, tagInt), int64(v)), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(b, tagFloat), math.Float64bits(v)), nil
	case string:
		return appendText(append(b, tagText), v), nil
	case []any:
		return appendList(b, v)
	case map[string]any:
		return appendMap(b, v)
	case *dag.Ref:
		return binary.AppendVarint(appendText(append(b, tagRef), v.Hash), v.Size), nil
	}
	p, err := dag.Plain(v)
	if err != nil {
		return b, err
	}
	switch p.(type) {
	case nil, bool, int, float64, string, []any, map[string]any:
		return appendValue(b, p)
	}
	return b, fmt.Errorf("a %T is no plain value", v)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendList(b []byte, list []any) (_ []byte, err error) {
	b = binary.AppendUvarint(append(b, tagList), uint64(len(list)))
	for _, e := range list {
		if b, err = appendValue(b, e); err != nil {
			return b, err
		}
	}
	return b, nil
}

func appendMap(b []byte, m map[string]any) (_ []byte, err error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = binary.AppendUvarint(append(b, tagMap), uint64(len(m)))
	for _, k := range keys {
		if b, err = appendValue(appendText(b, k), m[k]); err != nil {
			return b, err
		}
	}
	return b, nil
}

// errRecord says that a record is torn, or of a newer version.
var errRecord = errors.New("run: stored event is torn")

// EncodeValue writes a plain value, or a *dag.Ref, as in an event.
func EncodeValue(v any) ([]byte, error) { return appendValue(nil, v) }

// DecodeValue reads what EncodeValue has written. Whatever bytes b has, it is an error at
// worst.
func DecodeValue(b []byte) (any, error) {
	r := recordReader{buf: b}
	v := r.value(0)
	if r.err != nil || len(r.buf) > 0 {
		return nil, errRecord
	}
	return v, nil
}

// ReadEvent reads the first record of b and returns what follows it. last is as for
// AppendEvent. Whatever bytes b has, it is an error at worst.
func ReadEvent(b []byte, last int64) (e Event, rest []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return Event{}, nil, errRecord
	}
	rest = b[k+int(n):]
	r := recordReader{buf: b[k : k+int(n)]}
	e.Kind = EventKind(r.byte())
	ms := r.int()
	if r.err == nil && (ms < -last || ms > math.MaxInt64/2-last) {
		return Event{}, nil, errRecord
	}
	e.Time = time.UnixMilli(last + ms).UTC()
	e.Task, e.Instance, e.Attempt = r.index(), r.index(), r.index()
	r.event(&e)
	if r.err != nil || len(r.buf) > 0 {
		return Event{}, nil, errRecord
	}
	return e, rest, nil
}

// recordReader reads a record. After its first error all that it reads is zero.
type recordReader struct {
	buf []byte
	err error
}

func (r *recordReader) torn() { r.buf, r.err = nil, errRecord }

func (r *recordReader) byte() byte {
	if len(r.buf) == 0 {
		r.torn()
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *recordReader) uint() uint64 {
	v, n := binary.Uvarint(r.buf)
	if n <= 0 {
		r.torn()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

func (r *recordReader) int() int64 {
	v, n := binary.Varint(r.buf)
	if n <= 0 {
		r.torn()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

func (r *recordReader) index() int32 {
	v := r.uint()
	if v > math.MaxInt32 {
		r.torn()
		return 0
	}
	return int32(v)
}

func (r *recordReader) flag() bool {
	b := r.byte()
	if b > 1 {
		r.torn()
	}
	return b == 1
}

func (r *recordReader) text() string {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.torn()
		return ""
	}
	s := string(r.buf[:n])
	r.buf = r.buf[n:]
	return s
}

func (r *recordReader) event(e *Event) {
	switch e.Kind {
	case Started:
		e.Start = r.start()
	case AttemptStarted:
	case AttemptEnded, Evaluated:
		e.What, e.EngineLost = EvalKind(r.byte()), r.flag()
		code := r.int()
		if code < -1 || code > math.MaxInt32 {
			r.torn()
		}
		e.ExitCode = int32(code)
		e.Failure = r.failure()
		e.Value = r.value(0)
	case TimerFired:
		e.Timer = TimerKind(r.byte())
	case CancelRequested:
		e.Reason, e.Kill = dag.Reason(r.byte()), r.flag()
	default:
		r.torn()
	}
}

func (r *recordReader) failure() *dag.Failure {
	if !r.flag() {
		return nil
	}
	f := &dag.Failure{Reason: dag.Reason(r.byte()), Message: r.text(), Type: r.text(), Traceback: r.text(), ExitCode: int(r.int())}
	if f.Reason > dag.ReasonTaskFailed {
		r.torn()
	}
	return f
}

func (r *recordReader) start() *Start {
	var stored storedStart
	text := r.text()
	if r.err != nil || json.Unmarshal([]byte(text), &stored) != nil {
		r.torn()
		return nil
	}
	params := recordReader{buf: stored.Params}
	v, ok := params.value(0).(map[string]any)
	if params.err != nil || !ok || len(params.buf) > 0 {
		r.torn()
		return nil
	}
	s := &Start{Version: stored.Version, Run: stored.Run, Params: v, Durations: stored.Durations, Only: stored.Only}
	if stored.Selected && s.Only == nil {
		s.Only = []int{}
	}
	return s
}

// maxDepth bounds how deep values are nested.
const maxDepth = 10_000

func (r *recordReader) value(depth int) any {
	if depth > maxDepth {
		r.torn()
		return nil
	}
	switch r.byte() {
	case tagNull:
		return nil
	case tagFalse:
		return false
	case tagTrue:
		return true
	case tagInt:
		return int(r.int())
	case tagFloat:
		if len(r.buf) < 8 {
			r.torn()
			return nil
		}
		v := math.Float64frombits(binary.BigEndian.Uint64(r.buf))
		r.buf = r.buf[8:]
		return v
	case tagText:
		return r.text()
	case tagList:
		return r.list(depth)
	case tagMap:
		return r.fields(depth)
	case tagRef:
		return &dag.Ref{Hash: r.text(), Size: r.int()}
	}
	r.torn()
	return nil
}

func (r *recordReader) list(depth int) any {
	n := r.uint()
	if n > uint64(len(r.buf)) { // each takes a byte at least
		r.torn()
		return nil
	}
	list := make([]any, 0, n)
	for range n {
		list = append(list, r.value(depth+1))
		if r.err != nil {
			return nil
		}
	}
	return list
}

func (r *recordReader) fields(depth int) any {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.torn()
		return nil
	}
	m := make(map[string]any, n)
	for range n {
		k := r.text()
		m[k] = r.value(depth + 1)
		if r.err != nil {
			return nil
		}
	}
	return m
}
