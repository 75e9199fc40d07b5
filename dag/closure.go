package dag

import (
	"fmt"
	"iter"
	"slices"
)

// Closure returns the indexes of the tasks with those ids and of all that they
// depend on, ascending; nil for no ids. An id that is none of `tasks` is an
// error.
func (p *Plan) Closure(ids []string) ([]int, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	todo, err := p.find(ids, p.Main)
	if err != nil {
		return nil, err
	}
	in := make([]bool, len(p.Nodes))
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !in[i] {
			in[i] = true
			todo = append(todo, p.Nodes[i].Deps...)
		}
	}
	var closure []int
	for i, yes := range in {
		if yes {
			closure = append(closure, i)
		}
	}
	return slices.Clip(closure), nil
}

// ids are those of `tasks`, in file order.
func (p *Plan) ids() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range p.Main {
			if !yield(p.Nodes[i].Task.ID) {
				return
			}
		}
	}
}

// Find returns the index of each task that is named, those of `finally` included.
func (p *Plan) Find(ids []string) ([]int32, error) { return p.find(ids, len(p.Nodes)) }

// find looks among the first n tasks.
func (p *Plan) find(ids []string, n int) ([]int32, error) {
	index := make(map[string]int32, n)
	for i := range n {
		index[p.Nodes[i].Task.ID] = int32(i)
	}
	found := make([]int32, len(ids))
	for k, id := range ids {
		i, ok := index[id]
		if !ok {
			if slices.ContainsFunc(p.Nodes[n:], func(x Node) bool { return x.Task.ID == id }) {
				return nil, fmt.Errorf("%s: a task of finally, which runs in any case", id)
			}
			if near := nearest(id, p.ids()); near != "" {
				return nil, fmt.Errorf("%s: no such task; did you mean %q?", id, near)
			}
			return nil, fmt.Errorf("%s: no such task", id)
		}
		found[k] = i
	}
	return found, nil
}
