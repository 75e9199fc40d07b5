package dag

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// place says where in a file an expression stands, and so what it may name.
type place uint8

const (
	inFileEnv place = iota // env and defaults.env
	inEnv                  // a task's own env
	inInputs
	inRun
	inExec
	inDir
	inStdin
	inHTTP
	inSQL
	inWait
	inForEach
	inMatrix
	inCacheKey
	inResultFile
	inOutputs
	inScheduleParams
	inParamDefault
	inIf
	inExpr
	inUntil
	inRetryIf
)

// feature is a group of names or functions that not every place allows.
type feature uint16

const (
	useParams feature = 1 << iota
	useRun
	useRunStatus
	useTasks
	useInputs
	useEnv
	useSecrets
	useFiles
	useFan
	useStatus // success() and its sisters
	useError
	useFound

	useTask = useParams | useRun | useTasks | useInputs | useEnv | useStatus // what every place of a task allows
)

// placeRule is what is known of one place.
type placeRule struct {
	name  string  // for messages
	allow feature // what may stand there
	reach feature // what may get there through an entry of env or inputs, besides
	truth bool    // wants true or false
}

var placeRules = [...]placeRule{
	inFileEnv:        {name: "the file's env", allow: useParams | useRun | useSecrets},
	inEnv:            {name: "env", allow: useTask | useFan | useSecrets | useFiles},
	inInputs:         {name: "inputs", allow: useTask | useFan | useSecrets | useFiles},
	inRun:            {name: "run", allow: useTask | useFan, reach: useSecrets | useFiles},
	inExec:           {name: "exec", allow: useTask | useFan, reach: useSecrets | useFiles},
	inDir:            {name: "dir", allow: useTask | useFan, reach: useFiles},
	inStdin:          {name: "stdin", allow: useTask | useFan | useSecrets | useFiles},
	inHTTP:           {name: "http", allow: useTask | useFan | useSecrets, reach: useFiles},
	inSQL:            {name: "sql", allow: useTask | useFan | useSecrets, reach: useFiles},
	inWait:           {name: "wait", allow: useTask | useFan, reach: useFiles},
	inForEach:        {name: "for_each", allow: useTask},
	inMatrix:         {name: "matrix", allow: useTask},
	inCacheKey:       {name: "cache.key", allow: useTask | useFan | useFiles},
	inResultFile:     {name: "result.file", allow: useTask | useFan, reach: useFiles},
	inOutputs:        {name: "outputs", allow: useParams | useRun | useRunStatus | useTasks | useStatus},
	inScheduleParams: {name: "a schedule's params", allow: useRun},
	inParamDefault:   {name: "a param's default", allow: useRun},
	inIf:             {name: "if", allow: useTask, truth: true},
	inExpr:           {name: "expr", allow: useTask | useFan | useFiles},
	inUntil:          {name: "until", allow: useTask | useFan | useFound, truth: true},
	inRetryIf:        {name: "retry.if", allow: useTask | useFan | useError, truth: true},
}

// String returns the place as it is called in messages.
func (p place) String() string { return placeRules[p].name }

// text is a scalar of the file: s its value, at the place in the file of the
// character at a byte offset of s.
type text struct {
	s  string
	at func(offset int) Pos
}

// sub is the part of t from a byte offset to another.
func (t text) sub(from, to int) text {
	return text{t.s[from:to], func(o int) Pos { return t.at(from + o) }}
}

func (t text) cut(at span) text { return t.sub(at.from, at.to) }

// maxSuggestions bounds how many findings of one file get a "did you mean":
// each costs a pass over all names that there are.
const maxSuggestions = 50

// compiler compiles the expressions of one workflow. It is used by one
// goroutine; what it makes is immutable.
type compiler struct {
	w      *Workflow
	textOf func(*node) text
	report func(Diagnostic)

	ids         map[string]int // task id → index
	params      map[string]ParamType
	secrets     map[string]bool
	cache       map[cacheKey]*program
	lang        *language
	runners     *sync.Pool // of *runner, shared by every program
	shells      shellCache
	suggestions int

	later   []occurrence                // what finish looks at again
	closed  map[*Value]*closure         // what entries of inputs and env mention
	chained bool                        // entries that lead too far have been reported
	index   map[*Binding]map[string]int // places of many entries, by the first of them
}

// cacheKey is what programs are kept by: equal texts in the same kind of place
// are compiled once. Task ids are taken out of the text (see taskRefs), so
// that a thousand expressions which differ in the task only are one program.
type cacheKey struct {
	place place
	text  string
}

// occurrence is an expression at its place.
type occurrence struct {
	expr *Expr
	t    text
	task *Task
}

// newCompiler makes the compiler of a workflow whose params, secrets and task
// ids are known. textOf finds a scalar's text in the file; report takes what is
// wrong, without file and source line.
func newCompiler(w *Workflow, textOf func(*node) text, report func(Diagnostic)) *compiler {
	c := &compiler{
		w: w, textOf: textOf, report: report,
		ids:     make(map[string]int, len(w.Tasks)),
		params:  make(map[string]ParamType, len(w.Params)),
		secrets: make(map[string]bool, len(w.Secrets)),
		cache:   make(map[cacheKey]*program),
		runners: &sync.Pool{New: newRunner},
		closed:  make(map[*Value]*closure),
		shells:  shellCache{texts: make(map[shellKey]*shellText)},
	}
	for _, t := range w.Tasks {
		c.ids[t.ID] = t.Index
	}
	for _, p := range w.Params {
		c.params[p.Name] = p.Type
	}
	for _, s := range w.Secrets {
		c.secrets[s.Name] = true
	}
	return c
}

// expr compiles a scalar that is an expression, bare or within ${{ }}. It
// returns nil after reporting what is wrong.
func (c *compiler) expr(t text, p place, task *Task) *Expr {
	ps := pieces(t.s)
	var whole *piece
	for i, x := range ps {
		switch {
		case x.kind == openPiece:
			c.unclosed(t, x)
			return nil
		case x.kind == exprPiece && whole != nil, x.kind == literalPiece && strings.TrimSpace(x.literal) != "" && len(ps) > 1:
			c.fail(t.cut(x.span), "%s is one expression: write it within one pair of ${{ }}, or without", p)
			return nil
		case x.kind == exprPiece:
			whole = &ps[i]
		}
	}
	if whole != nil {
		return c.compile(t.cut(whole.inner), p, task)
	}
	return c.compile(t, p, task)
}

// value compiles a scalar, list or map with ${{ }} anywhere in it; keys of maps
// are literal text. It never returns nil: what is wrong is reported, and stands
// as a literal.
func (c *compiler) value(n *node, p place, task *Task) *Value {
	switch n.Kind {
	case listKind:
		v := &Value{kind: valuesKind}
		for _, x := range n.Content {
			v.list = append(v.list, c.value(x, p, task))
		}
		return v.fold()
	case mapKind:
		return c.entries(n, p, task)
	}
	ps := pieces(n.Value)
	if ps == nil {
		return &Value{lit: scalarValue(n), src: n.Value}
	}
	return c.template(c.textOf(n), ps, p, task)
}

// entries compiles a map.
func (c *compiler) entries(n *node, p place, task *Task) *Value {
	type entry struct {
		key   string
		value *Value
	}
	es := make([]entry, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		es = append(es, entry{n.Content[i].Value, c.value(n.Content[i+1], p, task)})
	}
	slices.SortFunc(es, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	v := &Value{kind: entriesKind}
	for _, e := range es {
		v.keys = append(v.keys, e.key)
		v.list = append(v.list, e.value)
	}
	return v.fold()
}

// template compiles a text with expressions in it.
func (c *compiler) template(t text, ps []piece, p place, task *Task) *Value {
	if len(ps) == 1 && ps[0].kind == exprPiece {
		if e := c.compile(t.cut(ps[0].inner), p, task); e != nil {
			return &Value{kind: exprKind, src: t.s, expr: e}
		}
		return &Value{lit: t.s, src: t.s}
	}
	v := &Value{kind: textKind, src: t.s}
	bad := false
	for _, x := range ps {
		switch x.kind {
		case openPiece:
			c.unclosed(t, x)
			bad = true
		case literalPiece:
			v.parts = append(v.parts, part{text: x.literal})
		case exprPiece:
			e := c.compile(t.cut(x.inner), p, task)
			bad = bad || e == nil
			v.parts = append(v.parts, part{expr: e})
		}
	}
	if bad {
		return &Value{lit: t.s, src: t.s}
	}
	return v.fold()
}

func (c *compiler) unclosed(t text, x piece) {
	c.fail(t.cut(span{x.from, x.from + 3}), "${{ without }}; a literal one is written $${{")
}

// fail reports a finding about a text.
func (c *compiler) fail(t text, format string, args ...any) {
	c.report(Diagnostic{Pos: t.at(0), Len: underline(t.s), Message: fmt.Sprintf(format, args...)})
}

// warn is fail for what is no error.
func (c *compiler) warn(t text, format string, args ...any) {
	c.report(Diagnostic{Pos: t.at(0), Len: underline(t.s), Warning: true, Message: fmt.Sprintf(format, args...)})
}

// compile compiles the text of an expression, or reports what is wrong and
// returns nil.
func (c *compiler) compile(t text, p place, task *Task) *Expr {
	e := &Expr{w: c.w, src: strings.TrimSpace(t.s), place: p}
	key, ids, ok := taskRefs(t.s)
	if ok {
		e.prog = c.cache[cacheKey{p, key}]
	}
	if e.prog == nil || !c.slots(e, ids, task) {
		a := &analysis{c: c, t: t, place: p, task: task, ids: slices.Clone(ids)}
		e.prog = a.program()
		if e.prog == nil || !c.slots(e, a.ids, task) {
			return nil
		}
		if ok && len(a.ids) == len(ids) {
			c.cache[cacheKey{p, key}] = e.prog
		}
	}
	e.pos = t.at(len(t.s) - len(strings.TrimLeft(t.s, " \t\n")))
	e.uses.Files = e.prog.feats&useFiles != 0
	e.uses.Fan = e.prog.feats&useFan != 0
	e.uses.Status = e.prog.feats&useStatus != 0
	for _, v := range e.prog.vars {
		switch v.kind {
		case varParam:
			e.uses.Params = append(e.uses.Params, v.name)
		case varSecret:
			e.uses.Secrets = append(e.uses.Secrets, v.name)
		case varRunID, varRunScheduledAt, varRunIntervalStart, varRunIntervalEnd, varRunStartedAt, varRunStatus, varNow:
			e.uses.Moment = true
		}
	}
	if e.prog.feats&(useInputs|useEnv|useFan) != 0 || e.prog.never {
		c.later = append(c.later, occurrence{e, t, task})
	}
	return e
}

// slots fills in the tasks that an expression names. It is false where one
// can't be named, which an analysis then reports.
func (c *compiler) slots(e *Expr, ids []string, task *Task) bool {
	if len(ids) == 0 {
		return true
	}
	e.uses.Tasks = make([]int, len(ids))
	for i, id := range ids {
		t, ok := c.ids[id]
		if !ok || c.unnameable(t, task) != "" {
			return false
		}
		e.uses.Tasks[i] = t
	}
	return true
}

// Bounds of an expression's text. The parser recurses, and a stack that
// overflows ends the program.
const (
	maxExprBytes = 64 << 10
	maxExprDepth = 200     // brackets within each other
	maxExprList  = 1 << 22 // elements that one evaluation may put into lists
)

// program compiles what is analysed, or returns nil after findings.
func (a *analysis) program() *program {
	src := a.t.s
	all := span{0, len(src)}
	switch {
	case strings.TrimSpace(src) == "":
		a.fail(all, "an expression is missing")
		return nil
	case len(src) > maxExprBytes:
		a.fail(span{0, 1}, "an expression of more than %d KiB; compute it in a task", maxExprBytes>>10)
		return nil
	case nesting(src) > maxExprDepth:
		a.fail(span{0, 1}, "more than %d brackets within each other", maxExprDepth)
		return nil
	}
	p := &program{}
	if chain, ok := plainChain(src); ok && slices.Contains(roots, chain[0].name) {
		v, used, ok := a.resolve(chain)
		if !ok {
			return nil
		}
		p.typ, p.path, p.pure = a.c.typ(a.vars[v]), chain[used:], true
		if len(p.path) > 0 {
			a.fieldOf(p.typ, chain[used-1:])
			p.typ = anyValue
		}
	} else {
		if a.c.lang == nil {
			a.c.lang = newLanguage()
		}
		p.code, p.typ = a.c.lang.compile(a)
	}
	if placeRules[a.place].truth && p.typ != boolValue && p.typ != anyValue {
		a.fail(all, "%s wants true or false, and this is %s", a.place, p.typ)
	}
	if a.failed {
		return nil
	}
	p.vars, p.feats = a.vars, a.feats
	for _, v := range p.vars {
		p.keys = append(p.keys, v.key())
	}
	a.checkCondition(p)
	return p
}

// fieldOf reports a field of what has none. rest begins with the link before it.
func (a *analysis) fieldOf(t valueType, rest []link) {
	if t != anyValue && t != mapValue {
		a.fail(rest[1].span, "%s is %s and has no field %s", a.t.s[:rest[0].to], t, rest[1].name)
	}
}

// nesting is how deep brackets stand within each other, strings aside.
func nesting(s string) int {
	depth, deepest := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"', '`':
			i = skipString(s, i) - 1
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth--
		}
	}
	return deepest
}
