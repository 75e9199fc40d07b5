//go:build linux

package executor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flow/executor"
	"flow/futures"
	"flow/internal/proctest"
)

// Exactly the tasks on workers that die fail, each with its cause; the rest succeeds,
// and nothing is left. FLOW_TEST_CHAOS says how many tasks.
func TestChaos(t *testing.T) {
	tasks := 1500
	if n, err := strconv.Atoi(os.Getenv("FLOW_TEST_CHAOS")); err == nil {
		tasks = n
	}
	for rt, runtime := range runtimes() {
		t.Run(rt, func(t *testing.T) { chaos(t, rt, runtime, tasks) })
	}
}

// A fate is what a task of the chaos does, and what is seen of that.
type fate struct {
	fn   string
	in   any
	says func(err error) bool
}

func died(code int, sig os.Signal) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*executor.BrokenError](err)
		return ok && e.ExitCode == code && e.Signal == sig && !errors.Is(err, executor.ErrBrokenPool)
	}
}

func chaos(t *testing.T, rt string, how executor.Runtime, tasks int) {
	fates := map[int]fate{
		0: {"killed", int(syscall.SIGKILL), died(-1, syscall.SIGKILL)},
		1: {"killed", int(syscall.SIGSEGV), died(-1, syscall.SIGSEGV)},
		2: {"ended", 3, died(3, nil)},
		3: {"fail", "no luck", func(err error) bool { _, ok := errors.AsType[*executor.RemoteError](err); return ok }},
		4: {"unencodable", nil, func(err error) bool { _, ok := errors.AsType[*executor.RemoteError](err); return ok }},
	}
	if rt == "self" {
		fates[1] = fate{"killed", int(syscall.SIGABRT), func(err error) bool { _, ok := errors.AsType[*executor.BrokenError](err); return ok }}
	}
	if rt == "python" { // the system gives it no more memory than that
		fates[5] = fate{"memory", 1 << 34, func(err error) bool {
			e, ok := errors.AsType[*executor.RemoteError](err)
			return ok && e.Type == "MemoryError"
		}}
	}
	opts := []executor.ProcessOption{how, executor.MaxWorkers(4), executor.Path("testdata"),
		executor.Env(map[string]string{"PYTHONDONTWRITEBYTECODE": "1", "GOTRACEBACK": "none"}), executor.MaxTasksPerWorker(100)}
	if rt == "python" {
		opts = append(opts, executor.Limits(executor.Rlimits{Memory: 4 << 30}))
	}
	files, children := len(proctest.OpenFiles(t)), len(proctest.Uncollected(t))
	goroutines := runtime.NumGoroutine()
	p, err := executor.NewProcessPool(opts...)
	if err != nil {
		t.Fatal(err)
	}
	fs := make([]*futures.Future[any], tasks)
	for i := range fs {
		if f, ok := fates[i%40]; ok {
			fs[i] = executor.Call[any, any](t.Context(), p, named(rt, f.fn), f.in, executor.Output(nil, nil))
		} else {
			fs[i] = executor.Call[any, any](t.Context(), p, named(rt, "echo"), i)
		}
	}
	for i, f := range fs {
		v, err := result(t, f)
		if fate, ok := fates[i%40]; ok {
			if !fate.says(err) {
				t.Fatalf("%d, %s %v: %v", i, fate.fn, fate.in, err)
			}
		} else if v != float64(i) || err != nil {
			t.Fatalf("%d: %v, %v", i, v, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if st := p.Stats(); st.Workers+st.Running+st.Queued != 0 || st.Done+st.Failed != int64(tasks) {
		t.Errorf("%+v", st)
	}
	if n := len(proctest.OpenFiles(t)); n > files+2 { // the poller of the runtime may have come
		t.Errorf("%d files before, %d after: %v", files, n, proctest.OpenFiles(t))
	}
	if n := len(proctest.Uncollected(t)); n > children {
		t.Errorf("%d processes are not collected", n-children)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", goroutines, runtime.NumGoroutine())
		}
	}
}

// Where the program that has the pool is killed, its workers end, idle or not.
func TestParentIsKilled(t *testing.T) {
	for rt := range runtimes() {
		t.Run(rt, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			g := newGate(t)
			victim := exec.Command(self, poolVictimArg, rt, g.path)
			victim.Stderr = os.Stderr
			out, err := victim.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			var pid int
			if _, err := fmt.Fscan(out, &pid); err != nil {
				t.Fatal(err)
			}
			g.entered()
			victim.Process.Kill()
			_, _ = io.Copy(io.Discard, out) // the workers have it too
			_ = victim.Wait()               // it was killed
			for deadline := time.Now().Add(patience); !dead(pid); {
				if time.Now().After(deadline) {
					t.Fatalf("worker %d lives", pid)
				}
			}
		})
	}
}

const poolVictimArg = "test-pool-victim"

// poolVictim has one idle and one busy worker, and waits.
func poolVictim(rt, fifo string) {
	p, err := executor.NewProcessPool(runtimes()[rt], executor.MaxWorkers(2), executor.Path("testdata"))
	if err != nil {
		panic(err)
	}
	busy := executor.Call[string, any](context.Background(), p, named(rt, "block"), fifo)
	pid, err := executor.Call[any, int](context.Background(), p, named(rt, "pid"), nil).Result(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(pid)
	_, _ = busy.Result(context.Background())
}

// A pool that nobody uses any more ends by itself (row 138).
func TestProcessPoolIsForgotten(t *testing.T) {
	var l executor.Launcher
	defer l.Close()
	f := func() *futures.Future[int] {
		p, err := executor.NewProcessPool(executor.Self(), executor.MaxWorkers(1), executor.Through(&l))
		if err != nil {
			t.Fatal(err)
		}
		return executor.Call[any, int](t.Context(), p, "pid", nil)
	}()
	pid := value(t, f)
	for deadline := time.Now().Add(patience); !dead(pid); runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("worker %d lives", pid)
		}
	}
}

// Modules come from Path, then PYTHONPATH, never from the current folder.
func TestWhereModulesComeFrom(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	for dir, says := range map[string]string{here: "here", there: "there"} {
		for file, text := range map[string]string{
			"found.py": "def f(x): return '" + says + "'\n", "json.py": "raise RuntimeError('the wrong json')\n", "found.js": "exports.f = () => '" + says + "'\n",
		} {
			if dir == there && file == "json.py" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(here)
	for rt, runtime := range runtimes() {
		if rt == "self" {
			continue
		}
		t.Run(rt, func(t *testing.T) {
			call := func(opts ...executor.ProcessOption) (string, error) {
				p, err := executor.NewProcessPool(append(opts, runtime, executor.MaxWorkers(1), executor.Env(map[string]string{"PYTHONDONTWRITEBYTECODE": "1"}))...)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				return result(t, executor.Call[any, string](t.Context(), p, "found:f", nil))
			}
			if v, err := call(); err == nil {
				t.Errorf("found in the current folder: %v", v)
			} else if e := remote(t, err); e.Type != "ModuleNotFoundError" || !strings.Contains(e.Msg, "found") {
				t.Errorf("%+v", e)
			}
			if v, err := call(executor.Path(there)); v != "there" {
				t.Error(v, err)
			}
			if v, err := call(executor.Path(there, here)); v != "there" {
				t.Error(v, err)
			}
			if v, err := call(executor.Env(map[string]string{"PYTHONPATH": there, "NODE_PATH": there})); v != "there" {
				t.Error(v, err)
			}
		})
	}
}

// What Python and Node have and others don't.
func TestFunctionsOfOtherLanguages(t *testing.T) {
	for rt, runtime := range runtimes() {
		if rt == "self" {
			continue
		}
		t.Run(rt, func(t *testing.T) {
			p := newProcesses(t, runtime, executor.MaxWorkers(1))
			type in struct {
				A int            `json:"a"`
				B map[string]any `json:"b"`
				C int            `json:"c"`
			}
			check := func(fn string, in any, want string, opts ...executor.TaskOption) {
				t.Helper()
				v, err := result(t, executor.Call[any, any](t.Context(), p, fn, in, opts...))
				if got := fmt.Sprint(v); got != want || err != nil {
					t.Errorf("%s: %s, %v", fn, got, err)
				}
			}
			check(named(rt, "keywords"), in{A: 1, B: map[string]any{"x": 1}, C: 3}, "map[a:1 b:map[x:1] more:map[c:3]]", executor.KeywordArgs())
			check(named(rt, "keywords"), map[string]int{"a": 1}, "map[a:1 b:2 more:map[]]", executor.KeywordArgs())
			check(named(rt, "later"), 7, "7")
			check(named(rt, "items"), 3, "[0 1 2]")
			check(named(rt, "later_items"), 3, "[0 1 2]")
			if rt == "python" {
				check("functions:Thing.inner", 1, "[inner 1]")
				check(named(rt, "types"), nil, "map[decimal:1.10 none:<nil> path:/a row:map[id:1 when:2026-01-02] set:[7] tuple:[1 2]]")
				check("os.path:basename", "/a/b", "b")
				_, err := result(t, executor.Call[any, any](t.Context(), p, named(rt, "exit"), 3)) // row 191
				if e := remote(t, err); e.Type != "SystemExit" || e.Msg != "sys.exit(3)" {
					t.Errorf("%+v", e)
				}
				_, err = result(t, executor.Call[any, any](t.Context(), p, named(rt, "keywords"), map[string]int{"x": 1}, executor.KeywordArgs()))
				if e := remote(t, err); e.Type != "TypeError" || !strings.Contains(e.Msg, "'a'") {
					t.Errorf("%+v", e)
				}
			} else {
				check("functions:Thing.inner", 1, "[inner 1 thing]")
				check(named(rt, "types"), nil, "map[big:7 list:[<nil>] map:map[k:1] set:[7] when:1970-01-01T00:00:00.000Z]")
				check("module:inner", 1, "[esm 1]")
				check("module:byDefault", 1, "[default 1]")
				check("node:path:basename", "/a/b", "b")
			}
		})
	}
}
