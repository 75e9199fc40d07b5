package dag

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// variable is one thing of a Scope that an expression names.
type variable struct {
	kind varKind
	slot int    // of a task's: which of the expression's tasks
	name string // of an entry: its name
}

type varKind uint8

const (
	varResult varKind = iota // of a task, down to varDuration
	varStatus
	varTaskError
	varExitCode
	varAttempts
	varStartedAt
	varEndedAt
	varDuration
	varParam
	varSecret
	varInput
	varInputs
	varEnv
	varEnvs
	varItem
	varIndex
	varKey
	varMatrix
	varMatrices
	varRunID // of the run, down to varRunStatus
	varRunWorkflow
	varRunTrigger
	varRunScheduledAt
	varRunIntervalStart
	varRunIntervalEnd
	varRunStartedAt
	varRunAttempt
	varRunStatus
	varError
	varFound
	varSuccess // status functions, down to varAlways
	varFailure
	varCancelled
	varAlways
	varNow
	varCall // what functions get to see of the evaluation
)

// The kinds by name, and the names in the order that messages list them.
var (
	taskFields = []string{"result", "status", "error", "exit_code", "attempts", "started_at", "ended_at", "duration"}
	runFields  = []string{"id", "workflow", "trigger", "scheduled_at", "interval_start", "interval_end", "started_at", "attempt", "status"}
	roots      = []string{"params", "env", "secrets", "tasks", "inputs", "item", "index", "key", "matrix", "run", "error", "result"}
	statusFns  = []string{"success", "failure", "cancelled", "always"}
)

// valueType is what the checker knows of a variable.
type valueType uint8

const (
	anyValue valueType = iota
	textValue
	intValue
	floatValue
	boolValue
	listValue
	mapValue
	timeValue
	callValue
)

// String returns the type as messages call it.
func (t valueType) String() string {
	return [...]string{"any value", "text", "a whole number", "a number", "true or false", "a list", "a map", "a time", ""}[t]
}

// typeOf is the value type of a Go type.
func typeOf(t reflect.Type) valueType {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return timeValue
	case t.Kind() == reflect.Bool:
		return boolValue
	case t.Kind() == reflect.String:
		return textValue
	case t.Kind() == reflect.Int:
		return intValue
	case t.Kind() == reflect.Float64:
		return floatValue
	case t.Kind() == reflect.Slice:
		return listValue
	case t.Kind() == reflect.Map:
		return mapValue
	}
	return anyValue
}

// goType is the Go type of such values, nil for any.
func (t valueType) goType() reflect.Type {
	return [...]reflect.Type{anyValue: nil, textValue: reflect.TypeFor[string](), intValue: reflect.TypeFor[int](),
		floatValue: reflect.TypeFor[float64](), boolValue: reflect.TypeFor[bool](), listValue: reflect.TypeFor[[]any](),
		mapValue: reflect.TypeFor[map[string]any](), timeValue: reflect.TypeFor[time.Time](), callValue: nil}[t]
}

// typ is the declared type of v.
func (c *compiler) typ(v variable) valueType {
	switch v.kind {
	case varStatus, varRunID, varRunWorkflow, varRunTrigger, varRunStatus, varSecret:
		return textValue
	case varAttempts, varRunAttempt, varIndex:
		return intValue
	case varDuration:
		return floatValue
	case varSuccess, varFailure, varCancelled, varAlways:
		return boolValue
	case varInputs, varEnvs, varMatrices:
		return mapValue
	case varNow:
		return timeValue
	case varCall:
		return callValue
	case varParam:
		return [...]valueType{ParamString: textValue, ParamInt: intValue, ParamFloat: floatValue, ParamBool: boolValue,
			ParamDate: textValue, ParamDuration: floatValue, ParamList: listValue, ParamMap: mapValue}[c.params[v.name]]
	}
	return anyValue
}

// key is the name of v in the environment of a compiled expression; no
// expression can spell it.
func (v variable) key() string {
	return strconv.Itoa(int(v.kind)) + " " + strconv.Itoa(v.slot) + " " + v.name
}

// mention is a variable at its place in the expression.
type mention struct {
	v  int // index in analysis.vars
	at span
}

// analysis is what is found out about one expression.
type analysis struct {
	c     *compiler
	t     text // the expression
	place place
	task  *Task
	quiet bool // says nothing: the findings are known

	ids      []string // tasks, by slot
	vars     []variable
	mentions []mention
	feats    feature
	cond     cond // of an `if`
	failed   bool
	blamed   span // a part that a finding is about already
}

// useFrame notes that the code takes the frame, for its functions.
func (a *analysis) useFrame() {
	a.vars = append(a.vars, variable{kind: varCall})
}

// fail reports a finding about a part of the expression.
func (a *analysis) fail(at span, format string, args ...any) {
	a.failed = true
	if a.quiet || at.from > a.blamed.from && at.to <= a.blamed.to {
		return
	}
	at.to = min(at.to, len(a.t.s))
	at.from = min(at.from, at.to)
	a.c.report(Diagnostic{Pos: a.t.at(at.from), Len: underline(a.t.s[at.from:at.to]), Message: fmt.Sprintf(format, args...)})
}

// underline is how many characters of a part a caret can stand under: those of its
// first line, at least one.
func underline(s string) int {
	first, _, _ := strings.Cut(s, "\n")
	return max(1, utf8.RuneCountInString(first))
}

// didYouMean is the end of a message about a name that does not exist.
func (c *compiler) didYouMean(name string, names iter.Seq[string]) string {
	if c.suggestions++; c.suggestions > maxSuggestions {
		return ""
	}
	if n := nearest(name, names); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// use notes that the expression mentions v, and returns its index.
func (a *analysis) use(v variable, at span) int {
	i := slices.Index(a.vars, v)
	if i < 0 {
		i = len(a.vars)
		a.vars = append(a.vars, v)
	}
	a.mentions = append(a.mentions, mention{i, at})
	return i
}

// allowed reports whether what needs f may stand here, and says so if not.
func (a *analysis) allowed(f feature, name string, at span) bool {
	a.feats |= f
	if placeRules[a.place].allow&f == f || f == useRunStatus && a.task != nil && a.task.Finally && placeRules[a.place].allow&useTasks != 0 {
		return true
	}
	a.fail(at, "%s: %s", name, notAllowed(f, a.place))
	return false
}

// notAllowed says why what needs f may not stand in p, and what to do.
func notAllowed(f feature, p place) string {
	var where []string
	for i, r := range placeRules {
		if r.allow&f == f && place(i) != inFileEnv {
			where = append(where, r.name)
		}
	}
	rule := "it may stand in " + enumerate(where) + " only"
	switch {
	case p == inFileEnv:
		return "the file's env and defaults may name params, run and secrets only"
	case p == inParamDefault, p == inScheduleParams:
		return p.String() + " may name run only"
	case f == useRunStatus:
		return "it is known only in finally and outputs"
	case f == useSecrets && (p == inRun || p == inExec):
		return rule + "; give it a name in env or inputs, and write that"
	case f == useFan && (p == inIf || p == inForEach || p == inMatrix):
		return p.String() + " is evaluated once for the task, before there are instances"
	case f == useFan || f == useInputs || f == useEnv:
		return "it belongs to a task; " + p.String() + " can't name it"
	}
	return rule
}

// enumerate writes "a, b and c".
func enumerate(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// resolve looks up a chain of names that begins with one of roots. It returns
// the variable's index and how many links it took, or false after a finding.
func (a *analysis) resolve(chain []link) (v, used int, ok bool) {
	root := chain[0]
	one := func(f feature, v variable) (int, int, bool) {
		return a.use(v, root.span), 1, a.allowed(f, root.name, root.span)
	}
	switch root.name {
	case "tasks":
		return a.resolveTask(chain)
	case "params":
		return resolveEntry(a, chain, useParams, varParam, a.c.params)
	case "secrets":
		return resolveEntry(a, chain, useSecrets, varSecret, a.c.secrets)
	case "run":
		return a.resolveRun(chain)
	case "inputs":
		return a.resolveLocal(chain, useInputs, varInput, varInputs)
	case "env":
		return a.resolveLocal(chain, useEnv, varEnv, varEnvs)
	case "matrix":
		return a.resolveLocal(chain, useFan, varMatrix, varMatrices)
	case "item":
		return one(useFan, variable{kind: varItem})
	case "index":
		return one(useFan, variable{kind: varIndex})
	case "key":
		return one(useFan, variable{kind: varKey})
	case "error":
		return one(useError, variable{kind: varError})
	}
	return one(useFound, variable{kind: varFound})
}

// through is the span from the first to the last of some links.
func through(chain []link) span {
	return span{chain[0].from, chain[len(chain)-1].to}
}

// resolveTask looks up tasks.ID.FIELD.
func (a *analysis) resolveTask(chain []link) (v, used int, ok bool) {
	if len(chain) == 1 {
		a.fail(chain[0].span, "tasks: name one task by a constant: tasks.ID, or tasks[\"ID\"] for an id with a hyphen")
		return 0, 0, false
	}
	id := chain[1]
	if !a.allowed(useTasks, "tasks."+id.name, through(chain[:2])) || !a.taskExists(id) {
		return 0, 0, false
	}
	if len(chain) == 2 {
		a.fail(id.span, "tasks.%s: say what of it: %s; tasks.%s.result is what it gave", id.name, enumerate(taskFields), id.name)
		return 0, 0, false
	}
	field := chain[2]
	i := slices.Index(taskFields, field.name)
	if i < 0 {
		a.fail(field.span, "tasks.%s.%s: a task has no such field%s; it has %s", id.name, field.name,
			a.c.didYouMean(field.name, slices.Values(taskFields)), enumerate(taskFields))
		return 0, 0, false
	}
	return a.use(variable{kind: varResult + varKind(i), slot: slot(&a.ids, id.name)}, through(chain[:3])), 3, true
}

// taskExists reports whether there is such a task, and one that may be named
// here; it says so if not.
func (a *analysis) taskExists(id link) bool {
	if i, ok := a.c.ids[id.name]; ok {
		if why := a.c.unnameable(i, a.task); why != "" {
			a.fail(id.span, "tasks.%s: %s", id.name, why)
			return false
		}
		return true
	}
	// tasks.load-eu is a subtraction to the parser.
	end := id.from
	for end < len(a.t.s) && (wordByte(a.t.s[end]) || a.t.s[end] == '-') {
		end++
	}
	for whole := a.t.s[id.from:end]; strings.Contains(whole, "-"); whole = whole[:strings.LastIndexByte(whole, '-')] {
		if _, ok := a.c.ids[whole]; ok {
			a.blamed = span{id.from, id.from + len(whole)}
			a.fail(a.blamed, "tasks.%s: an id with a hyphen is written tasks[%q]", whole, whole)
			return false
		}
	}
	a.fail(id.span, "tasks.%s: no such task%s", id.name, a.c.didYouMean(id.name, func(yield func(string) bool) {
		for _, t := range a.c.w.Tasks {
			if !yield(t.ID) {
				return
			}
		}
	}))
	return false
}

// unnameable says why a task's expression may not name the task of an index,
// "" if it may.
func (c *compiler) unnameable(i int, from *Task) string {
	switch {
	case from == nil:
		return ""
	case from.Index == i:
		return "a task can't name itself"
	case c.w.Tasks[i].Finally && !from.Finally:
		return "a task of finally runs after all others, which therefore can't name it"
	}
	return ""
}

// resolveEntry looks up params.NAME or secrets.NAME.
func resolveEntry[T any](a *analysis, chain []link, f feature, k varKind, names map[string]T) (v, used int, ok bool) {
	root := chain[0]
	if len(chain) == 1 {
		a.fail(root.span, "%s: name one of them by a constant: %s.NAME", root.name, root.name)
		return 0, 0, false
	}
	name := chain[1]
	if !a.allowed(f, root.name+"."+name.name, through(chain[:2])) {
		return 0, 0, false
	}
	if _, ok := names[name.name]; !ok {
		a.fail(name.span, "%s.%s: no such %s%s", root.name, name.name, strings.TrimSuffix(root.name, "s"),
			a.c.didYouMean(name.name, slices.Values(slices.Sorted(maps.Keys(names)))))
		return 0, 0, false
	}
	return a.use(variable{kind: k, name: name.name}, through(chain[:2])), 2, true
}

// resolveRun looks up run.FIELD.
func (a *analysis) resolveRun(chain []link) (v, used int, ok bool) {
	if len(chain) == 1 {
		a.fail(chain[0].span, "run: say what of it: %s", enumerate(runFields))
		return 0, 0, false
	}
	field := chain[1]
	i := slices.Index(runFields, field.name)
	if i < 0 {
		a.fail(field.span, "run.%s: a run has no such field%s; it has %s", field.name,
			a.c.didYouMean(field.name, slices.Values(runFields)), enumerate(runFields))
		return 0, 0, false
	}
	f := useRun
	if varRunID+varKind(i) == varRunStatus {
		f = useRunStatus
	}
	if !a.allowed(f, "run."+field.name, through(chain[:2])) {
		return 0, 0, false
	}
	return a.use(variable{kind: varRunID + varKind(i)}, through(chain[:2])), 2, true
}

// resolveLocal looks up inputs, env or matrix, or one entry of it. Whether
// there is such an entry is for finish to say.
func (a *analysis) resolveLocal(chain []link, f feature, one, whole varKind) (v, used int, ok bool) {
	if len(chain) == 1 {
		return a.use(variable{kind: whole}, chain[0].span), 1, a.allowed(f, chain[0].name, chain[0].span)
	}
	at := through(chain[:2])
	return a.use(variable{kind: one, name: chain[1].name}, at), 2, a.allowed(f, chain[0].name+"."+chain[1].name, at)
}
