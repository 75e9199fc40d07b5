//go:build linux

package executor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flow/executor"
	"flow/futures"
)

// An error that is odd is still its own call's, and takes no worker with it.
func TestOddErrors(t *testing.T) {
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		if rt == "self" {
			t.Skip("its errors are texts")
		}
		pid := value(t, executor.Call[any, int](t.Context(), p, named(rt, "pid"), nil))
		for _, kind := range []string{"surrogate", "str", "huge", "name"} {
			_, err := result(t, executor.Call[string, any](t.Context(), p, named(rt, "rude"), kind))
			if e := remote(t, err); len(e.Msg) > 1<<20 || len(e.Traceback) > 1<<20 {
				t.Errorf("%s: %d and %d bytes", kind, len(e.Msg), len(e.Traceback))
			}
		}
		if again := value(t, executor.Call[any, int](t.Context(), p, named(rt, "pid"), nil)); again != pid {
			t.Error("a worker was lost")
		}
	})
}

// What can't be sent harms no worker.
func TestCallsThatCantBeSent(t *testing.T) {
	p := newProcesses(t, executor.Self(), executor.MaxWorkers(1), executor.OnWorkerDeath(executor.BreakPool))
	pid := value(t, executor.Call[any, int](t.Context(), p, "pid", nil))
	for name, f := range map[string]*futures.Future[any]{
		"function": executor.Call[any, any](t.Context(), p, "\xff", nil),
		"=":        executor.Call[any, any](t.Context(), p, "echo", nil, executor.CallEnv(map[string]string{"A=B": ""})),
		"NUL":      executor.Call[any, any](t.Context(), p, "echo", nil, executor.CallEnv(map[string]string{"A": "\x00"})),
		"no name":  executor.Call[any, any](t.Context(), p, "echo", nil, executor.CallEnv(map[string]string{"": ""})),
		"UTF-8":    executor.Call[any, any](t.Context(), p, "echo", nil, executor.CallEnv(map[string]string{"A": "\xff"})),
	} {
		_, err := result(t, f)
		if err == nil || errors.As(err, new(*executor.BrokenError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := value(t, executor.Call[any, int](t.Context(), p, "pid", nil)); again != pid {
		t.Error("a worker was lost")
	}
	if _, err := executor.NewProcessPool(executor.Self(), executor.Env(map[string]string{"A=B": ""})); err == nil {
		t.Error("a name that no environment can hold")
	}
}

// However early a call is aborted, its worker learns of it.
func TestEarlyAborts(t *testing.T) {
	p := newProcesses(t, executor.Self(), executor.MaxWorkers(1), executor.KillGrace(2*patience))
	pid := value(t, executor.Call[any, int](t.Context(), p, "pid", nil))
	errStop := errors.New("stop")
	for range 200 {
		f := executor.Call[any, any](t.Context(), p, "waits", nil)
		for f.State() == futures.Pending {
		}
		f.Abort(errStop)
		if _, err := result(t, f); !errors.Is(err, errStop) {
			t.Fatal(err)
		}
	}
	if again := value(t, executor.Call[any, int](t.Context(), p, "pid", nil)); again != pid {
		t.Error("a worker was lost")
	}
}

// A task that is given up while its worker starts does not end the start: the next one
// has the worker. What it prints meanwhile is the task's.
func TestSlowStarts(t *testing.T) {
	if python() == "" {
		t.Skip("no python3")
	}
	var rest bytes.Buffer
	p := newProcesses(t, executor.Python(python()), executor.MaxWorkers(1), executor.InitCall("functions:slow_setup"), executor.OtherOutput(&rest, io.Discard))
	errSlow := errors.New("slow")
	var out bytes.Buffer
	f := executor.Call[int, int](t.Context(), p, "functions:neg", 1, executor.CallTimeout(250*time.Millisecond, errSlow), executor.Output(&out, nil))
	if v := value(t, f); v != -1 || out.String() != "setting up\n" {
		t.Errorf("%v, %q: the start is not the task's time", v, &out)
	}

	p = newProcesses(t, executor.Python(python()), executor.MaxWorkers(1), executor.InitCall("functions:slow_setup"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := result(t, executor.Call[int, int](ctx, p, "functions:neg", 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if pid := value(t, executor.Call[any, int](t.Context(), p, "functions:pid", nil)); pid == 0 || p.Stats().Workers != 1 {
		t.Errorf("%+v", p.Stats())
	}
}

// A pool that is ended by a callback of its own says so, and ends.
func TestEndFromACallback(t *testing.T) {
	ends := map[string]func(*executor.ProcessPool) error{
		"close": (*executor.ProcessPool).Close, "kill": (*executor.ProcessPool).Kill,
		"terminate": func(p *executor.ProcessPool) error { return p.Terminate(context.Background()) },
	}
	for name, end := range ends {
		p := newProcesses(t, executor.Self(), executor.MaxWorkers(1))
		value(t, executor.Call[int, int](t.Context(), p, "neg", 1))
		told := make(chan error, 1)
		g := newGate(t)
		f := executor.Call[string, any](t.Context(), p, "block", g.path, executor.Name("a"))
		g.entered()
		f.OnDone(func(*futures.Future[any]) { told <- end(p) })
		g.release()
		if err := <-told; !errors.Is(err, futures.ErrDeadlock) || err.Error() != "deadlock: a -> a" {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := newPool(t)
	told := make(chan error, 1)
	f, release := blocker(t, p)
	f.OnDone(func(*futures.Future[int]) { told <- p.Close() })
	release()
	if err := <-told; !errors.Is(err, futures.ErrDeadlock) {
		t.Error(err)
	}
}

// Starts that fail break no pool in which some worker lives.
func TestRow208OthersLive(t *testing.T) {
	if python() == "" {
		t.Skip("no python3")
	}
	link := filepath.Join(t.TempDir(), "python3")
	if err := os.Symlink(python(), link); err != nil {
		t.Fatal(err)
	}
	p := newProcesses(t, executor.Python(link), executor.MaxWorkers(2))
	g := newGate(t)
	first := executor.Call[string, any](t.Context(), p, "functions:block", g.path)
	g.entered()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	second := executor.Call[int, int](t.Context(), p, "functions:neg", 1)
	select {
	case <-second.Done():
		_, err, _ := second.TryResult()
		t.Fatalf("it did not wait for the one that lives: %v", err)
	case <-time.After(200 * time.Millisecond): // several starts have failed
	}
	g.release()
	value(t, first)
	if v := value(t, second); v != -1 {
		t.Error(v)
	}
}

// A worker that does not heed its task's Timeout keeps nobody waiting.
func TestStrayWorker(t *testing.T) {
	p := newProcesses(t, executor.Self(), executor.MaxWorkers(1), executor.KillGrace(2*patience))
	value(t, executor.Call[int, int](t.Context(), p, "neg", 1)) // the worker is there
	g := newGate(t)
	stray := executor.Call[string, any](t.Context(), p, "block", g.path, executor.Timeout(time.Second))
	g.entered()
	if _, err := result(t, stray); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if v := value(t, executor.Call[int, int](t.Context(), p, "neg", 1)); v != -1 {
		t.Error(v)
	}
	g.release()
}

// The last words of a worker are those of its last task.
func TestLastWords(t *testing.T) {
	eachRuntime(t, one(1), func(t *testing.T, rt string, p *executor.ProcessPool) {
		value(t, executor.Call[string, any](t.Context(), p, named(rt, "whisper"), "SECRET\n", executor.Output(nil, nil)))
		_, err := result(t, executor.Call[any, any](t.Context(), p, named(rt, "vanish"), nil))
		if e := broken(t, err); strings.Contains(e.StderrTail, "SECRET") {
			t.Errorf("%q", e.StderrTail)
		}
	})
	if node() == "" {
		return
	}
	p := newProcesses(t, executor.Node(node()), executor.MaxWorkers(1), executor.OtherOutput(nil, nil))
	_, err := result(t, executor.Call[any, any](t.Context(), p, "functions:later_throw", nil, executor.Output(nil, nil)))
	if e := broken(t, err); !strings.Contains(e.Error(), "RangeError: too late (thrown where nothing waited for it") {
		t.Error(e)
	}
}

// What functions leave of themselves in a Python worker harms nobody.
func TestPythonLeftovers(t *testing.T) {
	if python() == "" {
		t.Skip("no python3")
	}
	p := newProcesses(t, executor.Python(python()), executor.MaxWorkers(1), executor.KillGrace(2*patience))
	for range 5 {
		if v := value(t, executor.Call[int, []int](t.Context(), p, "functions:pool_map", 3)); len(v) != 3 {
			t.Error(v)
		}
		if v := value(t, executor.Call[int, int](t.Context(), p, "functions:forks", 7)); v != 7 {
			t.Error(v)
		}
	}
	value(t, executor.Call[any, any](t.Context(), p, "functions:thread_stays", nil))
	if err := p.Shutdown(patient(t)); err != nil { // within less than KillGrace
		t.Error(err)
	}
}

// A child that a function forks ends by SIGTERM, however soon that comes.
func TestPythonChildrenEnd(t *testing.T) {
	if python() == "" {
		t.Skip("no python3")
	}
	p := newProcesses(t, executor.Python(python()), executor.MaxWorkers(1))
	const n = 300
	if ended := value(t, executor.Call[int, int](t.Context(), p, "functions:forks_and_kills", n)); ended != n {
		t.Errorf("%d of %d", ended, n)
	}
}

// An Output that blocks or panics harms nobody else.
func TestBadOutput(t *testing.T) {
	p := newProcesses(t, executor.Self(), executor.MaxWorkers(1))
	panics := writerFunc(func([]byte) (int, error) { panic("in a writer") })
	value(t, executor.Call[int, any](t.Context(), p, "printing", 1, executor.Output(panics, panics)))

	entered, held := make(chan struct{}, 100), make(chan struct{})
	blocks := writerFunc(func(p []byte) (int, error) {
		entered <- struct{}{}
		<-held
		return len(p), nil
	})
	f := executor.Call[int, any](t.Context(), p, "printing", 1, executor.Output(blocks, nil))
	<-entered
	killed := make(chan error, 1)
	go func() { killed <- p.Kill() }()
	select {
	case <-killed:
		t.Error("the task had ended")
	case <-time.After(10 * time.Millisecond):
	}
	close(held)
	if err := <-killed; err != nil {
		t.Error(err)
	}
	_, _ = result(t, f) // either way
}
