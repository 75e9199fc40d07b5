package dag

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Definition is a hash of what a task does and is given, 64 hexadecimal digits: of its
// action, inputs, environment, folder, shell, standard input, and how its result is read;
// of a call, what its workers are started with. What decides only when, where and how often
// it runs is not in it.
func (w *Workflow) Definition(t *Task) string {
	d := definition{sha256.New()}
	d.add("action", t.Action.Kind())
	d.action(t.Action)
	d.bindings("inputs", t.Inputs)
	d.bindings("env", t.Env)
	d.value("dir", t.Dir)
	d.add("shell", t.Shell...)
	d.value("stdin", t.Stdin)
	d.add("result", fmt.Sprint(t.Result.Format))
	d.value("result.file", t.Result.File)
	if x, ok := w.Executor(t.Executor); ok && x.Runtime != "" {
		d.add("runtime", append([]string{x.Runtime, x.Interpreter, x.Initializer}, x.Path...)...)
	}
	return hex.EncodeToString(d.sum.Sum(nil))
}

type definition struct{ sum hash.Hash }

// add writes a name and texts so that nothing else is written alike.
func (d definition) add(name string, texts ...string) {
	fmt.Fprintf(d.sum, "%s %d\n", name, len(texts))
	for _, t := range texts {
		fmt.Fprintf(d.sum, "%d:%s\n", len(t), t)
	}
}

func (d definition) value(name string, v *Value) {
	lit, isLiteral := v.Literal()
	if v == nil {
		d.add(name)
	} else if isLiteral {
		d.add(name, "literal", TypeName(lit), Text(lit))
	} else {
		d.add(name, "value", v.String())
	}
}

func (d definition) bindings(name string, bs []Binding) {
	sorted := slices.Clone(bs)
	slices.SortStableFunc(sorted, func(a, b Binding) int { return strings.Compare(a.Name, b.Name) })
	d.add(name)
	for i := range sorted {
		d.value(sorted[i].Name, sorted[i].Value)
	}
}

func (d definition) action(a Action) {
	switch a := a.(type) {
	case Run:
		d.add("script", a.Script.String())
	case Exec:
		for _, v := range a.Argv {
			d.value("argument", v)
		}
	case Call:
		d.add("function", a.Function)
	case Compute:
		d.add("expr", a.Expr.String())
	case HTTP:
		d.http(&a)
	case SQL:
		d.sql(&a)
	case Child:
		d.add("workflow", a.File)
	case Wait:
		d.value("file", a.File)
		d.value("for", a.For)
		d.value("at", a.At)
		if a.HTTP != nil {
			d.http(a.HTTP)
		}
		if a.SQL != nil {
			d.sql(a.SQL)
		}
		if a.Until != nil {
			d.add("until", a.Until.String())
		}
	}
}

func (d definition) http(h *HTTP) {
	d.value("method", h.Method)
	d.value("url", h.URL)
	d.bindings("headers", h.Headers)
	d.bindings("query", h.Query)
	d.value("json", h.JSON)
	d.value("body", h.Body)
}

func (d definition) sql(s *SQL) {
	d.value("database", s.Database)
	d.value("query", s.Query)
	d.value("file", s.File)
	d.value("args", s.Args)
}
