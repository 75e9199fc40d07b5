package dag

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestEveryMentionIsADependency puts an expression wherever one may stand in a
// task.
func TestEveryMentionIsADependency(t *testing.T) {
	const e = "${{ tasks.x.result }}"
	for _, body := range []string{
		`run: ls, needs: x`,
		`run: ls, needs: [x]`,
		`run: "echo ` + e + `"`,
		`run: ls, inputs: { a: "` + e + `" }`,
		`run: ls, inputs: { a: { b: [1, { c: "` + e + `" }] } }`,
		`run: ls, env: { A: "` + e + `" }`,
		`run: ls, stdin: "` + e + `"`,
		`run: ls, dir: "` + e + `"`,
		`run: ls, if: tasks.x.status == "skipped" || failure()`,
		`run: ls, for_each: "` + e + `"`,
		`run: ls, matrix: { a: "` + e + `" }`,
		`run: ls, matrix: { a: [1, "` + e + `"] }`,
		`run: ls, matrix: { a: [1], include: "` + e + `" }`,
		`run: ls, matrix: { a: [1], exclude: "` + e + `" }`,
		`run: ls, cache: { key: "` + e + `" }`,
		`run: ls, cache: { key: ["` + e + `"] }`,
		`run: ls, result: { file: "` + e + `" }`,
		`exec: [ls, "` + e + `"]`,
		`expr: tasks.x.result + 1`,
		`http: { url: "https://example.org/` + e + `" }`,
		`http: { url: "https://example.org", method: "` + e + `" }`,
		`http: { url: "https://example.org", headers: { a: "` + e + `" } }`,
		`http: { url: "https://example.org", query: { a: "` + e + `" } }`,
		`http: { url: "https://example.org", json: ["` + e + `"] }`,
		`http: { url: "https://example.org", body: "` + e + `" }`,
		`sql: { database: "` + e + `", query: select 1 }`,
		`sql: { database: x, query: "` + e + `" }`,
		`sql: { database: x, file: "` + e + `" }`,
		`sql: { database: x, query: select 1, args: ["` + e + `"] }`,
		`wait: { for: "` + e + `" }`,
		`wait: { at: "` + e + `" }`,
		`wait: { file: "` + e + `" }`,
		`wait: { file: x, until: tasks.x.result == result }`,
		`wait: { http: { url: "` + e + `" } }`,
		`wait: { sql: { database: x, query: select 1, args: "` + e + `" } }`,
		`workflow: other.yaml, inputs: { a: "` + e + `" }`,
	} {
		w, found := Parse("f", []byte("tasks:\n  x: { run: ls }\n  a: { "+body+" }\n"))
		if w == nil {
			t.Errorf("%s: %s", body, found[0].Render())
			continue
		}
		if !slices.Equal(w.Tasks[1].Deps, []int{0}) {
			t.Errorf("%s: depends on %v", body, w.Tasks[1].Deps)
		}
		if want := strings.Contains(body, "needs"); (len(w.Tasks[1].Needs) == 1) != want {
			t.Errorf("%s: needs %v", body, w.Tasks[1].Needs)
		}
	}
}

// TestDependenciesThroughInputs: what an entry of inputs mentions belongs to
// the task in any case.
func TestDependenciesThroughInputs(t *testing.T) {
	w := mustParse(t, `
tasks:
  a: { run: ls }
  b: { run: ls }
  c:
    run: echo "${{ inputs.y }}"
    inputs: { x: "${{ tasks.a.result }}", y: "${{ inputs.x }} ${{ env.Z }}" }
    env: { Z: "${{ tasks.b.result }}" }
finally:
  d: { expr: "[tasks.c.result, tasks.a.result, tasks.a.status]", needs: [b, c] }
`)
	if got := w.Tasks[2].Deps; !slices.Equal(got, []int{0, 1}) {
		t.Errorf("c depends on %v", got)
	}
	if got := w.Tasks[3].Deps; !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("d depends on %v", got)
	}
}

// TestGraphCircles compares with the plan, which finds whether there is a circle at
// all, on random graphs; and checks that what is shown is one.
func TestGraphCircles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "tasks")
		tasks := make([]*Task, n)
		for i := range tasks {
			tasks[i] = &Task{ID: fmt.Sprint("t", i), Index: i}
			deps := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 2), rapid.ID).Draw(t, "deps")
			slices.Sort(deps)
			tasks[i].Deps = deps
		}
		got := circles(tasks)
		_, err := NewPlan(&Workflow{Tasks: tasks})
		circle, _ := errors.AsType[*CycleError](err)
		if (circle != nil) != (len(got) > 0) {
			t.Fatalf("%d circles, the plan says %v", len(got), err)
		}
		seen := make(map[int]bool)
		for _, c := range got {
			for i, task := range c {
				next := c[(i+1)%len(c)]
				if !slices.Contains(task.Deps, next.Index) {
					t.Fatalf("%s does not depend on %s", task.ID, next.ID)
				}
				if seen[task.Index] {
					t.Fatalf("%s is in two circles that are shown", task.ID)
				}
				seen[task.Index] = true
			}
		}
		// Without those of one circle in each group there may be others left,
		// but a graph without circles must never show one.
	})
}

func TestLongCircle(t *testing.T) {
	const n = 50_000
	tasks := make([]*Task, n)
	for i := range tasks {
		tasks[i] = &Task{ID: fmt.Sprint("t", i), Index: i, Deps: []int{(i + 1) % n}}
	}
	if got := circles(tasks); len(got) != 1 || len(got[0]) != n {
		t.Fatalf("%d circles", len(got))
	}
}

func TestPlanOrder(t *testing.T) {
	w := mustParse(t, `
tasks:
  ship: { run: ls, needs: [build, lint] }
  build: { run: ls, needs: fetch }
  lint: { run: ls }
  fetch: { run: ls }
finally:
  tell: { run: ls, needs: tidy }
  tidy: { run: ls }
`)
	p, err := NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, i := range p.Order {
		order = append(order, w.Tasks[i].ID)
	}
	if got := strings.Join(order, " "); got != "lint fetch build ship tidy tell" || p.Main != 4 {
		t.Errorf("order %s, main %d", got, p.Main)
	}
}
