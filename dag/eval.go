package dag

import (
	"errors"
	"fmt"
	"time"
)

// Expr is one compiled expression. It is immutable and may be evaluated by
// several goroutines at once.
type Expr struct {
	w     *Workflow
	prog  *program
	src   string
	pos   Pos
	place place
	uses  Uses // Tasks begins with the program's, by slot
}

// program is what expressions of one text have in common.
type program struct {
	vars []variable // what it mentions
	keys []string   // of vars
	path []link     // of a plain reference: the fields behind vars[0]
	code *code      // nil for a plain reference
	pure bool       // whatever it evaluates to is plain already

	feats feature
	typ   valueType
	// Of an `if`: never is set where it can't be true while all tasks that it
	// names have succeeded, neverFailed where not even if they may have failed
	// with continue_on_error.
	never, neverFailed bool
}

// EvalError says why an expression could not be evaluated: a bad value, and
// where the expression stands.
type EvalError struct {
	File    string
	Pos     Pos
	Source  string // the expression
	Message string
	cause   error
}

// Error is "file:line:column: message", as diagnostics are.
func (e *EvalError) Error() string {
	if e.Pos.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Col, e.Message)
}

// Unwrap gives what the message was made of, so that errors.Is finds
// ErrNeedsHost and the errors of a Host.
func (e *EvalError) Unwrap() error { return e.cause }

// String is the expression as it was written, without ${{ and }}.
func (e *Expr) String() string {
	if e == nil {
		return ""
	}
	return e.src
}

// Uses is what the expression mentions, directly or through env and inputs. It
// is not to be changed.
func (e *Expr) Uses() *Uses {
	if e == nil {
		return noUses
	}
	return &e.uses
}

// Eval evaluates the expression to a plain value (see Plain). Where true or
// false is wanted (`if`, `until`, `retry.if`), it is a bool: null counts as
// false, any other value is an error.
//
// What goes wrong is an *EvalError; nothing panics. It wraps ErrNeedsHost where
// the scope has no Host and needs one. An expression reads its variables first,
// so what a `?:` or `&&` leaves out needs a host all the same.
//
// Arithmetic with whole numbers is checked: what 64 bits don't hold is an
// error. Arithmetic of floats, to which / and ** always lead, is checked at the
// end only; bit functions drop what they shift out. An expression that would
// take unreasonable time or memory is ended with an error.
func (e *Expr) Eval(s *Scope) (any, error) {
	return e.eval(&frame{scope: s})
}

func (e *Expr) eval(f *frame) (any, error) {
	v, err := e.raw(f)
	if err == nil && !e.prog.pure {
		v, err = toPlain(v)
		if err != nil {
			err = fmt.Errorf("the value can't be kept: %w", err)
		}
	}
	if err == nil && placeRules[e.place].truth {
		v, err = truth(v)
	}
	if err != nil {
		return nil, e.error(err)
	}
	return v, nil
}

// raw evaluates to whatever expr makes of it.
func (e *Expr) raw(f *frame) (any, error) {
	if e.prog.code != nil {
		return e.prog.code.run(e, f)
	}
	v, err := f.load(e.prog.vars[0], e.uses.Tasks)
	if err != nil {
		return nil, err
	}
	for _, l := range e.prog.path {
		if v, err = field(v, l.name); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// error puts the place to an error; one of another expression keeps its own.
func (e *Expr) error(err error) error {
	if inner, ok := errors.AsType[*EvalError](err); ok {
		return inner
	}
	return &EvalError{File: e.w.File, Pos: e.pos, Source: e.src, Message: err.Error(), cause: err}
}

// truth reads a condition.
func truth(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	}
	return nil, fmt.Errorf("a condition is true or false, and this is %s", describe(v))
}

// field is v.name.
func field(v any, name string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		return v[name], nil
	case nil:
		return nil, nullField(name)
	}
	return nil, fmt.Errorf("%s has no field %s", describe(v), name)
}

// nullField is the error that everybody meets once.
func nullField(name string) error {
	return fmt.Errorf("field %s of null; write ?.%s for null in that case, and ?? for another value: x?.%s ?? 0", name, name, name)
}

// TypeName says what kind of value a plain value is, as messages do: "null",
// "text", "a number", "true or false", "a list", "a map".
func TypeName(v any) string { return describe(v) }

// describe says what kind of value v is.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	case int, float64:
		return "a number"
	}
	return fmt.Sprintf("a Go value of type %T", v)
}

// frame is one evaluation: the scope, and what has been found out on the way.
type frame struct {
	scope *Scope
	memo  map[*Value]any // entries of inputs and env that were evaluated
	spent int            // of maxWork
}

// maxWork bounds what one evaluation may do beyond walking its data once. An
// iteration of a loop within a loop counts as one; so do two bytes of text that
// a function goes through, and elements of lists and maps count as four. So an
// evaluation ends within seconds and a few hundred megabytes.
const maxWork = 1 << 25

var errStopped = errors.New("the expression was stopped")

var errWork = errors.New("the expression takes too much time or memory; do it in a task")

// charge counts n towards maxWork, and looks whether the evaluation is to end.
func (f *frame) charge(n int) error {
	if f.spent += n; f.spent > maxWork || n < 0 {
		return errWork
	}
	if f.scope.Ended != nil && f.scope.Ended() {
		return errStopped
	}
	return nil
}

// load is the value of a variable; tasks are the expression's, by slot.
func (f *frame) load(v variable, tasks []int) (any, error) {
	switch {
	case v.kind <= varDuration:
		return f.task(v.kind, tasks[v.slot])
	case varRunID <= v.kind && v.kind <= varRunStatus:
		return f.run(v.kind), nil
	}
	s := f.scope
	switch v.kind {
	case varParam:
		return f.value(s.Params[v.name])
	case varSecret:
		if s.Host == nil {
			return nil, ErrNeedsHost
		}
		return s.Host.Secret(v.name)
	case varInput, varEnv:
		return f.entry(v.kind, v.name)
	case varInputs, varEnvs:
		return f.entries(v.kind)
	case varItem:
		return f.value(s.Item)
	case varIndex:
		return s.Index, nil
	case varKey:
		return s.Key, nil
	case varMatrix:
		return f.value(s.Matrix[v.name])
	case varMatrices:
		return s.Matrix, nil
	case varError:
		return failure(s.Error), nil
	case varFound:
		return f.value(s.Found)
	}
	return f.status(v.kind), nil
}

// status is what a status function answers, or now().
func (f *frame) status(k varKind) any {
	switch k {
	case varSuccess:
		return f.scope.Success
	case varFailure:
		return f.scope.Failure
	case varCancelled:
		return f.scope.Cancelled
	case varAlways:
		return true
	case varNow:
		return f.now()
	}
	return f // varCall
}

// now is the run's logical time, to the millisecond.
func (f *frame) now() time.Time {
	if f.scope.Run == nil {
		return time.Time{}.UTC()
	}
	return f.scope.Run.Now().Truncate(time.Millisecond)
}

// zone is where times are shown.
func (f *frame) zone() *time.Location {
	if f.scope.Run == nil {
		return time.UTC
	}
	return f.scope.Run.Now().Location()
}

// task is a field of a task's outcome.
func (f *frame) task(k varKind, i int) (any, error) {
	if i >= len(f.scope.Outcomes) {
		return nil, fmt.Errorf("nothing is known of the workflow's task %d", i)
	}
	o := &f.scope.Outcomes[i]
	switch k {
	case varResult:
		return f.result(o.Result)
	case varStatus:
		return o.Status.String(), nil
	case varTaskError:
		return failure(o.Err), nil
	case varExitCode:
		return exitCode(int(o.ExitCode)), nil
	case varAttempts:
		return int(o.Attempts), nil
	case varStartedAt:
		return f.milli(o.Started), nil
	case varEndedAt:
		return f.milli(o.Ended), nil
	}
	return o.Duration().Seconds(), nil
}

// milli is a time of an Outcome.
func (f *frame) milli(t int64) any {
	if t == 0 {
		return nil
	}
	return timeText(time.UnixMilli(t).In(f.zone()))
}

// failure is `error`, or the error of a task.
func failure(e *Failure) any {
	if e == nil {
		return nil
	}
	return map[string]any{"reason": e.Reason.String(), "message": e.Message, "type": textOrNull(e.Type),
		"exit_code": exitCode(e.ExitCode), "traceback": textOrNull(e.Traceback)}
}

// exitCode is null where there was no process.
func exitCode(c int) any {
	if c < 0 {
		return nil
	}
	return c
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// run is a field of the run.
func (f *frame) run(k varKind) any {
	if k == varRunStatus {
		return f.scope.RunStatus
	}
	r := f.scope.Run
	if r == nil {
		return nil
	}
	switch k {
	case varRunID:
		return r.ID
	case varRunWorkflow:
		return r.Workflow
	case varRunTrigger:
		return r.Trigger
	case varRunScheduledAt:
		return timeOrNil(r.ScheduledAt)
	case varRunIntervalStart:
		return timeOrNil(r.IntervalStart)
	case varRunIntervalEnd:
		return timeOrNil(r.IntervalEnd)
	case varRunStartedAt:
		return timeOrNil(r.StartedAt)
	}
	return r.Attempt
}

// value is v, loaded if it is kept elsewhere.
func (f *frame) value(v any) (any, error) {
	r, ok := v.(*Ref)
	if !ok {
		return v, nil
	}
	if f.scope.Host == nil {
		return nil, ErrNeedsHost
	}
	v, err := f.scope.Host.Load(r)
	if err != nil {
		return nil, fmt.Errorf("load a value of %d bytes: %w", r.Size, err)
	}
	return v, nil
}

// result is a task's result. The elements of a fan-out's may be kept elsewhere
// each for itself.
func (f *frame) result(v any) (any, error) {
	switch l := v.(type) {
	case []any:
		for i, x := range l {
			if _, ok := x.(*Ref); ok {
				return f.list(l, i)
			}
		}
	case map[string]any:
		for _, x := range l {
			if _, ok := x.(*Ref); ok {
				return f.object(l)
			}
		}
	}
	return f.value(v)
}

// list loads what is kept elsewhere of l, from an index on.
func (f *frame) list(l []any, from int) (_ any, err error) {
	out := make([]any, len(l))
	copy(out, l[:from])
	for i := from; i < len(l); i++ {
		if out[i], err = f.value(l[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// object loads what is kept elsewhere of m.
func (f *frame) object(m map[string]any) (_ any, err error) {
	out := make(map[string]any, len(m))
	for k, x := range m {
		if out[k], err = f.value(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// bindings are the task's inputs or env, and those entries that the scope has.
func (f *frame) bindings(k varKind) (given map[string]any, bs []Binding) {
	s := f.scope
	if k == varInput || k == varInputs {
		if s.Task != nil {
			bs = s.Task.Inputs
		}
		return s.Inputs, bs
	}
	if s.Task != nil {
		bs = s.Task.Env
	}
	return s.Env, bs
}

// entry is one of the task's inputs or env: the scope's, or else evaluated.
func (f *frame) entry(k varKind, name string) (any, error) {
	given, bs := f.bindings(k)
	if v, ok := given[name]; ok {
		return f.value(v)
	}
	// From the end: where a name occurs twice, the later one is meant.
	for i := len(bs) - 1; i >= 0; i-- {
		if bs[i].Name == name {
			return f.bound(bs[i].Value)
		}
	}
	return nil, nil
}

// entries is the whole of the task's inputs or env.
func (f *frame) entries(k varKind) (any, error) {
	_, bs := f.bindings(k)
	one := varInput
	if k == varEnvs {
		one = varEnv
	}
	m := make(map[string]any, len(bs))
	for _, b := range bs {
		v, err := f.entry(one, b.Name)
		if err != nil {
			return nil, err
		}
		m[b.Name] = v
	}
	return m, nil
}

// bound evaluates the value of a binding, once.
func (f *frame) bound(v *Value) (any, error) {
	if lit, ok := v.Literal(); ok {
		return lit, nil
	}
	if x, ok := f.memo[v]; ok {
		return x, nil
	}
	x, err := v.eval(f)
	if err != nil {
		return nil, err
	}
	if f.memo == nil {
		f.memo = make(map[*Value]any)
	}
	f.memo[v] = x
	return x, nil
}
