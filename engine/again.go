package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"flow/dag"
	"flow/internal/run"
	"flow/internal/store"
)

// Again says what of a run that has ended is to run again.
type Again struct {
	Tasks      []string `json:"tasks,omitzero"`      // these; nil: all that did not succeed
	Downstream bool     `json:"downstream,omitzero"` // and what depends on them, directly or not
}

func (a *Again) json() string {
	if a == nil {
		return ""
	}
	text, _ := json.Marshal(a) // of strings and a bool
	return string(text)
}

// standOn gives a run that goes on the results that it began with, of another run.
func (r *Run) standOn(rec *store.Run) error {
	h := r.engine.home
	r.of, r.again = rec.Of, new(Again)
	of, err := h.Find(rec.Of)
	if err == nil {
		err = json.Unmarshal([]byte(rec.Again), r.again)
	}
	if err != nil {
		return fmt.Errorf("engine: run %s stands on results of run %s: %w", rec.ID, rec.Of, err)
	}
	then, err := Pinned(h, &of)
	if err != nil {
		return err
	}
	old, _, err := fold(h, &of, then)
	if err != nil {
		return err
	}
	again, err := r.again.tasks(r.plan)
	if err != nil {
		return err
	}
	r.had = had(old, r.plan, again)
	return nil
}

// Retry runs again what did not succeed of a run of the engine's home that has ended, or
// what the caller names. It is a new run of the same workflow, as it was then, with the
// same params; what succeeded, and is not to run again, stands in it with the result that
// it had, instances of a fan-out that failed included.
func (e *Engine) Retry(id string, a Again, o Options) (*Run, error) {
	if e.home == nil {
		return nil, errors.New("engine: there is no history to retry from")
	}
	rec, err := e.home.Find(id)
	if err != nil {
		return nil, err
	}
	if rec.Ended.IsZero() {
		return nil, fmt.Errorf("engine: run %s has not ended", rec.ID)
	}
	plan, err := Pinned(e.home, &rec)
	if err == nil {
		err = findings(check(plan.Workflow, e.functions))
	}
	if err != nil {
		return nil, err
	}
	old, start, err := fold(e.home, &rec, plan)
	if err != nil {
		return nil, err
	}
	again, err := a.tasks(plan)
	if err != nil {
		return nil, err
	}
	zero := time.Now()
	now := zero.Truncate(time.Millisecond).In(plan.Workflow.Zone())
	next := *start
	next.Run.ID, next.Run.StartedAt, next.Run.Attempt = cmp.Or(o.ID, NewID()), now, start.Run.Attempt+1
	r := e.newRun(plan, next.Run.ID, o)
	r.zero, r.began, r.zone, r.of = zero, zero, now.Location(), rec.ID
	r.had, r.again = had(old, plan, again), &a
	if err := r.reveal(o.Context, &next); err != nil {
		r.kill()
		return nil, err
	}
	return r, e.begin(r, &next)
}

// CheckRetry tells why a retry of a run that has ended can't be.
func CheckRetry(h *Home, rec *store.Run, a Again) error {
	plan, err := Pinned(h, rec)
	if err == nil {
		_, err = a.tasks(plan)
	}
	return err
}

// fold is a run of a home as its events make it, and what it began with.
func fold(h *Home, rec *store.Run, plan *dag.Plan) (*run.Machine, *run.Start, error) {
	m, start := run.New(plan), (*run.Start)(nil)
	for ev, err := range h.Events(rec) {
		if err == nil {
			_, err = m.Apply(ev)
		}
		if err != nil {
			return nil, nil, err
		}
		if ev.Kind == run.Started {
			start = ev.Start
		}
	}
	if start == nil {
		return nil, nil, fmt.Errorf("engine: run %s has no events", rec.ID)
	}
	return m, start, nil
}

// tasks are those that are to run again, by index; nil: those that did not succeed.
func (a *Again) tasks(plan *dag.Plan) (map[int]bool, error) {
	if a.Tasks == nil {
		return nil, nil
	}
	indexes, err := plan.Find(a.Tasks)
	if err != nil {
		return nil, err
	}
	again := make(map[int]bool)
	for _, i := range indexes {
		again[int(i)] = true
	}
	if a.Downstream {
		for i := range plan.Nodes { // what a task depends on stands before it
			for _, d := range plan.Nodes[i].Deps {
				again[i] = again[i] || again[int(d)]
			}
		}
	}
	return again, nil
}

// had are the results of an old run that stand in a new one, but for the tasks that are to
// run again. The plans may differ: tasks are told by their ids, instances by their place.
func had(old *run.Machine, plan *dag.Plan, again map[int]bool) map[place]keptResult {
	then := make(map[string]int, len(old.Plan().Nodes))
	for i := range old.Plan().Nodes {
		then[old.Plan().Nodes[i].Task.ID] = i
	}
	all := make(map[place]keptResult)
	for i := range int(plan.Main) { // `finally` runs again with the run
		was, ok := then[plan.Nodes[i].Task.ID]
		if !ok || again[i] {
			continue
		}
		outs := old.Instances(was)
		if (outs != nil) != (plan.Nodes[i].Task.Fan != nil) {
			continue // it was, or was none, a fan-out
		}
		if outs == nil {
			keepOutcome(all, place{task: int32(i)}, old.Outcome(was))
			continue
		}
		for k := range outs {
			keepOutcome(all, place{int32(i), int32(k)}, &outs[k])
		}
	}
	return all
}

// Earlier are the results of a run of a workflow that succeeded, as they stand in a run of
// some of its tasks.
type Earlier struct {
	Run     string    // its id
	Started time.Time // when that began
	Differ  []string  // the params that it had otherwise, by name

	results map[place]keptResult
}

// looked is how many runs, the newest that succeeded, are looked at for earlier results.
const looked = 200

// NewEarlier looks for the results that a run of a plan begins with that is to be only of
// some tasks and of all that depends on them: those of the newest run that succeeded with
// equal params, else of the newest one. A run that was of some tasks only counts where it
// has results of all others that are needed.
func NewEarlier(h *Home, plan *dag.Plan, from []string, params map[string]any) (*Earlier, error) {
	again, err := (&Again{Tasks: from, Downstream: true}).tasks(plan)
	if err != nil {
		return nil, err
	}
	of, err := cacheOf(plan.Workflow)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	var other, partly *Earlier // the newest with other params; of some tasks
	for rec, err := range h.Runs(store.Filter{Workflow: of.Workflow, Status: run.RunSucceeded.String(), Limit: looked}) {
		if err != nil {
			return nil, err
		}
		if rec.File != of.File {
			continue
		}
		e, covers, err := candidate(h, &rec, plan, again, params)
		switch {
		case errors.As(err, new(*store.TornError)):
			continue // an older one may do
		case err != nil:
			return nil, err
		case !covers:
			partly = cmp.Or(partly, e)
		case e.Differ == nil:
			return e.filled(h, &rec, plan, again)
		default:
			other = cmp.Or(other, e)
		}
	}
	switch {
	case other != nil:
		rec, err := h.Find(other.Run)
		if err != nil {
			return nil, err
		}
		return other.filled(h, &rec, plan, again)
	case partly != nil:
		return nil, fmt.Errorf("no run of %s that succeeded has results of all other tasks: run %s was of some only", of.Workflow, partly.Run)
	}
	return nil, fmt.Errorf("no run of %s has succeeded yet: there are no results to begin with", of.Workflow)
}

// candidate tells what a run began with: whether it had other params, and whether it was of
// all tasks that are not to run again. It reads the run's first event only.
func candidate(h *Home, rec *store.Run, plan *dag.Plan, again map[int]bool, params map[string]any) (e *Earlier, covers bool, err error) {
	var start *run.Start
	for ev, err := range h.Events(rec) {
		if err != nil {
			return nil, false, err
		}
		start = ev.Start
		break
	}
	if start == nil {
		return nil, false, &store.TornError{Run: rec.ID, Err: errors.New("it has no beginning")}
	}
	e = &Earlier{Run: rec.ID, Started: rec.Started}
	if e.Differ, err = differ(params, start.Params); err != nil || start.Only == nil {
		return e, true, err
	}
	then, err := Pinned(h, rec)
	if err != nil {
		return nil, false, err
	}
	missing := make(map[string]bool) // what that run left out
	for i := range then.Main {
		missing[then.Nodes[i].Task.ID] = true
	}
	for _, i := range start.Only {
		delete(missing, then.Nodes[i].Task.ID)
	}
	for i := range plan.Main {
		if !again[i] && missing[plan.Nodes[i].Task.ID] {
			return e, false, nil
		}
	}
	return e, true, nil
}

// differ are the names of the params that are not the same, sorted.
func differ(a, b map[string]any) ([]string, error) {
	var names []string
	for name, v := range a {
		w, ok := b[name]
		hash, _, err := hashed(v)
		if err != nil {
			return nil, err
		}
		other, _, err := hashed(w)
		if err != nil {
			return nil, err
		}
		if !ok || hash != other {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// filled is e with its results.
func (e *Earlier) filled(h *Home, rec *store.Run, plan *dag.Plan, again map[int]bool) (*Earlier, error) {
	then, err := Pinned(h, rec)
	if err != nil {
		return nil, err
	}
	old, _, err := fold(h, rec, then)
	if err != nil {
		return nil, err
	}
	e.results = had(old, plan, again)
	return e, nil
}

// Result returns the result that a task has already; of a fan-out, none.
func (r *Earlier) Result(task int) (v any, ok bool) {
	k, ok := r.results[place{task: int32(task)}]
	return k.value, ok
}

// keptResult is the result of an attempt of another run.
type keptResult struct {
	value    any
	exitCode int32
}

func keepOutcome(all map[place]keptResult, at place, o *dag.Outcome) {
	if o.Status == dag.Succeeded {
		all[at] = keptResult{o.Result, o.ExitCode}
	}
}

// sow answers what was to start, and is kept from another run, with the result that it
// had there.
func (r *Run) sow() error {
	for len(r.seeds) > 0 {
		c := r.seeds[0]
		r.seeds = r.seeds[1:]
		was := r.had[place{c.Task, c.Instance}]
		err := r.apply(run.Event{Kind: run.AttemptStarted, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt})
		if err == nil {
			err = r.apply(run.Event{Kind: run.AttemptEnded, Task: c.Task, Instance: c.Instance, Attempt: c.Attempt, Value: was.value, ExitCode: was.exitCode})
		}
		if err != nil && !errors.Is(err, run.ErrStale) {
			return err
		}
	}
	return nil
}
