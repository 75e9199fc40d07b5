//go:build unix

package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/engine"
)

// stopping is a case of a run that is stopped as soon as its task a has printed
// that it is ready. Its workflow has EXECUTOR and HERE in it.
type stopping struct {
	id   string
	file string
	how  func(*engine.Run)
	want string
	// within bounds the time from then to the run's end, where it matters; far
	// above what it takes, far below what it would take otherwise.
	within time.Duration
}

var stoppings = []stopping{
	{
		id: "3.grace/it may end by itself",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "trap 'echo bye > HERE/said; exit 0' TERM; echo ready; while :; do sleep 0.01; done"], grace: 1m }
  b: { run: "true", needs: a }
finally:
  c: { run: cat said }
`,
		how: (*engine.Run).Cancel,
		want: `
a = cancelled user
a.exit_code = 0
a.result = -
b = cancelled user
c.result = "bye"
run = cancelled user`,
	},
	{
		id: "3.grace/until SIGKILL",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "trap '' TERM; echo ready; while :; do sleep 0.01; done"], grace: 100ms }
`,
		how:    (*engine.Run).Cancel,
		within: 8 * time.Second,
		want: `
a = cancelled user
a.exit_code = 137
run = cancelled user`,
	},
	{
		id: "3.grace/of a script",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "sh -c \"trap '' TERM; echo ready; while :; do sleep 0.01; done\"; echo not reached", grace: 100ms }
`,
		how:    (*engine.Run).Cancel,
		within: 8 * time.Second,
		want: `
a = cancelled user
a.stdout = "ready\n"`,
	},
	{
		id: "9.cancel.real/replace",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { run: "echo ready; sleep 1000" }
finally:
  b: { run: 'echo "$s"', inputs: { s: "${{ run.status }}" } }
`,
		how: (*engine.Run).Replace,
		want: `
a = cancelled replace
b.result = "cancelled"
run = cancelled replace`,
	},
	{
		id: "9.cancel.real/kill",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "trap '' TERM; echo ready; while :; do sleep 0.01; done"], grace: 1h }
finally:
  b: { run: "true" }
`,
		how: (*engine.Run).Kill,
		want: `
a = cancelled user
b = cancelled user
run = cancelled user`,
	},
	{
		id: "9.cancel.real/cancel, then kill",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "trap '' TERM; echo ready; while :; do sleep 0.01; done"], grace: 1h }
finally:
  b: { run: "true" }
`,
		how: func(r *engine.Run) { r.Cancel(); r.Kill() },
		want: `
a = cancelled user
b = cancelled user`,
	},
	{
		id: "9.cancel.real/what the process has started",
		file: `
defaults: { executor: EXECUTOR }
tasks:
  a: { exec: [sh, -c, "sleep 1000 & echo $! > HERE/pid; echo ready; wait"] }
finally:
  b: { run: 'if grep -q "^State:.[^Z]" "/proc/$(cat pid)/status" 2> /dev/null; then echo alive; else echo gone; fi', executor: default }
`,
		how:  (*engine.Run).Cancel,
		want: `b.result = "gone"`,
	},
	{
		id: "9.cancel.real/what waits for a worker, or for its retry",
		file: `
executors: { one: { kind: process, workers: 1 } }
tasks:
  z: { exec: ["false"], executor: EXECUTOR, retry: { attempts: 2, delay: 1h } }
  a: { run: "echo ready; sleep 1000", executor: one, needs: [y] }
  y: { exec: ["true"], executor: one }
  b: { exec: ["true"], executor: one, needs: [y] }
`,
		how: (*engine.Run).Cancel,
		want: `
a = cancelled user
z = cancelled user
b = cancelled user
b.attempts = 0`,
	},
}

func TestStopping(t *testing.T) {
	t.Parallel()
	for _, c := range stoppings {
		for _, x := range executors {
			t.Run(c.id+"/"+x, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				l := newLogs("ready")
				plan := planOf(t, dir, strings.NewReplacer("EXECUTOR", x, "HERE", dir).Replace(c.file))
				r := start(t, newEngine(t), plan, engine.Options{Output: l.take})
				l.wait(t)
				asked := time.Now()
				c.how(r)
				hold(t, factsOf(t, wait(t, r), l), c.want)
				if took := time.Since(asked); c.within > 0 && took > c.within {
					t.Errorf("it took %v to end", took)
				}
			})
		}
	}
}

const endless = `
tasks:
  a: { run: "echo ready; sleep 1000", grace: 1m }
finally:
  b: { run: echo finally ran }
`

// Run cancels the run in order when its context ends, and waits for its end.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l := newLogs("ready")
	go func() {
		<-l.come
		cancel()
	}()
	s, err := newEngine(t).Run(ctx, planOf(t, t.TempDir(), endless), engine.Options{Output: l.take})
	if err != nil {
		t.Fatal(err)
	}
	hold(t, factsOf(t, s, l), `
a = cancelled user
b.result = "finally ran"`)
}

// A Wait that is given up leaves the run as it is.
func TestWaitGivenUp(t *testing.T) {
	t.Parallel()
	l := newLogs("ready")
	r := start(t, newEngine(t), planOf(t, t.TempDir(), endless), engine.Options{Output: l.take})
	l.wait(t)
	cause := errors.New("no patience")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if s, err := r.Wait(ctx); s != nil || !errors.Is(err, cause) {
		t.Errorf("%v, %v", s, err)
	}
	select {
	case <-r.Done():
		t.Error("the run has ended")
	default:
	}
	r.Cancel()
	wait(t, r)
}

// Close kills what still runs; nothing begins on a closed engine.
func TestClose(t *testing.T) {
	t.Parallel()
	e := engine.New()
	l := newLogs("ready")
	plan := planOf(t, t.TempDir(), endless)
	r := start(t, e, plan, engine.Options{Output: l.take})
	l.wait(t)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	hold(t, factsOf(t, wait(t, r), l), `
a = cancelled user
b = cancelled user`)
	if _, err := e.Start(plan, engine.Options{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("start after close: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// What was there before a run is there after it, and nothing else.
func TestRunLeavesNoFiles(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	l := newLogs("")
	s := wait(t, start(t, newEngine(t), planOf(t, t.TempDir(), `
tasks:
  a: { run: 'echo x > "$FLOW_DIR/x"; mkdir "$FLOW_DIR/d"; chmod 0 "$FLOW_DIR/d"; head -c 100000 /dev/zero', inputs: { n: 1 } }
`), engine.Options{Output: l.take}))
	if s.Status != "succeeded" {
		t.Fatal(factsOf(t, s, l))
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := os.Stat(tmp); err != nil {
		t.Error(err)
	}
}

// What is wrong with the options is an error, and nothing has begun.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for _, c := range []struct {
		name, file string
		options    engine.Options
		want       string
	}{
		{"a param that is not declared", "tasks: { a: { run: ls } }", engine.Options{Params: map[string]any{"x": "1"}}, "param x"},
		{"a param of the wrong type", "params: { n: 1 }\ntasks: { a: { run: ls } }", engine.Options{Params: map[string]any{"n": "one"}}, "param n"},
		{"a param that is missing", "params: { n: { type: int, required: true } }\ntasks: { a: { run: ls } }", engine.Options{}, "param n"},
		{"a task that is not there", "tasks: { a: { run: ls } }", engine.Options{Only: []string{"b"}}, "b"},
		{"what this build can't do", "tasks: { a: { http: { url: http://x.example } } }", engine.Options{}, "w.yaml:1:10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := e.Start(planOf(t, "/", c.file), c.options)
			if r != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v, want %s", r, err, c.want)
			}
		})
	}
	if found := engine.Check(planOf(t, "/", "tasks: { a: { run: ls } }").Workflow); found != nil {
		t.Error(found)
	}
	var _ []dag.Diagnostic = engine.Check(planOf(t, "/", "secrets: [X]\ntasks: { a: { run: ls } }").Workflow)
}

// TestPlacesOfACancelledRunAreNotLost: a run that is cancelled while attempts of
// it are queued gives back what it is granted on its way out.
func TestPlacesOfACancelledRunAreNotLost(t *testing.T) {
	e := newEngine(t, engine.Workers(1))
	going := planOf(t, t.TempDir(), "name: going\ntasks:\n  a: { run: 'true' }\n  b: { run: 'true', needs: a }\n  c: { run: 'true', needs: b }\n")
	stopped := planOf(t, t.TempDir(), "name: stopped\ntasks:\n  a: { run: 'true' }\n  b: { run: 'true' }\n  c: { run: 'true' }\n")
	for range 40 {
		a, err := e.Start(going, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.Start(stopped, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b.Cancel()
		for _, r := range []*engine.Run{a, b} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if _, err := r.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
	}
}
