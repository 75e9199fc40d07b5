package layout

import (
	"cmp"
	"slices"
)

// pushBudget bounds how many edges are looked at to make edges shorter.
const pushBudget = 10_000_000

// layering gives layers to nodes.
type layering struct {
	g         *Graph
	order     []int32   // topological, by band
	ins, outs [][]int32 // by node, an edge that is given twice counts twice
	layer     []int32
	last      []int32 // by node: the last layer of its band
	mark      []int32 // by node: the last push that it was looked at in
	pushes    int32
	budget    int
}

// assign gives each node a layer, from 0, so that every edge leads to a later one
// and no layer is empty: first the earliest possible, then edges are shortened as
// by Nikolov and Tarassov, "Graph layering by promotion of nodes" (2006): a node
// moves towards what it leads to, and takes along what stands in its way, as long
// as that makes the sum of all lengths smaller. Network simplex would find the
// least sum, at several times the code; on real graphs the two seldom differ.
func assign(g *Graph) ([]int32, error) {
	n := len(g.Nodes)
	l := &layering{g: g, ins: make([][]int32, n), outs: make([][]int32, n),
		layer: make([]int32, n), last: make([]int32, n), mark: make([]int32, n), budget: pushBudget}
	for _, e := range g.Edges {
		l.outs[e.From] = append(l.outs[e.From], int32(e.To))
		l.ins[e.To] = append(l.ins[e.To], int32(e.From))
	}
	if !l.sort() {
		return nil, ErrCircle
	}
	l.earliest()
	for moved := true; moved; {
		moved = false
		for k := n - 1; k >= 0 && l.budget > 0; k-- {
			for l.push(l.order[k]) {
				moved = true
			}
		}
	}
	l.close()
	return l.layer, nil
}

// sort fills order; false: there is a circle.
func (l *layering) sort() bool {
	left := make([]int, len(l.ins))
	for v := range l.ins {
		if left[v] = len(l.ins[v]); left[v] == 0 {
			l.order = append(l.order, int32(v))
		}
	}
	for k := 0; k < len(l.order); k++ {
		for _, w := range l.outs[l.order[k]] {
			if left[w]--; left[w] == 0 {
				l.order = append(l.order, w)
			}
		}
	}
	slices.SortStableFunc(l.order, func(a, b int32) int { return cmp.Compare(l.g.Nodes[a].Band, l.g.Nodes[b].Band) })
	return len(l.order) == len(l.ins)
}

// earliest gives each node the first layer that it can have: the longest way to it.
func (l *layering) earliest() {
	next := int32(0) // behind all bands so far
	for from := 0; from < len(l.order); {
		first, to := next, from
		for ; to < len(l.order) && l.g.Nodes[l.order[to]].Band == l.g.Nodes[l.order[from]].Band; to++ {
			v := l.order[to]
			l.layer[v] = first
			for _, u := range l.ins[v] {
				l.layer[v] = max(l.layer[v], l.layer[u]+1)
			}
			next = max(next, l.layer[v]+1)
		}
		for _, v := range l.order[from:to] {
			l.last[v] = next - 1
		}
		from = to
	}
}

// push moves a node down, with all that it would run into, as far as edges become
// shorter by it. It tells whether it did.
func (l *layering) push(v int32) bool {
	if len(l.outs[v]) <= len(l.ins[v]) {
		return false // what stands in its way would move without it
	}
	l.pushes++
	l.mark[v] = l.pushes
	set, gain, room := []int32{v}, 0, int32(1<<30)
	for k := 0; k < len(set); k++ {
		u := set[k]
		gain += len(l.outs[u]) - len(l.ins[u])
		room = min(room, l.last[u]-l.layer[u])
		l.budget -= len(l.outs[u])
		for _, w := range l.outs[u] {
			if l.layer[w] == l.layer[u]+1 && l.mark[w] != l.pushes {
				l.mark[w] = l.pushes
				set = append(set, w)
			}
		}
	}
	if gain <= 0 || room <= 0 {
		return false
	}
	for _, u := range set {
		for _, w := range l.outs[u] {
			if l.mark[w] != l.pushes {
				room = min(room, l.layer[w]-l.layer[u]-1)
			}
		}
	}
	for _, u := range set {
		l.layer[u] += room
	}
	return true
}

// close takes layers away that nothing is left in.
func (l *layering) close() {
	used := make([]int32, len(l.layer)+1)
	for _, k := range l.layer {
		used[k+1] = 1
	}
	for k := 1; k < len(used); k++ {
		used[k] += used[k-1]
	}
	for v, k := range l.layer {
		l.layer[v] = used[k]
	}
}
