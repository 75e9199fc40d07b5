//go:build unix

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flow/engine"
	"flow/executor"
)

// module writes a Python module into a new folder, which workflows then stand in.
func module(t *testing.T, text string) string {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "m.py"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

const pythonWorkers = "executors: { py: { runtime: python, workers: 2 } }\n"

func TestCallWorkersStayWarm(t *testing.T) {
	const text = "import os\ndef pid(): return os.getpid()\ndef each(i): return [i, os.getpid()]\n"
	dir := module(t, text)
	e := newEngine(t)
	pid := func(dir string) any {
		s, err := e.Run(t.Context(), planOf(t, dir, "name: warm\n"+pythonWorkers+
			"tasks: { a: { call: 'm:pid', executor: py } }\noutputs: { pid: '${{ tasks.a.result }}' }"), engine.Options{})
		if err != nil || s.Outputs["pid"] == nil {
			t.Fatalf("%v, %+v", err, s)
		}
		return s.Outputs["pid"]
	}
	first := pid(dir)
	if again := pid(dir); again != first {
		t.Errorf("worker %v, then %v", first, again)
	}
	if other := pid(module(t, text)); other == first {
		t.Error("a workflow of the same name elsewhere has the same workers")
	}

	s, err := e.Run(t.Context(), planOf(t, dir, pythonWorkers+
		"tasks: { a: { for_each: '${{ 0..49 }}', call: 'm:each', executor: py, inputs: { i: '${{ item }}' } } }\noutputs: { all: '${{ tasks.a.result }}' }"), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pids := make(map[any]bool)
	for i, v := range s.Outputs["all"].([]any) {
		pair := v.([]any)
		if fmt.Sprint(pair[0]) != fmt.Sprint(i) {
			t.Errorf("%d: %v", i, v)
		}
		pids[pair[1]] = true
	}
	if len(pids) > 2 {
		t.Errorf("%d workers", len(pids))
	}
}

// Warm workers outlast an edit of their file that is not about them; else they end when the
// last run that uses them has ended.
func TestCallWorkersAfterAnEdit(t *testing.T) {
	dir := module(t, `
import os
def pid(): return os.getpid()
def held():
    with open("fifo") as f: f.read()
    return os.getpid()
`)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t)
	begin := func(head, fn string) *engine.Run {
		return start(t, e, planOf(t, dir, "name: edited\n"+head+
			"tasks: { a: { call: 'm:"+fn+"', executor: py } }\noutputs: { pid: '${{ tasks.a.result }}' }"), engine.Options{})
	}
	pid := func(r *engine.Run) int {
		t.Helper()
		s := wait(t, r)
		n, err := strconv.Atoi(fmt.Sprint(s.Outputs["pid"]))
		if err != nil {
			t.Fatalf("%v: %+v", err, s)
		}
		return n
	}
	first := pid(begin(pythonWorkers, "pid"))
	if moved := pid(begin("# A comment.\n"+pythonWorkers, "pid")); moved != first {
		t.Errorf("worker %d, then %d, though nothing of it has changed", first, moved)
	}
	held := begin(pythonWorkers, "held")
	f, err := os.OpenFile(filepath.Join(dir, "fifo"), os.O_WRONLY, 0) // waits until it is read from
	if err != nil {
		t.Fatal(err)
	}
	const edited = "executors: { py: { runtime: python, workers: 2, max_tasks_per_worker: 1000 } }\n"
	second := pid(begin(edited, "pid"))
	f.Close()
	if used := pid(held); used != first || second == first {
		t.Errorf("workers %d, %d and %d", first, used, second)
	}
	for deadline := time.Now().Add(patience); !errors.Is(syscall.Kill(first, 0), syscall.ESRCH); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the worker of the file as it was is there for good")
		}
	}
	if again := pid(begin(edited, "pid")); again != second {
		t.Errorf("worker %d, then %d", second, again)
	}
}

// A cancelled call gets SIGTERM, as an exception; a killed one ends at once, whatever it
// does.
func TestCallCancelAndKill(t *testing.T) {
	dir := module(t, `
import signal, time
def polite():
    open("ready", "w").close()
    try:
        with open("fifo") as f: f.read()
        time.sleep(1000)
    finally:
        open("tidied", "w").close()
def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open("fifo") as f: f.read()
    while True: time.sleep(1000)
`)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for fn, stop := range map[string]func(*engine.Run){"polite": (*engine.Run).Cancel, "deaf": (*engine.Run).Kill} {
		e := newEngine(t)
		r := start(t, e, planOf(t, dir, pythonWorkers+"tasks: { a: { call: 'm:"+fn+"', executor: py } }"), engine.Options{})
		f, err := os.OpenFile(filepath.Join(dir, "fifo"), os.O_WRONLY, 0) // waits until it is read from
		if err != nil {
			t.Fatal(err)
		}
		if fn == "deaf" {
			f.Close()
		}
		stop(r)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		s, err := r.Wait(ctx)
		cancel()
		if err != nil || s.Status != "cancelled" || s.Tasks[0].Status != "cancelled" {
			t.Fatalf("%s: %v, %+v", fn, err, s)
		}
		f.Close()
	}
	if _, err := os.Stat(filepath.Join(dir, "tidied")); err != nil {
		t.Error("finally did not run")
	}
}

func TestCallGo(t *testing.T) {
	var r executor.Registry
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	for _, err := range []error{
		executor.Register(&r, "fails", func(context.Context, map[string]any) (any, error) { return nil, errors.New("no luck") }),
		executor.Register(&r, "panics", func(context.Context, map[string]any) (any, error) { panic("boom") }),
		executor.Register(&r, "heeds", func(ctx context.Context, _ map[string]any) (any, error) { <-ctx.Done(); return nil, ctx.Err() }),
		executor.Register(&r, "deaf", func(context.Context, map[string]any) (any, error) { <-hold; return nil, nil }),
		executor.Register(&r, "typed", func(_ context.Context, in struct{ N int }) (any, error) { return in.N, nil }),
		executor.Register(&r, "unplain", func(context.Context, any) (any, error) { return make(chan int), nil }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e := newEngine(t, engine.Functions(&r))
	s, err := e.Run(t.Context(), planOf(t, t.TempDir(), `
tasks:
  fails: { call: "go:fails", continue_on_error: true }
  panics: { call: "go:panics", continue_on_error: true }
  heeds: { call: "go:heeds", timeout: 10ms, continue_on_error: true }
  deaf: { call: "go:deaf", timeout: 10ms, grace: 10ms, continue_on_error: true }
  typed: { call: "go:typed", inputs: { N: text }, continue_on_error: true }
  unplain: { call: "go:unplain", continue_on_error: true }
  processes: { call: "go:fails", executor: default, continue_on_error: true }
`), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"fails": "error: no luck", "panics": "error: panic: boom", "heeds": "timeout: timed out after 10ms", "processes": "error: no luck",
		"deaf": "timeout: timed out after 10ms, though the function goes on", "typed": "error: the argument of typed /N can't be decoded", "unplain": "invalid: the result of go:unplain",
	} {
		for _, task := range s.Tasks {
			if task.ID != id {
				continue
			}
			if got := task.Error; got == nil || !strings.HasPrefix(got.Reason+": "+got.Message, want) {
				t.Errorf("%s: %+v", id, got)
			}
			if id == "panics" && (task.Error == nil || !strings.Contains(task.Error.Traceback, "call_test.go")) {
				t.Error("a panic has no stack")
			}
		}
	}
	if _, err := e.Start(planOf(t, t.TempDir(), "tasks: { a: { call: 'go:none' } }"), engine.Options{}); err == nil || !strings.Contains(err.Error(), `no Go function "none"`) {
		t.Error(err)
	}
}
