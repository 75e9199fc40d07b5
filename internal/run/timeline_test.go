package run

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"flow/dag"
)

// What was skipped because of a task is what has it among its roots.
func TestSkipped(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		const n = 30
		var b strings.Builder
		b.WriteString("tasks:\n")
		for i := range n {
			var needs []string
			for d := range i {
				if r.IntN(12) == 0 {
					needs = append(needs, fmt.Sprintf("t%d", d))
				}
			}
			fmt.Fprintf(&b, "  t%d: { run: x, needs: [%s] }\n", i, strings.Join(needs, ", "))
		}
		w, found := dag.Parse("w.yaml", []byte(b.String()))
		if w == nil {
			t.Fatal(found)
		}
		plan, err := dag.NewPlan(w)
		if err != nil {
			t.Fatal(err)
		}
		m := New(plan)
		now := time.UnixMilli(1_800_000_000_000)
		apply := func(e Event) []Command {
			e.Time = now
			commands, err := m.Apply(e)
			if err != nil {
				t.Fatal(err)
			}
			return commands
		}
		todo := slices.Clone(apply(Event{Kind: Started, Start: &Start{Version: Version, Run: dag.RunInfo{ID: "R", Workflow: "w", StartedAt: now, Attempt: 1}, Params: map[string]any{}}}))
		for len(todo) > 0 {
			c := todo[0]
			todo = todo[1:]
			if c.Kind != StartAttempt {
				continue
			}
			todo = append(todo, apply(Event{Kind: AttemptStarted, Task: c.Task, Attempt: c.Attempt})...)
			e := Event{Kind: AttemptEnded, Task: c.Task, Attempt: c.Attempt, Value: ""}
			if r.IntN(4) == 0 {
				e.Value, e.Failure = nil, &dag.Failure{Reason: dag.ReasonExit, ExitCode: 1}
			}
			todo = append(todo, apply(e)...)
		}
		line := NewTimeline(m)
		var causes []int
		for i := range line.Summary.Tasks {
			if line.Summary.Tasks[i].Status == "failed" {
				causes = append(causes, i)
			}
		}
		got := line.Skipped(causes)
		for k, cause := range causes {
			var want []int
			for i := range line.Summary.Tasks {
				if line.Summary.Tasks[i].upstream() && slices.Contains(line.Roots(i), cause) {
					want = append(want, i)
				}
			}
			if !slices.Equal(got[k], want) {
				t.Errorf("t%d: %v, not %v\n%s", cause, got[k], want, &b)
			}
		}
	}
}
