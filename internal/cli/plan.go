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
where they run, their inputs as far as they are known, what is skipped, cached or
can't run and why, and the longest way through. Durations are those of the last runs
that succeeded, with params of the same kind. No process is started.`,
		Example: `  flow plan weather.yaml
  flow plan daily.yaml -p day=2024-05-01 --json`,
		Args:              files(1, 1),
		ValidArgsFunction: completeFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			return planFile(std, args[0], f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.keep.home, "home", "", homeFlag)
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
	p := planned{start: start}
	if err := p.foresee(std.err, plan, f); err != nil {
		return err
	}
	if f.json {
		return encoder(std.out).Encode(p.json())
	}
	_, err = io.WriteString(std.out, p.text(newStyle(std.out)))
	return err
}

// planned is a plan with what is known of the workflow's earlier runs.
type planned struct {
	*sim.Forecast
	start    *run.Start
	runs     int             // of how many earlier runs the durations are; 0: none is known
	expected []time.Duration // by task
	estimate *sim.Estimate   // with these
}

func (p *planned) foresee(talk io.Writer, plan *dag.Plan, f *runFlags) error {
	world := sim.World{Places: engine.Places(f.workers), Jobs: f.jobs, Look: action.Look(plan.Workflow)}
	look := func(h *engine.Home) (err error) {
		if h != nil {
			world.Cache, err = engine.NewCacheView(h, plan, time.Now())
		}
		if err == nil && f.from != nil {
			world.Kept, err = earlier(talk, h, plan, f.from, p.start.Params)
		}
		if err == nil {
			p.Forecast, err = sim.Foresee(plan, p.start, world)
		}
		if err == nil && h != nil {
			p.expected, p.runs, err = engine.Expected(h, plan, p.start.Params)
		}
		return err
	}
	var err error
	if f.keep.none {
		err = look(nil)
	} else {
		err = lookIfThere(f.keep.home, look)
	}
	if err != nil {
		return err
	}
	if p.runs == 0 {
		return nil
	}
	p.estimate, err = sim.Simulate(plan, p.Loads(func(i int) time.Duration { return p.expected[i] }), world.Places, f.jobs)
	if err == nil {
		p.Critical = p.estimate.Path
	}
	return err
}

// earlier are the results that a run from some tasks on begins with.
func earlier(talk io.Writer, h *engine.Home, plan *dag.Plan, from []string, params map[string]any) (*sim.Kept, error) {
	if h == nil {
		return nil, usage("", "--from-task: no run of %s has succeeded yet: there are no results to begin with", plan.Workflow.Name)
	}
	e, err := engine.NewEarlier(h, plan, from, params)
	if err != nil {
		return nil, startError(err)
	}
	if len(e.Differ) > 0 {
		if _, err := fmt.Fprintln(talk, otherParams(e.Run, e.Differ)); err != nil {
			return nil, err
		}
	}
	return &sim.Kept{Run: e.Run, Result: e.Result}, nil
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
	From      string                  `json:"cached_from,omitzero"` // the run whose result would be used
	Expected  *float64                `json:"expected_s,omitzero"`  // how long, from the last runs; of a fan-out, one instance
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

// plannedRun is `plan --json`.
type plannedRun struct {
	Workflow string                 `json:"workflow"`
	Order    []string               `json:"order"`
	Tasks    map[string]plannedTask `json:"tasks"`
	Critical []string               `json:"critical_path"`
	Expected *float64               `json:"expected_s,omitzero"` // how long the run takes, from the last ones
	Runs     int                    `json:"from_runs,omitzero"`  // how many those were
}

func (f *planned) json() plannedRun {
	p := plannedRun{
		Workflow: f.Plan.Workflow.Name, Order: f.Names(f.Order), Critical: f.Names(f.Critical),
		Tasks: make(map[string]plannedTask, len(f.Tasks)), Runs: f.runs,
	}
	if f.estimate != nil {
		p.Expected = new(f.estimate.Makespan.Seconds())
	}
	for i := range f.Tasks {
		n, tf := &f.Plan.Nodes[i], &f.Tasks[i]
		t := plannedTask{
			Needs: f.Names(n.Deps), Finally: n.Task.Finally, Executor: n.Task.Executor, Decision: tf.Decision, Reason: tf.Reason,
			Inputs: make(map[string]plannedInput, len(tf.Inputs)), Missing: tf.Missing, From: tf.CachedFrom,
		}
		if f.expected != nil && tf.Decision != sim.Skips && tf.Decision != sim.Cached {
			t.Expected = new(f.expected[i].Seconds())
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
func (f *planned) text(st style) string {
	start := f.start
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
		f.row(&b, i, fmt.Sprintf("%3d", k+1), width, st)
		listed[i] = true
	}
	for i := range f.Tasks {
		if !listed[i] {
			f.row(&b, int32(i), "  –", width, st)
		}
	}
	fmt.Fprintf(&b, "\n%s %s\n", st.faint("longest way"), strings.Join(f.Names(f.Critical), " → "))
	if f.estimate != nil {
		fmt.Fprintf(&b, "%s about %s, as in the last %s\n", st.faint("expected   "), duration(f.estimate.Makespan), count(f.runs, "run"))
	}
	for _, line := range nextTimes(w, start.Run.StartedAt, 3) {
		fmt.Fprintf(&b, "%s %s\n", st.faint("next time  "), line)
	}
	return b.String()
}

// row is one task: its place, decision, executor, how long it takes, and below it what it
// gets.
func (f *planned) row(b *strings.Builder, i int32, place string, width int, st style) {
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
	if f.expected != nil {
		span := ""
		if tf.Decision != sim.Skips && tf.Decision != sim.Cached {
			span = duration(f.expected[i])
		}
		line += "  " + pad(span, 7)
	}
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
	case sim.Runs, sim.Cached:
		return st.status("succeeded", text)
	case sim.Blocked:
		return st.status("failed", text)
	case sim.Unknown:
		return st.status("cancelled", text)
	}
	return st.faint(text)
}
