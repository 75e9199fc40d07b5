package dag

import (
	"fmt"
	"testing"
)

// chainWorkflow has n tasks of which each names the one before.
func chainWorkflow(n int) *Workflow {
	w := &Workflow{File: "w.yaml"}
	for i := range n {
		w.Tasks = append(w.Tasks, &Task{ID: fmt.Sprintf("t%d", i), Index: i})
	}
	return w
}

func BenchmarkCompile(b *testing.B) {
	const n = 10_000
	w := chainWorkflow(n)
	for name, src := range map[string]string{"plain": "tasks.t%d.result", "arithmetic": "tasks.t%d.result + 1", "distinct": "tasks.t%[1]d.result + %[1]d"} {
		b.Run(name, func(b *testing.B) {
			texts := make([]text, n)
			for i := range n {
				texts[i] = testText(fmt.Sprintf(src, i))
			}
			b.ReportAllocs()
			for b.Loop() {
				c, ds := testCompiler(w)
				for i := range n - 1 {
					c.expr(texts[i], inExpr, w.Tasks[i+1])
				}
				c.finish()
				if len(*ds) > 0 {
					b.Fatal(*ds)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/expr")
		})
	}
}

func BenchmarkEval(b *testing.B) {
	w := testWorkflow()
	s := &Scope{Workflow: w, Task: w.Tasks[3], Run: &RunInfo{ID: "r"}, Params: map[string]any{"n": 7, "l": []any{1, 2, 3}},
		Outcomes: []Outcome{{Status: Succeeded, Result: map[string]any{"x": map[string]any{"y": 41}}}, {Status: Succeeded, Result: 5}, {}, {}, {}}}
	for _, src := range []string{"tasks.b.result", "tasks.a.result.x.y", "tasks.b.result + 1", "tasks.b.result == 5", "tasks.b.result + params.n * 2", "sum(params.l, # * 2)", "now()"} {
		b.Run(src, func(b *testing.B) {
			c, ds := testCompiler(w)
			e := c.expr(testText(src), inExpr, w.Tasks[3])
			if e == nil {
				b.Fatal(*ds)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScript(b *testing.B) {
	const n = 1000
	w := chainWorkflow(n)
	for name, src := range map[string]string{"same": "true", "simple": "./work --n %d \"$day\"", "value": "./work ${{ tasks.t%d.result }}", "lines": "set -x\nif ./a %d; then\n  ./b | sort > c\nfi\n"} {
		b.Run(name, func(b *testing.B) {
			texts := make([]text, n)
			for i := range n {
				texts[i] = testText(src)
				if name != "same" {
					texts[i] = testText(fmt.Sprintf(src, i))
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				c, ds := testCompiler(w)
				for i := range n - 1 {
					c.script(texts[i], inRun, nil, w.Tasks[i+1])
				}
				if len(*ds) > 0 {
					b.Fatal(*ds)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/script")
		})
	}
}
