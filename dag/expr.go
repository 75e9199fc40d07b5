package dag

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/checker/nature"
	exprc "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
	exprrt "github.com/expr-lang/expr/vm/runtime"
)

// This file and expr_tree.go are the only ones that know the library. A text goes
// through them in five steps: expr parses it; names are replaced by variables of
// ours, one each (tasks.a.result is one), and functions by ours; expr checks the
// types; operators and calls are replaced by functions that count and check; expr
// makes bytecode. Its optimiser is left out: it folds what we check.

// language is expr, as workflows know it. It is used by one compiler.
type language struct {
	config *conf.Config
	ours   map[string]function // functions by name
	known  []string            // names of all functions, in order
}

func newLanguage() *language {
	l := &language{config: conf.CreateNew(), ours: make(map[string]function)}
	l.config.WithEnv(types.Map{})
	l.config.Optimize = false
	for _, f := range functions() {
		l.ours[f.name] = f
		l.known = append(l.known, f.name)
		l.config.Functions[f.name] = &builtin.Function{Name: f.name, Types: signatures(f.types)}
		l.hidden(f.name, f.call)
	}
	for _, f := range builtin.Builtins {
		l.known = append(l.known, f.Name)
		if _, ok := l.ours[f.Name]; !ok && !f.Predicate {
			l.hidden(f.Name, counted(f))
		}
	}
	for name, call := range operators(arithmetic{exprrt.Add, exprrt.Subtract, exprrt.Multiply, exprrt.Divide, exprrt.Modulo, exprrt.Negate, exprrt.In}) {
		l.hidden(name, call)
	}
	l.known = append(l.known, statusFns...)
	slices.Sort(l.known)
	l.known = slices.Compact(l.known)
	return l
}

// hidden registers what a call, or an operator, becomes after the type check:
// a function that gets the evaluation's frame first. Its name can't be spelt.
func (l *language) hidden(name string, call func(*frame, []any) (any, error)) {
	name += "()"
	l.config.Functions[name] = &builtin.Function{Name: name, Func: func(args ...any) (any, error) {
		return call(args[0].(*frame), args[1:])
	}}
}

// counted is a function of expr, which is charged for by its arguments' sizes.
func counted(b *builtin.Function) func(*frame, []any) (any, error) {
	free := slices.Contains(constant, b.Name)
	return func(f *frame, args []any) (any, error) {
		for _, a := range args {
			if free {
				break
			}
			if err := f.charge(size(a)); err != nil {
				return nil, err
			}
		}
		switch {
		case b.Fast != nil:
			return b.Fast(args[0]), nil
		case b.Func != nil:
			return b.Func(args...)
		}
		v, n, err := b.Safe(args...)
		if err == nil {
			err = f.charge(int(n))
		}
		return v, err
	}
}

// code is the bytecode of one text.
type code struct {
	prog    *vm.Program
	runners *sync.Pool
}

// runner is what one evaluation needs besides; kept, for they are costly.
type runner struct{ env map[string]any }

func newRunner() any { return &runner{env: make(map[string]any, 8)} }

// run evaluates. Whatever the library does to bad values, panic included, is an
// error.
func (c *code) run(e *Expr, f *frame) (_ any, err error) {
	r := c.runners.Get().(*runner)
	defer func() {
		clear(r.env)
		c.runners.Put(r)
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	for i, v := range e.prog.vars {
		if r.env[e.prog.keys[i]], err = f.load(v, e.uses.Tasks); err != nil {
			return nil, err
		}
	}
	// A VM of its own for each run: it never gives back what a loop within a
	// loop has taken.
	m := vm.VM{MemoryBudget: maxExprList}
	out, err := m.Run(c.prog, r.env)
	if err != nil {
		return nil, evalError(err)
	}
	return out, nil
}

// evalError makes our error of expr's.
func evalError(err error) error {
	e, ok := errors.AsType[*file.Error](err)
	if !ok {
		return err
	}
	if e.Prev != nil {
		if _, bug := errors.AsType[runtime.Error](e.Prev); !bug {
			return e.Prev // of a function of ours
		}
	}
	return reword(e.Message)
}

// compile makes code of the expression of an analysis, or reports what is
// wrong with it.
func (l *language) compile(a *analysis) (*code, valueType) {
	src := a.t.s
	tree, err := parser.ParseWithConfig(src, l.config)
	if err != nil {
		l.syntaxError(a, err)
		return nil, anyValue
	}
	n := &namer{a: a, l: l, offset: runeOffsets(src)}
	tree.Node = n.node(tree.Node)
	if a.failed {
		return nil, anyValue
	}
	for _, v := range a.vars {
		l.declare(v, a.c.typ(v))
	}
	if _, err := checker.Check(tree, l.config); err != nil {
		l.syntaxError(a, err)
		return nil, anyValue
	}
	typ := typeOf(tree.Node.Type())
	a.cond = condition(tree.Node, a)
	frameKey := variable{kind: varCall}.key()
	tree.Node = (&arranger{frame: frameKey}).node(tree.Node)
	a.useFrame()
	prog, err := exprc.Compile(tree, l.config)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		a.fail(span{0, len(src)}, "%s", first)
		return nil, anyValue
	}
	return &code{prog, a.c.runners}, typ
}

// syntaxError reports what the parser or the checker says.
func (l *language) syntaxError(a *analysis, err error) {
	at := span{0, len(a.t.s)}
	msg := err.Error()
	if e, ok := errors.AsType[*file.Error](err); ok {
		o := runeOffsets(a.t.s)
		at, msg = span{o(e.From), o(max(e.To, e.From+1))}, e.Message
		if strings.Contains(msg, "exceeds maximum allowed nodes") {
			a.fail(span{0, 1}, "an expression of more than %d parts; compute it in steps, in several tasks", conf.DefaultMaxNodes)
			return
		}
		if a.explainSyntax(l, at, msg) {
			return
		}
	}
	a.fail(at, "%s", rewordSyntax(msg))
}

// declare tells the checker of a variable.
func (l *language) declare(v variable, t valueType) {
	key := v.key()
	if _, ok := l.config.Env.Fields[key]; ok {
		return
	}
	l.config.Env.Fields[key] = nature.FromType(t.goType())
}
