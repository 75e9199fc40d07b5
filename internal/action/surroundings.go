package action

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"flow/dag"
)

// maxVariable is how long an environment variable may be, with its name, the
// "=" and the final NUL: Linux's MAX_ARG_STRLEN.
const maxVariable = 128 << 10

// own are the variables that every command gets from flow.
var own = [...]string{
	"FLOW_RUN_ID", "FLOW_TASK", "FLOW_INDEX", "FLOW_ATTEMPT", "FLOW_IDEMPOTENCY_KEY",
	"FLOW_DIR", "FLOW_INPUTS", "FLOW_RESULT",
}

// Environ returns what the commands of a workflow inherit: the given
// environment, each name once, without the variables that flow sets itself and
// those that are sources of the workflow's secrets.
func Environ(environ []string, w *dag.Workflow) []string {
	drop := make(map[string]bool)
	for _, name := range own {
		drop[name] = true
	}
	for _, s := range w.Secrets {
		if s.Env != "" {
			drop[s.Env] = true
		}
	}
	last := make(map[string]int)
	for k, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		last[name] = k
	}
	var out []string
	for k, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); last[name] == k && !drop[name] {
			out = append(out, kv)
		}
	}
	return slices.Clip(out)
}

// variable is one environment variable that an attempt adds, or takes away.
type variable struct {
	name, value string
	gone        bool
}

// surroundings are what a command is started with.
type surroundings struct {
	env    []string
	dir    string
	inputs map[string]any

	inputsFile string // removed with the attempt; "" where all attempts share one
	resultFile string
	noResult   bool // it has been looked for, and is not there
}

// surround evaluates what surrounds a command and writes its $FLOW_INPUTS. script has the
// variables of a script. The caller calls clear when the attempt is over.
func (a *Attempt) surround(script []dag.ScriptVar) (*surroundings, error) {
	s := &surroundings{}
	env, inputs, err := a.Scope.Entries(nil)
	if err != nil {
		return nil, err
	}
	a.Scope.Env, a.Scope.Inputs, s.inputs = env, inputs, inputs
	if s.dir, err = a.folder(); err != nil {
		return nil, err
	}
	var added []variable
	for _, b := range a.Task.Env {
		v := variable{name: b.Name, value: dag.Text(env[b.Name])}
		if err := v.check(); err != nil {
			return nil, err
		}
		added = append(added, v)
	}
	for _, b := range a.Task.Inputs {
		v := variable{name: b.Name, value: dag.Text(s.inputs[b.Name])}
		if len(v.name)+len(v.value)+2 > maxVariable {
			// It stands in $FLOW_INPUTS; another variable of its name must not be
			// taken for it.
			added = append(added, variable{name: b.Name, gone: true})
			continue
		}
		if err := v.check(); err != nil {
			return nil, err
		}
		added = append(added, v)
	}
	vars, err := evaluate(script, a.Scope)
	if err != nil {
		return nil, err
	}
	if err := s.writeInputs(a); err != nil {
		return nil, err
	}
	s.env = merge(a.Run.Environ, append(append(added, vars...), a.own(s)...))
	return s, nil
}

// evaluate evaluates the variables of a script.
func evaluate(vars []dag.ScriptVar, s *dag.Scope) ([]variable, error) {
	out := make([]variable, len(vars))
	for k, sv := range vars {
		v, err := sv.Expr.Eval(s)
		if err != nil {
			return nil, err
		}
		out[k] = variable{name: sv.Name, value: dag.Text(v)}
		if strings.IndexByte(out[k].value, 0) >= 0 {
			return nil, fmt.Errorf("${{ %s }}: its value has a NUL byte, which no variable can hold", sv.Expr)
		}
		if len(out[k].name)+len(out[k].value)+2 > maxVariable {
			return nil, tooLarge("${{ "+sv.Expr.String()+" }}", len(out[k].value))
		}
	}
	return out, nil
}

func (v variable) check() error {
	if strings.IndexByte(v.value, 0) >= 0 {
		return fmt.Errorf("%s: its value has a NUL byte, which no environment variable can hold", v.name)
	}
	if len(v.name)+len(v.value)+2 > maxVariable {
		return tooLarge(v.name, len(v.value))
	}
	return nil
}

func tooLarge(what string, size int) error {
	return fmt.Errorf("%s: a value of %d bytes is too large for the environment of a command (128 KiB): make it an input and read it from $FLOW_INPUTS, or use stdin", what, size)
}

// folder is where the command runs.
func (a *Attempt) folder() (string, error) {
	if a.Task.Dir == nil {
		return a.Run.Base, nil
	}
	v, err := a.Task.Dir.Eval(a.Scope)
	if err != nil {
		return "", err
	}
	if d := dag.Text(v); filepath.IsAbs(d) {
		return filepath.Clean(d), nil
	} else {
		return filepath.Join(a.Run.Base, d), nil
	}
}

// own are the variables of flow itself.
func (a *Attempt) own(s *surroundings) []variable {
	key := a.Run.ID + "/" + a.Task.ID
	vars := []variable{
		{name: "PWD", value: s.dir}, // which any shell would set
		{name: "FLOW_RUN_ID", value: a.Run.ID},
		{name: "FLOW_TASK", value: a.Task.ID},
		{name: "FLOW_ATTEMPT", value: strconv.Itoa(a.Number)},
		{name: "FLOW_DIR", value: a.Run.Work},
		{name: "FLOW_INPUTS", value: s.inputsFile},
		{name: "FLOW_RESULT", value: s.resultFile},
	}
	if a.Instance >= 0 {
		index := strconv.Itoa(a.Instance)
		key += "/" + index
		vars = append(vars, variable{name: "FLOW_INDEX", value: index})
	}
	return append(vars, variable{name: "FLOW_IDEMPOTENCY_KEY", value: key})
}

// writeInputs writes $FLOW_INPUTS and names $FLOW_RESULT. Without inputs there
// is still a file, so that a script may read it without asking.
func (s *surroundings) writeInputs(a *Attempt) error {
	base := fmt.Sprintf("%s.%d.%d", a.Task.ID, a.Instance, a.Number)
	s.resultFile = filepath.Join(a.Run.Files, base+".result")
	s.inputsFile = filepath.Join(a.Run.Files, NoInputs)
	if len(s.inputs) == 0 {
		return nil
	}
	text, err := dag.EncodeJSON(s.inputs)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the package's name
		}
		return fmt.Errorf("inputs can't be written as JSON: %w", err)
	}
	s.inputsFile = filepath.Join(a.Run.Files, base+".inputs.json")
	if err := os.WriteFile(s.inputsFile, text, 0o600); err != nil {
		return &unwritableError{err}
	}
	return nil
}

// unwritableError tells of a file of an attempt that could not be written: the
// machine's fault, not the values', so that another attempt may do better.
type unwritableError struct{ cause error }

func (e *unwritableError) Error() string {
	return fmt.Sprintf("$FLOW_INPUTS can't be written (TMPDIR): %v", e.cause)
}

func (e *unwritableError) Unwrap() error { return e.cause }

// NoInputs is the file in a run's folder, made with it, that is the $FLOW_INPUTS
// of all tasks without inputs. It holds an empty map.
const NoInputs = "inputs.json"

// clear removes the attempt's files.
func (s *surroundings) clear() {
	if filepath.Base(s.inputsFile) != NoInputs {
		_ = os.Remove(s.inputsFile) // the run's folder goes anyway
	}
	if !s.noResult {
		_ = syscall.Unlink(s.resultFile) // most attempts have none
	}
}

// merge adds variables to an environment in which each name stands once, or
// takes them away; later ones win.
func merge(base []string, vars []variable) []string {
	last := make(map[string]int, len(vars))
	for k, v := range vars {
		last[v.name] = k
	}
	env := make([]string, 0, len(base)+len(vars))
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := last[name]; !ok {
			env = append(env, kv)
		}
	}
	for k, v := range vars {
		if last[v.name] == k && !v.gone {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env
}
