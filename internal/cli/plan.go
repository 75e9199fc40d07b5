package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flow/dag"
	"flow/engine"
	"flow/internal/action"
	"flow/internal/run"
	"flow/internal/sim"
)

func newPlan(std streams) *cobra.Command {
	f := &runFlags{}
	c := &cobra.Command{
		Use:   "plan FILE",
		Short: "Shows what a run would do, without any effect",
		Long: `Shows what a run would do, without any effect: the order in which tasks begin,
where they run, their inputs as far as they are known, what is skipped or can't
run and why, and the longest way through. No process is started and no file is
written.`,
		Example: `  flow plan weather.yaml
  flow plan daily.yaml -p day=2024-05-01 --json`,
		Args:              files(1, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			return planFile(std, args[0], f)
		},
	}
	f.add(c)
	return c
}

func planFile(std streams, file string, f *runFlags) error {
	plan, start, err := f.begin(std, file)
	if err != nil {
		return err
	}
	// A run would be refused for these; the plan is worth seeing all the same.
	if err := dag.WriteDiagnostics(std.err, engine.Check(plan.Workflow)); err != nil {
		return err
	}
	forecast, err := sim.Foresee(plan, start, engine.Places(f.workers), f.jobs, action.Look(plan.Workflow))
	if err != nil {
		return err
	}
	if f.json {
		return encoder(std.out).Encode(planJSON(forecast))
	}
	_, err = io.WriteString(std.out, planText(forecast, start, newStyle(std.out)))
	return err
}

// begin reads a workflow and says what a run of it now would begin with.
func (f *runFlags) begin(std streams, file string) (*dag.Plan, *run.Start, error) {
	options, err := f.options()
	if err != nil {
		return nil, nil, err
	}
	plan, err := load(std, file)
	if err != nil {
		return nil, nil, err
	}
	start, err := engine.NewStart(plan, options, time.Now())
	if err != nil {
		return nil, nil, startError(err)
	}
	return plan, start, nil
}

// plannedTask is a task of `plan --json`.
type plannedTask struct {
	Needs     []string                `json:"needs"`
	Finally   bool                    `json:"finally,omitzero"`
	Executor  string                  `json:"executor,omitzero"`
	Decision  sim.Decision            `json:"decision"`
	Reason    string                  `json:"reason,omitzero"`
	Inputs    map[string]plannedInput `json:"inputs"`
	Instances any                     `json:"instances,omitzero"` // of a fan-out: how many, or unknown
	Missing   []string                `json:"missing,omitzero"`   // programs
}

// plannedInput is a value, or {"unknown":true,"type":"any"}.
type plannedInput struct{ in sim.Input }

func (p plannedInput) MarshalJSON() ([]byte, error) {
	if !p.in.Known {
		return []byte(`{"unknown":true,"type":"any"}`), nil
	}
	return dag.EncodeJSON(p.in.Value)
}

// planned is `plan --json`.
type planned struct {
	Workflow string                 `json:"workflow"`
	Order    []string               `json:"order"`
	Tasks    map[string]plannedTask `json:"tasks"`
	Critical []string               `json:"critical_path"`
}

func planJSON(f *sim.Forecast) planned {
	p := planned{
		Workflow: f.Plan.Workflow.Name, Order: f.Names(f.Order), Critical: f.Names(f.Critical),
		Tasks: make(map[string]plannedTask, len(f.Tasks)),
	}
	for i := range f.Tasks {
		n, tf := &f.Plan.Nodes[i], &f.Tasks[i]
		t := plannedTask{
			Needs: f.Names(n.Deps), Finally: n.Task.Finally, Executor: n.Task.Executor, Decision: tf.Decision, Reason: tf.Reason,
			Inputs: make(map[string]plannedInput, len(tf.Inputs)), Missing: tf.Missing,
		}
		for _, in := range tf.Inputs {
			t.Inputs[in.Name] = plannedInput{in}
		}
		switch {
		case n.Task.Fan == nil:
		case tf.Instances >= 0:
			t.Instances = tf.Instances
		default:
			t.Instances = map[string]any{"unknown": true, "type": "int"}
		}
		p.Tasks[n.Task.ID] = t
	}
	return p
}

// planText is the plan for people: first what runs, in order, then what does
// not.
func planText(f *sim.Forecast, start *run.Start, st style) string {
	w := f.Plan.Workflow
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s, nothing is run\n", st.bold(w.Name), count(len(f.Tasks), "task"))
	if len(start.Params) > 0 {
		for i := range w.Params {
			name := w.Params[i].Name
			fmt.Fprintf(&b, "  %s %s = %s\n", st.faint("param"), name, shown(start.Params[name]))
		}
	}
	b.WriteString("\n")
	width := 4
	for i := range f.Tasks {
		width = max(width, len(f.Plan.Nodes[i].Task.ID))
	}
	listed := make([]bool, len(f.Tasks))
	for k, i := range f.Order {
		planRow(&b, f, i, fmt.Sprintf("%3d", k+1), width, st)
		listed[i] = true
	}
	for i := range f.Tasks {
		if !listed[i] {
			planRow(&b, f, int32(i), "  –", width, st)
		}
	}
	fmt.Fprintf(&b, "\n%s %s\n", st.faint("longest way"), strings.Join(f.Names(f.Critical), " → "))
	for _, line := range nextTimes(w, start.Run.StartedAt, 3) {
		fmt.Fprintf(&b, "%s %s\n", st.faint("next time  "), line)
	}
	return b.String()
}

// planRow is one task: its place, decision, executor, and below it what it gets.
func planRow(b *strings.Builder, f *sim.Forecast, i int32, place string, width int, st style) {
	t, tf := f.Plan.Nodes[i].Task, &f.Tasks[i]
	where := t.Executor
	if where == "" {
		where = "–"
	}
	what := t.Action.Kind()
	if t.Fan != nil {
		if tf.Instances >= 0 {
			what += fmt.Sprintf(" × %d", tf.Instances)
		} else {
			what += " × ?"
		}
	}
	line := fmt.Sprintf("%s  %s  %s  %s  %s", place, pad(t.ID, width), decision(tf.Decision, st), pad(what, 9), pad(where, 8))
	after := f.Names(f.Plan.Nodes[i].Deps)
	if t.Finally {
		after = append([]string{"everything"}, after...)
	}
	if len(after) > 0 {
		line += "  " + st.faint("after "+fit(strings.Join(after, ", "), 60))
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
	indent := strings.Repeat(" ", 5)
	if tf.Reason != "" {
		fmt.Fprintf(b, "%s%s\n", indent, fit(tf.Reason, 150))
	}
	if len(tf.Missing) > 0 {
		fmt.Fprintf(b, "%s%s\n", indent, st.status("cancelled", "missing here: "+strings.Join(tf.Missing, ", ")))
	}
	var later []string
	for _, in := range tf.Inputs {
		if in.Known {
			fmt.Fprintf(b, "%s%s = %s\n", indent, in.Name, shown(in.Value))
		} else {
			later = append(later, in.Name)
		}
	}
	if len(later) > 0 {
		fmt.Fprintf(b, "%s%s\n", indent, st.faint("known at run time: "+fit(strings.Join(later, ", "), 150)))
	}
}

func decision(d sim.Decision, st style) string {
	text := pad(string(d), 7)
	switch d {
	case sim.Runs:
		return st.status("succeeded", text)
	case sim.Blocked:
		return st.status("failed", text)
	case sim.Unknown:
		return st.status("cancelled", text)
	}
	return st.faint(text)
}
