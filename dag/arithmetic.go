package dag

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// arithmetic is what expr's operators do with other values than whole numbers
// and text: floats, times, durations.
type arithmetic struct {
	add, subtract, multiply func(a, b any) any
	divide                  func(a, b any) float64
	modulo                  func(a, b any) int
	negate                  func(a any) any
	in                      func(needle, list any) bool
}

// operators are what expr's own become, by name, and what is put around the
// lists that loops go through.
func operators(lib arithmetic) map[string]func(*frame, []any) (any, error) {
	return map[string]func(*frame, []any) (any, error){
		"+":      func(f *frame, a []any) (any, error) { return add(f, a[0], a[1], lib.add) },
		"-":      func(_ *frame, a []any) (any, error) { return subtract(a[0], a[1], lib.subtract) },
		"*":      func(_ *frame, a []any) (any, error) { return multiply(a[0], a[1], lib.multiply) },
		"/":      func(_ *frame, a []any) (any, error) { return divide(a[0], a[1], lib.divide) },
		"%":      func(_ *frame, a []any) (any, error) { return modulo(a[0], a[1], lib.modulo) },
		"negate": func(_ *frame, a []any) (any, error) { return negate(a[0], lib.negate) },
		"in": func(f *frame, a []any) (any, error) {
			if err := f.charge(size(a[1])/4 + 1); err != nil {
				return nil, err
			}
			return lib.in(a[0], a[1]), nil
		},
		"sum":        func(f *frame, a []any) (any, error) { return sum(f, a[0], lib.add) },
		"loop":       func(f *frame, a []any) (any, error) { return a[0], loop(f, a[0], false) },
		"inner loop": func(f *frame, a []any) (any, error) { return a[0], loop(f, a[0], true) },
	}
}

// errResult is the error of arithmetic.
var errResult = errors.New("the result is beyond 64 bits")

// add is a + b; more does it for other types than numbers.
func add(f *frame, a, b any, more func(a, b any) any) (any, error) {
	switch x := a.(type) {
	case int:
		if y, ok := b.(int); ok {
			s := x + y
			if (s > x) != (y > 0) && y != 0 {
				return nil, errResult
			}
			return s, nil
		}
	case string:
		if y, ok := b.(string); ok {
			if err := f.charge((len(x) + len(y)) / 2); err != nil {
				return nil, err
			}
			return x + y, nil
		}
	}
	return mixed(a, b, "+", more)
}

// mixed is an operator on what isn't two whole numbers.
func mixed(a, b any, op string, more func(a, b any) any) (any, error) {
	if a == nil || b == nil {
		return nil, fmt.Errorf("%s %s %s: null can't be reckoned with; write x ?? 0 for another value", describe(a), op, describe(b))
	}
	return more(a, b), nil
}

func subtract(a, b any, more func(a, b any) any) (any, error) {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			d := x - y
			if (d < x) != (y > 0) && y != 0 {
				return nil, errResult
			}
			return d, nil
		}
	}
	return mixed(a, b, "-", more)
}

func multiply(a, b any, more func(a, b any) any) (any, error) {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			hi, lo := bits.Mul64(magnitude(x), magnitude(y))
			negative := (x < 0) != (y < 0)
			switch {
			case hi != 0, !negative && lo > math.MaxInt64, negative && lo > 1<<63:
				return nil, errResult
			}
			return x * y, nil
		}
	}
	return mixed(a, b, "*", more)
}

// magnitude is |x|, which for the least int is no int.
func magnitude(x int) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func divide(a, b any, more func(a, b any) float64) (any, error) {
	if b == 0 || b == 0.0 {
		return nil, errors.New("division by zero")
	}
	return mixed(a, b, "/", func(a, b any) any { return more(a, b) })
}

func modulo(a, b any, more func(a, b any) int) (any, error) {
	if b == 0 {
		return nil, errors.New("division by zero")
	}
	return mixed(a, b, "%", func(a, b any) any { return more(a, b) })
}

func negate(a any, more func(any) any) (any, error) {
	switch a {
	case math.MinInt64:
		return nil, errResult
	case nil:
		return nil, errors.New("- null: null can't be reckoned with; write x ?? 0 for another value")
	}
	return more(a), nil
}

// sum adds the elements of a list.
func sum(f *frame, v any, more func(a, b any) any) (any, error) {
	if err := loop(f, v, false); err != nil {
		return nil, err
	}
	if err := f.charge(size(v)); err != nil {
		return nil, err
	}
	var total any = 0
	l, err := listOf(v)
	for _, x := range l {
		if total, err = add(f, total, x, more); err != nil {
			return nil, err
		}
	}
	return total, err
}
