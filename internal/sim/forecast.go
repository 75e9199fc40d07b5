package sim

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"flow/dag"
	"flow/internal/run"
)

// Decision is what is known of a task before the run, if all that it is known
// to run succeeds.
type Decision string

const (
	Runs    Decision = "run"
	Skips   Decision = "skip"
	Cached  Decision = "cached"  // an earlier result would be used
	Blocked Decision = "blocked" // something that it needs is missing
	Unknown Decision = "unknown" // known only at run time
)

// Forecast is what a run would do.
type Forecast struct {
	Plan     *dag.Plan
	Order    []int32 // tasks in the order in which they would begin, those that are skipped left out
	Tasks    []TaskForecast
	Critical []int32 // the longest way through what is run, first task first
}

// TaskForecast is what would become of one task.
type TaskForecast struct {
	Decision   Decision
	Reason     string
	Inputs     []Input
	Instances  int      // of a fan-out; -1: known only at run time, or the task is none
	CachedFrom string   // of what is cached: the run
	Missing    []string // programs that its script names and this machine lacks
}

// Input is an argument of a task: Value where Known.
type Input struct {
	Name  string
	Known bool
	Value any
}

// Look tells what this machine lacks for a task: why it can't run at all, and
// which programs its script names in vain. It is called once a task.
type Look func(t *dag.Task) (blocked string, missing []string)

// Cache tells of results of earlier runs. It is a host without secrets.
type Cache interface {
	dag.Host
	// Find returns the result that there is for a task and its evaluated key, and the run
	// that it is from: "" where there is none. why says more of it.
	Find(t *dag.Task, key any) (result any, run, why string, err error)
}

// Kept tells of tasks that stand with the result of an earlier run, whose id is Run.
type Kept struct {
	Run    string
	Result func(task int) (v any, ok bool)
}

// World is what a forecast rests on beside the plan. All of it may be left out.
type World struct {
	Places func(*dag.Executor) int // the number of places of an executor
	Jobs   int                     // the limit over all; 0: none
	Look   Look
	Cache  Cache // nil: there are no earlier results
	Kept   *Kept // nil: none does
}

// Foresee works out what a run would do, without any effect.
func Foresee(p *dag.Plan, start *run.Start, w World) (*Forecast, error) {
	f := &forecaster{
		plan: p, start: start, look: w.Look, cache: w.Cache, kept: w.Kept, outs: make([]dag.Outcome, len(p.Nodes)),
		ok: make([]answer, len(p.Nodes)), out: &Forecast{Plan: p, Tasks: make([]TaskForecast, len(p.Nodes))},
	}
	chosen := f.chosen()
	for _, i := range p.Order {
		f.decide(i, chosen)
	}
	skips := func(i int) bool { return f.out.Tasks[i].idle() }
	bones, err := Skeleton(p, skips)
	if err != nil {
		return nil, err
	}
	durations := make([]time.Duration, len(p.Nodes))
	for i := range durations {
		if !skips(i) {
			durations[i] = time.Second
		}
	}
	trace, err := Run(bones, Model{Durations: durations, Places: w.Places, Jobs: w.Jobs})
	if err != nil {
		return nil, err
	}
	f.out.Order = slices.DeleteFunc(trace.Order, func(i int32) bool { return skips(int(i)) })
	f.out.Critical, _ = criticalPath(p, func(i int) int {
		if skips(i) {
			return 0
		}
		return 1
	})
	return f.out, nil
}

// idle reports whether nothing of a task is run.
func (t *TaskForecast) idle() bool { return t.Decision == Skips || t.Decision == Cached }

// answer is yes, no, or not known yet.
type answer uint8

const (
	yes answer = iota
	no
	maybe
)

type forecaster struct {
	plan  *dag.Plan
	start *run.Start
	look  Look
	cache Cache
	kept  *Kept
	outs  []dag.Outcome // of what is cached
	ok    []answer      // by task: it and all that it depends on would succeed
	out   *Forecast
}

// chosen reports which tasks the run is about; nil: all.
func (f *forecaster) chosen() map[int32]bool {
	if f.start.Only == nil {
		return nil
	}
	in := make(map[int32]bool)
	for _, i := range f.start.Only {
		in[int32(i)] = true
	}
	return in
}

func (f *forecaster) decide(i int32, chosen map[int32]bool) {
	t := f.plan.Nodes[i].Task
	tf := &f.out.Tasks[i]
	tf.Instances = -1
	if chosen != nil && !chosen[i] && !t.Finally {
		tf.Decision, tf.Reason = Skips, "not selected"
		f.ok[i] = no
		return
	}
	upstream, because := f.upstream(i)
	tf.Decision, tf.Reason = f.condition(t, upstream, because)
	if tf.Decision == Skips {
		f.ok[i] = no
		return
	}
	if f.stands(t, tf) {
		f.ok[i] = upstream
		return
	}
	if f.look != nil {
		var blocked string
		if blocked, tf.Missing = f.look(t); blocked != "" {
			tf.Decision, tf.Reason = Blocked, blocked
		}
	}
	f.inputs(t, tf, upstream)
	f.fan(t, tf)
	f.lookUp(t, tf)
	f.ok[i] = maybe
	if tf.Decision == Runs || tf.Decision == Cached {
		f.ok[i] = upstream
	}
}

// upstream tells whether all that a task depends on would succeed, and if not,
// because of which task.
func (f *forecaster) upstream(i int32) (answer, int32) {
	all, because := yes, i
	for _, d := range f.plan.Nodes[i].Deps {
		switch {
		case f.ok[d] == no:
			return no, d
		case f.ok[d] == maybe && all == yes:
			all, because = maybe, d
		}
	}
	return all, because
}

// condition works out whether a task would be run.
func (f *forecaster) condition(t *dag.Task, upstream answer, because int32) (Decision, string) {
	cause := f.plan.Nodes[because].Task.ID
	usesStatus := t.If != nil && t.If.Uses().Status
	if !usesStatus && !t.Finally {
		switch {
		case upstream == no:
			return Skips, "upstream: " + cause + " does not run"
		case upstream == maybe && f.out.Tasks[because].Decision == Blocked:
			return Blocked, cause + " is blocked"
		}
	}
	if t.If == nil {
		if upstream == maybe && !t.Finally {
			return Unknown, "whether " + cause + " runs is known only at run time"
		}
		return Runs, ""
	}
	if !f.known(t.If.Uses()) {
		return Unknown, "if: " + t.If.String() + ": known only at run time"
	}
	verdict, err := f.verdict(t, upstream, usesStatus)
	switch {
	case err != nil:
		return Blocked, err.Error()
	case verdict == no && upstream == no && !t.Finally:
		return Skips, "upstream: " + cause + " does not run"
	case verdict == no:
		return Skips, "condition: " + t.If.String()
	case verdict == maybe:
		return Unknown, "if: " + t.If.String() + ": depends on how what comes before it ends"
	case upstream == maybe && !usesStatus && !t.Finally:
		return Unknown, "whether " + cause + " runs is known only at run time"
	}
	return Runs, ""
}

// worlds are the scopes in which a task may find itself: one for each way in
// which what comes before it may end that it can tell apart.
func (f *forecaster) worlds(t *dag.Task, upstream answer) []dag.Scope {
	s := f.scope(t)
	var worlds []dag.Scope
	add := func(success, failure, cancelled bool, status string) {
		s.Success, s.Failure, s.Cancelled, s.RunStatus = success, failure, cancelled, status
		worlds = append(worlds, s)
	}
	switch {
	case t.Finally: // it sees the run
		add(true, false, false, "succeeded")
		add(false, true, false, "failed")
		add(false, false, true, "cancelled")
		add(false, true, true, "cancelled")
	case len(f.plan.Nodes[t.Index].Deps) == 0:
		add(true, false, false, "")
	default:
		if upstream != no {
			add(true, false, false, "")
		}
		add(false, true, false, "")
		add(false, false, false, "")
	}
	return worlds
}

// verdict evaluates a condition in all worlds. Without a status function only
// that counts in which all went well: the others are no matter of the condition.
func (f *forecaster) verdict(t *dag.Task, upstream answer, usesStatus bool) (answer, error) {
	worlds := f.worlds(t, upstream)
	if !usesStatus && !t.Finally {
		s := f.scope(t)
		s.Success = true
		worlds = []dag.Scope{s}
	}
	sawYes, sawNo := false, false
	for k := range worlds {
		v, err := t.If.Eval(&worlds[k])
		if err != nil {
			return no, err
		}
		if v == true {
			sawYes = true
		} else {
			sawNo = true
		}
	}
	switch {
	case !sawNo:
		return yes, nil
	case !sawYes:
		return no, nil
	}
	return maybe, nil
}

// known reports whether something can be evaluated before the run.
func (f *forecaster) known(u *dag.Uses) bool {
	return f.settled(u) && !u.Files
}

// settled is known, but for files, which are as they are now.
func (f *forecaster) settled(u *dag.Uses) bool {
	for _, i := range u.Tasks {
		if f.out.Tasks[i].Decision != Cached {
			return false
		}
	}
	return len(u.Secrets) == 0 && !u.Fan && !u.Moment
}

// stands reports whether a task has its result already.
func (f *forecaster) stands(t *dag.Task, tf *TaskForecast) bool {
	if f.kept == nil || tf.Decision == Blocked {
		return false
	}
	v, ok := f.kept.Result(t.Index)
	if ok {
		tf.Decision, tf.Reason, tf.CachedFrom = Cached, "as in run "+f.kept.Run, f.kept.Run
		f.outs[t.Index] = dag.Outcome{Status: dag.Succeeded, Result: v, ExitCode: -1, CachedFrom: f.kept.Run}
	}
	return ok
}

// lookUp asks the cache for a task that would run, if its key can be known now.
func (f *forecaster) lookUp(t *dag.Task, tf *TaskForecast) {
	if t.Cache == nil || f.cache == nil || tf.Decision != Runs {
		return
	}
	if t.Fan != nil || !f.settled(t.Cache.Key.Uses()) {
		tf.Reason = "cache: its key is known only at run time"
		return
	}
	s := f.scope(t)
	s.Success, s.Host = true, f.cache
	key, err := t.Cache.Key.Eval(&s)
	if err != nil { // a file that an earlier task makes, say
		tf.Reason = "cache: its key can't be known now: " + err.Error()
		return
	}
	result, from, why, err := f.cache.Find(t, key)
	switch {
	case err != nil:
		tf.Reason = "cache: " + err.Error()
	case from == "":
		tf.Reason = "cache: a miss: " + why
	default:
		tf.Decision, tf.Reason, tf.CachedFrom = Cached, why+" by run "+from, from
		f.outs[t.Index] = dag.Outcome{Status: dag.Succeeded, Result: result, ExitCode: -1, CachedFrom: from}
	}
}

func (f *forecaster) scope(t *dag.Task) dag.Scope {
	s := dag.Scope{Workflow: f.plan.Workflow, Task: t, Params: f.start.Params, Run: &f.start.Run, Outcomes: f.outs}
	if f.cache != nil { // for large results; files are not read by what is evaluated with this
		s.Host = f.cache
	}
	return s
}

// inputs evaluates what can be: what needs nothing that only a run has, and is
// the same however what comes before the task ends.
func (f *forecaster) inputs(t *dag.Task, tf *TaskForecast, upstream answer) {
	worlds := f.worlds(t, upstream)
	for _, b := range t.Inputs {
		in := Input{Name: b.Name}
		if f.known(b.Value.Uses()) {
			v, same, err := evaluate(b.Value, worlds)
			if err != nil {
				tf.Decision, tf.Reason = Blocked, fmt.Sprintf("inputs.%s: %v", b.Name, err)
				continue
			}
			if in.Known = same; same {
				in.Value = v
			}
		}
		tf.Inputs = append(tf.Inputs, in)
	}
}

// evaluate evaluates a value in all worlds, and tells whether it is the same in
// each.
func evaluate(b *dag.Value, worlds []dag.Scope) (v any, same bool, err error) {
	for k := range worlds {
		w, err := b.Eval(&worlds[k])
		if err != nil {
			return nil, false, err
		}
		if k > 0 && !reflect.DeepEqual(v, w) {
			return nil, false, nil
		}
		v = w
	}
	return v, true, nil
}

// fan counts the instances of a fan-out, where that can be known.
func (f *forecaster) fan(t *dag.Task, tf *TaskForecast) {
	if t.Fan == nil {
		return
	}
	parts := []*dag.Value{t.Fan.Each, t.Fan.Exclude, t.Fan.Include}
	for k := range t.Fan.Matrix {
		parts = append(parts, t.Fan.Matrix[k].Value)
	}
	for _, v := range parts {
		if v != nil && !f.known(v.Uses()) {
			return
		}
	}
	s := f.scope(t)
	n, err := run.CountInstances(t.Fan, &s)
	if err != nil {
		tf.Decision, tf.Reason = Blocked, err.Error()
		return
	}
	tf.Instances = n
}

// Names are the ids of tasks.
func (f *Forecast) Names(tasks []int32) []string {
	ids := make([]string, len(tasks))
	for k, i := range tasks {
		ids[k] = f.Plan.Nodes[i].Task.ID
	}
	return ids
}
