//go:build unix

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/engine"
	"flow/executor"
	"flow/internal/run"
	"flow/internal/store"
)

func newHome(t *testing.T) *engine.Home {
	t.Helper()
	h, err := engine.OpenHome(filepath.Join(t.TempDir(), "home"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestHistory(t *testing.T) {
	home := newHome(t)
	e := newEngine(t, engine.History(home))
	s, err := e.Run(t.Context(), planOf(t, t.TempDir(), `
params: { n: 3 }
tasks:
  a: { run: 'echo "out $FLOW_ATTEMPT"; echo err >&2; test $FLOW_ATTEMPT = 2', retry: { attempts: 2, delay: 1ms } }
  b: { for_each: "${{ 1..params.n }}", expr: item * 2, needs: a }
  big: { run: "head -c 100000 /dev/zero | tr '\\0' x" }
outputs: { b: "${{ tasks.b.result }}", n: "${{ len(tasks.big.result) }}" }
`), engine.Options{Params: map[string]any{"n": "2"}})
	if err != nil || s.Status != "succeeded" {
		t.Fatalf("%v, %+v", err, s)
	}
	r, err := home.Find(s.Run)
	if err != nil || r.Status != "succeeded" || r.Workflow != "w" || r.Tasks != 3 || r.Ended.IsZero() {
		t.Fatalf("%+v, %v", r, err)
	}
	if p, err := engine.Pinned(home, &r); err != nil || len(p.Nodes) != 3 || p.Workflow.Name != "w" {
		t.Errorf("%+v, %v", p, err)
	}
	if text, err := home.Summary(&r); err != nil || !strings.Contains(string(text), `"outputs":{"b":[2,4],"n":100000}`) {
		t.Errorf("%s, %v", text, err)
	}
	var logs []string
	all, err := home.Logs(s.Run, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range all {
		for line, err := range home.ReadLog(of) {
			if err != nil {
				t.Fatal(err)
			}
			logs = append(logs, line.Text)
		}
	}
	if got := strings.Join(logs, " "); got != "out 1 err out 2 err" && got != "err out 1 out 2 err" && got != "out 1 err err out 2" && got != "err out 1 err out 2" {
		t.Errorf("%q", got)
	}
	if dirs, err := os.ReadDir(filepath.Join(home.Dir(), "work")); err != nil || len(dirs) > 0 {
		t.Errorf("%v, %v", dirs, err)
	}
	var ended *engine.EndedError
	if _, err := e.Resume(s.Run, engine.Options{}); !errors.As(err, &ended) || ended.Status != "succeeded" || len(ended.Summary) == 0 {
		t.Error(err)
	}
	if _, err := e.Start(planOf(t, t.TempDir(), "params: { n: { type: int } }\ntasks: { a: { run: ls } }"), engine.Options{}); err == nil {
		t.Error("a param is missing")
	}
	n := 0
	for range home.Runs(store.Filter{}) {
		n++
	}
	if n != 1 {
		t.Errorf("%d runs", n)
	}
}

// A run whose engine is gone goes on: what had succeeded stays, what was at work runs
// again, and does not count against its retries.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	home := newHome(t)
	const file = `
tasks:
  first: { run: 'echo first >> side; echo 1 > "$FLOW_DIR/kept"; echo one' }
  second: { run: 'echo "second $FLOW_ATTEMPT" >> side; test $FLOW_ATTEMPT -gt 1 || { touch here; sleep 1000; }; cat "$FLOW_DIR/kept"', needs: first }
  third: { expr: tasks.first.result + tasks.second.result }
outputs: { all: "${{ tasks.third.result }}" }
`
	broken, err := engine.OpenHome(home.Dir(), "")
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, engine.History(broken))
	r := start(t, e, planOf(t, dir, file), engine.Options{})
	for {
		if _, err := os.Stat(filepath.Join(dir, "here")); err == nil {
			break
		}
	}
	if _, err := e.Resume(r.ID, engine.Options{}); !errors.As(err, new(*store.OwnedError)) {
		t.Errorf("a run that is being run: %v", err)
	}
	// From here on nothing can be recorded, as on a disk that is full.
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	r.Cancel()
	<-r.Done()
	if _, err := r.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "flow resume "+r.ID) {
		t.Errorf("%v", err)
	}

	e = newEngine(t, engine.History(home))
	r, err = e.Resume(r.ID[len(r.ID)-6:], engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := wait(t, r)
	if s.Status != "succeeded" || s.Outputs["all"] != "one1" || s.Tasks[1].Attempts != 1 || s.Tasks[0].Attempts != 1 {
		t.Errorf("%+v", s)
	}
	side, err := os.ReadFile(filepath.Join(dir, "side"))
	if string(side) != "first\nsecond 1\nsecond 2\n" {
		t.Errorf("%q, %v", side, err)
	}
	if rec, err := home.Find(r.ID); err != nil || rec.Status != "succeeded" {
		t.Errorf("%+v, %v", rec, err)
	}
}

// What took long in the last runs goes first in the next.
func TestHistoryRanks(t *testing.T) {
	home := newHome(t)
	e := newEngine(t, engine.History(home))
	p := planOf(t, t.TempDir(), `
executors: { one: { kind: process, workers: 1 } }
defaults: { executor: one }
tasks:
  short: { run: "true" }
  long: { run: sleep 0.1 }
`)
	for k, want := range []string{"short long", "long short"} {
		var order []string
		s, err := e.Run(t.Context(), p, engine.Options{Watch: func(ev engine.Event) {
			if ev.Type == engine.AttemptStarted {
				order = append(order, ev.Task)
			}
		}})
		if err != nil || s.Status != "succeeded" || strings.Join(order, " ") != want {
			t.Errorf("run %d: %v, %v", k, order, err)
		}
	}
	durations, runs, err := engine.Expected(home, p, nil)
	if err != nil || runs != 2 || len(durations) != 2 || durations[1] < durations[0] {
		t.Errorf("%v, %d, %v", durations, runs, err)
	}
}

// The clock was set back while nobody ran the run: its time does not go back.
func TestResumeAfterTheClockWasSetBack(t *testing.T) {
	home := newHome(t)
	p := planOf(t, t.TempDir(), "tasks: { a: { expr: 1 }, b: { expr: tasks.a.result + 1 } }\noutputs: { b: '${{ tasks.b.result }}' }")
	later := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
	begun := run.Start{Version: run.Version, Run: dag.RunInfo{ID: "01LATER", Workflow: "w", StartedAt: later, Attempt: 1}, Params: map[string]any{}}
	j, err := home.Begin(store.Run{ID: "01LATER", Workflow: "w", File: p.Workflow.File, Started: later, Cause: "manual", Tasks: 2}, []byte(p.Workflow.Source()),
		run.Event{Kind: run.Started, Time: later, Start: &begun}, run.Event{Kind: run.AttemptStarted, Time: later, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := newEngine(t, engine.History(home)).Resume("01LATER", engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := wait(t, r); s.Outputs["b"] != 2 {
		t.Errorf("%+v", s)
	}
	rec, err := home.Find("01LATER")
	if err != nil {
		t.Fatal(err)
	}
	last := later
	for e, err := range home.Events(&rec) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Time.Before(last) {
			t.Errorf("%v after %v", e.Time, last)
		}
		last = e.Time
	}
}

// Runs leave nothing of themselves in the engine.
func TestManyRunsOneEngine(t *testing.T) {
	e := newEngine(t, engine.History(newHome(t)))
	p := planOf(t, t.TempDir(), "tasks: { a: { for_each: '${{ 1..50 }}', expr: item }, b: { expr: len(tasks.a.result) } }")
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runs := func(n int) {
		for range n {
			if s, err := e.Run(t.Context(), p, engine.Options{}); err != nil || s.Status != "succeeded" {
				t.Fatalf("%v, %+v", err, s)
			}
		}
	}
	runs(20)
	before, goroutines := heap(), runtime.NumGoroutine()
	runs(300)
	if after := heap(); after > before+4<<20 {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 {
		t.Errorf("%d goroutines before, %d after", goroutines, n)
	}
}

// A run that was cancelled is retried with what its instances had, after gc as well: its
// summary does not name the large results of a fan-out that did not succeed.
func TestRetryAfterGC(t *testing.T) {
	home := newHome(t)
	e := newEngine(t, engine.History(home))
	dir := t.TempDir()
	p := planOf(t, dir, `
tasks:
  many:
    for_each: [0, 1]
    max_parallel: 1
    run: 'echo "$n" >> side; test "$n" = 0 || test -e go || { touch here; sleep 1000; }; head -c 100000 /dev/zero | tr "\0" "$n"'
    inputs: { n: "${{ item }}" }
outputs: { sizes: "${{ map(tasks.many.result, len(#)) }}" }
`)
	r := start(t, e, p, engine.Options{})
	for {
		if _, err := os.Stat(filepath.Join(dir, "here")); err == nil {
			break
		}
	}
	r.Cancel()
	if s := wait(t, r); s.Status != "cancelled" {
		t.Fatalf("%+v", s)
	}
	if got, err := home.GC(store.Keep{}, time.Now().Add(2*time.Hour), false); err != nil || got.Values != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := e.Retry(r.ID, engine.Again{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := wait(t, again)
	side, err := os.ReadFile(filepath.Join(dir, "side"))
	if err != nil || s.Status != "succeeded" || fmt.Sprint(s.Outputs["sizes"]) != "[100000 100000]" || string(side) != "0\n1\n1\n" {
		t.Errorf("%q, %v, %+v", side, err, s)
	}
}

// What can't be kept is no fault of a task: the run stops, and goes on once it can.
func TestHomeThatFails(t *testing.T) {
	for name, c := range map[string]struct{ broken, file string }{
		"log":    {"logs", "tasks: { a: { run: 'echo said; test $FLOW_ATTEMPT -gt 1 || sleep 1000' } }\noutputs: { n: '${{ len(tasks.a.result) }}' }"},
		"result": {"values", "tasks: { a: { run: 'cat big' } }\noutputs: { n: '${{ len(tasks.a.result) }}' }"},
		"inputs": {"values", "tasks: { a: { run: 'echo \"$x\" | wc -c', inputs: { x: \"${{ read_file('big') }}\" } } }\noutputs: { n: '${{ len(tasks.a.result) }}' }"},
	} {
		t.Run(name, func(t *testing.T) {
			home, dir := newHome(t), t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "big"), []byte(strings.Repeat("x", 100_000)), 0o600); err != nil {
				t.Fatal(err)
			}
			block := filepath.Join(home.Dir(), c.broken)
			if err := os.WriteFile(block, nil, 0o600); err != nil { // where a folder is to be
				t.Fatal(err)
			}
			e := newEngine(t, engine.History(home))
			r := start(t, e, planOf(t, dir, c.file), engine.Options{})
			if s, err := r.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "flow resume "+r.ID) || s.Status != "running" {
				t.Fatalf("%v, %+v", err, s)
			}
			if err := os.Remove(block); err != nil {
				t.Fatal(err)
			}
			r, err := e.Resume(r.ID, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if s := wait(t, r); s.Status != "succeeded" || s.Tasks[0].Attempts != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Runs that another process asks to end are cancelled. One goroutine listens for all of
// them, and each run that waits for nothing but the time has one of its own.
func TestCancelOfMany(t *testing.T) {
	const n = 200
	home := newHome(t)
	var functions executor.Registry
	if err := executor.Register(&functions, "fails", func(context.Context, any) (any, error) { return nil, errors.New("no luck") }); err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, engine.History(home), engine.Functions(&functions))
	p := planOf(t, t.TempDir(), "tasks: { a: { call: 'go:fails', retry: { attempts: 2, delay: 1h } } }")
	before := runtime.NumGoroutine()
	delayed := make(chan struct{}, n)
	runs := make([]*engine.Run, n)
	for k := range runs {
		runs[k] = start(t, e, p, engine.Options{Watch: func(ev engine.Event) {
			if ev.Type == engine.RetryScheduled {
				delayed <- struct{}{}
			}
		}})
	}
	for range runs {
		<-delayed
	}
	if more := runtime.NumGoroutine() - before; more > n+engine.DefaultThreads+20 {
		t.Errorf("%d goroutines of %d runs", more, n)
	}
	other, err := engine.OpenHome(home.Dir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, r := range runs[2:] {
		if asked, err := other.RequestCancel(r.ID); err != nil || !asked {
			t.Fatal(asked, err)
		}
	}
	if err := other.WishCancel(runs[1].ID, true); err != nil {
		t.Fatal(err)
	}
	for k, r := range runs[1:] {
		why := "user"
		if k == 0 {
			why = "replace"
		}
		if s := wait(t, r); s.Status != "cancelled" || s.Reason != why {
			t.Errorf("%+v", s)
		}
	}
	select {
	case <-runs[0].Done():
		t.Error("a run has ended that nobody has asked to")
	default:
	}
}
