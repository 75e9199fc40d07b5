package run

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"flow/dag"
)

// MaxInstances is how many instances a fan-out may have.
const MaxInstances = 100_000

// fan is the state of a fan-out once its items are known.
type fan struct {
	items  []any
	keys   []string // of a map, ascending; nil for a list
	slots  []slot
	outs   []dag.Outcome
	left   int     // instances that have not ended
	limit  int     // max_parallel; 0: none
	active int     // instances that hold one of its places
	next   int32   // the first instance that was never let in
	again  []int32 // instances whose retry is due, waiting to be let in
}

// newFan makes the state of a fan-out over a list or a map.
func newFan(items any) (*fan, error) {
	f := &fan{}
	switch v := items.(type) {
	case []any:
		f.items = v
	case map[string]any:
		f.keys = slices.AppendSeq(make([]string, 0, len(v)), maps.Keys(v)) // not nil: an empty map is no list
		slices.Sort(f.keys)
		f.items = make([]any, len(v))
		for k, key := range f.keys {
			f.items[k] = v[key]
		}
	default:
		return nil, fmt.Errorf("for_each needs a list or a map, not %s", dag.TypeName(v))
	}
	if len(f.items) > MaxInstances {
		return nil, fmt.Errorf("%d instances; at most %d are allowed: hand out larger pieces", len(f.items), MaxInstances)
	}
	f.left = len(f.items)
	f.slots = make([]slot, f.left)
	f.outs = make([]dag.Outcome, f.left)
	for k := range f.slots {
		f.slots[k].phase = parked
		f.outs[k].ExitCode = -1
	}
	return f, nil
}

// fanOut goes on when the items of a fan-out are known.
func (m *Machine) fanOut(i int32, items any, err error) {
	var f *fan
	if err == nil {
		f, err = newFan(items)
	}
	if err != nil {
		m.fail(i, err)
		return
	}
	f.limit = m.task(i).MaxParallel
	m.nodes[i].phase, m.nodes[i].fan = open, f
	m.outs[i].Status = dag.Queued
	if f.left == 0 {
		m.endFan(i)
		return
	}
	m.fill(i)
}

// fill lets instances in while max_parallel allows it: those whose retry is due
// first.
func (m *Machine) fill(i int32) {
	f := m.nodes[i].fan
	for f.limit == 0 || f.active < f.limit {
		var k int32
		switch {
		case len(f.again) > 0:
			k = f.again[0]
			f.again = f.again[1:]
		case int(f.next) < len(f.slots):
			k = f.next
			f.next++
		default:
			return
		}
		s := &f.slots[k]
		if s.phase != parked { // it was ended while it waited here
			continue
		}
		f.active++
		if s.attempt == 0 {
			m.prepare(i, k)
		} else {
			m.enqueue(i, k)
		}
	}
}

// endFan ends a fan-out all of whose instances have ended.
func (m *Machine) endFan(i int32) {
	f, o := m.nodes[i].fan, &m.outs[i]
	var failed, cancelled, skipped *dag.Outcome
	o.Attempts = 0
	for k := range f.outs {
		in := &f.outs[k]
		o.Attempts += in.Attempts
		switch {
		case in.Status == dag.Failed && failed == nil:
			failed = in
		case in.Status == dag.Cancelled && cancelled == nil:
			cancelled = in
		case in.Status == dag.Skipped && skipped == nil:
			skipped = in
		}
	}
	switch {
	case failed != nil:
		o.Err, o.ExitCode = failed.Err, failed.ExitCode
		o.Result = f.results()
		m.end(i, dag.Failed, failed.Reason)
	case cancelled != nil:
		m.end(i, dag.Cancelled, cancelled.Reason)
	case skipped != nil && o.Started != 0:
		m.end(i, dag.Cancelled, skipped.Reason)
	case skipped != nil:
		m.end(i, dag.Skipped, skipped.Reason)
	default:
		o.Result = f.results()
		if n := len(f.outs); n > 0 {
			o.ExitCode = f.outs[n-1].ExitCode
		}
		m.end(i, dag.Succeeded, dag.NoReason)
	}
}

// results is a fan-out's result: the list or map of its instances' results,
// null where one failed.
func (f *fan) results() any {
	if f.keys != nil {
		r := make(map[string]any, len(f.outs))
		for k, key := range f.keys {
			r[key] = f.outs[k].Result
		}
		return r
	}
	r := make([]any, len(f.outs))
	for k := range f.outs {
		r[k] = f.outs[k].Result
	}
	return r
}

// expand evaluates for_each or matrix to a list or a map of items.
func expand(f *dag.Fan, s *dag.Scope) (any, error) {
	if f.Each != nil {
		return f.Each.Eval(s)
	}
	combos := []any{map[string]any{}}
	for k := range f.Matrix {
		b := &f.Matrix[k]
		v, err := b.Value.Eval(s)
		if err != nil {
			return nil, err
		}
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("matrix.%s needs a list, not %s", b.Name, dag.TypeName(v))
		}
		if len(combos)*len(list) > MaxInstances {
			return nil, fmt.Errorf("matrix has more than %d combinations", MaxInstances)
		}
		combos = times(combos, b.Name, list)
	}
	if len(f.Matrix) == 0 {
		combos = nil
	}
	exclude, err := listOfMaps(f.Exclude, s, "exclude")
	if err != nil {
		return nil, err
	}
	include, err := listOfMaps(f.Include, s, "include")
	if err != nil {
		return nil, err
	}
	combos = slices.DeleteFunc(combos, func(c any) bool {
		return slices.ContainsFunc(exclude, func(x any) bool { return matches(c.(map[string]any), x.(map[string]any)) })
	})
	return append(combos, include...), nil
}

// CountInstances tells how many instances a fan-out has in a scope.
func CountInstances(f *dag.Fan, s *dag.Scope) (int, error) {
	items, err := expand(f, s)
	if err != nil {
		return 0, err
	}
	fan, err := newFan(items)
	if err != nil {
		return 0, err
	}
	return len(fan.items), nil
}

// times is the product of combinations and one more list, which varies fastest.
func times(combos []any, name string, list []any) []any {
	out := make([]any, 0, len(combos)*len(list))
	for _, c := range combos {
		for _, v := range list {
			m := maps.Clone(c.(map[string]any))
			m[name] = v
			out = append(out, m)
		}
	}
	return out
}

// matches reports whether a combination has all values of an entry of exclude.
func matches(combo, pattern map[string]any) bool {
	for k, v := range pattern {
		if w, ok := combo[k]; !ok || !equal(v, w) {
			return false
		}
	}
	return true
}

// equal is the language's ==, for which 1 and 1.0 are one number.
func equal(a, b any) bool {
	x, y := number(a), number(b)
	if x != nil && y != nil {
		return *x == *y
	}
	return reflect.DeepEqual(a, b)
}

// number is a plain value as a float, nil if it is none. Integers that no float
// holds exactly are left to be compared as they are.
func number(v any) *float64 {
	switch v := v.(type) {
	case int:
		if f := float64(v); int(f) == v && f < 1<<53 && f > -1<<53 {
			return &f
		}
	case float64:
		return &v
	}
	return nil
}

func listOfMaps(v *dag.Value, s *dag.Scope, what string) ([]any, error) {
	if v == nil {
		return nil, nil
	}
	x, err := v.Eval(s)
	if err != nil {
		return nil, err
	}
	list, ok := x.([]any)
	if !ok {
		return nil, fmt.Errorf("matrix.%s needs a list of maps, not %s", what, dag.TypeName(x))
	}
	for _, e := range list {
		if _, ok := e.(map[string]any); !ok {
			return nil, fmt.Errorf("matrix.%s needs a list of maps, but has %s in it", what, dag.TypeName(e))
		}
	}
	return list, nil
}
