package sim

import (
	"strings"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// foresee plans a file whose params have their defaults.
func foresee(t *testing.T, file string, only []string, look Look) *Forecast {
	t.Helper()
	w, found := dag.Parse("w.yaml", []byte(file))
	if w == nil {
		t.Fatal(found)
	}
	p, err := dag.NewPlan(w)
	if err != nil {
		t.Fatal(err)
	}
	info := dag.RunInfo{ID: "r", Workflow: w.Name, StartedAt: time.Unix(0, 0).UTC(), Attempt: 1}
	params, err := w.ReadParams(nil, &dag.Scope{Workflow: w, Run: &info})
	if err != nil {
		t.Fatal(err)
	}
	selected, err := p.Closure(only)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Foresee(p, &run.Start{Version: run.Version, Run: info, Params: params, Only: selected}, World{Look: look})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestForesee(t *testing.T) {
	for _, c := range []struct {
		name, tasks string
		only        []string
		want        string // id:decision, in file order
	}{
		{"all run", `
  a: { run: echo }
  b: { run: echo, needs: a }`, nil, "a:run b:run"},
		{"a known condition", `
  a: { run: echo, if: params.on }
  b: { run: echo, if: "!params.on" }`, nil, "a:run b:skip"},
		{"a skip spreads", `
  a: { run: echo, if: "!params.on" }
  b: { run: echo, needs: a }
  c: { run: echo, needs: b }`, nil, "a:skip b:skip c:skip"},
		{"but not past always", `
  a: { run: echo, if: "!params.on" }
  b: { run: echo, needs: a, if: always() }
  c: { run: echo, needs: b }`, nil, "a:skip b:run c:skip"},
		{"a condition over a result", `
  a: { run: echo }
  b: { run: echo, if: tasks.a.result == "x" }
  c: { run: echo, needs: b }`, nil, "a:run b:unknown c:unknown"},
		{"failure is not known", `
  a: { run: echo }
  b: { run: echo, needs: a, if: failure() }`, nil, "a:run b:unknown"},
		{"of nothing, nothing can fail", `
  a: { run: echo, if: failure() }
  b: { run: echo, if: success() }`, nil, "a:skip b:run"},
		{"failure of what is skipped", `
  a: { run: echo, if: "!params.on" }
  b: { run: echo, needs: a, if: success() }`, nil, "a:skip b:skip"},
		{"finally runs always", `
  a: { run: echo, if: "!params.on" }
finally:
  f: { run: echo }
  g: { run: echo, if: failure() }
  h: { run: echo, if: params.on }`, nil, "a:skip f:run g:unknown h:run"},
		{"only some", `
  a: { run: echo }
  b: { run: echo, needs: a }
  c: { run: echo, needs: b }`, []string{"b"}, "a:run b:run c:skip"},
		{"what is blocked blocks", `
  a: { run: echo }
  missing: { run: echo, needs: a }
  c: { run: echo, needs: missing }
  d: { run: echo, needs: missing, if: always() }`, nil, "a:run missing:blocked c:blocked d:run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := foresee(t, "params: { on: true }\ntasks:"+c.tasks+"\n", c.only, func(t *dag.Task) (string, []string) {
				if t.ID == "missing" {
					return "it is missing", nil
				}
				return "", nil
			})
			var got []string
			for i := range f.Tasks {
				got = append(got, f.Plan.Nodes[i].Task.ID+":"+string(f.Tasks[i].Decision))
				if d := f.Tasks[i].Decision; d != Runs && f.Tasks[i].Reason == "" {
					t.Errorf("%s is %s for no reason", f.Plan.Nodes[i].Task.ID, d)
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// What is skipped before the run begins takes no time and no place, and the reason
// is the one that the run gives.
func TestForeseeSkips(t *testing.T) {
	f := foresee(t, `
tasks:
  s: { expr: 1, if: 1 > 2 }
  t1: { expr: 1, needs: s, if: always() }
  t2: { expr: 1 }
  u: { expr: 1, needs: s, if: success() }
  v: { expr: 1, needs: s, if: always() && 1 > 2 }
`, nil, nil)
	if got := strings.Join(f.Names(f.Order), " "); got != "t1 t2" {
		t.Errorf("order %s", got)
	}
	for i, want := range map[int]string{0: "condition: ", 3: "upstream: s ", 4: "upstream: s "} {
		if got := f.Tasks[i].Reason; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", f.Plan.Nodes[i].Task.ID, got, want)
		}
	}
}

func TestForeseeInputsAndFans(t *testing.T) {
	f := foresee(t, `
params: { regions: [eu, us], day: "2024-05-01" }
tasks:
  list: { run: echo, result: json }
  each:
    for_each: ${{ params.regions }}
    run: echo
    inputs:
      day: ${{ params.day }}
      literal: 7
      region: ${{ item }}
      list: ${{ tasks.list.result }}
      id: ${{ run.id }}
      now: ${{ string(now()) }}
      hash: ${{ hash_files("x") }}
  later: { for_each: "${{ tasks.list.result }}", run: echo }
  grid: { matrix: { a: [1, 2], b: "${{ params.regions }}" }, run: echo }
`, nil, nil)
	known := map[string]any{}
	unknown := map[string]bool{}
	for _, in := range f.Tasks[1].Inputs {
		if in.Known {
			known[in.Name] = in.Value
		} else {
			unknown[in.Name] = true
		}
	}
	if len(known) != 2 || known["day"] != "2024-05-01" || known["literal"] != 7 {
		t.Errorf("known: %v", known)
	}
	for _, name := range []string{"region", "list", "id", "now", "hash"} {
		if !unknown[name] {
			t.Errorf("%s is known only at run time", name)
		}
	}
	for i, want := range []int{-1, 2, -1, 4} {
		if got := f.Tasks[i].Instances; got != want {
			t.Errorf("%s: %d instances, want %d", f.Plan.Nodes[i].Task.ID, got, want)
		}
	}
}

func TestForeseeTheLongestWay(t *testing.T) {
	f := foresee(t, `
tasks:
  a: { run: echo }
  b: { run: echo, needs: a }
  c: { run: echo, needs: b }
  x: { run: echo, needs: a }
  off: { run: echo, needs: c, if: "false" }
`, nil, nil)
	if got := strings.Join(f.Names(f.Critical), " "); got != "a b c" {
		t.Errorf("the longest way is %s", got)
	}
	if got := strings.Join(f.Names(f.Order), " "); got != "a b x c" {
		t.Errorf("the order is %s", got)
	}
}

// What `finally` will see of the run is not known before it, unless it comes to
// the same however the run ends.
func TestForeseeFinally(t *testing.T) {
	f := foresee(t, `
tasks:
  a: { run: echo }
finally:
  bad: { if: run.status == "failed", run: echo }
  stopped: { if: cancelled(), run: echo }
  either: { if: success() || failure() || cancelled(), run: echo }
  never: { if: success() && failure(), run: echo }
  tell:
    run: echo
    inputs:
      status: ${{ run.status }}
      failed: ${{ failure() }}
      any: ${{ success() || failure() || cancelled() }}
`, nil, nil)
	for i, want := range []Decision{Runs, Unknown, Unknown, Runs, Skips, Runs} {
		if got := f.Tasks[i].Decision; got != want {
			t.Errorf("%s: %s, want %s", f.Plan.Nodes[i].Task.ID, got, want)
		}
	}
	in := f.Tasks[5].Inputs
	if in[0].Known || in[1].Known || !in[2].Known || in[2].Value != true {
		t.Errorf("inputs: %v", in)
	}
}
