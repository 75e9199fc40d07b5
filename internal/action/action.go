// Package action does what a task says: run, exec, expr, call. There is one file for
// each kind behind one small interface; what commands have in common, their
// surroundings and their results, has files of its own.
package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"flow/dag"
	"flow/executor"
	"flow/internal/mask"
)

// Action does one attempt of a task. It returns when nothing of the attempt is
// left, and soon after ctx has ended (a command has its grace). Implementations
// are stateless and safe for concurrent use.
type Action interface {
	Do(ctx context.Context, a *Attempt) Outcome
}

// Timed is an Action that heeds the task's Timeout by itself, and ends its attempts with
// the reason timeout then.
type Timed interface{ Timed() }

// Attempt is what an action is given.
type Attempt struct {
	Task     *dag.Task
	Scope    *dag.Scope // with a Host; owned by the attempt
	Run      *Run
	Instance int // of a fan-out, from 0; -1: the task is none
	Number   int // from 1

	// Stdout and Stderr take what a command prints, as it comes. They are called
	// from one goroutine each, and must not block for long.
	Stdout, Stderr io.Writer

	// Started is set by the action, if it starts a process: when that was there. It is
	// read when Do has returned.
	Started time.Time
}

// Run is what the attempts of one run share. It is read only.
type Run struct {
	ID      string
	Files   string     // absolute: the folder for the files of attempts, which may hold secrets
	Work    string     // absolute: $FLOW_DIR
	Base    string     // absolute: the workflow's folder
	Environ []string   // what commands inherit: each name once (see Environ)
	Mask    *mask.Mask // of the run's secrets: what attempts print and how they fail is masked; their results are not
	Start   Starter
	Kill    context.Context // ends when whatever runs is to be killed at once
}

// Starter runs child processes to their end, with all that they leave behind, each
// alone or as one of a family; *executor.Launcher is one.
type Starter interface {
	Run(ctx context.Context, c *executor.Child) (executor.Exit, error)
	NewFamily() (*executor.Family, error)
}

// Outcome is how an attempt ended.
type Outcome struct {
	Value    any          // a plain value
	ExitCode int          // of the attempt's process: 128+n after signal n; -1: there was none
	Failure  *dag.Failure // nil: it succeeded
}

// ErrTimeout is the cause with which an attempt's ctx ends when its `timeout`
// has passed. Any other cause means that somebody wanted it to end.
var ErrTimeout = errors.New("timeout")

// Place is where the attempts of a task are made.
type Place struct {
	Process   bool                  // its executor is of kind process
	Workers   *executor.ProcessPool // of its executor, where that has a runtime
	Functions *executor.Registry    // of this process
}

// For returns the action of a task. It is an error where this build has no such
// action.
func For(t *dag.Task, at Place) (Action, error) {
	switch t.Action.(type) {
	case dag.Run:
		if at.Process {
			return script{}, nil
		}
		return interpreted{}, nil
	case dag.Call:
		if name, ok := Native(t); ok {
			if !at.Functions.Has(name) {
				return nil, fmt.Errorf("no Go function %q is registered: `go:` is for programs that embed flow", name)
			}
			return function{at.Functions, name}, nil
		}
		return remote{at.Workers}, nil
	case dag.Exec:
		return program{}, nil
	case dag.Compute:
		return compute{}, nil
	}
	return nil, fmt.Errorf("`%s` can't be run by this build yet", t.Action.Kind())
}

// failed is the outcome of an attempt that failed without a process.
func failed(r dag.Reason, format string, args ...any) Outcome {
	return Outcome{ExitCode: -1, Failure: &dag.Failure{Reason: r, Message: fmt.Sprintf(format, args...), ExitCode: -1}}
}

// invalid is the outcome of an attempt whose expressions could not be evaluated,
// or whose files could not be written.
func invalid(err error) Outcome {
	if _, ok := errors.AsType[*unwritableError](err); ok {
		return failed(dag.ReasonError, "%v", err)
	}
	return failed(dag.ReasonInvalid, "%v", err)
}
