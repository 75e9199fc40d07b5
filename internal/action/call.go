package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"flow/dag"
	"flow/executor"
	"flow/futures"
)

// native is what functions of flow's own process are called by.
const native = "go:"

// Native returns the name of the function in this process that a task calls, if it
// does.
func Native(t *dag.Task) (name string, ok bool) {
	c, ok := t.Action.(dag.Call)
	if !ok {
		return "", false
	}
	return strings.CutPrefix(c.Function, native)
}

// remote is `call` of a function in a warm worker process.
type remote struct{ workers *executor.ProcessPool }

// Timed implements Timed: the time of a task is not that of its worker's start.
func (remote) Timed() {}

func (r remote) Do(ctx context.Context, a *Attempt) Outcome {
	inputs, vars, err := a.arguments()
	if err != nil {
		return invalid(err)
	}
	o := a.outputs(false)
	opts := []executor.TaskOption{
		executor.Name(a.Task.ID), executor.KeywordArgs(), executor.CallEnv(vars), executor.Output(o.stdout, o.stderr),
		executor.StopWithin(a.Task.Grace, a.Run.Kill),
	}
	if a.Task.Timeout > 0 {
		opts = append(opts, executor.CallTimeout(a.Task.Timeout, ErrTimeout))
	}
	f := executor.Call[json.RawMessage, json.RawMessage](ctx, r.workers, a.Task.Action.(dag.Call).Function, inputs, opts...)
	text, err := f.Result(context.WithoutCancel(ctx)) // nothing is left of it then
	o.flush()
	if out, over := a.interrupted(ctx, -1, err); over {
		return out
	}
	if errors.Is(err, ErrTimeout) {
		return failed(dag.ReasonTimeout, "timed out after %s", a.Task.Timeout)
	}
	if err != nil {
		return called(err)
	}
	v, err := dag.DecodeJSON(text)
	if err != nil {
		return invalid(fmt.Errorf("result: %w", err))
	}
	if len(text) > MaxResult {
		return invalid(&TooLargeError{int64(len(text))})
	}
	return Outcome{Value: v, ExitCode: -1}
}

// arguments evaluates the inputs of a call, as one JSON object, and the variables of its
// environment: those of `env`, and flow's own but for the files of commands.
func (a *Attempt) arguments() (json.RawMessage, map[string]string, error) {
	env, inputs, err := a.Scope.Entries(nil)
	if err != nil {
		return nil, nil, err
	}
	a.Scope.Env, a.Scope.Inputs = env, inputs
	if inputs == nil {
		inputs = map[string]any{}
	}
	text, err := dag.EncodeJSON(inputs)
	if err != nil {
		return nil, nil, fmt.Errorf("inputs can't be written as JSON: %w", err)
	}
	vars := make(map[string]string)
	for _, b := range a.Task.Env {
		v := variable{name: b.Name, value: dag.Text(env[b.Name])}
		if err := v.check(); err != nil {
			return nil, nil, err
		}
		vars[v.name] = v.value
	}
	for _, v := range a.own(new(surroundings)) {
		if v.value != "" {
			vars[v.name] = v.value
		}
	}
	return text, vars, nil
}

// called is the outcome of a call that failed.
func called(err error) Outcome {
	f := &dag.Failure{Reason: dag.ReasonError, Message: err.Error(), ExitCode: -1}
	remote, raised := errors.AsType[*executor.RemoteError](err)
	broken, ended := errors.AsType[*executor.BrokenError](err)
	switch {
	case errors.Is(err, executor.ErrBrokenPool) && ended && broken.Cause != nil:
		if start, ok := errors.AsType[*executor.StartError](err); ok {
			return notRun(start, start.Path)
		}
		f.Message = "no worker can be had: " + strings.TrimPrefix(broken.Cause.Error(), "executor: ")
	case raised:
		f.Message, f.Type = remote.Error(), remote.Type
	case ended:
		f.Reason, f.ExitCode = dag.ReasonLost, broken.ExitCode
		f.Message = strings.TrimPrefix(broken.Error(), "executor: ")
		if sig, ok := broken.Signal.(syscall.Signal); ok {
			f.ExitCode = 128 + int(sig)
		}
	}
	if raised {
		f.Traceback = remote.Traceback
	}
	return Outcome{ExitCode: f.ExitCode, Failure: f}
}

// function is `call` of a Go function in this process.
type function struct {
	registry *executor.Registry
	name     string
}

func (fn function) Do(ctx context.Context, a *Attempt) Outcome {
	inputs, _, err := a.arguments()
	if err != nil {
		return invalid(err)
	}
	done := make(chan Outcome, 1)
	go func() {
		out := failed(dag.ReasonError, "%v", futures.ErrGoexit)
		defer func() {
			if p := recover(); p != nil {
				out = failed(dag.ReasonError, "panic: %v", p)
				out.Failure.Type, out.Failure.Traceback = "PanicError", string(debug.Stack())
			}
			done <- out
		}()
		out = fn.call(ctx, a, inputs)
	}()
	select {
	case out := <-done:
		return out
	case <-ctx.Done():
	}
	grace := a.Task.Grace
	if grace <= 0 {
		grace = 10 * time.Second
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case out := <-done:
		if o, over := a.interrupted(ctx, -1, context.Cause(ctx)); over && out.Failure != nil {
			return o
		}
		return out
	case <-a.Run.Kill.Done():
	case <-late.C:
	}
	// A goroutine can't be ended: it goes on, for nobody.
	o, _ := a.interrupted(ctx, -1, context.Cause(ctx))
	o.Failure.Message += ", though the function goes on"
	return o
}

func (fn function) call(ctx context.Context, a *Attempt, inputs json.RawMessage) Outcome {
	v, err := fn.registry.Call(ctx, fn.name, inputs)
	if err != nil {
		if o, over := a.interrupted(ctx, -1, err); over {
			return o
		}
		return failed(dag.ReasonError, "%v", err)
	}
	plain, err := dag.Plain(v)
	if err != nil {
		return invalid(fmt.Errorf("the result of %s%s: %w", native, fn.name, err))
	}
	return Outcome{Value: plain, ExitCode: -1}
}

// Workers makes the pool of worker processes of an executor with a runtime. It starts
// none yet.
func Workers(x *dag.Executor, dir, name string, size int, environ []string, l *executor.Launcher) (*executor.ProcessPool, error) {
	opts := []executor.ProcessOption{
		interpreter(x, dir), executor.MaxWorkers(size), executor.NamePrefix(name), executor.Dir(dir),
		executor.Environ(environ), executor.Through(l),
		executor.OtherOutput(os.Stderr, os.Stderr), // standard output is flow's own results
	}
	for _, p := range x.Path {
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		opts = append(opts, executor.Path(p))
	}
	if x.Initializer != "" {
		opts = append(opts, executor.InitCall(x.Initializer))
	}
	if x.MaxTasksPerWorker > 0 {
		opts = append(opts, executor.MaxTasksPerWorker(x.MaxTasksPerWorker))
	}
	return executor.NewProcessPool(opts...)
}

// interpreter is the runtime of an executor.
func interpreter(x *dag.Executor, dir string) executor.Runtime {
	path := InterpreterOf(x, dir)
	if x.Runtime == "node" {
		return executor.Node(path)
	}
	return executor.Python(path)
}

// InterpreterOf is the interpreter of an executor with a runtime: a name to be looked up
// in PATH, or a path.
func InterpreterOf(x *dag.Executor, dir string) string {
	switch path := x.Interpreter; {
	case path == "" && x.Runtime == "node":
		return "node"
	case path == "":
		return "python3"
	case strings.Contains(path, "/") && !filepath.IsAbs(path):
		return filepath.Join(dir, path)
	default:
		return path
	}
}
