package dag

import (
	"strconv"
	"strings"

	"flow/internal/layout"
)

// maxAlike is how many tasks that are alike a picture shows one by one.
const maxAlike = 8

// box is what a picture shows as one: a task, or more than maxAlike that are alike.
type box struct{ tasks []int32 }

// boxes puts tasks that are alike together: those with the same traits, conditions
// aside, that depend on the same and that the same depend on. Chains of tasks that are alike in this way,
// with nothing that branches off, become chains of boxes. Boxes are in file order,
// edges lead from box to box, each once.
func boxes(p *Plan) ([]box, []layout.Edge) {
	at := make([]int, len(p.Nodes)) // the box of each task
	for i := range at {
		at[i] = -1
	}
	var all []box
	groups := alikes(p)
	for i := range p.Nodes {
		if at[i] >= 0 {
			continue
		}
		set := []int32{int32(i)}
		if g := groups[int32(i)]; g != nil {
			set = g
		}
		for _, v := range set {
			at[v] = len(all)
		}
		all = append(all, box{set})
	}
	var edges []layout.Edge
	drawn := make([]int, len(all)) // by box: the last one that an edge to was made from it
	for k, b := range all {
		for _, d := range p.Nodes[b.tasks[0]].Deps {
			if from := at[d]; drawn[from] <= k {
				drawn[from] = k + 1
				edges = append(edges, layout.Edge{From: from, To: k})
			}
		}
	}
	return all, edges
}

// alikes finds tasks that are alike; each group stands at its first task.
func alikes(p *Plan) map[int32][]int32 {
	next := make([]int32, len(p.Nodes)) // the next of its chain, or -1
	inner := make([]bool, len(p.Nodes)) // it is not the first of its chain
	for i := range p.Nodes {
		next[i] = -1
		if outs := p.Nodes[i].Outs; len(outs) == 1 {
			if o := outs[0]; len(p.Nodes[o].Deps) == 1 && p.Nodes[o].Task.Finally == p.Nodes[i].Task.Finally {
				next[i], inner[o] = o, true
			}
		}
	}
	chains := make(map[string][]int32) // the first tasks of chains that are alike
	var keys []string
	for i := range p.Nodes {
		if inner[i] {
			continue
		}
		key := string(chainKey(p, next, int32(i)))
		if chains[key] == nil {
			keys = append(keys, key)
		}
		chains[key] = append(chains[key], int32(i))
	}
	groups := make(map[int32][]int32)
	for _, key := range keys {
		for set := chains[key]; len(set) > maxAlike && set[0] >= 0; {
			groups[set[0]] = set
			following := make([]int32, len(set))
			for k, v := range set {
				following[k] = next[v]
			}
			set = following
		}
	}
	return groups
}

// chainKey is the same for chains that are alike: all about their first and last
// task, and the traits of all.
func chainKey(p *Plan, next []int32, v int32) []byte {
	var key []byte
	list := func(tasks []int32) {
		for _, t := range tasks {
			key = append(strconv.AppendInt(key, int64(t), 36), ' ')
		}
		key = append(key, '|')
	}
	key = strconv.AppendBool(key, p.Nodes[v].Task.Finally)
	list(p.Nodes[v].Deps)
	for ; ; v = next[v] {
		t := p.Nodes[v].Task
		what, _, conditional := strings.Cut(traits(t), " · if ")
		key = strconv.AppendBool(append(append(key, what...), ' '), conditional)
		if next[v] < 0 {
			list(p.Nodes[v].Outs)
			return key
		}
	}
}
