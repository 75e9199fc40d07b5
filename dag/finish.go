package dag

import (
	"fmt"
	"slices"
	"strings"
)

// closure is what an entry of inputs or env mentions, directly and through
// other entries.
type closure struct {
	gathering
	done   bool
	open   bool // it is being looked at
	broken bool // its circle has been reported
	depth  int  // entries that name each other, this one included
}

// maxChain bounds how many entries of inputs and env lead from one to the next:
// each holds all that those behind it mention.
const maxChain = 200

// finish looks at what can't be told before every task is complete: which
// entries of inputs and env an expression names, what those mention, and
// whether that may get to where the expression stands. It completes Uses.
func (c *compiler) finish() {
	for _, o := range c.later {
		c.finishOne(o)
		if o.expr.place == inIf && o.expr.src != "false" && c.impossible(o) { // `false` is meant so
			c.report(Diagnostic{Pos: o.expr.pos, Len: underline(o.expr.src), Warning: true,
				Message: "this can't be true: without a status function, `if` begins with success(); write failure() && …, or always() && …"})
		}
	}
	c.later, c.closed, c.index = nil, nil, nil
}

// impossible reports whether an `if` can't be true where all went well before.
func (c *compiler) impossible(o occurrence) bool {
	e := o.expr
	if !e.prog.never || e.prog.feats&useStatus != 0 || o.task == nil || o.task.Finally {
		return false
	}
	return e.prog.neverFailed || !slices.ContainsFunc(e.uses.Tasks, func(t int) bool { return c.w.Tasks[t].ContinueOnError })
}

// finishOne completes what one expression uses.
func (c *compiler) finishOne(o occurrence) {
	e := o.expr
	if o.task == nil || e.prog.feats&(useInputs|useEnv|useFan) == 0 {
		return
	}
	var all gathering
	all.add(&e.uses) // first: the program finds its tasks by their places in front
	for i, v := range e.prog.vars {
		if why := fanless(v, o.task); why != "" {
			c.failAt(o, i, "%s", why)
			continue
		}
		for _, b := range c.entriesOf(o, i) {
			got := c.closure(b, o.task, nil)
			if why := c.reaches(got, e.place, o.task); why != "" {
				c.failAt(o, i, "%s: %s", v.text(), why)
			}
			all.add(&got.Uses)
		}
	}
	e.uses = all.Uses
}

// text is a variable as it is written.
func (v variable) text() string {
	switch v.kind {
	case varInput:
		return "inputs." + v.name
	case varEnv:
		return "env." + v.name
	case varMatrix:
		return "matrix." + v.name
	case varInputs:
		return "inputs"
	case varEnvs:
		return "env"
	}
	return ""
}

// fanless says why a name of fan-outs means nothing in a task, or "".
func fanless(v variable, t *Task) string {
	each := t.Fan != nil && t.Fan.Each != nil
	matrix := t.Fan != nil && t.Fan.Each == nil
	switch v.kind {
	case varItem, varKey:
		name := map[varKind]string{varItem: "item", varKey: "key"}[v.kind]
		switch {
		case matrix:
			return name + ": the task has a matrix; its values are in matrix.NAME"
		case !each:
			return name + ": the task has no for_each"
		}
	case varIndex:
		if t.Fan == nil {
			return "index: the task has neither for_each nor matrix"
		}
	case varMatrices:
		if !matrix {
			return "matrix: the task has no matrix"
		}
	case varMatrix:
		if !matrix {
			return v.text() + ": the task has no matrix"
		}
		if t.Fan.Include != nil || slices.ContainsFunc(t.Fan.Matrix, func(b Binding) bool { return b.Name == v.name }) {
			return ""
		}
		return fmt.Sprintf("%s: the matrix has no such key; it has %s", v.text(), enumerate(names(t.Fan.Matrix)))
	}
	return ""
}

func names(bs []Binding) []string {
	out := make([]string, len(bs))
	for i, b := range bs {
		out[i] = b.Name
	}
	return out
}

// entriesOf are the entries that the i-th variable of an expression names. One
// that doesn't exist is reported.
func (c *compiler) entriesOf(o occurrence, i int) []Binding {
	v := o.expr.prog.vars[i]
	switch v.kind {
	case varInputs:
		return o.task.Inputs
	case varEnvs:
		return o.task.Env
	case varInput, varEnv:
	default:
		return nil
	}
	bs, what := o.task.Inputs, "the task has no such input"
	if v.kind == varEnv {
		bs, what = o.task.Env, "there is no such entry in env (of the environment that flow itself was started with, nothing is in it)"
	}
	if i := c.entry(bs, v.name); i >= 0 {
		return bs[i : i+1]
	}
	c.failAt(o, i, "%s: %s%s", v.text(), what, c.didYouMean(v.name, slices.Values(names(bs))))
	return nil
}

// closure is what an entry of a task mentions. on are those that lead here; a
// circle among them is reported, once.
func (c *compiler) closure(b Binding, t *Task, on []Binding) *closure {
	got, ok := c.closed[b.Value]
	if !ok {
		got = &closure{}
		c.closed[b.Value] = got
	}
	if got.done {
		return got
	}
	if got.open {
		if !got.broken {
			got.broken = true
			i := slices.IndexFunc(on, func(x Binding) bool { return x.Value == b.Value })
			circle := append(names(on[i:]), b.Name)
			c.report(Diagnostic{Pos: b.Pos, Len: underline(b.Name), Message: "circle: " + strings.Join(circle, " → ")})
		}
		return got
	}
	on = append(on, b)
	got.open, got.depth = true, 1
	b.Value.exprs(func(e *Expr) {
		got.add(&e.uses)
		for _, v := range e.prog.vars {
			for _, next := range c.named(v, t) {
				if len(on) > maxChain {
					got.depth = len(on) + 1
					break
				}
				behind := c.closure(next, t, on)
				got.depth = max(got.depth, behind.depth+1)
				if got.depth <= maxChain {
					got.add(&behind.Uses)
				}
			}
		}
	})
	got.open, got.done = false, true
	if got.depth > maxChain && !c.chained {
		c.chained = true
		c.report(Diagnostic{Pos: b.Pos, Len: underline(b.Name), Message: fmt.Sprintf("%s leads over more than %d entries of inputs and env, each naming the next", b.Name, maxChain)})
	}
	return got
}

// named are the entries of a task that a variable stands for.
func (c *compiler) named(v variable, t *Task) []Binding {
	var bs []Binding
	switch v.kind {
	case varInput, varInputs:
		bs = t.Inputs
	case varEnv, varEnvs:
		bs = t.Env
	}
	if v.kind == varInputs || v.kind == varEnvs {
		return bs
	}
	if i := c.entry(bs, v.name); i >= 0 {
		return bs[i : i+1]
	}
	return nil
}

// entry is where in some bindings the last of a name stands, or -1.
func (c *compiler) entry(bs []Binding, name string) int {
	if len(bs) <= 32 {
		for i := len(bs) - 1; i >= 0; i-- {
			if bs[i].Name == name {
				return i
			}
		}
		return -1
	}
	index := c.index[&bs[0]]
	if index == nil {
		index = make(map[string]int, len(bs))
		for i, b := range bs {
			index[b.Name] = i
		}
		if c.index == nil {
			c.index = make(map[*Binding]map[string]int)
		}
		c.index[&bs[0]] = index
	}
	if i, ok := index[name]; ok {
		return i
	}
	return -1
}

// reaches says why what an entry mentions may not get to a place, or "".
func (c *compiler) reaches(got *closure, p place, t *Task) string {
	r := placeRules[p]
	var where []string
	list := func(f feature) string {
		for _, r := range placeRules[inEnv:] {
			if (r.allow|r.reach)&f == f {
				where = append(where, r.name)
			}
		}
		return enumerate(where)
	}
	switch {
	case len(got.Secrets) > 0 && (r.allow|r.reach)&useSecrets == 0:
		return fmt.Sprintf("it mentions the secret %s, and so may be named in %s only", got.Secrets[0], list(useSecrets))
	case got.Files && (r.allow|r.reach)&useFiles == 0:
		return "it reads a file, and so may be named in " + list(useFiles) + " only"
	case got.Fan && r.allow&useFan == 0:
		return "it is of one instance, and " + p.String() + " is evaluated once for the task, before there are instances"
	}
	return ""
}

// failAt reports a finding about the i-th variable of an expression: it is
// analysed again to find the place.
func (c *compiler) failAt(o occurrence, i int, format string, args ...any) {
	_, ids, _ := taskRefs(o.t.s)
	a := &analysis{c: c, t: o.t, place: o.expr.place, task: o.task, quiet: true, ids: ids}
	a.program()
	a.quiet = false
	at := span{0, len(o.t.s)}
	want := o.expr.prog.vars[i]
	for _, m := range a.mentions {
		if a.vars[m.v] == want {
			at = m.at
			break
		}
	}
	a.fail(at, format, args...)
}
