package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"flow/dag"
)

// load reads a workflow file for a command that uses it: findings go to
// standard error, and errors among them end the command.
func load(std streams, file string) (*dag.Plan, error) {
	w, found, err := dag.Load(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	if len(found) > 0 {
		if err := dag.WriteDiagnostics(std.err, found); err != nil {
			return nil, err
		}
	}
	if w == nil {
		return nil, &codeError{code: exitUsage, err: fmt.Errorf("%s is not valid: nothing was run", file)}
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		return nil, err
	}
	return plan, nil
}

// unreadable explains a file that can't be read.
func unreadable(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usage("", "%s: no such file", file)
	}
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		return usage("", "%s: %w", file, bad.Err)
	}
	return usage("", "%w", err)
}

// readParams splits name=value arguments.
func readParams(args []string) (map[string]any, error) {
	params := make(map[string]any, len(args))
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usage("for example -p day=2024-05-01", "--param %q is not name=value", a)
		}
		if _, twice := params[name]; twice {
			return nil, usage("", "--param %s is given twice", name)
		}
		params[name] = value
	}
	return params, nil
}
