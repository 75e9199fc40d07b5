//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"flow/dag"
	"flow/engine"
	"flow/executor"
)

// plan plans a workflow that stands in the program itself; dag.Load reads one from
// a file.
func plan(text string) *dag.Plan {
	w, found := dag.Parse("example.yaml", []byte(text))
	if w == nil {
		dag.WriteDiagnostics(os.Stderr, found)
		log.Fatal("the workflow has errors")
	}
	p, err := dag.NewPlan(w)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// A workflow is loaded, planned and run; what came of it is in the summary.
func Example() {
	p := plan(`
params: { first: 1 }
tasks:
  numbers: { run: 'seq "$from" 5', inputs: { from: "${{ params.first }}" }, result: lines }
  squares: { for_each: "${{ tasks.numbers.result }}", expr: int(item) ** 2 }
  broken: { run: "echo no such luck >&2; exit 3", continue_on_error: true }
outputs:
  sum: ${{ sum(tasks.squares.result) }}
`)
	e := engine.New()
	defer e.Close()
	s, err := e.Run(context.Background(), p, engine.Options{Params: map[string]any{"first": "3"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Status, s.Outputs["sum"])
	for _, t := range s.Tasks {
		fmt.Println(t.ID, t.Status, t.Attempts)
		if t.Error != nil {
			fmt.Println("  ", t.Error.Message)
		}
	}
	// Output:
	// succeeded 50
	// numbers succeeded 1
	// squares succeeded 3
	// broken failed 1
	//    exit status 3: no such luck
}

// Watch hears of everything that happens, Output gets what tasks print.
func ExampleOptions() {
	p := plan(`
tasks:
  greet: { run: "echo hello" }
  shout: { expr: upper(tasks.greet.result) }
`)
	e := engine.New()
	defer e.Close()
	_, err := e.Run(context.Background(), p, engine.Options{
		Watch: func(ev engine.Event) {
			if ev.Type == engine.TaskEnded {
				fmt.Println(ev.Task, ev.Status)
			}
		},
		Output: func(o engine.Output) { fmt.Printf("%s: %s", o.Task, o.Text) },
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// greet: hello
	// greet succeeded
	// shout succeeded
}

// A run is cancelled in order: what is at work is stopped, and `finally` runs.
func ExampleRun_Cancel() {
	p := plan(`
tasks:
  serve: { run: "echo ready; sleep 1000" }
  next: { run: "echo never", needs: serve }
finally:
  tidy: { run: "echo tidied up" }
`)
	e := engine.New()
	defer e.Close()
	ready := make(chan struct{})
	r, err := e.Start(p, engine.Options{Output: func(o engine.Output) {
		if o.Task == "serve" {
			close(ready)
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	<-ready
	r.Cancel()
	s, err := r.Wait(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the run:", s.Status)
	for _, t := range s.Tasks {
		fmt.Println(t.ID, t.Status, t.Reason)
	}
	// Output:
	// the run: cancelled
	// serve cancelled user
	// next cancelled user
	// tidy succeeded
}

// Check tells what a workflow needs that this build can't do, before it is
// started.
func ExampleCheck() {
	p := plan("tasks: { ask: { http: { url: https://example.org } } }")
	for _, d := range engine.Check(p.Workflow) {
		fmt.Println(d)
	}
	// Output: example.yaml:1:10: task ask: `http` can't be run by this build yet
}

// A workflow calls functions of the program that runs it: their argument is made of the
// task's inputs.
func ExampleFunctions() {
	type order struct {
		Items []float64 `json:"items"`
		Rate  float64   `json:"rate"`
	}
	total := func(_ context.Context, o order) (float64, error) {
		sum := 0.0
		for _, price := range o.Items {
			sum += price
		}
		return sum * (1 + o.Rate), nil
	}
	var functions executor.Registry
	if err := executor.Register(&functions, "total", total); err != nil {
		log.Fatal(err)
	}
	p := plan(`
tasks:
  prices: { expr: "[10, 20]" }
  total: { call: "go:total", inputs: { items: "${{ tasks.prices.result }}", rate: 0.5 } }
outputs: { total: "${{ tasks.total.result }}" }
`)
	e := engine.New(engine.Functions(&functions))
	defer e.Close()
	s, err := e.Run(context.Background(), p, engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Status, s.Outputs["total"])
	// Output: succeeded 45
}
