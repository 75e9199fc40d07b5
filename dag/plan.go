package dag

import (
	"fmt"
	"slices"
	"strings"
)

// Plan is the graph of a workflow, ready to be run: immutable, and shared by
// all runs. Node i is Workflow.Tasks[i]; edges are indexes.
//
// Nodes keep the order of the file, which is the one that people know and that
// expressions were compiled with; Order is a topological one. A second
// numbering of the nodes would make two kinds of index that look alike.
type Plan struct {
	Workflow *Workflow
	Nodes    []Node
	// Order has every node once, each after all that it depends on, ties by
	// place in the file; those of `finally` are last.
	Order []int32
	// Main is how many nodes are of `tasks`; those from Main on are of `finally`.
	Main int
}

// Node is one task in the graph.
type Node struct {
	Task *Task
	Deps []int32 // what it depends on directly, ascending, each once
	Outs []int32 // what depends on it directly, ascending, each once
}

// CycleError is the answer of NewPlan where tasks depend on each other in a
// circle.
type CycleError struct{ Tasks []*Task } // each depends on the next, the last on the first

// Error shows the circle whole: "circle: a → b → a".
func (e *CycleError) Error() string {
	ids := make([]string, 0, len(e.Tasks)+1)
	for _, t := range e.Tasks {
		ids = append(ids, t.ID)
	}
	return "circle: " + strings.Join(append(ids, ids[0]), " → ")
}

// NewPlan builds the graph from the tasks' Deps. It takes time and memory
// linear in tasks and edges, and recurses nowhere, so depth costs nothing.
//
// A circle is a *CycleError; other errors tell of a workflow that was built by
// hand with indexes that don't exist or a `finally` before a task.
func NewPlan(w *Workflow) (*Plan, error) {
	p := &Plan{Workflow: w, Nodes: make([]Node, len(w.Tasks)), Main: len(w.Tasks)}
	edges := 0
	for i, t := range w.Tasks {
		if t.Finally {
			p.Main = min(p.Main, i)
		} else if p.Main < i {
			return nil, fmt.Errorf("dag: plan: task %s stands after one of finally", t.ID)
		}
		edges += len(t.Deps)
	}
	if err := p.connect(edges); err != nil {
		return nil, err
	}
	p.sort()
	if len(p.Order) < len(p.Nodes) {
		return nil, &CycleError{p.circle()}
	}
	return p, nil
}

// connect fills Deps and Outs. All edges share two backing arrays.
func (p *Plan) connect(edges int) error {
	n := len(p.Nodes)
	deps := make([]int32, 0, edges)
	outs := make([]int32, edges)
	count := make([]int32, n)
	for i, t := range p.Workflow.Tasks {
		from := len(deps)
		for j, d := range t.Deps {
			switch {
			case d < 0 || d >= n:
				return fmt.Errorf("dag: plan: task %s depends on task %d of %d", t.ID, d, n)
			case j > 0 && d <= t.Deps[j-1]:
				return fmt.Errorf("dag: plan: task %s: dependencies are not ascending", t.ID)
			case d >= p.Main && i < p.Main:
				return fmt.Errorf("dag: plan: task %s depends on %s of finally", t.ID, p.Workflow.Tasks[d].ID)
			}
			deps = append(deps, int32(d))
			count[d]++
		}
		p.Nodes[i] = Node{Task: t, Deps: deps[from:len(deps):len(deps)]}
	}
	at := int32(0)
	for i := range p.Nodes {
		p.Nodes[i].Outs = outs[at : at : at+count[i]]
		at += count[i]
	}
	for i := range p.Nodes {
		for _, d := range p.Nodes[i].Deps {
			p.Nodes[d].Outs = append(p.Nodes[d].Outs, int32(i))
		}
	}
	return nil
}

// sort fills Order (Kahn's algorithm, level by level): nodes of one level in
// file order, so that the order is the same every time. Nodes on or behind a
// circle are left out.
func (p *Plan) sort() {
	n := len(p.Nodes)
	left := make([]int32, n)
	p.Order = make([]int32, 0, n)
	for part, from := range [2]int{0, p.Main} {
		to := [2]int{p.Main, n}[part]
		start := len(p.Order)
		for i := from; i < to; i++ {
			for _, d := range p.Nodes[i].Deps {
				if int(d) >= from {
					left[i]++
				}
			}
			if left[i] == 0 {
				p.Order = append(p.Order, int32(i))
			}
		}
		for level := start; level < len(p.Order); {
			next := len(p.Order)
			for _, i := range p.Order[level:next] {
				for _, o := range p.Nodes[i].Outs {
					if int(o) >= to {
						continue // of finally: its turn comes later
					}
					if left[o]--; left[o] == 0 {
						p.Order = append(p.Order, o)
					}
				}
			}
			slices.Sort(p.Order[next:])
			level = next
		}
	}
}

// circle finds one circle among the nodes that sort left out: it walks from
// dependency to dependency until it meets itself. Each node left out has a
// dependency that was left out too.
func (p *Plan) circle() []*Task {
	placed := make([]bool, len(p.Nodes))
	for _, i := range p.Order {
		placed[i] = true
	}
	i := int32(slices.Index(placed, false))
	seen := make(map[int32]int)
	var path []int32
	for {
		if from, ok := seen[i]; ok {
			path = path[from:]
			break
		}
		seen[i] = len(path)
		path = append(path, i)
		for _, d := range p.Nodes[i].Deps {
			if !placed[d] {
				i = d
				break
			}
		}
	}
	// Begin with the task that stands first in the file.
	first := slices.Index(path, slices.Min(path))
	path = append(path[first:], path[:first]...)
	tasks := make([]*Task, len(path))
	for k, i := range path {
		tasks[k] = p.Nodes[i].Task
	}
	return tasks
}
