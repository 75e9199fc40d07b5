package run

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"flow/dag"
)

// layered builds a plan of n tasks in layers of the given width; each depends on
// up to three of the layer before. All tasks share one dag.Task, so that what
// is measured is the plan's nodes and the machine.
func layered(tb testing.TB, n, width int) *dag.Plan {
	tb.Helper()
	w := &dag.Workflow{Name: "layered", Tasks: make([]*dag.Task, n)}
	deps := make([]int, 0, 3*n)
	for i := range n {
		from := len(deps)
		if layer := i / width; layer > 0 {
			first := (layer - 1) * width
			for k := range 3 {
				d := first + (i%width+k*width/3)%width
				if at := deps[from:]; len(at) == 0 || at[len(at)-1] < d {
					deps = append(deps, d)
				}
			}
		}
		w.Tasks[i] = &dag.Task{ID: "t", Index: i, Executor: "default", Deps: deps[from:len(deps):len(deps)]}
	}
	p, err := dag.NewPlan(w)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// through drives a plan to its end with attempts that do nothing, places in
// one pool given out by a dispatcher, and returns the number of events.
func through(tb testing.TB, p *dag.Plan, places int) int {
	tb.Helper()
	m, d := New(p), NewDispatcher(0, places)
	if err := d.AddPool("default", places); err != nil {
		tb.Fatal(err)
	}
	q := d.Add()
	now, events := time.UnixMilli(1_700_000_000_000), 0
	apply := func(e Event) {
		events++
		e.Time = now
		commands, err := m.Apply(e)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range commands {
			if commands[i].Kind == StartAttempt {
				if err := q.Enqueue(commands[i], "default"); err != nil {
					tb.Fatal(err)
				}
			}
		}
	}
	apply(Event{Kind: Started, Start: &Start{Version: Version, Run: dag.RunInfo{ID: "r", StartedAt: now}}})
	var working []Ticket
	for {
		t, ok := d.Next()
		if ok {
			apply(Event{Kind: AttemptStarted, Task: t.Task, Attempt: t.Attempt})
			working = append(working, t)
			continue
		}
		if len(working) == 0 {
			break
		}
		for _, t := range working {
			d.Release(t)
			apply(Event{Kind: AttemptEnded, Task: t.Task, Attempt: t.Attempt, ExitCode: -1})
		}
		working = working[:0]
	}
	if s := m.Result().Status; s != RunSucceeded {
		tb.Fatalf("the run ended as %v", s)
	}
	return events
}

// BenchmarkMachine: time and memory of the bare machine and dispatcher, no-op
// completions, in three sizes. The figures to compare are ns/event and B/task.
func BenchmarkMachine(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := layered(b, n, max(n/10, 100))
			events := 0
			for b.Loop() {
				events += through(b, p, 64)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}

// TestMemoryOfAMillionTasks: the machine and the dispatcher hold a million tasks
// in at most 500 bytes each, everything ready at once being the worst case.
func TestMemoryOfAMillionTasks(t *testing.T) {
	const n = 1_000_000
	p := layered(t, n, n)
	before := heaped()
	m, d := New(p), NewDispatcher(0, 0)
	if err := d.AddPool("default", 1); err != nil {
		t.Fatal(err)
	}
	q := d.Add()
	commands, err := m.Apply(Event{Kind: Started, Time: time.Now(), Start: &Start{Version: Version}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range commands {
		if err := q.Enqueue(commands[i], "default"); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heaped() - before) / n; each > 500 {
		t.Errorf("%d bytes a task, want at most 500", each)
	} else {
		t.Logf("%d bytes a task", each)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(q)
}

func heaped() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// BenchmarkDispatch: a place that is given back and handed out again, where each run has
// attempts that wait.
func BenchmarkDispatch(b *testing.B) {
	for _, n := range []struct{ runs, pools int }{{1, 1}, {100, 10}, {10_000, 1}, {10_000, 1_000}} {
		b.Run(fmt.Sprintf("runs=%d,pools=%d", n.runs, n.pools), func(b *testing.B) {
			d := NewDispatcher(0, 0)
			names := make([]string, n.pools)
			for k := range names {
				names[k] = fmt.Sprint("p", k)
				if err := d.AddPool(names[k], 4); err != nil {
					b.Fatal(err)
				}
			}
			enqueue := func(q *Queue, pool int) {
				if err := q.Enqueue(Command{Kind: StartAttempt, Attempt: 1}, names[pool]); err != nil {
					b.Fatal(err)
				}
			}
			for k := range n.runs {
				q := d.Add()
				for range 5 {
					enqueue(q, k%n.pools)
				}
			}
			var held []Ticket
			for t, ok := d.Next(); ok; t, ok = d.Next() {
				held = append(held, t)
			}
			for k := 0; b.Loop(); k = (k + 1) % len(held) {
				d.Release(held[k])
				enqueue(held[k].Run, held[k].pool)
				held[k], _ = d.Next()
				if _, more := d.Next(); more {
					b.Fatal("one too many")
				}
			}
		})
	}
}
