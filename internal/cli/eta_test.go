package cli

import (
	"testing"
	"time"

	"flow/dag"
	"flow/engine"
)

// The guess is the longest way that is left, or a pool's work over its places; finally
// comes after everything.
func TestETA(t *testing.T) {
	w, found := dag.Parse("w.yaml", []byte(`
executors: { default: { kind: process, workers: 2 } }
tasks:
  a: { run: x }
  b: { run: x, needs: a }
  c: { run: x, needs: a }
  each: { for_each: [1, 2, 3, 4, 5, 6], run: x, needs: a }
  alone: { expr: 1 }
finally:
  last: { run: x }
`))
	if w == nil {
		t.Fatal(found)
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	s := time.Second
	e := newETA(plan, []time.Duration{10 * s, 30 * s, 5 * s, 4 * s, s, 2 * s}, engine.Places(0))
	index := map[string]int{"a": 0, "b": 1, "c": 2, "each": 3, "alone": 4, "last": 5}
	says := func(what string, want time.Duration) {
		t.Helper()
		now = now.Add(s)
		if got := e.left(now); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	tell := func(kind, task string, instance int) {
		ev := engine.Event{Type: kind, Task: task, Index: index[task]}
		ev.Time.Time = now
		if instance >= 0 {
			ev.Instance = &instance
		}
		e.event(&ev)
	}
	says("at first", 42*s) // a, b, last
	tell(engine.AttemptStarted, "a", -1)
	says("a is at work", 41*s)
	tell(engine.TaskEnded, "a", -1)
	says("a has ended", 32*s)
	for k := range 6 {
		tell(engine.TaskReady, "each", k)
	}
	tell(engine.AttemptStarted, "b", -1)
	says("each is six", (29+5+24)*s/2+2*s) // two places
	tell(engine.TaskEnded, "b", -1)
	tell(engine.TaskEnded, "c", -1)
	for k := range 5 {
		tell(engine.TaskEnded, "each", k)
	}
	says("one of each is left", 6*s)
	if got := e.left(now.Add(s / 2)); got != 5500*time.Millisecond {
		t.Errorf("half a second later: %v", got)
	}
	tell(engine.TaskEnded, "each", -1)
	tell(engine.TaskEnded, "alone", -1)
	says("last is left", 2*s)
	if newETA(plan, nil, nil) != nil {
		t.Error("nothing is expected")
	}
}
