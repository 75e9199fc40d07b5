package dag_test

import (
	"fmt"
	"os"

	"flow/dag"
)

const orders = `name: orders
params: { day: 2026-01-31 }
tasks:
  extract:
    run: ./fetch "$day"
    inputs: { day: "${{ params.day }}" }
    result: json
  clean: { expr: "filter(tasks.extract.result, .ok)" }
  count: { expr: len(tasks.clean.result) }
  load:
    for_each: ${{ tasks.clean.result }}
    exec: [./load, "${{ item.id }}"]
  report: { run: ./report, needs: [count, load] }
`

// A plan says what depends on what; it is drawn as people see it.
func Example() {
	w, found := dag.Parse("orders.yaml", []byte(orders))
	if w == nil {
		dag.WriteDiagnostics(os.Stdout, found)
		return
	}
	plan, err := dag.NewPlan(w)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := dag.Draw(os.Stdout, plan, "text", nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ●      extract  run
	// │
	// ●      clean    expr
	// ├─●─╮  count    expr
	// ●───┤  load     exec · for each
	// ●───╯  report   run
}

// All findings are told at once, each at its place.
func ExampleParse() {
	_, found := dag.Parse("orders.yaml", []byte(`
tasks:
  extract:
    command: ./fetch
  load:
    expr: tasks.extrct.result
    if: !failure()
`))
	if err := dag.WriteDiagnostics(os.Stdout, found); err != nil {
		fmt.Println(err)
	}
	// Output:
	// orders.yaml:4:5: command: no such key in a task; flow calls it "run"
	//     4 |     command: ./fetch
	//       |     ^^^^^^^
	// orders.yaml:6:17: tasks.extrct: no such task; did you mean "extract"?
	//     6 |     expr: tasks.extrct.result
	//       |                 ^^^^^^
	// orders.yaml:7:9: a text that begins with ! needs quotes, else it is a YAML tag: if: "!failure()"
	//     7 |     if: !failure()
	//       |         ^^^^^^^^^^
}

// Params are read by their declared type, and all that is wrong is told.
func ExampleWorkflow_ReadParams() {
	w, _ := dag.Parse("orders.yaml", []byte(`
params:
  day: { type: date, required: true }
  limit: { type: int, default: 10, max: 100 }
tasks: { a: { run: ls } }
`))
	params, err := w.ReadParams(map[string]any{"day": "2026-01-31"}, &dag.Scope{})
	fmt.Println(params, err)
	_, err = w.ReadParams(map[string]any{"limit": "1000", "dy": "2026-01-31"}, &dag.Scope{})
	fmt.Println(err)
	// Output:
	// map[day:2026-01-31 limit:10] <nil>
	// param dy: no such param; did you mean "day"?
	// param day: is required (date); give it with --param day=…
	// param limit: 1000 is above the greatest, 100
}
