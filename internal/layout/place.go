package layout

import "slices"

// place finds x coordinates as by Brandes and Köpf, "Fast and simple horizontal
// coordinate assignment" (2001): four times, from each corner, vertices are put
// above each other in blocks with a middle neighbour of the next layer, inner
// segments of lines first; blocks are pushed together; the mean of the two middle
// ones of the four results counts. Blocks are pushed together as one graph of
// blocks, in linear time: the paper's classes put blocks on top of each other in
// rare cases (Brandes, Walter and Zink, "Erratum", 2020).
func (d *drawing) place() {
	c := d.conflicts()
	var all [4][]int
	for i := range all {
		b := &blocks{drawing: d, conflicts: c, upward: i&1 != 0, mirrored: i&2 != 0}
		b.align()
		all[i] = b.compact()
	}
	d.x = balance(all, 2)
}

// conflicts says which segments may be vertical: none that crosses an inner one,
// or shares an end with it; of inner ones that cross each other, as many as
// possible.
type conflicts struct {
	keptUp, keptDown []int32 // by vertex: the other end of an inner segment that is vertical, or -1
	above, below     []int32 // by vertex: how many such ones there are left of it
}

func (d *drawing) conflicts() *conflicts {
	n := len(d.layer)
	c := &conflicts{slices.Repeat([]int32{-1}, n), slices.Repeat([]int32{-1}, n), make([]int32, n), make([]int32, n)}
	for k := range len(d.layers) - 1 {
		var inner []int32 // upper ends
		for _, v := range d.layers[k] {
			if d.lineDown[v] >= 0 {
				inner = append(inner, v)
			}
		}
		for _, v := range d.uncrossed(inner) {
			c.keptDown[v] = d.lineDown[v]
			c.keptUp[d.lineDown[v]] = v
		}
		count := int32(0)
		for _, v := range d.layers[k] {
			c.below[v] = count
			if c.keptDown[v] >= 0 {
				count++
			}
		}
		count = 0
		for _, v := range d.layers[k+1] {
			c.above[v] = count
			if c.keptUp[v] >= 0 {
				count++
			}
		}
	}
	return c
}

// uncrossed picks as many inner segments as there can be that do not cross, the
// longest ascending run of lower ends.
func (d *drawing) uncrossed(upper []int32) []int32 {
	var tails []int // of the best run of each length: the index of its last
	before := make([]int, len(upper))
	for i, v := range upper {
		p := d.pos[d.lineDown[v]]
		k, _ := slices.BinarySearchFunc(tails, p, func(t int, p int32) int { return int(d.pos[d.lineDown[upper[t]]] - p) })
		before[i] = -1
		if k > 0 {
			before[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	run := make([]int32, len(tails))
	if len(tails) > 0 {
		for i, k := tails[len(tails)-1], len(tails)-1; i >= 0; i, k = before[i], k-1 {
			run[k] = upper[i]
		}
	}
	return run
}

// vertical tells whether a segment may be so.
func (c *conflicts) vertical(u, v int32) bool {
	if c.keptDown[u] >= 0 || c.keptUp[v] >= 0 {
		return c.keptDown[u] == v
	}
	return c.below[u] == c.above[v]
}

// blocks is one of the four placements.
type blocks struct {
	*drawing
	*conflicts
	upward   bool // layers from the lowest to the topmost
	mirrored bool // from right to left
	root     []int32
	next     []int32 // by vertex: the next of its block, in a circle
}

// align puts vertices into blocks, one of each layer at most.
func (b *blocks) align() {
	b.root, b.next = make([]int32, len(b.layer)), make([]int32, len(b.layer))
	for v := range b.root {
		b.root[v], b.next[v] = int32(v), int32(v)
	}
	for i := range b.layers {
		row, near := b.layers[i], b.up
		if b.upward {
			row, near = b.layers[len(b.layers)-1-i], b.down
		}
		taken := int32(-1) // the rightmost place that is in a block already
		if b.mirrored {
			taken = int32(len(b.layer))
		}
		for k := range row {
			v := row[k]
			if b.mirrored {
				v = row[len(row)-1-k]
			}
			for _, u := range b.middle(v, near[v]) {
				free := taken < b.pos[u]
				ok := false
				if b.mirrored {
					free = taken > b.pos[u]
				}
				if b.upward {
					ok = b.vertical(v, u)
				} else {
					ok = b.vertical(u, v)
				}
				if free && ok {
					b.next[u], b.root[v], b.next[v] = v, b.root[u], b.root[u]
					taken = b.pos[u]
					break
				}
			}
		}
	}
}

// middle are the neighbours that a vertex should stand below: that of its line, or
// one or two in the middle.
func (b *blocks) middle(v int32, near []int32) []int32 {
	line := b.keptUp[v]
	if b.upward {
		line = b.keptDown[v]
	}
	switch n := len(near); {
	case line >= 0:
		return []int32{line}
	case n == 0:
		return nil
	case n%2 == 1:
		return near[n/2 : n/2+1]
	case b.mirrored:
		return []int32{near[n/2], near[n/2-1]}
	default:
		return near[n/2-1 : n/2+1]
	}
}

// compact pushes blocks together: each as far left as its left neighbours let it,
// then right towards those that it keeps from nothing. (In a mirrored placement,
// the other way round.)
func (b *blocks) compact() []int {
	n := len(b.layer)
	left, right := b.beside(-1), b.beside(1)
	if b.mirrored {
		left, right = right, left
	}
	waits := make([]int32, n) // by root: how many left neighbours are not placed
	for v := range n {
		if left[v] >= 0 {
			waits[b.root[v]]++
		}
	}
	var order []int32
	for v := range int32(n) {
		if b.root[v] == v && waits[v] == 0 {
			order = append(order, v)
		}
	}
	x := make([]int, n)
	for k := 0; k < len(order); k++ {
		b.each(order[k], func(v int32) {
			if w := right[v]; w >= 0 {
				r := b.root[w]
				x[r] = max(x[r], x[order[k]]+b.apart(v, w))
				if waits[r]--; waits[r] == 0 {
					order = append(order, r)
				}
			}
		})
	}
	for _, r := range slices.Backward(order) {
		room := -1
		b.each(r, func(v int32) {
			if w := right[v]; w >= 0 {
				if most := x[b.root[w]] - b.apart(v, w); room < 0 || most < room {
					room = most
				}
			}
		})
		x[r] = max(x[r], room)
	}
	placed := make([]int, n)
	for v := range placed {
		placed[v] = x[b.root[v]]
		if b.mirrored {
			placed[v] = -placed[v]
		}
	}
	return placed
}

// each calls for all vertices of a block.
func (b *blocks) each(root int32, call func(v int32)) {
	for v := root; ; {
		call(v)
		if v = b.next[v]; v == root {
			return
		}
	}
}

// balance brings placements above each other, at the narrowest one, and takes for
// each vertex the mean of the two middle coordinates. Those from `mirrored` on are
// put together at their right side. Distances stay: all are multiples of Grid.
func balance(all [4][]int, mirrored int) []int {
	narrowest, width := 0, -1
	for i, x := range all {
		if w := slices.Max(x) - slices.Min(x); width < 0 || w < width {
			narrowest, width = i, w
		}
	}
	low := slices.Min(all[narrowest])
	for i, x := range all {
		shift := low - slices.Min(x)
		if i >= mirrored {
			shift = low + width - slices.Max(x)
		}
		for v := range x {
			x[v] += shift
		}
	}
	middle := make([]int, len(all[0]))
	for v := range middle {
		four := [4]int{all[0][v], all[1][v], all[2][v], all[3][v]}
		slices.Sort(four[:])
		middle[v] = snapDown((four[1] + four[2]) >> 1)
	}
	return middle
}
