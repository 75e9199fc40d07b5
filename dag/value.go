package dag

import (
	"errors"
	"fmt"
	"strings"
)

// Value is what stands at a place of the file where ${{ }} may stand: a literal,
// an expression, text with expressions in it, or a list or map of such. It is
// immutable and may be evaluated by several goroutines at once.
type Value struct {
	lit   any    // of a literal: a plain value
	src   string // of a scalar: as written
	expr  *Expr  // the whole is this expression
	parts []part // text with expressions in it
	list  []*Value
	keys  []string // of a map, sorted; list are their values
	kind  valueKind
}

type valueKind uint8

const (
	literalKind valueKind = iota
	exprKind
	textKind
	valuesKind
	entriesKind
)

// part of a text: literal, or an expression.
type part struct {
	text string
	expr *Expr
}

// NewValue makes a literal of a plain value (see Plain), for workflows that are
// built in Go. A value that can't be plain becomes its text.
func NewValue(v any) *Value {
	p, err := toPlain(v)
	if err != nil {
		p = fmt.Sprint(v)
	}
	return &Value{lit: p}
}

// fold makes a literal of a value that has no expression in it.
func (v *Value) fold() *Value {
	for _, p := range v.parts {
		if p.expr != nil {
			return v
		}
	}
	for _, x := range v.list {
		if _, ok := x.Literal(); !ok {
			return v
		}
	}
	lit, err := v.eval(&frame{scope: &Scope{}})
	if err != nil {
		return v
	}
	return &Value{lit: lit, src: v.src}
}

// Literal returns the value if it has no expression in it. It is shared and not
// to be changed.
func (v *Value) Literal() (any, bool) {
	if v == nil {
		return nil, true
	}
	return v.lit, v.kind == literalKind
}

// String is the value as it stands in the file; of lists and maps, in flow
// style.
func (v *Value) String() string {
	if v == nil {
		return ""
	}
	switch v.kind {
	case literalKind:
		if v.src != "" {
			return v.src
		}
		return Text(v.lit)
	case exprKind, textKind:
		return v.src
	}
	var b strings.Builder
	open, shut := "[", "]"
	if v.kind == entriesKind {
		open, shut = "{", "}"
	}
	b.WriteString(open)
	for i, x := range v.list {
		if i > 0 {
			b.WriteString(", ")
		}
		if v.kind == entriesKind {
			b.WriteString(v.keys[i] + ": ")
		}
		b.WriteString(x.String())
	}
	b.WriteString(shut)
	return b.String()
}

// Eval evaluates the value to a plain value (see Plain): an expression that is
// the whole of a scalar keeps its type, one within longer text is rendered as
// text (see Text). Errors are as of Expr.Eval.
func (v *Value) Eval(s *Scope) (any, error) {
	if lit, ok := v.Literal(); ok {
		return lit, nil
	}
	return v.eval(&frame{scope: s})
}

func (v *Value) eval(f *frame) (any, error) {
	switch v.kind {
	case exprKind:
		return v.expr.eval(f)
	case textKind:
		return v.text(f)
	case valuesKind:
		l := make([]any, len(v.list))
		for i, x := range v.list {
			var err error
			if l[i], err = x.eval(f); err != nil {
				return nil, err
			}
		}
		return l, nil
	case entriesKind:
		m := make(map[string]any, len(v.list))
		for i, x := range v.list {
			var err error
			if m[v.keys[i]], err = x.eval(f); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return v.lit, nil
}

// text renders a text with expressions in it.
func (v *Value) text(f *frame) (any, error) {
	var b []byte
	for _, p := range v.parts {
		if p.expr == nil {
			b = append(b, p.text...)
			continue
		}
		x, err := p.expr.eval(f)
		if err == nil {
			if b, err = appendText(b, x, maxJSON); err != nil {
				err = p.expr.error(err)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return string(b), nil
}

// exprs calls yield for each expression in v, in the order of the file but for
// maps, whose order is that of their keys.
func (v *Value) exprs(yield func(*Expr)) {
	if v == nil {
		return
	}
	if v.expr != nil {
		yield(v.expr)
	}
	for _, p := range v.parts {
		if p.expr != nil {
			yield(p.expr)
		}
	}
	for _, x := range v.list {
		x.exprs(yield)
	}
}

// Uses is what the value's expressions mention, together.
func (v *Value) Uses() *Uses {
	if v == nil || v.kind == literalKind {
		return noUses
	}
	if v.kind == exprKind {
		return v.expr.Uses()
	}
	var g gathering
	v.exprs(func(e *Expr) { g.add(&e.uses) })
	return &g.Uses
}

// noUses is what a literal mentions. Nobody changes it.
var noUses = &Uses{}

// gathering adds up what several expressions mention.
type gathering struct {
	Uses
	tasks map[int]bool
	names map[[2]string]bool
}

func (g *gathering) add(o *Uses) {
	if g.tasks == nil {
		g.tasks, g.names = make(map[int]bool), make(map[[2]string]bool)
	}
	for _, t := range o.Tasks {
		if !g.tasks[t] {
			g.tasks[t] = true
			g.Tasks = append(g.Tasks, t)
		}
	}
	for _, s := range o.Secrets {
		if k := [2]string{"secret", s}; !g.names[k] {
			g.names[k] = true
			g.Secrets = append(g.Secrets, s)
		}
	}
	for _, p := range o.Params {
		if k := [2]string{"param", p}; !g.names[k] {
			g.names[k] = true
			g.Params = append(g.Params, p)
		}
	}
	g.Files = g.Files || o.Files
	g.Fan = g.Fan || o.Fan
	g.Status = g.Status || o.Status
	g.Moment = g.Moment || o.Moment
}

// Entries evaluates the env and the inputs of the scope's task: all of them, or
// those that only picks. What the scope has of them already is taken as it is;
// the rest is evaluated once, however many others mention it. An error begins
// with the name of the entry, after its place.
func (s *Scope) Entries(only func(*Binding) bool) (env, inputs map[string]any, err error) {
	f := &frame{scope: s}
	if env, err = f.bind(varEnv, only); err != nil {
		return nil, nil, err
	}
	if inputs, err = f.bind(varInput, only); err != nil {
		return nil, nil, err
	}
	return env, inputs, nil
}

func (f *frame) bind(k varKind, only func(*Binding) bool) (map[string]any, error) {
	_, bs := f.bindings(k)
	m := make(map[string]any, len(bs))
	for i := range bs {
		b := &bs[i]
		if only != nil && !only(b) {
			continue
		}
		v, err := f.entry(k, b.Name)
		if err != nil {
			return nil, bindError(b.Name, err)
		}
		m[b.Name] = v
	}
	return m, nil
}

// bindError puts the name of a binding to an error.
func bindError(name string, err error) error {
	e, ok := errors.AsType[*EvalError](err)
	if !ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	named := *e
	named.Message = name + ": " + e.Message
	return &named
}
