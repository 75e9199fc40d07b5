//go:build unix

package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"flow/engine"
)

// gauge counts the attempts at work in several runs.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) watch(e engine.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e.Type {
	case engine.AttemptStarted:
		g.now++
		g.most = max(g.most, g.now)
	case engine.AttemptEnded:
		g.now--
	}
}

// Pools and Jobs hold across the runs of an engine.
func TestRunsSharePools(t *testing.T) {
	t.Parallel()
	const file = `
name: NAME
executors: { own: { kind: process, workers: 2 } }
defaults: { executor: EXECUTOR }
tasks:
  a: { for_each: [1, 2, 3], exec: ["true"] }
  b: { exec: ["true"], needs: a }
`
	for _, c := range []struct {
		name, executor string
		differ         bool // the runs are of workflows with different names
		options        []engine.Option
		most           int
	}{
		{"a file's own pool", "own", false, nil, 2},
		{"Workers", "default", true, []engine.Option{engine.Workers(3)}, 3},
		{"Workers, threads", "thread", true, []engine.Option{engine.Workers(1)}, 1},
		{"Jobs", "thread", true, []engine.Option{engine.Jobs(2)}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, c.options...)
			var g gauge
			var runs []*engine.Run
			for k := range 6 {
				name := "same"
				if c.differ {
					name = fmt.Sprint("other", k)
				}
				plan := planOf(t, t.TempDir(), strings.NewReplacer("NAME", name, "EXECUTOR", c.executor).Replace(file))
				runs = append(runs, start(t, e, plan, engine.Options{Watch: g.watch}))
			}
			for _, r := range runs {
				if s := wait(t, r); s.Status != "succeeded" {
					t.Errorf("%+v", s)
				}
			}
			if g.most > c.most || g.now != 0 {
				t.Errorf("%d attempts at once, at most %d are allowed; %d are left", g.most, c.most, g.now)
			}
		})
	}
}

// Two runs are at work at the same time where there are two places: of one
// workflow in a pool of two, of two workflows in a pool of one each.
func TestRunsGoOnSideBySide(t *testing.T) {
	t.Parallel()
	const file = `
name: NAME
params: { mine: "", other: "" }
executors: { own: { kind: process, workers: WORKERS } }
tasks:
  meet:
    timeout: 1m
    executor: own
    run: |
      touch "$mine"
      until [ -e "$other" ]; do sleep 0.01; done
    inputs: { mine: "${{ params.mine }}", other: "${{ params.other }}" }
`
	for _, c := range []struct{ name, one, two, workers string }{
		{"one workflow", "same", "same", "2"},
		{"two workflows", "one", "two", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := newEngine(t)
			begin := func(name, mine, other string) *engine.Run {
				p := planOf(t, dir, strings.NewReplacer("NAME", name, "WORKERS", c.workers).Replace(file))
				return start(t, e, p, engine.Options{Params: map[string]any{"mine": mine, "other": other}})
			}
			one, two := begin(c.one, "a", "b"), begin(c.two, "b", "a")
			for _, r := range []*engine.Run{one, two} {
				if s := wait(t, r); s.Status != "succeeded" {
					t.Errorf("%+v", s.Tasks)
				}
			}
		})
	}
}

// What many runs of one plan compute is each its own.
func TestManyRunsAtOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	plan := planOf(t, t.TempDir(), `
params: { n: 0 }
tasks:
  square: { expr: params.n * params.n }
  fan: { for_each: "${{ 1..5 }}", expr: tasks.square.result + item }
  shell: { run: 'echo "$FLOW_RUN_ID $v"', inputs: { v: "${{ tasks.fan.result[4] }}" }, executor: thread }
outputs: { sum: "${{ sum(tasks.fan.result) }}", said: "${{ tasks.shell.result }}" }
`)
	runs := make([]*engine.Run, 40)
	for n := range runs {
		runs[n] = start(t, e, plan, engine.Options{ID: fmt.Sprint("run", n), Params: map[string]any{"n": n}})
	}
	for n, r := range runs {
		s := wait(t, r)
		want := fmt.Sprintf("map[said:run%d %d sum:%d]", n, n*n+5, 5*n*n+15)
		if got := fmt.Sprint(s.Outputs); got != want || s.Run != fmt.Sprint("run", n) {
			t.Errorf("run %d: %s, want %s", n, got, want)
		}
	}
}

// Only these tasks and what they depend on are run.
func TestOnly(t *testing.T) {
	t.Parallel()
	l := newLogs("")
	s := wait(t, start(t, newEngine(t), planOf(t, t.TempDir(), `
tasks:
  a: { expr: "1" }
  b: { expr: tasks.a.result + 1 }
  c: { run: exit 1 }
`), engine.Options{Only: []string{"b"}, Output: l.take}))
	hold(t, factsOf(t, s, l), `
b.result = 2
c = skipped not_selected
run = succeeded`)
}

// Whoever watches hears of everything in order, in numbers without gaps.
func TestEvents(t *testing.T) {
	t.Parallel()
	var got []string
	var seqs []int64
	watch := func(e engine.Event) {
		seqs = append(seqs, e.Seq)
		words := []string{e.Type, e.Task}
		if e.Instance != nil {
			words[1] += fmt.Sprintf("[%d]", *e.Instance)
		}
		if e.Attempt > 0 {
			words = append(words, fmt.Sprintf("#%d", e.Attempt))
		}
		words = append(words, e.Status, e.Reason, e.Message)
		if e.Tail != "" {
			words = append(words, fmt.Sprintf("%q", e.Tail))
		}
		if e.Time.IsZero() {
			t.Errorf("%s has no time", e.Type)
		}
		got = append(got, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
	}
	l := newLogs("")
	wait(t, start(t, newEngine(t), planOf(t, t.TempDir(), `
tasks:
  a: { run: 'echo out; echo err >&2; [ $FLOW_ATTEMPT = 2 ]', retry: { attempts: 2, delay: 1ms } }
  b: { for_each: [1], exec: ["true"], needs: a }
  c: { exec: ["true"], needs: b, if: failure() }
`), engine.Options{Watch: watch, Output: l.take}))
	want := []string{
		"run_started",
		"task_ready a",
		"attempt_started a #1",
		`attempt_ended a #1 failed exit exit status 1: err "out\nerr\n"`,
		"retry_scheduled a #1",
		"attempt_started a #2",
		"attempt_ended a #2 succeeded",
		"task_ended a #2 succeeded",
		"task_ready b[0]",
		"attempt_started b[0] #1",
		"attempt_ended b[0] #1 succeeded",
		"task_ended b[0] #1 succeeded",
		"task_ended b succeeded",
		"task_ended c skipped condition",
		"run_ended succeeded",
	}
	// Which of its two streams is read first is not promised.
	for k, line := range got {
		got[k] = strings.Replace(line, `"err\nout\n"`, `"out\nerr\n"`, 1)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for k, seq := range seqs {
		if seq != int64(k)+1 {
			t.Fatalf("event %d has the number %d", k+1, seq)
		}
	}
}
