package sim

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flow/dag"
)

// randomPlan draws a plan of tasks that depend on earlier ones, and how long
// each takes.
func randomPlan(t *rapid.T) (*dag.Plan, []time.Duration) {
	n := rapid.IntRange(1, 60).Draw(t, "tasks")
	w := &dag.Workflow{Name: "random", Executors: []dag.Executor{{Name: "default", Process: true}}}
	durations := make([]time.Duration, n)
	for i := range n {
		task := &dag.Task{ID: fmt.Sprint("t", i), Index: i, Executor: "default"}
		for d := max(0, i-8); d < i; d++ {
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				task.Deps = append(task.Deps, d)
			}
		}
		w.Tasks = append(w.Tasks, task)
		durations[i] = time.Duration(rapid.IntRange(1, 1000).Draw(t, "ms")) * time.Millisecond
	}
	p, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	return p, durations
}

// TestSchedule: every task once and after all that it depends on, never more at
// once than there are places, and no place idle needlessly: the makespan is
// between max(critical path, work/N) and critical path + work/N (Graham, 1966).
func TestSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, durations := randomPlan(t)
		workers := rapid.IntRange(1, 8).Draw(t, "workers")
		ranked := rapid.Bool().Draw(t, "ranked")
		trace, err := Run(p, Model{Durations: durations, Ranked: ranked, Places: func(*dag.Executor) int { return workers }})
		if err != nil {
			t.Fatal(err)
		}
		if len(trace.Order) != len(p.Nodes) {
			t.Fatalf("%d of %d tasks began", len(trace.Order), len(p.Nodes))
		}
		var work, longest time.Duration
		way := make([]time.Duration, len(p.Nodes))
		for i := range p.Nodes {
			for _, d := range p.Nodes[i].Deps {
				if trace.Began[i] < trace.Ended[d] {
					t.Fatalf("t%d began at %v, before t%d had ended at %v", i, trace.Began[i], d, trace.Ended[d])
				}
				way[i] = max(way[i], way[d])
			}
			way[i] += durations[i]
			longest = max(longest, way[i])
			work += durations[i]
			if trace.Ended[i]-trace.Began[i] != durations[i] {
				t.Fatalf("t%d took %v, not %v", i, trace.Ended[i]-trace.Began[i], durations[i])
			}
		}
		if trace.Busy != work {
			t.Fatalf("busy for %v, work is %v", trace.Busy, work)
		}
		share := work / time.Duration(workers)
		if trace.Makespan < max(longest, share) || trace.Makespan > longest+share {
			t.Fatalf("makespan %v, critical path %v, work/N %v", trace.Makespan, longest, share)
		}
		for i := range p.Nodes {
			at := 0
			for k := range p.Nodes {
				if trace.Began[k] <= trace.Began[i] && trace.Began[i] < trace.Ended[k] {
					at++
				}
			}
			if at > workers {
				t.Fatalf("%d at work at once with %d workers", at, workers)
			}
		}
	})
}

// TestRanksPutTheLongWayFirst: two workers, a long chain that stands last in the
// file, and short tasks before it.
func TestRanksPutTheLongWayFirst(t *testing.T) {
	w := &dag.Workflow{Name: "w", Executors: []dag.Executor{{Name: "default"}}}
	var durations []time.Duration
	add := func(d time.Duration, deps ...int) {
		w.Tasks = append(w.Tasks, &dag.Task{ID: fmt.Sprint("t", len(w.Tasks)), Index: len(w.Tasks), Executor: "default", Deps: deps})
		durations = append(durations, d)
	}
	for range 4 {
		add(time.Second)
	}
	add(2 * time.Second)
	add(2*time.Second, 4)
	p, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	two := func(*dag.Executor) int { return 2 }
	ranked, err := Run(p, Model{Durations: durations, Ranked: true, Places: two})
	if err != nil {
		t.Fatal(err)
	}
	if ranked.Makespan != 4*time.Second {
		t.Errorf("makespan %v with known durations, want 4s", ranked.Makespan)
	}
	if ranked.Order[0] != 4 {
		t.Errorf("it begins with t%d, want the head of the long way, t4", ranked.Order[0])
	}
}

func BenchmarkSimulate60000(b *testing.B) {
	w := &dag.Workflow{Name: "w", Executors: []dag.Executor{{Name: "default"}}}
	for i := range 60_000 {
		t := &dag.Task{ID: "t", Index: i, Executor: "default"}
		if i >= 100 {
			t.Deps = []int{i - 100, i - 99}
		}
		w.Tasks = append(w.Tasks, t)
	}
	p, err := dag.NewPlan(w)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Run(p, Model{Places: func(*dag.Executor) int { return 64 }}); err != nil {
			b.Fatal(err)
		}
	}
}

// The instances of a fan-out share the places of its pool, however few tasks there are.
func TestFanOutOnFewPlaces(t *testing.T) {
	for k := 1; k < 40; k += 3 {
		for w := 1; w < 12; w += 2 {
			wf := &dag.Workflow{Name: "w", Executors: []dag.Executor{{Name: "default"}}}
			wf.Tasks = []*dag.Task{{ID: "t", Executor: "default", Action: dag.Compute{}, Fan: &dag.Fan{Each: dag.NewValue(make([]any, k))}}}
			p, err := dag.NewPlan(wf)
			if err != nil {
				t.Fatal(err)
			}
			e, err := Simulate(p, []Load{{Duration: time.Second, Instances: k}}, func(*dag.Executor) int { return w }, 0)
			if want := time.Duration((k+w-1)/w) * time.Second; err != nil || e.Makespan != want {
				t.Errorf("%d instances on %d places: %v, want %v (%v)", k, w, e.Makespan, want, err)
			}
		}
	}
}
