package dag

import "slices"

// cond is as much of an expression as is needed to tell whether an `if` can be
// true.
type cond struct {
	op    condOp
	value any      // of condConst
	v     variable // of condVar
	at    span
	args  []cond
}

type condOp uint8

const (
	condUnknown condOp = iota
	condConst
	condVar
	condList
	condNot
	condAnd
	condOr
	condEqual
	condUnequal
	condIn
)

var condOps = map[string]condOp{"&&": condAnd, "and": condAnd, "||": condOr, "or": condOr,
	"==": condEqual, "!=": condUnequal, "in": condIn}

// may is what a condition may turn out to be.
type may struct{ beTrue, beFalse bool }

// eval finds out what c may be if the status of each task is one of ended.
func (c cond) eval(ended []string) may {
	unknown := may{true, true}
	switch c.op {
	case condConst:
		if b, ok := c.value.(bool); ok {
			return may{b, !b}
		}
	case condNot:
		m := c.args[0].eval(ended)
		return may{m.beFalse, m.beTrue}
	case condAnd:
		l, r := c.args[0].eval(ended), c.args[1].eval(ended)
		return may{l.beTrue && r.beTrue, l.beFalse || r.beFalse}
	case condOr:
		l, r := c.args[0].eval(ended), c.args[1].eval(ended)
		return may{l.beTrue || r.beTrue, l.beFalse && r.beFalse}
	case condEqual:
		return equalities(c.args[0], c.args[1:], ended)
	case condUnequal:
		m := equalities(c.args[0], c.args[1:], ended)
		return may{m.beFalse, m.beTrue}
	case condIn:
		if c.args[1].op == condList {
			return equalities(c.args[0], c.args[1].args, ended)
		}
	}
	return unknown
}

// equalities finds out whether a may equal one of bs.
func equalities(a cond, bs []cond, ended []string) may {
	left, ok := a.values(ended)
	if !ok {
		if len(bs) == 1 && bs[0].op == condVar {
			if right, known := bs[0].values(ended); known && a.op == condConst {
				return overlap(right, []any{a.value})
			}
		}
		return may{true, true}
	}
	var right []any
	for _, b := range bs {
		if b.op != condConst {
			return may{true, true}
		}
		right = append(right, b.value)
	}
	return overlap(left, right)
}

// overlap is whether one of left may be in right, and whether one may not.
func overlap(left, right []any) may {
	var m may
	for _, l := range left {
		if slices.Contains(right, l) {
			m.beTrue = true
		} else {
			m.beFalse = true
		}
	}
	return m
}

// values are all that a task's status or error may be.
func (c cond) values(ended []string) ([]any, bool) {
	if c.op != condVar {
		return nil, false
	}
	switch c.v.kind {
	case varStatus:
		l := make([]any, len(ended))
		for i, s := range ended {
			l[i] = s
		}
		return l, true
	case varTaskError:
		if len(ended) == 1 {
			return []any{nil}, true
		}
	}
	return nil, false
}

// statuses calls yield for each constant that a task's status is compared with.
func (c cond) statuses(yield func(variable span, constant string)) {
	if (c.op == condEqual || c.op == condUnequal || c.op == condIn) && len(c.args) == 2 {
		l, r := c.args[0], c.args[1]
		if r.op == condVar {
			l, r = r, l
		}
		if l.op == condVar && (l.v.kind == varStatus || l.v.kind == varRunStatus) {
			for _, k := range append([]cond{r}, r.args...) {
				if s, ok := k.value.(string); ok {
					yield(l.at, s)
				}
			}
		}
	}
	for _, a := range c.args {
		a.statuses(yield)
	}
}
