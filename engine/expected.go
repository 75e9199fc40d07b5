package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/store"
)

// cost is what the attempts of a task, together, waited for besides a worker.
type cost struct {
	commit time.Duration // until what came before was recorded
	start  time.Duration // then, until their process was there
	n      int           // attempts
}

// spans are how long the tasks took: attempts, and the delays between them.
func (r *Run) spans() map[string]store.Span {
	spans := make(map[string]store.Span, len(r.plan.Nodes))
	for i := range r.plan.Nodes {
		s := store.Span{Took: r.spanOf(i)}
		if i < len(r.costs) && r.costs[i].n > 0 {
			n := int64(max(1, len(r.m.Instances(i))))
			s.Commit, s.Start = r.costs[i].commit.Microseconds()/n, r.costs[i].start.Microseconds()/n
		}
		if s != (store.Span{Took: -1}) {
			spans[r.plan.Nodes[i].Task.ID] = s
		}
	}
	return spans
}

// spanOf is how long a task took, in milliseconds; of a fan-out, the mean of its instances;
// -1: it did not succeed by itself.
func (r *Run) spanOf(i int) int64 {
	outs := r.m.Instances(i)
	if outs == nil {
		if o := r.m.Outcome(i); r.took(i, 0, o) {
			return o.Ended - o.Started
		}
		return -1
	}
	sum, n := int64(0), int64(0)
	for k := range outs {
		if r.took(i, k, &outs[k]) {
			sum += outs[k].Ended - outs[k].Started
			n++
		}
	}
	if n == 0 {
		return -1
	}
	return sum / n
}

// took reports whether a task or an instance succeeded by itself: not from the cache, nor
// from the run that this one is a retry of.
func (r *Run) took(task, instance int, o *dag.Outcome) bool {
	_, had := r.had[place{int32(task), int32(instance)}]
	return o.Status == dag.Succeeded && o.CachedFrom == "" && !had
}

// remembered is how many runs an expectation is made of: enough for a median that one odd
// run does not move, and few enough to follow what changes.
const remembered = 9

// mostSpans is how many tasks' times are read at a start, about: of a workflow with very
// many, fewer runs do, since chance evens out over its tasks.
const mostSpans = 50_000

// Expected are how long a plan's tasks are expected to take: the medians of the newest
// runs of the workflow that succeeded, of those with params of the same shape if there are
// any; runs says of how many. A task that none of them has counts as the median of all
// others. Nil: there is no such run.
func Expected(h *Home, plan *dag.Plan, params map[string]any) (durations []time.Duration, runs int, err error) {
	n := max(1, min(remembered, mostSpans/max(1, len(plan.Nodes))))
	all, err := h.Spans(plan.Workflow.Name, shape(plan.Workflow, params), n)
	if err != nil || len(all) == 0 {
		return nil, 0, err
	}
	durations = make([]time.Duration, len(plan.Nodes))
	var known []time.Duration
	var missing []int
	for i := range plan.Nodes {
		var seen []int64
		for _, spans := range all {
			if s, ok := spans[plan.Nodes[i].Task.ID]; ok && s.Took >= 0 {
				seen = append(seen, s.Took)
			}
		}
		if len(seen) == 0 {
			missing = append(missing, i)
			continue
		}
		slices.Sort(seen)
		durations[i] = time.Duration(seen[len(seen)/2]) * time.Millisecond
		known = append(known, durations[i])
	}
	if len(known) == 0 {
		return nil, 0, nil
	}
	slices.Sort(known)
	for _, i := range missing {
		durations[i] = known[len(known)/2]
	}
	return durations, len(all), nil
}

// shape is what of a run's params tells how long it will take, roughly: switches and
// choices as they are, numbers and the lengths of lists and maps by their power of two;
// dates and free text tell nothing.
func shape(w *dag.Workflow, params map[string]any) string {
	var b strings.Builder
	for i := range w.Params {
		p := &w.Params[i]
		switch v := params[p.Name].(type) {
		case bool:
			fmt.Fprintf(&b, "%s=%t ", p.Name, v)
		case int:
			fmt.Fprintf(&b, "%s=%s ", p.Name, magnitude(float64(v)))
		case float64:
			fmt.Fprintf(&b, "%s=%s ", p.Name, magnitude(v))
		case string:
			if len(p.Enum) > 0 {
				fmt.Fprintf(&b, "%s=%q ", p.Name, v)
			}
		case []any:
			fmt.Fprintf(&b, "%s=%s ", p.Name, magnitude(float64(len(v))))
		case map[string]any:
			fmt.Fprintf(&b, "%s=%s ", p.Name, magnitude(float64(len(v))))
		}
	}
	return b.String()
}

func magnitude(v float64) string {
	_, exp := math.Frexp(v)
	return fmt.Sprintf("%t,2^%d", v < 0, exp)
}
