package dag

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// timeLayout is RFC 3339 to the millisecond, with a fraction only if there is
// one.
const timeLayout = "2006-01-02T15:04:05.999Z07:00"

// Bounds of a plain value. Lists can share their elements, so that a value of
// a few kilobytes could be a tree of more nodes than there are atoms.
const (
	maxDepth = 10_000 // the bound of encoding/json
	maxNodes = 1 << 24
)

var (
	errTooDeep   = errors.New("it is nested deeper than " + strconv.Itoa(maxDepth) + " levels")
	errTooMany   = errors.New("it has more than " + strconv.Itoa(maxNodes) + " elements")
	errNotFinite = errors.New("it is not a finite number")
	errOverflow  = errors.New("it is a whole number beyond 64 bits")
)

// Plain makes a plain value of v, the only kind that is kept and passed on:
// nil, bool, int, float64, string, []any and map[string]any, all the way down.
//
// Whole floats become ints; a number that is not finite, or whole and beyond 64
// bits, is an error. A time becomes RFC 3339 text in its own zone, to the
// millisecond, with a fraction only if it isn't 0; a time.Duration becomes its
// seconds. Text that is not UTF-8 gets U+FFFD for each wrong byte, which is
// what its JSON encoding would make of it: a value is the same live as in
// replay. Keys of maps become text; two that are the same as text are an error.
// Functions, structs and channels are an error.
//
// What is plain already is returned as it is, not copied: plain values are
// never changed by anybody. It costs one walk over v.
func Plain(v any) (any, error) {
	p, err := toPlain(v)
	if err != nil {
		return nil, fmt.Errorf("dag: plain value: %w", err)
	}
	return p, nil
}

// toPlain is Plain, with errors that begin with "it".
func toPlain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int:
		return v, nil
	}
	p, _, err := new(plainer).value(v, 0)
	return p, err
}

// plainer walks one value; nodes is how many it has seen.
type plainer struct{ nodes int }

// value returns v as a plain value, and whether that is another than v.
func (p *plainer) value(v any, depth int) (_ any, changed bool, err error) {
	if p.nodes++; p.nodes > maxNodes {
		return nil, false, errTooMany
	}
	switch v := v.(type) {
	case nil, bool, int:
		return v, false, nil
	case string:
		if utf8.ValidString(v) {
			return v, false, nil
		}
		return string([]rune(v)), true, nil
	case float64:
		return plainFloat(v)
	case []any:
		return p.list(v, depth)
	case map[string]any:
		return p.object(v, depth)
	case time.Time:
		return timeText(v), true, nil
	case time.Duration:
		f, _, err := plainFloat(v.Seconds())
		return f, true, err
	case []byte:
		return string([]rune(string(v))), true, nil
	}
	return p.other(reflect.ValueOf(v), depth)
}

// plainFloat makes an int of a whole float.
func plainFloat(f float64) (any, bool, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, false, errNotFinite
	case f != math.Trunc(f):
		return f, false, nil
	case f < math.MinInt64 || f >= -math.MinInt64:
		return nil, false, errOverflow
	}
	return int(f), true, nil
}

func (p *plainer) list(l []any, depth int) (any, bool, error) {
	if depth >= maxDepth {
		return nil, false, errTooDeep
	}
	if l == nil {
		return []any{}, true, nil
	}
	changed := false
	for i, x := range l {
		y, other, err := p.value(x, depth+1)
		if err != nil {
			return nil, false, err
		}
		if other && !changed {
			l, changed = slices.Clone(l), true
		}
		if other {
			l[i] = y
		}
	}
	return l, changed, nil
}

func (p *plainer) object(m map[string]any, depth int) (any, bool, error) {
	if depth >= maxDepth {
		return nil, false, errTooDeep
	}
	if m == nil {
		return map[string]any{}, true, nil
	}
	var other map[string]any // what is new of it
	for k, x := range m {
		y, changed, err := p.value(x, depth+1)
		if err != nil {
			return nil, false, err
		}
		if !utf8.ValidString(k) {
			return p.other(reflect.ValueOf(m), depth)
		}
		if changed {
			if other == nil {
				other = make(map[string]any)
			}
			other[k] = y
		}
	}
	if other == nil {
		return m, false, nil
	}
	for k, x := range m {
		if _, ok := other[k]; !ok {
			other[k] = x
		}
	}
	return other, true, nil
}

// other makes plain values of Go's further kinds, which expr's functions and Go
// programs come up with.
func (p *plainer) other(v reflect.Value, depth int) (any, bool, error) {
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), true, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(v.Int()), true, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if v.Uint() > math.MaxInt64 {
			return nil, false, errOverflow
		}
		return int(v.Uint()), true, nil
	case reflect.Float32, reflect.Float64:
		f, _, err := plainFloat(v.Float())
		return f, true, err
	case reflect.String:
		s, _, err := p.value(v.String(), depth)
		return s, true, err
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, true, nil
		}
		if depth >= maxDepth {
			return nil, false, errTooDeep
		}
		x, _, err := p.value(v.Elem().Interface(), depth+1)
		return x, true, err
	case reflect.Slice, reflect.Array:
		l := make([]any, v.Len())
		for i := range l {
			l[i] = v.Index(i).Interface()
		}
		x, _, err := p.list(l, depth)
		return x, true, err
	case reflect.Map:
		return p.otherMap(v, depth)
	}
	return nil, false, fmt.Errorf("it is a Go value of type %s", v.Type())
}

// otherMap makes text of the keys of a map.
func (p *plainer) otherMap(v reflect.Value, depth int) (any, bool, error) {
	m := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		k, _, err := p.value(it.Key().Interface(), depth+1)
		if err != nil {
			return nil, false, err
		}
		key := "null"
		if k != nil {
			key = Text(k)
		}
		if _, ok := m[key]; ok {
			return nil, false, fmt.Errorf("it is a map with two keys that are both %q as text", key)
		}
		m[key] = it.Value().Interface()
	}
	x, _, err := p.object(m, depth)
	return x, true, err
}

// timeText is a time as it stands in results and text.
func timeText(t time.Time) string { return t.Format(timeLayout) }

// timeOrNil is the text of a time, nil for the zero time.
func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timeText(t)
}
