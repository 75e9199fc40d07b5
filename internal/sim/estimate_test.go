package sim

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flow/dag"
)

// TestEstimate: the bound holds whatever the plan, one more worker is never
// needed for it, and Graham's bound holds above it.
func TestEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, durations := randomPlan(t)
		workers := rapid.IntRange(1, 8).Draw(t, "workers")
		loads := make([]Load, len(durations))
		var work time.Duration
		for i, d := range durations {
			loads[i] = Load{Duration: d, Instances: 1}
			work += d
		}
		e, err := Simulate(p, loads, func(*dag.Executor) int { return workers }, 0)
		if err != nil {
			t.Fatal(err)
		}
		if e.Work != work || e.Workers != workers {
			t.Fatalf("work %v on %d workers, want %v on %d", e.Work, e.Workers, work, workers)
		}
		if e.Bound != max(e.Critical, work/time.Duration(workers)) {
			t.Fatalf("bound %v of critical path %v and work %v", e.Bound, e.Critical, work)
		}
		if e.Makespan < e.Bound || e.Makespan > e.Critical+work/time.Duration(workers) {
			t.Fatalf("makespan %v, bound %v", e.Makespan, e.Bound)
		}
		var onPath time.Duration
		for k, i := range e.Path {
			onPath += durations[i]
			if k > 0 && !contains(p.Nodes[i].Deps, e.Path[k-1]) {
				t.Fatalf("%d does not follow %d", i, e.Path[k-1])
			}
		}
		if onPath != e.Critical {
			t.Fatalf("the path takes %v, not %v", onPath, e.Critical)
		}
		if u := e.Utilisation(); u <= 0 || u > 1 {
			t.Fatalf("utilisation %v", u)
		}
	})
}

func contains(list []int32, x int32) bool {
	return slices.Contains(list, x)
}
