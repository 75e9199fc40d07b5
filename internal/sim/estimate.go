package sim

import (
	"slices"
	"time"

	"flow/dag"
)

// Estimate is how long a plan takes on pools of some size, if each task takes as
// long as it is said to and all succeed.
type Estimate struct {
	Workers  int           // places of the pools that tasks are in, together, Jobs at most
	Makespan time.Duration // from the first start to the last end
	// Bound is what no schedule can beat: the critical path, or a pool's work over
	// its places, whichever is longer; `finally` comes after everything else.
	Bound    time.Duration
	Critical time.Duration // the longest way through the plan
	Path     []int32       // its tasks, first one first
	Work     time.Duration // the sum of what all attempts take
}

// Utilisation is which part of the places' time was work, from 0 to 1.
func (e *Estimate) Utilisation() float64 {
	if e.Makespan <= 0 || e.Workers == 0 {
		return 0
	}
	return e.Work.Seconds() / (e.Makespan.Seconds() * float64(e.Workers))
}

// Load is how long a task's attempts take, and how many there are.
type Load struct {
	Duration  time.Duration
	Instances int  // of a fan-out; 1 for any other task
	AtOnce    int  // instances at once; 0: no limit
	Skipped   bool // it isn't run
}

// Simulate runs a plan on virtual time, the longest remaining path first, with a
// load for each task by index. places is the number of places of an executor, jobs
// the limit over all (0: none). Its cost is that of Run, with instances counted.
func Simulate(p *dag.Plan, loads []Load, places func(*dag.Executor) int, jobs int) (*Estimate, error) {
	bones, err := Skeleton(p, func(i int) bool { return loads[i].Skipped })
	if err != nil {
		return nil, err
	}
	durations := make([]time.Duration, len(loads))
	for i := range loads {
		l := &loads[i]
		if l.Skipped {
			continue
		}
		durations[i] = l.Duration
		if p.Nodes[i].Task.Fan != nil {
			bones.Nodes[i].Task.Fan = &dag.Fan{Each: dag.NewValue(make([]any, l.Instances))}
			bones.Nodes[i].Task.MaxParallel = l.AtOnce
		}
	}
	trace, err := Run(bones, Model{Durations: durations, Ranked: true, Places: places, Jobs: jobs})
	if err != nil {
		return nil, err
	}
	e := &Estimate{Makespan: trace.Makespan, Work: trace.Busy}
	e.bound(p, loads, places, jobs)
	e.Path, e.Critical = criticalPath(p, func(i int) time.Duration { return loads[i].alone() })
	return e, nil
}

// alone is how long a task takes at least, however many places there are.
func (l *Load) alone() time.Duration {
	if l.Skipped || l.Instances == 0 {
		return 0
	}
	rounds := 1
	if l.AtOnce > 0 {
		rounds = (l.Instances + l.AtOnce - 1) / l.AtOnce
	}
	return l.Duration * time.Duration(rounds)
}

// bound works out Workers and Bound. Tasks and `finally` don't overlap, so each has
// its own.
func (e *Estimate) bound(p *dag.Plan, loads []Load, places func(*dag.Executor) int, jobs int) {
	size := make(map[string]int)
	for _, part := range [][2]int{{0, p.Main}, {p.Main, len(p.Nodes)}} {
		work := make(map[string]time.Duration)
		var all time.Duration
		for i := part[0]; i < part[1]; i++ {
			t, l := p.Nodes[i].Task, &loads[i]
			x, ok := p.Workflow.Executor(t.Executor)
			if !ok || l.Skipped {
				continue
			}
			work[x.Name] += l.Duration * time.Duration(l.Instances)
			all += l.Duration * time.Duration(l.Instances)
			size[x.Name] = places(x)
		}
		_, longest := criticalPath(p, func(i int) time.Duration {
			if i < part[0] || i >= part[1] {
				return 0
			}
			return loads[i].alone()
		})
		for name, w := range work {
			longest = max(longest, w/time.Duration(size[name]))
		}
		if jobs > 0 {
			longest = max(longest, all/time.Duration(jobs))
		}
		e.Bound += longest
	}
	for _, n := range size {
		e.Workers += n
	}
	if jobs > 0 {
		e.Workers = min(e.Workers, jobs)
	}
}

// criticalPath is the longest way through a plan whose tasks have lengths, and its
// length. Tasks of length 0 are not listed. `finally` goes on from the longest way
// through the rest.
func criticalPath[L int | time.Duration](p *dag.Plan, length func(i int) L) (path []int32, total L) {
	longest := make([]L, len(p.Nodes))
	before := make([]int32, len(p.Nodes))
	mainEnd := int32(-1) // of the longest way through what is not finally
	best := int32(-1)
	for _, i := range p.Order {
		before[i] = -1
		if int(i) >= p.Main && mainEnd >= 0 {
			longest[i], before[i] = longest[mainEnd], mainEnd
		}
		for _, d := range p.Nodes[i].Deps {
			if longest[d] > longest[i] || longest[d] == longest[i] && before[i] == -1 && longest[d] > 0 {
				longest[i], before[i] = longest[d], d
			}
		}
		longest[i] += length(int(i))
		if best == -1 || longest[i] > longest[best] {
			best = i
		}
		if int(i) < p.Main {
			mainEnd = best
		}
	}
	if best == -1 {
		return nil, 0
	}
	for i := best; i != -1; i = before[i] {
		if length(int(i)) > 0 {
			path = append(path, i)
		}
	}
	slices.Reverse(path)
	return path, longest[best]
}

// Loads are a forecast's tasks with how long each takes. A fan-out of which only
// the run knows how wide it is counts as one instance.
func (f *Forecast) Loads(duration func(i int) time.Duration) []Load {
	loads := make([]Load, len(f.Tasks))
	for i := range f.Tasks {
		loads[i] = Load{Duration: duration(i), Instances: 1, Skipped: f.Tasks[i].idle()}
		if t := f.Plan.Nodes[i].Task; t.Fan != nil {
			loads[i].AtOnce = t.MaxParallel
			if n := f.Tasks[i].Instances; n >= 0 {
				loads[i].Instances = n
			}
		}
	}
	return loads
}
