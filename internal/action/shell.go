package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"flow/dag"
	"flow/executor"
)

// interpreted is `run` on an executor of kind thread: the shell inside flow.
// Programs that the script names are started as with any other executor, each in
// its own process group; the script itself takes no process. One that needs what
// the shell inside flow lacks is given to the real one.
type interpreted struct{}

func (interpreted) Do(ctx context.Context, a *Attempt) Outcome {
	shell := a.shell()
	sc := a.Task.Action.(dag.Run).Script
	if !interpretable(shell[0]) || sc.NeedsShell() != "" {
		return script{}.Do(ctx, a)
	}
	s, err := a.surround(sc.Vars)
	if err != nil {
		return invalid(err)
	}
	defer s.clear()
	in, err := a.stdin()
	if err != nil {
		return invalid(err)
	}
	stdin, fed, err := feed(in)
	if err != nil {
		return failed(dag.ReasonError, "stdin: %v", err)
	}
	defer fed()
	o := a.outputs(a.wantsOutput())
	err = a.interpret(ctx, sc, shell[1:], s, interp.StdIO(standardInput(stdin), o.stdout, o.stderr))
	o.close()
	return a.interpreted(ctx, err, s, o)
}

// interpret runs a script to its end, with all that it started. The error is an
// interp.ExitStatus, that of ctx if it ended first, or says what went wrong.
func (a *Attempt) interpret(ctx context.Context, sc *dag.Script, flags []string, s *surroundings, streams interp.RunnerOption) error {
	// The interpreter is a bash: of scripts parsed as POSIX it loses blanks in
	// `export x="a  b"`. That the script is POSIX was checked when it was loaded.
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(sc.Text), a.Task.ID)
	if err != nil {
		return err
	}
	family, err := a.Run.Start.NewFamily()
	if err != nil {
		return err
	}
	var left programs
	var lost writes
	// A program of a script may leave something running for the next one.
	clear := func() { left.close(); family.End(a.Task.Grace, a.Run.Kill) }
	runner, err := interp.New(
		interp.Params(flags...),
		interp.Env(expand.ListEnviron(s.env...)),
		interp.Dir(s.dir),
		streams,
		interp.ExecHandlers(a.execHandler(&left, family)),
		interp.CallHandler(plainTests),
		interp.OpenHandler(lost.open),
	)
	if err != nil {
		clear()
		return fmt.Errorf("the shell inside flow: %w", err)
	}
	scriptCtx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(scriptCtx, file) }()
	select {
	case err = <-ended:
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		// What the script left in the background ends with it. If ctx ends only
		// meanwhile, the script was in time.
		end()
		clear()
		return lost.judge(err)
	case <-ctx.Done():
		family.Stop()
	}
	// Its programs end, at the latest after their grace. A goroutine can't be
	// made to: one that does not return then, stuck in opening a pipe that nobody
	// opens, say, is left to itself, and the attempt ends without it.
	clear()
	select {
	case <-ended:
	case <-time.After(straySlack):
	}
	return ctx.Err()
}

// straySlack is how long a script that was told to end, and has no program at work
// any more, is waited for.
const straySlack = 100 * time.Millisecond

// interpreted is the outcome of a script that has ended with err.
func (a *Attempt) interpreted(ctx context.Context, err error, s *surroundings, o *outputs) Outcome {
	if out, over := a.interrupted(ctx, -1, err); over {
		return out
	}
	if status, ok := errors.AsType[interp.ExitStatus](err); ok {
		return exited(executor.Exit{Code: int(status)}, o.last)
	}
	if err != nil {
		return failed(dag.ReasonError, "%v", err)
	}
	v, err := a.result(s, o.stdout)
	if err != nil {
		out := invalid(err)
		out.ExitCode, out.Failure.ExitCode = 0, 0
		return out
	}
	return Outcome{Value: v, ExitCode: 0}
}

// standardInput is a script's standard input; a nil file must be no reader.
func standardInput(f *os.File) io.Reader {
	if f == nil {
		return nil
	}
	return f
}

// interpretable reports whether the shell inside flow speaks the language of
// that one. Any other is started as a process, on threads too.
func interpretable(shell string) bool {
	switch filepath.Base(shell) {
	case "sh", "dash", "bash", "ksh":
		return true
	}
	return false
}

// execHandler starts the programs of a script.
func (a *Attempt) execHandler(left *programs, family *executor.Family) func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
		return func(ctx context.Context, args []string) error {
			if !left.enter() {
				return context.Canceled // of a job in the background, when the script has ended
			}
			defer left.leave()
			return a.program(ctx, args, family)
		}
	}
}

// program runs one program of a script.
func (a *Attempt) program(ctx context.Context, args []string, family *executor.Family) error {
	hc := interp.HandlerCtx(ctx)
	hc.Stdout, hc.Stderr = unwatched(hc.Stdout), unwatched(hc.Stderr)
	path, err := interp.LookPathDir(hc.Dir, hc.Env, args[0])
	if err != nil {
		status := missingStatus(args[0], hc.Dir, hc.Env.Get("PATH").String())
		why := "not found"
		if status == 126 {
			why = "permission denied"
		}
		fmt.Fprintf(hc.Stderr, "sh: %s: %s\n", args[0], why)
		return interp.ExitStatus(status)
	}
	handOver(hc.Stdin, hc.Stdout, hc.Stderr)
	l := a.Task.Limits
	child := &executor.Child{
		Path: path, Args: args[1:], Env: exported(hc.Env), Dir: hc.Dir,
		Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr, Grace: a.Task.Grace, Kill: a.Run.Kill, Family: family,
		Limits: executor.Rlimits{Memory: l.Memory, CPUTime: l.CPUTime, OpenFiles: int(l.OpenFiles), Processes: int(l.Processes)},
	}
	exit, err := a.Run.Start.Run(ctx, child)
	if errors.Is(err, syscall.ENOEXEC) { // a script that names no interpreter: any shell takes it for one of its own
		child.Path, child.Args = "/bin/sh", append([]string{path}, args[1:]...)
		exit, err = a.Run.Start.Run(ctx, child)
	}
	if _, notStarted := errors.AsType[*executor.StartError](err); notStarted {
		fmt.Fprintf(hc.Stderr, "sh: %v\n", err)
		if errors.Is(err, fs.ErrNotExist) {
			return interp.ExitStatus(127)
		}
		return interp.ExitStatus(126)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(hc.Stderr, "sh: %s: %v\n", args[0], err)
		return interp.ExitStatus(126)
	}
	if exit.Code != 0 {
		return interp.ExitStatus(uint8(exit.Code))
	}
	return nil
}

// exported are the variables that a script has exported.
func exported(env expand.Environ) []string {
	var list []string
	for name, v := range env.Each {
		if v.Exported && v.Kind == expand.String {
			list = append(list, name+"="+v.String())
		}
	}
	return list
}
