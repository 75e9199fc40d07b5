package run_test

import (
	"fmt"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// TestLanguageDefaults holds sentences about what a task is when the file is
// silent.
func TestLanguageDefaults(t *testing.T) {
	const file = `
executors: { pool: { kind: process }, py: { kind: process, runtime: python } }
defaults: { executor: pool, timeout: 7m }
tasks:
  a: { exec: [x] }
  b: { expr: "1" }
  c: { call: "m:f", executor: py }
  d: { workflow: child.yaml, for_each: [1] }
  e: { wait: { for: 1s } }
  f: { http: { method: GET, url: "http://x.example" } }
  g: { exec: [x], executor: thread, timeout: 1m, grace: 2s }
finally:
  h: { workflow: child.yaml }
`
	w, found := dag.Parse("w.yaml", []byte(file))
	if w == nil {
		t.Fatal(found)
	}
	task := make(map[string]*dag.Task)
	for _, x := range w.Tasks {
		task[x.ID] = x
	}
	for _, c := range []struct {
		id        string
		got, want any
	}{
		{"3.executor.defaults/exec", task["a"].Executor, "pool"},
		{"3.executor.defaults/expr can't", task["b"].Executor, "thread"},
		{"3.executor.defaults/http can't", task["f"].Executor, "thread"},
		{"3.executor.defaults/its own", task["g"].Executor, "thread"},
		{"3.executor.defaults/workflow holds no worker", task["d"].Executor, ""},
		{"3.executor.defaults/wait holds no worker", task["e"].Executor, ""},
		{"3.max_parallel.workflow", task["d"].MaxParallel, 16},
		{"3.timeout.defaults/exec", task["a"].Timeout, 7 * time.Minute},
		{"3.timeout.defaults/its own", task["g"].Timeout, time.Minute},
		{"3.timeout.defaults/workflow", task["d"].Timeout, time.Duration(0)},
		{"3.timeout.defaults/wait", task["e"].Timeout, time.Duration(0)},
		{"3.grace.default", task["a"].Grace, 10 * time.Second},
		{"3.grace.default/its own", task["g"].Grace, 2 * time.Second},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.id, c.got, c.want)
		}
	}
}

// TestJitter holds "3.retry.jitter": a fraction of the delay, which a hash of run,
// task, instance and attempt chooses, so it is the same again and spread widely.
func TestJitter(t *testing.T) {
	delays := func(jitter string) map[string]string {
		c := &sentence{id: "3.retry.jitter", does: "a = exit 1\nb = exit 1"}
		w, found := dag.Parse("w.yaml", fmt.Appendf(nil, `
defaults: { retry: { attempts: 9, delay: 100s, jitter: %s } }
tasks:
  a: { exec: [x] }
  b: { exec: [x], for_each: [1, 2] }
`, jitter))
		if w == nil {
			t.Fatal(found)
		}
		plan, err := dag.NewPlan(w)
		if err != nil {
			t.Fatal(err)
		}
		world := newWorld(t, plain, plan, c)
		world.live(nil, nil, dag.RunInfo{ID: "r1", StartedAt: epoch, Attempt: 1})
		got := make(map[string]string)
		for name, list := range world.retries {
			for k, d := range list {
				got[fmt.Sprint(name, " ", k+1)] = d
			}
		}
		return got
	}
	got := delays("0.5")
	if len(got) != 3*8 {
		t.Fatalf("%d delays: %v", len(got), got)
	}
	seen := make(map[string]string)
	low, high := false, false
	for name, text := range got {
		d, err := time.ParseDuration(text)
		if err != nil || d < 50*time.Second || d > 100*time.Second {
			t.Errorf("%s: %s, want 50s to 100s", name, text)
		}
		if other, ok := seen[text]; ok {
			t.Errorf("%s and %s both wait for %s", name, other, text)
		}
		seen[text] = name
		low, high = low || d < 65*time.Second, high || d > 85*time.Second
	}
	if !low || !high {
		t.Errorf("not spread: %v", got)
	}
	if again := delays("0.5"); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("%v, then %v", got, again)
	}
	for name, text := range delays("0") {
		if text != "1m40s" {
			t.Errorf("without jitter, %s: %s", name, text)
		}
	}
}

// TestMostInstances holds the edge of "3.fan.most/just as many".
func TestMostInstances(t *testing.T) {
	w, found := dag.Parse("w.yaml", []byte(`
tasks:
  a: { for_each: "${{ 1..100000 }}", exec: [x] }
  b: { matrix: { x: "${{ 1..1000 }}", y: "${{ 1..100 }}" }, exec: [x] }
`))
	if w == nil {
		t.Fatal(found)
	}
	for _, task := range w.Tasks {
		if n, err := run.CountInstances(task.Fan, &dag.Scope{Workflow: w, Task: task}); n != 100_000 || err != nil {
			t.Errorf("%s: %d, %v", task.ID, n, err)
		}
	}
}

// TestMessage holds "9.message", in the example of the reference.
func TestMessage(t *testing.T) {
	_, found := dag.Parse("orders.yaml", []byte(`name: orders
tasks:
  load: { exec: [x] }
  report:
    expr: "sum(tasks.lod.result, .loaded)"
`))
	want := `orders.yaml:5:22: tasks.lod: no such task; did you mean "load"?
    5 |     expr: "sum(tasks.lod.result, .loaded)"
      |                      ^^^
`
	if len(found) != 1 || found[0].Render() != want {
		t.Errorf("%v, want\n%s", found, want)
	}
}
