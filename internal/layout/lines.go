package layout

import (
	"cmp"
	"slices"
)

// connect gives long edges joints, one in each layer between their ends, and makes
// the segments. Long edges share a line: those that leave a node, or those that
// come to one, whichever has more of them. A line belongs to one node, so it can
// be followed without doubt, and a node that a hundred others need has one line
// down the picture and not a hundred. (It is a merging as of Eppstein, Goodrich
// and Meng, "Confluent layered drawings" (2007), of one node's lines only.)
func (d *drawing) connect() error {
	long := make([]int32, 2*d.n) // by node: how many long edges leave it, then: come to it
	for _, e := range d.g.Edges {
		if d.layer[e.To]-d.layer[e.From] > 1 {
			long[e.From]++
			long[d.n+e.To]++
		}
	}
	owner := func(e Edge) int { // of the line of a long edge
		if long[e.From] >= long[d.n+e.To] {
			return e.From
		}
		return d.n + e.To
	}
	if err := d.joints(owner); err != nil {
		return err
	}
	d.segments()
	d.parts()
	return nil
}

// joints adds vertices for lines, and notes for each edge where its line begins.
func (d *drawing) joints(owner func(Edge) int) error {
	reach := make([]int32, 2*d.n) // by owner: how long its line is
	for _, e := range d.g.Edges {
		if length := d.layer[e.To] - d.layer[e.From] - 1; length > 0 {
			o := owner(e)
			reach[o] = max(reach[o], length)
		}
	}
	first := make([]int32, 2*d.n) // by owner: its line's topmost joint
	total := d.n
	for o, length := range reach {
		first[o] = int32(total)
		if total += int(length); total > maxVertices {
			return ErrTooLarge
		}
	}
	d.layer = append(d.layer, make([]int32, total-d.n)...)
	d.lineUp, d.lineDown = make([]int32, total), make([]int32, total)
	for v := range total {
		d.lineUp[v], d.lineDown[v] = -1, -1
	}
	for o, length := range reach {
		top := int32(0)
		if o < d.n {
			top = d.layer[o] + 1
		} else {
			top = d.layer[o-d.n] - length
		}
		for k := range length {
			v := first[o] + k
			d.layer[v] = top + k
			if k > 0 {
				d.lineUp[v], d.lineDown[v-1] = v-1, v
			}
		}
	}
	d.trunks = make([]int32, len(d.g.Edges))
	for i, e := range d.g.Edges {
		d.trunks[i] = -1
		if d.layer[e.To]-d.layer[e.From] > 1 {
			d.trunks[i] = first[owner(e)]
		}
	}
	return nil
}

// way calls for each vertex of an edge, from top to bottom.
func (d *drawing) way(i int, call func(v int32)) {
	e := d.g.Edges[i]
	call(int32(e.From))
	if top := d.trunks[i]; top >= 0 {
		for k := d.layer[e.From] + 1; k < d.layer[e.To]; k++ {
			call(top + k - d.layer[top])
		}
	}
	call(int32(e.To))
}

// segments fills up and down, each segment once, in order of vertices.
func (d *drawing) segments() {
	type segment struct{ from, to int32 }
	var all []segment
	for v, w := range d.lineDown {
		if w >= 0 {
			all = append(all, segment{int32(v), w})
		}
	}
	for i, e := range d.g.Edges {
		top := d.trunks[i]
		if top < 0 {
			all = append(all, segment{int32(e.From), int32(e.To)})
			continue
		}
		all = append(all,
			segment{int32(e.From), top + d.layer[e.From] + 1 - d.layer[top]},
			segment{top + d.layer[e.To] - 1 - d.layer[top], int32(e.To)})
	}
	slices.SortFunc(all, func(a, b segment) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	all = slices.Compact(all)
	d.up, d.down = make([][]int32, len(d.layer)), make([][]int32, len(d.layer))
	for _, s := range all {
		d.down[s.from] = append(d.down[s.from], s.to)
		d.up[s.to] = append(d.up[s.to], s.from)
	}
}

// parts numbers the connected parts of the graph, by their first nodes.
func (d *drawing) parts() {
	d.part = make([]int32, len(d.layer))
	for v := range d.part {
		d.part[v] = -1
	}
	count := int32(0)
	var todo []int32
	for v := range d.n {
		if d.part[v] >= 0 {
			continue
		}
		d.part[v] = count
		todo = append(todo[:0], int32(v))
		for len(todo) > 0 {
			u := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, near := range [2][]int32{d.up[u], d.down[u]} {
				for _, w := range near {
					if d.part[w] < 0 {
						d.part[w] = count
						todo = append(todo, w)
					}
				}
			}
		}
		count++
	}
}
