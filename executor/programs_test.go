package executor_test

import (
	"math/rand/v2"
	"slices"
)

// program is a random set of tasks and promises that wait for each other.
type program struct {
	workers    int
	maxBlocked int     // 0: no limit
	tasks      []ptask // the first n are submitted from outside, the others by their parents
	n          int
	promises   []ppromise
}

type ptask struct {
	after    []ref
	ops      []op
	fails    bool // at its end
	weight   int
	priority int
}

// ppromise is a promise: who makes it, and so owns it, and who keeps it.
type ppromise struct{ maker, keeper int }

// Who is no task.
const (
	outsider = -1 // as a maker: it has no owner
	nobody   = -2
)

// ref is what can be waited for.
type ref struct {
	promise bool
	i       int
}

// op is one step of a task.
type op struct {
	how     int
	targets []ref
	ignore  bool // go on if what was waited for has failed
	child   int
}

const (
	waitOne = iota
	waitThen
	waitAfter
	waitFlatten
	waitNest    // for a task that it submits
	waitShort   // with a context that ends; whatever comes of it
	waitUnseen  // in Blocking, by a channel
	leaveNested // submits a task and does not wait
	block       // for something else, in Blocking
	shutDown
	waitGather // the following have several targets
	waitAll
	waitFirst // the following need one of them
	waitStream
	waitSet
	kinds
)

// first reports whether one target is enough.
func (o op) first() bool { return o.how >= waitFirst }

// indefinite reports whether it depends on timing if the promise is kept or left.
func (p ppromise) indefinite() bool {
	return p.maker >= 0 && p.keeper != nobody && p.keeper != p.maker
}

// features say what a program may have, for a plain one finds some faults sooner.
type features struct{ firsts, promises, nested, failures, leaving, gathers, limits, shutdown bool }

func randomFeatures(r *rand.Rand) features {
	yes := func(of int) bool { return r.IntN(of) == 0 }
	return features{
		firsts: yes(2), promises: yes(2), nested: yes(2), failures: yes(4),
		leaving: yes(3), gathers: yes(2), limits: yes(8), shutdown: yes(8),
	}
}

func randomProgram(r *rand.Rand) program {
	f := randomFeatures(r)
	p := program{workers: 1 + r.IntN(3), n: 1 + r.IntN(8)}
	if f.limits {
		p.maxBlocked = 1 + r.IntN(4)
	}
	p.tasks = make([]ptask, p.n)
	if f.promises {
		for range 1 + r.IntN(3) {
			p.promises = append(p.promises, ppromise{r.IntN(p.n+1) - 1, r.IntN(p.n+2) - 2})
			if q := &p.promises[len(p.promises)-1]; q.maker == outsider && q.keeper == nobody {
				q.keeper = outsider
			}
		}
	}
	for i := 0; i < len(p.tasks); i++ { // grows
		p.fill(r, f, i)
	}
	p.makeSeen()
	return p
}

// fill draws what task i is.
func (p *program) fill(r *rand.Rand, f features, i int) {
	t := ptask{weight: 1, priority: r.IntN(2), fails: f.failures && r.IntN(5) == 0}
	if r.IntN(3) == 0 {
		t.weight = 1 + r.IntN(p.workers)
	}
	if i > 0 && i < p.n && r.IntN(5) == 0 {
		t.after = append(t.after, ref{i: r.IntN(i)})
	}
	for range r.IntN(3) {
		o := op{how: randomKind(r, f), ignore: r.IntN(4) == 0}
		if o.how == waitNest || o.how == leaveNested {
			if len(p.tasks) > 12 {
				continue
			}
			o.child = len(p.tasks)
			p.tasks = append(p.tasks, ptask{})
		}
		o.targets = []ref{p.randomRef(r)}
		for o.how >= waitGather && len(o.targets) < 3 && r.IntN(2) == 0 {
			o.targets = append(o.targets, p.randomRef(r))
		}
		o.ignore = o.ignore || slices.ContainsFunc(o.targets, func(t ref) bool { return t.promise && p.promises[t.i].indefinite() })
		t.ops = append(t.ops, o)
	}
	p.tasks[i] = t
}

func randomKind(r *rand.Rand, f features) int {
	for {
		k := r.IntN(kinds)
		switch {
		case k >= waitFirst && !f.firsts,
			k == waitGather && !f.gathers,
			(k == waitNest || k == leaveNested) && !f.nested,
			(k == waitShort || k == waitUnseen) && !f.leaving,
			k == shutDown && (!f.shutdown || r.IntN(4) > 0):
			continue
		}
		return k
	}
}

func (p *program) randomRef(r *rand.Rand) ref {
	if len(p.promises) > 0 && r.IntN(3) == 0 {
		return ref{true, r.IntN(len(p.promises))}
	}
	return ref{i: r.IntN(p.n)}
}

// makeSeen takes what would be a circle out of sight of the pool: over a promise, for
// anybody might keep that, or a wait by a channel.
func (p *program) makeSeen() {
	for i := range p.promises {
		if q := (ref{true, i}); p.reaches(q, q) {
			p.promises[i] = ppromise{outsider, outsider}
		}
	}
	for i, t := range p.tasks {
		for k := range t.ops {
			if o := &t.ops[k]; o.how == waitUnseen && (o.targets[0] == (ref{i: i}) || p.reaches(o.targets[0], ref{i: i})) {
				o.how = block
			}
		}
	}
}

// reaches reports whether from needs to, over any number of steps but none.
func (p *program) reaches(from, to ref) bool {
	seen := make(map[ref]bool)
	for todo := []ref{from}; len(todo) > 0; {
		next := p.needs(todo[0])
		todo = todo[1:]
		for _, n := range next {
			if n == to {
				return true
			}
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return false
}

func (p *program) needs(x ref) []ref {
	var all []ref
	if x.promise {
		q := p.promises[x.i]
		for _, who := range []int{q.maker, q.keeper} {
			if who >= 0 {
				all = append(all, ref{i: who})
			}
		}
		return all
	}
	t := p.tasks[x.i]
	all = append(all, t.after...)
	for _, o := range t.ops {
		switch o.how {
		case waitNest, leaveNested:
			all = append(all, ref{i: o.child})
		case block, shutDown:
		default:
			all = append(all, o.targets...)
		}
	}
	return all
}

// has reports whether a task has a step for which is says so.
func (p *program) has(is func(op) bool) bool {
	return slices.ContainsFunc(p.tasks, func(t ptask) bool { return slices.ContainsFunc(t.ops, is) })
}

// reference runs a program without a pool, with a worker for each task, until nothing
// moves. Everything in it only ever grows, so the order is of no importance.
type reference struct {
	*program
	patient bool  // no wait ends early
	step    []int // of each task; -1: not started
	asked   []bool
	ended   []bool
	failed  []bool
}

// refer returns what becomes of the program's tasks.
func (p *program) refer(patient bool) *reference {
	n := len(p.tasks)
	r := &reference{p, patient, make([]int, n), make([]bool, n), make([]bool, n), make([]bool, n)}
	for i := range n {
		r.step[i], r.asked[i] = -1, i < p.n
	}
	for moved := true; moved; {
		moved = false
		for i := range n {
			for r.advance(i) {
				moved = true
			}
		}
	}
	return r
}

// advance takes one step of task i, if it can.
func (r *reference) advance(i int) bool {
	if !r.asked[i] || r.ended[i] {
		return false
	}
	t := &r.tasks[i]
	ends, fails := true, false
	if s := r.step[i]; s < 0 {
		ends, fails = r.all(t.after)
	} else if s < len(t.ops) {
		ends, fails = r.wait(&t.ops[s])
	} else {
		r.ended[i], r.failed[i] = true, t.fails
		return true
	}
	if fails {
		r.ended[i], r.failed[i] = true, true
		return true
	}
	if ends {
		r.step[i]++
	}
	return ends
}

// wait says whether a step ends, and whether that fails its task.
func (r *reference) wait(o *op) (ends, fails bool) {
	switch o.how {
	case block, shutDown:
		return true, false
	case leaveNested:
		r.asked[o.child] = true
		return true, false
	case waitNest:
		r.asked[o.child] = true
		return r.ended[o.child], r.failed[o.child] && !o.ignore
	case waitShort:
		ends, _ = r.end(o.targets[0])
		return ends || !r.patient, false
	case waitUnseen:
		ends, _ = r.end(o.targets[0])
		return ends, false
	case waitGather:
		// One that fails ends it, but it may be called stuck before that.
		ends, fails = r.all(o.targets)
		ends = ends || fails && !r.patient
		return ends, ends && fails && !o.ignore
	}
	if o.first() {
		return slices.ContainsFunc(o.targets, func(t ref) bool { ends, _ := r.end(t); return ends }), false
	}
	ends, fails = r.all(o.targets)
	return ends, ends && fails && !o.ignore
}

// all reports whether all of targets have ended, and whether any has failed.
func (r *reference) all(targets []ref) (ends, fails bool) {
	ends = true
	for _, t := range targets {
		e, f := r.end(t)
		ends, fails = ends && e, fails || f
	}
	return ends, fails
}

// end reports whether x has ended, and failed. (It is false for an indefinite promise.)
func (r *reference) end(x ref) (ended, failed bool) {
	if !x.promise {
		return r.ended[x.i], r.failed[x.i]
	}
	q := r.promises[x.i]
	kept := q.keeper == outsider || q.keeper >= 0 && r.ended[q.keeper]
	if q.maker == outsider {
		return kept, false
	}
	made := r.step[q.maker] >= 0
	if r.ended[q.maker] {
		return true, !q.indefinite() && (!made || q.keeper == nobody)
	}
	return made && kept, false
}

// stuck reports whether a task has begun, or been asked for, that can't end.
func (r *reference) stuck() bool {
	for i := range r.tasks {
		if r.asked[i] && !r.ended[i] {
			return true
		}
	}
	return false
}
