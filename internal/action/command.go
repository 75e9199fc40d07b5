package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"flow/dag"
	"flow/executor"
)

// program is `exec`: one program, without a shell.
type program struct{}

func (program) Do(ctx context.Context, a *Attempt) Outcome {
	s, err := a.surround(nil)
	if err != nil {
		return invalid(err)
	}
	defer s.clear()
	argv, err := arguments(a.Task.Action.(dag.Exec).Argv, a.Scope)
	if err != nil {
		return invalid(err)
	}
	return a.process(ctx, s, argv)
}

// arguments evaluates the words of `exec`.
func arguments(words []*dag.Value, s *dag.Scope) ([]string, error) {
	argv := make([]string, len(words))
	for k, w := range words {
		v, err := w.Eval(s)
		if err != nil {
			return nil, err
		}
		argv[k] = dag.Text(v)
		if strings.IndexByte(argv[k], 0) >= 0 {
			return nil, fmt.Errorf("exec: argument %d has a NUL byte, which no argument can hold", k)
		}
		if len(argv[k])+1 > maxVariable {
			return nil, tooLarge(fmt.Sprintf("exec: argument %d", k), len(argv[k]))
		}
	}
	if argv[0] == "" {
		return nil, errors.New("exec: the program's name is empty")
	}
	return argv, nil
}

// script is `run` on an executor of kind process: a real shell.
type script struct{}

// defaultShell runs scripts that don't name another.
var defaultShell = []string{"sh", "-eu"}

func (script) Do(ctx context.Context, a *Attempt) Outcome {
	sc := a.Task.Action.(dag.Run).Script
	s, err := a.surround(sc.Vars)
	if err != nil {
		return invalid(err)
	}
	defer s.clear()
	shell := a.shell()
	argv := append(append([]string(nil), shell...), "-c", sc.Text)
	if command := sc.Command(); command != nil && len(a.Task.Shell) == 0 && searchable(s.env) {
		return a.process(ctx, s, command, argv)
	}
	return a.process(ctx, s, argv)
}

// searchable reports whether programs are looked up here as a shell does it: flow
// leaves out the folders of PATH that depend on where one is.
func searchable(env []string) bool {
	for _, kv := range env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			return !slices.ContainsFunc(filepath.SplitList(path), func(dir string) bool { return !filepath.IsAbs(dir) })
		}
	}
	return false
}

// shell is the shell of a script, with its flags.
func (a *Attempt) shell() []string {
	if len(a.Task.Shell) == 0 {
		return defaultShell
	}
	return a.Task.Shell
}

// process runs a command and makes its result. Of several, the first that can be
// started: the last one says why none can.
func (a *Attempt) process(ctx context.Context, s *surroundings, commands ...[]string) Outcome {
	in, err := a.stdin()
	if err != nil {
		return invalid(err)
	}
	o := a.outputs(a.wantsOutput())
	l := a.Task.Limits
	child := executor.Child{
		Env: s.env, Dir: s.dir,
		OnStart: func(int) { a.Started = time.Now() },
		Stdin:   in, Stdout: o.stdout, Stderr: o.stderr, Grace: a.Task.Grace, Kill: a.Run.Kill,
		Limits: executor.Rlimits{Memory: l.Memory, CPUTime: l.CPUTime, OpenFiles: int(l.OpenFiles), Processes: int(l.Processes)},
	}
	var exit executor.Exit
	for _, argv := range commands {
		child.Path, child.Args = argv[0], argv[1:]
		exit, err = a.Run.Start.Run(ctx, &child)
		if _, not := errors.AsType[*executor.StartError](err); !not {
			break
		}
	}
	o.flush()
	if out, over := a.interrupted(ctx, exit.Code, err); over {
		return out
	}
	if err != nil {
		return notRun(err, child.Path)
	}
	if exit.Code != 0 {
		return exited(exit, o.last)
	}
	v, err := a.result(s, o.stdout)
	if err != nil {
		out := invalid(err)
		out.ExitCode, out.Failure.ExitCode = exit.Code, exit.Code
		return out
	}
	return Outcome{Value: v, ExitCode: exit.Code}
}

// wantsOutput reports whether standard output is the result.
func (a *Attempt) wantsOutput() bool {
	return a.Task.Result.Format != dag.ResultNone && a.Task.Result.File == nil
}

// stdin is what a command reads: the value of `stdin` as text, else nothing.
func (a *Attempt) stdin() (io.Reader, error) {
	if a.Task.Stdin == nil {
		return nil, nil
	}
	v, err := a.Task.Stdin.Eval(a.Scope)
	if err != nil {
		return nil, err
	}
	return strings.NewReader(dag.Text(v)), nil
}

// interrupted is the outcome of an attempt whose ctx ended before it did.
func (a *Attempt) interrupted(ctx context.Context, code int, err error) (Outcome, bool) {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return Outcome{}, false
	}
	f := &dag.Failure{Reason: dag.ReasonError, Message: "stopped", ExitCode: code}
	if errors.Is(context.Cause(ctx), ErrTimeout) {
		f.Reason, f.Message = dag.ReasonTimeout, fmt.Sprintf("timed out after %s", a.Task.Timeout)
	}
	return Outcome{ExitCode: code, Failure: f}, true
}

// notRun is the outcome of a command that could not be started, or whose output
// could not be taken.
func notRun(err error, name string) Outcome {
	if errors.Is(err, syscall.E2BIG) {
		return failed(dag.ReasonInvalid, "%s: the environment and the arguments together are too large for a command: make large values inputs and read them from $FLOW_INPUTS, or use stdin", name)
	}
	if start, ok := errors.AsType[*executor.StartError](err); ok {
		if !strings.Contains(name, "/") && errors.Is(start.Err, fs.ErrNotExist) && !errors.Is(start.Err, syscall.ENOENT) {
			return failed(dag.ReasonError, "%s can't be started: there is no such program in PATH", name)
		}
		return failed(dag.ReasonError, "%s can't be started: %v", name, start.Err)
	}
	return failed(dag.ReasonError, "%v", err)
}

// exited is the outcome of a command that ended with a status that isn't 0, or
// by a signal. The last line of its standard error is mostly what one wants to
// know.
func exited(e executor.Exit, stderr *lastLine) Outcome {
	f := &dag.Failure{Reason: dag.ReasonExit, Message: fmt.Sprintf("exit status %d", e.Code), ExitCode: e.Code}
	if e.Signal != 0 {
		f.Message = fmt.Sprintf("ended by signal %d (%v)", int(e.Signal), e.Signal)
	}
	if line := stderr.String(); line != "" {
		f.Message += ": " + line
	}
	return Outcome{ExitCode: e.Code, Failure: f}
}
