//go:build unix

package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flow/dag"
	"flow/engine"
)

// A run that stands on results of another goes on with them after a crash.
func TestResumeOfRetry(t *testing.T) {
	for _, again := range []struct {
		name string
		run  func(e *engine.Engine, first string) (*engine.Run, error)
	}{
		{"retry", func(e *engine.Engine, first string) (*engine.Run, error) {
			return e.Retry(first, engine.Again{Tasks: []string{"b"}, Downstream: true}, engine.Options{})
		}},
		{"from", nil},
	} {
		t.Run(again.name, func(t *testing.T) {
			dir := t.TempDir()
			home := newHome(t)
			plan := planOf(t, dir, `
tasks:
  a: { run: 'echo a >> side; echo one' }
  b: { run: 'echo b >> side; test ! -e slow || test -e fast || { touch here; sleep 1000; }; echo two', needs: a }
  c: { run: 'echo c >> side; echo three' }
  d: { run: 'echo "$x" >> side', inputs: { x: "${{ tasks.a.result + tasks.c.result }}" }, needs: [b, e] }
  e: { for_each: [1, 2], run: 'echo "e$n" >> side', inputs: { n: "${{ item }}" }, max_parallel: 1 }
`)
			touch := func(name string) {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			first, err := newEngine(t, engine.History(home)).Run(t.Context(), plan, engine.Options{})
			if err != nil || first.Status != "succeeded" {
				t.Fatal(err, first)
			}
			if err := os.Remove(filepath.Join(dir, "side")); err != nil {
				t.Fatal(err)
			}
			touch("slow")
			broken, err := engine.OpenHome(home.Dir(), "")
			if err != nil {
				t.Fatal(err)
			}
			e := newEngine(t, engine.History(broken))
			var r *engine.Run
			if again.run != nil {
				r, err = again.run(e, first.Run)
			} else {
				r, err = e.Start(plan, engine.Options{From: []string{"b"}})
			}
			if err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := os.Stat(filepath.Join(dir, "here")); err == nil {
					break
				}
			}
			if err := broken.Close(); err != nil {
				t.Fatal(err)
			}
			r.Cancel()
			<-r.Done()
			touch("fast")
			r, err = newEngine(t, engine.History(home)).Resume(r.ID, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s := wait(t, r)
			side, err := os.ReadFile(filepath.Join(dir, "side"))
			if got := strings.Join(strings.Fields(string(side)), " "); err != nil || s.Status != "succeeded" || got != "b b onethree" {
				t.Errorf("%v, %q, %+v", err, got, s)
			}
		})
	}
}

// A run from a task on needs a run that has succeeded; what is new runs.
func TestFromTask(t *testing.T) {
	dir := t.TempDir()
	home := newHome(t)
	e := newEngine(t, engine.History(home))
	text := `
tasks:
  a: { run: 'echo a >> side; echo one' }
  b: { run: 'echo b >> side; test ! -e bad', needs: a }
`
	start := func(text string, from ...string) error {
		_, err := e.Run(t.Context(), planOf(t, dir, text), engine.Options{From: from})
		return err
	}
	if err := start(text, "b"); err == nil || !strings.Contains(err.Error(), "no run of w has succeeded yet") {
		t.Error(err)
	}
	if err := start(text, "none"); err == nil || !strings.Contains(err.Error(), "none: no such task") {
		t.Error(err)
	}
	if err := start(text); err != nil {
		t.Error(err)
	}
	if err := start(text+"  new: { run: 'echo new >> side' }\n", "b"); err != nil {
		t.Error(err)
	}
	side, err := os.ReadFile(filepath.Join(dir, "side"))
	if got := strings.Join(strings.Fields(string(side)), " "); err != nil || got != "a b b new" && got != "a b new b" {
		t.Errorf("%v, %q", err, got)
	}
	if err := newEngineError(t, planOf(t, dir, text), "b"); err == nil || !strings.Contains(err.Error(), "no history") {
		t.Error(err)
	}
}

// The results are of the newest run with the same params, else of the newest; a run of some
// tasks only counts where it has what is needed.
func TestFromTaskWhichRun(t *testing.T) {
	home := newHome(t)
	e := newEngine(t, engine.History(home))
	plan := planOf(t, t.TempDir(), `
params: { day: mon, n: 1 }
tasks:
  a: { expr: params.day }
  b: { expr: tasks.a.result + "!" }
  c: { expr: tasks.b.result + "!" }
outputs: { a: "${{ tasks.a.result }}" }
`)
	type result struct{ run, from, differ, tasks string }
	var ids []string
	do := func(o engine.Options) result {
		t.Helper()
		var got result
		o.Watch = func(ev engine.Event) {
			switch {
			case ev.Type == engine.RunStarted:
				got.from, got.differ = ev.From, strings.Join(ev.Differ, " ")
			case ev.Type == engine.TaskEnded && ev.From != "":
				got.tasks += ev.Task
				if ev.From != got.from {
					t.Errorf("%s is of %s", ev.Task, ev.From)
				}
			}
		}
		s, err := e.Run(t.Context(), plan, o)
		if err != nil || s.Status != "succeeded" {
			t.Fatal(err, s)
		}
		ids = append(ids, s.Run)
		got.run = s.Run
		return got
	}
	day := func(d string) map[string]any { return map[string]any{"day": d} }
	if _, err := e.Start(plan, engine.Options{From: []string{"b"}}); err == nil || !strings.Contains(err.Error(), "no run of w has succeeded yet") {
		t.Error(err)
	}
	do(engine.Options{Only: []string{"a"}, Params: day("fri")}) // 0
	if _, err := e.Start(plan, engine.Options{From: []string{"c"}}); err == nil || !strings.Contains(err.Error(), "of all other tasks: run "+ids[0]+" was of some only") {
		t.Error(err)
	}
	if got := do(engine.Options{From: []string{"b"}, Params: day("fri")}); got.from != ids[0] || got.differ != "" || got.tasks != "a" { // 1: all that b needs was selected
		t.Errorf("%+v", got)
	}
	do(engine.Options{Params: day("mon")}) // 2
	do(engine.Options{Params: day("tue")}) // 3
	for _, c := range []struct {
		params  map[string]any
		of      int
		differs string
	}{
		{day("mon"), 2, ""},
		{day("fri"), 1, ""}, // a run from a task on has all results
		{day("sun"), 5, "day"},
		{map[string]any{"day": "sun", "n": 2}, 6, "n"},
	} {
		got := do(engine.Options{From: []string{"c"}, Params: c.params})
		if got.from != ids[c.of] || got.differ != c.differs || got.tasks != "ab" {
			t.Errorf("%v: %+v of %v", c.params, got, ids)
		}
	}
}

func newEngineError(t *testing.T, plan *dag.Plan, from string) error {
	t.Helper()
	_, err := newEngine(t).Start(plan, engine.Options{From: []string{from}})
	return err
}

// A run of an older version of its file takes the pool as it is today.
func TestOldRunsResizeNothing(t *testing.T) {
	home, dir := newHome(t), t.TempDir()
	e := newEngine(t, engine.History(home))
	const file = `
executors: { own: { kind: process, workers: WORKERS } }
tasks:
  a: { for_each: [1, 2, 3, 4], executor: own, run: 'test -e go || exit 1' }
  b: { executor: own, run: 'touch here; test $FLOW_ATTEMPT -gt 1 || sleep 1000', needs: a }
`
	at := func(workers string) *dag.Plan { return planOf(t, dir, strings.ReplaceAll(file, "WORKERS", workers)) }
	old := start(t, e, at("4"), engine.Options{})
	if s := wait(t, old); s.Status != "failed" {
		t.Fatalf("%+v", s)
	}
	if s := wait(t, start(t, e, at("1"), engine.Options{})); s.Status != "failed" {
		t.Fatalf("%+v", s)
	}
	writeFile(t, filepath.Join(dir, "go"), "", 0o600)
	var retried, resumed, anew gauge
	again, err := e.Retry(old.ID, engine.Again{}, engine.Options{Watch: retried.watch})
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "here")); err == nil {
			break
		}
	}
	again.Suspend()
	<-again.Done()
	if again, err = e.Resume(again.ID, engine.Options{Watch: resumed.watch}); err != nil {
		t.Fatal(err)
	}
	if s := wait(t, again); s.Status != "succeeded" || retried.most != 1 || resumed.most != 1 {
		t.Errorf("%d and %d at once in a pool of one, %+v", retried.most, resumed.most, s)
	}
	if s := wait(t, start(t, e, at("4"), engine.Options{Watch: anew.watch, Only: []string{"a"}})); s.Status != "succeeded" || anew.most != 4 {
		t.Errorf("%d at once in a pool of four, %+v", anew.most, s)
	}
}
